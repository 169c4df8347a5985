/*
 * shadow_measure.c - what a replay measures where its bytes leave and come.
 *
 * How late a copy leaves is told where its last byte does, whatever made it late; how long its answer takes,
 * from when it was due (what a user who comes by the schedule waits for) and from when it left. Answers that
 * are not whole have no times.
 */
#include "replay/shadow_inside.h"

#include <stdlib.h>

#include "proto/base/sketch.h"

static const uint64_t PUBLISH_NS = 100000000u;

struct measures {                      /* of one target */
	struct sketch times[MEASURED]; /* us */
	uint64_t answered, usable, good;
};

static struct {
	struct measures *targets[ROUTES_MAX][CANDIDATES_MAX]; /* NULL in a mirror */
	struct sketch lag;                                    /* of all targets. us */
	uint64_t begun_ns, answered_ns;                       /* first sent, last answer */
	uint64_t first_due_ns, first_sent_ns, last_due_ns, last_sent_ns, published_ns;
} all;

static struct measures *of(const struct flight *f)
{
	return f->record.flags & RECORD_DRILLED ? NULL
	                                        : all.targets[f->record.route][f->record.leg - LEG_CANDIDATE];
}

static uint64_t us_between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns) / 1000u : 0;
}

static uint8_t cause_of(const struct together *with)
{
	uint64_t late = with->due_ns + shadow.env->plan->replay_max_lag_ns;

	return with->read_ns > late    ? LATE_SOURCE
	       : with->taken_ns > late ? LATE_CLIENT
	       : with->queued          ? LATE_TARGET
	                               : LATE_CONNECTION;
}

void shadow_measure_mark(struct flight *f, const struct together *with)
{
	const struct plan *plan = shadow.env->plan;

	f->due_ns = plan->replay_speed > 0 || plan->replay_users.count ? with->due_ns : 0;
	f->late_by = cause_of(with);
}

static void note_total(const struct flight *f)
{
	if (!all.first_due_ns) {
		all.first_due_ns = f->due_ns;
		all.first_sent_ns = f->sent_ns;
	}
	if (f->due_ns > all.last_due_ns)
		all.last_due_ns = f->due_ns;
	all.last_sent_ns = f->sent_ns;
}

void shadow_measure_sent(struct flight *f)
{
	struct measures *m = of(f);
	uint64_t lag_us = us_between(f->due_ns, f->sent_ns);

	if (!m || f->was_sent)
		return;
	f->was_sent = true;
	if (!all.begun_ns)
		all.begun_ns = f->sent_ns;
	if (!f->due_ns)
		return;
	sketch_add(&m->times[MEASURED_lag], lag_us);
	sketch_add(&all.lag, lag_us);
	if (f->sent_ns > f->due_ns + shadow.env->plan->replay_max_lag_ns)
		atomic_fetch_add(&shadow.env->page->replay.late[f->late_by], 1);
	note_total(f);
}

void shadow_measure_bytes(struct flight *f, uint64_t now_ns)
{
	struct measures *m = of(f);

	if (m && f->first_ns)
		sketch_add(&m->times[MEASURED_chunk_gap], us_between(f->last_ns, now_ns));
	f->first_ns = f->first_ns ? f->first_ns : now_ns;
	f->last_ns = now_ns;
}

void shadow_measure_answered(struct flight *f, uint64_t now_ns)
{
	struct measures *m = of(f);
	uint64_t slo_ns = shadow.env->plan->replay_slo_ns, from_ns = f->due_ns ? f->due_ns : f->sent_ns;

	if (!m)
		return;
	all.answered_ns = now_ns;
	m->answered++;
	m->usable += f->usable;
	m->good += f->usable && (!slo_ns || now_ns < from_ns + slo_ns);
	sketch_add(&m->times[MEASURED_service], us_between(f->sent_ns, now_ns));
	sketch_add(&m->times[MEASURED_first_byte],
	           us_between(f->sent_ns, f->first_ns ? f->first_ns : now_ns));
	if (f->due_ns)
		sketch_add(&m->times[MEASURED_response], us_between(f->due_ns, now_ns));
}

static void publish_target(const struct measures *m, struct target_gauges *to)
{
	for (unsigned i = 0; i < MEASURED; i++) {
		atomic_store(&to->times[i].count, m->times[i].count);
		atomic_store(&to->times[i].p50_us, sketch_quantile(&m->times[i], 0.5));
		atomic_store(&to->times[i].p90_us, sketch_quantile(&m->times[i], 0.9));
		atomic_store(&to->times[i].p99_us, sketch_quantile(&m->times[i], 0.99));
		atomic_store(&to->times[i].max_us, m->times[i].max_us);
	}
	atomic_store(&to->answered, m->answered);
	atomic_store(&to->usable, m->usable);
	atomic_store(&to->good, m->good);
}

void shadow_measure_publish(uint64_t now_ns)
{
	struct replay_gauges *g = &shadow.env->page->replay;

	if (now_ns - all.published_ns < PUBLISH_NS)
		return;
	for (unsigned r = 0; r < shadow.env->plan->route_count; r++)
		for (unsigned c = 0; c < shadow.env->plan->routes[r].candidate_count; c++)
			if (all.targets[r][c])
				publish_target(all.targets[r][c],
				               &shadow.env->page->candidates[r][c].measured);
	atomic_store(&g->lag_p50_us, sketch_quantile(&all.lag, 0.5));
	atomic_store(&g->lag_p99_us, sketch_quantile(&all.lag, 0.99));
	atomic_store(&g->lag_max_us, all.lag.max_us);
	atomic_store(&g->lag_count, all.lag.count);
	atomic_store(&g->planned_ns, all.last_due_ns - all.first_due_ns);
	atomic_store(&g->actual_ns, all.last_sent_ns - all.first_sent_ns);
	if (all.answered_ns)
		atomic_store(&g->lasted_ns, all.answered_ns - all.begun_ns);
	all.published_ns = now_ns;
}

int shadow_measure_begin(void)
{
	const struct plan *plan = shadow.env->plan;

	for (unsigned r = 0; r < plan->route_count; r++)
		for (unsigned c = 0; c < plan->routes[r].candidate_count; c++)
			if (!(all.targets[r][c] = calloc(1, sizeof *all.targets[r][c])))
				return ERR_NOMEM;
	return 0;
}
