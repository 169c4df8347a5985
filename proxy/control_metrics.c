/*
 * control_metrics.c - the table of metrics, and the scrape: each family once, in the table's order.
 */
#include "proxy/control_stats.h"

#include <math.h>

#include "capture/fault.h"
#include "proto/base/log.h"

static const char *const origins[ORIGINS] = {"live", "ours"};
static const char *const protocols[PROTOCOLS] = {"http1", "http2"};
static const char *const kinds[ADDED_KINDS] = {"no", "yes"};
static const char *const classes[STATUS_CLASSES] = {"cut", "1xx", "2xx", "3xx", "4xx", "5xx"};
static const char *const groups[] = {"compared", "sampled_out", "excluded", "shed", "not_compared"};

static void put_responses(const struct metric *m, const struct stats *s, struct buf *b)
{
	for (unsigned o = 0; o < ORIGINS; o++)
		for (unsigned i = 0; i < STATUS_CLASSES; i++)
			metric_uint(b, m, (const char *const[]){origins[o], classes[i]}, s->responses[o][i]);
}

static void put_protocols(const struct metric *m, const struct stats *s, struct buf *b)
{
	for (unsigned i = 0; i < PROTOCOLS; i++)
		metric_uint(b, m, (const char *const[]){protocols[i]}, s->protocol[i]);
}

static void put_live_errors(const struct metric *m, const struct stats *s, struct buf *b)
{
	for (unsigned i = 0; i < LIVE_ERRORS; i++)
		metric_uint(b, m, (const char *const[]){live_error_name(i)}, s->live_error[i]);
}

static void put_endpoint_up(const struct metric *m, const struct stats *s, struct buf *b)
{
	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned e = 0; e < s->plan->routes[r].live.endpoint_count; e++)
			metric_real(b, m,
			            (const char *const[]){s->plan->routes[r].name,
			                                  s->plan->routes[r].live.endpoints[e].url},
			            (double)s->endpoint_states[r][e][ENDPOINT_UP] / s->plan->workers);
}

static void put_rejected(const struct metric *m, const struct stats *s, struct buf *b)
{
	for (unsigned i = 0; i < RULES_MAX; i++)
		metric_uint(b, m, (const char *const[]){reject_name(i)}, s->rejected_rule[i]);
}

static void put_added(const struct metric *m, const struct stats *s, struct buf *b)
{
	for (unsigned k = 0; k < ADDED_KINDS; k++)
		metric_histogram(b, m, (const char *const[]){kinds[k]}, &s->added[k]);
}

/* Absent while nothing is known. */
static void put_cost(const struct metric *m, const struct stats *s, struct buf *b)
{
	double at;
	struct hist_range cost = stats_cost(s, &at);

	if (!cost.known)
		return;
	metric_real(b, m, (const char *const[]){"value"}, at / 1e9);
	metric_real(b, m, (const char *const[]){"low"}, cost.low / 1e9);
	metric_real(b, m, (const char *const[]){"high"}, cost.high / 1e9);
}

static void put_outcomes(const struct metric *m, const uint64_t counts[OUTCOMES], struct buf *b)
{
	for (unsigned i = 0; i < OUTCOMES; i++) {
		uint8_t outcome = (uint8_t)(OUTCOME_COMPARED + i);

		metric_uint(b, m,
		            (const char *const[]){groups[outcome_group(outcome)], outcome_name(outcome)},
		            counts[i]);
	}
}

static void put_exchanges(const struct metric *m, const struct stats *s, struct buf *b)
{
	put_outcomes(m, s->counts.exchange, b);
}

static void put_captured(const struct metric *m, const struct stats *s, struct buf *b)
{
	for (unsigned i = 0; i < OUTCOMES; i++)
		metric_uint(
		        b, m,
		        (const char *const[]){i ? outcome_name((uint8_t)(OUTCOME_COMPARED + i)) : "captured"},
		        s->counts.capture[i]);
}

typedef void candidate_sample(const struct metric *, const struct stats *, unsigned route, unsigned candidate,
                              struct buf *);

