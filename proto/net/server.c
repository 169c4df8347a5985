/*
 * server.c - a connection reads one request, answers it, and only then reads on:
 *
 *   reading --whole request--> handler --> writing --all sent, keep-alive--> reading
 *                                             +------ else ------> closed
 */
#define _GNU_SOURCE
#include "proto/net/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event_struct.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "proto/h1.h"

enum { INPUT_BYTES = 4096, LISTENERS_MAX = 4, HEAD_ROOM_BYTES = 1024, DIGEST_BYTES = 32 };

/* Each stage has one deadline, which starts when the stage does: a byte now and then buys no time. */
enum stage { STAGE_NEW, STAGE_IDLE, STAGE_READING, STAGE_WRITING };

struct server_listener {
	struct server *server;
	struct event acceptable;
	int fd;
	bool changes, deaf;
	unsigned open;
};

struct server_conn {
	TAILQ_ENTRY(server_conn) link;
	struct server_listener *listener;
	int fd;
	int64_t uid;
	struct event readable, writable, deadline;
	enum stage stage;
	struct h1_parser parser;
	struct buf in, body, out;
	bool close_after;
	char head[];
};

TAILQ_HEAD(server_conns, server_conn);

struct server {
	struct event_base *base;
	struct server_limits limits;
	server_handler *handler;
	void *arg;
	struct server_listener listeners[LISTENERS_MAX];
	unsigned listener_count;
	struct server_conns conns;
	bool trusting;
	uint8_t token[DIGEST_BYTES]; /* SHA-256 of it */
};

