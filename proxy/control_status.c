/*
 * control_status.c - the twelve lines: one function a line, in the order in which they are printed.
 */
#include "proxy/control_stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_COLUMNS = 13, LINE_LIMIT = 8192 };

/* Does what was put stand on its line whole? */
static bool fits(const struct buf *b)
{
	return buf_len(b) <= STATUS_COLUMNS - LABEL_COLUMNS;
}

/* 1,234,567 */
static void put_count(struct buf *b, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);

	for (int i = 0; i < len; i++)
		buf_printf(b, "%s%c", i && (len - i) % 3 == 0 ? "," : "", digits[i]);
}

static void put_counted(struct buf *b, const char *before, uint64_t n)
{
	buf_puts(b, before);
	put_count(b, n);
}

/* Three digits and a unit: 41 us, 1.25 ms, 3.4 s. */
static void put_time(struct buf *b, double ns)
{
	static const struct {
		double from, divisor;
		const char *unit;
	} units[] = {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {1e3, 1e3, "us"}, {0, 1, "ns"}};
	double size = fabs(ns);
	unsigned u = 0;

	while (size < units[u].from)
		u++;
	size = ns / units[u].divisor;
	if (u == 3 || fabs(size) >= 100)
		buf_printf(b, "%.0f %s", size, units[u].unit);
	else if (fabs(size) >= 10)
		buf_printf(b, "%.1f %s", size, units[u].unit);
	else
		buf_printf(b, "%.2f %s", size, units[u].unit);
}

static void put_age(struct buf *b, uint64_t ns)
{
	unsigned long long s = ns / 1000000000u;

	if (s < 60)
		buf_printf(b, "%llu s", s);
	else if (s < 3600)
		buf_printf(b, "%llu min %llu s", s / 60, s % 60);
	else if (s < 86400)
		buf_printf(b, "%llu h %llu min", s / 3600, s / 60 % 60);
	else
		buf_printf(b, "%llu d %llu h", s / 86400, s / 3600 % 24);
}

/* 100 %, 12.5 %, 0.01 % */
static void put_share(struct buf *b, uint32_t ppm)
{
	buf_printf(b, "%.4g %%", ppm / 1e4);
}

/* "(a 2, b 1)" of what is not 0, the first ones of the table first. */
static void put_parts(struct buf *b, const uint64_t *counts, unsigned count, const char *(*name)(unsigned))
{
	const char *before = " (";

	for (unsigned i = 0; i < count; i++) {
		if (!counts[i])
			continue;
		buf_printf(b, "%s%s ", before, name(i));
		put_count(b, counts[i]);
		before = ", ";
	}
	if (*before == ',')
		buf_puts(b, ")");
}

static void line_live(const struct stats *s, struct buf *b)
{
	const struct plan *p = s->plan;
	unsigned out = 0;

	buf_printf(b, "%s to ", p->listen[0].at.url);
	if (p->route_count > 1)
		buf_printf(b, "live of %u routes", p->route_count);
	else
		buf_puts(b, p->routes[0].live.endpoints[0].url);
	for (unsigned r = 0; r < p->route_count; r++)
		out += stats_endpoints_out(s, r);
	if (out)
		buf_printf(b, ", %u endpoint%s out", out, out == 1 ? "" : "s");
	buf_printf(b, ", %u worker%s", p->workers, p->workers == 1 ? "" : "s");
	put_counted(b, ", ", s->connections);
	buf_puts(b, " open");
}

static void line_requests(const struct stats *s, struct buf *b)
{
	uint64_t by[ORIGINS] = {0};

	for (unsigned o = 0; o < ORIGINS; o++)
		for (unsigned i = 1; i < STATUS_CLASSES; i++) /* 0: ended without one */
			by[o] += s->responses[o][i];
	put_count(b, s->requests);
	put_counted(b, " (answered by live ", by[ORIGIN_LIVE]);
	put_counted(b, ", by us ", by[ORIGIN_OURS]);
	buf_puts(b, ") in ");
	put_age(b, s->uptime_ns);
}

static void line_errors(const struct stats *s, struct buf *b)
{
	put_counted(b, "by live ", s->live_errors);
	put_parts(b, s->live_error, LIVE_ERRORS, live_error_name);
	put_counted(b, ", by us ", s->rejected);
	put_parts(b, s->rejected_rule, RULES_MAX, reject_name);
}

