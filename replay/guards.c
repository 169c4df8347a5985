#define _GNU_SOURCE
#include "replay/guards.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "replay/results_inside.h"
#include "replay/rule.h"
#include "replay/stability.h"

static const uint64_t LOOK_NS = 250000000u;
enum { HOST_TEXT_BYTES = 4096 };

struct guarded { /* one rule over one figure */
	struct rule rule;
	struct rule_window window;
};

static struct {
	struct audit *audit;
	guards_heard *heard;
	void *arg;
	uint64_t looked_ns;
	double memory, cpu; /* of this machine, now */
	struct guarded rules[ROUTES_MAX][SAFEGUARDS_MAX][CANDIDATES_MAX];
	struct rule_times *times[ROUTES_MAX][SAFEGUARDS_MAX];
	struct stability *labels[ROUTES_MAX][SAFEGUARDS_MAX][CANDIDATES_MAX];
} guards;

static void number_text(double value, enum guard_unit unit, char out[32])
{
	if (isnan(value))
		snprintf(out, 32, "not known");
	else
		snprintf(out, 32, "%.4g%s", value * guard_unit_row(unit)->scale, guard_unit_row(unit)->sign);
}

static bool own_figures(const struct plan_safeguard *s)
{
	return guard_row(s->metric)->scope == GUARD_CANDIDATE;
}

typedef void each_rule(const struct role_env *, uint16_t route, uint16_t rule, uint16_t candidate, void *arg);

static void each(const struct role_env *env, each_rule *call, void *arg)
{
	for (uint16_t r = 0; r < env->plan->route_count; r++)
		for (uint16_t i = 0; i < env->plan->routes[r].safeguard_count; i++)
			for (uint16_t c = 0;
			     c < plan_guarded(&env->plan->routes[r], &env->plan->routes[r].safeguards[i]);
			     c++)
				call(env, r, i, c, arg);
}

/* --- figures --- */

double guards_memory(struct span text)
{
	static const char total_key[] = "MemTotal:", left_key[] = "MemAvailable:";
	const char *total = memmem(text.data, text.len, total_key, sizeof total_key - 1);
	const char *left = memmem(text.data, text.len, left_key, sizeof left_key - 1);
	double all = total ? strtod(total + sizeof total_key - 1, NULL) : 0;

	return left && all > 0 ? 1 - strtod(left + sizeof left_key - 1, NULL) / all : NAN;
}

double guards_cpu(struct span text)
{
	static const char key[] = "some avg10=";

	return span_starts(text, SPAN("some avg10=")) ? strtod(text.data + sizeof key - 1, NULL) / 100 : NAN;
}

static double host(const struct role_env *env, const char *name, double (*read)(struct span))
{
	int fd = role_fd(env, name);
	char text[HOST_TEXT_BYTES];
	ssize_t n = fd == -1 ? -1 : pread(fd, text, sizeof text - 1, 0);

	if (n <= 0)
		return NAN;
	text[n] = '\0';
	return read((struct span){text, (size_t)n});
}

static double live_errors(const struct role_env *env, uint16_t r, struct rule_window *w, uint32_t window_ms,
                          uint64_t now_ns)
{
	uint64_t bad = 0, all = 0;

	for (unsigned i = 0; i < env->plan->workers && i < WORKERS_MAX; i++) {
		bad += atomic_load(&env->page->live[i][r].failed);
		all += atomic_load(&env->page->live[i][r].answers);
	}
	return rule_rate(w, window_ms, bad, all, now_ns);
}

static double live_p99(const struct role_env *env, uint16_t r, struct rule_times **w, uint32_t window_ms,
                       uint64_t now_ns)
{
	static struct hist_view all;

	if (!*w)
		*w = calloc(1, sizeof **w);
	if (!*w)
		return NAN;
	memset(&all, 0, sizeof all);
	for (unsigned i = 0; i < env->plan->workers && i < WORKERS_MAX; i++)
		hist_read(&env->page->live[i][r].times, &all);
	return rule_quantile(*w, window_ms, &all, 0.99, now_ns);
}

static double failures(const struct ledger_counts *counts, uint16_t r, uint16_t c, struct rule_window *w,
                       uint32_t window_ms, uint64_t now_ns)
{
	const uint64_t *of = counts->candidate[r][c];
	uint64_t bad = 0;

	for (int o = OUTCOME_CANDIDATE_CONNECT; o <= OUTCOME_CANDIDATE_TOO_LARGE; o++)
		bad += of[o - OUTCOME_COMPARED];
	return rule_rate(w, window_ms, bad, bad + of[0], now_ns);
}

