#include "proxy/live.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/clock.h"

enum { KEPT_BYTES = 4 * 1024 };

static void pool_leave(struct live *l)
{
	if (l->prev)
		l->prev->next = l->next;
	else
		l->endpoint->idle = l->next;
	if (l->next)
		l->next->prev = l->prev;
	l->prev = l->next = NULL;
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

static int dial(struct live *l)
{
	const struct upstream_endpoint *e = l->endpoint;

	l->moves = e->moves;
	return conn_connect(&l->conn, (const struct sockaddr *)&e->address, e->address_len,
	                    e->plan->tls ? l->upstream->tls : NULL, e->plan->host);
}

/* The memory lives on until the next tick: callers up the stack may still look. */
static void live_close(struct live *l)
{
	conn_close(&l->conn);
	codec_give(l->worker, &l->codec);
	buf_fini(&l->kept);
	l->endpoint->connections--;
	l->exchange = NULL;
	l->next = l->worker->closed_lives;
	l->worker->closed_lives = l;
}

void live_bury(struct worker *w)
{
	for (struct live *l; (l = w->closed_lives);) {
		w->closed_lives = l->next;
		free(l);
	}
}

/* Send everything again on a new connection to the same endpoint. True when that is under way. */
static bool live_replace(struct live *l)
{
	struct exchange *x = l->exchange;
	struct buf kept = l->kept;

	if (!l->reused || l->spoke || !buf_len(&kept) || kept.err)
		return false;
	conn_close(&l->conn);
	if (dial(l))
		return false;
	l->reused = l->deaf = false;
	l->since_ns = l->worker->now_ns;
	buf_span_put(conn_out(&l->conn), buf_span(&kept));
	forget_kept(l);
	gauge_add(&x->worker->gauges->live_retries, 1);
	return conn_flush(&l->conn) == 0;
}

/* May it be asked twice? (RFC 9110 9.2.2) */
static bool repeatable(const struct exchange *x)
{
	static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};

	for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++)
		if (!strcmp(x->method, methods[i]))
			return true;
	return false;
}

/* What another endpoint has to be sent: all of it while nothing has left; after a try that took too long,
 * what was kept. NULL: nobody else can be asked. */
static struct buf *resend(struct live *l, enum live_error why)
{
	if (conn_opening(&l->conn))
		return &l->conn.out;
	return why == LIVE_ERROR_TIMEOUT && !l->spoke && buf_len(&l->kept) && !l->kept.err &&
	                       repeatable(l->exchange)
	               ? &l->kept
	               : NULL;
}

/* Try the next endpoint, or the next address of a name. True when that is under way. */
static bool live_elsewhere(struct live *l, enum live_error why)
{
	struct exchange *x = l->exchange;
	struct upstream *u = l->upstream;
	struct buf *from = resend(l, why), out;

	if (!from)
		return false;
	upstream_unreachable(l->endpoint);
	if (++x->tries >= u->plan->tries || (u->count < 2 && l->endpoint->found.count < 2))
		return false;
	x->refused_by = l->endpoint;
	upstream_failed(u, l->endpoint, l->worker->now_ns);
	if (from == &l->kept)
		gauge_add(&x->worker->gauges->live_retries, 1);
	out = *from;
	buf_init(from, CONN_OUT_LIMIT);
	live_release(&x->live, false);
	x->live = live_take(x, u, x->worker->now_ns);
	if (x->live) {
		buf_span_put(live_out(x->live), buf_span(&out));
		live_flush(x->live);
	}
	buf_fini(&out);
	return x->live != NULL;
}

static void live_broke(struct live *l, enum live_error why)
{
	struct exchange *x = l->exchange;

	if (conn_opening(&l->conn) && why == LIVE_ERROR_RESET)
		why = LIVE_ERROR_CONNECT;
	if ((why == LIVE_ERROR_RESET && live_replace(l)) || live_elsewhere(l, why))
		return;
	if (!l->spoke)
		upstream_failed(l->upstream, l->endpoint, l->worker->now_ns);
	exchange_live_failed(x, why);
}

static void on_event(struct live *l, enum h1_event event, struct span body)
{
	struct exchange *x = l->exchange;
	const struct http_message *m = &l->codec->parser.message;

	if (event == H1_HEAD) {
		if (m->status / 100 != 1)
			l->last = !m->keep_alive || m->framing == HTTP_UNTIL_CLOSE;
		exchange_response_head(x, m);
	} else if (event == H1_DATA) {
		exchange_response_data(x, body);
	} else if (event == H1_TRAILERS) {
		exchange_response_trailers(x, m);
	} else if (event == H1_DONE && m->status / 100 == 1) {
		h1_next(&l->codec->parser);
		l->codec->parser.head_request = x->head_request;
	} else if (event == H1_DONE) {
		exchange_response_end(x);
	}
}