static void line_added(const struct stats *s, struct buf *b)
{
	struct hist_view all = s->added[ADDED_PLAIN];

	all.count += s->added[ADDED_COPIED].count;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		all.buckets[i] += s->added[ADDED_COPIED].buckets[i];
	if (!all.count) {
		buf_puts(b, "nothing measured yet");
		return;
	}
	buf_puts(b, "p50 ");
	put_time(b, (double)hist_quantile(&all, 0.5));
	buf_puts(b, ", p99 ");
	put_time(b, (double)hist_quantile(&all, 0.99));
	put_counted(b, " over ", all.count);
	buf_puts(b, " exchanges");
}

/* The harm switch has paused it. */
static void line_harmed(const struct hist_range *cost, double at, struct buf *b)
{
	buf_puts(b, "OFF, it cost ");
	put_time(b, at);
	buf_puts(b, " (");
	put_time(b, cost->low);
	buf_puts(b, " to ");
	put_time(b, cost->high);
	buf_puts(b, "); understudy ctl resume");
}

/* What safeguards do now: "held back: svc divergence_rate 25 % (pause), and 1 more"; false: nothing. */
static bool put_guards(const struct stats *s, struct buf *b)
{
	unsigned more = 0;

	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned i = 0; i < s->plan->routes[r].safeguard_count; i++) {
			const struct plan_route *route = &s->plan->routes[r];
			const struct plan_safeguard *g = &route->safeguards[i];

			for (unsigned c = 0; c < plan_guarded(route, g); c++) {
				if (!s->guards[r][i][c].tripped || more++)
					continue;
				buf_printf(b, "held back: %s %s (%s)",
				           guard_row(g->metric)->scope == GUARD_CANDIDATE
				                   ? route->candidates[c].name
				                   : route->name,
				           guard_row(g->metric)->name, guard_action_name(g->action));
			}
		}
	if (more > 1)
		buf_printf(b, ", and %u more", more - 1);
	return more > 0;
}

static void line_shadowing(const struct stats *s, struct buf *b)
{
	double at;
	struct hist_range cost = stats_cost(s, &at);

	if (s->paused & PAUSED_BY_HARM) {
		line_harmed(&cost, at, b);
		return;
	}
	if (s->paused & PAUSED_BY_SAFEGUARD) {
		buf_puts(b, s->walls == WALLS_LEAKED
		                    ? "OFF, the canary was seen unmasked: understudy ctl resume"
		            : s->walls == WALLS_GONE ? "OFF, the canary was lost: understudy ctl resume"
		                                     : "OFF by a safeguard: understudy ctl resume");
		return;
	}
	if (!s->paused && put_guards(s, b))
		return;
	if (s->paused) {
		buf_puts(b, s->paused & PAUSED_BY_OPERATOR ? "paused (understudy ctl resume)"
		                                           : "paused (the file PAUSE in the run directory)");
		return;
	}
	if (!cost.known && s->plan->harm.on) {
		buf_puts(b, "on; its cost is not known yet: too few exchanges with and without");
		return;
	}
	if (!cost.known) {
		put_counted(b, "on; its cost is not known: ", s->added[ADDED_COPIED].count);
		put_counted(b, " exchanges with it, ", s->added[ADDED_PLAIN].count);
		buf_puts(b, " without");
		return;
	}
	buf_puts(b, "on; costs ");
	put_time(b, at);
	buf_puts(b, " at p50 (95 %: ");
	put_time(b, cost.low);
	buf_puts(b, " to ");
	put_time(b, cost.high);
	buf_puts(b, ")");
}

static void line_seen(const struct stats *s, struct buf *b)
{
	put_count(b, s->counts.seen);
	put_counted(b, " = compared ", s->counts.exchange[0]);
	put_counted(b, " + not_compared ", stats_group(s->counts.exchange, GROUP_NOT_COMPARED));
}

static void line_equation(const struct stats *s, struct buf *b)
{
	const uint64_t *x = s->counts.exchange;

	put_counted(b, "+ sampled_out ", stats_group(x, GROUP_SAMPLED_OUT));
	put_counted(b, " + excluded ", stats_group(x, GROUP_EXCLUDED));
	put_counted(b, " + shed ", stats_group(x, GROUP_SHED));
	put_counted(b, " + open ", s->counts.open);
}

/* "a 2, b 1" of what has a reason, the largest first; false: nothing has. */
static bool put_reasons(struct buf *b, const char *before, const uint64_t counts[OUTCOMES])
{
	uint64_t left[OUTCOMES];
	bool any = false;

	memcpy(left, counts, sizeof left);
	for (unsigned n = 0; n < OUTCOMES; n++) {
		unsigned most = 2; /* behind compared and sampled_out, which have no reason */

		for (unsigned i = most; i < OUTCOMES; i++)
			if (left[i] > left[most])
				most = i;
		if (!left[most])
			break;
		buf_printf(b, "%s%s ", before, outcome_name((uint8_t)(OUTCOME_COMPARED + most)));
		put_count(b, left[most]);
		left[most] = 0;
		before = ", ";
		any = true;
	}
	return any;
}

