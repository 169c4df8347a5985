/*
 * clock.h - two clocks that never mix: monotonic for durations, wall for dates.
 */
#ifndef PROTO_BASE_CLOCK_H
#define PROTO_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ns(void);   /* CLOCK_MONOTONIC */
uint64_t clock_wall_ns(void);   /* CLOCK_REALTIME since the epoch */
uint64_t clock_thread_ns(void); /* CPU time that this thread has taken */

/* RFC 3339 with microseconds in UTC ("2026-11-23T12:00:00.000000Z"); 28 bytes with the NUL. */
void clock_rfc3339(uint64_t wall_ns, char out[28]);

#endif
