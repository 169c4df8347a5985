#include "replay/safeguard.h"

#include <string.h>

#include "proto/base/log.h"
#include "replay/harm.h"

static struct harm harm;

static struct harm_rule rule_of(const struct plan *p)
{
	return (struct harm_rule){.max_ns = (uint64_t)p->harm.max_us * 1000u,
	                          .block_ms = p->harm.block_ms,
	                          .off_ppm = p->harm.off_ppm,
	                          .seed = p->seed};
}

/* What lies on the page is of an earlier judge: its numbers are not known any more. */
void safeguard_begin(const struct role_env *env)
{
	struct harm_rule rule = rule_of(env->plan);

	harm_init(&harm, &rule);
	atomic_store(&env->page->harm.block, HARM_NONE);
	atomic_store(&env->page->harm.groups, 0);
}

static void read_timed(void *arg, struct hist_view out[HARM_SIDES])
{
	const struct role_env *env = arg;

	for (unsigned w = 0; w < env->plan->workers && w < WORKERS_MAX; w++)
		for (unsigned s = 0; s < HARM_SIDES; s++)
			hist_read(&env->page->workers[w].timed[s], &out[s]);
}

static void publish(struct harm_gauges *to)
{
	struct interval ci;
	double at;

	if (!harm_cost(&harm, &at, &ci))
		return;
	atomic_store(&to->cost_ns, (int64_t)at);
	atomic_store(&to->low_ns, (int64_t)ci.low);
	atomic_store(&to->high_ns, (int64_t)ci.high);
	atomic_store(&to->groups, harm.groups);
}

static void switch_off(const struct role_env *env, uint64_t now_ns)
{
	const struct harm_gauges *g = &env->page->harm;

	atomic_store(&env->page->paused_at_ns, now_ns);
	atomic_fetch_or(&env->page->paused, PAUSED_BY_HARM);
	LOG(WARN, "harm_switch", log_text("change", "pause"),
	    log_int("cost_us", atomic_load(&g->cost_ns) / 1000),
	    log_int("low_us", atomic_load(&g->low_ns) / 1000),
	    log_int("high_us", atomic_load(&g->high_ns) / 1000),
	    log_uint("limit_us", env->plan->harm.max_us));
}

void safeguard_tick(const struct role_env *env, uint64_t now_ns)
{
	struct page *page = env->page;
	uint64_t groups = harm.groups;

	if (!env->plan->harm.on || !atomic_load(&page->ready))
		return;
	if (atomic_load(&page->paused) || atomic_load(&page->phase) != PHASE_RUN) {
		if (harm_over(&harm) && !(atomic_load(&page->paused) & PAUSED_BY_HARM))
			safeguard_begin(env);
		harm.begun = false;
		atomic_store(&page->harm.block, HARM_NONE);
		return;
	}
	if (harm_over(&harm)) /* resumed */
		safeguard_begin(env);
	atomic_store(&page->harm.block, harm_step(&harm, now_ns, read_timed, (void *)env));
	if (harm.groups == groups)
		return;
	publish(&page->harm);
	if (harm_over(&harm))
		switch_off(env, now_ns);
}

static void by_exchanges(const struct role_env *env, struct safeguard_cost *out)
{
	static struct hist_view sides[ADDED_KINDS];
	struct hist_range range;

	memset(sides, 0, sizeof sides);
	for (unsigned w = 0; w < env->plan->workers && w < WORKERS_MAX; w++)
		for (unsigned k = 0; k < ADDED_KINDS; k++)
			hist_read(&env->page->workers[w].added[k], &sides[k]);
	range = hist_difference(&sides[ADDED_COPIED], &sides[ADDED_PLAIN], 0.5, HARM_ALPHA);
	out->method = "exchanges";
	out->known = range.known;
	out->ns = (double)hist_quantile(&sides[ADDED_COPIED], 0.5) -
	          (double)hist_quantile(&sides[ADDED_PLAIN], 0.5);
	out->low_ns = range.low;
	out->high_ns = range.high;
}

void safeguard_cost(const struct role_env *env, struct safeguard_cost *out)
{
	const struct harm_gauges *g = &env->page->harm;

	*out = (struct safeguard_cost){.method = "blocks"};
	out->switched_off = atomic_load(&env->page->paused) & PAUSED_BY_HARM;
	out->limit_ns = env->plan->harm.on ? (uint64_t)env->plan->harm.max_us * 1000u : 0;
	out->groups = atomic_load(&g->groups);
	if (!out->limit_ns) {
		by_exchanges(env, out);
		return;
	}
	out->known = out->groups > 0;
	out->ns = (double)atomic_load(&g->cost_ns);
	out->low_ns = (double)atomic_load(&g->low_ns);
	out->high_ns = (double)atomic_load(&g->high_ns);
}
