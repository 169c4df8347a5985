/*
 * compare.h - two answers to the same request in, divergences and measures out. Pure: no I/O.
 *
 * A pair is diverged by label flip, status, structure, or a value outside tolerance; JS and TV are
 * measures, never divergence.
 */
#ifndef REPLAY_COMPARE_H
#define REPLAY_COMPARE_H

#include "capture/plan.h"
#include "proto/base/span.h"
#include "replay/agreement.h"
#include "replay/jsondiff.h"
#include "replay/pace.h"

#define DIVERGENCE_TABLE(X)                                                                                  \
	X(STATUS, "status", "pair")              /* response status differs */                               \
	X(STRUCTURE, "structure", "pair")        /* outputs, shapes, types, missing or extra paths differ */ \
	X(LABEL_FLIP, "label_flip", "row")       /* argmax differs */                                        \
	X(VALUE, "value", "row")                 /* a number, string or byte outside tolerance */            \
	X(NONFINITE, "nonfinite", "row")         /* NaN or an infinity on one side; a VALUE, too */          \
	X(ORDER, "order", "row")                 /* a declared ranking, a JSON array: another order */       \
	X(DETECTION, "detection", "row")         /* a declared box has no match */                           \
	X(ANSWER_TEXT, "answer_text", "row")     /* of a language model: the text differs */                 \
	X(FINISH_REASON, "finish_reason", "row") /* ... why it ended */                                      \
	X(TOOL_CALLS, "tool_calls", "row")       /* ... a call's name, or its arguments as JSON */           \
	X(ANSWER_FLIP, "answer_flip", "row")     /* ... the declared final answer in it */                   \
	X(JSON_BROKEN, "json_broken", "row")     /* ... live's text is JSON, the candidate's is not */       \
	X(REFUSAL, "refusal", "row")             /* ... one refuses */                                       \
	X(SCHEMA_BROKEN, "schema_broken", "row") /* ... live's text is valid by the schema, not so here */   \
	X(CONTENT_FLAGGED, "content_flagged", "row") /* a text breaks a content rule that live's keeps */

enum divergence {
#define X(name, text, unit) DIVERGENCE_##name,
	DIVERGENCE_TABLE(X)
#undef X
	        DIVERGENCES
};
const char *divergence_name(enum divergence);
const char *divergence_unit(enum divergence);

/* What a row is measured by, each in 0..1. */
#define MEASURE_TABLE(X)                                                                                     \
	X(js_bits, has_measures)                                                                             \
	X(tv, has_measures)                                                                                  \
	X(hellinger, has_measures)                                                                           \
	X(top_overlap, has_measures)                                                                         \
	X(flip_margin, has_margin)                                                                           \
	X(cosine_distance, has_embedding)                                                                    \
	X(tau_distance, has_ranks)                                                                           \
	X(rbo, has_ranks)                                                                                    \
	X(rank_overlap, has_ranks)                                                                           \
	X(mean_iou, has_boxes)                                                                               \
	X(detection_f1, has_boxes)                                                                           \
	X(edit_distance, has_text)                                                                           \
	X(token_f1, has_text)                                                                                \
	X(rouge_l, has_text)                                                                                 \
	X(chrf, has_text)                                                                                    \
	X(same_start, has_text)                                                                              \
	X(length_ratio, has_text)                                                                            \
	X(logprob_kl, has_logprobs)

enum measure {
#define X(name, has) MEASURE_##name,
	MEASURE_TABLE(X)
#undef X
	        MEASURES
};

struct answer {
	unsigned status; /* of HTTP; of a gRPC call, head_grpc_status(), which is below 100 or none of HTTP's
	                  */
	struct span content_type, body;
	size_t binary_from;   /* where binary tensor data begins in the body; 0: nowhere */
	bool grpc;            /* the request was a gRPC call: */
	struct span target;   /* of the request: SERVICE/METHOD */
	struct span encoding; /* grpc-encoding; empty: none */
	struct pace_source pace;
};

