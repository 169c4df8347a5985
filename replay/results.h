/*
 * results.h - the run directory: results.db, summary.json, manifest.json. Written by the judge alone.
 *
 * results.db holds each candidate's aggregate state and a bounded sample of pairs: at most
 * plan.run_max_bytes, diverged pairs first, then those of highest hash priority in each class and slice.
 * Counters and sketches are exact whatever was left out. The state is committed with the pairs it counts, so
 * a killed judge continues where its last commit left off. Reports read these files and never recompute.
 *
 * A change of a side's version splits what is counted of a candidate into segments (results_segment.c): each
 * has figures, gates and stored pairs of its own, nothing is ever added up over two.
 */
#ifndef REPLAY_RESULTS_H
#define REPLAY_RESULTS_H

#include "capture/ledger.h"
#include "capture/page.h"
#include "replay/compare.h"
#include "replay/stat.h"
#include "replay/version.h"

struct results;
struct safeguard_cost;

/* The same exchange asked of the baseline, and where each of the two differed from live. */
enum { RESULTS_PATHS_MAX = 24, RESULTS_PATH_BYTES = JSONDIFF_PATH_BYTES };
struct results_noise {
	bool known, diverged;
	uint64_t us; /* the baseline's latency */
	uint32_t path_count;
	struct {
		const char *name;
		bool candidate, baseline;
	} paths[RESULTS_PATHS_MAX];
};

enum results_control { CONTROL_NONE, CONTROL_MISSED, CONTROL_FOUND };

enum results_privacy { PRIVACY_UNKNOWN, PRIVACY_KEPT, PRIVACY_NEW };

struct results_pair {
	uint64_t id;
	uint16_t route, candidate;              /* candidate: index in the route */
	uint64_t seen_us;                       /* wall clock of the request's head */
	bool drilled;                           /* `other` met a fault of ours */
	bool against_baseline;                  /* `live` holds the baseline's answer: the input was masked */
	enum results_privacy privacy;           /* of `other`, beside its request */
	struct answer live, other;              /* masked */
	struct span request_head, request_body; /* masked */
	uint64_t live_us, other_us;             /* latency: request sent to last byte */
	uint64_t first_us;                      /* ... to the first byte of the body */
	uint64_t response_us, lag_us; /* in a replay: from the time it was to be sent, to its last byte, and
	                                 to when it was */
	const struct comparison *comparison;
	struct results_noise noise; /* paths also when not known */
	uint32_t control;           /* enum results_control: what became of the fault planted in its clone */
	const struct versions *versions; /* who answered; NULL: nobody tells */
};

/* What the end of a run adds to summary and manifest. */
struct results_lag { /* a replay's lateness: actual less intended time of sending */
	uint64_t count, p50_us, p99_us, max_us;
	uint64_t planned_ns, actual_ns; /* from the first to the last */
	uint64_t late[LATE_BY];         /* those over the bound */
};

/* Create or continue a run directory (made when missing, with parents). manifest.json is written first.
 * `source` is "mirror" or "replay". 0, ERR_SYS, ERR_NOMEM; a sentence in `why` (256 bytes). */
int results_open(const char *directory, const struct plan *, const char *run_id, const char *source,
                 struct results **out, char why[256]) MUST_CHECK;
/* What the requests of a route are held against; before the first pair of a run. Copied. */
struct portrait;
void results_reference(struct results *, uint16_t route, const struct portrait *);
/* Forget a pair of the last commit whose cell was not settled as compared before a crash; the others of the
 * last commit stay. Only before the first results_add(). 0, ERR_SYS. */
int results_forget(struct results *, uint64_t id, uint16_t route, uint16_t candidate) MUST_CHECK;
/* Inside an open transaction, started when needed. A pair is added once: the caller sees to that. On failure
 * (ERR_SYS, ERR_NOMEM) nothing of the pair is kept or counted. */
int results_add(struct results *, const struct results_pair *) MUST_CHECK;
int results_commit(struct results *) MUST_CHECK;
/* After results_add() or results_commit() failed with ERR_SYS: take the open batch back. Its pairs are
 * neither stored nor counted, those committed before are. 0, or ERR_*: what was committed cannot be read. */
int results_abandon(struct results *) MUST_CHECK;
/* Outside a batch: does the disk take what is written? 0, ERR_SYS. */
int results_try(struct results *) MUST_CHECK;
/* Which side's version changed with the pair that was added last, once: "svc on digits: live a@1 -> a@2";
 * NULL: none. Valid until the next pair. */
const char *results_changed(struct results *);
/* Write summary.json atomically, also when the tables that follow its figures cannot be. `state`: running,
 * final, partial, void. `lag` and `cost` may be NULL; `more` has further members, or nothing. */
int results_summary(struct results *, const struct ledger_counts *, const char *state, const char *reason,
                    const struct results_lag *lag, const struct safeguard_cost *cost,
                    struct span more) MUST_CHECK;
/* Complete manifest.json: the time it ended, its state, and the SHA-256 of DIRECTORY/capture/ *.cap and
 * of audit.log. */
int results_seal(struct results *, const char *state) MUST_CHECK;
/* Where a candidate stood at the last results_summary(); state STANDING_NONE for a baseline or before it. */
struct results_standing {
	uint64_t pairs, diverged, needed; /* needed: UINT64_MAX when it cannot be told */
	uint32_t state;                   /* enum standing_state */
	const char *gate;                 /* that decides, or is waited for; "" when none does */
	bool holds, failed, decided; /* no figure is over its limit; some gate failed; every one is decided */
};
void results_standing(const struct results *, uint16_t route, uint16_t candidate,
                      struct results_standing *out);
/* Of a candidate, up to now. */
void results_pairs(const struct results *, uint16_t route, uint16_t candidate, uint64_t *pairs_out,
                   uint64_t *diverged_out);
/* The figure of the gate of that name, declared or not: NaN without data, or when there is no such gate. */
double results_figure(const struct results *, const struct ledger_counts *, uint16_t route,
                      uint16_t candidate, const char *metric);
/* The share that a candidate gets and why, for the next summaries. */
struct results_share {
	uint32_t sample_ppm, stage, stages, falls;
	const char *stopped; /* "", or why */
	uint64_t saved;      /* copies, about */
};
void results_share(struct results *, uint16_t route, uint16_t candidate, const struct results_share *);
/* Faults of ours that a candidate has met, or its baseline has: figures are told, no verdict. `text`: which,
 * or nothing when there are none; copied. */
enum { RESULTS_DRILL_BYTES = 512 };
void results_drill(struct results *, uint16_t route, uint16_t candidate, struct span text,
                   const uint64_t drilled[FAULT_KINDS]);
/* Write DIRECTORY/NAME in place of the former one. 0, ERR_SYS. */
int results_file(const struct results *, const char *name, struct span text) MUST_CHECK;
void results_close(struct results **);

#endif
