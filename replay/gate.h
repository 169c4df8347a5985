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

enum gate_state { GATE_UNDECIDED, GATE_PASS, GATE_FAIL };
enum { GATE_LIST_MAX = GATES_MAX + 2 };

const char *gate_state_name(enum gate_state);

/* Of exchanges that candidate and baseline both answered, each compared with live: who alone diverged. */
struct gate_noise {
	uint64_t pairs, candidate_only, baseline_only;
};

/* What one endpoint of a side had to carry. */
struct gate_load {
	double rate;      /* requests a second */
	double in_flight; /* by Little's law: rate times mean time */
};

/* What one candidate did. What is NULL or 0 is not known. */
struct gate_input {
	uint64_t pairs, diverged, rows, rows_diverged;
	uint64_t rows_largest;          /* rows of the pair, or the session, that has most */
	uint64_t session_largest;       /* pairs of the session that has most; 0: as 1 */
	uint64_t moved, violations;     /* requests of which one number was moved; scores that went wrong */
	double weight, weight_diverged; /* in units of the cap */
	uint64_t censored;            /* timeouts: answers that would have taken longer than any that came */
	uint64_t compared, failed;    /* sent = compared + failed */
	uint64_t expected;            /* seen - sampled out - excluded */
	uint64_t looked, privacy_new; /* pairs into which detectors looked; of these */
	const uint64_t *classes;      /* by enum divergence, in units of it */
	const struct stat_mean *measures; /* by enum measure */
	struct gate_noise noise;
	bool baseline; /* the route has one */
	const struct sketch *candidate,
	        *reference;                   /* latency; the reference is the baseline's, else live's */
	const struct sketch *slower, *faster; /* us of a pair: candidate less reference, and the reverse */
	bool load_apart;                      /* gate_load_apart() of the two */
	struct interval parity;               /* parity_change; NaN: no two groups are large enough */
	double parity_value;
	struct interval input_drift, output_drift;
	double input_drift_value, output_drift_value; /* NaN: nothing is counted */
};

struct gate_result {
	double value;       /* NaN without data */
	struct interval ci; /* either end may be infinite */
	enum gate_state state;
	uint64_t needed; /* pairs until decided; 0 when it is, UINT64_MAX when that cannot be told */
	double log_e;    /* of a rate: against "it is just at the limit"; NaN of others */
	const char *why; /* NULL, or what keeps it undecided beside its interval */
};

/* Beyond 1.5 times apart in requests in flight, and not because the candidate itself takes longer: with rates
 * within 1.5 of each other what is in flight is the latency that the gate is about. Less than one in flight
 * is no queue. */
bool gate_load_apart(struct gate_load reference, struct gate_load candidate);

/* Candidate less baseline, both as rates of noise.pairs at alpha / 2, so that both hold at once. */
struct interval gate_excess(struct gate_noise);

void gate_evaluate(const struct plan_gate *, const struct gate_input *, struct gate_result *out);
/* Is the figure within the limit, whatever its interval? True without data. */
bool gate_keeps(const struct plan_gate *, const struct gate_result *);
/* A candidate's: the standing gates, with the plan's limits when it declares them, then the others. Returns
 * how many. */
unsigned gate_list(const struct plan_route *, const char *candidate, struct plan_gate out[GATE_LIST_MAX]);
/* One candidate's verdict over `count` results of `gates`, the critical ones. *decided_by_out: the index of
 * the gate that decided, the first that failed or of the undecided the one that needs most, or -1 when none
 * did (everything passed, or no critical gate beside the standing two is declared). */
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
