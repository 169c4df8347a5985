/*
 * walls.h - what has come of the canary (capture/canary.h): do the walls hold? Pure.
 *
 * Of each round every route must bring three whole legs (client, live, candidate), none with the mark in it.
 * A mark that is seen breaks the walls at once. A round that is not whole so long after it was sent is lost
 * and asked for again; a role that was killed loses one, so WALLS_LOST in a row break them. A whole round
 * mends them.
 */
#ifndef REPLAY_WALLS_H
#define REPLAY_WALLS_H

#include "capture/page.h"
#include "capture/record.h"

enum { WALLS_LOST = 3, WALLS_LEGS = 3 };

struct walls {
	uint32_t routes;            /* those that the canary walks, a bit each */
	uint64_t round;             /* the last that was heard of */
	uint32_t whole[WALLS_LEGS]; /* its legs that have ended, by route */
	uint64_t settled;           /* the last round that was whole, lost or leaked */
	unsigned lost;              /* in a row */
	bool leaked;                /* in this round */
};

/* One of its records; a round is the sequence in its id. */
void walls_hear(struct walls *, const struct record *, bool seen);
/* What is to be said now that round `sent` went out at `sent_ns`; `before` when nothing has changed.
 * *again_out: that round is lost, another is wanted. */
enum page_walls walls_step(struct walls *, enum page_walls before, uint64_t sent, uint64_t sent_ns,
                           uint64_t now_ns, uint64_t wait_ns, bool *again_out);

#endif
