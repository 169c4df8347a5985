/*
 * masker_track.c - what is held of open legs, and what becomes of it: records that leave, cells that are
 * settled.
 */
#include "capture/masker_inside.h"

#include <stdlib.h>
#include <string.h>
#include "proto/base/clock.h"

enum { SCRATCH_LEAST = 2 * RECORD_PAYLOAD_MAX, MALLOC_BYTES = 16 };
static const uint64_t CANARY_KEPT_NS = 60000000000u;
static const size_t TRACK_BYTES = sizeof(struct track) + MALLOC_BYTES;

struct track **masker_track_at(struct masker *m, uint64_t id, uint8_t leg)
{
	struct track **t = &m->tracks[(id * 31u + leg) % TRACK_BUCKETS];

	while (*t && ((*t)->id != id || (*t)->leg != leg))
		t = &(*t)->next;
	return t;
}

void masker_track_free(struct masker *m, struct track **at)
{
	struct track *t = *at;

	*at = t->next;
	m->bytes -= t->bytes;
	hold_fini(&t->hold);
	found_fini(&t->found);
	buf_fini(&t->known);
	buf_fini(&t->head);
	free(t);
}

bool masker_charge(struct masker *m, struct track *t, size_t bytes)
{
	if (bytes > m->limit_bytes - m->bytes)
		return false;
	m->bytes += bytes;
	t->bytes += bytes;
	return true;
}

int masker_charge_found(struct masker *m, struct track *t)
{
	size_t bytes = t->found.table.cap + t->known.cap + t->head.cap, more = bytes - t->found_bytes;

	if (t->found.table.err || t->known.err || t->head.err || !masker_charge(m, t, more))
		return ERR_NOMEM;
	t->found_bytes = bytes;
	return 0;
}

void masker_uncharge_body(struct masker *m, struct track *t)
{
	m->bytes -= t->bytes - TRACK_BYTES - t->found_bytes;
	t->bytes = TRACK_BYTES + t->found_bytes;
}

struct buf *masker_scratch(struct masker *m)
{
	size_t left = (m->limit_bytes - m->bytes) / (m->finds ? 3 : 2);

	buf_reset(&m->scratch);
	if (m->scratch.cap >= BUF_MAPPED_BYTES)
		buf_fini(&m->scratch);
	m->scratch.limit_bytes = left > SCRATCH_LEAST ? left : SCRATCH_LEAST;
	return &m->scratch;
}

struct track *masker_track_new(struct masker *m, const struct record *r)
{
	struct track **at = masker_track_at(m, r->id, r->leg), *t;

	if (*at)
		masker_track_free(m, at);
	t = calloc(1, sizeof *t);
	if (!t || !masker_charge(m, t, TRACK_BYTES)) {
		free(t);
		return NULL;
	}
	t->id = r->id;
	t->leg = r->leg;
	t->last = *r;
	hold_init(&t->hold, m->env->plan->routes[r->route].max_body_bytes + 1);
	buf_init(&t->known, FOUND_BYTES_MAX);
	buf_init(&t->head, RECORD_PAYLOAD_MAX);
	at = masker_track_at(m, r->id, r->leg);
	t->next = *at;
	*at = t;
	return t;
}

static void settle(struct masker *m, const struct record *r, unsigned cell, uint8_t outcome)
{
	for (uint8_t stage = STAGE_WORKER; stage <= STAGE_MASKER; stage++)
		ledger_move(m->env->ledger, r->slot, r->id, cell, stage, outcome);
}

void masker_settle_candidates(struct masker *m, const struct record *r, uint8_t outcome)
{
	for (uint8_t stage = STAGE_WORKER; stage <= STAGE_MASKER; stage++)
		ledger_settle_candidates(m->env->ledger, r->slot, r->id, stage, outcome);
}

void masker_give_up(struct masker *m, const struct record *r, uint8_t outcome)
{
	struct ledger *l = m->env->ledger;

	if (m->answers) {
		unsigned cell = r->leg - LEG_CANDIDATE;

		ledger_move(l, r->slot, r->id, cell, STAGE_SHADOW, outcome);
		ledger_move(l, r->slot, r->id, cell, STAGE_ANSWERS, outcome);
		return;
	}
	masker_settle_candidates(m, r, outcome);
	settle(m, r, CELL_LIVE, outcome);
	settle(m, r, CELL_CAPTURE, outcome);
}

static void refused_by_judge(struct masker *m, const struct record *r)
{
	if (m->answers) {
		masker_give_up(m, r, OUTCOME_RING_FULL);
		return;
	}
	masker_settle_candidates(m, r, OUTCOME_RING_FULL);
	settle(m, r, CELL_LIVE, OUTCOME_RING_FULL);
}

void masker_emit(struct masker *m, struct record *r, const void *payload)
{
	size_t reserve = masker_is_last(r) ? 0 : RING_RESERVE_BYTES;

	r->flags |= RECORD_MASKED;
	r->policy = (uint16_t)(m->env->plan->routes[r->route].mask + 1);
	r->user = 0;
	memset(r->reserved, 0, sizeof r->reserved);
	if (r->flags & RECORD_CANARY) {
		if (!ring_put(m->to_judge, r, payload, 0) && m->to_shadow && r->leg == LEG_CLIENT)
			(void)!ring_put(m->to_shadow, r, payload, 0);
		return;
	}
	if (ring_put(m->to_judge, r, payload, reserve))
		refused_by_judge(m, r);
	if (m->to_shadow && r->leg == LEG_CLIENT && ring_put(m->to_shadow, r, payload, reserve))
		masker_settle_candidates(m, r, OUTCOME_RING_FULL);
	if (m->to_recorder && ring_put(m->to_recorder, r, payload, reserve))
		settle(m, r, CELL_CAPTURE, OUTCOME_RING_FULL);
}

static bool is_settled(const struct masker *m, const struct record *r, unsigned cell)
{
	if (r->flags & RECORD_CANARY) /* it has no cell; one that lost its end is forgotten by the clock */
		return clock_mono_ns() > r->time_ns + CANARY_KEPT_NS;

	uint8_t at = ledger_cell(m->env->ledger, r->slot, r->id, cell);

	return at == 0 || at > OUTCOME_FIRST;
}

bool masker_is_remainder(const struct masker *m, const struct record *r)
{
	return r->type == RECORD_HEAD && r->leg == LEG_LIVE && is_settled(m, r, CELL_LIVE) &&
	       is_settled(m, r, CELL_CAPTURE);
}

void masker_sweep(struct masker *m)
{
	for (unsigned i = 0; i < TRACK_BUCKETS; i++) {
		struct track **t = &m->tracks[i];

		while (*t) {
			unsigned cell = m->answers ? (unsigned)(*t)->leg - LEG_CANDIDATE : CELL_LIVE;

			if (is_settled(m, &(*t)->last, cell) &&
			    (m->answers || is_settled(m, &(*t)->last, CELL_CAPTURE)))
				masker_track_free(m, t);
			else
				t = &(*t)->next;
		}
	}
}
