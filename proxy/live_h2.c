/*
 * live_h2.c - connections to live endpoints that speak HTTP/2, each shared by many exchanges: one leg a
 * stream.
 *
 *   dialled -- legs wait, their requests kept as text -- open -> streams -> (no new ones) -> closed
 *                                                          `-> ALPN says HTTP/1.1: pooled there, legs go on
 *
 * An endpoint has one connection, and a further one when the peer takes no more streams on it. Everything
 * that is read or sent happens in a connection's own callbacks (h2_turn, on_kick), which end the turns of
 * the fronts that they touched; whatever comes from a front only queues and kicks.
 */
#include <errno.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/net/conn_h2.h"
#include "proxy/live_h2_inside.h"

enum {
	WAITING_MAX = 100,      /* legs of a connection that is not open, where nothing else is known */
	LEARNED_MS = 60 * 1000, /* how long ALPN's choice of HTTP/1.1 is believed */
	WINDOW_ALL = 1 << 30,   /* of a connection: each stream has a bound of its own */
	GLITCHES = 100 * 1000,  /* a live endpoint is ours: far from what work causes */
	GLITCHES_A_SECOND = 10 * 1000,
};

void live_h2_kick(struct live_h2 *c)
{
	if (!c->kicked && c->conn.fd != -1)
		event_active(&c->kick, EV_TIMEOUT, 0);
	c->kicked = true;
}

/* The answer: what the codec tells. Streams whose leg is gone have nobody to tell. */

static struct exchange *heard(struct h2_stream *s)
{
	struct live_h2_leg *leg = s->user;
	struct exchange *x = leg ? leg->live.exchange : NULL;

	if (!x)
		return NULL;
	live_h2_leg_heard(leg);
	x->progress_ns = x->worker->now_ns;
	exchange_touch(x);
	return x;
}

static void on_head(void *owner, struct h2_stream *s, const struct http_message *m)
{
	struct exchange *x = heard(s);

	(void)owner;
	if (x)
		exchange_response_head(x, m);
}

static void on_data(void *owner, struct h2_stream *s, struct span bytes)
{
	struct exchange *x = heard(s);
	struct live_h2_leg *leg;

	(void)owner;
	if (x)
		exchange_response_data(x, bytes);
	leg = s->user;
	if (leg && x->ops->full(x->front))
		leg->held += bytes.len;
	else
		h2_consumed(s, bytes.len);
}

static void on_trailers(void *owner, struct h2_stream *s, const struct http_message *m)
{
	struct exchange *x = heard(s);

	(void)owner;
	if (x)
		exchange_response_trailers(x, m);
}

static void on_end(void *owner, struct h2_stream *s)
{
	struct exchange *x = heard(s);

	(void)owner;
	if (x)
		exchange_response_end(x);
}

static void on_closed(void *owner, struct h2_stream *s, uint32_t code)
{
	struct live_h2 *c = owner;
	struct live_h2_leg *leg = s->user;
	struct exchange *x = leg ? leg->live.exchange : NULL;

	if (!leg)
		return;
	s->user = NULL;
	leg->stream = NULL;
	c->endpoint->streams = h2_streams_max(c->h2);
	exchange_touch(x);
	if (code == H2_REFUSED_STREAM)
		live_unseen(&leg->live);
	else
		live_broke(&leg->live, code == H2_PROTOCOL_ERROR ? LIVE_ERROR_PROTOCOL : LIVE_ERROR_RESET);
}

static void on_broken(void *owner, enum h2_rule rule)
{
	(void)owner, (void)rule;
}

static void on_room(void *owner, struct h2_stream *s)
{
	struct live_h2_leg *leg = s->user;

	(void)owner;
	if (!leg)
		return;
	leg->live.exchange->progress_ns = leg->live.worker->now_ns;
	exchange_touch(leg->live.exchange);
}

static void on_goaway(void *owner, uint32_t last, uint32_t code)
{
	struct live_h2 *c = owner;

	(void)last, (void)code;
	c->leaving = true;
}

static const struct h2_ops h2_ops = {
        .head = on_head,
        .data = on_data,
        .trailers = on_trailers,
        .end = on_end,
        .closed = on_closed,
        .broken = on_broken,
        .room = on_room,
        .goaway = on_goaway,
};

/* Connections. */

static void h2_leave(struct live_h2 *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->endpoint->shared = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->prev = c->next = NULL;
}

static void charge(struct live_h2 *c, size_t bytes)
{
	gauge_add(&c->worker->gauges->buffered, bytes - c->charged);
	c->charged = bytes;
}

