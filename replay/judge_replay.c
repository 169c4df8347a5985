/* What a replay tells of itself: its targets' times, as the shadow measured them, and whether it kept its
 * own. */
#include "replay/judge_inside.h"

#include <stdio.h>

#include "replay/judge.h"

static void put_times(struct buf *b, const struct target_gauges *g)
{
	static const char *const names[] = {
#define X(name, meaning) #name,
	        MEASURED_TABLE(X)
#undef X
	};

	buf_puts(b, "\"times_us\":{");
	for (unsigned i = 0; i < MEASURED; i++) {
		if (!atomic_load(&g->times[i].count)) {
			buf_printf(b, "%s\"%s\":null", i ? "," : "", names[i]);
			continue;
		}
		buf_printf(b, "%s\"%s\":{\"count\":%llu,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"max\":%llu}",
		           i ? "," : "", names[i], (unsigned long long)atomic_load(&g->times[i].count),
		           (unsigned long long)atomic_load(&g->times[i].p50_us),
		           (unsigned long long)atomic_load(&g->times[i].p90_us),
		           (unsigned long long)atomic_load(&g->times[i].p99_us),
		           (unsigned long long)atomic_load(&g->times[i].max_us));
	}
	buf_puts(b, "}");
}

static void put_target(struct buf *b, const struct plan_route *route, unsigned candidate,
                       const struct target_gauges *g)
{
	buf_puts(b, "{\"name\":");
	buf_json_string(b, span_of(route->candidates[candidate].name));
	buf_puts(b, ",\"route\":");
	buf_json_string(b, span_of(route->name));
	buf_printf(b, ",\"answered\":%llu,\"usable\":%llu,\"good\":%llu,\"slo_us\":%llu,",
	           (unsigned long long)atomic_load(&g->answered), (unsigned long long)atomic_load(&g->usable),
	           (unsigned long long)atomic_load(&g->good),
	           (unsigned long long)(judge.env->plan->replay_slo_ns / 1000u));
	put_times(b, g);
	buf_puts(b, "}");
}

void judge_put_targets(struct buf *b)
{
	const struct plan *plan = judge.env->plan;
	const char *between = "";

	buf_printf(b, "\"seconds\":%.6f,\"saturated_at\":%llu,\"targets\":[",
	           (double)atomic_load(&judge.env->page->replay.lasted_ns) / 1e9,
	           (unsigned long long)atomic_load(&judge.env->page->replay.saturated));
	for (unsigned r = 0; r < plan->route_count; r++) {
		for (unsigned c = 0; c < plan->routes[r].candidate_count; c++) {
			buf_puts(b, between);
			put_target(b, &plan->routes[r], c, &judge.env->page->candidates[r][c].measured);
			between = ",";
		}
	}
	buf_puts(b, "]");
}

/* What made most of the late copies late, for people. */
static const char *late_because(const struct replay_gauges *g)
{
	static const char *const why[LATE_BY] = {
	        [LATE_SOURCE] = "the client was the bottleneck: they were read too late from the capture",
	        [LATE_CLIENT] = "the client was the bottleneck: it had no processor time for them",
	        [LATE_TARGET] = "the target took no more connections",
	        [LATE_CONNECTION] = "connections to the target were slow to open or to take them"};
	unsigned most = 0;

	for (unsigned i = 1; i < LATE_BY; i++)
		if (atomic_load(&g->late[i]) > atomic_load(&g->late[most]))
			most = i;
	return most == LATE_SOURCE && atomic_load(&g->slot_waits)
	               ? "too many waited for answers of the targets"
	               : why[most];
}

/* The latest target's, at the 99th percentile; *name_out is whose. */
static uint64_t latest_us(const char **name_out)
{
	const struct plan *plan = judge.env->plan;
	uint64_t latest = 0;

	for (unsigned r = 0; r < plan->route_count; r++)
		for (unsigned c = 0; c < plan->routes[r].candidate_count; c++) {
			uint64_t p99 = atomic_load(
			        &judge.env->page->candidates[r][c].measured.times[MEASURED_lag].p99_us);

			if (p99 < latest)
				continue;
			latest = p99;
			*name_out = plan->routes[r].candidates[c].name;
		}
	return latest;
}

const char *judge_final_state(char reason[JUDGE_REASON_BYTES])
{
	const struct plan *plan = judge.env->plan;
	struct replay_gauges *replay = &judge.env->page->replay;
	const char *to = "";
	uint64_t late_us = latest_us(&to);

	reason[0] = '\0';
	if (plan->replay && (plan->replay_speed > 0 || plan->replay_users.count) &&
	    plan->replay_max_lag_ns / 1000u < late_us) {
		snprintf(reason, JUDGE_REASON_BYTES,
		         "the replay sent too late: lag p99 %.3f ms to %s, at most %.3f ms allowed; %s",
		         (double)late_us / 1e3, to, (double)plan->replay_max_lag_ns / 1e6,
		         late_because(replay));
		return "void";
	}
	if (plan->replay && atomic_load(&replay->saturated)) {
		snprintf(reason, JUDGE_REASON_BYTES,
		         "it was stopped when its targets were saturated, at %llu requests a second",
		         (unsigned long long)atomic_load(&replay->saturated));
		return "final";
	}
	if (plan->replay && !atomic_load(&replay->whole)) {
		snprintf(reason, JUDGE_REASON_BYTES, "the replay was stopped before all was played");
		return "partial";
	}
	if (plan->replay && atomic_load(&replay->ends_early)) {
		snprintf(reason, JUDGE_REASON_BYTES, REPLAY_ENDS_EARLY ": %s; what was read is replayed",
		         err_text(-(int)atomic_load(&replay->ends_early)));
		return "partial";
	}
	return "final";
}
