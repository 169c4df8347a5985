/*
 * masker_leg.c - a leg from its head to its end, and what may end it before: a subject that has withdrawn, a
 * consent that is not given.
 */
#include "capture/masker_inside.h"

#include <string.h>
#include "capture/consent.h"
#include "capture/head.h"
#include "proto/coding.h"

static const struct plan_mask *policy_of(const struct masker *m, uint16_t route)
{
	return &m->env->plan->masks[m->env->plan->routes[route].mask];
}

static const struct mask_rules *rules_of(const struct masker *m, uint16_t route)
{
	return m->rules[m->env->plan->routes[route].mask];
}

static const struct mask_finder *finder_of(const struct masker *m, uint16_t route)
{
	return m->finders[m->env->plan->routes[route].mask];
}

/* The subject of this request, by its masked head, has withdrawn. */
static bool is_withdrawn(const struct masker *m, const struct record *r)
{
	return m->withdrawn && r->leg == LEG_CLIENT &&
	       withdrawn_has(m->withdrawn,
	                     head_field(buf_span(&m->scratch), span_of(m->env->plan->withdrawn.subject)));
}

/* Of a HEAD or of TRAILERS, into scratch. */
static int mask_one_head(struct masker *m, struct track *t, struct record *r)
{
	struct span head = {m->payload, r->payload_len};

	if (mask_head(policy_of(m, r->route), finder_of(m, r->route), masker_key(m, r->route), head,
	              masker_scratch(m), &r->mask_count) ||
	    m->scratch.err || buf_len(&m->scratch) > RECORD_PAYLOAD_MAX)
		return masker_fail(m, MASK_WHY_HEAD);
	if (masker_charge_found(m, t))
		return ERR_NOMEM;
	return masker_heed(m, r);
}

/* Hashes of values are salted by the exchange; those of an answer as those of its request, where these were
 * made with this key. */
static void begin_found(struct masker *m, struct track *t)
{
	struct mask_key *key = masker_key(m, t->last.route);
	struct span known = buf_span(&t->known);
	uint64_t salt = t->id ^ atomic_load(&m->env->page->run_id);
	bool ours = known.len && mask_check(key, found_salt(known)) == found_check(known);

	if (ours)
		salt = found_salt(known);
	found_init(&t->found, salt, mask_check(key, salt));
	if (ours)
		t->found.known = known;
}

int masker_known(struct masker *m, const struct record *r)
{
	struct span table = {m->payload, r->payload_len};
	struct track *t;

	if (!m->answers || *masker_track_at(m, r->id, r->leg) || !table.len || !found_valid(table))
		return ERR_PROTO;
	t = masker_track_new(m, r);
	if (!t)
		return ERR_NOMEM;
	buf_span_put(&t->known, table);
	return masker_charge_found(m, t);
}

/* The masked head leaves, or waits for what the body says. */
static int emit_head(struct masker *m, struct track *t, struct record *r)
{
	r->payload_len = (uint32_t)buf_len(&m->scratch);
	if (!t->asks) {
		masker_emit(m, r, buf_span(&m->scratch).data);
		return 0;
	}
	t->head_record = *r;
	buf_span_put(&t->head, buf_span(&m->scratch));
	return masker_charge_found(m, t);
}

/* Does the body that is held agree, in whatever coding it came? */
static bool body_consents(struct masker *m, const struct track *t)
{
	const struct plan_route *route = &m->env->plan->routes[t->last.route];
	struct span body = buf_span(&t->hold.body);
	struct buf plain;
	bool yes;

	if (!t->form.coding[0])
		return t->form.form == MASK_JSON && consent_in_body(route, body);
	buf_init(&plain, t->form.limit_bytes);
	yes = t->form.form == MASK_JSON && !coding_decode(span_of(t->form.coding), body, &plain) &&
	      consent_in_body(route, buf_span(&plain));
	buf_fini(&plain);
	return yes;
}