/* Without legs. The memory lives on until the next tick. */
static void h2_close(struct live_h2 *c)
{
	h2_leave(c);
	charge(c, 0);
	event_del(&c->kick);
	conn_close(&c->conn);
	h2_free(&c->h2);
	c->endpoint->connections--;
	c->next = c->worker->closed_h2s;
	c->worker->closed_h2s = c;
}

void live_h2_bury(struct worker *w)
{
	for (struct live_h2 *c; (c = w->closed_h2s);) {
		w->closed_h2s = c->next;
		free(c);
	}
}

/* A connection that was of use before and died before it said a word to this request was closed already
 * when the request was sent. */
static bool raced(const struct live_h2_leg *leg)
{
	return leg->reused && leg->reads == leg->on->reads;
}

/* Each of its legs goes elsewhere, or fails. */
static void lose_legs(struct live_h2 *c, enum live_error why)
{
	struct live_h2_leg *leg;

	c->leaving = true;
	while ((leg = LIST_FIRST(&c->legs))) {
		exchange_touch(leg->live.exchange);
		if (why == LIVE_ERROR_RESET && raced(leg))
			live_unseen(&leg->live);
		else
			live_broke(&leg->live, why);
	}
}

static void lost(struct live_h2 *c, enum live_error why)
{
	lose_legs(c, why);
	h2_close(c);
}

/* None of its legs has sent anything. */
static void move_legs(struct live_h2 *c)
{
	struct live_h2_leg *leg;

	c->leaving = true;
	while ((leg = LIST_FIRST(&c->legs))) {
		exchange_touch(leg->live.exchange);
		live_anew(&leg->live, c->endpoint);
	}
}

static void start_legs(struct live_h2 *c)
{
	struct live_h2_leg *leg, *next;

	for (leg = LIST_FIRST(&c->legs); leg; leg = next) {
		next = LIST_NEXT(leg, link);
		exchange_touch(leg->live.exchange); /* it may take more of the request now */
		if (!leg->stream && !live_h2_leg_start(leg)) {
			live_unseen(&leg->live);
			next = LIST_FIRST(&c->legs);
		}
	}
}

/* False: it is closed. */
static bool opened(struct live_h2 *c)
{
	static const struct h2_limits limits = {.window = SHARE_BYTES, /* wider for each that may */
	                                        .connection_window = WINDOW_ALL,
	                                        .glitches = GLITCHES,
	                                        .glitches_a_second = GLITCHES_A_SECOND};

	if (c->conn.tls && !span_eq(tls_alpn(c->conn.tls), SPAN("h2"))) {
		if (c->upstream->plan->http == PLAN_HTTP_2) {
			lost(c, LIVE_ERROR_PROTOCOL);
			return false;
		}
		c->endpoint->h1_until_ns = c->worker->now_ns + (uint64_t)LEARNED_MS * 1000000u;
		live_h1_adopt(c->worker, c->upstream, c->endpoint, &c->conn);
		move_legs(c);
		h2_close(c);
		return false;
	}
	c->h2 = h2_new(H2_CLIENT, &limits, &h2_ops, c);
	if (!c->h2) {
		lost(c, LIVE_ERROR_UNAVAILABLE);
		return false;
	}
	start_legs(c);
	return true;
}

/* It takes nothing more of us; answers may still come. */
static void deafen(struct live_h2 *c)
{
	c->leaving = c->deaf = true;
	conn_h2_mute(&c->conn);
}

/* 0, or the codec has failed. */
static int drain(struct live_h2 *c)
{
	int err = conn_h2_send(&c->conn, c->h2);

	if (err != ERR_CLOSED)
		return err;
	deafen(c);
	return 0;
}

static void turn_end(struct live_h2 *c)
{
	struct worker *w = c->worker;
	bool open = c->h2 != NULL;

	if (open && !c->deaf && drain(c)) {
		lost(c, LIVE_ERROR_PROTOCOL);
	} else if (open && (h2_over(c->h2) || (c->leaving && !c->leg_count && !h2_streams(c->h2)))) {
		lost(c, LIVE_ERROR_RESET);
	} else {
		charge(c, open ? h2_queued(c->h2) : 0);
		conn_rest(&c->conn);
	}
	exchange_settle(w);
	worker_turned(w);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct live_h2 *c = arg;

	(void)fd, (void)what;
	c->kicked = false;
	c->worker->now_ns = clock_mono_ns();
	turn_end(c);
}

