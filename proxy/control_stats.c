#include "proxy/control_stats.h"

#include <math.h>
#include <string.h>
#include "capture/fault.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

static const double COST_ALPHA = 0.05;

static uint64_t load(const _Atomic uint64_t *gauge)
{
	return atomic_load_explicit(gauge, memory_order_relaxed);
}

static void add_each(uint64_t *to, const _Atomic uint64_t *from, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		to[i] += load(&from[i]);
}

static void add_worker(struct stats *s, const struct worker_gauges *g)
{
	const struct {
		uint64_t *to;
		const _Atomic uint64_t *from;
	} plain[] = {
	        {&s->requests, &g->requests},
	        {&s->live_errors, &g->live_errors},
	        {&s->rejected, &g->rejected},
	        {&s->connections, &g->connections},
	        {&s->tunnels, &g->tunnels},
	        {&s->in_flight, &g->in_flight},
	        {&s->stalls, &g->stalls},
	        {&s->buffered, &g->buffered},
	        {&s->shedding, &g->sheds_open},
	        {&s->accepted, &g->accepted},
	        {&s->upgrades, &g->upgrades},
	        {&s->tls_handshakes, &g->tls_handshakes},
	        {&s->client_bytes_in, &g->client_bytes_in},
	        {&s->client_bytes_out, &g->client_bytes_out},
	        {&s->live_bytes_in, &g->live_bytes_in},
	        {&s->live_bytes_out, &g->live_bytes_out},
	        {&s->live_connects, &g->live_connects},
	        {&s->live_reuses, &g->live_reuses},
	        {&s->live_retries, &g->live_retries},
	        {&s->live_ejections, &g->live_ejections},
	        {&s->live_cancels, &g->live_cancels},
	};

	if (load(&g->turn_ns) > s->turn_ns)
		s->turn_ns = load(&g->turn_ns);
	for (unsigned i = 0; i < sizeof plain / sizeof *plain; i++)
		*plain[i].to += load(plain[i].from);
	add_each(s->protocol, g->protocol, PROTOCOLS);
	add_each(s->live_error, g->live_error, LIVE_ERRORS);
	add_each(s->rejected_rule, g->rejected_rule, RULES_MAX);
	for (unsigned o = 0; o < ORIGINS; o++)
		add_each(s->responses[o], g->responses[o], STATUS_CLASSES);
	for (unsigned k = 0; k < ADDED_KINDS; k++)
		hist_read(&g->added[k], &s->added[k]);
}

static void read_endpoints(struct stats *s, const struct page *page, unsigned worker)
{
	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned e = 0; e < s->plan->routes[r].live.endpoint_count; e++) {
			unsigned state =
			        atomic_load_explicit(&page->endpoints[worker][r][e], memory_order_relaxed);

			s->endpoint_states[r][e][state < ENDPOINT_STATES ? state : ENDPOINT_UP]++;
		}
}

static void read_candidate(const struct candidate_gauges *from, struct stats_standing *to)
{
	to->sent = load(&from->sent);
	to->tokens = load(&from->tokens);
	to->queued_bytes = load(&from->queued_bytes_open);
	to->breaker_opened = load(&from->breaker_opened);
	to->breaker = atomic_load_explicit(&from->breaker, memory_order_relaxed);
	for (unsigned i = 0; i < FAULT_KINDS; i++)
		to->drilled[i] = load(&from->drilled[i]);
}

static void read_sandbox(const struct sandbox_gauges *from, struct stats_standing *to)
{
	if (!from)
		return;
	to->sandbox.ours = true;
	to->sandbox.state = atomic_load(&from->state);
	to->sandbox.status = atomic_load(&from->status);
	to->sandbox.starts = atomic_load(&from->starts);
	to->sandbox.ends = atomic_load(&from->ends);
	to->sandbox.dropped_bytes = atomic_load(&from->dropped_bytes);
	sandbox_how(from, to->sandbox.how);
}

