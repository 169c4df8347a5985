#include "proxy/session_inside.h"

#include "proto/base/clock.h"
#include "proxy/forward.h"

enum { RATE_WINDOW_MS = 10000, DRAIN_IDLE_MS = 1000 };

static void pump(struct session *s);

/* What the answer says about the connection where the version alone does not say it. */
static const char *connection_word(const struct session *s)
{
	return s->close_after ? "close" : s->h1.exchange.client_10 ? "keep-alive" : NULL;
}

static void front_head(void *front, const struct http_message *m, const struct plan_header_edits *edits)
{
	struct session *s = front;
	enum http_framing framing = m->framing;
	bool final = m->status / 100 != 1;

	if (final) {
		s->close_after |= s->worker->draining;
		s->h1.rechunk = framing == HTTP_CHUNKED || framing == HTTP_UNTIL_CLOSE;
		s->h1.trailed = false;
		if (s->h1.rechunk && s->h1.exchange.client_10) {
			s->h1.rechunk = false;
			s->close_after = s->reset = true;
			framing = HTTP_UNTIL_CLOSE;
		} else if (s->h1.rechunk) {
			framing = HTTP_CHUNKED;
		}
	}
	forward_response(conn_out(&s->conn), m, edits, framing, final ? connection_word(s) : NULL,
	                 s->h1.exchange.head_request);
}

static void front_data(void *front, struct span bytes)
{
	struct session *s = front;
	struct buf *out = conn_out(&s->conn);

	if (s->h1.rechunk && bytes.len)
		h1_write_chunk_head(out, bytes.len);
	buf_span_put(out, bytes);
	if (s->h1.rechunk && bytes.len)
		buf_put(out, "\r\n", 2);
}

static void front_trailers(void *front, const struct http_message *m)
{
	struct session *s = front;

	if (s->h1.rechunk)
		forward_trailers(conn_out(&s->conn), m);
	s->h1.trailed = s->h1.rechunk;
}

static void front_end(void *front)
{
	struct session *s = front;

	if (s->h1.rechunk)
		buf_puts(conn_out(&s->conn), s->h1.trailed ? "\r\n" : "0\r\n\r\n");
	s->h1.rechunk = s->reset = false;
	if (!s->h1.exchange.request_done) /* an early answer: the rest of the request is not read */
		s->close_after = s->unread = true;
	s->since_ns = s->worker->now_ns;
}

static void front_refuse(void *front, unsigned status, const char *why)
{
	struct session *s = front;
	struct buf *out = conn_out(&s->conn);
	const char *text = http_reason(status);

	h1_write_status(out, status);
	h1_write_field(out, SPAN("Content-Type"), SPAN("text/plain"));
	if (status == 503)
		h1_write_field(out, SPAN("Retry-After"), SPAN("1"));
	h1_write_field(out, SPAN("Connection"), SPAN("close"));
	h1_write_end(out, HTTP_LENGTH, strlen(text) + strlen(why) + 3);
	if (!s->h1.exchange.head_request)
		buf_printf(out, "%s: %s\n", text, why);
	s->close_after = s->unread = true;
	s->h1.rechunk = false;
	s->since_ns = s->worker->now_ns;
}

static void front_cut(void *front)
{
	struct session *s = front;

	s->dead = true;
	s->reset |= s->h1.exchange.status == 101; /* no frame says where a tunnel's bytes end */
}

static void front_tunnel(void *front)
{
	struct session *s = front;

	s->h1.rechunk = false;
	s->close_after = true;
}

static bool front_full(const void *front)
{
	const struct session *s = front;

	return buf_len(&s->conn.out) >= high_bytes(s->worker);
}

/* While draining, a client that was not told to close may be sending its next request just now. */
static bool drained(const struct session *s)
{
	return s->worker->draining && !s->h1.mid_message && session_waited(s, DRAIN_IDLE_MS);
}

