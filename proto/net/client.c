/*
 * client.c - requests are slots, at most max_in_flight of them, kept until the client goes. In HTTP/1.1 each
 * has a connection of its own:
 *
 *   spare (closed) --send--> busy --response, keep-alive--> idle (open) --send--> busy
 *     ^                        |                              |
 *     +------ any failure -----+------ closed, or a byte -----+
 *
 * The busy list is in order of deadlines: one timer watches its head. What client_send() took leaves in the
 * same turn of the loop, from on_kick(). A parser is lent to a slot from the first byte of its response to
 * the last.
 *
 * A request has a serial number; it is compared after every callback, because a callback may have
 * ended the request, started another in the same slot, or freed the client.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/net/client_inside.h"

enum { INFORMATIONAL_MAX = 8 };

static void on_turn(void *owner, unsigned news);

/* What an open connection may take beside its request. */
static size_t slot_bytes(const struct client *c)
{
	return sizeof(struct slot) + (c->target.tls ? CLIENT_TLS_BYTES : 0);
}

static bool lend_codec(struct slot *s)
{
	if (!s->codec)
		s->codec = client_codec_take(s->client->limits.budget, s->is_head);
	return s->codec != NULL;
}

static void destroy_list(struct slot_list *list)
{
	struct slot *s;

	while ((s = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, s, link);
		conn_close(&s->conn);
		client_discharge(s->client->limits.budget, slot_bytes(s->client));
		free(s);
	}
}

static void destroy(struct client *c)
{
	event_del(&c->timer);
	event_del(&c->kick);
	destroy_list(&c->spare);
	destroy_list(&c->idle);
	client_h2_free_all(c);
	tls_context_unref(&c->target.tls);
	tls_context_unref(&c->target.tls_h2);
	free(c);
}

void client_enter(struct client *c)
{
	c->depth++;
}

/* The client may be gone afterwards. */
void client_leave(struct client *c)
{
	if (--c->depth == 0 && c->closing)
		destroy(c);
}

/* Idle no more. */
static void put_away(struct slot *s)
{
	TAILQ_REMOVE(&s->client->idle, s, link);
	conn_close(&s->conn);
	TAILQ_INSERT_HEAD(&s->client->spare, s, link);
}

static void unkick(struct slot *s)
{
	if (s->waiting)
		STAILQ_REMOVE(&s->client->kicked, s, slot, kicked);
	s->waiting = false;
}

static void forget_request(struct slot *s)
{
	client_discharge(s->client->limits.budget, s->request_len);
	free(s->request);
	s->request = NULL;
}

void client_finish(struct slot *s, enum client_result result, bool keep)
{
	struct client *c = s->client;
	unkick(s);
	if (s->on)
		client_h2_part(s);
	forget_request(s);
	client_codec_give_back(s->client->limits.budget, &s->codec, result == CLIENT_OK);
	s->serial = 0;
	c->in_flight--;
	TAILQ_REMOVE(&c->busy, s, link);
	if (keep && !c->closing && s->moves == c->moves) {
		s->used_before = true;
		conn_rest(&s->conn);
		TAILQ_INSERT_HEAD(&c->idle, s, link);
	} else {
		conn_close(&s->conn);
		TAILQ_INSERT_HEAD(&c->spare, s, link);
	}
	s->events.done(s->arg, result);
}

int client_connect(const struct client *c, struct conn *conn, struct tls_context *tls)
{
	const struct client_target *t = &c->target;

	if (t->address_len == 0)
		return ERR_SYS;
	return t->dialer ? conn_dial(conn, t->dialer, tls, t->host)
	                 : conn_connect(conn, (const struct sockaddr *)&t->address, t->address_len, tls,
	                                t->host);
}

/* Starts to connect. On failure the slot stays closed. */
static int open_slot(struct slot *s)
{
	const struct client *c = s->client;

	s->used_before = false;
	s->moves = c->moves;
	conn_init(&s->conn, c->base, on_turn, s);
	return client_connect(c, &s->conn, c->target.tls);
}

/* The server may close an idle connection just as we reuse it: that one race is ours to hide. */
static bool replace(struct slot *s)
{
	if (!s->used_before || s->replaced || s->response_began)
		return false;
	s->handed = 0;
	unkick(s);
	conn_close(&s->conn);
	if (open_slot(s) < 0)
		client_finish(s, CLIENT_CONNECT, false);
	return true;
}

/* --- the response --- */