static void read_standings(struct stats *s, const struct page *page, sandbox_looks looks)
{
	for (uint16_t r = 0; r < s->plan->route_count; r++)
		for (unsigned c = 0; c < s->plan->routes[r].candidate_count; c++) {
			const struct standing *from = &page->standings[r][c];
			struct stats_standing *to = &s->standings[r][c];

			to->pairs = atomic_load(&from->pairs);
			to->diverged = atomic_load(&from->diverged);
			to->needed = atomic_load(&from->needed);
			to->state = atomic_load(&from->state);
			to->sample_ppm =
			        page_sample_ppm(page, r, c, s->plan->routes[r].candidates[c].sample_ppm);
			to->paused = (atomic_load(&page->paused_candidates[r]) |
			              atomic_load(&page->guard_pauses[r])) >>
			                     c &
			             1;
			to->stage = atomic_load(&from->stage);
			to->falls = atomic_load(&from->falls);
			to->stopped = atomic_load(&from->stopped);
			to->saved = atomic_load(&from->saved);
			standing_gate(from, to->gate);
			read_candidate(&page->candidates[r][c], to);
			to->drill = page_drilled(page, s->plan, r, c);
			read_sandbox(looks[r][c], to);
		}
}

static void read_guards(struct stats *s, const struct page *page)
{
	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned i = 0; i < s->plan->routes[r].safeguard_count; i++)
			for (unsigned c = 0;
			     c < plan_guarded(&s->plan->routes[r], &s->plan->routes[r].safeguards[i]); c++) {
				const struct guard_gauges *from = &page->guards[r][i][c];
				struct stats_guard *to = &s->guards[r][i][c];
				uint64_t bits = atomic_load(&from->value);

				to->tripped = atomic_load(&from->tripped);
				to->trips = atomic_load(&from->trips);
				memcpy(&to->value, &bits, sizeof bits);
			}
}

void stats_read(const struct role_env *env, sandbox_looks looks, struct stats *s)
{
	const struct page *page = env->page;
	uint64_t started = atomic_load(&page->started_ns);

	memset(s, 0, sizeof *s);
	s->plan = env->plan;
	s->phase = atomic_load(&page->phase);
	s->paused = atomic_load(&page->paused);
	s->walls = atomic_load(&page->canary.walls);
	s->ready = atomic_load(&page->ready);
	s->log_level = atomic_load(&page->log_level);
	for (unsigned i = 0; i < 2 * MASK_WHYS; i++)
		s->mask_dropped[i / MASK_WHYS][i % MASK_WHYS] =
		        atomic_load(&page->mask_dropped[i / MASK_WHYS][i % MASK_WHYS]);
	s->results_failing = atomic_load(&page->results_failing);
	s->capture_failing = atomic_load(&page->capture_failing);
	s->run_id = atomic_load(&page->run_id);
	s->log_shed = atomic_load(&page->log_shed);
	s->uptime_ns = started ? clock_mono_ns() - started : 0;
	for (unsigned i = 0; i < env->plan->workers && i < WORKERS_MAX; i++) {
		add_worker(s, &page->workers[i]);
		read_endpoints(s, page, i);
	}
	s->harm_groups = atomic_load(&page->harm.groups);
	s->harm_cost_ns = atomic_load(&page->harm.cost_ns);
	s->harm_low_ns = atomic_load(&page->harm.low_ns);
	s->harm_high_ns = atomic_load(&page->harm.high_ns);
	read_standings(s, page, looks);
	read_guards(s, page);
	ledger_read(env->ledger, &s->counts);
}

unsigned stats_endpoints_out(const struct stats *s, unsigned route)
{
	unsigned out = 0;

	for (unsigned e = 0; e < s->plan->routes[route].live.endpoint_count; e++)
		out += s->endpoint_states[route][e][ENDPOINT_UP] == 0;
	return out;
}

uint64_t stats_group(const uint64_t counts[OUTCOMES], enum outcome_group group)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < OUTCOMES; i++)
		if (outcome_group((uint8_t)(OUTCOME_COMPARED + i)) == group)
			sum += counts[i];
	return sum;
}

struct hist_range stats_cost(const struct stats *s, double *ns)
{
	if (s->plan->harm.on) {
		*ns = (double)s->harm_cost_ns;
		return (struct hist_range){s->harm_groups > 0, (double)s->harm_low_ns,
		                           (double)s->harm_high_ns};
	}
	*ns = (double)hist_quantile(&s->added[ADDED_COPIED], 0.5) -
	      (double)hist_quantile(&s->added[ADDED_PLAIN], 0.5);
	return hist_difference(&s->added[ADDED_COPIED], &s->added[ADDED_PLAIN], 0.5, COST_ALPHA);
}

/* --- JSON --- */

