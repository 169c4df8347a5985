#include "proxy/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/proxy_protocol.h"
#include "proxy/forward.h"

enum { LINGER_BYTES = 64 * 1024, LINGER_MS = 2000, RATE_WINDOW_MS = 10000, DRAIN_IDLE_MS = 1000 };

struct session {
	struct worker *worker;
	struct session *prev, *next;
	struct listener *listener;
	struct conn conn;
	struct codec *codec; /* NULL between messages */
	struct exchange exchange;
	bool mid_message; /* the parser holds a part of a message */
	bool close_after; /* the connection ends behind the answer in `out` */
	bool unread;      /* ... and the client may still be sending: linger */
	bool lingering, dead, reset;
	bool rechunk, trailed;         /* how the answer is framed */
	uint64_t since_ns;             /* when this wait began: idle, head, lingering, blocked send */
	uint64_t window_ns, discarded; /* body rate window; bytes thrown away while lingering */
	uint64_t window_bytes;
	char address[46];
};

static void session_pump(struct session *s);

static void session_free(struct session *s)
{
	struct worker *w = s->worker;

	exchange_abandon(&s->exchange);
	ring_publish(w->ring);
	/* an answer that ends with the connection must not look whole */
	if (s->reset || buf_len(&s->conn.out))
		conn_cut(&s->conn);
	conn_close(&s->conn);
	codec_give(w, &s->codec);
	if (s->prev)
		s->prev->next = s->next;
	else
		w->sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	w->session_count--;
	gauge_add(&w->gauges->connections, (uint64_t)-1);
	free(s);
}

struct session *session_next(struct session *s)
{
	return s->next;
}

/* The front of an exchange. */

/* What the answer says about the connection where the version alone does not say it. */
static const char *connection_word(const struct session *s)
{
	return s->close_after ? "close" : s->exchange.client_10 ? "keep-alive" : NULL;
}

static void front_head(void *front, const struct http_message *m, const struct plan_header_edits *edits)
{
	struct session *s = front;
	enum http_framing framing = m->framing;
	bool final = m->status / 100 != 1;

	if (final) {
		s->close_after |= s->worker->draining;
		s->rechunk = framing == HTTP_CHUNKED || framing == HTTP_UNTIL_CLOSE;
		s->trailed = false;
		if (s->rechunk && s->exchange.client_10) {
			s->rechunk = false;
			s->close_after = s->reset = true;
			framing = HTTP_UNTIL_CLOSE;
		} else if (s->rechunk) {
			framing = HTTP_CHUNKED;
		}
	}
	forward_response(conn_out(&s->conn), m, edits, framing, final ? connection_word(s) : NULL,
	                 s->exchange.head_request);
}

static void front_data(void *front, struct span bytes)
{
	struct session *s = front;
	struct buf *out = conn_out(&s->conn);

	if (s->rechunk && bytes.len)
		h1_write_chunk_head(out, bytes.len);
	buf_span_put(out, bytes);
	if (s->rechunk && bytes.len)
		buf_put(out, "\r\n", 2);
}

static void front_trailers(void *front, const struct http_message *m)
{
	struct session *s = front;

	if (s->rechunk)
		forward_trailers(conn_out(&s->conn), m);
	s->trailed = s->rechunk;
}

static void front_end(void *front)
{
	struct session *s = front;

	if (s->rechunk)
		buf_puts(conn_out(&s->conn), s->trailed ? "\r\n" : "0\r\n\r\n");
	s->rechunk = s->reset = false;
	if (!s->exchange.request_done) /* an early answer: the rest of the request is not read */
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
	if (!s->exchange.head_request)
		buf_printf(out, "%s: %s\n", text, why);
	s->close_after = s->unread = true;
	s->rechunk = false;
	s->since_ns = s->worker->now_ns;
}

static void front_cut(void *front)
{
	struct session *s = front;

	s->dead = true;
	s->reset |= s->exchange.status == 101; /* no frame says where a tunnel's bytes end */
}