void client_told_head(struct slot *s, const struct http_message *m)
{
	if (m->status == 101 || (m->status < 200 && ++s->informational > INFORMATIONAL_MAX)) {
		client_finish(s, CLIENT_PROTOCOL, false);
		return;
	}
	if (m->status < 200)
		return;
	if (m->framing == HTTP_LENGTH && m->content_length > s->client->limits.max_body_bytes) {
		client_finish(s, CLIENT_TOO_LARGE, false);
		return;
	}
	s->head_reported = true;
	if (s->events.head != NULL)
		s->events.head(s->arg, m);
}

void client_told_body(struct slot *s, struct span body)
{
	if (body.len > s->client->limits.max_body_bytes - s->body_bytes) {
		client_finish(s, CLIENT_TOO_LARGE, false);
		return;
	}
	s->body_bytes += body.len;
	if (s->events.body != NULL)
		s->events.body(s->arg, body);
}

void client_told_trailers(struct slot *s, const struct http_message *m)
{
	if (s->events.trailers != NULL)
		s->events.trailers(s->arg, m);
}

/* Bytes behind the response: whatever comes next cannot be trusted. */
static void on_message_end(struct slot *s)
{
	struct h1_parser *p = &s->codec->parser;

	if (p->message.status < 200) {
		h1_next(p);
		p->head_request = s->is_head;
		return;
	}
	client_finish(s, CLIENT_OK,
	              p->message.keep_alive && !s->conn.eof && !buf_len(&s->conn.in) && s->sent_reported);
}

/* One event of the parser. False when there is none. */
static bool step(struct slot *s)
{
	uint64_t serial = s->serial;
	enum h1_event event;
	struct span body;
	long n = h1_feed(&s->codec->parser, buf_span(&s->conn.in), &event, &body);

	if (n < 0) {
		client_finish(s, n == ERR_LIMIT ? CLIENT_TOO_LARGE : CLIENT_PROTOCOL, false);
		return false;
	}
	if (event == H1_HEAD)
		client_told_head(s, &s->codec->parser.message);
	else if (event == H1_DATA)
		client_told_body(s, body);
	else if (event == H1_TRAILERS)
		client_told_trailers(s, &s->codec->parser.message);
	if (s->serial != serial)
		return false;
	buf_consume(&s->conn.in, (size_t)n);
	if (event == H1_DONE)
		on_message_end(s);
	return s->serial == serial && event != H1_NEED_MORE;
}

static void on_input(struct slot *s)
{
	if (s->handed == buf_len(&s->conn.out)) { /* an answer before the question */
		client_finish(s, CLIENT_PROTOCOL, false);
		return;
	}
	s->response_began = true;
	if (!lend_codec(s)) {
		client_finish(s, CLIENT_MEMORY, false);
		return;
	}
	while (step(s))
		;
	if (s->serial != 0)
		conn_rest(&s->conn);
}

static void on_closed(struct slot *s, bool orderly)
{
	if (replace(s))
		return;
	/* an end between a 1xx and the final response is one for the parser, not for us */
	if (!orderly || !s->head_reported || h1_eof(&s->codec->parser)) {
		client_finish(s, CLIENT_RESET, false);
		return;
	}
	while (step(s))
		;
}

/* --- the request --- */

void client_told_sent(struct slot *s)
{
	s->sent_reported = true;
	if (s->events.sent != NULL)
		s->events.sent(s->arg);
}

static void pump(struct slot *s)
{
	struct conn *conn = &s->conn;
	size_t len = s->request_len;

	while (s->handed < len && !conn->blocked) {
		size_t n = len - s->handed < CLIENT_OUT_BYTES ? len - s->handed : CLIENT_OUT_BYTES;
		struct buf *out = conn_out(conn);

		buf_put(out, s->request + s->handed, n);
		if (out->err) {
			client_finish(s, CLIENT_MEMORY, false);
			return;
		}
		s->handed += n;
		/* after a hard error the read side tells whether a response came before it */
		if (conn_flush(conn))
			return;
	}
	if (s->handed < len || buf_len(&conn->out) || s->sent_reported)
		return;
	conn_rest(conn); /* many may wait for an answer: they share the buffers of those that move */
	client_told_sent(s);
}