static void put_text(struct buf *b, const char *key, const char *text)
{
	buf_printf(b, "\"%s\":", key);
	buf_json_string(b, span_of(text));
	buf_puts(b, ",");
}

static void put_number(struct buf *b, const char *key, uint64_t value)
{
	buf_printf(b, "\"%s\":%llu,", key, (unsigned long long)value);
}

/* Ends an object or a list whose members each left a comma. */
static void close_with(struct buf *b, const char *end)
{
	if (!b->err && b->tail > b->head && b->base[b->tail - 1] == ',')
		b->tail--;
	buf_puts(b, end);
	buf_puts(b, ",");
}

static void put_reasons(struct buf *b, const char *key, const uint64_t counts[OUTCOMES],
                        enum outcome_group group)
{
	buf_printf(b, "\"%s\":{", key);
	for (unsigned i = 0; i < OUTCOMES; i++)
		if (counts[i] && outcome_group((uint8_t)(OUTCOME_COMPARED + i)) == group)
			put_number(b, outcome_name((uint8_t)(OUTCOME_COMPARED + i)), counts[i]);
	close_with(b, "}");
}

static void put_counts(struct buf *b, uint64_t seen, const uint64_t counts[OUTCOMES], uint64_t open)
{
	buf_puts(b, "\"counts\":{");
	put_number(b, "seen", seen);
	put_number(b, "compared", counts[0]);
	put_number(b, "sampled_out", stats_group(counts, GROUP_SAMPLED_OUT));
	put_reasons(b, "not_compared", counts, GROUP_NOT_COMPARED);
	put_reasons(b, "excluded", counts, GROUP_EXCLUDED);
	put_reasons(b, "shed", counts, GROUP_SHED);
	put_number(b, "open", open);
	close_with(b, "}");
}

static void put_capture(struct buf *b, const struct ledger_counts *c)
{
	buf_puts(b, "\"capture\":{");
	put_number(b, "captured", c->capture[0]);
	buf_puts(b, "\"not_captured\":{");
	for (unsigned i = 1; i < OUTCOMES; i++)
		if (c->capture[i])
			put_number(b, outcome_name((uint8_t)(OUTCOME_COMPARED + i)), c->capture[i]);
	close_with(b, "}");
	close_with(b, "}");
}

static void put_responses(struct buf *b, const struct stats *s)
{
	static const char *const classes[STATUS_CLASSES] = {"cut", "1xx", "2xx", "3xx", "4xx", "5xx"};
	static const char *const origins[ORIGINS] = {"live", "ours"};

	buf_puts(b, "\"responses\":{");
	for (unsigned o = 0; o < ORIGINS; o++) {
		buf_printf(b, "\"%s\":{", origins[o]);
		for (unsigned i = 0; i < STATUS_CLASSES; i++)
			if (s->responses[o][i])
				put_number(b, classes[i], s->responses[o][i]);
		close_with(b, "}");
	}
	close_with(b, "}");
}

static void put_live(struct buf *b, const struct stats *s)
{
	const struct {
		const char *key;
		uint64_t value;
	} plain[] = {
	        {"requests", s->requests},
	        {"connections", s->connections},
	        {"accepted", s->accepted},
	        {"in_flight", s->in_flight},
	        {"buffered_bytes", s->buffered},
	        {"tunnels", s->tunnels},
	        {"stalls", s->stalls},
	        {"client_bytes_in", s->client_bytes_in},
	        {"client_bytes_out", s->client_bytes_out},
	        {"live_bytes_in", s->live_bytes_in},
	        {"live_bytes_out", s->live_bytes_out},
	        {"live_connects", s->live_connects},
	        {"live_reuses", s->live_reuses},
	        {"live_retries", s->live_retries},
	        {"live_cancels", s->live_cancels},
	        {"live_ejections", s->live_ejections},
	};

	buf_puts(b, "\"live\":{");
	for (unsigned i = 0; i < sizeof plain / sizeof *plain; i++)
		put_number(b, plain[i].key, plain[i].value);
	put_responses(b, s);
	buf_puts(b, "\"errors\":{");
	for (unsigned i = 0; i < LIVE_ERRORS; i++)
		if (s->live_error[i])
			put_number(b, live_error_name(i), s->live_error[i]);
	put_number(b, "total", s->live_errors);
	close_with(b, "}");
	buf_puts(b, "\"rejected\":{");
	for (unsigned i = 0; i < RULES_MAX; i++)
		if (s->rejected_rule[i])
			put_number(b, reject_name(i), s->rejected_rule[i]);
	put_number(b, "total", s->rejected);
	close_with(b, "}");
	close_with(b, "}");
}