/* The client sends no more: does it still wait for an answer to a whole request? */
static bool served_out(const struct session *s)
{
	const struct exchange *x = &s->h1.exchange;

	if (!s->conn.eof || s->lingering)
		return false;
	if (x->active)
		return x->tunnel ? !exchange_unsent(x) : !x->request_done && !buf_len(&s->conn.in);
	return !buf_len(&s->conn.out);
}

/* What a message that is not whole holds, beside the conn's buffers, is in the gauge. */
static void charge(struct session *s)
{
	const struct codec *c = s->h1.codec;
	size_t now = s->h1.exchange.heard.cap + (c ? sizeof c->parser + c->parser.head_len : 0);

	if (now == s->h1.charged)
		return;
	gauge_add(&s->worker->gauges->buffered, now - s->h1.charged);
	s->h1.charged = now;
}

static void turn_end(struct session *s)
{
	struct exchange *x = &s->h1.exchange;
	bool idle;

	if (!s->dead && s->chosen && (buf_len(&s->conn.in) || !s->conn.reading))
		pump(s);
	if (!s->dead)
		exchange_flush(x);
	session_flush(s);
	if (x->tap.eligible)
		exchange_added(x, clock_mono_ns() - s->worker->now_ns);
	s->dead |= served_out(s);
	if (x->head && !s->dead) /* before its input goes */
		h1_keep(&s->h1.codec->parser);
	idle = !x->active && !buf_len(&s->conn.out) && !s->lingering && !s->conn.held && !s->conn.handshaking;
	if (idle && s->close_after) { /* of what is refused no more is read */
		s->h1.mid_message = false;
		codec_give(s->worker, &s->h1.codec);
	}
	charge(s);
	session_settle(s, idle && (s->close_after || drained(s)));
}

static void front_turn_end(void *front)
{
	turn_end(front);
}

static const struct front_ops front_ops = {front_head,   front_data,   front_trailers,
                                           front_end,    front_refuse, front_cut,
                                           front_tunnel, front_full,   front_turn_end};

static void reject(struct session *s, unsigned status, unsigned rule)
{
	struct exchange *x = &s->h1.exchange;

	if (x->active)
		exchange_drop(x, status, rule);
	else
		exchange_refuse(x, &s->h1.codec->parser.message, status, rule);
}

static void begin(struct session *s)
{
	struct exchange *x = &s->h1.exchange;
	const struct http_message *m = &s->h1.codec->parser.message;

	s->close_after = !m->keep_alive || s->worker->draining;
	s->h1.window_ns = s->worker->now_ns;
	s->h1.window_bytes = 0;
	gauge_add(&s->worker->gauges->protocol[PROTOCOL_HTTP1], 1);
	exchange_begin(x, m);
	if (m->expect_continue && x->active && (m->framing == HTTP_CHUNKED || m->content_length))
		buf_puts(conn_out(&s->conn), "HTTP/1.1 100 Continue\r\n\r\n");
}

static void on_event(struct session *s, enum h1_event event, struct span body)
{
	struct h1_parser *p = &s->h1.codec->parser;

	if (event == H1_HEAD) {
		begin(s);
	} else if (event == H1_DATA) {
		s->h1.window_bytes += body.len;
		exchange_data(&s->h1.exchange, body);
	} else if (event == H1_TRAILERS) {
		exchange_trailers(&s->h1.exchange, &p->message);
	} else if (event == H1_DONE) {
		exchange_end(&s->h1.exchange);
		codec_give(s->worker, &s->h1.codec);
		s->h1.mid_message = false;
	}
}

/* One event of the parser. False when there is nothing more to do now. */
static bool step(struct session *s)
{
	enum h1_event event = H1_NEED_MORE;
	struct span body = {0};
	long n;

	if (!s->h1.codec && !(s->h1.codec = codec_take(s->worker, H1_REQUEST))) {
		s->dead = true;
		return false;
	}
	if (!s->h1.mid_message)
		s->since_ns = s->worker->now_ns;
	s->h1.mid_message = true;
	n = h1_feed(&s->h1.codec->parser, buf_span(&s->conn.in), &event, &body);
	if (n < 0) {
		reject(s, s->h1.codec->parser.reject_status, REJECT_H1 + s->h1.codec->parser.reject);
		return false;
	}
	on_event(s, event, body);
	buf_consume(&s->conn.in, (size_t)n);
	return event != H1_NEED_MORE;
}

