/*
 * live_h1.c - a connection to a live endpoint that speaks HTTP/1.1: one exchange at a time, kept for the
 * next.
 *
 *   taken -> (connecting) -> in an exchange -> idle in its endpoint's pool -> taken ...
 *
 * A pooled connection that the server closed before a byte of the answer is replaced once by a new one;
 * what was written is kept for that until the first byte.
 */
#include <errno.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proxy/live_inside.h"

enum { KEPT_BYTES = 4 * 1024 };

struct live_h1 {
	struct live live;
	struct live_h1 *next, *prev; /* in the pool, or among the closed (next only) */
	struct conn conn;
	struct codec *codec;
	bool reused, last; /* last: the connection ends with this answer */
	bool begun;        /* a part of the request was flushed */
	bool deaf;         /* it takes no more of the request; its answer may still come */
	uint32_t moves;    /* of the endpoint, when it was opened */
};

static struct live_h1 *of(struct live *l)
{
	return (struct live_h1 *)l;
}

static void pool_leave(struct live_h1 *h)
{
	if (h->prev)
		h->prev->next = h->next;
	else
		h->live.endpoint->idle = h->next;
	if (h->next)
		h->next->prev = h->prev;
	h->prev = h->next = NULL;
}

static void pool_enter(struct live_h1 *h)
{
	struct upstream_endpoint *e = h->live.endpoint;

	h->prev = NULL;
	h->next = e->idle;
	if (e->idle)
		e->idle->prev = h;
	e->idle = h;
}

/* The memory of a small request serves the next one. */
static void forget_kept(struct live *l)
{
	if (l->kept.cap <= KEPT_BYTES) {
		buf_reset(&l->kept);
		return;
	}
	buf_fini(&l->kept);
	buf_init(&l->kept, RETRY_BYTES);
}

/* Too much of the request has left for another try. */
static void keep_no_more(struct live *l)
{
	forget_kept(l);
	l->kept.err = ERR_LIMIT;
}

static int dial(struct live_h1 *h)
{
	const struct upstream_endpoint *e = h->live.endpoint;

	h->moves = e->moves;
	h->live.worker->work += DIAL_WORK;
	return conn_connect(&h->conn, (const struct sockaddr *)&e->address, e->address_len,
	                    e->plan->tls ? h->live.upstream->tls : NULL, e->plan->host);
}

/* The memory lives on until the next tick: callers up the stack may still look. */
static void h1_close(struct live_h1 *h)
{
	struct live *l = &h->live;

	l->worker->work += CLOSE_WORK;
	conn_close(&h->conn);
	codec_give(l->worker, &h->codec);
	buf_fini(&l->kept);
	l->endpoint->connections--;
	l->exchange = NULL;
	h->next = l->worker->closed_lives;
	l->worker->closed_lives = h;
}

void live_h1_bury(struct worker *w)
{
	for (struct live_h1 *h; (h = w->closed_lives);) {
		w->closed_lives = h->next;
		free(h);
	}
}

/* Send everything again on a new connection to the same endpoint. True when that is under way. */
static bool replace(struct live_h1 *h)
{
	struct live *l = &h->live;
	struct buf kept = l->kept;

	if (!h->reused || l->spoke || !buf_len(&kept) || kept.err)
		return false;
	conn_close(&h->conn);
	if (dial(h))
		return false;
	h->reused = h->deaf = false;
	l->since_ns = l->worker->now_ns;
	buf_span_put(conn_out(&h->conn), buf_span(&kept));
	forget_kept(l);
	gauge_add(&l->worker->gauges->live_retries, 1);
	return conn_flush(&h->conn) == 0;
}

static void broke(struct live_h1 *h, enum live_error why)
{
	if (why == LIVE_ERROR_RESET && conn_opening(&h->conn))
		why = LIVE_ERROR_CONNECT;
	if (why != LIVE_ERROR_RESET || !replace(h))
		live_broke(&h->live, why);
}

