/*
 * masker.c - two roles, one loop: raw records in, masked records out.
 *
 * The masker reads every worker's raw ring and feeds shadow, judge and recorder; the answer masker
 * reads the candidates' raw answers and feeds the judge. Masked or gone: what cannot be masked is
 * settled as mask_failed (an answer: as undecodable) and dropped. Neither role holds a socket or a file. All
 * that is held of open legs is charged against the role's budget; a leg that does not fit is dropped, its
 * exchange settled as memory.
 */
#include "capture/masker.h"

#include <stdio.h>
#include "capture/budget.h"
#include "capture/fold.h"
#include "capture/masker_inside.h"
#include "proto/base/clock.h"

enum { PAUSE_MS = 5, ANSWERS_PAUSE_MS = 10 };

/* Of a leg that this role masks. */
static bool is_for(const struct masker *m, const struct record *r)
{
	return r->route < m->env->plan->route_count && r->leg < LEGS_MAX &&
	       m->answers == (r->leg >= LEG_CANDIDATE);
}

/* The reader of a leg's end pulls the exchange's cells from the writer's stage to its own. */
static void claim(struct masker *m, const struct record *r)
{
	struct ledger *l = m->env->ledger;

	if (!masker_is_last(r) || !is_for(m, r))
		return;
	if (m->answers) {
		ledger_move(l, r->slot, r->id, r->leg - LEG_CANDIDATE, STAGE_SHADOW, STAGE_ANSWERS);
	} else if (r->leg == LEG_CLIENT) {
		ledger_settle_candidates(l, r->slot, r->id, STAGE_WORKER, STAGE_MASKER);
	} else {
		ledger_move(l, r->slot, r->id, CELL_LIVE, STAGE_WORKER, STAGE_MASKER);
		ledger_move(l, r->slot, r->id, CELL_CAPTURE, STAGE_WORKER, STAGE_MASKER);
	}
}

static void take(struct masker *m, struct record *r)
{
	struct track **at, *t;
	int err = 0;

	if (!is_for(m, r))
		return;
	if (m->env->plan->routes[r->route].learn && !(r->flags & RECORD_CANARY)) {
		masker_learn_take(m->learn, r, m->payload);
		return;
	}
	if (masker_is_remainder(m, r))
		return;
	(void)mask_asked(masker_key(m, r->route)); /* by one that failed before it was heeded */
	if (r->type == RECORD_END)
		r->payload_len = 0;
	m->why = MASK_WHY_FORMAT;
	at = masker_track_at(m, r->id, r->leg);
	t = *at && (*at)->begun ? *at : NULL;
	mask_note_in(masker_key(m, r->route), t ? &t->found : NULL);
	if (masker_refuses_consent(m, t, r))
		return;
	/* a reason is a known name; anything else may be a body */
	if (r->type == RECORD_ERROR && !outcome_by_name((struct span){m->payload, r->payload_len})) {
		err = ERR_PROTO;
	} else if (r->type == RECORD_HEAD) {
		err = masker_begin(m, r);
	} else if (r->type == RECORD_KNOWN) {
		err = masker_known(m, r);
	} else if (r->type == RECORD_ERROR && !t) { /* a leg that broke before its head */
		masker_emit(m, r, m->payload);
	} else if (!t) { /* its head went down with an earlier process */
		masker_give_up(m, r, OUTCOME_ROLE_LOST);
	} else if (r->type == RECORD_CHUNK && t->trailed) {
		err = ERR_PROTO;
	} else if (r->type == RECORD_CHUNK && t->holding) {
		err = masker_hold(m, t, r, m->payload);
	} else if (r->type == RECORD_CHUNK) {
		masker_emit(m, r, m->payload);
	} else if (r->type == RECORD_TRAILERS) {
		err = masker_trailers(m, t, r);
	} else if (masker_is_last(r)) {
		err = masker_finish(m, at, r);
	} else {
		err = ERR_PROTO;
	}
	if (err) {
		gauge_add(&m->env->page->mask_dropped[m->answers][err == ERR_NOMEM ? MASK_WHY_ROOM : m->why],
		          1);
		at = masker_track_at(m, r->id, r->leg);
		if (*at)
			masker_track_free(m, at);
		/* an answer nobody can read is the candidate's lack: excluded, it would leave coverage */
		masker_give_up(m, r,
		               err == ERR_NOMEM    ? OUTCOME_MEMORY
		               : m->answers        ? OUTCOME_UNDECODABLE
		               : err == ERR_DENIED ? OUTCOME_BY_RULE
		                                   : OUTCOME_MASK_FAILED);
	}
}