static void feed(struct live_h2 *c)
{
	c->reads++;
	/* what went wrong is told by the drain that follows */
	if (h2_feed(c->h2, buf_span(&c->conn.in), c->worker->now_ns))
		c->leaving = true;
	buf_consume(&c->conn.in, buf_len(&c->conn.in));
}

static void h2_turn(void *owner, unsigned news)
{
	struct live_h2 *c = owner;
	struct worker *w = c->worker;
	bool opening = conn_opening(&c->conn);
	bool gone = news & CONN_EOF || (news & CONN_BROKEN && (opening || c->conn.eof));

	w->now_ns = clock_mono_ns();
	if (gone)
		lost(c, opening ? LIVE_ERROR_CONNECT : LIVE_ERROR_RESET);
	else if (news & CONN_BROKEN)
		deafen(c);
	else if ((news & CONN_OPENED) && !opened(c))
		gone = true;
	else if (news & CONN_INPUT)
		feed(c);
	if (gone)
		exchange_settle(w);
	else
		turn_end(c);
}

static struct live_h2 *h2_dial(struct worker *w, struct upstream *u, struct upstream_endpoint *e)
{
	struct live_h2 *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	*c = (struct live_h2){.worker = w, .upstream = u, .endpoint = e, .moves = e->moves};
	c->since_ns = w->now_ns;
	conn_init(&c->conn, w->base, h2_turn, c);
	c->conn.received = &w->gauges->live_bytes_in;
	c->conn.sent = &w->gauges->live_bytes_out;
	c->conn.held_bytes = &w->gauges->buffered;
	event_assign(&c->kick, w->base, -1, 0, on_kick, c);
	errno = 0;
	if (conn_connect(&c->conn, (const struct sockaddr *)&e->address, e->address_len,
	                 e->plan->tls ? u->tls_h2 : NULL, e->plan->host)) {
		live_undialled(u, e, w->now_ns, errno);
		free(c);
		return NULL;
	}
	c->next = e->shared;
	if (c->next)
		c->next->prev = c;
	e->shared = c;
	e->connections++;
	gauge_add(&w->gauges->live_connects, 1);
	return c;
}

static bool has_room(const struct live_h2 *c)
{
	unsigned waiting_max = c->endpoint->streams ? c->endpoint->streams : WAITING_MAX;

	if (c->leaving || c->moves != c->endpoint->moves)
		return false;
	return c->h2 ? h2_room(c->h2) > 0 : c->leg_count < waiting_max;
}

static struct live_h2 *with_room(const struct upstream_endpoint *e)
{
	struct live_h2 *c = e->shared;

	while (c && !has_room(c))
		c = c->next;
	return c;
}

/* A peer that takes no streams for now is not asked for them on ever more connections. */
static bool takes_none(const struct upstream_endpoint *e)
{
	for (const struct live_h2 *c = e->shared; c; c = c->next)
		if (c->h2 && !c->leaving && c->moves == e->moves && !h2_streams_max(c->h2))
			return true;
	return false;
}

bool live_h2_takes(const struct upstream_endpoint *e)
{
	return with_room(e) != NULL;
}

bool live_h2_spoken(const struct upstream *u, const struct upstream_endpoint *e, uint64_t now_ns)
{
	return e->plan->tls ? u->tls_h2 && now_ns >= e->h1_until_ns : u->plan->http == PLAN_HTTP_2;
}

void live_h2_tick(struct upstream_endpoint *e, uint64_t now_ns)
{
	for (struct live_h2 *c = e->shared, *next; c; c = next) {
		const struct plan_live *plan = c->upstream->plan;
		uint64_t limit_ms = conn_opening(&c->conn) ? plan->connect_timeout_ms : plan->idle_timeout_ms;

		next = c->next;
		if (c->leg_count || !limit_ms || now_ns <= c->since_ns + limit_ms * 1000000u)
			continue;
		if (c->h2 && !c->deaf) {
			h2_terminate(c->h2, H2_NO_ERROR);
			(void)drain(c);
		}
		h2_close(c);
	}
}

struct live *live_h2_take(struct exchange *x, struct upstream *u, struct upstream_endpoint *e)
{
	uint32_t limit = u->plan->max_connections;
	struct live_h2 *c = with_room(e);
	struct live_h2_leg *leg;

	if (c && c->h2)
		gauge_add(&x->worker->gauges->live_reuses, 1);
	if (!c && (!limit || e->connections < limit) && !takes_none(e))
		c = h2_dial(x->worker, u, e);
	leg = c ? live_h2_leg_new(c) : NULL;
	return leg ? &leg->live : NULL;
}
