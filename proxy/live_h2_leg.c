/*
 * live_h2_leg.c - an exchange's stream to live: its request, kept as text until the answer begins so that
 * another try can be made, and handed to the codec part by part once the connection is open.
 */
#include <stdlib.h>

#include "proto/h2_text.h"
#include "proxy/live_h2_inside.h"

enum { KEPT_BYTES = 4 * 1024, SPARES_MAX = 256 };

static struct live_h2_leg *of(struct live *l)
{
	return (struct live_h2_leg *)l;
}

static struct live_h2_leg *leg_take(struct worker *w)
{
	struct live_h2_leg *leg = w->spare_legs;

	if (leg) {
		w->spare_legs = leg->next_spare;
		w->spare_leg_count--;
	} else if ((leg = calloc(1, sizeof *leg))) {
		buf_init(&leg->live.kept, CONN_OUT_LIMIT);
	}
	return leg;
}

/* What is kept is in the gauge of buffers. */
static void charge(struct live_h2_leg *leg, size_t bytes)
{
	gauge_add(&leg->live.worker->gauges->buffered, bytes - leg->charged);
	leg->charged = bytes;
}

/* The memory of a small request serves the next one. */
static void forget_kept(struct live *l)
{
	if (l->kept.cap > KEPT_BYTES)
		buf_fini(&l->kept);
	buf_reset(&l->kept);
	l->kept.err = ERR_LIMIT;
	charge(of(l), l->kept.cap);
}

static void leg_give_back(struct live_h2_leg *leg)
{
	struct worker *w = leg->live.worker;

	forget_kept(&leg->live);
	leg->live.kept.err = 0;
	charge(leg, 0);
	if (w->spare_leg_count == SPARES_MAX) {
		buf_fini(&leg->live.kept);
		free(leg);
		return;
	}
	leg->next_spare = w->spare_legs;
	w->spare_legs = leg;
	w->spare_leg_count++;
}

void live_h2_leg_heard(struct live_h2_leg *leg)
{
	if (!leg->live.spoke)
		forget_kept(&leg->live);
	leg->live.spoke = true;
}

/* Where `more` bytes of the request are written as text for another try; NULL: there will be none. */
static struct buf *text_of(struct live_h2_leg *leg, size_t more)
{
	struct live *l = &leg->live;
	size_t share = l->exchange->share < RETRY_BYTES ? l->exchange->share : RETRY_BYTES;

	if (leg->stream && !l->kept.err && buf_len(&l->kept) + more > share) {
		buf_fini(&l->kept);
		forget_kept(l);
	}
	return l->kept.err ? NULL : &l->kept;
}

bool live_h2_leg_start(struct live_h2_leg *leg)
{
	struct live_h2 *c = leg->on;
	struct live *l = &leg->live;
	struct h2_fields fields;
	struct h2_request r;
	struct h2_text text;
	struct span bytes;

	if (!h2_text_open(&text, buf_span(&l->kept), &r, &fields))
		return false;
	r.scheme = c->conn.tls ? SPAN("https") : SPAN("http");
	if (!r.authority.len)
		r.authority = span_of(l->endpoint->plan->authority);
	r.window = l->exchange->share;
	leg->stream = h2_request(c->h2, &r, leg);
	if (!leg->stream)
		return false;
	leg->ended = r.end;
	leg->dirty = true;
	while ((bytes = h2_text_data(&text)).len)
		h2_data(leg->stream, bytes);
	h2_text_trailers(&text, &fields);
	h2_trailers(leg->stream, &fields);
	if (l->exchange->request_done && !leg->ended) {
		h2_end(leg->stream);
		leg->ended = true;
	}
	return true;
}

static void h2_head(struct live *l, const struct forward_request *r)
{
	struct live_h2_leg *leg = of(l);
	struct forward_request as_h2 = *r;

	as_h2.te = true;
	live_text_head(l, &l->kept, &as_h2);
	if (leg->on->h2 && !l->kept.err)
		(void)live_h2_leg_start(leg);
}

static void h2_leg_data(struct live *l, struct span bytes)
{
	struct live_h2_leg *leg = of(l);
	struct buf *text = text_of(leg, bytes.len);

	if (text)
		live_text_data(l, text, bytes);
	if (leg->stream)
		h2_data(leg->stream, bytes);
	leg->dirty = true;
}

static void put_trailers(struct live_h2_leg *leg, const struct http_message *m)
{
	struct h2_fields fields;

	h2_fields_reset(&fields);
	for (size_t i = 0; i < m->field_count; i++)
		if (!m->fields[i].hop)
			h2_put(&fields, m->fields[i].name, m->fields[i].value);
	h2_trailers(leg->stream, &fields);
}