static void on_busy(struct slot *s, unsigned news)
{
	bool write_failed = (news & CONN_BROKEN) && !s->conn.eof;

	if ((news & CONN_BROKEN) && conn_opening(&s->conn))
		client_finish(s, CLIENT_CONNECT, false);
	else if (news & (CONN_OPENED | CONN_SENT))
		pump(s);
	else if (news & CONN_INPUT)
		on_input(s);
	else if (!write_failed)
		on_closed(s, news & CONN_EOF);
}

static void on_turn(void *owner, unsigned news)
{
	struct slot *s = owner;
	struct client *c = s->client;

	if (s->serial == 0) { /* an idle connection has nothing to say */
		put_away(s);
		return;
	}
	client_enter(c);
	on_busy(s, news);
	client_leave(c);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	struct slot *s;

	(void)fd, (void)what;
	client_enter(c);
	while ((s = STAILQ_FIRST(&c->kicked)) != NULL) {
		unkick(s);
		if (s->conn.fd == -1)
			client_finish(s, CLIENT_CONNECT, false);
		else
			pump(s);
	}
	client_leave(c);
}

static void watch_deadlines(struct client *c, uint64_t now_ns)
{
	const struct slot *first = TAILQ_FIRST(&c->busy);
	uint64_t us = first && first->deadline_ns > now_ns ? (first->deadline_ns - now_ns + 999) / 1000 : 0;
	struct timeval wait = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

	if (first && !c->timer_runs)
		c->timer_runs = event_add(&c->timer, &wait) == 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	uint64_t now_ns = clock_mono_ns();
	struct slot *s;

	(void)fd, (void)what;
	client_enter(c);
	while ((s = TAILQ_FIRST(&c->busy)) != NULL && s->deadline_ns <= now_ns)
		client_finish(s, CLIENT_TIMEOUT, false);
	c->timer_runs = false;
	watch_deadlines(c, now_ns);
	client_leave(c);
}

static struct slot *new_slot(struct client *c)
{
	struct slot *s;

	if (c->slots == c->limits.max_in_flight || !client_charge(c->limits.budget, slot_bytes(c)))
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		client_discharge(c->limits.budget, slot_bytes(c));
		return NULL;
	}
	s->client = c;
	conn_init(&s->conn, c->base, on_turn, s);
	TAILQ_INSERT_HEAD(&c->spare, s, link);
	c->slots++;
	return s;
}

/* An idle connection with news is closed or poisoned, and must not meet a request. */
static struct slot *find_open(const struct client *c)
{
	struct slot *s;

	TAILQ_FOREACH(s, &c->idle, link)
	if (!conn_has_news(&s->conn))
		return s;
	return NULL;
}

/* A slot to use, still on its list: open if there is one, and wanted, else closed. */
static struct slot *find_slot(struct client *c, bool fresh)
{
	struct slot *s = fresh ? NULL : find_open(c);

	if (s != NULL)
		return s;
	s = TAILQ_FIRST(&c->spare);
	if (s != NULL)
		return s;
	s = new_slot(c);
	if (s != NULL || (s = TAILQ_FIRST(&c->idle)) == NULL)
		return s;
	put_away(s);
	return s;
}

/* It is sent in this turn of the loop, or told that it cannot be. */
static void await_kick(struct slot *s)
{
	struct client *c = s->client;

	if (STAILQ_EMPTY(&c->kicked))
		event_active(&c->kick, EV_TIMEOUT, 0);
	s->waiting = true;
	STAILQ_INSERT_TAIL(&c->kicked, s, kicked);
}

static void start(struct slot *s)
{
	if (s->conn.fd == -1 && client_h2_spoken(s->client) ? client_h2_join(s) < 0
	                                                    : s->conn.fd != -1 || open_slot(s) < 0)
		await_kick(s);
}

void client_send_again(struct slot *s)
{
	s->replaced = true;
	s->fresh = false;
	s->handed = 0;
	start(s);
}

void client_send_alone(struct slot *s)
{
	s->handed = 0;
	if (open_slot(s) < 0)
		await_kick(s);
}

void client_adopt(struct slot *s, struct conn *from)
{
	s->handed = 0;
	s->used_before = false;
	s->moves = s->client->moves;
	conn_init(&s->conn, s->client->base, on_turn, s);
	conn_move(&s->conn, from);
	await_kick(s);
}

/* Those that came before mostly end before. */
static void insert_busy(struct client *c, struct slot *s)
{
	struct slot *before = TAILQ_LAST(&c->busy, slot_list);

	while (before && before->deadline_ns > s->deadline_ns)
		before = TAILQ_PREV(before, slot_list, link);
	if (before)
		TAILQ_INSERT_AFTER(&c->busy, before, s, link);
	else
		TAILQ_INSERT_HEAD(&c->busy, s, link);
}

