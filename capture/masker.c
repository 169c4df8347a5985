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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capture/budget.h"
#include "capture/consent.h"
#include "capture/detect/gazetteer.h"
#include "capture/fold.h"
#include "capture/found.h"
#include "capture/head.h"
#include "capture/hold.h"
#include "capture/mask_body.h"
#include "capture/mask_schema.h"
#include "capture/mask_text.h"
#include "capture/masker_learn.h"
#include "capture/mask_why.h"
#include "capture/recogniser_role.h"
#include "capture/secret.h"
#include "capture/withdrawn.h"
#include "proto/base/clock.h"
#include "proto/coding.h"

enum { PAUSE_MS = 5, ANSWERS_PAUSE_MS = 10 };
static const uint64_t CANARY_KEPT_NS = 60000000000u;
enum { TRACK_BUCKETS = 4096, SCRATCH_LEAST = 2 * RECORD_PAYLOAD_MAX, MALLOC_BYTES = 16, ENCODING_MAX = 8 };

struct track { /* one leg: its HEAD was seen, or, of an answer, what was found in its request */
	uint64_t id;
	struct record last;
	uint8_t leg;
	bool begun, holding;
	struct mask_call call;
	struct mask_body form;
	bool asks;                   /* whether its request consents is not known before its end */
	struct record head_record;   /* of what then has not left */
	struct buf head;             /* its payload */
	bool trailed;                /* its trailers came: the body is whole, and released */
	char encoding[ENCODING_MAX]; /* grpc-encoding; empty: one that is not known */
	size_t bytes;                /* charged */
	size_t whole;                /* bytes of the hold's body that are whole messages */
	uint32_t mask_count;         /* of what was held */
	struct found found;          /* in the head and in what was held */
	struct buf known;            /* in the request of an answer */
	size_t found_bytes;          /* charged for these, and for `head` */
	bool input_masked;
	struct hold hold;
	struct track *next;
};

static const size_t TRACK_BYTES = sizeof(struct track) + MALLOC_BYTES;

struct masker {
	const struct role_env *env;
	struct mask_key *keys[MASKS_MAX];
	struct mask_rules *rules[MASKS_MAX];
	struct mask_schema *schemas[MASKS_MAX]; /* NULL: no descriptors */
	struct mask_finder *finders[MASKS_MAX];
	struct recogniser *recognisers[MASKS_MAX];
	struct withdrawn *withdrawn; /* NULL: no list */
	struct masker_learn *learn;  /* NULL: no route learns */
	bool answers, finds;         /* finds: some policy looks into texts, or leaves parts of them */
	struct ring *in[WORKERS_MAX];
	int wake[WORKERS_MAX];
	unsigned in_count;
	struct ring *to_shadow, *to_judge, *to_recorder;
	enum mask_why why; /* of what failed last */
	struct track *tracks[TRACK_BUCKETS];
	size_t bytes, limit_bytes; /* of all tracks; scratch takes from what is left */
	struct buf scratch;
	char payload[RECORD_PAYLOAD_MAX];
};

static struct track **track_at(struct masker *m, uint64_t id, uint8_t leg)
{
	struct track **t = &m->tracks[(id * 31u + leg) % TRACK_BUCKETS];

	while (*t && ((*t)->id != id || (*t)->leg != leg))
		t = &(*t)->next;
	return t;
}

static void track_free(struct masker *m, struct track **at)
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

/* False: it does not fit. */
static bool charge(struct masker *m, struct track *t, size_t bytes)
{
	if (bytes > m->limit_bytes - m->bytes)
		return false;
	m->bytes += bytes;
	t->bytes += bytes;
	return true;
}

/* What was found takes memory, too. 0 or ERR_NOMEM. */
static int charge_found(struct masker *m, struct track *t)
{
	size_t bytes = t->found.table.cap + t->known.cap + t->head.cap, more = bytes - t->found_bytes;

	if (t->found.table.err || t->known.err || t->head.err || !charge(m, t, more))
		return ERR_NOMEM;
	t->found_bytes = bytes;
	return 0;
}

/* Empty, with a part of what the tracks leave: masking needs a second such buffer for long strings, and a
 * third for what is found in them. Heads always find room. */
static struct buf *scratch(struct masker *m)
{
	size_t left = (m->limit_bytes - m->bytes) / (m->finds ? 3 : 2);