static void each_candidate(const struct metric *m, const struct stats *s, struct buf *b,
                           candidate_sample *put)
{
	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned c = 0; c < s->plan->routes[r].candidate_count; c++)
			put(m, s, r, c, b);
}

#define NAMES(s, r, c) (s)->plan->routes[r].name, (s)->plan->routes[r].candidates[c].name

static void outcomes_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	for (unsigned i = 0; i < OUTCOMES; i++) {
		uint8_t outcome = (uint8_t)(OUTCOME_COMPARED + i);
		uint64_t n = s->counts.candidate[r][c][i];

		if (n || !i)
			metric_uint(b, m,
			            (const char *const[]){NAMES(s, r, c), groups[outcome_group(outcome)],
			                                  outcome_name(outcome)},
			            n);
	}
}

static void open_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->counts.candidate_open[r][c]);
}

static void pairs_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].pairs);
}

static void diverged_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].diverged);
}

static void sample_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	metric_real(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].sample_ppm / 1e6);
}

static void stage_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	if (s->plan->routes[r].candidates[c].ramp.stage_count)
		metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].stage + 1);
}

static void falls_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].falls);
}

static void saved_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].saved);
}

static void sent_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].sent);
}

static void tokens_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].tokens);
}

static void queued_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].queued_bytes);
}

static void opened_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].breaker_opened);
}

static void breaker_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	static const char *const states[] = {"closed", "open", "half_open"};

	for (unsigned i = 0; i < sizeof states / sizeof *states; i++)
		metric_uint(b, m, (const char *const[]){NAMES(s, r, c), states[i]},
		            s->standings[r][c].breaker == i);
}

static void drilled_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	for (uint32_t i = 0; s->standings[r][c].drill && i < FAULT_KINDS; i++)
		metric_uint(b, m, (const char *const[]){NAMES(s, r, c), fault_name(i)},
		            s->standings[r][c].drilled[i]);
}

static void verdict_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c, struct buf *b)
{
	static const char *const states[] = {NULL, "undecided", "pass", "fail"};

	for (unsigned v = STANDING_UNDECIDED; v <= STANDING_FAIL; v++)
		metric_uint(b, m, (const char *const[]){NAMES(s, r, c), states[v]},
		            s->standings[r][c].state == v);
}

typedef void guard_sample(const struct metric *, const char *const *names, const struct stats_guard *,
                          struct buf *);

static void each_guard(const struct metric *m, const struct stats *s, struct buf *b, guard_sample *put)
{
	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned i = 0; i < s->plan->routes[r].safeguard_count; i++) {
			const struct plan_route *route = &s->plan->routes[r];
			const struct plan_safeguard *g = &route->safeguards[i];
			bool own = guard_row(g->metric)->scope == GUARD_CANDIDATE;

			for (unsigned c = 0; c < plan_guarded(route, g); c++)
				put(m,
				    (const char *const[]){route->name, own ? route->candidates[c].name : "",
				                          guard_row(g->metric)->name,
				                          guard_action_name(g->action)},
				    &s->guards[r][i][c], b);
		}
}

static void tripped_of(const struct metric *m, const char *const *names, const struct stats_guard *g,
                       struct buf *b)
{
	metric_uint(b, m, names, g->tripped);
}

static void trips_of(const struct metric *m, const char *const *names, const struct stats_guard *g,
                     struct buf *b)
{
	metric_uint(b, m, names, g->trips);
}

/* Absent while it is not known. */
static void value_of(const struct metric *m, const char *const *names, const struct stats_guard *g,
                     struct buf *b)
{
	if (!isnan(g->value))
		metric_real(b, m, names, g->value);
}

static void put_guard_tripped(const struct metric *m, const struct stats *s, struct buf *b)
{
	each_guard(m, s, b, tripped_of);
}

static void put_guard_trips(const struct metric *m, const struct stats *s, struct buf *b)
{
	each_guard(m, s, b, trips_of);
}