/* All of it while nothing has left; after a try that took too long, what was kept. */
static struct buf *h1_resend(struct live *l, enum live_error why)
{
	struct live_h1 *h = of(l);

	if (conn_opening(&h->conn))
		return &h->conn.out;
	return why == LIVE_ERROR_TIMEOUT && !l->spoke && buf_len(&l->kept) && !l->kept.err &&
	                       live_repeatable(l->exchange)
	               ? &l->kept
	               : NULL;
}

/* The answer. */

/* A parser, from the first byte of an answer on. */
static bool parses(struct live_h1 *h)
{
	if (!h->codec && (h->codec = codec_take(h->live.worker, H1_RESPONSE)))
		h->codec->parser.head_request = h->live.exchange->head_request;
	return h->codec != NULL;
}

static void on_event(struct live_h1 *h, enum h1_event event, struct span body)
{
	struct exchange *x = h->live.exchange;
	const struct http_message *m = &h->codec->parser.message;

	if (event == H1_HEAD) {
		if (m->status / 100 != 1)
			h->last = !m->keep_alive || m->framing == HTTP_UNTIL_CLOSE;
		exchange_response_head(x, m);
	} else if (event == H1_DATA) {
		exchange_response_data(x, body);
	} else if (event == H1_TRAILERS) {
		exchange_response_trailers(x, m);
	} else if (event == H1_DONE && m->status / 100 == 1) {
		codec_give(h->live.worker, &h->codec);
	} else if (event == H1_DONE) {
		exchange_response_end(x);
	}
}

static void tunnel(struct live_h1 *h)
{
	struct exchange *x = h->live.exchange;

	if (buf_len(&h->conn.in))
		exchange_response_data(x, buf_span(&h->conn.in));
	buf_consume(&h->conn.in, buf_len(&h->conn.in));
	if (h->conn.eof)
		exchange_response_end(x);
	else
		conn_read(&h->conn, !x->ops->full(x->front));
}

/* Half an answer whose end only the close tells may have been cut by the reset that made us deaf. */
static bool ended_by_close(struct live_h1 *h)
{
	return h1_eof(&h->codec->parser) == 0 && h->live.exchange->response_begun && !h->deaf;
}

/* What the client does not take stays with the server. */
static void wait_for_front(struct live_h1 *h)
{
	conn_read(&h->conn, false);
	conn_rest(&h->conn);
}

static void pump(struct live_h1 *h)
{
	struct live *l = &h->live;

	while (l->exchange && !l->exchange->tunnel) {
		struct exchange *x = l->exchange;
		enum h1_event event = H1_NEED_MORE;
		struct span body = {0};
		long n;

		if (x->ops->full(x->front)) {
			wait_for_front(h);
			return;
		}
		if (!parses(h)) {
			exchange_live_failed(x, LIVE_ERROR_UNAVAILABLE);
			return;
		}
		n = h1_feed(&h->codec->parser, buf_span(&h->conn.in), &event, &body);
		if (n < 0) {
			exchange_live_failed(x, LIVE_ERROR_PROTOCOL);
			return;
		}
		if (event == H1_DONE) /* what is left then is surplus, and the connection not kept */
			buf_consume(&h->conn.in, (size_t)n);
		on_event(h, event, body);
		if (event != H1_DONE && l->exchange)
			buf_consume(&h->conn.in, (size_t)n);
		if (event == H1_NEED_MORE)
			break;
	}
	if (l->exchange && l->exchange->tunnel)
		tunnel(h);
	else if (l->exchange && h->conn.eof && ended_by_close(h))
		exchange_response_end(l->exchange);
	else if (l->exchange && h->conn.eof)
		broke(h, LIVE_ERROR_RESET);
	else if (l->exchange)
		conn_read(&h->conn, true);
	h->conn.most = 0;
}

/* A server that refuses a body may answer, close and so reset what we still send: read on. */
static void deafen(struct live_h1 *h)
{
	h->deaf = true;
	buf_consume(&h->conn.out, buf_len(&h->conn.out));
}

