/*
 * rule.h - one safeguard: a figure over the last while, two limits, and what follows. Pure.
 *
 *            over max for `for_ms`                 `hold_ms` have passed, and the figure was not over
 *   quiet ------------------------> tripped -----> `leave` in all of that time: quiet again
 *
 * A figure that is not known (NaN) is neither over `max` nor over `leave`: what a tripped rule keeps from
 * happening cannot be measured, so it is tried again when it has been held long enough.
 *
 * A window is what was counted since one of two earlier readings, so it is between a half and a whole
 * `window_ms` long.
 */
#ifndef REPLAY_RULE_H
#define REPLAY_RULE_H

#include <stdbool.h>

#include "capture/plan.h"
#include "proto/base/hist.h"

enum { RULE_LEAST = 20 /* observations in a window: fewer make no figure */ };

enum rule_change { RULE_STAYS, RULE_TRIPS, RULE_LEAVES };

struct rule {
	bool tripped;
	uint64_t over_ns; /* since when the figure has been over max; 0: it is not */
	uint64_t calm_ns; /* since when it has not been over leave */
	uint64_t trips;
};

enum rule_change rule_step(struct rule *, const struct plan_safeguard *, double value, uint64_t now_ns);

struct rule_window { /* of two counters that grow; when one was taken back the window begins anew */
	uint64_t bad[2], all[2], turned_ns;
	bool begun;
};

/* The share of bad ones in the window, or NaN when it holds fewer than RULE_LEAST. */
double rule_rate(struct rule_window *, uint32_t window_ms, uint64_t bad, uint64_t all, uint64_t now_ns);

struct rule_times { /* of a histogram that only grows */
	struct hist_view base[2];
	uint64_t turned_ns;
	bool begun;
};

/* The q-quantile of what was added in the window, in ms, or NaN. */
double rule_quantile(struct rule_times *, uint32_t window_ms, const struct hist_view *all, double q,
                     uint64_t now_ns);

#endif
