/*
 * gate.h - limits declared before the run, and the verdict they give. Pure: figures in, states out.
 *
 * "Not enough data" is undecided, never pass: a gate passes when its whole interval keeps the limit and
 * fails when its whole interval breaks it. Two gates always stand: candidate_failure_rate and coverage.
 */
#ifndef REPLAY_GATE_H
#define REPLAY_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/plan.h"
#include "proto/base/sketch.h"
#include "replay/stat.h"

#define GATE_ALPHA 0.05
#define GATE_T_OPT 1000.0

/* In the order of enum gate_metric: name, unit, direction, standing, default limit, meaning. */
#define GATE_TABLE(X)                                                                                        \
	X(CANDIDATE_FAILURE_RATE, "candidate_failure_rate", "exchange", MAX, true, 0.01,                     \
	  "the candidate gave no usable answer (connect, timeout, reset, protocol, too large) / sent")       \
	X(COVERAGE, "coverage", "exchange", MIN, true, 0.95, "compared / (seen - sampled out - excluded)")   \
	X(DIVERGENCE_RATE, "divergence_rate", "pair", MAX, false, 0.0, "pairs that diverge / pairs")         \
	X(ROW_DIVERGENCE_RATE, "row_divergence_rate", "row", MAX, false, 0.0, "rows that diverge / rows")    \
	X(LATENCY_P99_RATIO, "latency_p99_ratio", "ratio", MAX, false, 0.0,                                  \
	  "p99 of the candidate / p99 of the baseline, or of live without one")

enum gate_direction { GATE_MAX, GATE_MIN };
enum gate_state { GATE_UNDECIDED, GATE_PASS, GATE_FAIL };
enum { GATE_METRICS = GATE_LATENCY_P99_RATIO + 1, GATE_LIST_MAX = GATES_MAX + 2 };

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
const char *gate_state_name(enum gate_state);

/* What one candidate did. */
struct gate_input {
	uint64_t pairs, diverged, rows, rows_diverged;
	uint64_t rows_largest;     /* rows of the pair that has most */
	uint64_t compared, failed; /* sent = compared + failed */
	uint64_t expected;         /* seen - sampled out - excluded */
	const struct sketch *candidate,
	        *reference; /* latency; the reference is the baseline's, else live's */
};

struct gate_result {
	double value;       /* NaN without data */
	struct interval ci; /* high may be infinite */
	enum gate_state state;
	uint64_t needed; /* pairs until decided; 0 when it is, UINT64_MAX when that cannot be told */
};

void gate_evaluate(const struct plan_gate *, const struct gate_input *, struct gate_result *out);
/* Is the figure within the limit, whatever its interval? True without data. */
bool gate_keeps(const struct plan_gate *, const struct gate_result *);
/* The standing gates, with the plan's limits when it declares them, then the others. Returns how many. */
unsigned gate_list(const struct plan_route *, struct plan_gate out[GATE_LIST_MAX]);
/* One candidate's verdict over `count` results of `gates`. *decided_by_out: the index of the gate that
 * decided, the first that failed or of the undecided the one that needs most, or -1 when none did (everything
 * passed, or no gate beside the standing two is declared). */
enum gate_state gate_verdict(const struct plan_gate *gates, const struct gate_result *, unsigned count,
                             int *decided_by_out);
/* The worse of two: fail, undecided, pass. */
enum gate_state gate_worse(enum gate_state, enum gate_state);

/* Interval of a rate per row: k of `rows`, in pairs of at most `largest` rows. Rows of one pair go together,
 * so a pair is one observation (its share of rows, in [0,1]) of weight rows_i / largest: the estimate is the
 * ratio k / rows itself, and a batch does not buy certainty (stat_rate_weighted()). Valid while the sizes of
 * batches are the clients' choice and not the answers'; each time `largest` doubles another sequence begins,
 * whose level is its own. Equal sizes give stat_rate() over pairs. */
struct interval gate_row_rate(uint64_t k, uint64_t rows, uint64_t largest);

#endif