/* Label by label, for each rule that asks: their windows differ. */
void guards_observe(const struct role_env *env, uint16_t r, uint16_t c, const struct comparison *pair,
                    uint64_t now_ns)
{
	const struct plan_route *route = &env->plan->routes[r];

	for (unsigned i = 0; i < route->safeguard_count; i++) {
		struct stability **s = &guards.labels[r][i][c];

		if (route->safeguards[i].metric != GUARD_DRIFT || (!*s && !(*s = calloc(1, sizeof **s))))
			continue;
		for (uint32_t k = 0; k < pair->row_count; k++)
			if (pair->rows[k].has_measures)
				stability_note(*s, route->safeguards[i].window_ms,
				               pair->rows[k].candidate_label, now_ns);
	}
}

struct look {
	const struct results *results;
	const struct ledger_counts *counts;
	uint64_t now_ns;
};

static double figure(const struct role_env *env, uint16_t r, uint16_t i, uint16_t c, const struct look *at)
{
	const struct plan_safeguard *s = &env->plan->routes[r].safeguards[i];
	struct rule_window *w = &guards.rules[r][i][c].window;
	uint64_t pairs, diverged;

	switch (s->metric) {
	case GUARD_LIVE_LATENCY_P99:
		return live_p99(env, r, &guards.times[r][i], s->window_ms, at->now_ns);
	case GUARD_LIVE_ERROR_RATE:
		return live_errors(env, r, w, s->window_ms, at->now_ns);
	case GUARD_CANDIDATE_FAILURE_RATE:
		return failures(at->counts, r, c, w, s->window_ms, at->now_ns);
	case GUARD_DIVERGENCE_RATE:
		results_pairs(at->results, r, c, &pairs, &diverged);
		return rule_rate(w, s->window_ms, diverged, pairs, at->now_ns);
	case GUARD_DRIFT:
		return guards.labels[r][i][c]
		               ? stability_index(guards.labels[r][i][c], s->window_ms, at->now_ns)
		               : NAN;
	case GUARD_HOST_MEMORY:
		return guards.memory;
	case GUARD_HOST_CPU:
		return guards.cpu;
	default:
		return results_figure(at->results, at->counts, r, c, guard_row(s->metric)->name);
	}
}

/* --- what follows --- */

void guards_sentence(const struct plan *plan, const struct guard_event *e, char out[256])
{
	const struct plan_route *route = &plan->routes[e->route];
	const struct plan_safeguard *s = &route->safeguards[e->rule];
	enum guard_unit unit = guard_row(s->metric)->unit;
	char value[32], limit[32];

	number_text(e->value, unit, value);
	number_text(e->tripped ? s->max : s->leave, unit, limit);
	snprintf(out, 256, "%.64s%s%.64s: %s is %s, %s %s: %s%s", route->name, own_figures(s) ? "/" : "",
	         own_figures(s) ? route->candidates[e->candidate].name : "", guard_row(s->metric)->name,
	         value, e->tripped ? "over" : "no longer over", limit,
	         e->tripped ? "" : "taken back: ", guard_action_name(s->action));
}

static void say(const struct role_env *env, const struct guard_event *e)
{
	const struct plan_route *route = &env->plan->routes[e->route];
	const struct plan_safeguard *s = &route->safeguards[e->rule];

	audit_say(guards.audit,
	          (struct log_pair[]){
	                  log_text("change", e->tripped ? "safeguard" : "safeguard_left"),
	                  log_text("by", "safeguard"),
	                  log_text("route", route->name),
	                  log_text("candidate", own_figures(s) ? route->candidates[e->candidate].name : NULL),
	                  log_text("metric", guard_row(s->metric)->name),
	                  log_real("value", e->value),
	                  log_real("limit", e->tripped ? s->max : s->leave),
	                  log_text("action", guard_action_name(s->action)),
	          },
	          8);
	if (guards.heard)
		guards.heard(guards.arg, e);
}

static void stop_run(const struct role_env *env, uint64_t now_ns)
{
	atomic_store(&env->page->paused_at_ns, now_ns);
	atomic_fetch_or(&env->page->paused, PAUSED_BY_SAFEGUARD);
	atomic_store(&env->page->guard_stop, 1);
}

static void look_at(const struct role_env *env, uint16_t r, uint16_t i, uint16_t c, void *arg)
{
	const struct plan_safeguard *s = &env->plan->routes[r].safeguards[i];
	struct guard_gauges *to = &env->page->guards[r][i][c];
	struct rule *rule = &guards.rules[r][i][c].rule;
	const struct look *at = arg;
	double value = figure(env, r, i, c, at);
	enum rule_change change = rule_step(rule, s, value, at->now_ns);
	uint64_t bits;

	memcpy(&bits, &value, sizeof bits);
	atomic_store(&to->value, bits);
	atomic_store(&to->tripped, rule->tripped);
	atomic_store(&to->trips, rule->trips);
	if (change == RULE_TRIPS && s->action == GUARD_STOP)
		stop_run(env, at->now_ns);
	if (change != RULE_STAYS)
		say(env, &(struct guard_event){r, i, c, change == RULE_TRIPS, value});
}

