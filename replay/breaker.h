/*
 * breaker.h - a candidate that fails is left alone for a while: closed, open, half open. Pure.
 *
 *   closed --failures over the share--> open --its pause is over--> half open --`probes` good--> closed
 *                                        ^                              |
 *                                        +----- twice the pause --------+ one fails
 *
 * The share is taken over a sliding window and only once it holds `minimum` results. Half open, one request
 * is on its way at a time. Pauses double up to 32 times the first and vary by a quarter, seeded: candidates
 * behind one failing thing are not all asked at once, and the same seed gives the same pauses.
 */
#ifndef REPLAY_BREAKER_H
#define REPLAY_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum { BREAKER_SLOTS = 8 }; /* parts of the window */
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
enum breaker_result { BREAKER_GOOD, BREAKER_BAD, BREAKER_NEITHER };

struct breaker_rule {
	uint32_t failures_ppm; /* share of the window that opens it; 0: it never opens */
	uint32_t minimum, window_ms, pause_ms, probes;
	uint64_t seed;
};

struct breaker {
	struct breaker_rule rule;
	enum breaker_state state;
	uint32_t epoch;   /* of the state: a result of an earlier one says nothing */
	uint32_t pauses;  /* in a row, without having closed */
	uint32_t good;    /* probes in a row */
	bool probing;     /* one is on its way */
	uint64_t open_ns; /* when the pause is over */
	uint64_t opened;  /* how often, in all */
	uint64_t part;    /* the window's newest part: time / its length */
	struct {
		uint32_t results, failures;
	} parts[BREAKER_SLOTS];
};

void breaker_init(struct breaker *, const struct breaker_rule *);
/* May a request go? Then `*epoch_out` is handed back with its result, exactly once. */
bool breaker_asks(struct breaker *, uint64_t now_ns, uint32_t *epoch_out);
void breaker_told(struct breaker *, uint32_t epoch, enum breaker_result, uint64_t now_ns);

#endif