static unsigned drain_rings(struct masker *m)
{
	unsigned total = 0;

	for (unsigned i = 0; i < m->in_count; i++) {
		struct record r;

		for (unsigned n = 0; n < 256; n++) {
			int err = ring_peek(m->in[i], &r, m->payload);

			if (err == ERR_PROTO)
				role_ring_broken(m->env, m->in[i]);
			if (err)
				break;
			total++;
			claim(m, &r);
			ring_advance(m->in[i], &r);
			take(m, &r);
		}
	}
	if (total) {
		ring_publish(m->to_judge);
		if (m->to_shadow)
			ring_publish(m->to_shadow);
		if (m->to_recorder)
			ring_publish(m->to_recorder);
	}
	return total;
}

static void loop(struct masker *m, uint32_t leave_at)
{
	struct role_pace pace = {.most_ms = m->answers ? ANSWERS_PAUSE_MS : PAUSE_MS};
	uint64_t swept = clock_mono_ns();

	for (;;) {
		uint32_t phase = atomic_load(&m->env->page->phase);
		bool busy = drain_rings(m) > 0;

		masker_learn_turn(m->learn, clock_mono_ns(), !busy && phase >= leave_at);
		if (busy) {
			role_busy(&pace);
		} else if (phase >= leave_at) {
			return;
		} else {
			role_pause(&pace, m->env, m->in, m->wake, m->in_count);
		}
		if (clock_mono_ns() - swept > 1000000000u) {
			masker_sweep(m);
			swept = clock_mono_ns();
		}
	}
}

int masker_run(struct role_env *env)
{
	static struct masker m;

	m.env = env;
	m.limit_bytes = budget_bytes(env->plan, BUDGET_MASKER);
	for (unsigned i = 0; i < env->plan->workers; i++) {
		char name[32];

		snprintf(name, sizeof name, "raw.%u", i);
		if (role_ring_reader(env, name, &m.in[i]))
			return 3;
		snprintf(name, sizeof name, "wake.raw.%u", i);
		m.wake[i] = role_fd(env, name);
		m.in_count++;
	}
	if (masker_load_rules(&m) || masker_load_withdrawn(&m) || masker_load_keys(&m) ||
	    masker_learn_new(env, m.limit_bytes / 4, &m.learn) ||
	    role_ring_writer(env, "shadow", &m.to_shadow) || role_ring_writer(env, "judge", &m.to_judge) ||
	    (env->plan->capture && role_ring_writer(env, "recorder", &m.to_recorder)))
		return 3;
	role_ready(env);
	loop(&m, PHASE_MASKER);
	return 0;
}

int answers_run(struct role_env *env)
{
	static struct masker m;

	m.env = env;
	m.answers = true;
	m.in_count = 1;
	m.wake[0] = role_fd(env, "wake.answers");
	m.limit_bytes = budget_bytes(env->plan, BUDGET_ANSWERS);
	if (masker_load_rules(&m) || masker_load_keys(&m) || role_ring_reader(env, "answers", &m.in[0]) ||
	    role_ring_writer(env, "masked-answers", &m.to_judge))
		return 3;
	role_ready(env);
	loop(&m, PHASE_ANSWERS);
	return 0;
}
