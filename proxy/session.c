#include "proxy/session_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/proxy_protocol.h"

enum { LINGER_BYTES = 64 * 1024, LINGER_MS = 2000 };

static void session_free(struct session *s)
{
	struct worker *w = s->worker;

	s->kind->fini(s);
	ring_publish(w->ring);
	/* an answer that ends with the connection must not look whole */
	if (s->reset || buf_len(&s->conn.out))
		conn_cut(&s->conn);
	conn_close(&s->conn);
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

bool session_waited(const struct session *s, uint32_t limit_ms)
{
	return limit_ms && s->worker->now_ns > s->since_ns + (uint64_t)limit_ms * 1000000u;
}

void session_flush(struct session *s)
{
	size_t queued = buf_len(&s->conn.out);

	if (conn_flush(&s->conn) || s->conn.out.err)
		s->dead = true;
	if (buf_len(&s->conn.out) != queued)
		s->since_ns = s->worker->now_ns;
	ring_publish(s->worker->ring);
}

void session_settle(struct session *s, bool done)
{
	if (done && !s->dead)
		end_connection(s);
	if (s->dead)
		session_free(s);
	else
		conn_rest(&s->conn);
}

void session_exchange(struct session *s, struct exchange *x, const struct front_ops *ops, void *front)
{
	exchange_init(x, s->worker, ops, front);
	x->client_address = s->address;
	x->client_tls = s->client_tls;
	x->listen_port = s->listener->plan->at.port;
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
	s->client_tls |= h->tls;
	s->h1.exchange.client_tls = s->client_tls;
}

void session_give_up(struct session *s, unsigned rule)
{
	gauges_reject(s->worker->gauges, rule);
	s->given_up = reject_name(rule);
	s->dead = true;
	LOG(ACCESS, "refused", log_text("rule", s->given_up));
}

/* The client's own protocol was never reached. */
static void unborn(struct session *s)
{
	session_give_up(s, s->conn.held ? REJECT_PROXY_PROTOCOL : REJECT_TLS_HANDSHAKE);
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

static bool speaks_h2(const struct plan_listen *plan)
{
	return !plan->alpn[0] || strstr(plan->alpn, " h2 ");
}

/* HTTP/2 is agreed on in the handshake, or known by its preface (RFC 9113 3.2, 3.3). True when it is known
 * which version this is. */
static bool choose(struct session *s)
{
	struct span agreed = s->conn.tls ? tls_alpn(s->conn.tls) : (struct span){0};
	struct span in = buf_span(&s->conn.in), preface = h2_preface();
	size_t n = in.len < preface.len ? in.len : preface.len;
	bool h2 = span_eq(agreed, SPAN("h2"));

	if (!agreed.len && speaks_h2(s->listener->plan)) {
		h2 = !s->conn.eof && memcmp(in.data, preface.data, n) == 0;
		if (h2 && n < preface.len)
			return false;
	}
	s->chosen = true;
	s->dead |= h2 && session_h2_init(s) != 0;
	return true;
}

/* The first bytes may be a preface, or begin a request of HTTP/1.1. */
static void await(struct session *s)
{
	if (!s->h1.mid_message)
		s->since_ns = s->worker->now_ns;
	s->h1.mid_message = true;
}

static void opened(struct session *s)
{
	gauge_add(&s->worker->gauges->tls_handshakes, 1);
	s->since_ns = s->worker->now_ns;
	if (tls_alpn(s->conn.tls).len)
		(void)choose(s);
}

static void broken(struct session *s)
{
	if (s->conn.handshaking)
		unborn(s);
	s->dead = true;
}

static void session_turn(void *owner, unsigned news)
{
	struct session *s = owner;
	struct worker *w = s->worker;

	w->now_ns = clock_mono_ns();
	if (s->conn.held) {
		read_proxy_header(s);
	} else if (s->lingering) {
		linger(s);
	} else if (news & CONN_BROKEN) {
		broken(s);
	} else if (news & CONN_OPENED) {
		opened(s);
	} else {
		if (news & CONN_SENT)
			s->since_ns = s->worker->now_ns;
		if (!s->chosen && !choose(s)) {
			await(s);
			return;
		}
		s->kind->turn(s, news);
	}
	s->kind->turn_end(s);
	worker_turned(w);
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
	s->client_tls = listener->plan->tls;
	snprintf(s->address, sizeof s->address, "%s", address);
	s->since_ns = w->now_ns = clock_mono_ns();
	session_h1_init(s);
	conn_init(&s->conn, w->base, session_turn, s);
	s->conn.received = &w->gauges->client_bytes_in;
	s->conn.sent = &w->gauges->client_bytes_out;
	s->conn.held_bytes = &w->gauges->buffered;
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

/* A preface that stops half-way is a head that takes too long. */
static void await_tick(struct session *s, const struct plan_limits *limits)
{
	if (s->h1.mid_message && session_waited(s, limits->header_timeout_ms))
		session_give_up(s, REJECT_HEADER_TIMEOUT);
	else
		s->dead |= session_waited(s, limits->idle_timeout_ms);
}

void session_tick(struct session *s)
{
	const struct plan_limits *limits = &s->worker->plan->limits;

	if (s->conn.held || s->conn.handshaking) {
		if (!s->dead && session_waited(s, limits->header_timeout_ms))
			unborn(s);
	} else if (s->lingering) {
		s->dead |= session_waited(s, LINGER_MS);
	} else if (s->conn.blocked) {
		if (!s->dead && session_waited(s, limits->send_timeout_ms))
			session_give_up(s, REJECT_SEND_TIMEOUT);
		else if (!s->dead && pressed(s->worker) && session_waited(s, PRESSED_MS))
			session_give_up(s, REJECT_MEMORY);
	} else if (!s->chosen) {
		await_tick(s, limits);
	}
	if (!s->dead && s->chosen && !s->lingering) {
		s->kind->tick(s);
		return;
	}
	if (s->dead || buf_len(&s->conn.out) || s->close_after || s->worker->draining)
		s->kind->turn_end(s);
}

void session_drain(struct session *s)
{
	s->kind->drain(s);
}
