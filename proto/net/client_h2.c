/*
 * client_h2.c - connections of HTTP/2 that the requests of a client share, one stream each.
 *
 *   dialled (requests wait) -> open: streams -> (no new ones) -> closed
 *                           `-> ALPN says HTTP/1.1: the first request takes the connection, others their own
 *
 * There is a further connection only when the peer takes no more streams on those there are. A connection
 * reads and sends in its own callbacks alone; what a request wants said is queued, and kicks it.
 */
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/net/client_inside.h"
#include "proto/net/conn_h2.h"

enum {
	CONNECTION_BYTES = 64 * 1024, /* what the codec takes for one, about */
	UNSEEN_MAX = 2,
	LEARNED_MS = 60 * 1000, /* how long ALPN's choice of HTTP/1.1 is believed */
};

struct client_h2 {
	LIST_ENTRY(client_h2) link;
	struct client *client;
	struct conn conn;
	struct h2 *h2; /* NULL: not open */
	struct event kick;
	LIST_HEAD(, slot) legs;
	unsigned leg_count, unsent; /* unsent: requests that have not left whole */
	bool kicked, used;          /* used: a request ended here */
	bool leaving;               /* no new streams */
	bool deaf;                  /* it takes nothing more of us; answers may still come */
	unsigned moves;             /* of the client, when it was opened */
	uint64_t reads;
};

static bool secure(const struct client *c)
{
	return c->target.tls || c->target.tls_h2;
}

static size_t connection_bytes(const struct client *c)
{
	return sizeof(struct client_h2) + CONNECTION_BYTES + (secure(c) ? CLIENT_TLS_BYTES : 0);
}

static void kick(struct client_h2 *k)
{
	if (!k->kicked)
		event_active(&k->kick, EV_TIMEOUT, 0);
	k->kicked = true;
}

/* The request. */

static void feed_out(struct slot *s)
{
	struct h2_fields trailers;
	struct span next;

	while (!s->fed && !h2_full(s->stream)) {
		size_t n = s->piece.len < CLIENT_OUT_BYTES ? s->piece.len : CLIENT_OUT_BYTES;

		if (n) {
			h2_data(s->stream, (struct span){s->piece.data, n});
			s->piece.data += n;
			s->piece.len -= n;
			continue;
		}
		next = h2_text_data(&s->text);
		s->piece = next;
		if (next.len)
			continue;
		h2_text_trailers(&s->text, &trailers);
		h2_trailers(s->stream, &trailers);
		h2_end(s->stream);
		s->fed = true;
	}
}

/* False: the connection does not take it. */
static bool begin(struct slot *s)
{
	struct h2_fields fields;
	struct h2_request r;

	if (!h2_text_open(&s->text, (struct span){s->request, s->request_len}, &r, &fields))
		return false;
	r.scheme = secure(s->client) ? SPAN("https") : SPAN("http");
	s->stream = h2_request(s->on->h2, &r, s);
	if (!s->stream)
		return false;
	s->fed = r.end;
	feed_out(s);
	kick(s->on);
	return true;
}

static void part(struct slot *s)
{
	LIST_REMOVE(s, leg);
	s->on->leg_count--;
	s->on->unsent -= !s->sent_reported;
	s->on = NULL;
}

void client_h2_part(struct slot *s)
{
	struct client_h2 *k = s->on;

	k->used = true;
	if (s->stream) {
		s->stream->user = NULL;
		if (!s->heard_end || !s->fed)
			h2_reset(s->stream, H2_CANCEL);
		kick(k);
	}
	s->stream = NULL;
	part(s);
}

/* Nobody acted on it: once more, a few times, else it has failed. */
static void again(struct slot *s, enum client_result otherwise)
{
	if (s->response_began || ++s->unseen > UNSEEN_MAX) {
		client_finish(s, otherwise, false);
		return;
	}
	client_h2_part(s);
	client_send_again(s);
}

/* The response. */

static void on_head(void *owner, struct h2_stream *stream, const struct http_message *m)
{
	struct slot *s = stream->user;

	(void)owner;
	if (!s)
		return;
	s->response_began = true;
	client_told_head(s, m);
}

static void on_data(void *owner, struct h2_stream *stream, struct span bytes)
{
	(void)owner;
	if (stream->user)
		client_told_body(stream->user, bytes);
	h2_consumed(stream, bytes.len);
}

static void on_trailers(void *owner, struct h2_stream *stream, const struct http_message *m)
{
	(void)owner;
	if (stream->user)
		client_told_trailers(stream->user, m);
}

static void on_end(void *owner, struct h2_stream *stream)
{
	struct slot *s = stream->user;

	(void)owner;
	if (!s)
		return;
	s->heard_end = true;
	client_finish(s, s->head_reported ? CLIENT_OK : CLIENT_PROTOCOL, false);
}