/* How many workers see each live endpoint how. */
static void put_endpoints(struct buf *b, const struct stats *s)
{
	static const char *const keys[ENDPOINT_STATES] = {"up", "failed_requests", "failed_checks"};

	buf_puts(b, "\"endpoints\":[");
	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned e = 0; e < s->plan->routes[r].live.endpoint_count; e++) {
			buf_puts(b, "{");
			put_text(b, "route", s->plan->routes[r].name);
			put_text(b, "url", s->plan->routes[r].live.endpoints[e].url);
			for (unsigned i = 0; i < ENDPOINT_STATES; i++)
				put_number(b, keys[i], s->endpoint_states[r][e][i]);
			close_with(b, "}");
		}
	close_with(b, "]");
}

static void put_added(struct buf *b, const struct stats *s)
{
	static const char *const kinds[ADDED_KINDS] = {"plain", "copied"};
	double at;
	struct hist_range cost = stats_cost(s, &at);

	buf_puts(b, "\"added_us\":{");
	for (unsigned k = 0; k < ADDED_KINDS; k++) {
		const struct hist_view *v = &s->added[k];

		buf_printf(b, "\"%s\":{\"count\":%llu,\"p50\":%.1f,\"p99\":%.1f},", kinds[k],
		           (unsigned long long)v->count, (double)hist_quantile(v, 0.5) / 1e3,
		           (double)hist_quantile(v, 0.99) / 1e3);
	}
	if (cost.known)
		buf_printf(b, "\"shadowing_p50\":%.1f,\"shadowing_p50_ci\":[%.1f,%.1f],", at / 1e3,
		           cost.low / 1e3, cost.high / 1e3);
	else
		buf_puts(b, "\"shadowing_p50\":null,\"shadowing_p50_ci\":null,");
	close_with(b, "}");
}

/* "drill": null, or how many copies met which fault of ours. */
static void put_drill(struct buf *b, const struct stats_standing *at)
{
	if (!at->drill) {
		buf_puts(b, "\"drill\":null,");
		return;
	}
	buf_puts(b, "\"drill\":{");
	for (uint32_t i = 0; i < FAULT_KINDS; i++)
		put_number(b, fault_name(i), at->drilled[i]);
	close_with(b, "}");
}

static void put_sandbox(struct buf *b, const struct stats_standing *at)
{
	if (!at->sandbox.ours)
		return;
	buf_puts(b, "\"sandbox\":{");
	put_text(b, "state", sandbox_state_name(at->sandbox.state));
	put_number(b, "starts", at->sandbox.starts);
	put_number(b, "ends", at->sandbox.ends);
	put_number(b, "last_status", at->sandbox.status);
	put_number(b, "dropped_output_bytes", at->sandbox.dropped_bytes);
	put_text(b, "limits", at->sandbox.how);
	close_with(b, "}");
}

static void put_candidate(struct buf *b, const struct stats *s, unsigned route, unsigned candidate)
{
	static const char *const states[] = {"\"none\"", "\"undecided\"", "\"pass\"", "\"fail\""};
	const struct plan_candidate *c = &s->plan->routes[route].candidates[candidate];
	const struct stats_standing *at = &s->standings[route][candidate];

	buf_puts(b, "{");
	put_text(b, "name", c->name);
	put_text(b, "route", s->plan->routes[route].name);
	put_text(b, "role", c->baseline ? "baseline" : "candidate");
	buf_printf(b, "\"verdict\":%s,", states[at->state <= STANDING_FAIL ? at->state : 0]);
	put_number(b, "sample_ppm", at->sample_ppm);
	put_number(b, "pairs", at->pairs);
	put_number(b, "diverged", at->diverged);
	if (at->needed == UINT64_MAX)
		buf_puts(b, "\"needed\":null,");
	else
		put_number(b, "needed", at->needed);
	put_text(b, "gate", at->gate);
	put_drill(b, at);
	put_sandbox(b, at);
	put_counts(b, s->counts.route_seen[route], s->counts.candidate[route][candidate],
	           s->counts.candidate_open[route][candidate]);
	close_with(b, "}");
}

