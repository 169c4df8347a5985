/*
 * judge_inside.h - what the files of the judge share: judge.c has its records, its turns and the order of
 * truth, judge_pair.c what is compared with what, judge_guard.c what makes it hold shadowing back,
 * judge_tell.c what it lets others know, judge_replay.c what a replay tells of itself.
 *
 * One judge a process.
 */
#ifndef REPLAY_JUDGE_INSIDE_H
#define REPLAY_JUDGE_INSIDE_H

#include "capture/canary.h"
#include "capture/fold.h"
#include "capture/role.h"
#include "replay/audit.h"
#include "replay/guards.h"
#include "replay/incident.h"
#include "replay/results.h"
#include "replay/walls.h"

enum { JUDGE_BATCH_MAX = 4096, JUDGE_SLOTS_WATCHED = 65536, JUDGE_PATHS_MAX = 255 };

/* How the baseline's answer to the exchange of a slot compared with live's: its candidates wait for it. */
struct judge_noise {
	uint64_t id, us;
	bool diverged;
	uint8_t path_count, paths[RESULTS_PATHS_MAX]; /* by number in judge.paths */
};

struct judge {
	const struct role_env *env;
	struct ring *in[2];
	int wake[2];
	struct fold *fold;
	size_t limit_bytes; /* the fold has three quarters at most; comparing takes what it leaves */
	size_t most_bytes;  /* that the fold had since memory was given back */
	struct results *results;
	struct audit audit;
	struct incidents incidents;
	struct walls walls;
	char mark[CANARY_MARK_BYTES];
	uint64_t committed_ns, harvested_ns, summed_ns, swept_ns, reaped_ns, wall_anchor_us, mono_anchor_ns;
	uint64_t turn_ns, emptied_ns; /* when this turn began, and the last one that emptied in[0] */
	uint64_t harvest_ns;          /* how often, though nothing was stored */
	uint64_t lost_ns;             /* silent for so long, an exchange has been lost by some role */
	bool failing;                 /* the disk took the last batch, or the last trial, not */
	bool unsummed;                /* ... nor the last summary */
	uint64_t tried_ns;
	struct {
		uint64_t id, since_ns;
	} watch[JUDGE_SLOTS_WATCHED]; /* by slot: who holds it, and the last sign of it */
	struct judge_noise noise[JUDGE_SLOTS_WATCHED];
	uint64_t masked_left_out[ROUTES_MAX][MASK_FIELDS_MAX]; /* values, by masked_paths of the plan */
	unsigned path_count;                                   /* past the last no more are told apart */
	char paths[JUDGE_PATHS_MAX][RESULTS_PATH_BYTES];
	unsigned batch_count;
	struct {
		uint64_t id;
		uint32_t slot;
		uint8_t cell;
	} batch[JUDGE_BATCH_MAX];
	char payload[RECORD_PAYLOAD_MAX];
};

extern struct judge judge;

/* Store the batch and settle its cells: as compared, or as disk when the disk does not take it. */
void judge_commit(void);
/* The disk has refused something: the batch is taken back, its cells are settled as disk. */
void judge_give_up_batch(void);

/* Is that leg there, whole? */
bool judge_has(const struct exchange *, unsigned leg);
/* The route's baseline, or CANDIDATES_MAX. */
unsigned judge_baseline(const struct plan_route *);
/* The exchange's baseline may still answer: its cell is open and its leg has not ended. */
bool judge_reference_pending(const struct exchange *, unsigned candidate);
/* Compare what has all its legs and put the pair in the batch: OUTCOME_COMPARED, or why not. */
uint8_t judge_compare(struct exchange *, unsigned candidate);

/* Safeguards, the harm switch and the canary: pause, and keep what is known, where one says so. */
void judge_guard(uint64_t now_ns);
guards_heard judge_on_guard;

/* summary.json, the standings on the page, what the next run goes on from. A failure is logged once. */
void judge_summary(const char *state, const char *reason);
/* "targets": [...], of a replay. */
void judge_put_targets(struct buf *);
/* A replay that was stopped, or of a capture that ends early, is partial; one that sent too late answers
 * another question and is void. */
enum { JUDGE_REASON_BYTES = 320 };
const char *judge_final_state(char reason[JUDGE_REASON_BYTES]);

#endif
