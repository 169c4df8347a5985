/*
 * schedule.h - when a replay's requests are due, in nanoseconds behind its start. Pure.
 *
 * A request's time comes from recorded times, its number and the seed alone, never from when another was
 * sent: whoever computes it gets the same. Gaps of more than max_gap_ns are cut to that. Passes over the
 * capture (loops) follow one another by the mean gap of the pass before. At a rate the n-th gap is even, or
 * drawn from a hash of the seed and n: exponential, or gamma with a given coefficient of variation
 * (Marsaglia, Tsang, ACM TOMS 26(3), 2000). A profile stretches these gaps so that the rate is that of the
 * moment.
 */
#ifndef REPLAY_SCHEDULE_H
#define REPLAY_SCHEDULE_H

#include "capture/plan.h"

struct schedule {
	const struct plan_schedule *rule;
	double speed; /* of recorded arrivals; 0: everything is due at once */
	uint64_t seed;
	uint64_t number;         /* requests so far */
	uint64_t last_ns, at_ns; /* recorded time of the last one; the same with gaps cut and passes joined */
	uint64_t pass_ns, pass_first; /* at_ns and number with which this pass began */
	double drawn;                 /* sum of the gaps that were drawn, whose mean is 1 */
	bool joined;                  /* the next one begins a pass behind another */
};

/* The rule is not copied. */
void schedule_init(struct schedule *, const struct plan_schedule *, double speed, uint64_t seed);
/* When the next request is due: it was recorded at that time, not before the last one of its pass. */
uint64_t schedule_next(struct schedule *, uint64_t recorded_ns);
/* The next one begins another pass over the capture. */
void schedule_again(struct schedule *);

/* The sampling key, hashed, of the n-th copy of an exchange; of the first it is the exchange's. */
uint64_t schedule_copy(uint64_t sample_hash, unsigned copy);
/* Which of `users` asks what belongs to that session. */
uint64_t schedule_session(uint64_t seed, struct span session, uint64_t users);
/* Is the exchange among `share_ppm` of all? By its sampling key, so that a conversation stays whole and a
 * smaller share of one seed is a part of a larger one. */
bool schedule_draws(uint64_t seed, uint64_t sample_hash, uint32_t share_ppm);

#endif
