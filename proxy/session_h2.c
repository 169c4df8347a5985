/*
 * session_h2.c - a client connection speaking HTTP/2: an exchange a stream.
 *
 *   h2_feed -> on_head, on_data ... -> exchange -> front_* -> queue of its stream -> h2_drain -> conn
 *
 * A stream that something happened to is `touched`: at the end of the turn its live side is flushed and what
 * live took opens its window again. What all streams queued leaves together, once a turn of the loop. A
 * stream's memory goes when the codec says `closed`, or at the end of that turn.
 */
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/grpc.h"
#include "proxy/session_h2_inside.h"

enum {
	OUT_BYTES = 64 * 1024, /* handed to the kernel at once; the rest waits in the streams, in turn */
	NOTICE_MS = 1000,      /* between the two GOAWAYs of a drain: what was sent before it was seen */
	RATE_WINDOW_MS = 10000,
	HEARING_MAX =
	        8, /* bodies that are heard out at once: what comes by drops on more streams is not small */
};

/* What the codec tells. */

static void on_broken(void *owner, enum h2_rule rule)
{
	struct session *s = owner;

	gauges_reject(s->worker->gauges, REJECT_H2 + rule);
	LOG(ACCESS, "refused", log_text("rule", reject_name(REJECT_H2 + rule)));
}

/* NULL: it was reset. */
static struct stream *begin(struct session *s, struct h2_stream *h, const struct http_message *m)
{
	struct stream *st;

	if (s->h2.running >= s->worker->plan->limits.http2.streams) {
		on_broken(s, H2_RULE_streams);
		h2_reset(h, H2_REFUSED_STREAM);
		return NULL;
	}
	st = session_stream_new(s, h);
	if (!st) {
		h2_reset(h, H2_INTERNAL_ERROR);
		return NULL;
	}
	st->grpc = grpc_is(http_known(m, HTTP_NAME_CONTENT_TYPE));
	session_exchange(s, &st->exchange, &session_stream_front, st);
	st->exchange.share = SHARE_BYTES + st->granted;
	st->exchange.keeps_text = s->h2.hearing < HEARING_MAX;
	return st;
}

static void on_head(void *owner, struct h2_stream *h, const struct http_message *m)
{
	struct session *s = owner;
	struct stream *st = begin(s, h, m);

	if (!st)
		return;
	gauge_add(&s->worker->gauges->protocol[PROTOCOL_HTTP2], 1);
	session_stream_touch(st);
	exchange_begin(&st->exchange, m);
	session_stream_hear(st);
	if (++s->worker->work - s->h2.work >= TURN_WORK)
		h2_enough(s->h2.h2);
	if (m->expect_continue && st->exchange.active && m->framing != HTTP_NO_BODY)
		h2_respond(h, 100, &(struct h2_fields){.count = 0}, false);
}

/* Its answer may wait for the client as any other: it has a stream, whose exchange never begins. */
static void on_refuse(void *owner, struct h2_stream *h, const struct http_message *m, enum h2_rule rule)
{
	struct stream *st = begin(owner, h, m);

	if (st)
		exchange_refuse(&st->exchange, m, h2_rule_status(rule), REJECT_H2 + rule);
	else
		on_broken(owner, rule);
}

static void on_data(void *owner, struct h2_stream *h, struct span bytes)
{
	struct stream *st = h->user;

	(void)owner;
	if (!st) {
		h2_consumed(h, bytes.len);
		return;
	}
	exchange_data(&st->exchange, bytes);
	session_stream_hear(st);
	st->owed += bytes.len;
	st->window_bytes += bytes.len;
	session_stream_touch(st);
}

static void on_trailers(void *owner, struct h2_stream *h, const struct http_message *m)
{
	struct stream *st = h->user;

	(void)owner;
	if (st)
		exchange_trailers(&st->exchange, m);
}

static void on_end(void *owner, struct h2_stream *h)
{
	struct stream *st = h->user;

	(void)owner;
	if (!st)
		return;
	exchange_end(&st->exchange);
	session_stream_touch(st);
}

static void on_closed(void *owner, struct h2_stream *h, uint32_t code)
{
	struct session *s = owner;
	struct stream *st = h->user;

	(void)code;
	s->h2.idle_ns = s->worker->now_ns;
	if (!st)
		return;
	exchange_abandon(&st->exchange, NULL);
	st->h2 = NULL;
	if (!st->touched)
		session_stream_free(st);
}

static void on_room(void *owner, struct h2_stream *h)
{
	struct stream *st = h->user;

	(void)owner;
	if (!st)
		return;
	exchange_resume(&st->exchange);
	session_stream_touch(st);
}

static const struct h2_ops h2_ops = {on_head,   on_refuse, on_data, on_trailers, on_end,
                                     on_closed, on_broken, on_room, NULL};

/* A turn. */