bool masker_refuses_consent(struct masker *m, struct track *t, const struct record *r)
{
	struct track **asked = masker_track_at(m, r->id, LEG_CLIENT);

	if (r->leg > LEG_LIVE || !*asked || !(*asked)->asks)
		return false;
	if (t && (r->type == RECORD_CHUNK || r->type == RECORD_HEAD))
		return false;
	if (t && r->leg == LEG_CLIENT && r->type != RECORD_ERROR && body_consents(m, t)) {
		t->asks = false;
		masker_emit(m, &t->head_record, buf_span(&t->head).data);
		return false;
	}
	masker_track_free(m, asked);
	masker_give_up(m, r, OUTCOME_NO_CONSENT);
	return true;
}

static bool asks_consent(const struct masker *m, const struct record *r)
{
	return r->leg == LEG_CLIENT && m->env->plan->routes[r->route].consent_path[0] &&
	       !(r->flags & RECORD_CANARY);
}

int masker_begin(struct masker *m, struct record *r)
{
	const struct plan_mask *policy = policy_of(m, r->route);
	struct span head = {m->payload, r->payload_len}, encoding;
	struct mask_call call = mask_call_of(rules_of(m, r->route), head, r->call);
	struct track **at = masker_track_at(m, r->id, r->leg), *t = *at;
	int err;

	if (!t || t->begun)
		t = masker_track_new(m, r);
	if (!t)
		return ERR_NOMEM;
	begin_found(m, t);
	t->begun = true;
	t->last = *r;
	mask_note_in(masker_key(m, r->route), &t->found);
	err = mask_one_head(m, t, r);
	if (!err && is_withdrawn(m, r)) {
		masker_track_free(m, masker_track_at(m, r->id, r->leg));
		masker_give_up(m, r, OUTCOME_WITHDRAWN);
		return 0;
	}
	if (!err && (mask_cannot(policy, head) || (call.how == MASK_UNREAD && mask_wants_body(policy))))
		err = masker_fail(m, MASK_WHY_CALL);
	if (!err && mask_body_of(head, &t->form) && (mask_wants_body(policy) || asks_consent(m, r)))
		err = masker_fail(m, MASK_WHY_ENCODING);
	if (err)
		return err;
	t->asks = asks_consent(m, r);
	t->holding = mask_wants_body(policy) || t->asks;
	if (!t->asks) /* else it is read as a body, in which consent is looked for */
		t->call = call;
	t->form.limit_bytes = m->env->plan->routes[r->route].max_body_bytes;
	encoding = head_field(head, SPAN("grpc-encoding"));
	if (encoding.len < sizeof t->encoding)
		memcpy(t->encoding, encoding.data, encoding.len);
	return emit_head(m, t, r);
}

int masker_finish(struct masker *m, struct track **at, struct record *r)
{
	struct track *t = *at;
	const char *payload = m->payload;
	int err = 0;

	if (r->type == RECORD_END && t->holding) {
		err = masker_release(m, t); /* nothing is left behind trailers */
		r->mask_count = t->mask_count;
		if (t->input_masked && t->leg == LEG_CLIENT)
			r->flags |= RECORD_INPUT_MASKED;
		if (finder_of(m, r->route))
			r->flags |= RECORD_LOOKED;
	}
	if (r->type == RECORD_END && !err) {
		payload = buf_span(&t->found.table).data;
		r->payload_len = (uint32_t)buf_len(&t->found.table);
	}
	if (!err)
		masker_emit(m, r, payload);
	masker_track_free(m, masker_track_at(m, r->id, r->leg));
	return err;
}

int masker_trailers(struct masker *m, struct track *t, struct record *r)
{
	int err = t->holding ? masker_release(m, t) : 0;

	t->trailed = true;
	if (err)
		return err;
	err = mask_one_head(m, t, r);
	if (err)
		return err;
	r->payload_len = (uint32_t)buf_len(&m->scratch);
	masker_emit(m, r, buf_span(&m->scratch).data);
	return 0;
}
