/*
 * worker.c - the live path: a client connection and its live connection, two parsers, two buffers.
 *
 *   client socket -> in -> request parser  -> live.out   -> live socket
 *   client socket <- out <- response parser <- live.in   <- live socket
 *
 * Each side stops reading while the other side's out buffer is over HIGH_BYTES: back-pressure between
 * these two sockets only. Heads are written anew; bodies stream through; every event is given to the tap
 * after it was queued for the live side. A session handles one exchange at a time; pipelined requests
 * wait, in order, in `in`.
 */
#define _GNU_SOURCE
#include "proxy/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "proto/base/clock.h"
#include "proto/h1.h"
#include "proxy/tap.h"

enum {
	HIGH_BYTES = 256 * 1024,
	READ_BYTES = 32 * 1024,
	OUT_LIMIT = 4 << 20,
	IDLE_S = 60,
	DRAIN_TICK_MS = 20
};

struct side {
	int fd;
	struct event *readable, *writable;
	struct buf in, out;
	struct h1_parser parser;
	char head[H1_HEAD_MAX];
};

struct session {
	struct worker *worker;
	struct side client, live;
	uint16_t live_route; /* which route's endpoint `live` is connected to */
	bool connected, in_exchange, request_done, response_begun, response_done, close_after, dead;
	bool live_eof,
	        live_close; /* the live side ended its stream; its connection is not to be used again */
	bool client_10, client_eof, rechunk;
	uint64_t started_ns;
	struct tap tap;
	struct session *prev, *next;
};

struct worker {
	struct role_env *env;
	struct event_base *base;
	struct ring *ring;
	struct event *listeners[LISTEN_MAX], *tick;
	unsigned listener_count;
	struct session *sessions;
	uint64_t sequence;
	bool draining;
	struct worker_gauges *gauges;
};

static void session_turn(struct session *s);

static void bump(_Atomic uint64_t *gauge, uint64_t by)
{
	atomic_store_explicit(gauge, atomic_load_explicit(gauge, memory_order_relaxed) + by,
	                      memory_order_relaxed);
}

static void side_close(struct side *side)
{
	if (side->readable)
		event_free(side->readable);
	if (side->writable)
		event_free(side->writable);
	side->readable = side->writable = NULL;
	if (side->fd != -1)
		close(side->fd);
	side->fd = -1;
	buf_reset(&side->in);
	buf_reset(&side->out);
}

static void live_close(struct session *s)
{
	side_close(&s->live);
	s->connected = false;
	s->live_close = s->live_eof = false;
}

static void session_free(struct session *s)
{
	side_close(&s->client);
	side_close(&s->live);
	buf_fini(&s->client.in);
	buf_fini(&s->client.out);
	buf_fini(&s->live.in);
	buf_fini(&s->live.out);
	if (s->prev)
		s->prev->next = s->next;
	else
		s->worker->sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	bump(&s->worker->gauges->connections, (uint64_t)-1);
	free(s);
}

