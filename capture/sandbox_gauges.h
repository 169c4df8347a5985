/*
 * sandbox_gauges.h - how a candidate that we start fares: shared memory with one writer, its keeper.
 *
 * Each sandbox has its own, for a sandbox may outlive the generation that started it. Readers hold it
 * read-only. It outlives its keeper: one that is started again goes on from what it finds.
 */
#ifndef CAPTURE_SANDBOX_GAUGES_H
#define CAPTURE_SANDBOX_GAUGES_H

#include <stdatomic.h>
#include "capture/role.h"

/* STARTING until it is ready; DOWN: it has ended and waits to be started again; OVER: its time was over, it
 * is not started again. */
enum sandbox_state { SANDBOX_STARTING, SANDBOX_READY, SANDBOX_DOWN, SANDBOX_OVER, SANDBOX_STATES };
const char *sandbox_state_name(uint32_t state);

enum { SANDBOX_HOW_WORDS = 16 };
struct sandbox_gauges {
	_Atomic uint32_t state;  /* enum sandbox_state */
	_Atomic uint32_t status; /* of its last end: exit status, or 128 + signal */
	_Atomic uint64_t starts, ends, times_ready;
	_Atomic uint64_t dropped_bytes;          /* that it printed and nobody was shown */
	_Atomic uint64_t how[SANDBOX_HOW_WORDS]; /* text: by what its limits are held */
};

void sandbox_how_set(struct sandbox_gauges *, const char *how);
void sandbox_how(const struct sandbox_gauges *, char out[8 * SANDBOX_HOW_WORDS + 1]);

/* Two descriptors of the same new memory. 0 or ERR_SYS. */
int sandbox_gauges_create(int *writable_out, int *readable_out) MUST_CHECK;
/* 0 or ERR_SYS; never unmapped. */
int sandbox_gauges_map(int writable, struct sandbox_gauges **) MUST_CHECK;

/* Of every candidate of a plan, NULL where it is none of ours. */
typedef const struct sandbox_gauges *sandbox_looks[ROUTES_MAX][CANDIDATES_MAX];
/* Maps all "sandbox.look.N" that the role holds. 0 or ERR_SYS. */
int sandbox_gauges_watch(const struct role_env *, sandbox_looks) MUST_CHECK;

#endif
