/*
 * overload.h - is a worker's loop behind? Pure.
 *
 * Whoever becomes ready waits for a turn of the loop. A turn is long when much was ready at once; the mean
 * CPU time of the turns between two ticks says so, whatever else runs on the machine (what that does to live
 * is the safeguards' to see). Over OVERLOAD_TURN_NS in OVERLOAD_TICKS ticks in a row copies are shed, until
 * OVERLOAD_HOLD_NS after the last such tick.
 */
#ifndef PROXY_OVERLOAD_H
#define PROXY_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

enum { OVERLOAD_TICKS = 3, OVERLOAD_MEMORY_PERCENT = 70, OVERLOAD_REQUESTS_PERCENT = 80 };
#ifdef __SANITIZE_ADDRESS__ /* everything takes some ten times as long */
#define OVERLOAD_TURN_NS ((uint64_t)50000000)
#else
#define OVERLOAD_TURN_NS ((uint64_t)5000000)
#endif
#define OVERLOAD_HOLD_NS ((uint64_t)1000000000)

struct overload {
	uint64_t turns; /* of the loop, counted up by its owner */
	uint64_t turns_before, cpu_before_ns, mean_ns, until_ns;
	unsigned long_ticks; /* in a row */
};

/* At each tick, with the CPU time that the loop's thread has taken. */
void overload_tick(struct overload *, uint64_t cpu_ns, uint64_t now_ns);

static inline bool overload_is_on(const struct overload *o, uint64_t now_ns)
{
	return now_ns < o->until_ns;
}

#endif
