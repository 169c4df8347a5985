#include "replay/allot.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "replay/share.h"

static struct share shares[ROUTES_MAX][CANDIDATES_MAX];

void allot_begin(const struct role_env *env)
{
	for (uint16_t r = 0; r < env->plan->route_count; r++)
		for (uint16_t c = 0; c < env->plan->routes[r].candidate_count; c++) {
			const struct plan_route *route = &env->plan->routes[r];
			const struct standing *before = &env->page->standings[r][c];

			share_init(&shares[r][c], &route->candidates[c].ramp, &route->stop,
			           route->candidates[c].sample_ppm);
			if (env->epoch > 0 || atomic_load(&env->page->carried))
				share_resume(&shares[r][c], atomic_load(&before->stage),
				             atomic_load(&before->stopped),
				             atomic_load(&before->stopped_seen));
		}
}

/* A baseline has no gates: it has been seen enough when every candidate has. */
static bool others_stopped(const struct plan_route *route, uint16_t r)
{
	bool all = true, any = false;

	for (uint32_t c = 0; c < route->candidate_count; c++) {
		if (route->candidates[c].baseline)
			continue;
		any = true;
		all &= shares[r][c].stopped != SHARE_RUNS;
	}
	return any && all;
}

/* False: nothing is known yet, the page stands. */
static bool view(const struct role_env *env, const struct results *results, uint16_t r, uint16_t c,
                 struct share_view *v)
{
	const struct plan_route *route = &env->plan->routes[r];
	uint64_t started = atomic_load(&env->page->started_ns);
	struct results_standing at;

	v->now_ns = clock_mono_ns();
	v->run_ns = started ? v->now_ns - started : 0;
	if (route->candidates[c].baseline) {
		v->decided = route->stop.decided && others_stopped(route, r);
		return true;
	}
	results_standing(results, r, c, &at);
	v->pairs = at.pairs;
	v->holds = at.holds;
	v->failed = at.failed;
	v->decided = at.decided;
	return env->epoch == 0 || at.state != STANDING_NONE;
}

static void say(const struct plan_candidate *k, const struct share *s, uint32_t before_ppm, uint32_t ppm)
{
	if (before_ppm != ppm)
		LOG(INFO, "share", log_text("candidate", k->name), log_uint("ppm", ppm),
		    log_uint("before_ppm", before_ppm), log_text("stopped", share_stop_name(s->stopped)));
}

static void allot(const struct role_env *env, struct results *results, uint16_t r, uint16_t c, uint64_t seen)
{
	const struct plan_candidate *k = &env->plan->routes[r].candidates[c];
	struct standing *to = &env->page->standings[r][c];
	struct share *s = &shares[r][c];
	struct share_view v = {.seen = seen};
	struct results_share said = {.stages = s->ramp->stage_count};
	uint32_t ppm;

	if (!view(env, results, r, c, &v))
		return;
	ppm = share_step(s, &v);
	say(k, s, atomic_exchange(&to->sample_ppm, ppm), ppm);
	said.saved = share_saved(s, seen);
	said.stage = s->stage;
	said.falls = s->falls;
	said.stopped = share_stop_name(s->stopped);
	said.sample_ppm = page_sample_ppm(env->page, r, c, k->sample_ppm);
	atomic_store(&to->stage, s->stage);
	atomic_store(&to->falls, s->falls);
	atomic_store(&to->stopped_seen, s->stopped_seen);
	atomic_store(&to->stopped, s->stopped);
	atomic_store(&to->saved, said.saved);
	results_share(results, r, c, &said);
}

void allot_all(const struct role_env *env, struct results *results, const struct ledger_counts *counts)
{
	for (uint16_t r = 0; r < env->plan->route_count; r++)
		for (uint16_t c = 0; c < env->plan->routes[r].candidate_count; c++)
			allot(env, results, r, c, counts->route_seen[r]);
}