void stats_json(const struct stats *s, struct buf *b)
{
	buf_puts(b, "{\"schema\":1,");
	if (s->plan->run_closed)
		buf_puts(b, "\"run\":null,");
	else
		buf_printf(b, "\"run\":\"%016llx\",", (unsigned long long)s->run_id);
	put_number(b, "generation", s->plan->generation);
	put_text(b, "name", s->plan->run_name);
	put_text(b, "state", s->phase != PHASE_RUN ? "draining" : s->ready ? "running" : "starting");
	buf_printf(b, "\"paused\":%s,", s->paused ? "true" : "false");
	put_number(b, "uptime_us", s->uptime_ns / 1000);
	put_text(b, "log_level", log_level_name(s->log_level));
	put_number(b, "log_lines_shed", s->log_shed);
	buf_printf(b, "\"disk_failing\":{\"results\":%s,\"capture\":%s},",
	           s->results_failing ? "true" : "false", s->capture_failing ? "true" : "false");
	put_live(b, s);
	put_endpoints(b, s);
	put_added(b, s);
	put_counts(b, s->counts.seen, s->counts.exchange, s->counts.open);
	put_capture(b, &s->counts);
	buf_puts(b, "\"candidates\":[");
	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned c = 0; c < s->plan->routes[r].candidate_count; c++)
			put_candidate(b, s, r, c);
	close_with(b, "]");
	close_with(b, "}");
	if (!b->err)
		b->base[b->tail - 1] = '\n';
}

static void put_route(struct buf *b, const struct plan *plan, const struct plan_route *r)
{
	buf_puts(b, "{");
	put_text(b, "name", r->name);
	put_text(b, "path_prefix", r->path_prefix);
	buf_puts(b, "\"live\":[");
	for (unsigned i = 0; i < r->live.endpoint_count; i++) {
		buf_json_string(b, span_of(r->live.endpoints[i].url));
		buf_puts(b, ",");
	}
	close_with(b, "]");
	put_number(b, "live_timeout_ms", r->live.timeout_ms);
	buf_printf(b, "\"mirror\":%s,", r->mirror ? "true" : "false");
	put_number(b, "sample_ppm", r->sample_ppm);
	put_number(b, "max_body_bytes", r->max_body_bytes);
	put_text(b, "mask", r->mask < plan->mask_count ? plan->masks[r->mask].name : "");
	buf_puts(b, "\"candidates\":[");
	for (unsigned i = 0; i < r->candidate_count; i++) {
		const struct plan_candidate *c = &r->candidates[i];

		buf_puts(b, "{");
		put_text(b, "name", c->name);
		put_text(b, "url", c->endpoint.url);
		put_text(b, "role", c->baseline ? "baseline" : "candidate");
		put_number(b, "sample_ppm", c->sample_ppm);
		put_number(b, "timeout_ms", c->timeout_ms);
		put_number(b, "max_in_flight", c->max_in_flight);
		close_with(b, "}");
	}
	close_with(b, "]");
	put_number(b, "gates", r->gate_count);
	put_number(b, "safeguards", r->safeguard_count);
	close_with(b, "}");
}

void stats_config(const struct plan *plan, struct buf *b)
{
	buf_puts(b, "{");
	put_number(b, "generation", plan->generation);
	buf_puts(b, "\"config_hash\":\"");
	for (unsigned i = 0; i < sizeof plan->config_hash; i++)
		buf_printf(b, "%02x", plan->config_hash[i]);
	buf_puts(b, "\",\"listen\":[");
	for (unsigned i = 0; i < plan->listen_count; i++) {
		buf_json_string(b, span_of(plan->listen[i].at.url));
		buf_puts(b, ",");
	}
	close_with(b, "]");
	put_text(b, "run_name", plan->run_name);
	put_text(b, "run_directory", plan->run_directory);
	put_number(b, "workers", plan->workers);
	put_number(b, "memory_bytes", plan->memory_bytes);
	put_number(b, "slots_each", plan->slots_each);
	put_number(b, "drain_timeout_ms", plan->drain_timeout_ms);
	buf_printf(b, "\"capture\":%s,", plan->capture ? "true" : "false");
	buf_puts(b, "\"routes\":[");
	for (unsigned i = 0; i < plan->route_count; i++)
		put_route(b, plan, &plan->routes[i]);
	close_with(b, "]");
	close_with(b, "}");
	if (!b->err)
		b->base[b->tail - 1] = '\n';
}
