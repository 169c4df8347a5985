/* What the judge lets others know: standings, drills, the summary, what the next run goes on from. */
#include "replay/judge_inside.h"

#include <stdio.h>

#include "capture/carry.h"
#include "capture/fault.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "replay/allot.h"
#include "replay/judge.h"
#include "replay/safeguard.h"

enum { SUMMARY_MORE_BYTES = 4 << 20 };

/* What control says of each candidate's verdict. */
static void publish(void)
{
	for (uint16_t r = 0; r < judge.env->plan->route_count; r++)
		for (uint16_t c = 0; c < judge.env->plan->routes[r].candidate_count; c++) {
			struct standing *to = &judge.env->page->standings[r][c];
			struct results_standing at;

			results_standing(judge.results, r, c, &at);
			atomic_store(&to->pairs, at.pairs);
			atomic_store(&to->diverged, at.diverged);
			atomic_store(&to->needed, at.needed);
			standing_gate_set(to, at.gate);
			atomic_store(&to->state, at.state);
		}
}

/* The faults of ours that this run has, and how many copies met them. */
static void tell_drill(uint16_t r, uint16_t c)
{
	const struct plan_candidate *p = &judge.env->plan->routes[r].candidates[c];
	const struct page *page = judge.env->page;
	uint32_t drills = page_drills(page);
	uint64_t drilled[FAULT_KINDS];
	char fault[FAULT_TEXT_BYTES];
	struct buf text;

	buf_init(&text, RESULTS_DRILL_BYTES - 1);
	for (uint32_t i = 0; i < p->fault_count + drills; i++) {
		const struct page_drill *d = i < p->fault_count ? NULL : &page->drills[i - p->fault_count];

		if (d && (d->route != r || d->candidate != c))
			continue;
		fault_write(d ? &d->fault : &p->faults[i], fault);
		buf_printf(&text, "%s%s", buf_len(&text) ? ", " : "", fault);
	}
	for (uint32_t i = 0; i < FAULT_KINDS; i++)
		drilled[i] = atomic_load(&page->candidates[r][c].drilled[i]);
	results_drill(judge.results, r, c, text.err ? SPAN("of many faults") : buf_span(&text), drilled);
	buf_fini(&text);
}

static void tell_drills(void)
{
	for (uint16_t r = 0; r < judge.env->plan->route_count; r++)
		for (uint16_t c = 0; c < judge.env->plan->routes[r].candidate_count; c++)
			tell_drill(r, c);
}

/* Only when it says something else than before. */
static void write_carry(void)
{
	static struct buf last;
	struct buf text;

	buf_init(&text, CARRY_MAX_BYTES);
	carry_write(judge.env->plan, judge.env->page, &text);
	if (text.err || span_eq(buf_span(&text), buf_span(&last)) ||
	    results_file(judge.results, "carry", buf_span(&text))) {
		buf_fini(&text);
		return;
	}
	buf_fini(&last);
	last = text;
}

/* What no pair of a replay was compared by, though it is there. */
static void put_masked_paths(struct buf *b)
{
	const char *comma = "";

	buf_puts(b, "\"masked_paths\":[");
	for (unsigned r = 0; r < judge.env->plan->route_count; r++)
		for (unsigned i = 0; i < judge.env->plan->routes[r].masked_path_count; i++) {
			buf_printf(b, "%s{\"route\":", comma);
			buf_json_string(b, span_of(judge.env->plan->routes[r].name));
			buf_puts(b, ",\"path\":");
			buf_json_string(b, span_of(judge.env->plan->routes[r].masked_paths[i]));
			buf_printf(b, ",\"left_out\":%llu}", (unsigned long long)judge.masked_left_out[r][i]);
			comma = ",";
		}
	buf_puts(b, "]");
}

static void put_more(struct buf *b)
{
	if (judge.env->plan->replay) {
		judge_put_targets(b);
		buf_puts(b, ",");
		put_masked_paths(b);
		return;
	}
	guards_summary(judge.env, b);
	buf_puts(b, ",");
	incidents_summary(&judge.incidents, b);
}

void judge_summary(const char *state, const char *reason)
{
	static struct ledger_counts counts;
	struct replay_gauges *replay = &judge.env->page->replay;
	struct results_lag lag = {
	        .count = atomic_load(&replay->lag_count),
	        .p50_us = atomic_load(&replay->lag_p50_us),
	        .p99_us = atomic_load(&replay->lag_p99_us),
	        .max_us = atomic_load(&replay->lag_max_us),
	        .planned_ns = atomic_load(&replay->planned_ns),
	        .actual_ns = atomic_load(&replay->actual_ns),
	};
	struct safeguard_cost cost;
	struct buf more;
	bool failed;

	for (unsigned i = 0; i < LATE_BY; i++)
		lag.late[i] = atomic_load(&replay->late[i]);
	buf_init(&more, SUMMARY_MORE_BYTES);
	ledger_read(judge.env->ledger, &counts);
	if (!judge.env->plan->replay)
		allot_all(judge.env, judge.results, &counts);
	safeguard_cost(judge.env, &cost);
	put_more(&more);
	tell_drills();
	failed = more.err ||
	         results_summary(judge.results, &counts, state, reason, judge.env->plan->replay ? &lag : NULL,
	                         judge.env->plan->replay ? NULL : &cost, buf_span(&more));
	if (failed && !judge.unsummed)
		LOG(ERROR, "summary_failed", log_text("why", "summary.json cannot be written"));
	judge.unsummed = failed;
	buf_fini(&more);
	publish();
	if (!judge.env->plan->replay)
		write_carry();
	judge.summed_ns = clock_mono_ns();
}