static void on_closed(void *owner, struct h2_stream *stream, uint32_t code)
{
	struct client_h2 *k = owner;
	struct slot *s = stream->user;

	if (!s)
		return;
	stream->user = NULL;
	s->stream = NULL;
	k->client->streams = h2_streams_max(k->h2);
	if (code == H2_REFUSED_STREAM)
		again(s, CLIENT_RESET);
	else
		client_finish(s, code == H2_PROTOCOL_ERROR ? CLIENT_PROTOCOL : CLIENT_RESET, false);
}

static void on_broken(void *owner, enum h2_rule rule)
{
	(void)owner, (void)rule;
}

static void on_room(void *owner, struct h2_stream *stream)
{
	(void)owner;
	if (stream->user)
		feed_out(stream->user);
}

static void on_goaway(void *owner, uint32_t last, uint32_t code)
{
	struct client_h2 *k = owner;

	(void)last, (void)code;
	k->leaving = true;
}

static const struct h2_ops ops = {
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

static void free_connection(struct client_h2 *k)
{
	LIST_REMOVE(k, link);
	event_del(&k->kick);
	conn_close(&k->conn);
	h2_free(&k->h2);
	client_discharge(k->client->limits.budget, connection_bytes(k->client));
	free(k);
}

void client_h2_free_all(struct client *c)
{
	struct client_h2 *k;

	while ((k = LIST_FIRST(&c->shared)))
		free_connection(k);
}

/* One of use before, that died before it said a word to this request, was closed when the request was sent.
 */
static bool raced(const struct slot *s)
{
	return s->reused && s->reads == s->on->reads;
}

static void lost(struct client_h2 *k, enum client_result why)
{
	struct slot *s;

	k->leaving = true;
	while ((s = LIST_FIRST(&k->legs))) {
		if (why == CLIENT_RESET && raced(s))
			again(s, why);
		else
			client_finish(s, why, false);
	}
	free_connection(k);
}

static void begin_all(struct client_h2 *k)
{
	struct slot *s = LIST_FIRST(&k->legs);

	while (s) {
		struct slot *next = LIST_NEXT(s, leg);

		if (!s->stream && !begin(s)) {
			client_finish(s, CLIENT_MEMORY, false);
			next = LIST_FIRST(&k->legs); /* whoever heard of it may have ended others */
		}
		s = next;
	}
}

/* ALPN chose HTTP/1.1. */
static void step_down(struct client_h2 *k)
{
	struct client *c = k->client;
	bool taken = k->moves != c->moves;
	struct slot *s;

	c->h1_until_ns = clock_mono_ns() + (uint64_t)LEARNED_MS * 1000000u;
	k->leaving = true;
	while ((s = LIST_FIRST(&k->legs))) {
		part(s);
		if (taken)
			client_send_alone(s);
		else
			client_adopt(s, &k->conn);
		taken = true;
	}
	free_connection(k);
}

/* False: it is gone. */
static bool opened(struct client_h2 *k)
{
	static const struct h2_limits limits = {.connection_window = 1 << 20};

	if (k->conn.tls && !span_eq(tls_alpn(k->conn.tls), SPAN("h2"))) {
		if (k->client->target.tls)
			step_down(k);
		else
			lost(k, CLIENT_CONNECT);
		return false;
	}
	k->h2 = h2_new(H2_CLIENT, &limits, &ops, k);
	if (!k->h2) {
		lost(k, CLIENT_MEMORY);
		return false;
	}
	begin_all(k);
	return true;
}

/* It takes nothing more of us; answers may still come. */
static void deafen(struct client_h2 *k)
{
	k->leaving = k->deaf = true;
	conn_h2_mute(&k->conn);
}

/* 0, or the codec has failed. */
static int drain(struct client_h2 *k)
{
	int err = conn_h2_send(&k->conn, k->h2);

	if (err != ERR_CLOSED)
		return err;
	deafen(k);
	return 0;
}

/* Whose last byte has left? */
static void tell_sent(struct client_h2 *k)
{
	struct slot *s = LIST_FIRST(&k->legs);

	if (buf_len(&k->conn.out) || k->deaf)
		return;
	while (s && k->unsent) {
		struct slot *next = LIST_NEXT(s, leg);

		if (!s->sent_reported && s->stream && s->fed && !h2_waiting(s->stream)) {
			k->unsent--;
			client_told_sent(s);
			next = LIST_FIRST(&k->legs);
		}
		s = next;
	}
}

static void turn_end(struct client_h2 *k)
{
	bool open = k->h2 != NULL;

	if (open && !k->deaf && drain(k)) {
		lost(k, CLIENT_PROTOCOL);
		return;
	}
	if (open)
		tell_sent(k);
	if (open && (h2_over(k->h2) ||
	             ((k->leaving || k->moves != k->client->moves) && !k->leg_count && !h2_streams(k->h2))))
		lost(k, CLIENT_RESET);
	else
		conn_rest(&k->conn);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct client_h2 *k = arg;
	struct client *c = k->client;

	(void)fd, (void)what;
	client_enter(c);
	k->kicked = false;
	turn_end(k);
	client_leave(c);
}

static void on_turn(void *owner, unsigned news)
{
	struct client_h2 *k = owner;
	struct client *c = k->client;
	bool opening = conn_opening(&k->conn);
	bool gone = news & CONN_EOF || (news & CONN_BROKEN && (opening || k->conn.eof));

	client_enter(c);
	if (gone) {
		lost(k, opening ? CLIENT_CONNECT : CLIENT_RESET);
	} else if (news & CONN_BROKEN) {
		deafen(k);
	} else if (news & CONN_OPENED) {
		gone = !opened(k);
	} else if (news & CONN_INPUT) {
		k->reads++;
		/* what went wrong is told by the drain that follows */
		if (h2_feed(k->h2, buf_span(&k->conn.in), clock_mono_ns()))
			k->leaving = true;
		buf_consume(&k->conn.in, buf_len(&k->conn.in));
	}
	if (!gone)
		turn_end(k);
	client_leave(c);
}

static struct client_h2 *dial(struct client *c, int *err_out)
{
	struct client_h2 *k;

	*err_out = ERR_NOMEM;
	if (!client_charge(c->limits.budget, connection_bytes(c)))
		return NULL;
	k = calloc(1, sizeof *k);
	if (!k) {
		client_discharge(c->limits.budget, connection_bytes(c));
		return NULL;
	}
	k->client = c;
	k->moves = c->moves;
	LIST_INIT(&k->legs);
	conn_init(&k->conn, c->base, on_turn, k);
	event_assign(&k->kick, c->base, -1, 0, on_kick, k);
	LIST_INSERT_HEAD(&c->shared, k, link);
	*err_out = ERR_SYS;
	if (client_connect(c, &k->conn, c->target.tls_h2)) {
		free_connection(k);
		return NULL;
	}
	return k;
}

static bool has_room(const struct client_h2 *k)
{
	const struct client *c = k->client;

	if (k->leaving || k->moves != c->moves)
		return false;
	return k->h2 ? h2_room(k->h2) > 0 : k->leg_count < (c->streams ? c->streams : H2_STREAMS);
}

/* A peer that takes no streams for now is not asked for them on ever more connections. */
static bool takes_none(const struct client *c)
{
	const struct client_h2 *k;

	LIST_FOREACH(k, &c->shared, link)
	if (k->h2 && !k->leaving && k->moves == c->moves && !h2_streams_max(k->h2))
		return true;
	return false;
}

bool client_h2_spoken(const struct client *c)
{
	return secure(c) ? c->target.tls_h2 && (!c->h1_until_ns || clock_mono_ns() >= c->h1_until_ns)
	                 : c->target.h2;
}

bool client_h2_warm(const struct client *c)
{
	const struct client_h2 *k;

	LIST_FOREACH(k, &c->shared, link)
	if (k->h2 && has_room(k))
		return true;
	return false;
}

/* One that opens just now is as fresh as can be; one in use gives way to it. */
static struct client_h2 *find_fresh(const struct client *c)
{
	struct client_h2 *k;

	LIST_FOREACH(k, &c->shared, link)
	if (!k->h2 && has_room(k))
		return k;
	LIST_FOREACH(k, &c->shared, link)
	{
		k->leaving = true;
		kick(k);
	}
	return NULL;
}

static struct client_h2 *find_connection(const struct client *c)
{
	struct client_h2 *k = LIST_FIRST(&c->shared);

	while (k && !has_room(k))
		k = LIST_NEXT(k, link);
	return k;
}

int client_h2_join(struct slot *s)
{
	struct client_h2 *k = s->fresh ? find_fresh(s->client) : find_connection(s->client);
	int err = ERR_SYS;

	if (!k && !takes_none(s->client))
		k = dial(s->client, &err);
	if (!k)
		return err;
	s->on = k;
	s->stream = NULL;
	s->piece = (struct span){"", 0};
	s->reads = k->reads;
	s->reused = k->used;
	s->fed = s->heard_end = s->sent_reported = false;
	LIST_INSERT_HEAD(&k->legs, s, leg);
	k->leg_count++;
	k->unsent++;
	if (!k->h2 || begin(s))
		return 0;
	part(s);
	return ERR_NOMEM;
}
