#include "replay/rule.h"

#include <math.h>

static const uint64_t MILLION = 1000000u;

static void note(uint64_t *since_ns, bool holds, uint64_t now_ns)
{
	if (!holds)
		*since_ns = 0;
	else if (!*since_ns)
		*since_ns = now_ns;
}

static bool lasted(uint64_t since_ns, uint32_t ms, uint64_t now_ns)
{
	return since_ns && now_ns - since_ns >= ms * MILLION;
}

enum rule_change rule_step(struct rule *r, const struct plan_safeguard *plan, double value, uint64_t now_ns)
{
	note(&r->over_ns, value > plan->max, now_ns);
	note(&r->calm_ns, !(value > plan->leave), now_ns);
	if (!r->tripped && lasted(r->over_ns, plan->for_ms, now_ns)) {
		r->tripped = true;
		r->trips++;
		r->calm_ns = 0;
		return RULE_TRIPS;
	}
	if (r->tripped && plan->action != GUARD_STOP && lasted(r->calm_ns, plan->hold_ms, now_ns)) {
		r->tripped = false;
		r->over_ns = 0;
		return RULE_LEAVES;
	}
	return RULE_STAYS;
}

static bool half_over(uint64_t turned_ns, uint32_t window_ms, uint64_t now_ns)
{
	return now_ns - turned_ns >= window_ms * MILLION / 2;
}

double rule_rate(struct rule_window *w, uint32_t window_ms, uint64_t bad, uint64_t all, uint64_t now_ns)
{
	if (!w->begun || bad < w->bad[1] || all < w->all[1])
		*w = (struct rule_window){{bad, bad}, {all, all}, now_ns, true};
	if (half_over(w->turned_ns, window_ms, now_ns)) {
		w->bad[0] = w->bad[1];
		w->all[0] = w->all[1];
		w->bad[1] = bad;
		w->all[1] = all;
		w->turned_ns = now_ns;
	}
	if (all - w->all[0] < RULE_LEAST)
		return NAN;
	return (double)(bad - w->bad[0]) / (double)(all - w->all[0]);
}

double rule_quantile(struct rule_times *w, uint32_t window_ms, const struct hist_view *all, double q,
                     uint64_t now_ns)
{
	static struct hist_view part;

	if (!w->begun)
		*w = (struct rule_times){{*all, *all}, now_ns, true};
	if (half_over(w->turned_ns, window_ms, now_ns)) {
		w->base[0] = w->base[1];
		w->base[1] = *all;
		w->turned_ns = now_ns;
	}
	part = *all;
	part.count -= w->base[0].count;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		part.buckets[i] -= w->base[0].buckets[i];
	return part.count < RULE_LEAST ? NAN : (double)hist_quantile(&part, q) / 1e6;
}
