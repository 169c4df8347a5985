/*
 * control_stats.h - what the control endpoint knows, read once into plain numbers, and its three texts.
 *
 * Everything is read from the control page, the ledger, the gauges of sandboxes and the plan; nothing is
 * kept. The texts are pure: the same stats give the same bytes.
 */
#ifndef PROXY_CONTROL_STATS_H
#define PROXY_CONTROL_STATS_H

#include "capture/role.h"
#include "capture/sandbox_gauges.h"
#include "proto/base/buf.h"
#include "proto/base/metric.h"

struct stats_standing {
	uint64_t pairs, diverged, needed;
	uint32_t state, sample_ppm;
	bool paused; /* alone */
	char gate[STANDING_GATE_BYTES + 1];
	uint64_t sent, queued_bytes, breaker_opened, tokens;
	uint32_t breaker;               /* closed, open, half open */
	uint32_t stage, falls, stopped; /* of its ramp; why it gets the watch share, 0: it does not */
	uint64_t saved;
	bool drill; /* faults of ours: its figures are none of its own */
	uint64_t drilled[FAULT_KINDS];
	struct {
		bool ours;              /* we start it; else the rest is 0 */
		uint32_t state, status; /* enum sandbox_state; of its last end */
		uint64_t starts, ends, dropped_bytes;
		char how[8 * SANDBOX_HOW_WORDS + 1];
	} sandbox;
};

struct stats_guard {
	bool tripped;
	uint64_t trips;
	double value; /* NaN: not known */
};

struct stats {
	const struct plan *plan;
	struct ledger_counts counts;
	uint32_t phase, paused, ready, log_level, walls;
	uint64_t mask_dropped[2][MASK_WHYS];   /* copies, answers */
	bool results_failing, capture_failing; /* the disk does not take them */
	uint64_t run_id, uptime_ns, log_shed;
	uint64_t requests, live_errors, rejected;
	uint64_t protocol[PROTOCOLS];
	uint64_t live_error[LIVE_ERRORS], rejected_rule[RULES_MAX];
	uint64_t responses[ORIGINS][STATUS_CLASSES];
	uint64_t turn_ns, shedding; /* the longest turn; workers that copy nothing */
	uint64_t connections, tunnels, in_flight, stalls, buffered, accepted, upgrades, tls_handshakes;
	uint64_t client_bytes_in, client_bytes_out, live_bytes_in, live_bytes_out;
	uint64_t live_connects, live_reuses, live_retries, live_cancels, live_ejections;
	uint32_t endpoint_states[ROUTES_MAX][LIVE_ENDPOINTS_MAX][ENDPOINT_STATES]; /* workers that see each */
	struct hist_view added[ADDED_KINDS];
	uint64_t harm_groups;
	int64_t harm_cost_ns, harm_low_ns, harm_high_ns;
	struct stats_standing standings[ROUTES_MAX][CANDIDATES_MAX];
	struct stats_guard guards[ROUTES_MAX][SAFEGUARDS_MAX][CANDIDATES_MAX];
};

enum { STATUS_LINES = 12, STATUS_COLUMNS = 80 };

void stats_read(const struct role_env *, sandbox_looks, struct stats *out);
/* The twelve lines of the start banner and of `ctl status`, none over STATUS_COLUMNS. */
void stats_status(const struct stats *, struct buf *out);
void stats_json(const struct stats *, struct buf *out);
/* Prometheus text. */
void stats_metrics(const struct stats *, struct buf *out);
/* The rows behind stats_metrics(), from 0; NULL behind the last. */
const struct metric *stats_metric(unsigned index);
/* The plan as JSON: what is served and copied, where to. No secret is in a plan; no header value is
 * printed either. */
void stats_config(const struct plan *, struct buf *out);

/* Endpoints of a route that no worker sends to. */
unsigned stats_endpoints_out(const struct stats *, unsigned route);
/* The sum of a group's outcomes. */
uint64_t stats_group(const uint64_t counts[OUTCOMES], enum outcome_group);
/* What shadowing costs at the median, 95 %, valid while watched: by the blocks of the harm switch, else from
 * exchanges that chance did not copy. */
struct hist_range stats_cost(const struct stats *, double *ns_out);

#endif