struct wanted {
	uint32_t sheds[ROUTES_MAX], pauses[ROUTES_MAX], ppm[ROUTES_MAX][CANDIDATES_MAX];
};

static void want(const struct role_env *env, uint16_t r, uint16_t i, uint16_t c, void *arg)
{
	const struct plan_safeguard *s = &env->plan->routes[r].safeguards[i];
	struct wanted *w = arg;

	if (!guards.rules[r][i][c].rule.tripped)
		return;
	w->sheds[r] |= s->action == GUARD_SHED;
	for (unsigned k = 0; k < env->plan->routes[r].candidate_count; k++) {
		if (own_figures(s) && k != c)
			continue;
		if (s->action == GUARD_PAUSE)
			w->pauses[r] |= 1u << k;
		if (s->action == GUARD_LOWER && s->to_ppm < w->ppm[r][k])
			w->ppm[r][k] = s->to_ppm;
	}
}

static void ask(const struct role_env *env)
{
	struct page *page = env->page;
	struct wanted w;

	memset(&w, 0, sizeof w);
	for (unsigned r = 0; r < ROUTES_MAX; r++)
		for (unsigned c = 0; c < CANDIDATES_MAX; c++)
			w.ppm[r][c] = SAMPLE_ALL_PPM;
	each(env, want, &w);
	for (unsigned r = 0; r < env->plan->route_count; r++) {
		atomic_store(&page->guard_sheds[r], w.sheds[r]);
		atomic_store(&page->guard_pauses[r], w.pauses[r]);
		for (unsigned c = 0; c < CANDIDATES_MAX; c++)
			atomic_store(&page->guard_ppm[r][c], w.ppm[r][c]);
	}
}

static void go_on(const struct role_env *env, uint16_t r, uint16_t i, uint16_t c, void *arg)
{
	struct guard_gauges *from = &env->page->guards[r][i][c];
	double unknown = NAN;
	uint64_t bits;

	(void)arg;
	memcpy(&bits, &unknown, sizeof bits);
	atomic_store(&from->value, bits);
	guards.rules[r][i][c].rule.tripped = atomic_load(&from->tripped);
	guards.rules[r][i][c].rule.trips = atomic_load(&from->trips);
}

void guards_begin(const struct role_env *env, struct audit *audit, guards_heard *heard, void *arg)
{
	guards.audit = audit;
	guards.heard = heard;
	guards.arg = arg;
	each(env, go_on, NULL);
}

static bool any(const struct plan *plan)
{
	bool some = false;

	for (unsigned r = 0; r < plan->route_count; r++)
		some |= plan->routes[r].safeguard_count > 0;
	return some;
}

void guards_tick(const struct role_env *env, const struct results *results, uint64_t now_ns)
{
	static struct ledger_counts counts;
	struct look at = {results, &counts, now_ns};

	if (now_ns - guards.looked_ns < LOOK_NS || !any(env->plan) || !atomic_load(&env->page->ready) ||
	    atomic_load(&env->page->phase) != PHASE_RUN)
		return;
	guards.looked_ns = now_ns;
	guards.memory = host(env, "host.memory", guards_memory);
	guards.cpu = host(env, "host.cpu", guards_cpu);
	ledger_read(env->ledger, &counts);
	each(env, look_at, &at);
	ask(env);
}

static void put_rule(const struct role_env *env, uint16_t r, uint16_t i, uint16_t c, void *arg)
{
	const struct plan_route *route = &env->plan->routes[r];
	const struct plan_safeguard *s = &route->safeguards[i];
	const struct guard_gauges *g = &env->page->guards[r][i][c];
	struct buf *b = arg;
	uint64_t bits = atomic_load(&g->value);
	double value;

	memcpy(&value, &bits, sizeof value);
	buf_puts(b, buf_span(b).data[buf_len(b) - 1] == '[' ? "{" : ",{");
	put_text(b, "route", route->name);
	if (own_figures(s)) {
		buf_puts(b, ",");
		put_text(b, "candidate", route->candidates[c].name);
	}
	buf_puts(b, ",");
	put_text(b, "metric", guard_row(s->metric)->name);
	buf_printf(b, ",\"unit\":\"%s\",", guard_unit_row(guard_row(s->metric)->unit)->name);
	put_double(b, "max", s->max);
	buf_puts(b, ",");
	put_double(b, "leave", s->leave);
	buf_puts(b, ",");
	put_text(b, "action", guard_action_name(s->action));
	buf_puts(b, ",");
	put_double(b, "value", value);
	buf_printf(b, ",\"tripped\":%s,", atomic_load(&g->tripped) ? "true" : "false");
	put_integer(b, "trips", atomic_load(&g->trips));
	buf_puts(b, "}");
}

void guards_summary(const struct role_env *env, struct buf *b)
{
	buf_puts(b, "\"safeguards\":[");
	each(env, put_rule, b);
	buf_puts(b, "]");
}