	buf_reset(&m->scratch);
	if (m->scratch.cap >= BUF_MAPPED_BYTES)
		buf_fini(&m->scratch);
	m->scratch.limit_bytes = left > SCRATCH_LEAST ? left : SCRATCH_LEAST;
	return &m->scratch;
}

static bool is_last(const struct record *r)
{
	return r->type == RECORD_END || r->type == RECORD_ERROR;
}

/* Of a leg that this role masks. */
static bool is_for(const struct masker *m, const struct record *r)
{
	return r->route < m->env->plan->route_count && r->leg < LEGS_MAX &&
	       m->answers == (r->leg >= LEG_CANDIDATE);
}

static const struct plan_mask *policy_of(const struct masker *m, uint16_t route)
{
	return &m->env->plan->masks[m->env->plan->routes[route].mask];
}

static struct mask_key *key_of(const struct masker *m, uint16_t route)
{
	return m->keys[m->env->plan->routes[route].mask];
}

static const struct mask_rules *rules_of(const struct masker *m, uint16_t route)
{
	return m->rules[m->env->plan->routes[route].mask];
}

static const struct mask_finder *finder_of(const struct masker *m, uint16_t route)
{
	return m->finders[m->env->plan->routes[route].mask];
}

static void settle(struct masker *m, const struct record *r, unsigned cell, uint8_t outcome)
{
	for (uint8_t stage = STAGE_WORKER; stage <= STAGE_MASKER; stage++)
		ledger_move(m->env->ledger, r->slot, r->id, cell, stage, outcome);
}

/* The cells of a leg are at the writer's stage until its end is there to be read, then at this one. */
static void settle_candidates(struct masker *m, const struct record *r, uint8_t outcome)
{
	for (uint8_t stage = STAGE_WORKER; stage <= STAGE_MASKER; stage++)
		ledger_settle_candidates(m->env->ledger, r->slot, r->id, stage, outcome);
}

/* The copy of this exchange ends here: settle whatever this role may still own. */
static void give_up(struct masker *m, const struct record *r, uint8_t outcome)
{
	struct ledger *l = m->env->ledger;

	if (m->answers) {
		unsigned cell = r->leg - LEG_CANDIDATE;

		ledger_move(l, r->slot, r->id, cell, STAGE_SHADOW, outcome);
		ledger_move(l, r->slot, r->id, cell, STAGE_ANSWERS, outcome);
		return;
	}
	settle_candidates(m, r, outcome);
	settle(m, r, CELL_LIVE, outcome);
	settle(m, r, CELL_CAPTURE, outcome);
}

static void refused_by_judge(struct masker *m, const struct record *r)
{
	if (m->answers) {
		give_up(m, r, OUTCOME_RING_FULL);
		return;
	}
	settle_candidates(m, r, OUTCOME_RING_FULL);
	settle(m, r, CELL_LIVE, OUTCOME_RING_FULL);
}

/* A record that did not fit leaves a hole: what lies behind that ring has no use for the rest. Rings shed
 * independently: capture never waits for shadow or judge. */
static void emit(struct masker *m, struct record *r, const void *payload)
{
	size_t reserve = is_last(r) ? 0 : RING_RESERVE_BYTES;

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
		settle_candidates(m, r, OUTCOME_RING_FULL);
	if (m->to_recorder && ring_put(m->to_recorder, r, payload, reserve))
		settle(m, r, CELL_CAPTURE, OUTCOME_RING_FULL);
}

