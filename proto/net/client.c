/*
 * client.c - connections of one endpoint, one request at a time each.
 *
 *   idle list <-> busy list; a connection leaves for the graveyard when it closes and is freed at the next turn
 *   of the loop, so no callback ever runs on freed memory.
 */
#define _GNU_SOURCE
#include "proto/net/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 32 * 1024, IN_LIMIT = 1 << 20 };

struct connection {
	struct client *client;
	int fd;
	struct event *readable, *writable, *deadline;
	struct buf in, request;
	size_t sent_bytes;
	struct h1_parser parser;
	uint64_t body_bytes;
	bool connected, used_before, answered, busy, dead;
	const struct client_events *events;
	void *arg;
	struct connection *next;
	char head[H1_HEAD_MAX];
};

struct client {
	struct event_base *base;
	struct sockaddr_in to;
	struct client_limits limits;
	struct connection *all;
	struct event *bury;
	unsigned in_flight;
};

static void close_fd(struct connection *c)
{
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	c->readable = c->writable = NULL;
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->connected = false;
}

static void connection_free(struct connection *c)
{
	close_fd(c);
	if (c->deadline)
		event_free(c->deadline);
	buf_fini(&c->in);
	buf_fini(&c->request);
	free(c);
}

static void on_bury(evutil_socket_t fd, short what, void *arg)
{
	struct client *client = arg;
	struct connection **at = &client->all;

	(void)fd, (void)what;
	while (*at) {
		struct connection *c = *at;

		if (!c->dead) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		connection_free(c);
	}
}

static void retire(struct connection *c)
{
	c->dead = true;
	close_fd(c);
	event_active(c->client->bury, EV_TIMEOUT, 0);
}

/* The request is over; the connection stays only when `reuse`. */
static void finish(struct connection *c, enum client_result result, bool reuse)
{
	const struct client_events *events = c->events;
	void *arg = c->arg;

	if (!c->busy)
		return;
	c->busy = false;
	c->client->in_flight--;
	event_del(c->deadline);
	if (reuse) {
		c->used_before = true;
		h1_next(&c->parser);
	} else {
		retire(c);
	}
	events->done(arg, result);
}

static void on_ready(evutil_socket_t fd, short what, void *arg);

static int dial(struct connection *c)
{
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		return ERR_SYS;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(c->fd, (struct sockaddr *)&c->client->to, sizeof c->client->to) == -1 && errno != EINPROGRESS)
		return ERR_SYS;
	c->readable = event_new(c->client->base, c->fd, EV_READ | EV_PERSIST, on_ready, c);
	c->writable = event_new(c->client->base, c->fd, EV_WRITE, on_ready, c);
	if (!c->readable || !c->writable || event_add(c->writable, NULL) || event_add(c->readable, NULL))
		return ERR_NOMEM;
	return 0;
}

/* A used connection that closed before any answer byte is replaced once. */
static void broke(struct connection *c, enum client_result result)
{
	if (!c->busy) {
		retire(c);
		return;
	}
	if (c->used_before && !c->answered && result == CLIENT_RESET) {
		close_fd(c);
		c->used_before = false;
		c->sent_bytes = 0;
		buf_reset(&c->in);
		if (dial(c))
			finish(c, CLIENT_CONNECT, false);
		return;
	}
	finish(c, result, false);
}

static void push(struct connection *c)
{
	struct span all = buf_span(&c->request);

	while (c->fd != -1 && c->sent_bytes < all.len) {
		ssize_t n = send(c->fd, all.data + c->sent_bytes, all.len - c->sent_bytes, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (event_add(c->writable, NULL))
				broke(c, CLIENT_RESET);
			return;
		}
		if (n == -1) {
			broke(c, CLIENT_RESET);
			return;
		}
		c->sent_bytes += (size_t)n;
		if (c->sent_bytes == all.len && c->events->sent)
			c->events->sent(c->arg);
	}
}

static bool final_head(const struct connection *c)
{
	return c->parser.message.status / 100 != 1;
}

/* One event of the answer; false when the request is over. */
static bool take(struct connection *c, enum h1_event event, struct span body)
{
	if (event == H1_HEAD && c->parser.message.status == 101) {
		finish(c, CLIENT_PROTOCOL, false);
		return false;
	} else if (event == H1_HEAD && final_head(c) && c->events->head) {
		c->events->head(c->arg, &c->parser.message);
	} else if (event == H1_DATA) {
		c->body_bytes += body.len;
		if (c->body_bytes > c->client->limits.max_body_bytes) {
			finish(c, CLIENT_TOO_LARGE, false);
			return false;
		}
		if (c->events->body)
			c->events->body(c->arg, body);
	} else if (event == H1_DONE && !final_head(c)) {
		h1_next(&c->parser);
	}
	return c->busy;
}