static void front_tunnel(void *front)
{
	struct session *s = front;

	s->rechunk = false;
	s->close_after = true;
}

static bool front_full(const void *front)
{
	const struct session *s = front;

	return buf_len(&s->conn.out) >= HIGH_BYTES;
}

/* The answer is out: close, or first hear the client out so that no reset overtakes the answer. */
static void end_connection(struct session *s)
{
	s->dead = s->conn.eof || (!s->unread && !buf_len(&s->conn.in));
	if (s->dead && !s->conn.tls)
		return;
	if (conn_shut(&s->conn)) {
		s->dead = false;
		return;
	}
	s->lingering = true;
	s->since_ns = s->worker->now_ns;
	buf_consume(&s->conn.in, buf_len(&s->conn.in));
	conn_read(&s->conn, true);
}

static bool waited(const struct session *s, uint32_t limit_ms)
{
	return limit_ms && s->worker->now_ns > s->since_ns + (uint64_t)limit_ms * 1000000u;
}

/* While draining, a client that was not told to close may be sending its next request just now. */
static bool drained(const struct session *s)
{
	return s->worker->draining && !s->mid_message && waited(s, DRAIN_IDLE_MS);
}

/* The client sends no more: does it still wait for an answer to a whole request? */
static bool served_out(const struct session *s)
{
	const struct exchange *x = &s->exchange;

	if (!s->conn.eof || s->lingering)
		return false;
	if (x->active)
		return x->tunnel ? !exchange_unsent(x) : !x->request_done && !buf_len(&s->conn.in);
	return !buf_len(&s->conn.out);
}

static void front_turn_end(void *front)
{
	struct session *s = front;
	struct exchange *x = &s->exchange;
	size_t queued = buf_len(&s->conn.out);
	bool idle;

	if (!s->dead && !s->conn.held && (buf_len(&s->conn.in) || !s->conn.reading))
		session_pump(s);
	if (!s->dead)
		exchange_flush(x);
	if (conn_flush(&s->conn) || s->conn.out.err)
		s->dead = true;
	if (buf_len(&s->conn.out) != queued)
		s->since_ns = s->worker->now_ns;
	ring_publish(s->worker->ring);
	if (x->tap.eligible)
		exchange_added(x, clock_mono_ns() - s->worker->now_ns);
	s->dead |= served_out(s);
	idle = !x->active && !buf_len(&s->conn.out) && !s->lingering && !s->conn.held && !s->conn.handshaking;
	if (idle && !s->dead && (s->close_after || drained(s)))
		end_connection(s);
	if (s->dead)
		session_free(s);
	else
		conn_rest(&s->conn);
}

static const struct front_ops front_ops = {front_head,   front_data,   front_trailers,
                                           front_end,    front_refuse, front_cut,
                                           front_tunnel, front_full,   front_turn_end};

static void reject(struct session *s, unsigned status, enum reject_rule rule)
{
	gauges_reject(s->worker->gauges, rule);
	if (s->exchange.active && s->exchange.response_begun) {
		s->dead = true;
		return;
	}
	if (!s->exchange.active)
		s->exchange.head_request = span_eq(s->codec->parser.message.method, SPAN("HEAD"));
	exchange_abandon(&s->exchange);
	front_refuse(s, status, reject_name(rule));
}

static void begin(struct session *s)
{
	struct exchange *x = &s->exchange;
	const struct http_message *m = &s->codec->parser.message;

	s->close_after = !m->keep_alive || s->worker->draining;
	s->window_ns = s->worker->now_ns;
	s->window_bytes = 0;
	exchange_begin(x, m);
	if (m->expect_continue && x->active && (m->framing == HTTP_CHUNKED || m->content_length))
		buf_puts(conn_out(&s->conn), "HTTP/1.1 100 Continue\r\n\r\n");
}