static void put_guard_value(const struct metric *m, const struct stats *s, struct buf *b)
{
	each_guard(m, s, b, value_of);
}

static void sandbox_starts_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c,
                              struct buf *b)
{
	if (s->standings[r][c].sandbox.ours)
		metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].sandbox.starts);
}

static void sandbox_ends_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c,
                            struct buf *b)
{
	if (s->standings[r][c].sandbox.ours)
		metric_uint(b, m, (const char *const[]){NAMES(s, r, c)}, s->standings[r][c].sandbox.ends);
}

static void sandbox_state_of(const struct metric *m, const struct stats *s, unsigned r, unsigned c,
                             struct buf *b)
{
	for (unsigned i = 0; i < SANDBOX_STATES && s->standings[r][c].sandbox.ours; i++)
		metric_uint(b, m, (const char *const[]){NAMES(s, r, c), sandbox_state_name(i)},
		            s->standings[r][c].sandbox.state == i);
}

#define ALL(name, sample)                                                                                    \
	static void put_##name(const struct metric *m, const struct stats *s, struct buf *b)                 \
	{                                                                                                    \
		each_candidate(m, s, b, sample);                                                             \
	}
ALL(candidate_outcomes, outcomes_of)
ALL(candidate_open, open_of)
ALL(candidate_pairs, pairs_of)
ALL(candidate_diverged, diverged_of)
ALL(candidate_sample, sample_of)
ALL(candidate_verdict, verdict_of)
ALL(candidate_stage, stage_of)
ALL(candidate_falls, falls_of)
ALL(candidate_saved, saved_of)
ALL(candidate_sent, sent_of)
ALL(candidate_tokens, tokens_of)
ALL(candidate_queued, queued_of)
ALL(candidate_opened, opened_of)
ALL(candidate_breaker, breaker_of)
ALL(candidate_drilled, drilled_of)
ALL(sandbox_starts, sandbox_starts_of)
ALL(sandbox_ends, sandbox_ends_of)
ALL(sandbox_state, sandbox_state_of)

#define PLAIN(name, expression)                                                                              \
	static void put_##name(const struct metric *m, const struct stats *s, struct buf *b)                 \
	{                                                                                                    \
		metric_uint(b, m, NULL, expression);                                                         \
	}
PLAIN(ready, s->ready && s->phase == PHASE_RUN)
PLAIN(paused, s->paused != 0)
PLAIN(log_shed, s->log_shed)
PLAIN(requests, s->requests)
PLAIN(connections, s->connections)
PLAIN(in_flight, s->in_flight)
PLAIN(buffered, s->buffered)
PLAIN(shedding, s->shedding)
PLAIN(tunnels, s->tunnels)
PLAIN(stalls, s->stalls)
PLAIN(accepted, s->accepted)
PLAIN(upgrades, s->upgrades)
PLAIN(tls_handshakes, s->tls_handshakes)
PLAIN(client_received, s->client_bytes_in)
PLAIN(client_sent, s->client_bytes_out)
PLAIN(live_received, s->live_bytes_in)
PLAIN(live_sent, s->live_bytes_out)
PLAIN(live_connects, s->live_connects)
PLAIN(live_reuses, s->live_reuses)
PLAIN(live_retries, s->live_retries)
PLAIN(live_cancels, s->live_cancels)
PLAIN(live_ejections, s->live_ejections)
PLAIN(seen, s->counts.seen)
PLAIN(open, s->counts.open)

static void put_turn(const struct metric *m, const struct stats *s, struct buf *b)
{
	metric_real(b, m, NULL, (double)s->turn_ns / 1e9);
}

/* Absent until the first canary came, or did not. */
static void put_walls(const struct metric *m, const struct stats *s, struct buf *b)
{
	if (s->walls != WALLS_UNKNOWN)
		metric_uint(b, m, NULL, s->walls == WALLS_INTACT);
}

