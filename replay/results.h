/*
 * results.h - the run directory: results.db, summary.json, manifest.json. Written by the judge alone.
 *
 * The aggregate state is rebuilt from results.db on open, so a killed judge continues where its last
 * commit left off. Reports read these files and never recompute.
 */
#ifndef REPLAY_RESULTS_H
#define REPLAY_RESULTS_H

#include "capture/ledger.h"
#include "capture/page.h"
#include "replay/compare.h"
#include "replay/stat.h"

struct results;

struct results_pair {
	uint64_t id;
	uint16_t route, candidate;              /* candidate: index in the route */
	uint64_t seen_us;                       /* wall clock of the request's head */
	struct answer live, other;              /* masked */
	struct span request_head, request_body; /* masked */
	uint64_t live_us, other_us;             /* latency: request sent to last byte */
	const struct comparison *comparison;
};

/* Create or continue a run directory (made when missing, with parents). manifest.json is written once.
 * `source` is "mirror" or "replay". 0, ERR_SYS, ERR_NOMEM; a sentence in `why` (256 bytes). */
int results_open(const char *directory, const struct plan *, const char *run_id, const char *source,
                 struct results **out, char why[256]) MUST_CHECK;
/* Forget a pair whose cell was not settled as compared before a crash. */
int results_forget(struct results *, uint64_t id, uint16_t route, uint16_t candidate) MUST_CHECK;
int results_add(struct results *,
                const struct results_pair *) MUST_CHECK; /* inside an open transaction, started when needed */
int results_commit(struct results *) MUST_CHECK;
/* Write summary.json atomically. `state`: running, final, partial, void. */
int results_summary(struct results *, const struct ledger_counts *, const char *state,
                    const char *reason) MUST_CHECK;
/* Where a candidate stood at the last results_summary(); state STANDING_NONE for a baseline or before it. */
struct results_standing {
	uint64_t pairs, diverged, needed; /* needed: UINT64_MAX when it cannot be told */
	uint32_t state;                   /* enum standing_state */
	const char *gate;                 /* that decides, or is waited for; "" when none does */
};
void results_standing(const struct results *, uint16_t route, uint16_t candidate,
                      struct results_standing *out);
void results_close(struct results **);

#endif