/* What some candidates missed of exchanges that others were compared in. */
static void count_missed(const struct stats *s, uint64_t out[OUTCOMES])
{
	memset(out, 0, OUTCOMES * sizeof *out);
	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned c = 0; c < s->plan->routes[r].candidate_count; c++)
			for (unsigned i = 0; i < OUTCOMES; i++)
				out[i] += s->counts.candidate[r][c][i];
	for (unsigned i = 0; i < OUTCOMES; i++)
		if (out[i] <= s->counts.exchange[i] ||
		    outcome_group((uint8_t)(OUTCOME_COMPARED + i)) == GROUP_EXCLUDED)
			out[i] = 0;
}

static void line_reasons(const struct stats *s, struct buf *b)
{
	uint64_t missed[OUTCOMES];

	if (!put_reasons(b, "", s->counts.exchange))
		buf_puts(b, "no exchange");
	count_missed(s, missed);
	put_reasons(b, "; pairs: ", missed);
}

static void line_captured(const struct stats *s, struct buf *b)
{
	uint64_t missed = 0;

	for (unsigned i = 1; i < OUTCOMES; i++)
		missed += s->counts.capture[i];
	put_count(b, s->counts.capture[0]);
	put_counted(b, " + not_captured ", missed);
	put_counted(b, " + open ", s->counts.open);
	if (s->results_failing || s->capture_failing)
		buf_printf(b, " (THE DISK FAILS: %s)",
		           !s->capture_failing   ? "results"
		           : !s->results_failing ? "capture"
		                                 : "both");
	else if (!s->plan->capture)
		buf_puts(b, " (capture is off)");
}

static const char *const standing_names[] = {"no verdict", "undecided", "pass", "fail"};

static void put_standing(struct buf *b, const char *name, const struct stats_standing *at)
{
	buf_printf(b, "%s %s, ", name, standing_names[at->state <= STANDING_FAIL ? at->state : 0]);
	put_count(b, at->pairs);
	buf_puts(b, " pairs");
	if (at->drill)
		buf_puts(b, " (a drill)");
	else if (at->state == STANDING_FAIL && at->gate[0])
		buf_printf(b, " (%s)", at->gate);
	else if (at->state == STANDING_UNDECIDED && !at->gate[0])
		buf_puts(b, " (no gate declared)");
	else if (at->state == STANDING_UNDECIDED && at->needed == UINT64_MAX)
		buf_printf(b, ", more needed for %s", at->gate);
	else if (at->state == STANDING_UNDECIDED) {
		put_counted(b, ", about ", at->needed);
		buf_printf(b, " more for %s", at->gate);
	}
}

static void put_standings(const struct stats *s, struct buf *b)
{
	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned c = 0; c < s->plan->routes[r].candidate_count; c++) {
			if (s->plan->routes[r].candidates[c].baseline)
				continue;
			if (buf_len(b))
				buf_puts(b, "; ");
			put_standing(b, s->plan->routes[r].candidates[c].name, &s->standings[r][c]);
		}
}

/* "fail: a 0 pairs, b 12": those of one state. */
static void put_group(const struct stats *s, unsigned state, struct buf *b)
{
	const char *before = buf_len(b) ? "; " : "", *after = buf_len(b) ? "" : " pairs";

	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned c = 0; c < s->plan->routes[r].candidate_count; c++) {
			const struct plan_candidate *candidate = &s->plan->routes[r].candidates[c];
			const struct stats_standing *at = &s->standings[r][c];

			if (candidate->baseline || at->state != state)
				continue;
			if (*before != ',')
				buf_printf(b, "%s%s: ", before, standing_names[state]);
			else
				buf_puts(b, before);
			buf_printf(b, "%s%s ", candidate->name, at->drill ? " (drill)" : "");
			put_count(b, at->pairs);
			buf_puts(b, after);
			before = ", ";
			after = "";
		}
}

static void line_verdict(const struct stats *s, struct buf *b)
{
	put_standings(s, b);
	if (!buf_len(b))
		buf_puts(b, "no candidate");
	if (fits(b))
		return;
	buf_reset(b);
	for (unsigned state = STANDING_FAIL + 1; state-- > 0;)
		put_group(s, state, b);
}