/* The reader of a leg's end pulls the exchange's cells from the writer's stage to its own. */
static void claim(struct masker *m, const struct record *r)
{
	struct ledger *l = m->env->ledger;

	if (!is_last(r) || !is_for(m, r))
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

static int fail(struct masker *m, enum mask_why why)
{
	m->why = why;
	return ERR_PROTO;
}

/* What the values of a record asked for beside being masked. ERR_DENIED: the copy ends here. */
static int heed(struct masker *m, const struct record *r)
{
	unsigned asked = mask_asked(key_of(m, r->route));

	if (asked & MASK_ASKED_DROP) {
		m->why = MASK_WHY_RULE;
		return ERR_DENIED;
	}
	if (asked & MASK_ASKED_BLOCK && !m->answers)
		settle_candidates(m, r, OUTCOME_BY_RULE);
	return 0;
}

/* Of a HEAD or of TRAILERS, into scratch. */
static int mask_one_head(struct masker *m, struct track *t, struct record *r)
{
	struct span head = {m->payload, r->payload_len};

	if (mask_head(policy_of(m, r->route), finder_of(m, r->route), key_of(m, r->route), head, scratch(m),
	              &r->mask_count) ||
	    m->scratch.err || buf_len(&m->scratch) > RECORD_PAYLOAD_MAX)
		return fail(m, MASK_WHY_HEAD);
	if (charge_found(m, t))
		return ERR_NOMEM;
	return heed(m, r);
}

/* The subject of this request, by its masked head, has withdrawn. */
static bool is_withdrawn(const struct masker *m, const struct record *r)
{
	return m->withdrawn && r->leg == LEG_CLIENT &&
	       withdrawn_has(m->withdrawn,
	                     head_field(buf_span(&m->scratch), span_of(m->env->plan->withdrawn.subject)));
}

/* Of the record's leg, new. NULL: out of memory. */
static struct track *track_new(struct masker *m, const struct record *r)
{
	struct track **at = track_at(m, r->id, r->leg), *t;

	if (*at)
		track_free(m, at);
	t = calloc(1, sizeof *t);
	if (!t || !charge(m, t, TRACK_BYTES)) {
		free(t);
		return NULL;
	}
	t->id = r->id;
	t->leg = r->leg;
	t->last = *r;
	hold_init(&t->hold, m->env->plan->routes[r->route].max_body_bytes + 1);
	buf_init(&t->known, FOUND_BYTES_MAX);
	buf_init(&t->head, RECORD_PAYLOAD_MAX);
	at = track_at(m, r->id, r->leg);
	t->next = *at;
	*at = t;
	return t;
}

/* Hashes of values are salted by the exchange; those of an answer as those of its request, where these were
 * made with this key. */
static void begin_found(struct masker *m, struct track *t)
{
	struct mask_key *key = key_of(m, t->last.route);
	struct span known = buf_span(&t->known);
	uint64_t salt = t->id ^ atomic_load(&m->env->page->run_id);
	bool ours = known.len && mask_check(key, found_salt(known)) == found_check(known);

	if (ours)
		salt = found_salt(known);
	found_init(&t->found, salt, mask_check(key, salt));
	if (ours)
		t->found.known = known;
}

/* An answer will come to a request in which that was found. */
static int known(struct masker *m, const struct record *r)
{
	struct span table = {m->payload, r->payload_len};
	struct track *t;

	if (!m->answers || *track_at(m, r->id, r->leg) || !table.len || !found_valid(table))
		return ERR_PROTO;
	t = track_new(m, r);
	if (!t)
		return ERR_NOMEM;
	buf_span_put(&t->known, table);
	return charge_found(m, t);
}

/* The masked head leaves, or waits for what the body says. */
static int emit_head(struct masker *m, struct track *t, struct record *r)
{
	r->payload_len = (uint32_t)buf_len(&m->scratch);
	if (!t->asks) {
		emit(m, r, buf_span(&m->scratch).data);
		return 0;
	}
	t->head_record = *r;
	buf_span_put(&t->head, buf_span(&m->scratch));
	return charge_found(m, t);
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

/* Nothing of an exchange leaves before its request is whole and agrees. An answer that comes before cannot
 * wait for that. True: it is settled, and the record is of no use. */
static bool refuses_consent(struct masker *m, struct track *t, const struct record *r)
{
	struct track **asked = track_at(m, r->id, LEG_CLIENT);

	if (r->leg > LEG_LIVE || !*asked || !(*asked)->asks)
		return false;
	if (t && (r->type == RECORD_CHUNK || r->type == RECORD_HEAD))
		return false;
	if (t && r->leg == LEG_CLIENT && r->type != RECORD_ERROR && body_consents(m, t)) {
		t->asks = false;
		emit(m, &t->head_record, buf_span(&t->head).data);
		return false;
	}
	track_free(m, asked);
	give_up(m, r, OUTCOME_NO_CONSENT);
	return true;
}

static bool asks_consent(const struct masker *m, const struct record *r)
{
	return r->leg == LEG_CLIENT && m->env->plan->routes[r->route].consent_path[0] &&
	       !(r->flags & RECORD_CANARY);
}

static int begin(struct masker *m, struct record *r)
{
	const struct plan_mask *policy = policy_of(m, r->route);
	struct span head = {m->payload, r->payload_len}, encoding;
	struct mask_call call = mask_call_of(rules_of(m, r->route), head, r->call);
	struct track **at = track_at(m, r->id, r->leg), *t = *at;
	int err;

	if (!t || t->begun)
		t = track_new(m, r);
	if (!t)
		return ERR_NOMEM;
	begin_found(m, t);
	t->begun = true;
	t->last = *r;
	mask_note_in(key_of(m, r->route), &t->found);
	err = mask_one_head(m, t, r);
	if (!err && is_withdrawn(m, r)) {
		track_free(m, track_at(m, r->id, r->leg));
		give_up(m, r, OUTCOME_WITHDRAWN);
		return 0;
	}
	if (!err && (mask_cannot(policy, head) || (call.how == MASK_UNREAD && mask_wants_body(policy))))
		err = fail(m, MASK_WHY_CALL);
	if (!err && mask_body_of(head, &t->form) && (mask_wants_body(policy) || asks_consent(m, r)))
		err = fail(m, MASK_WHY_ENCODING);
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

static void emit_held(void *masker, struct record *r, const void *payload)
{
	emit(masker, r, payload);
}

/* Messages that are whole, each by itself; behind them the body must end. *failed_out: from that one on. */
static int mask_messages(struct masker *m, struct track *t, const struct mask_rules *rules, struct buf *out,
                         struct span *failed_out)
{
	struct span body = buf_span(&t->hold.body);

	for (size_t at = 0; at < body.len;) {
		struct span left = {body.data + at, body.len - at};
		struct grpc_message message;
		long n = grpc_next(left, SIZE_MAX, &message);
		bool input_masked;
		uint32_t count;
		int err = ERR_PROTO;

		*failed_out = left;
		if (n > 0)
			err = mask_message(rules, key_of(m, t->last.route), &t->call, t->leg == LEG_CLIENT,
			                   span_of(t->encoding), &message, out, &count, &input_masked);
		if (err)
			return err;
		at += (size_t)n;
		hold_due(&t->hold, at, buf_len(out));
		t->mask_count += count;
		t->input_masked |= input_masked;
	}
	return 0;
}

static void part_done(void *hold, size_t brought, size_t masked)
{
	hold_due(hold, brought, masked);
}

/* What is held, whole, into `out`. */
static int mask_held(struct masker *m, struct track *t, struct buf *out)
{
	uint32_t mask = m->env->plan->routes[t->last.route].mask;
	struct recogniser *recogniser = m->recognisers[mask];
	struct span failed;
	int err;

	if (recogniser)
		recogniser_begin(recogniser);
	if (t->call.how)
		err = mask_messages(m, t, m->rules[mask], out, &failed);
	else
		err = mask_body(&t->form, m->rules[mask], m->keys[mask], buf_span(&t->hold.body), part_done,
		                &t->hold, out, &t->mask_count, &t->input_masked);
	if (recogniser && !recogniser_end(recogniser))
		return fail(m, MASK_WHY_RECOGNISER);
	if (out->err || err == ERR_NOMEM)
		return ERR_NOMEM;
	if (!err)
		return 0;
	return fail(m, t->call.how ? mask_why_message(err, failed)
	                           : mask_why(&t->form, err, buf_span(&t->hold.body)));
}

/* Lay what is masked over the held chunk records: same records, same times, other bytes. */
static int release(struct masker *m, struct track *t)
{
	struct buf *out = scratch(m);
	int err;

	if (t->form.form == MASK_LINES || t->form.form == MASK_EVENTS)
		out->limit_bytes /= 2;
	if (t->form.coding[0])
		out->limit_bytes /= 2;
	if (!t->hold.first)
		return 0;
	err = mask_held(m, t, out);
	if (!err)
		err = heed(m, &t->last);
	if (err)
		return err;
	if (hold_release(&t->hold, buf_span(out), emit_held, m))
		return fail(m, MASK_WHY_ROOM);
	m->bytes -= t->bytes - TRACK_BYTES - t->found_bytes;
	t->bytes = TRACK_BYTES + t->found_bytes;
	t->whole = 0;
	scratch(m);
	return charge_found(m, t);
}

/* Messages leave as soon as the last one of those that are held is whole. */
static int release_whole(struct masker *m, struct track *t)
{
	struct span body = buf_span(&t->hold.body);
	struct grpc_message message;
	long n;

	do {
		struct span left = {body.data + t->whole, body.len - t->whole};

		n = grpc_next(left, t->hold.body.limit_bytes, &message);
		t->whole += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	if (n < 0)
		return ERR_PROTO;
	return t->whole == body.len ? release(m, t) : 0;
}

static int hold(struct masker *m, struct track *t, const struct record *r, const char *payload)
{
	int err = ERR_NOMEM;

	if (charge(m, t, hold_growth(&t->hold, r->payload_len)))
		err = hold_add(&t->hold, r, payload);
	if (!err && t->call.how)
		err = release_whole(m, t);
	return err;
}

static int finish(struct masker *m, struct track **at, struct record *r)
{
	struct track *t = *at;
	const char *payload = m->payload;
	int err = 0;

	if (r->type == RECORD_END && t->holding) {
		err = release(m, t); /* nothing is left behind trailers */
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
		emit(m, r, payload);
	track_free(m, track_at(m, r->id, r->leg));
	return err;
}

/* They stay behind the body, which is whole when they come. */
static int trailers(struct masker *m, struct track *t, struct record *r)
{
	int err = t->holding ? release(m, t) : 0;

	t->trailed = true;
	if (err)
		return err;
	err = mask_one_head(m, t, r);
	if (err)
		return err;
	r->payload_len = (uint32_t)buf_len(&m->scratch);
	emit(m, r, buf_span(&m->scratch).data);
	return 0;
}

static bool is_settled(const struct masker *m, const struct record *r, unsigned cell)
{
	if (r->flags & RECORD_CANARY) /* it has no cell; one that lost its end is forgotten by the clock */
		return clock_mono_ns() > r->time_ns + CANARY_KEPT_NS;

	uint8_t at = ledger_cell(m->env->ledger, r->slot, r->id, cell);

	return at == 0 || at > OUTCOME_FIRST;
}

/* An answer whose request's copy was dropped: what it answers is not known, and nobody waits for it. */
static bool is_remainder(const struct masker *m, const struct record *r)
{
	return r->type == RECORD_HEAD && r->leg == LEG_LIVE && is_settled(m, r, CELL_LIVE) &&
	       is_settled(m, r, CELL_CAPTURE);
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
	if (is_remainder(m, r))
		return;
	(void)mask_asked(key_of(m, r->route)); /* by one that failed before it was heeded */
	if (r->type == RECORD_END)
		r->payload_len = 0;
	m->why = MASK_WHY_FORMAT;
	at = track_at(m, r->id, r->leg);
	t = *at && (*at)->begun ? *at : NULL;
	mask_note_in(key_of(m, r->route), t ? &t->found : NULL);
	if (refuses_consent(m, t, r))
		return;
	/* a reason is a known name; anything else may be a body */
	if (r->type == RECORD_ERROR && !outcome_by_name((struct span){m->payload, r->payload_len})) {
		err = ERR_PROTO;
	} else if (r->type == RECORD_HEAD) {
		err = begin(m, r);
	} else if (r->type == RECORD_KNOWN) {
		err = known(m, r);
	} else if (r->type == RECORD_ERROR && !t) { /* a leg that broke before its head */
		emit(m, r, m->payload);
	} else if (!t) { /* its head went down with an earlier process */
		give_up(m, r, OUTCOME_ROLE_LOST);
	} else if (r->type == RECORD_CHUNK && t->trailed) {
		err = ERR_PROTO;
	} else if (r->type == RECORD_CHUNK && t->holding) {
		err = hold(m, t, r, m->payload);
	} else if (r->type == RECORD_CHUNK) {
		emit(m, r, m->payload);
	} else if (r->type == RECORD_TRAILERS) {
		err = trailers(m, t, r);
	} else if (is_last(r)) {
		err = finish(m, at, r);
	} else {
		err = ERR_PROTO;
	}
	if (err) {
		gauge_add(&m->env->page->mask_dropped[m->answers][err == ERR_NOMEM ? MASK_WHY_ROOM : m->why],
		          1);
		at = track_at(m, r->id, r->leg);
		if (*at)
			track_free(m, at);
		/* an answer nobody can read is the candidate's lack: excluded, it would leave coverage */
		give_up(m, r,
		        err == ERR_NOMEM    ? OUTCOME_MEMORY
		        : m->answers        ? OUTCOME_UNDECODABLE
		        : err == ERR_DENIED ? OUTCOME_BY_RULE
		                            : OUTCOME_MASK_FAILED);
	}
}

/* Forget legs whose exchange was settled elsewhere (a shed end, a dead worker). */
static void sweep(struct masker *m)
{
	for (unsigned i = 0; i < TRACK_BUCKETS; i++) {
		struct track **t = &m->tracks[i];

		while (*t) {
			unsigned cell = m->answers ? (unsigned)(*t)->leg - LEG_CANDIDATE : CELL_LIVE;

			if (is_settled(m, &(*t)->last, cell) &&
			    (m->answers || is_settled(m, &(*t)->last, CELL_CAPTURE)))
				track_free(m, t);
			else
				t = &(*t)->next;
		}
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
			sweep(m);
			swept = clock_mono_ns();
		}
	}
}

static int load_finder(struct masker *m, uint32_t i)
{
	struct buf gazetteer;
	char name[32];
	int err;

	snprintf(name, sizeof name, "gazetteer.%u", i);
	buf_init(&gazetteer, 2 * GAZETTEER_BYTES_MAX);
	role_read(m->env, name, &gazetteer);
	err = mask_finder_new(&m->env->plan->masks[i], buf_span(&gazetteer), &m->finders[i]);
	buf_fini(&gazetteer);
	return err;
}

static int load_schema(struct masker *m, uint32_t i)
{
	char name[32];
	struct buf file;
	int err;

	snprintf(name, sizeof name, "descriptors.%u", i);
	buf_init(&file, 2 * SCHEMA_BYTES_MAX);
	role_read(m->env, name, &file);
	err = file.err ? file.err
	               : mask_schema_open(&m->env->plan->masks[i], buf_span(&file), &m->schemas[i]);
	buf_fini(&file);
	return err;
}

static int load_rules(struct masker *m)
{
	const struct plan *plan = m->env->plan;
	int err = 0;

	for (uint32_t i = 0; !err && i < plan->mask_count; i++) {
		err = load_finder(m, i);
		m->finds |= m->finders[i] != NULL;
		if (!err)
			err = recogniser_of_role(m->env, i, &m->recognisers[i]);
		if (!err && m->finders[i])
			mask_finder_ask(m->finders[i], m->recognisers[i]);
		for (uint32_t j = 0; j < plan->masks[i].field_count; j++)
			m->finds |= plan->masks[i].fields[j].with > MASK_REDACT;
		if (!err)
			err = mask_rules_new(&plan->masks[i], &m->rules[i]);
		if (err)
			return err;
		mask_rules_find(m->rules[i], m->finders[i]);
		err = load_schema(m, i);
		if (!err)
			err = mask_rules_describe(m->rules[i], m->schemas[i]);
	}
	return err;
}

static int load_withdrawn(struct masker *m)
{
	struct buf list;
	unsigned line;
	int err;

	if (!m->env->plan->withdrawn.file[0])
		return 0;
	buf_init(&list, 2 * WITHDRAWN_BYTES_MAX);
	role_read(m->env, "withdrawn", &list);
	err = list.err ? list.err : withdrawn_new(buf_span(&list), &m->withdrawn, &line);
	buf_fini(&list);
	return err;
}

/* Each policy has a key of its tenant and epoch. */
static int load_keys(struct masker *m)
{
	const struct plan *plan = m->env->plan;
	const uint8_t *root;
	int err = secret_map(role_fd(m->env, "mask-key"), 32, &root);

	for (uint32_t i = 0; !err && i < plan->mask_count; i++)
		err = mask_key_of(root, span_of(plan->masks[i].tenant), plan->masks[i].epoch, &m->keys[i]);
	return err;
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
	if (load_rules(&m) || load_withdrawn(&m) || load_keys(&m) ||
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
	if (load_rules(&m) || load_keys(&m) || role_ring_reader(env, "answers", &m.in[0]) ||
	    role_ring_writer(env, "masked-answers", &m.to_judge))
		return 3;
	role_ready(env);
	loop(&m, PHASE_ANSWERS);
	return 0;
}