/* The front may have become full by the answers of other connections. */
static bool h1_wanted(void *owner)
{
	const struct exchange *x = of(owner)->live.exchange;

	return !x || !x->ops->full(x->front);
}

static void h1_turn(void *owner, unsigned news)
{
	struct live_h1 *h = owner;
	struct live *l = &h->live;
	struct exchange *x = l->exchange;
	struct worker *w = l->worker;

	w->now_ns = clock_mono_ns();
	if (!x) { /* closed by the server, or bytes that nobody asked for */
		pool_leave(h);
		h1_close(h);
		return;
	}
	x->progress_ns = w->now_ns;
	if (news & CONN_INPUT) {
		l->spoke = true;
		forget_kept(l);
	}
	if ((news & CONN_BROKEN) && !h->conn.eof && !conn_opening(&h->conn))
		deafen(h);
	else if (news & CONN_BROKEN)
		broke(h, LIVE_ERROR_RESET);
	else if (news & (CONN_INPUT | CONN_EOF))
		pump(h);
	else if ((news & CONN_OPENED) && x->ops->full(x->front))
		wait_for_front(h);
	conn_rest(&h->conn);
	x->ops->turn_end(x->front);
	worker_turned(w);
}

static void h1_resume(struct live *l)
{
	struct live_h1 *h = of(l);

	if (!h->conn.reading && !conn_opening(&h->conn))
		pump(h);
}

/* The request. */

void live_text_head(struct live *l, struct buf *out, const struct forward_request *r)
{
	l->chunked = r->framing == HTTP_CHUNKED;
	forward_request(out, r);
}

void live_text_data(struct live *l, struct buf *out, struct span bytes)
{
	if (l->chunked)
		h1_write_chunk_head(out, bytes.len);
	buf_span_put(out, bytes);
	if (l->chunked)
		buf_put(out, "\r\n", 2);
}

void live_text_trailers(struct live *l, struct buf *out, const struct http_message *m)
{
	if (!l->chunked)
		return;
	forward_trailers(out, m);
	l->trailed = true;
}

void live_text_end(struct live *l, struct buf *out)
{
	if (l->chunked)
		buf_puts(out, l->trailed ? "\r\n" : "0\r\n\r\n");
}

static void h1_head(struct live *l, const struct forward_request *r)
{
	live_text_head(l, conn_out(l->conn), r);
}

static void h1_data(struct live *l, struct span bytes)
{
	live_text_data(l, conn_out(l->conn), bytes);
}

static void h1_trailers(struct live *l, const struct http_message *m)
{
	live_text_trailers(l, conn_out(l->conn), m);
}

static void h1_end(struct live *l)
{
	live_text_end(l, conn_out(l->conn));
}

static void h1_text(struct live *l, struct span text)
{
	buf_span_put(conn_out(l->conn), text);
}

static void h1_flush(struct live *l)
{
	struct live_h1 *h = of(l);
	struct span out = buf_span(&h->conn.out);
	bool fits;

	if (h->conn.out.err) { /* a part of the request is lost */
		exchange_live_failed(l->exchange, LIVE_ERROR_RESET);
		return;
	}
	if (!out.len)
		return;
	fits = buf_len(&l->kept) + out.len <= l->exchange->share;
	if (h->reused && !l->spoke && fits &&
	    !h->conn.blocked) { /* over its limit it errs, and nothing is replaced */
		buf_span_put(&l->kept, out);
	} else if (h->reused && !l->spoke) {
		keep_no_more(l);
	} else if (fits && !h->begun && l->exchange->request_done && l->upstream->plan->try_timeout_ms) {
		buf_span_put(&l->kept, out);
	}
	h->begun = true;
	if (h->deaf || conn_flush(&h->conn))
		deafen(h);
	else if (!conn_opening(&h->conn) && l->exchange->ops->full(l->exchange->front))
		wait_for_front(h);
	conn_rest(&h->conn);
}

static bool h1_full(const struct live *l)
{
	return buf_len(&l->conn->out) >= high_bytes(l->worker);
}