/* " (2/4)": the stage of a ramp; " (enough)": it has been seen enough; " (down, 3 ends)": its sandbox */
static void put_stage(struct buf *b, const struct plan_ramp *ramp, const struct stats_standing *at)
{
	bool fine = !at->sandbox.ours || (at->sandbox.state == SANDBOX_READY && !at->sandbox.ends);

	if (at->paused)
		buf_puts(b, " (paused)");
	else if (at->drill)
		buf_puts(b, " (drill)");
	else if (!fine)
		buf_printf(b, " (%s, %llu ends)", sandbox_state_name(at->sandbox.state),
		           (unsigned long long)at->sandbox.ends);
	else if (at->stopped)
		buf_puts(b, " (enough)");
	else if (ramp->stage_count)
		buf_printf(b, " (%u/%u)", at->stage + 1, ramp->stage_count);
}

/* "svc 100 %, twin (baseline) 10 %" */
static void put_samples(const struct stats *s, struct buf *b)
{
	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned c = 0; c < s->plan->routes[r].candidate_count; c++) {
			buf_printf(b, ", %s%s ", s->plan->routes[r].candidates[c].name,
			           s->plan->routes[r].candidates[c].baseline ? " (baseline)" : "");
			put_share(b, s->standings[r][c].sample_ppm);
			put_stage(b, &s->plan->routes[r].candidates[c].ramp, &s->standings[r][c]);
		}
}

/* "6 candidates at 10 % to 100 %", the baselines aside. */
static void put_sample_range(const struct stats *s, struct buf *b)
{
	uint32_t low = UINT32_MAX, high = 0;
	unsigned n = 0;

	for (unsigned r = 0; r < s->plan->route_count; r++)
		for (unsigned c = 0; c < s->plan->routes[r].candidate_count; c++) {
			uint32_t at = s->standings[r][c].sample_ppm;

			if (s->plan->routes[r].candidates[c].baseline)
				continue;
			n++;
			low = at < low ? at : low;
			high = at > high ? at : high;
		}
	buf_printf(b, ", %u candidates at ", n);
	put_share(b, low);
	if (high > low) {
		buf_puts(b, " to ");
		put_share(b, high);
	}
}

static void line_run(const struct stats *s, struct buf *b)
{
	if (s->plan->run_closed) {
		buf_puts(b, "none is open, nothing is copied (understudy ctl run start)");
		return;
	}
	buf_printf(b, "%s %016llx", s->plan->run_name, (unsigned long long)s->run_id);
	put_samples(s, b);
	if (fits(b))
		return;
	buf_reset(b);
	buf_printf(b, "%s %016llx", s->plan->run_name, (unsigned long long)s->run_id);
	put_sample_range(s, b);
}

static void line_stop(const struct stats *s, struct buf *b)
{
	if (s->phase != PHASE_RUN)
		buf_puts(b, "draining: the run is sealed once open exchanges have ended");
	else
		buf_puts(b, "understudy ctl pause (shadowing), understudy ctl drain (the proxy)");
}

static const struct {
	const char *label;
	void (*put)(const struct stats *, struct buf *);
} lines[STATUS_LINES] = {
        {"live", line_live},
        {"requests", line_requests},
        {"errors", line_errors},
        {"we add", line_added},
        {"shadowing", line_shadowing},
        {"seen", line_seen},
        {"", line_equation},
        {"left out", line_reasons},
        {"captured", line_captured},
        {"verdict", line_verdict},
        {"run", line_run},
        {"stop", line_stop},
};

/* Names come from the configuration: one line stays one line, and never over its columns. */
static void put_line(struct buf *out, const char *label, struct span text)
{
	size_t room = STATUS_COLUMNS - LABEL_COLUMNS;

	buf_printf(out, "%-*s", LABEL_COLUMNS, label);
	for (size_t i = 0; i < text.len; i++) {
		if (i + 3 == room && text.len > room) {
			buf_puts(out, "...");
			break;
		}
		buf_put(out, (unsigned char)text.data[i] < 0x20 ? "?" : text.data + i, 1);
	}
	buf_puts(out, "\n");
}

void stats_status(const struct stats *s, struct buf *out)
{
	struct buf line;

	buf_init(&line, LINE_LIMIT);
	for (unsigned i = 0; i < STATUS_LINES; i++) {
		buf_reset(&line);
		lines[i].put(s, &line);
		put_line(out, lines[i].label, buf_span(&line));
	}
	buf_fini(&line);
}