static bool keep_request(struct slot *s, struct span request)
{
	if (!client_charge(s->client->limits.budget, request.len))
		return false;
	s->request = malloc(request.len + 1);
	if (!s->request) {
		client_discharge(s->client->limits.budget, request.len);
		return false;
	}
	memcpy(s->request, request.data, request.len);
	s->request_len = request.len;
	return true;
}

int client_send(struct client *c, struct span request, const struct client_how *how,
                const struct client_events *events, void *arg)
{
	unsigned limit_ms = c->limits.timeout_ms;
	uint64_t now_ns = clock_mono_ns();
	struct slot *s;

	if (c->closing || c->in_flight >= c->limits.max_in_flight)
		return ERR_FULL;
	s = find_slot(c, how->fresh);
	if (s == NULL)
		return ERR_NOMEM;
	if (!keep_request(s, request))
		return ERR_NOMEM;
	TAILQ_REMOVE(s->conn.fd == -1 ? &c->spare : &c->idle, s, link);
	s->serial = ++c->serial;
	if (how->timeout_ms && how->timeout_ms < limit_ms)
		limit_ms = how->timeout_ms;
	s->deadline_ns = now_ns + (uint64_t)limit_ms * 1000000u;
	insert_busy(c, s);
	if (limit_ms < c->limits.timeout_ms && TAILQ_FIRST(&c->busy) == s)
		c->timer_runs = false; /* it runs for a later one */
	s->handed = 0;
	s->is_head = how->is_head;
	s->fresh = how->fresh;
	s->replaced = s->sent_reported = s->response_began = s->head_reported = false;
	s->informational = s->unseen = 0;
	s->body_bytes = 0;
	s->events = *events;
	s->arg = arg;
	c->in_flight++;
	watch_deadlines(c, now_ns);
	start(s);
	return 0;
}

int client_new(struct event_base *base, const struct client_target *target, struct client_limits limits,
               struct client **client_out)
{
	const char *host = target->host ? target->host : "";
	struct client *c = calloc(1, sizeof(*c) + strlen(host) + 1);

	if (c == NULL)
		return ERR_NOMEM;
	c->base = base;
	c->target = *target;
	c->target.host = c->host;
	c->target.tls = target->tls ? tls_context_ref(target->tls) : NULL;
	c->target.tls_h2 = target->tls_h2 ? tls_context_ref(target->tls_h2) : NULL;
	memcpy(c->host, host, strlen(host));
	c->limits = limits;
	TAILQ_INIT(&c->spare);
	TAILQ_INIT(&c->idle);
	TAILQ_INIT(&c->busy);
	STAILQ_INIT(&c->kicked);
	LIST_INIT(&c->shared);
	event_assign(&c->timer, base, -1, 0, on_timer, c);
	event_assign(&c->kick, base, -1, 0, on_kick, c);
	*client_out = c;
	return 0;
}

void client_move(struct client *c, const struct sockaddr *to, socklen_t len)
{
	struct slot *s;

	memset(&c->target.address, 0, sizeof(c->target.address));
	memcpy(&c->target.address, to, len);
	c->target.address_len = len;
	c->moves++;
	while ((s = TAILQ_FIRST(&c->idle)) != NULL)
		put_away(s);
}

bool client_warm(const struct client *c)
{
	return find_open(c) != NULL || (client_h2_spoken(c) && client_h2_warm(c));
}

unsigned client_in_flight(const struct client *c)
{
	return c->in_flight;
}

/* New requests have a higher serial, so what a done() sends is spared. */
static void cut_all(struct client *c)
{
	uint64_t last = c->serial;
	struct slot *s;

	do {
		s = TAILQ_FIRST(&c->busy);
		while (s && s->serial > last)
			s = TAILQ_NEXT(s, link);
		if (s)
			client_finish(s, CLIENT_CUT, false);
	} while (s);
}

void client_cut(struct client *c)
{
	client_enter(c);
	cut_all(c);
	client_leave(c);
}

void client_free(struct client **client)
{
	struct client *c = *client;

	*client = NULL;
	if (c == NULL || c->closing)
		return;
	client_enter(c);
	c->closing = true;
	cut_all(c);
	client_leave(c);
}