static void put_mask_dropped(const struct metric *m, const struct stats *s, struct buf *b)
{
	for (unsigned side = 0; side < 2; side++)
		for (unsigned i = 0; i < MASK_WHYS; i++)
			metric_uint(b, m, (const char *const[]){side ? "answer" : "copy", mask_why_name(i)},
			            s->mask_dropped[side][i]);
}

static void put_uptime(const struct metric *m, const struct stats *s, struct buf *b)
{
	metric_real(b, m, NULL, (double)s->uptime_ns / 1e9);
}

static void put_disk(const struct metric *m, const struct stats *s, struct buf *b)
{
	metric_uint(b, m, (const char *const[]){"results"}, s->results_failing);
	metric_uint(b, m, (const char *const[]){"capture"}, s->capture_failing);
}

/* One row a metric: the family, and who writes its samples. */
static const struct {
	struct metric metric;
	void (*put)(const struct metric *, const struct stats *, struct buf *);
} families[] = {
        {{"understudy_ready", METRIC_GAUGE, "", "1 while every role is up and nothing drains", {NULL}},
         put_ready},
        {{"understudy_uptime_seconds", METRIC_GAUGE, "seconds", "time since every role was up", {NULL}},
         put_uptime},
        {{"understudy_paused", METRIC_GAUGE, "", "1 while nothing is shadowed", {NULL}}, put_paused},
        {{"understudy_walls_intact",
          METRIC_GAUGE,
          "",
          "1 while the canary comes back from the judge with nothing unmasked in it",
          {NULL}},
         put_walls},
        {{"understudy_mask_dropped_total",
          METRIC_COUNTER,
          "",
          "copies and candidates' answers that could not be masked, and were dropped, by reason",
          {"what", "reason"}},
         put_mask_dropped},
        {{"understudy_log_lines_shed_total",
          METRIC_COUNTER,
          "",
          "log lines that found their ring full",
          {NULL}},
         put_log_shed},
        {{"understudy_disk_failing",
          METRIC_GAUGE,
          "",
          "1 while the disk does not take what is to be stored: it is counted as disk",
          {"what"}},
         put_disk},
        {{"understudy_requests_total", METRIC_COUNTER, "", "request heads read whole", {NULL}}, put_requests},
        {{"understudy_requests_by_protocol_total",
          METRIC_COUNTER,
          "",
          "request heads read whole, by what the client speaks",
          {"protocol"}},
         put_protocols},
        {{"understudy_live_responses_total",
          METRIC_COUNTER,
          "",
          "answers sent, by who made them and class of status",
          {"origin", "code"}},
         put_responses},
        {{"understudy_live_errors_total",
          METRIC_COUNTER,
          "",
          "exchanges to which live gave no whole answer",
          {"kind"}},
         put_live_errors},
        {{"understudy_rejected_total",
          METRIC_COUNTER,
          "",
          "requests and connections refused before routing, outside seen",
          {"rule"}},
         put_rejected},
        {{"understudy_connections", METRIC_GAUGE, "", "client connections open", {NULL}}, put_connections},
        {{"understudy_requests_in_flight", METRIC_GAUGE, "", "requests routed, not answered yet", {NULL}},
         put_in_flight},
        {{"understudy_live_buffer_bytes",
          METRIC_GAUGE,
          "",
          "held in buffers of clients and live connections",
          {NULL}},
         put_buffered},
        {{"understudy_worker_turn_seconds",
          METRIC_GAUGE,
          "seconds",
          "CPU time of a turn of a worker's loop, the mean of the last tick; the longest of all",
          {NULL}},
         put_turn},
        {{"understudy_workers_shedding",
          METRIC_GAUGE,
          "",
          "workers that copy nothing now for want of time or room",
          {NULL}},
         put_shedding},
        {{"understudy_tunnels", METRIC_GAUGE, "", "upgraded connections open", {NULL}}, put_tunnels},
        {{"understudy_connections_accepted_total", METRIC_COUNTER, "", "client connections accepted", {NULL}},
         put_accepted},
        {{"understudy_stalls_total",
          METRIC_COUNTER,
          "",
          "turns of one connection that kept a worker from the others for over 5 ms",
          {NULL}},
         put_stalls},
        {{"understudy_upgrades_total", METRIC_COUNTER, "", "connections that became tunnels", {NULL}},
         put_upgrades},
        {{"understudy_tls_handshakes_total",
          METRIC_COUNTER,
          "",
          "TLS handshakes with clients that succeeded",
          {NULL}},
         put_tls_handshakes},
        {{"understudy_client_received_bytes_total",
          METRIC_COUNTER,
          "bytes",
          "bytes read from clients",
          {NULL}},
         put_client_received},
        {{"understudy_client_sent_bytes_total", METRIC_COUNTER, "bytes", "bytes sent to clients", {NULL}},
         put_client_sent},
        {{"understudy_live_received_bytes_total",
          METRIC_COUNTER,
          "bytes",
          "bytes read from live endpoints",
          {NULL}},
         put_live_received},
        {{"understudy_live_sent_bytes_total",
          METRIC_COUNTER,
          "bytes",
          "bytes sent to live endpoints",
          {NULL}},
         put_live_sent},
        {{"understudy_live_endpoint_up",
          METRIC_GAUGE,
          "",
          "1 while every worker sends to a live endpoint, 0 while none does, a share between",
          {"route", "endpoint"}},
         put_endpoint_up},
        {{"understudy_live_connects_total",
          METRIC_COUNTER,
          "",
          "connections opened to live endpoints",
          {NULL}},
         put_live_connects},
        {{"understudy_live_reuses_total",
          METRIC_COUNTER,
          "",
          "exchanges on a live connection that was open already",
          {NULL}},
         put_live_reuses},
        {{"understudy_live_cancels_total",
          METRIC_COUNTER,
          "",
          "streams to live endpoints that we reset: the client left, or a limit passed",
          {NULL}},
         put_live_cancels},
        {{"understudy_live_retries_total",
          METRIC_COUNTER,
          "",
          "requests sent once more because a connection failed before the first byte",
          {NULL}},
         put_live_retries},
        {{"understudy_live_ejections_total",
          METRIC_COUNTER,
          "",
          "live endpoints taken out after failures",
          {NULL}},
         put_live_ejections},
        {{"understudy_live_added_seconds",
          METRIC_HISTOGRAM,
          "seconds",
          "time that the proxy adds to an exchange, with and without the copy",
          {"copied"}},
         put_added},
        {{"understudy_shadowing_cost_seconds",
          METRIC_GAUGE,
          "seconds",
          "what shadowing costs an exchange at the median, and its 95 % interval",
          {"bound"}},
         put_cost},
        {{"understudy_seen_total", METRIC_COUNTER, "", "exchanges routed", {NULL}}, put_seen},
        {{"understudy_exchanges_total",
          METRIC_COUNTER,
          "",
          "what became of each exchange; with open they add up to seen",
          {"group", "reason"}},
         put_exchanges},
        {{"understudy_exchanges_open", METRIC_GAUGE, "", "exchanges not settled yet", {NULL}}, put_open},
        {{"understudy_captures_total",
          METRIC_COUNTER,
          "",
          "exchanges captured, and why others were not",
          {"outcome"}},
         put_captured},
        {{"understudy_candidate_exchanges_total",
          METRIC_COUNTER,
          "",
          "what became of each exchange for a candidate",
          {"route", "candidate", "group", "reason"}},
         put_candidate_outcomes},
        {{"understudy_candidate_open",
          METRIC_GAUGE,
          "",
          "exchanges that a candidate still holds",
          {"route", "candidate"}},
         put_candidate_open},
        {{"understudy_candidate_pairs",
          METRIC_GAUGE,
          "",
          "pairs compared in this run",
          {"route", "candidate"}},
         put_candidate_pairs},
        {{"understudy_candidate_diverged_pairs",
          METRIC_GAUGE,
          "",
          "pairs of this run that diverge",
          {"route", "candidate"}},
         put_candidate_diverged},
        {{"understudy_candidate_sample_ratio",
          METRIC_GAUGE,
          "ratio",
          "share of exchanges that a candidate gets: the least of configured, ctl sample, ramp and stop",
          {"route", "candidate"}},
         put_candidate_sample},
        {{"understudy_candidate_verdict",
          METRIC_GAUGE,
          "",
          "1 for the verdict as it stands",
          {"route", "candidate", "verdict"}},
         put_candidate_verdict},
        {{"understudy_candidate_ramp_stage",
          METRIC_GAUGE,
          "",
          "stage of a candidate's ramp, from 1",
          {"route", "candidate"}},
         put_candidate_stage},
        {{"understudy_candidate_ramp_falls_total",
          METRIC_COUNTER,
          "",
          "times that a candidate's ramp went back",
          {"route", "candidate"}},
         put_candidate_falls},
        {{"understudy_candidate_saved_total",
          METRIC_COUNTER,
          "",
          "copies, about, that a candidate was spared because it had been seen enough",
          {"route", "candidate"}},
         put_candidate_saved},
        {{"understudy_candidate_requests_total",
          METRIC_COUNTER,
          "",
          "copies sent to a candidate, its warm-up included",
          {"route", "candidate"}},
         put_candidate_sent},
        {{"understudy_candidate_tokens_total",
          METRIC_COUNTER,
          "",
          "tokens of copies and answers, of a candidate whose tokens or spending are limited",
          {"route", "candidate"}},
         put_candidate_tokens},
        {{"understudy_candidate_queued_bytes",
          METRIC_GAUGE,
          "bytes",
          "bytes of copies that wait for a candidate's answer",
          {"route", "candidate"}},
         put_candidate_queued},
        {{"understudy_candidate_breaker_opens_total",
          METRIC_COUNTER,
          "",
          "times that a candidate was left alone for failing",
          {"route", "candidate"}},
         put_candidate_opened},
        {{"understudy_candidate_breaker",
          METRIC_GAUGE,
          "",
          "1 for the state that a candidate's breaker is in",
          {"route", "candidate", "state"}},
         put_candidate_breaker},
        {{"understudy_candidate_drilled_total",
          METRIC_COUNTER,
          "",
          "copies that met a fault of a drill: what is told of that candidate is none of its own",
          {"route", "candidate", "fault"}},
         put_candidate_drilled},
        {{"understudy_safeguard_tripped",
          METRIC_GAUGE,
          "",
          "1 while a safeguard acts",
          {"route", "candidate", "metric", "action"}},
         put_guard_tripped},
        {{"understudy_safeguard_trips_total",
          METRIC_COUNTER,
          "",
          "times that a safeguard began to act",
          {"route", "candidate", "metric", "action"}},
         put_guard_trips},
        {{"understudy_safeguard_value",
          METRIC_GAUGE,
          "",
          "the figure that a safeguard watches: ms, or a share",
          {"route", "candidate", "metric", "action"}},
         put_guard_value},
        {{"understudy_sandbox_starts_total",
          METRIC_COUNTER,
          "",
          "times that a candidate's sandbox was started",
          {"route", "candidate"}},
         put_sandbox_starts},
        {{"understudy_sandbox_ends_total",
          METRIC_COUNTER,
          "",
          "times that a candidate's sandbox ended by itself or by its time",
          {"route", "candidate"}},
         put_sandbox_ends},
        {{"understudy_sandbox_state",
          METRIC_GAUGE,
          "",
          "1 for the state that a candidate's sandbox is in",
          {"route", "candidate", "state"}},
         put_sandbox_state},
};
enum { FAMILIES = sizeof families / sizeof *families };

const struct metric *stats_metric(unsigned index)
{
	return index < FAMILIES ? &families[index].metric : NULL;
}

void stats_metrics(const struct stats *s, struct buf *out)
{
	for (unsigned i = 0; i < FAMILIES; i++) {
		metric_family(out, &families[i].metric);
		families[i].put(&families[i].metric, s, out);
	}
}
