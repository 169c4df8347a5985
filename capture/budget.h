/*
 * budget.h - how `memory` is shared out among all that hold copies: the one place that knows.
 *
 *   memory = rings + masker + answers + shadow + judge       fixed: what does not grow with it
 *
 * A holder charges all that it keeps of copies against its budget; what would not fit is shed{memory},
 * counted, and its memory given back. Rings are a power of two, and what that leaves over is the judge's.
 */
#ifndef CAPTURE_BUDGET_H
#define CAPTURE_BUDGET_H

#include "capture/plan.h"

/* Sixteenths of the memory. In a replay the player reads ahead instead of the masker and the workers. */
#define BUDGET_TABLE(X)                                                                                      \
	X(RINGS, 8, "rings", "records on their way from role to role")                                       \
	X(MASKER, 2, "masker", "bodies that path rules wait for, and the one being masked")                  \
	X(ANSWERS, 2, "answers", "the same, of candidates' answers")                                         \
	X(SHADOW, 2, "shadow", "requests being put together, and those in flight")                           \
	X(JUDGE, 2, "judge", "exchanges whose answers are awaited, and what rings leave over")

enum budget {
#define X(name, sixteenths, text, what) BUDGET_##name,
	BUDGET_TABLE(X)
#undef X
	        BUDGETS
};

/* Rings that every run has, beside a raw one a worker. */
#define RING_TABLE(X)                                                                                        \
	X("shadow", "masker to shadow")                                                                      \
	X("judge", "masker to judge")                                                                        \
	X("recorder", "masker to recorder")                                                                  \
	X("answers", "shadow to answers")                                                                    \
	X("masked-answers", "answers to judge")

enum {
#define X(name, what) +1
	BUDGET_SHARED_RINGS = RING_TABLE(X),
#undef X
	BUDGET_RING_MIN = 1 << 20,  /* of a ring: some 60 full chunks, and the room for ends */
	BUDGET_LIVE_MIN = 16 << 20, /* of a worker: half a hundred answers that clients do not take */
	BUDGET_LOG_RING = 256 << 10,
	BUDGET_ROLES = 7, /* beside the workers: each has a log ring as they do */
};

/* What one holder may keep, in bytes. BUDGET_RINGS: all rings as they are, at most their share. */
uint64_t budget_bytes(const struct plan *, enum budget);
/* What a replay's player may read ahead. */
uint64_t budget_player_bytes(const struct plan *);
/* Of each ring: a power of two; a plan that gives less than BUDGET_RING_MIN has not passed the check. */
uint64_t budget_ring_bytes(const struct plan *);
/* What the buffers of one worker's clients and live connections may take, beside the memory for copies. */
uint64_t budget_live_bytes(const struct plan *);
/* The least memory for so many workers. */
uint64_t budget_least_bytes(uint32_t workers);

#endif
