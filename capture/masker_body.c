/*
 * masker_body.c - bodies: held until what they say is whole, masked, and laid over the records they came in.
 */
#include "capture/masker_inside.h"

#include "capture/recogniser.h"

int masker_fail(struct masker *m, enum mask_why why)
{
	m->why = why;
	return ERR_PROTO;
}

int masker_heed(struct masker *m, const struct record *r)
{
	unsigned asked = mask_asked(masker_key(m, r->route));

	if (asked & MASK_ASKED_DROP) {
		m->why = MASK_WHY_RULE;
		return ERR_DENIED;
	}
	if (asked & MASK_ASKED_BLOCK && !m->answers)
		masker_settle_candidates(m, r, OUTCOME_BY_RULE);
	return 0;
}

static void emit_held(void *masker, struct record *r, const void *payload)
{
	masker_emit(masker, r, payload);
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
			err = mask_message(rules, masker_key(m, t->last.route), &t->call,
			                   t->leg == LEG_CLIENT, span_of(t->encoding), &message, out, &count,
			                   &input_masked);
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
		return masker_fail(m, MASK_WHY_RECOGNISER);
	if (out->err || err == ERR_NOMEM)
		return ERR_NOMEM;
	if (!err)
		return 0;
	return masker_fail(m, t->call.how ? mask_why_message(err, failed)
	                                  : mask_why(&t->form, err, buf_span(&t->hold.body)));
}

int masker_release(struct masker *m, struct track *t)
{
	struct buf *out = masker_scratch(m);
	int err;

	if (t->form.form == MASK_LINES || t->form.form == MASK_EVENTS)
		out->limit_bytes /= 2;
	if (t->form.coding[0])
		out->limit_bytes /= 2;
	if (!t->hold.first)
		return 0;
	err = mask_held(m, t, out);
	if (!err)
		err = masker_heed(m, &t->last);
	if (err)
		return err;
	if (hold_release(&t->hold, buf_span(out), emit_held, m))
		return masker_fail(m, MASK_WHY_ROOM);
	masker_uncharge_body(m, t);
	t->whole = 0;
	masker_scratch(m);
	return masker_charge_found(m, t);
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
	return t->whole == body.len ? masker_release(m, t) : 0;
}

int masker_hold(struct masker *m, struct track *t, const struct record *r, const char *payload)
{
	int err = ERR_NOMEM;

	if (masker_charge(m, t, hold_growth(&t->hold, r->payload_len)))
		err = hold_add(&t->hold, r, payload);
	if (!err && t->call.how)
		err = release_whole(m, t);
	return err;
}
