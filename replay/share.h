/*
 * share.h - the share of exchanges that a candidate gets, from what its gates say: its ramp, and its stop.
 * Pure.
 *
 *   ramp   1 % --> 10 % --> 50 % --> 100 %    a stage is left upwards after `pairs` more pairs and `hold_ms`,
 * when
 *     ^-------'---------'--------'            no gate's figure is over its limit; else downwards, one stage;
 *                                             a gate that has failed leads to the first stage at once
 *   stop   after a time, a number of pairs, or once every gate is decided: the watch share, for good
 *
 * The caller takes the least of this share, the configured one and the operator's. Shares nest: a candidate
 * that gets less gets a part of what it got before, chosen by the same hash.
 */
#ifndef REPLAY_SHARE_H
#define REPLAY_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/plan.h"

enum share_stop { SHARE_RUNS, SHARE_STOPPED_AFTER, SHARE_STOPPED_PAIRS, SHARE_STOPPED_DECIDED };

struct share_view {              /* of one candidate, now */
	uint64_t now_ns, run_ns; /* the clock; for how long the run has been open */
	uint64_t pairs, seen;    /* seen: exchanges of its route */
	bool holds;              /* no gate's figure is over its limit */
	bool failed, decided;    /* some gate has failed; every gate is decided */
};

struct share {
	const struct plan_ramp *ramp; /* of no stage: none */
	const struct plan_stop *stop;
	uint32_t configured_ppm; /* what it would get otherwise */
	uint32_t stage, falls;
	uint64_t stage_pairs, stage_ns; /* when the stage was entered */
	enum share_stop stopped;
	uint64_t stopped_seen;
	bool begun;
};

void share_init(struct share *, const struct plan_ramp *, const struct plan_stop *, uint32_t configured_ppm);
/* A judge that was started again goes on from where the former was. */
void share_resume(struct share *, uint32_t stage, enum share_stop, uint64_t stopped_seen);
/* The share that it may get at most. */
uint32_t share_step(struct share *, const struct share_view *);
/* About how many copies the stop has saved by now. */
uint64_t share_saved(const struct share *, uint64_t seen);
/* "decided" and so on; "" while it runs. */
const char *share_stop_name(enum share_stop);

#endif