/* A head, or a body that is heard out, is not whole, and nobody is asked yet. */
static bool unfinished(const struct session *s)
{
	const struct exchange *x = &s->h1.exchange;

	if (x->active)
		return x->head != NULL;
	return s->h1.mid_message && s->h1.codec && !s->dead && !s->close_after;
}

static void pump(struct session *s)
{
	struct exchange *x = &s->h1.exchange;

	while (!s->dead && !s->lingering) {
		if (x->tunnel) {
			exchange_data(x, buf_span(&s->conn.in));
			buf_consume(&s->conn.in, buf_len(&s->conn.in));
		}
		if (x->active ? x->request_done || exchange_full(x) : s->close_after || front_full(s))
			break;
		if (!(buf_len(&s->conn.in) || (s->h1.mid_message && x->active)) || !step(s))
			break;
	}
	if (exhausted(s->worker) && unfinished(s))
		reject(s, 503, REJECT_MEMORY);
	conn_read(&s->conn, s->lingering || !(exchange_full(x) || front_full(s) ||
	                                      buf_len(&s->conn.in) >= CONN_READ_BYTES));
}

/* A client that sends its body by drops holds a live connection with it. */
static bool too_slow(struct session *s)
{
	uint64_t window_ms = (s->worker->now_ns - s->h1.window_ns) / 1000000u;
	uint32_t rate = s->worker->plan->limits.body_min_rate;
	bool slow;

	if (!rate || window_ms < RATE_WINDOW_MS)
		return false;
	slow = s->h1.window_bytes < (uint64_t)rate * window_ms / 1000u;
	s->h1.window_ns = s->worker->now_ns;
	s->h1.window_bytes = 0;
	return slow;
}

static void turn(struct session *s, unsigned news)
{
	if (news & CONN_SENT)
		exchange_resume(&s->h1.exchange);
	pump(s);
	s->close_after |= s->conn.eof && !buf_len(&s->conn.in);
}

/* A message that is not whole takes memory that is short. */
static bool keeps_waiting(const struct session *s)
{
	return pressed(s->worker) && session_waited(s, PRESSED_MS);
}

static void tick(struct session *s)
{
	const struct plan_limits *limits = &s->worker->plan->limits;
	struct exchange *x = &s->h1.exchange;

	if (x->active) {
		if (!x->request_done && !exchange_full(x) && too_slow(s))
			reject(s, 408, REJECT_BODY_RATE);
		else if (x->head && keeps_waiting(s))
			reject(s, 503, REJECT_MEMORY);
		if (x->active)
			exchange_tick(x, s->worker->now_ns, s->conn.blocked);
	} else if (s->h1.mid_message && !s->conn.blocked) {
		if (session_waited(s, limits->header_timeout_ms))
			reject(s, 408, REJECT_HEADER_TIMEOUT);
		else if (keeps_waiting(s))
			reject(s, 503, REJECT_MEMORY);
	} else if (!buf_len(&s->conn.out)) {
		s->dead |= session_waited(s, limits->idle_timeout_ms);
	}
	if (s->dead || buf_len(&s->conn.out) || s->close_after || s->worker->draining || !s->conn.reading)
		turn_end(s);
}

static void fini(struct session *s)
{
	exchange_abandon(&s->h1.exchange, s->given_up);
	codec_give(s->worker, &s->h1.codec);
	charge(s);
}

static const struct session_kind kind = {turn, turn_end, tick, turn_end, fini};

void session_h1_init(struct session *s)
{
	s->kind = &kind;
	session_exchange(s, &s->h1.exchange, &front_ops, s);
	s->h1.exchange.keeps_heads = true;
	s->h1.exchange.share = HIGH_BYTES;
}