static int flush(struct side *side)
{
	while (buf_len(&side->out)) {
		struct span left = buf_span(&side->out);
		ssize_t n = send(side->fd, left.data, left.len, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return event_add(side->writable, NULL) ? ERR_SYS : 0;
		if (n == -1)
			return ERR_CLOSED;
		buf_consume(&side->out, (size_t)n);
	}
	return 0;
}

/* Bytes read, 0 at end of stream, ERR_AGAIN or ERR_CLOSED. */
static long fill(struct side *side)
{
	char *room = buf_room(&side->in, READ_BYTES);
	ssize_t n;

	if (!room)
		return ERR_NOMEM;
	do
		n = recv(side->fd, room, READ_BYTES, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_CLOSED;
	buf_grown(&side->in, (size_t)n);
	return n;
}

/* A complete answer of our own; the connection ends behind it. */
static void refuse(struct session *s, unsigned status)
{
	struct buf *out = &s->client.out;
	const char *text = h1_reason(status);

	h1_write_status(out, status);
	h1_write_field(out, SPAN("content-type"), SPAN("text/plain"));
	h1_write_field(out, SPAN("connection"), SPAN("close"));
	h1_write_end(out, H1_LENGTH, strlen(text) + 1);
	buf_printf(out, "%s\n", text);
	s->close_after = true;
	s->request_done = s->response_done = true;
	s->in_exchange = false;
}

static void live_failed(struct session *s, unsigned status)
{
	bump(&s->worker->gauges->live_errors, 1);
	tap_error(&s->tap, OUTCOME_LIVE_FAILED);
	live_close(s);
	if (s->response_begun) /* half an answer is out: only a cut tells the client */
		s->dead = true;
	else
		refuse(s, status);
}

static void on_live(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;
	int err = 0;
	socklen_t len = sizeof err;

	if (what & EV_TIMEOUT) {
		if (s->in_exchange)
			live_failed(s, 504);
		else
			live_close(s);
	} else if (!s->connected && (what & EV_WRITE)) {
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err)
			live_failed(s, 502);
		else
			s->connected = true;
	}
	if (s->live.fd != -1 && s->connected && (what & EV_READ)) {
		long n = fill(&s->live);

		if (!s->in_exchange && n != ERR_AGAIN)
			live_close(s); /* idle: closed by the server, or bytes nobody asked for */
		else if (n == 0 || (n < 0 && n != ERR_AGAIN))
			s->live_eof = true;
	}
	session_turn(s);
}

static bool events_of(struct session *s, struct side *side, event_callback_fn fn)
{
	side->readable = event_new(s->worker->base, side->fd, EV_READ | EV_PERSIST, fn, s);
	side->writable = event_new(s->worker->base, side->fd, EV_WRITE, fn, s);
	return side->readable && side->writable;
}

static int live_connect(struct session *s, uint16_t route)
{
	const struct plan_route *r = &s->worker->env->plan->routes[route];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(r->live.endpoints[0].port)};
	struct timeval limit = {r->live.timeout_ms / 1000, r->live.timeout_ms % 1000 * 1000};
	int one = 1;

	if (s->live.fd != -1 && s->live_route == route)
		return event_add(s->live.readable, &limit) ? ERR_SYS : 0;
	live_close(s);
	if (inet_pton(AF_INET, r->live.endpoints[0].address, &to.sin_addr) != 1)
		return ERR_CONFIG;
	s->live.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->live.fd == -1)
		return ERR_SYS;
	setsockopt(s->live.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(s->live.fd, (struct sockaddr *)&to, sizeof to) == -1 && errno != EINPROGRESS)
		return ERR_SYS;
	s->live_route = route;
	h1_init(&s->live.parser, H1_RESPONSE, s->live.head, sizeof s->live.head);
	if (!events_of(s, &s->live, on_live) || event_add(s->live.readable, &limit) ||
	    event_add(s->live.writable, NULL))
		return ERR_SYS;
	return 0;
}

static int route_of(const struct plan *plan, struct span target)
{
	for (unsigned i = 0; i < plan->route_count; i++)
		if (span_starts(target, span_of(plan->routes[i].path_prefix)))
			return (int)i;
	return -1;
}

static void forward_fields(struct buf *out, const struct h1_message *m)
{
	for (size_t i = 0; i < m->field_count; i++)
		if (!h1_hop_by_hop(m, m->fields[i].name))
			h1_write_field(out, m->fields[i].name, m->fields[i].value);
}

static void begin_exchange(struct session *s)
{
	struct worker *w = s->worker;
	const struct h1_message *m = &s->client.parser.message;
	uint64_t id =
	        (uint64_t)w->env->index << 56 | (uint64_t)(w->env->epoch & 0xffff) << 40 | ++w->sequence;
	int route = route_of(w->env->plan, m->target);

	bump(&w->gauges->requests, 1);
	if (route < 0) {
		bump(&w->gauges->rejected, 1);
		refuse(s, 404);
		return;
	}
	s->in_exchange = true;
	s->request_done = s->response_begun = s->response_done = false;
	s->client_10 = m->minor == 0;
	s->close_after = !m->keep_alive || w->draining;
	s->started_ns = clock_mono_ns();
	tap_begin(&s->tap, id, (uint16_t)route, m);
	tap_head(&s->tap, LEG_CLIENT, m);
	if (live_connect(s, (uint16_t)route)) {
		live_failed(s, 502);
		return;
	}
	s->live.parser.head_request = span_eq(m->method, SPAN("HEAD"));
	h1_write_request(&s->live.out, m->method, m->target, m->host);
	forward_fields(&s->live.out, m);
	h1_write_end(&s->live.out, m->framing, m->content_length);
}

static void put_chunk(struct buf *out, struct span bytes)
{
	h1_write_chunk_head(out, bytes.len);
	buf_span_put(out, bytes);
	buf_puts(out, "\r\n");
}

static void client_event(struct session *s, enum h1_event event, struct span body)
{
	bool chunked = s->client.parser.message.framing == H1_CHUNKED;

	if (event == H1_HEAD) {
		begin_exchange(s);
	} else if (event == H1_DATA && s->in_exchange) {
		if (chunked)
			put_chunk(&s->live.out, body);
		else
			buf_span_put(&s->live.out, body);
		tap_chunk(&s->tap, LEG_CLIENT, body);
	} else if (event == H1_DONE && s->in_exchange) {
		if (chunked)
			buf_puts(&s->live.out, "0\r\n\r\n");
		tap_end(&s->tap, LEG_CLIENT);
		s->request_done = true;
		h1_next(&s->client.parser);
	}
}