/* What the streams hold beside the conn's buffers is in the gauge. */
static void charge(struct session *s)
{
	size_t now = h2_queued(s->h2.h2) + s->h2.running * sizeof(struct stream) +
	             s->h2.hearing * (size_t)EXCHANGE_HEARD_BYTES;

	if (now == s->h2.charged)
		return;
	gauge_add(&s->worker->gauges->buffered, now - s->h2.charged);
	s->h2.charged = now;
}

/* What live has taken, the client may send again, unless memory is short. True when there is some. */
static bool consume(struct stream *st)
{
	if (!st->h2 || !st->owed || exchange_unsent(&st->exchange) || exhausted(st->session->worker))
		return false;
	h2_consumed(st->h2, st->owed);
	st->owed = 0;
	return true;
}

static bool flush_lives(struct session *s)
{
	bool consumed = false;

	for (struct stream *st = s->h2.touched; st; st = st->next) {
		exchange_flush(&st->exchange);
		consumed |= consume(st);
	}
	return consumed;
}

/* Everything that was caused is sent: the books are closed. */
static void settle_streams(struct session *s)
{
	uint64_t now_ns = s->h2.touched ? clock_mono_ns() : 0;

	for (struct stream *st; (st = s->h2.touched);) {
		s->h2.touched = st->next;
		st->touched = false;
		exchange_added(&st->exchange, now_ns - st->touched_ns);
		if (!st->h2)
			session_stream_free(st);
	}
}

/* The connection is of no more use to any exchange. */
static void abandon(struct session *s)
{
	for (struct h2_stream *h = NULL; (h = h2_next(s->h2.h2, h));) {
		struct stream *st = h->user;

		if (st)
			exchange_abandon(&st->exchange, s->given_up);
	}
}

static void send_streams(struct session *s)
{
	do {
		struct buf *out = conn_out(&s->conn);
		size_t before = buf_len(out);

		if (h2_drain(s->h2.h2, out, OUT_BYTES) && !s->close_after) {
			abandon(s);
			s->close_after = s->unread = true;
		}
		if (buf_len(out) == before)
			break;
		session_flush(s);
	} while (!s->dead && !buf_len(&s->conn.out));
}

static void turn_end(struct session *s)
{
	bool done;

	if (s->lingering || s->dead) {
		session_settle(s, false);
		return;
	}
	(void)flush_lives(s);
	send_streams(s);
	session_flush(s);
	if (flush_lives(s)) /* streams that had room again since */
		session_h2_later(s);
	settle_streams(s);
	charge(s);
	s->dead |= s->conn.eof && !h2_streams(s->h2.h2) && !buf_len(&s->conn.out);
	done = !buf_len(&s->conn.out) && (s->close_after || h2_over(s->h2.h2));
	session_settle(s, done);
}

static void time_head(struct session *s)
{
	if (!h2_midway(s->h2.h2))
		s->h2.midway_ns = 0;
	else if (!s->h2.midway_ns)
		s->h2.midway_ns = s->worker->now_ns;
}

/* What was read, as far as a turn may take; the rest is fed after others had theirs: a timer runs only when
 * the loop has looked at its sockets again. */
static void feed(struct session *s)
{
	static const struct timeval at_once;
	size_t unfed;

	s->h2.work = s->worker->work;
	if (h2_feed(s->h2.h2, buf_span(&s->conn.in), s->worker->now_ns)) {
		abandon(s);
		s->close_after = s->unread = true;
	}
	s->h2.unfed = h2_unfed(s->h2.h2, &unfed);
	buf_consume(&s->conn.in, buf_len(&s->conn.in) - unfed);
	if (s->h2.unfed)
		event_add(&s->h2.later, &at_once);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;
	struct worker *w = s->worker;

	(void)fd, (void)what;
	w->now_ns = clock_mono_ns();
	if (s->h2.unfed && !s->lingering && !s->dead) {
		feed(s);
		time_head(s);
		conn_read(&s->conn, !s->h2.unfed);
	}
	turn_end(s);
	worker_turned(w);
}

/* Nobody will say the rest of these requests. */
static void no_more_input(struct session *s)
{
	for (struct h2_stream *h = NULL; (h = h2_next(s->h2.h2, h));) {
		struct stream *st = h->user;

		if (st && st->exchange.active && !st->exchange.request_done) {
			exchange_abandon(&st->exchange, NULL);
			h2_reset(h, H2_CANCEL);
		}
	}
}

static void turn(struct session *s, unsigned news)
{
	(void)news;
	if (buf_len(&s->conn.in) && !s->h2.unfed)
		feed(s);
	if (s->conn.eof)
		no_more_input(s);
	time_head(s);
	conn_read(&s->conn, !s->h2.unfed);
}

static bool passed(const struct session *s, uint64_t since_ns, uint32_t limit_ms)
{
	return limit_ms && since_ns && s->worker->now_ns > since_ns + (uint64_t)limit_ms * 1000000u;
}