struct row {
	bool flipped, diverged, has_measures;
	uint32_t live_label, candidate_label;
	double js_bits, tv;            /* classification rows; Lin 1991, base 2 */
	double hellinger, top_overlap; /* of the first 5 classes; NaN where there are fewer than 10 */
	bool has_margin, has_embedding, has_ranks, has_boxes, has_text;
	double flip_margin;                     /* live's score of its label less that of the candidate's */
	double cosine_distance;                 /* (1 - cosine) / 2 */
	double tau_distance, rbo, rank_overlap; /* (1 - tau-b) / 2, NaN: all ties; replay/ranks.h */
	double mean_iou, detection_f1;          /* replay/boxes.h */
	double edit_distance, token_f1, rouge_l, chrf, same_start, length_ratio; /* replay/text.h; NaN past
	                                                                            its bounds */
	bool has_logprobs;
	double logprob_kl; /* mean over positions up to the first other token: Kullback-Leibler divergence of
	                      the tokens that both tell, live's against the candidate's, in bits, at most 1 */
	bool has_scores;   /* in the comparison's scores */
	bool value_off, nonfinite; /* private: counted under VALUE, NONFINITE already */
};

const char *measure_name(enum measure);
double measure_of(const struct row *, enum measure); /* NaN: the row has none */

enum { COMPARE_ROWS_MAX = 4096, COMPARE_WHERE_MAX = 160, COMPARE_SCORES_MAX = 32 };

struct comparison {
	bool diverged;
	uint32_t counts[DIVERGENCES];
	uint32_t row_count, rows_diverged;
	struct agreement agreement; /* over the elements of declared regressions */
	uint32_t read_as;           /* enum protocol: what was chosen, or given; of gRPC what is sent */
	struct pace live_pace, candidate_pace;
	struct row *rows; /* row_count of them; owned by the comparison */
	/* Of a classification of at most COMPARE_SCORES_MAX classes in an answer of one message: of each row
	 * live's shares, then the candidate's; owned by the comparison. NULL: none. */
	float *scores;
	uint32_t classes;
	struct jsondiff_paths paths;   /* of what was compared as JSON */
	char where[COMPARE_WHERE_MAX]; /* first divergence, for people: "outputs[0] row 3: 5 -> 8" */
};

/* JSON paths that are left out of generic JSON unless the plan says no: what every answer has of its own. */
const char *const *compare_default_ignores(size_t *count_out);

/* 0, ERR_PROTO (one side cannot be decoded: undecodable), ERR_NOMEM, ERR_LIMIT. Statuses that differ, or
 * equal statuses >= 400, need no decodable body. Protocol AUTO: predictions (predictions.h; what is no
 * tensor is JSON) when live's path ends in ":predict"; Open Inference Protocol when both bodies are
 * JSON objects with "outputs", else the language model's API that llm_api_of() tells of live when both are
 * answers of it, else JSON when both parse, else bytes; `read_as` says which. With PROTOCOL_OPENINFERENCE a
 * tensor of rank >= 2 (or rank 1 with batch 1) whose numeric last axis is longer than 1 and whose every live
 * row sums to 1 +- 1e-6 is a classification (argmax, JS, TV; equality within tolerance is not asked of it);
 * other tensors are compared for equality within tolerance (abs + rel * |live|). What the plan declares of an
 * output is what it is compared as, where its form allows: classification (the last axis, of any scores),
 * regression (within tolerance, and how they agree), embedding (within tolerance, and its angle), ranking
 * (the last axis: items, or floating scores), detection (boxes of 6 numbers; of any number). NaN equals NaN.
 * Ignored by default in Open Inference answers: id, model_name, model_version, parameters.
 *
 * Answers of a language model, whole or streamed: each choice is a row (of embeddings, each vector), compared
 * by text, finish reason, tool calls and refusal, by the plan's content rules and schema; ignore paths,
 * tolerances and arrays are of each call's arguments. With an answer_after, what follows it on the last line
 * that begins with it, without commas and blanks around, is the answer that is compared, and other words are
 * measured only. An answer that carries an error has another status than one that does not; two with errors
 * are alike.
 *
 * A pair is gRPC when the content-type of either is: its status is grpc-status, its body messages, compared
 * one by one in their order. Statuses that differ need no decodable body; with equal ones, also failed ones,
 * what was sent is compared, and grpc-message is not. ModelInfer and ModelStreamInfer of a
 * GRPCInferenceService are Open Inference answers (PROTOCOL_AUTO too), each with rows of its own; any other
 * message is compared as bytes, a row each; past COMPARE_ROWS_MAX rows the last ones stand for the rest. A
 * differing number of messages is structure. Ignore paths:
 * "$.a.b[*].c",
 * "$..name". What is read of both takes work_bytes at most, else ERR_NOMEM. */
int compare_pair(const struct plan_route *, const struct answer *live, const struct answer *candidate,
                 size_t work_bytes, struct comparison *out) MUST_CHECK;
void comparison_fini(struct comparison *);

#endif