static struct timeval after_ms(unsigned ms)
{
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

static void drop(struct server_conn *c)
{
	struct server_listener *l = c->listener;

	event_del(&c->readable);
	event_del(&c->writable);
	event_del(&c->deadline);
	close(c->fd);
	TAILQ_REMOVE(&l->server->conns, c, link);
	buf_fini(&c->in);
	buf_fini(&c->body);
	buf_fini(&c->out);
	free(c);
	if (l->open-- == l->server->limits.connections && !l->deaf)
		event_add(&l->acceptable, NULL);
}

static void enter(struct server_conn *c, enum stage stage)
{
	const struct server_limits *limits = &c->listener->server->limits;
	struct timeval limit = after_ms(stage == STAGE_IDLE ? limits->idle_ms : limits->request_ms);

	if (c->stage != stage)
		event_add(&c->deadline, &limit);
	c->stage = stage;
}

/* A head and its body into `out`; what is over the limits becomes an empty 500. */
static void put_reply(struct server_conn *c, struct server_reply *r, bool is_head)
{
	if (r->body.err) {
		buf_reset(&r->body);
		r->status = 500;
	}
	h1_write_status(&c->out, r->status);
	h1_write_field(&c->out, SPAN("content-type"), span_of(r->content_type));
	h1_write_field(&c->out, SPAN("cache-control"), SPAN("no-store"));
	if (r->status == 405)
		h1_write_field(&c->out, SPAN("allow"),
		               c->listener->changes || c->listener->server->trusting ? SPAN("GET, HEAD, POST")
		                                                                     : SPAN("GET, HEAD"));
	if (c->close_after)
		h1_write_field(&c->out, SPAN("connection"), SPAN("close"));
	h1_write_end(&c->out, HTTP_LENGTH, buf_len(&r->body));
	if (!is_head)
		buf_span_put(&c->out, buf_span(&r->body));
}

static void refuse(struct server_conn *c, unsigned status)
{
	struct server_reply r = {.status = status, .content_type = "text/plain"};

	buf_init(&r.body, HEAD_ROOM_BYTES);
	buf_printf(&r.body, "%s\n", http_reason(status));
	c->close_after = true;
	put_reply(c, &r, false);
	buf_fini(&r.body);
}

static bool digest(struct span text, uint8_t out[DIGEST_BYTES])
{
	return EVP_Digest(text.data ? text.data : "", text.len, out, NULL, EVP_sha256(), NULL) == 1;
}

/* Digests are compared: neither a first byte nor a length is found sooner than another. */
static bool shows_token(const struct server *s, const struct http_message *m)
{
	static const struct span scheme = SPAN("Bearer ");
	struct span shown = http_field(m, SPAN("authorization"));
	uint8_t hash[DIGEST_BYTES];

	if (!s->trusting || shown.len < scheme.len ||
	    !span_eq_nocase((struct span){shown.data, scheme.len}, scheme))
		return false;
	shown = (struct span){shown.data + scheme.len, shown.len - scheme.len};
	return digest(shown, hash) && CRYPTO_memcmp(hash, s->token, sizeof hash) == 0;
}

static void answer(struct server_conn *c)
{
	const struct http_message *m = &c->parser.message;
	bool is_head = span_eq(m->method, SPAN("HEAD")), post = span_eq(m->method, SPAN("POST"));
	const char *mark = memchr(m->target.data, '?', m->target.len);
	size_t path_len = mark ? (size_t)(mark - m->target.data) : m->target.len;
	struct server_request q = {.method = is_head ? SPAN("GET") : m->method,
	                           .path = {m->target.data, path_len},
	                           .query = {m->target.data + path_len, 0},
	                           .body = buf_span(&c->body),
	                           .by_token = post && !c->listener->changes,
	                           .uid = c->uid};
	struct server_reply r = {.status = 200, .content_type = "text/plain; charset=utf-8"};

	if (mark)
		q.query = (struct span){mark + 1, m->target.len - path_len - 1};
	c->close_after |= !m->keep_alive;
	if (q.by_token ? !shows_token(c->listener->server, m) : !post && !span_eq(q.method, SPAN("GET"))) {
		refuse(c, post && c->listener->server->trusting ? 403 : 405);
		return;
	}
	buf_init(&r.body, c->listener->server->limits.reply_bytes);
	c->listener->server->handler(c->listener->server->arg, &q, &r);
	put_reply(c, &r, is_head);
	buf_fini(&r.body);
}

/* False when the connection is to answer what is in `out` and end, or has the whole request. */
static bool take_event(struct server_conn *c, enum h1_event event, struct span body)
{
	const struct http_message *m = &c->parser.message;
	size_t limit = c->listener->server->limits.body_bytes;

	if (event == H1_HEAD && m->framing == HTTP_LENGTH && m->content_length > limit) {
		refuse(c, 413);
		return false;
	}
	if (event == H1_DATA)
		buf_span_put(&c->body, body);
	if (c->body.err) {
		refuse(c, 413);
		return false;
	}
	if (event == H1_DONE) {
		answer(c);
		return false;
	}
	return event != H1_NEED_MORE;
}

/* Parse what is there, until a request has its answer in `out`. */
static void parse(struct server_conn *c)
{
	bool more = true;

	while (more) {
		enum h1_event event = H1_NEED_MORE;
		struct span body = {0};
		long n = h1_feed(&c->parser, buf_span(&c->in), &event, &body);

		if (n < 0) {
			refuse(c, c->parser.reject_status);
			return;
		}
		if (n > 0)
			enter(c, STAGE_READING);
		more = take_event(c, event, body);
		buf_consume(&c->in, (size_t)n);
	}
}

/* All that can be sent is sent. 0, ERR_AGAIN, ERR_CLOSED. */
static int flush(struct server_conn *c)
{
	while (buf_len(&c->out)) {
		struct span left = buf_span(&c->out);
		ssize_t n = send(c->fd, left.data, left.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_CLOSED;
		buf_consume(&c->out, (size_t)n);
	}
	return 0;
}

/* Parse, answer and send until the socket has no more to read, or takes no more. */
static void advance(struct server_conn *c)
{
	int err = flush(c);

	while (!err) {
		if (c->stage == STAGE_WRITING) { /* the answer is out */
			h1_next(&c->parser);
			buf_reset(&c->body);
			enter(c, STAGE_IDLE);
		}
		if (c->close_after)
			break;
		parse(c);
		if (c->out.err || c->body.err == ERR_NOMEM) {
			drop(c);
			return;
		}
		if (!buf_len(&c->out))
			break;
		enter(c, STAGE_WRITING);
		err = flush(c);
	}
	if (err == ERR_AGAIN) {
		event_del(&c->readable); /* the answer first */
		event_add(&c->writable, NULL);
	} else if (err || c->close_after || event_add(&c->readable, NULL)) {
		drop(c);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	advance(arg);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	drop(arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct server_conn *c = arg;
	char *room = buf_room(&c->in, INPUT_BYTES);
	ssize_t n = room ? recv(fd, room, INPUT_BYTES, 0) : 0;

	(void)what;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		drop(c);
		return;
	}
	if (n > 0)
		buf_grown(&c->in, (size_t)n);
	advance(c);
}

static int64_t peer_uid(int fd)
{
	struct sockaddr_storage local;
	socklen_t len = sizeof local;
	struct ucred who;

	if (getsockname(fd, (struct sockaddr *)&local, &len) || local.ss_family != AF_UNIX)
		return -1;
	len = sizeof who;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) ? -1 : (int64_t)who.uid;
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct server_listener *l = arg;
	const struct server_limits *limits = &l->server->limits;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct server_conn *c;

	(void)what;
	if (fd < 0)
		return;
	c = calloc(1, sizeof *c + limits->head_bytes);
	if (!c) {
		close(fd);
		return;
	}
	c->listener = l;
	c->fd = fd;
	c->uid = peer_uid(fd);
	h1_init(&c->parser, H1_REQUEST, c->head, limits->head_bytes);
	buf_init(&c->in, 2 * INPUT_BYTES);
	buf_init(&c->body, limits->body_bytes);
	buf_init(&c->out, limits->reply_bytes + HEAD_ROOM_BYTES);
	event_assign(&c->readable, l->server->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, l->server->base, fd, EV_WRITE, on_writable, c);
	evtimer_assign(&c->deadline, l->server->base, on_deadline, c);
	TAILQ_INSERT_HEAD(&l->server->conns, c, link);
	if (++l->open == limits->connections)
		event_del(&l->acceptable);
	enter(c, STAGE_IDLE);
	if (event_add(&c->readable, NULL))
		drop(c);
}

int server_new(struct event_base *base, struct server_limits limits, server_handler *handler, void *arg,
               struct server **server_out)
{
	struct server *s = calloc(1, sizeof *s);

	if (!s)
		return ERR_NOMEM;
	s->base = base;
	s->limits = limits;
	s->handler = handler;
	s->arg = arg;
	TAILQ_INIT(&s->conns);
	*server_out = s;
	return 0;
}

int server_listen(struct server *s, int fd, bool changes)
{
	struct server_listener *l = &s->listeners[s->listener_count];

	if (s->listener_count == LISTENERS_MAX)
		return ERR_LIMIT;
	*l = (struct server_listener){.server = s, .fd = fd, .changes = changes};
	event_assign(&l->acceptable, s->base, fd, EV_READ | EV_PERSIST, on_accept, l);
	if (event_add(&l->acceptable, NULL))
		return ERR_SYS;
	s->listener_count++;
	return 0;
}

int server_trust(struct server *s, struct span token)
{
	s->trusting = digest(token, s->token);
	return s->trusting ? 0 : ERR_SYS;
}

void server_deafen(struct server *s)
{
	for (unsigned i = 0; i < s->listener_count; i++) {
		s->listeners[i].deaf = true;
		event_del(&s->listeners[i].acceptable);
	}
}

void server_free(struct server **server)
{
	struct server *s = *server;
	struct server_conn *c;

	if (!s)
		return;
	while ((c = TAILQ_FIRST(&s->conns)) != NULL)
		drop(c);
	for (unsigned i = 0; i < s->listener_count; i++)
		event_del(&s->listeners[i].acceptable);
	free(s);
	*server = NULL;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static int decode(struct span from, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < from.len; i++) {
		int c = from.data[i];

		if (c == '%') {
			int high = i + 2 < from.len ? hex(from.data[i + 1]) : -1;
			int low = i + 2 < from.len ? hex(from.data[i + 2]) : -1;

			c = high < 0 || low < 0 ? 0 : high << 4 | low;
			i += 2;
		}
		if (c == 0)
			return ERR_PROTO;
		if (n + 1 >= size)
			return ERR_LIMIT;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return 0;
}

int server_query(struct span query, const char *key, char *out, size_t size)
{
	size_t len = strlen(key);

	while (query.len) {
		const char *amp = memchr(query.data, '&', query.len);
		size_t n = amp ? (size_t)(amp - query.data) : query.len;

		if (n > len && query.data[len] == '=' && !memcmp(query.data, key, len))
			return decode((struct span){query.data + len + 1, n - len - 1}, out, size);
		query.data += amp ? n + 1 : n;
		query.len -= amp ? n + 1 : n;
	}
	return ERR_CLOSED;
}