static void on_event(struct session *s, enum h1_event event, struct span body)
{
	struct h1_parser *p = &s->codec->parser;

	if (event == H1_HEAD) {
		begin(s);
	} else if (event == H1_DATA) {
		s->window_bytes += body.len;
		exchange_data(&s->exchange, body);
	} else if (event == H1_TRAILERS) {
		exchange_trailers(&s->exchange, &p->message);
	} else if (event == H1_DONE) {
		exchange_end(&s->exchange);
		codec_give(s->worker, &s->codec);
		s->mid_message = false;
	}
}

/* One event of the parser. False when there is nothing more to do now. */
static bool step(struct session *s)
{
	enum h1_event event = H1_NEED_MORE;
	struct span body = {0};
	long n;

	if (!s->codec && !(s->codec = codec_take(s->worker, H1_REQUEST))) {
		s->dead = true;
		return false;
	}
	if (!s->mid_message)
		s->since_ns = s->worker->now_ns;
	s->mid_message = true;
	n = h1_feed(&s->codec->parser, buf_span(&s->conn.in), &event, &body);
	if (n < 0) {
		reject(s, s->codec->parser.reject_status, REJECT_H1 + s->codec->parser.reject);
		return false;
	}
	on_event(s, event, body);
	buf_consume(&s->conn.in, (size_t)n);
	return event != H1_NEED_MORE;
}

static void session_pump(struct session *s)
{
	struct exchange *x = &s->exchange;

	while (!s->dead && !s->lingering) {
		if (x->tunnel) {
			exchange_data(x, buf_span(&s->conn.in));
			buf_consume(&s->conn.in, buf_len(&s->conn.in));
		}
		if (x->active ? x->request_done || exchange_full(x) : s->close_after || front_full(s))
			break;
		if (!(buf_len(&s->conn.in) || (s->mid_message && x->active)) || !step(s))
			break;
	}
	conn_read(&s->conn, s->lingering || !(exchange_full(x) || front_full(s) ||
	                                      buf_len(&s->conn.in) >= CONN_READ_BYTES));
}

static void linger(struct session *s)
{
	s->discarded += buf_len(&s->conn.in);
	buf_consume(&s->conn.in, buf_len(&s->conn.in));
	if (s->discarded > LINGER_BYTES || s->conn.eof)
		s->dead = true;
}

/* The client's own protocol begins. */
static void enter(struct session *s)
{
	s->conn.held = false;
	if (s->listener->tls && conn_secure(&s->conn, s->listener->tls))
		s->dead = true;
}

static void set_address(struct session *s, const struct proxy_header *h)
{
	if (h->family == PROXY_IP4)
		inet_ntop(AF_INET, h->source, s->address, sizeof s->address);
	else if (h->family == PROXY_IP6)
		inet_ntop(AF_INET6, h->source, s->address, sizeof s->address);
	s->exchange.client_tls |= h->tls;
}

/* Nothing can be said to this client. */
static void give_up(struct session *s, enum reject_rule rule)
{
	gauges_reject(s->worker->gauges, rule);
	s->dead = true;
}

/* The client's own protocol was never reached. */
static void unborn(struct session *s)
{
	give_up(s, s->conn.held ? REJECT_PROXY_PROTOCOL : REJECT_TLS_HANDSHAKE);
}

/* A PROXY header, and not a byte beyond it: what follows may be TLS. Bytes are looked at first and taken when
 * they belong to the header, which all of them do until it is whole. */
static void read_proxy_header(struct session *s)
{
	struct buf *in = &s->conn.in;
	struct proxy_header header;
	size_t before = buf_len(in);
	char seen[PROXY_V2_MAX];
	ssize_t n = recv(s->conn.fd, seen, sizeof seen - before, MSG_PEEK);
	long whole;

	if (n <= 0) {
		s->dead = n == 0 || (errno != EAGAIN && errno != EINTR);
		return;
	}
	buf_put(in, seen, (size_t)n);
	whole = in->err ? in->err : proxy_header_parse(buf_span(in), &header);
	if (whole > 0)
		n = whole - (long)before;
	if (whole < 0 || recv(s->conn.fd, seen, (size_t)n, 0) != n) {
		unborn(s);
	} else if (whole > 0) {
		set_address(s, &header);
		buf_reset(in);
		enter(s);
	}
}