/* Parse what the client sent, up to the end of one request. True when something moved. */
static bool pump_client(struct session *s)
{
	bool moved = false;

	while (!s->dead && (s->in_exchange ? !s->request_done : !s->close_after) &&
	       buf_len(&s->live.out) < HIGH_BYTES) {
		enum h1_event event = H1_NEED_MORE;
		struct span body = {0};
		long n = h1_feed(&s->client.parser, buf_span(&s->client.in), &event, &body);

		if (n < 0) {
			bump(&s->worker->gauges->rejected, 1);
			tap_error(&s->tap, OUTCOME_CLIENT_GONE);
			if (s->response_begun && !s->response_done)
				s->dead = true;
			else
				refuse(s, s->client.parser.reject_status);
			live_close(s);
			return true;
		}
		client_event(s, event, body);
		buf_consume(&s->client.in, (size_t)n);
		if (event == H1_NEED_MORE)
			break;
		moved = true;
	}
	return moved;
}

static void response_head(struct session *s)
{
	const struct h1_message *m = &s->live.parser.message;
	struct buf *out = &s->client.out;
	enum h1_framing framing = m->framing;

	if (m->status / 100 == 1 && (s->client_10 || m->status == 101))
		return;
	s->rechunk = framing == H1_CHUNKED || framing == H1_UNTIL_CLOSE;
	if (s->rechunk)
		framing = H1_CHUNKED;
	if (s->rechunk && s->client_10) {
		s->rechunk = false;
		s->close_after = true;
		framing = H1_UNTIL_CLOSE;
	}
	h1_write_status(out, m->status);
	forward_fields(out, m);
	if (m->framing == H1_NO_BODY && s->live.parser.head_request) { /* lengths describe the GET's body */
		struct span length = h1_field(m, SPAN("content-length"));

		if (length.data)
			h1_write_field(out, SPAN("content-length"), length);
	}
	if (m->status / 100 != 1) {
		if (s->close_after)
			h1_write_field(out, SPAN("connection"), SPAN("close"));
		if (!m->keep_alive || m->framing == H1_UNTIL_CLOSE)
			s->live_close = true;
		s->response_begun = true;
		tap_head(&s->tap, LEG_LIVE, m);
	}
	h1_write_end(out, framing, m->content_length);
}

static void end_exchange(struct session *s)
{
	if (s->rechunk)
		buf_puts(&s->client.out, "0\r\n\r\n");
	s->rechunk = false;
	tap_end(&s->tap, LEG_LIVE);
	s->response_done = true;
	if (!s->request_done) /* an early answer: the rest of the request is not read */
		s->close_after = true;
	if (s->live_close || !s->request_done || buf_len(&s->live.in))
		live_close(s);
	else
		h1_next(&s->live.parser);
	s->in_exchange = false;
}

static void live_event(struct session *s, enum h1_event event, struct span body)
{
	bool interim = s->live.parser.message.status / 100 == 1;

	if (event == H1_HEAD) {
		response_head(s);
	} else if (event == H1_DATA) {
		if (s->rechunk)
			put_chunk(&s->client.out, body);
		else
			buf_span_put(&s->client.out, body);
		tap_chunk(&s->tap, LEG_LIVE, body);
	} else if (event == H1_DONE && interim) {
		bool head_request = s->live.parser.head_request;

		h1_next(&s->live.parser);
		s->live.parser.head_request = head_request;
	} else if (event == H1_DONE) {
		end_exchange(s);
	}
}

/* The live side ended its stream in an exchange: proper behind an until-close body only. */
static void live_ended(struct session *s)
{
	if (s->response_begun && h1_eof(&s->live.parser) == 0)
		end_exchange(s);
	else
		live_failed(s, 502);
}

static bool pump_live(struct session *s)
{
	bool moved = false;

	while (!s->dead && s->in_exchange && s->live.fd != -1 && buf_len(&s->client.out) < HIGH_BYTES) {
		enum h1_event event = H1_NEED_MORE;
		struct span body = {0};
		long n = h1_feed(&s->live.parser, buf_span(&s->live.in), &event, &body);

		if (n < 0) {
			live_failed(s, 502);
			return true;
		}
		if (event == H1_DATA) /* before the input is given up */
			live_event(s, event, body);
		buf_consume(&s->live.in, (size_t)n);
		if (event != H1_DATA && event != H1_NEED_MORE)
			live_event(s, event, body);
		moved |= event != H1_NEED_MORE;
		if (event == H1_NEED_MORE && !s->live_eof)
			break;
		if (event == H1_NEED_MORE)
			live_ended(s);
	}
	return moved;
}

