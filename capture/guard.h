/*
 * guard.h - the table of safeguards: which figures may be watched while shadowing goes on, and what may be
 * done when one is over its limit.
 *
 * A metric is of a whole route (what its clients get from live), of one candidate, or of this machine. What
 * is done about a candidate's figure is done to that candidate, else to all of the route.
 */
#ifndef CAPTURE_GUARD_H
#define CAPTURE_GUARD_H

#include <stdint.h>

/* id, name, unit, scope, meaning. A metric that replay/guards.c does not measure over the last while itself
 * is the gate of that name (replay/gate.h), over the whole run. */
#define GUARD_TABLE(X)                                                                                       \
	X(LIVE_LATENCY_P99, "live_latency_p99", MS, ROUTE,                                                   \
	  "p99 from the last byte of a request to the end of live's answer")                                 \
	X(LIVE_ERROR_RATE, "live_error_rate", SHARE, ROUTE,                                                  \
	  "exchanges to which live gave no whole answer, or one of status 5xx")                              \
	X(CANDIDATE_FAILURE_RATE, "candidate_failure_rate", SHARE, CANDIDATE,                                \
	  "copies to which the candidate gave no usable answer")                                             \
	X(DIVERGENCE_RATE, "divergence_rate", SHARE, CANDIDATE, "pairs that diverge")                        \
	X(DRIFT, "drift", NUMBER, CANDIDATE,                                                                 \
	  "population stability index of a candidate's labels: the last while against its first")            \
	X(LATENCY_P99_RATIO, "latency_p99_ratio", NUMBER, CANDIDATE,                                         \
	  "p99 of the candidate over that of the baseline, or of live: of the whole run")                    \
	X(ROW_DIVERGENCE_RATE, "row_divergence_rate", SHARE, CANDIDATE,                                      \
	  "rows that diverge: of the whole run")                                                             \
	X(PARITY_CHANGE, "parity_change", SHARE, CANDIDATE,                                                  \
	  "what the route's `fairness` measures, candidate less live: of the whole run")                     \
	X(PRIVACY_NEW_RATE, "privacy_new_rate", SHARE, CANDIDATE,                                            \
	  "pairs whose answer has entities that the request has not: of the whole run")                      \
	X(HOST_MEMORY, "host_memory", SHARE, HOST, "memory of this machine that is not available")           \
	X(HOST_CPU, "host_cpu", SHARE, HOST,                                                                 \
	  "time in which something waited for a CPU of this machine (/proc/pressure/cpu, 10 s)")

/* Whether an action needs a figure of a candidate's own or may follow any. */
#define GUARD_ACTION_TABLE(X)                                                                                \
	X(SHED, "shed", "nothing of the route is copied: shed{overload}")                                    \
	X(LOWER, "lower", "candidates get the share `to` at most")                                           \
	X(PAUSE, "pause", "candidates get nothing, and what they were sent is cut")                          \
	X(STOP, "stop", "all shadowing is paused and the run sealed, until an operator starts the next")

enum guard_metric {
#define X(id, name, unit, scope, meaning) GUARD_##id,
	GUARD_TABLE(X)
#undef X
	        GUARD_METRICS
};

enum guard_action {
#define X(id, name, meaning) GUARD_##id,
	GUARD_ACTION_TABLE(X)
#undef X
	        GUARD_ACTIONS
};

enum guard_unit { GUARD_MS, GUARD_SHARE, GUARD_NUMBER };
enum guard_scope { GUARD_ROUTE, GUARD_CANDIDATE, GUARD_HOST };

struct guard_row {
	const char *name;
	enum guard_unit unit;
	enum guard_scope scope;
	const char *meaning;
};

/* Of a metric below GUARD_METRICS. */
const struct guard_row *guard_row(uint32_t metric);
const char *guard_action_name(uint32_t action); /* "?" when there is none */

struct guard_unit_row {
	const char *name; /* in summary.json */
	const char *sign; /* for people: behind a figure that is multiplied by the scale */
	double scale;
};
const struct guard_unit_row *guard_unit_row(enum guard_unit);
const struct guard_unit_row *guard_unit_named(const char *name); /* a number's when there is none */

#endif