static void session_turn(void *owner, unsigned news)
{
	struct session *s = owner;

	s->worker->now_ns = clock_mono_ns();
	if (s->conn.held) {
		read_proxy_header(s);
	} else if (s->lingering) {
		linger(s);
	} else if (news & CONN_BROKEN) {
		if (s->conn.handshaking)
			unborn(s);
		s->dead = true;
	} else if (news & CONN_OPENED) {
		gauge_add(&s->worker->gauges->tls_handshakes, 1);
		s->since_ns = s->worker->now_ns;
	} else {
		if (news & CONN_SENT) {
			s->since_ns = s->worker->now_ns;
			exchange_resume(&s->exchange);
		}
		session_pump(s);
		s->close_after |= s->conn.eof && !buf_len(&s->conn.in);
	}
	front_turn_end(s);
}

int session_new(struct listener *listener, int fd, const char *address)
{
	struct worker *w = listener->worker;
	struct session *s = calloc(1, sizeof *s);

	if (!s) {
		close(fd);
		return ERR_NOMEM;
	}
	s->worker = w;
	s->listener = listener;
	snprintf(s->address, sizeof s->address, "%s", address);
	exchange_init(&s->exchange, w, &front_ops, s);
	s->exchange.client_address = s->address;
	s->exchange.client_tls = listener->plan->tls;
	s->exchange.listen_port = listener->plan->at.port;
	s->since_ns = w->now_ns = clock_mono_ns();
	conn_init(&s->conn, w->base, session_turn, s);
	s->conn.received = &w->gauges->client_bytes_in;
	s->conn.sent = &w->gauges->client_bytes_out;
	if (conn_take(&s->conn, fd)) {
		free(s);
		return ERR_SYS;
	}
	s->conn.held = listener->plan->proxy_protocol;
	if (!s->conn.held)
		enter(s);
	s->next = w->sessions;
	if (s->next)
		s->next->prev = s;
	w->sessions = s;
	w->session_count++;
	gauge_add(&w->gauges->connections, 1);
	gauge_add(&w->gauges->accepted, 1);
	return 0;
}

/* A client that sends its body by drops holds a live connection with it. */
static bool too_slow(struct session *s)
{
	uint64_t window_ms = (s->worker->now_ns - s->window_ns) / 1000000u;
	uint32_t rate = s->worker->plan->limits.body_min_rate;
	bool slow;

	if (!rate || window_ms < RATE_WINDOW_MS)
		return false;
	slow = s->window_bytes < (uint64_t)rate * window_ms / 1000u;
	s->window_ns = s->worker->now_ns;
	s->window_bytes = 0;
	return slow;
}

void session_tick(struct session *s)
{
	const struct plan_limits *limits = &s->worker->plan->limits;
	struct exchange *x = &s->exchange;

	if (s->conn.held || s->conn.handshaking) {
		if (!s->dead && waited(s, limits->header_timeout_ms))
			unborn(s);
	} else if (s->lingering) {
		s->dead |= waited(s, LINGER_MS);
	} else if (s->conn.blocked) {
		if (!s->dead && waited(s, limits->send_timeout_ms))
			give_up(s, REJECT_SEND_TIMEOUT);
	} else if (x->active) {
		if (!x->request_done && !exchange_full(x) && too_slow(s))
			reject(s, 408, REJECT_BODY_RATE);
		if (x->active)
			exchange_tick(x, s->worker->now_ns);
	} else if (s->mid_message) {
		if (waited(s, limits->header_timeout_ms))
			reject(s, 408, REJECT_HEADER_TIMEOUT);
	} else if (!buf_len(&s->conn.out)) {
		s->dead |= waited(s, limits->idle_timeout_ms);
	}
	if (s->dead || buf_len(&s->conn.out) || s->close_after || s->worker->draining)
		front_turn_end(s);
}

void session_drain(struct session *s)
{
	front_turn_end(s);
}