/* A client that sends its body by drops holds a live connection with it. A gRPC call may be quiet for long:
 * its deadline ends it, or the share of those that live waits for. */
static bool too_slow(struct stream *st)
{
	uint64_t window_ms = (st->session->worker->now_ns - st->window_ns) / 1000000u;
	uint32_t rate = st->session->worker->plan->limits.body_min_rate;
	bool slow;

	if (!rate || st->grpc || window_ms < RATE_WINDOW_MS)
		return false;
	slow = st->window_bytes < (uint64_t)rate * window_ms / 1000u;
	st->window_ns = st->session->worker->now_ns;
	st->window_bytes = 0;
	return slow;
}

static void reject(struct stream *st, enum reject_rule rule)
{
	struct exchange *x = &st->exchange;

	if (x->active && !x->response_begun) {
		exchange_drop(x, 408, rule);
		return;
	}
	gauges_reject(st->session->worker->gauges, rule);
	exchange_abandon(x, reject_name(rule));
	h2_reset(st->h2, H2_CANCEL);
}

/* Its window stays shut, though the connection reads. */
static bool unread(struct stream *st)
{
	struct session *s = st->session;

	if (!h2_waiting(st->h2) || st->sent != st->h2->sent) {
		st->sent = st->h2->sent;
		st->sent_ns = s->worker->now_ns;
	}
	return passed(s, st->sent_ns,
	              pressed(s->worker) ? PRESSED_MS : s->worker->plan->limits.send_timeout_ms);
}

static void tick_stream(struct stream *st)
{
	struct exchange *x = &st->exchange;

	if (!st->session->conn.blocked && unread(st)) {
		reject(st, REJECT_SEND_TIMEOUT);
		return;
	}
	if (st->owed) /* withheld, or live is slow */
		session_stream_touch(st);
	if (!x->active)
		return;
	if (!x->request_done && !st->owed && too_slow(st))
		reject(st, REJECT_BODY_RATE);
	if (x->active)
		exchange_tick(x, st->session->worker->now_ns, st->session->conn.blocked);
}

static void tick(struct session *s)
{
	const struct plan_limits *limits = &s->worker->plan->limits;

	for (struct h2_stream *h = NULL; (h = h2_next(s->h2.h2, h));)
		if (h->user)
			tick_stream(h->user);
	time_head(s); /* what was sent may have ended one */
	if (passed(s, s->h2.midway_ns, limits->header_timeout_ms) && !s->close_after) {
		gauges_reject(s->worker->gauges, REJECT_HEADER_TIMEOUT);
		s->given_up = reject_name(REJECT_HEADER_TIMEOUT);
		abandon(s);
		h2_terminate(s->h2.h2, H2_ENHANCE_YOUR_CALM);
		s->close_after = s->unread = true;
	}
	if ((!h2_streams(s->h2.h2) && passed(s, s->h2.idle_ns, limits->idle_timeout_ms)) ||
	    passed(s, s->h2.noticed_ns, NOTICE_MS))
		h2_shutdown(s->h2.h2, true);
	if (s->dead || s->close_after || s->h2.touched || h2_pending(s->h2.h2) || h2_over(s->h2.h2))
		turn_end(s);
}

static void drain(struct session *s)
{
	h2_shutdown(s->h2.h2, false);
	s->h2.noticed_ns = s->worker->now_ns;
	turn_end(s);
}

static void fini(struct session *s)
{
	abandon(s);
	for (struct h2_stream *h = NULL; (h = h2_next(s->h2.h2, h));) {
		struct stream *st = h->user;

		if (st && !st->touched)
			session_stream_free(st);
		else if (st)
			st->h2 = NULL;
	}
	settle_streams(s);
	gauge_add(&s->worker->gauges->buffered, (uint64_t)0 - s->h2.charged);
	h2_free(&s->h2.h2);
	event_del(&s->h2.later);
}

static const struct session_kind kind = {turn, turn_end, tick, drain, fini};

int session_h2_init(struct session *s)
{
	const struct plan_http2 *plan = &s->worker->plan->limits.http2;
	const struct h2_limits limits = {.head = s->worker->limits,
	                                 .streams = plan->streams,
	                                 .window = plan->window_bytes,
	                                 .connection_window = plan->connection_window_bytes,
	                                 .glitches = plan->glitches,
	                                 .turn = TURN_WORK};
	struct h2 *h2 = h2_new(H2_SERVER, &limits, &h2_ops, s);

	if (!h2)
		return ERR_NOMEM;
	s->kind = &kind;
	s->h2 = (struct session_h2){.h2 = h2, .midway_ns = s->worker->now_ns, .idle_ns = s->worker->now_ns};
	event_assign(&s->h2.later, s->worker->base, -1, 0, on_later, s);
	if (s->worker->draining) {
		h2_shutdown(h2, false);
		s->h2.noticed_ns = s->worker->now_ns;
	}
	return 0;
}
