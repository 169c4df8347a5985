/*
 * gates.h - the table of gates: which figures of a candidate a limit may be put on before the run.
 *
 * What decides is replay/gate.h. Names, units and directions are here because the configuration reads them.
 */
#ifndef CAPTURE_GATES_H
#define CAPTURE_GATES_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/span.h"

/* id, name, unit, direction, standing, default limit, meaning. Limits are shares in 0..1 but of the units
 * "ratio", "bits" and "ms". */
#define GATE_TABLE(X)                                                                                        \
	X(CANDIDATE_FAILURE_RATE, "candidate_failure_rate", "exchange", MAX, true, 0.01,                     \
	  "the candidate gave no usable answer (connect, timeout, reset, protocol, too large) / sent")       \
	X(COVERAGE, "coverage", "exchange", MIN, true, 0.95, "compared / (seen - sampled out - excluded)")   \
	X(DIVERGENCE_RATE, "divergence_rate", "pair", MAX, false, 0.0, "pairs that diverge / pairs")         \
	X(VALUE_DIVERGENCE_RATE, "value_divergence_rate", "value", MAX, false, 0.0,                          \
	  "value of pairs that diverge / value of pairs, by the route's `weight`")                           \
	X(ROW_DIVERGENCE_RATE, "row_divergence_rate", "row", MAX, false, 0.0, "rows that diverge / rows")    \
	X(LATENCY_P99_RATIO, "latency_p99_ratio", "ratio", MAX, false, 0.0,                                  \
	  "p99 of the candidate / p99 of the baseline, or of live without one")                              \
	X(LATENCY_P90_RATIO, "latency_p90_ratio", "ratio", MAX, false, 0.0, "the same of p90")               \
	X(LATENCY_P50_RATIO, "latency_p50_ratio", "ratio", MAX, false, 0.0, "the same of p50")               \
	X(LATENCY_P99_SHIFT, "latency_p99_shift", "ms", MAX, false, 0.0,                                     \
	  "p99 over pairs of candidate less baseline, or less live without one")                             \
	X(LATENCY_P90_SHIFT, "latency_p90_shift", "ms", MAX, false, 0.0, "the same of p90")                  \
	X(LATENCY_P50_SHIFT, "latency_p50_shift", "ms", MAX, false, 0.0, "the same of p50")                  \
	X(EXCESS_DIVERGENCE, "excess_divergence", "pair", MAX, false, 0.0,                                   \
	  "pairs in which the candidate alone diverges less those in which the baseline alone does / pairs " \
	  "that both answered")                                                                              \
	X(STATUS_RATE, "status_rate", "pair", MAX, false, 0.0, "pairs whose statuses differ / pairs")        \
	X(STRUCTURE_RATE, "structure_rate", "pair", MAX, false, 0.0,                                         \
	  "pairs whose outputs, shapes, types or paths differ / pairs")                                      \
	X(LABEL_FLIP_RATE, "label_flip_rate", "row", MAX, false, 0.0, "rows whose label differs / rows")     \
	X(VALUE_RATE, "value_rate", "row", MAX, false, 0.0, "rows with a value outside tolerance / rows")    \
	X(ANSWER_TEXT_RATE, "answer_text_rate", "row", MAX, false, 0.0,                                      \
	  "answers of a language model whose text differs / answers")                                        \
	X(FINISH_REASON_RATE, "finish_reason_rate", "row", MAX, false, 0.0,                                  \
	  "... that ended for another reason / answers")                                                     \
	X(TOOL_CALLS_RATE, "tool_calls_rate", "row", MAX, false, 0.0, "... with other tool calls / answers") \
	X(REFUSAL_RATE, "refusal_rate", "row", MAX, false, 0.0, "... of which one alone refuses / answers")  \
	X(ANSWER_FLIP_RATE, "answer_flip_rate", "row", MAX, false, 0.0,                                      \
	  "... with another final answer / answers")                                                         \
	X(JSON_BROKEN_RATE, "json_broken_rate", "row", MAX, false, 0.0,                                      \
	  "... that are no JSON where live's is / answers")                                                  \
	X(SCHEMA_BROKEN_RATE, "schema_broken_rate", "row", MAX, false, 0.0,                                  \
	  "... not valid by the route's schema where live's is / answers")                                   \
	X(CONTENT_FLAGGED_RATE, "content_flagged_rate", "row", MAX, false, 0.0,                              \
	  "texts that break a content rule where live's breaks none of it / rows")                           \
	X(JS_MEAN, "js_bits_mean", "bits", MAX, false, 0.0, "mean Jensen-Shannon divergence of rows")        \
	X(TV_MEAN, "tv_mean", "pair", MAX, false, 0.0, "mean total variation of rows")                       \
	X(EDIT_MEAN, "edit_distance_mean", "pair", MAX, false, 0.0, "mean normalised edit distance")         \
	X(TOKEN_F1_MEAN, "token_f1_mean", "pair", MIN, false, 0.0, "mean F1 of tokens")                      \
	X(LOGPROB_KL_MEAN, "logprob_kl_mean", "bits", MAX, false, 0.0,                                       \
	  "mean divergence of log probabilities of tokens, live against candidate")                          \
	X(PARITY_CHANGE, "parity_change", "row", MAX, false, 0.0,                                            \
	  "demographic parity difference between the groups of the route's `fairness`: candidate less live") \
	X(INPUT_DRIFT, "input_drift", "pair", MAX, false, 0.0,                                               \
	  "greatest distance between the distributions of a member of requests here and in the route's "     \
	  "`drift.reference`")                                                                               \
	X(OUTPUT_DRIFT, "output_drift", "pair", MAX, false, 0.0,                                             \
	  "the same of the candidate's answers and live's, with `drift.outputs`")                            \
	X(MONOTONICITY_RATE, "monotonicity_violation_rate", "move", MAX, false, 0.0,                         \
	  "moved requests (replay --move) whose score went the wrong way / moved requests")                  \
	X(PRIVACY_NEW_RATE, "privacy_new_rate", "pair", MAX, false, 0.0,                                     \
	  "answers with a class of entities that their request does not hold / pairs that detectors looked " \
	  "into")

enum gate_direction { GATE_MAX, GATE_MIN };
enum gate_metric {
#define X(id, name, unit, direction, standing, limit, meaning) GATE_##id,
	GATE_TABLE(X)
#undef X
	        GATE_METRICS
};

struct gate_metric_row {
	const char *name, *unit, *meaning;
	enum gate_direction direction;
	bool standing;
	double limit; /* of a standing gate that the plan does not declare */
};

/* The row of a metric below GATE_METRICS. */
const struct gate_metric_row *gate_metric_row(uint32_t metric);
/* The metric of that name, or -1. */
int gate_metric_by_name(struct span name);
/* Is its limit a share, written in percent? */
bool gate_metric_share(uint32_t metric);

#endif