/* Read each side only while the other side's queue is short. */
static void pace(struct session *s)
{
	struct timeval idle = {IDLE_S, 0};

	if (buf_len(&s->live.out) >= HIGH_BYTES || buf_len(&s->client.in) >= HIGH_BYTES || s->client_eof)
		event_del(s->client.readable);
	else
		event_add(s->client.readable, &idle);
	if (s->live.fd == -1)
		return;
	if (buf_len(&s->client.out) >= HIGH_BYTES || s->live_eof)
		event_del(s->live.readable);
	else if (!event_pending(s->live.readable, EV_READ, NULL))
		event_add(s->live.readable, NULL);
}

/* Move everything that can move, send, then let the shadow see it. */
static void session_turn(struct session *s)
{
	struct worker *w = s->worker;

	while (!s->dead && (pump_client(s) | pump_live(s)))
		;
	if (!s->dead && s->live.fd != -1 && s->connected && flush(&s->live)) {
		if (s->in_exchange && !s->response_begun)
			live_failed(s, 502);
		else
			live_close(s);
	}
	if (!s->dead && flush(&s->client)) {
		tap_error(&s->tap, OUTCOME_CLIENT_GONE);
		s->dead = true;
	}
	ring_publish(w->ring);
	if (s->client.out.err || s->live.out.err)
		s->dead = true;
	if (!s->dead && s->close_after && !s->in_exchange && !buf_len(&s->client.out))
		s->dead = true;
	if (!s->dead && w->draining && !s->in_exchange && !buf_len(&s->client.out) && !buf_len(&s->client.in))
		s->dead = true;
	if (s->dead)
		session_free(s);
	else
		pace(s);
}

static void on_client(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	if ((what & EV_TIMEOUT) && !(s->in_exchange && s->request_done)) {
		tap_error(&s->tap, OUTCOME_CLIENT_GONE);
		s->dead = true;
	}
	if (what & EV_READ) {
		long n = fill(&s->client);

		if (n == 0 && s->in_exchange && s->request_done) { /* half closed: it may still read */
			s->client_eof = s->close_after = true;
		} else if (n == 0 || (n < 0 && n != ERR_AGAIN)) {
			tap_error(&s->tap, OUTCOME_CLIENT_GONE);
			s->dead = true;
		}
	}
	session_turn(s);
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct worker *w = arg;
	struct timeval idle = {IDLE_S, 0};
	struct session *s;
	int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd == -1)
		return;
	s = calloc(1, sizeof *s);
	if (!s) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	s->worker = w;
	s->client.fd = fd;
	s->live.fd = -1;
	s->tap.env = w->env;
	s->tap.ring = w->ring;
	buf_init(&s->client.in, OUT_LIMIT);
	buf_init(&s->client.out, OUT_LIMIT);
	buf_init(&s->live.in, OUT_LIMIT);
	buf_init(&s->live.out, OUT_LIMIT);
	h1_init(&s->client.parser, H1_REQUEST, s->client.head, sizeof s->client.head);
	s->next = w->sessions;
	if (s->next)
		s->next->prev = s;
	w->sessions = s;
	bump(&w->gauges->connections, 1);
	if (!events_of(s, &s->client, on_client) || event_add(s->client.readable, &idle))
		session_free(s);
}

static void start_drain(struct worker *w)
{
	w->draining = true;
	for (unsigned i = 0; i < w->listener_count; i++)
		event_del(w->listeners[i]);
	for (struct session *s = w->sessions, *next; s; s = next) {
		next = s->next;
		session_turn(s);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	if (!w->draining && atomic_load(&w->env->page->phase) >= PHASE_WORKERS)
		start_drain(w);
	if (w->draining && !w->sessions)
		event_base_loopbreak(w->base);
}

int worker_run(struct role_env *env)
{
	static struct worker w;
	struct timeval tick = {0, DRAIN_TICK_MS * 1000};
	char name[32];

	w.env = env;
	w.gauges = &env->page->workers[env->index];
	w.base = event_base_new();
	snprintf(name, sizeof name, "raw.%u", env->index);
	if (!w.base || role_ring_writer(env, name, &w.ring))
		return 3;
	for (unsigned i = 0; i < env->plan->listen_count; i++) {
		int fd = role_fd_nth(env, "listen.", i);

		w.listeners[i] = event_new(w.base, fd, EV_READ | EV_PERSIST, on_accept, &w);
		if (fd == -1 || !w.listeners[i] || event_add(w.listeners[i], NULL))
			return 3;
		w.listener_count++;
	}
	w.tick = event_new(w.base, -1, EV_PERSIST, on_tick, &w);
	if (!w.tick || event_add(w.tick, &tick))
		return 3;
	role_ready(env);
	event_base_dispatch(w.base);
	return 0;
}