static void tunnel(struct live *l)
{
	struct exchange *x = l->exchange;

	if (buf_len(&l->conn.in))
		exchange_response_data(x, buf_span(&l->conn.in));
	buf_consume(&l->conn.in, buf_len(&l->conn.in));
	if (l->conn.eof)
		exchange_response_end(x);
	else
		conn_read(&l->conn, !x->ops->full(x->front));
}

/* Half an answer whose end only the close tells may have been cut by the reset that made us deaf. */
static bool ended_by_close(struct live *l)
{
	return h1_eof(&l->codec->parser) == 0 && l->exchange->response_begun && !l->deaf;
}

static void live_pump(struct live *l)
{
	while (l->exchange && !l->exchange->tunnel) {
		struct exchange *x = l->exchange;
		enum h1_event event = H1_NEED_MORE;
		struct span body = {0};
		long n;

		if (x->ops->full(x->front)) {
			conn_read(&l->conn, false);
			return;
		}
		n = h1_feed(&l->codec->parser, buf_span(&l->conn.in), &event, &body);
		if (n < 0) {
			exchange_live_failed(x, LIVE_ERROR_PROTOCOL);
			return;
		}
		if (event == H1_DONE) /* what is left then is surplus, and the connection not kept */
			buf_consume(&l->conn.in, (size_t)n);
		on_event(l, event, body);
		if (event != H1_DONE && l->exchange)
			buf_consume(&l->conn.in, (size_t)n);
		if (event == H1_NEED_MORE)
			break;
	}
	if (l->exchange && l->exchange->tunnel)
		tunnel(l);
	else if (l->exchange && l->conn.eof && ended_by_close(l))
		exchange_response_end(l->exchange);
	else if (l->exchange && l->conn.eof)
		live_broke(l, LIVE_ERROR_RESET);
	else if (l->exchange)
		conn_read(&l->conn, true);
}

/* A server that refuses a body may answer, close and so reset what we still send: read on. */
static void live_deafen(struct live *l)
{
	l->deaf = true;
	buf_consume(&l->conn.out, buf_len(&l->conn.out));
}

static void live_turn(void *owner, unsigned news)
{
	struct live *l = owner;
	struct exchange *x = l->exchange;

	l->worker->now_ns = clock_mono_ns();
	if (!x) { /* closed by the server, or bytes that nobody asked for */
		pool_leave(l);
		live_close(l);
		return;
	}
	x->progress_ns = l->worker->now_ns;
	if (news & CONN_INPUT) {
		l->spoke = true;
		forget_kept(l);
	}
	if ((news & CONN_BROKEN) && !l->conn.eof && !conn_opening(&l->conn))
		live_deafen(l);
	else if (news & CONN_BROKEN)
		live_broke(l, LIVE_ERROR_RESET);
	else if (news & (CONN_INPUT | CONN_EOF))
		live_pump(l);
	x->ops->turn_end(x->front);
}