static bool h1_unsent(const struct live *l)
{
	return buf_len(&l->conn->out);
}

/* Connections. */

static void h1_release(struct live *l, bool clean)
{
	struct live_h1 *h = of(l);

	conn_read(&h->conn, true); /* a slow client may have stopped it */
	if (!clean || h->last || h->deaf || h->moves != l->endpoint->moves || !h->conn.reading ||
	    h->conn.eof || buf_len(&h->conn.out) || buf_len(&h->conn.in)) {
		h1_close(h);
		return;
	}
	l->exchange = NULL;
	codec_give(l->worker, &h->codec);
	conn_rest(&h->conn);
	l->since_ns = l->worker->now_ns;
	pool_enter(h);
}

static const struct live_ops h1_ops = {
        .head = h1_head,
        .data = h1_data,
        .trailers = h1_trailers,
        .end = h1_end,
        .text = h1_text,
        .flush = h1_flush,
        .full = h1_full,
        .unsent = h1_unsent,
        .resume = h1_resume,
        .release = h1_release,
        .resend = h1_resend,
};

static struct live_h1 *h1_new(struct worker *w, struct upstream *u, struct upstream_endpoint *e)
{
	struct live_h1 *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->live = (struct live){.ops = &h1_ops, .worker = w, .upstream = u, .endpoint = e, .conn = &h->conn};
	h->moves = e->moves;
	buf_init(&h->live.kept, RETRY_BYTES);
	conn_init(&h->conn, w->base, h1_turn, h);
	h->conn.wanted = h1_wanted;
	h->conn.received = &w->gauges->live_bytes_in;
	h->conn.sent = &w->gauges->live_bytes_out;
	h->conn.held_bytes = &w->gauges->buffered;
	return h;
}

static struct live_h1 *h1_dial(struct worker *w, struct upstream *u, struct upstream_endpoint *e)
{
	struct live_h1 *h = h1_new(w, u, e);

	if (!h)
		return NULL;
	errno = 0;
	if (dial(h)) {
		live_undialled(u, e, w->now_ns, errno);
		free(h);
		return NULL;
	}
	e->connections++;
	gauge_add(&w->gauges->live_connects, 1);
	return h;
}

void live_h1_adopt(struct worker *w, struct upstream *u, struct upstream_endpoint *e, struct conn *conn)
{
	struct live_h1 *h = h1_new(w, u, e);

	if (!h)
		return;
	conn_move(&h->conn, conn);
	e->connections++;
	if (!h->conn.reading || h->conn.eof) {
		h1_close(h);
		return;
	}
	h->live.since_ns = w->now_ns;
	pool_enter(h);
}

/* An idle connection, but none that was closed or spoke unasked: what it said is no answer of ours. */
static struct live_h1 *h1_idle(struct upstream_endpoint *e)
{
	struct live_h1 *h;

	while ((h = e->idle)) {
		pool_leave(h);
		if (h->moves == e->moves && !conn_has_news(&h->conn)) {
			h->reused = true;
			forget_kept(&h->live);
			gauge_add(&h->live.worker->gauges->live_reuses, 1);
			break;
		}
		h1_close(h);
	}
	return h;
}

struct live *live_h1_take(struct exchange *x, struct upstream *u, struct upstream_endpoint *e)
{
	struct live_h1 *h = h1_idle(e);

	if (!h)
		h = h1_dial(x->worker, u, e);
	if (!h)
		return NULL;
	h->last = h->deaf = h->begun = false;
	h->conn.most = x->share < CONN_READ_BYTES ? x->share : 0; /* the client may take nothing of it yet */
	return &h->live;
}

void live_h1_tick(struct upstream_endpoint *e, uint64_t now_ns)
{
	for (struct live_h1 *h = e->idle, *next; h; h = next) {
		uint32_t limit_ms = h->live.upstream->plan->idle_timeout_ms;

		next = h->next;
		if (limit_ms && now_ns > h->live.since_ns + (uint64_t)limit_ms * 1000000u) {
			pool_leave(h);
			h1_close(h);
		}
	}
}