static void parse(struct connection *c, bool eof)
{
	for (;;) {
		enum h1_event event = H1_NEED_MORE;
		struct span body = { 0 };
		long n = h1_feed(&c->parser, buf_span(&c->in), &event, &body);
		bool over = n >= 0 && event == H1_DONE && final_head(c);

		if (n < 0) {
			finish(c, n == ERR_LIMIT ? CLIENT_TOO_LARGE : CLIENT_PROTOCOL, false);
			return;
		}
		if (!over && !take(c, event, body))
			return;
		buf_consume(&c->in, (size_t)n);
		if (over) {
			finish(c, CLIENT_OK,
			       !eof && c->parser.message.keep_alive && c->parser.message.framing != H1_UNTIL_CLOSE &&
				       !buf_len(&c->in) && c->sent_bytes == buf_len(&c->request));
			return;
		}
		if (event == H1_NEED_MORE)
			return;
	}
}

static void ended(struct connection *c)
{
	parse(c, true);
	if (!c->busy && c->dead)
		return;
	if (c->busy && c->answered && h1_eof(&c->parser) == 0)
		finish(c, CLIENT_OK, false);
	else
		broke(c, CLIENT_RESET);
}

static void pull(struct connection *c)
{
	char *room = buf_room(&c->in, READ_BYTES);
	ssize_t n = room ? recv(c->fd, room, READ_BYTES, 0) : -1;

	if (n == -1 && room && (errno == EAGAIN || errno == EINTR || errno == EWOULDBLOCK))
		return;
	if (n > 0 && !c->busy) { /* bytes that nobody asked for */
		retire(c);
	} else if (n > 0) {
		buf_grown(&c->in, (size_t)n);
		c->answered = true;
		parse(c, false);
	} else if (n == 0 && c->busy) {
		ended(c);
	} else {
		broke(c, CLIENT_RESET);
	}
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;
	int err = 0;
	socklen_t len = sizeof err;

	if (!c->connected && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err) {
		finish(c, CLIENT_CONNECT, false);
		return;
	}
	if (what & EV_WRITE) {
		c->connected = true;
		push(c);
	}
	if ((what & EV_READ) && c->connected && c->fd != -1)
		pull(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	finish(arg, CLIENT_TIMEOUT, false);
}

int client_new(struct event_base *base, const char *numeric_address, uint16_t port, struct client_limits limits,
	       struct client **client_out)
{
	struct client *client = calloc(1, sizeof *client);

	if (!client)
		return ERR_NOMEM;
	client->base = base;
	client->limits = limits;
	client->to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	client->bury = event_new(base, -1, 0, on_bury, client);
	if (!client->bury || inet_pton(AF_INET, numeric_address, &client->to.sin_addr) != 1) {
		int err = client->bury ? ERR_CONFIG : ERR_NOMEM;

		if (client->bury)
			event_free(client->bury);
		free(client);
		return err;
	}
	*client_out = client;
	return 0;
}

void client_cut(struct client *client)
{
	for (struct connection *c = client->all, *next; c; c = next) {
		next = c->next;
		finish(c, CLIENT_CUT, false);
	}
}

void client_free(struct client **at)
{
	struct client *client = *at;

	if (!client)
		return;
	*at = NULL;
	client_cut(client);
	while (client->all) {
		struct connection *c = client->all;

		client->all = c->next;
		connection_free(c);
	}
	event_free(client->bury);
	free(client);
}

static struct connection *idle_or_new(struct client *client)
{
	struct connection *c;

	for (c = client->all; c; c = c->next)
		if (!c->busy && !c->dead)
			return c;
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->client = client;
	c->fd = -1;
	buf_init(&c->in, IN_LIMIT);
	buf_init(&c->request, SIZE_MAX / 2);
	h1_init(&c->parser, H1_RESPONSE, c->head, sizeof c->head);
	c->deadline = evtimer_new(client->base, on_deadline, c);
	if (!c->deadline) {
		free(c);
		return NULL;
	}
	c->next = client->all;
	client->all = c;
	return c;
}

int client_send(struct client *client, struct span request, bool is_head, const struct client_events *events, void *arg)
{
	struct timeval deadline = { client->limits.timeout_ms / 1000, client->limits.timeout_ms % 1000 * 1000 };
	struct connection *c;

	if (client->in_flight >= client->limits.max_in_flight)
		return ERR_FULL;
	c = idle_or_new(client);
	if (!c)
		return ERR_NOMEM;
	buf_reset(&c->request);
	buf_span_put(&c->request, request);
	if (c->request.err || event_add(c->deadline, &deadline)) {
		retire(c);
		return ERR_NOMEM;
	}
	c->sent_bytes = 0;
	c->body_bytes = 0;
	c->answered = false;
	c->parser.head_request = is_head;
	c->events = events;
	c->arg = arg;
	c->busy = true;
	client->in_flight++;
	if (c->fd == -1 && dial(c)) { /* done() must not run inside this call */
		static const struct timeval now = { 0, 1 };

		close_fd(c);
		event_add(c->deadline, &now);
	} else if (c->connected) {
		event_add(c->writable, NULL);
	}
	return 0;
}

unsigned client_in_flight(const struct client *client)
{
	return client->in_flight;
}