/* Our own want of descriptors or memory says nothing of the endpoint. */
static bool ran_short(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

static struct live *live_new(struct exchange *x, struct upstream *u, struct upstream_endpoint *e)
{
	struct live *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->worker = x->worker;
	l->upstream = u;
	l->endpoint = e;
	buf_init(&l->kept, RETRY_BYTES);
	conn_init(&l->conn, x->worker->base, live_turn, l);
	l->conn.received = &x->worker->gauges->live_bytes_in;
	l->conn.sent = &x->worker->gauges->live_bytes_out;
	errno = 0;
	if (dial(l)) {
		if (!ran_short(errno)) {
			upstream_unreachable(e);
			upstream_failed(u, e, x->worker->now_ns);
		}
		free(l);
		return NULL;
	}
	e->connections++;
	gauge_add(&x->worker->gauges->live_connects, 1);
	return l;
}

/* An idle connection, but none that was closed or spoke unasked: what it said is no answer of ours. */
static struct live *live_idle(struct upstream_endpoint *e)
{
	struct live *l;

	while ((l = e->idle)) {
		pool_leave(l);
		if (l->moves == e->moves && !conn_has_news(&l->conn)) {
			l->reused = true;
			forget_kept(l);
			break;
		}
		live_close(l);
	}
	return l;
}

/* An endpoint that refuses at once (a unix socket does) is passed over like one that refuses later. */
static struct live *live_any(struct exchange *x, struct upstream *u, uint64_t now_ns)
{
	struct upstream_endpoint *e;
	struct live *l;

	do {
		e = upstream_pick(u, x->refused_by, now_ns);
		if (!e)
			return NULL;
		upstream_locate(e);
		l = live_idle(e);
		if (!l)
			l = live_new(x, u, e);
		x->refused_by = e;
	} while (!l && (u->count > 1 || e->found.count > 1) && ++x->tries < u->plan->tries);
	return l;
}

struct live *live_take(struct exchange *x, struct upstream *u, uint64_t now_ns)
{
	struct codec *codec = codec_take(x->worker, H1_RESPONSE);
	struct live *l = codec ? live_any(x, u, now_ns) : NULL;

	if (!l) {
		codec_give(x->worker, &codec);
		return NULL;
	}
	if (l->reused)
		gauge_add(&x->worker->gauges->live_reuses, 1);
	l->endpoint->in_flight++;
	l->codec = codec;
	l->codec->parser.head_request = x->head_request;
	l->exchange = x;
	l->spoke = l->last = l->deaf = l->begun = false;
	l->since_ns = now_ns;
	return l;
}

struct buf *live_out(struct live *l)
{
	return conn_out(&l->conn);
}

void live_flush(struct live *l)
{
	struct span out = buf_span(&l->conn.out);

	if (l->conn.out.err) { /* a part of the request is lost */
		exchange_live_failed(l->exchange, LIVE_ERROR_RESET);
		return;
	}
	if (!out.len)
		return;
	if (l->reused && !l->spoke) { /* over its limit it errs, and nothing is replaced */
		buf_span_put(&l->kept, out);
		l->kept.err = l->conn.blocked ? ERR_LIMIT : l->kept.err;
	} else if (!l->begun && l->exchange->request_done && l->upstream->plan->try_timeout_ms) {
		buf_span_put(&l->kept, out);
	}
	l->begun = true;
	if (l->deaf || conn_flush(&l->conn))
		live_deafen(l);
}

bool live_full(const struct live *l)
{
	return buf_len(&l->conn.out) >= HIGH_BYTES;
}

void live_resume(struct live *l)
{
	if (!l->conn.reading && !conn_opening(&l->conn))
		live_pump(l);
}

void live_release(struct live **live, bool clean)
{
	struct live *l = *live;
	struct upstream_endpoint *e = l->endpoint;

	*live = NULL;
	e->in_flight--;
	conn_read(&l->conn, true); /* a slow client may have stopped it */
	if (!clean || l->last || l->deaf || l->moves != e->moves || !l->conn.reading || l->conn.eof ||
	    buf_len(&l->conn.out) || buf_len(&l->conn.in)) {
		live_close(l);
		return;
	}
	l->exchange = NULL;
	codec_give(l->worker, &l->codec);
	conn_rest(&l->conn);
	l->since_ns = l->worker->now_ns;
	l->prev = NULL;
	l->next = e->idle;
	if (e->idle)
		e->idle->prev = l;
	e->idle = l;
}

static bool try_passed(const struct live *l, uint64_t now_ns)
{
	const struct exchange *x = l->exchange;
	uint64_t from_ns = l->since_ns > x->asked_ns ? l->since_ns : x->asked_ns;
	uint32_t limit_ms = l->upstream->plan->try_timeout_ms;

	return limit_ms && x->request_done && !x->response_begun &&
	       now_ns > from_ns + (uint64_t)limit_ms * 1000000u;
}

void live_tick(struct live *l, uint64_t now_ns)
{
	uint64_t waited_ms = now_ns > l->since_ns ? (now_ns - l->since_ns) / 1000000u : 0;
	const struct plan_live *plan = l->upstream->plan;

	if (!l->exchange && plan->idle_timeout_ms && waited_ms > plan->idle_timeout_ms) {
		pool_leave(l);
		live_close(l);
	} else if (l->exchange && ((conn_opening(&l->conn) && plan->connect_timeout_ms &&
	                            waited_ms > plan->connect_timeout_ms) ||
	                           try_passed(l, now_ns))) {
		live_broke(l, LIVE_ERROR_TIMEOUT);
	}
}