static void h2_leg_trailers(struct live *l, const struct http_message *m)
{
	struct live_h2_leg *leg = of(l);
	struct buf *text = text_of(leg, 0);

	if (text)
		live_text_trailers(l, text, m);
	if (leg->stream)
		put_trailers(leg, m);
	leg->dirty = true;
}

static void h2_leg_end(struct live *l)
{
	struct live_h2_leg *leg = of(l);
	struct buf *text = text_of(leg, 0);

	if (text)
		live_text_end(l, text);
	if (leg->stream && !leg->ended)
		h2_end(leg->stream);
	leg->ended |= leg->stream != NULL;
	leg->dirty = true;
}

/* All that another try left: it is the whole of this one so far. */
static void h2_leg_text(struct live *l, struct span text)
{
	struct live_h2_leg *leg = of(l);

	buf_span_put(&l->kept, text);
	if (leg->on->h2 && !l->kept.err)
		(void)live_h2_leg_start(leg);
}

static void h2_leg_flush(struct live *l)
{
	struct live_h2_leg *leg = of(l);

	if (leg->stream && leg->dirty)
		live_h2_kick(leg->on);
	leg->dirty = false;
	charge(leg, l->kept.cap);
	if (!leg->stream && (leg->on->h2 || l->kept.err)) /* a part of the request is lost */
		exchange_live_failed(l->exchange, l->kept.err ? LIVE_ERROR_RESET : LIVE_ERROR_UNAVAILABLE);
}

static bool h2_leg_full(const struct live *l)
{
	const struct live_h2_leg *leg = (const struct live_h2_leg *)l;

	return leg->stream ? h2_full(leg->stream) : buf_len(&l->kept) >= high_bytes(l->worker);
}

/* What a stream took it is told to have sent: until it is full. */
static bool h2_leg_unsent(const struct live *l)
{
	const struct live_h2_leg *leg = (const struct live_h2_leg *)l;

	return !leg->stream || h2_full(leg->stream);
}

static void h2_leg_resume(struct live *l)
{
	struct live_h2_leg *leg = of(l);

	if (!leg->held)
		return;
	h2_consumed(leg->stream, leg->held);
	leg->held = 0;
	live_h2_kick(leg->on);
}

static void h2_leg_release(struct live *l, bool clean)
{
	struct live_h2_leg *leg = of(l);
	struct live_h2 *c = leg->on;

	if (leg->stream && leg->held)
		h2_consumed(leg->stream, leg->held);
	if (leg->stream) {
		leg->stream->user = NULL;
		if (!clean) {
			h2_reset(leg->stream, H2_CANCEL);
			gauge_add(&c->worker->gauges->live_cancels, 1);
		}
		live_h2_kick(c);
	}
	LIST_REMOVE(leg, link);
	c->used = true;
	if (--c->leg_count == 0)
		c->since_ns = c->worker->now_ns;
	l->exchange = NULL;
	leg_give_back(leg);
}

/* All of it while it waits; after a try that took too long, what was kept. */
static struct buf *h2_leg_resend(struct live *l, enum live_error why)
{
	bool again = conn_opening(l->conn) || (why == LIVE_ERROR_TIMEOUT && live_repeatable(l->exchange));

	return again && !l->spoke && !l->kept.err ? &l->kept : NULL;
}

static const struct live_ops leg_ops = {
        .head = h2_head,
        .data = h2_leg_data,
        .trailers = h2_leg_trailers,
        .end = h2_leg_end,
        .text = h2_leg_text,
        .flush = h2_leg_flush,
        .full = h2_leg_full,
        .unsent = h2_leg_unsent,
        .resume = h2_leg_resume,
        .release = h2_leg_release,
        .resend = h2_leg_resend,
};

struct live_h2_leg *live_h2_leg_new(struct live_h2 *c)
{
	struct live_h2_leg *leg = leg_take(c->worker);
	struct buf kept;

	if (!leg)
		return NULL;
	kept = leg->live.kept;
	kept.limit_bytes = CONN_OUT_LIMIT;
	*leg = (struct live_h2_leg){.on = c, .reads = c->reads, .reused = c->used};
	leg->live = (struct live){.ops = &leg_ops,
	                          .worker = c->worker,
	                          .upstream = c->upstream,
	                          .endpoint = c->endpoint,
	                          .conn = &c->conn,
	                          .kept = kept};
	LIST_INSERT_HEAD(&c->legs, leg, link);
	c->leg_count++;
	return leg;
}
