/*
 * client.c - connections are slots, at most max_in_flight of them, kept until the client goes:
 *
 *   spare (no socket) --send--> busy --response, keep-alive--> idle (open) --send--> busy
 *     ^                           |                              |
 *     +------- any failure -------+------ closed, or a byte -----+
 *
 * A parser with its storage is there from an answer's first byte to its last: what waits holds little.
 * A request has a serial number; it is compared after every callback, because a callback may have
 * ended the request, started another in the same slot, or freed the client.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event_struct.h>

#include "proto/net/client.h"

enum { INPUT_BYTES = 16 * 1024, INFORMATIONAL_MAX = 8 };

struct answer {
	struct h1_parser parser;
	char head[H1_HEAD_MAX];
};

struct conn {
	TAILQ_ENTRY(conn) link; /* in spare, idle or busy */
	struct client *client;
	int fd;
	struct event readable, writable, deadline;
	bool connecting, used_before;
	unsigned moves;        /* of the client, when it was opened */
	struct answer *answer; /* NULL: no byte of one has come */
	/* the request, while serial is not 0 */
	uint64_t serial;
	char *request;
	size_t request_len, request_sent;
	bool is_head, replaced, sent_reported, response_began, head_reported, failed_at_once;
	unsigned informational;
	uint64_t body_bytes;
	struct client_events events;
	void *arg;
};

TAILQ_HEAD(conn_list, conn);

struct client {
	struct event_base *base;
	struct sockaddr_storage address;
	socklen_t address_len;
	struct client_limits limits;
	struct conn_list spare, idle, busy;
	unsigned moves, slots, in_flight, depth; /* depth: how many of our frames are on the stack */
	uint64_t serial;
	bool closing;
	char input[INPUT_BYTES];
};

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

static void *hold(struct client *c, size_t bytes)
{
	struct client_budget *b = c->limits.budget;
	void *held =
	        b && (b->bytes > b->limit_bytes || bytes > b->limit_bytes - b->bytes) ? NULL : malloc(bytes);

	if (b && held)
		b->bytes += bytes;
	return held;
}

static void let_go(struct client *c, void *held, size_t bytes)
{
	if (held && c->limits.budget)
		c->limits.budget->bytes -= bytes;
	free(held);
}

static void close_socket(struct conn *conn)
{
	if (conn->fd < 0)
		return;
	event_del(&conn->readable);
	event_del(&conn->writable);
	close(conn->fd);
	conn->fd = -1;
}

static void destroy_list(struct conn_list *list)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, conn, link);
		close_socket(conn);
		let_go(conn->client, conn, sizeof(*conn));
	}
}

static void enter(struct client *c)
{
	c->depth++;
}

/* The client may be gone afterwards. */
static void leave(struct client *c)
{
	if (--c->depth > 0 || !c->closing)
		return;
	destroy_list(&c->spare);
	destroy_list(&c->idle);
	free(c);
}

static void finish(struct conn *conn, enum client_result result, bool keep)
{
	struct client *c = conn->client;
	struct client_events events = conn->events;

	event_del(&conn->deadline);
	let_go(c, conn->request, conn->request_len + 1);
	let_go(c, conn->answer, sizeof(*conn->answer));
	conn->request = NULL;
	conn->answer = NULL;
	conn->serial = 0;
	c->in_flight--;
	TAILQ_REMOVE(&c->busy, conn, link);
	if (keep && !c->closing && conn->moves == c->moves) {
		conn->used_before = true;
		TAILQ_INSERT_HEAD(&c->idle, conn, link);
	} else {
		close_socket(conn);
		TAILQ_INSERT_HEAD(&c->spare, conn, link);
	}
	events.done(conn->arg, result);
}

/* Starts to connect. On failure the slot has no socket. */
static int open_socket(struct conn *conn)
{
	struct client *c = conn->client;
	int one = 1;

	conn->fd = socket(c->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		return ERR_SYS;
	conn->connecting = true;
	conn->used_before = false;
	conn->moves = c->moves;
	event_assign(&conn->readable, c->base, conn->fd, EV_READ | EV_PERSIST, on_readable, conn);
	event_assign(&conn->writable, c->base, conn->fd, EV_WRITE, on_writable, conn);
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if ((connect(conn->fd, (struct sockaddr *)&c->address, c->address_len) == 0 ||
	     errno == EINPROGRESS) &&
	    event_add(&conn->writable, NULL) == 0)
		return 0;
	close_socket(conn);
	return ERR_SYS;
}

/* The server may close an idle connection just as we reuse it: that one race is ours to hide. */
static bool replace(struct conn *conn)
{
	if (!conn->used_before || conn->replaced || conn->response_began)
		return false;
	conn->replaced = true;
	conn->request_sent = 0;
	close_socket(conn);
	if (open_socket(conn) < 0)
		finish(conn, CLIENT_CONNECT, false);
	return true;
}

static void on_head(struct conn *conn)
{
	const struct h1_message *m = &conn->answer->parser.message;

	if (m->status == 101 || (m->status < 200 && ++conn->informational > INFORMATIONAL_MAX)) {
		finish(conn, CLIENT_PROTOCOL, false);
		return;
	}
	if (m->status < 200)
		return;
	if (m->framing == H1_LENGTH && m->content_length > conn->client->limits.max_body_bytes) {
		finish(conn, CLIENT_TOO_LARGE, false);
		return;
	}
	conn->head_reported = true;
	if (conn->events.head != NULL)
		conn->events.head(conn->arg, m);
}

static void on_body(struct conn *conn, struct span body)
{
	if (body.len > conn->client->limits.max_body_bytes - conn->body_bytes) {
		finish(conn, CLIENT_TOO_LARGE, false);
		return;
	}
	conn->body_bytes += body.len;
	if (conn->events.body != NULL)
		conn->events.body(conn->arg, body);
}

/* `surplus`: bytes followed the response, so whatever comes next cannot be trusted. */
static void on_message_end(struct conn *conn, bool surplus)
{
	if (conn->answer->parser.message.status < 200) {
		h1_next(&conn->answer->parser);
		conn->answer->parser.head_request = conn->is_head;
		return;
	}
	finish(conn, CLIENT_OK,
	       conn->answer->parser.message.keep_alive && !surplus &&
	               conn->request_sent == conn->request_len);
}

static void feed(struct conn *conn, struct span input)
{
	uint64_t serial = conn->serial;
	enum h1_event event = H1_HEAD;
	struct span body;

	while (conn->serial == serial && event != H1_NEED_MORE) {
		long n = h1_feed(&conn->answer->parser, input, &event, &body);
		if (n < 0) {
			finish(conn, n == ERR_LIMIT ? CLIENT_TOO_LARGE : CLIENT_PROTOCOL, false);
			return;
		}
		input.data += n;
		input.len -= (size_t)n;
		if (event == H1_HEAD)
			on_head(conn);
		else if (event == H1_DATA)
			on_body(conn, body);
		else if (event == H1_DONE)
			on_message_end(conn, input.len > 0);
	}
}

static void on_closed(struct conn *conn, bool orderly)
{
	if (replace(conn))
		return;
	/* an end between a 1xx and the final response is one for the parser, not for us */
	if (orderly && conn->head_reported && h1_eof(&conn->answer->parser) == 0)
		feed(conn, SPAN(""));
	else
		finish(conn, CLIENT_RESET, false);
}

/* Without an answer afterwards: it does not fit. */
static void begin_answer(struct conn *conn)
{
	if (conn->answer != NULL)
		return;
	conn->answer = hold(conn->client, sizeof(*conn->answer));
	if (conn->answer == NULL)
		return;
	h1_init(&conn->answer->parser, H1_RESPONSE, conn->answer->head, sizeof(conn->answer->head));
	conn->answer->parser.head_request = conn->is_head;
}

static void on_input(struct conn *conn, ssize_t n)
{
	struct client *c = conn->client;

	if (conn->serial == 0) {
		TAILQ_REMOVE(&c->idle, conn, link);
		close_socket(conn);
		TAILQ_INSERT_HEAD(&c->spare, conn, link);
	} else if (n <= 0) {
		on_closed(conn, n == 0);
	} else if (conn->request_sent == 0) {
		finish(conn, CLIENT_PROTOCOL, false);
	} else {
		conn->response_began = true;
		begin_answer(conn);
		if (conn->answer == NULL)
			finish(conn, CLIENT_MEMORY, false);
		else
			feed(conn, (struct span){c->input, (size_t)n});
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;
	struct client *c = conn->client;
	ssize_t n = recv(fd, c->input, sizeof(c->input), 0);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	enter(c);
	on_input(conn, n);
	leave(c);
}

static void on_connected(struct conn *conn)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0 ||
	    event_add(&conn->readable, NULL) < 0) {
		finish(conn, CLIENT_CONNECT, false);
		return;
	}
	conn->connecting = false;
}

static void send_more(struct conn *conn)
{
	ssize_t n = send(conn->fd, conn->request + conn->request_sent, conn->request_len - conn->request_sent,
	                 MSG_NOSIGNAL);

	/* after a hard error the read side tells whether a response came before it */
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return;
	if (n > 0)
		conn->request_sent += (size_t)n;
	if (conn->request_sent < conn->request_len) {
		if (event_add(&conn->writable, NULL) < 0)
			finish(conn, CLIENT_RESET, false);
	} else if (!conn->sent_reported) {
		conn->sent_reported = true;
		if (conn->events.sent != NULL)
			conn->events.sent(conn->arg);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;
	struct client *c = conn->client;
	uint64_t serial = conn->serial;

	(void)fd;
	(void)what;
	enter(c);
	if (conn->connecting)
		on_connected(conn);
	if (conn->serial == serial)
		send_more(conn);
	leave(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;
	struct client *c = conn->client;

	(void)fd;
	(void)what;
	enter(c);
	finish(conn, conn->failed_at_once ? CLIENT_CONNECT : CLIENT_TIMEOUT, false);
	leave(c);
}

static struct conn *new_slot(struct client *c)
{
	struct conn *conn = c->slots < c->limits.max_in_flight ? hold(c, sizeof(*conn)) : NULL;

	if (conn == NULL)
		return NULL;
	memset(conn, 0, sizeof(*conn));
	conn->client = c;
	conn->fd = -1;
	event_assign(&conn->deadline, c->base, -1, 0, on_deadline, conn);
	TAILQ_INSERT_HEAD(&c->spare, conn, link);
	c->slots++;
	return conn;
}

/* An idle connection with anything to read is closed or poisoned: it must not meet a request. */
static bool is_quiet(const struct conn *conn)
{
	char byte;

	return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* A slot off every list: open and quiet if there is one, else without a socket. */
static struct conn *take_slot(struct client *c)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&c->idle)) != NULL) {
		TAILQ_REMOVE(&c->idle, conn, link);
		if (is_quiet(conn))
			return conn;
		close_socket(conn);
		TAILQ_INSERT_HEAD(&c->spare, conn, link);
	}
	conn = TAILQ_FIRST(&c->spare);
	if (conn == NULL)
		conn = new_slot(c);
	if (conn != NULL)
		TAILQ_REMOVE(&c->spare, conn, link);
	return conn;
}

static void start(struct conn *conn)
{
	int r;

	if (conn->fd >= 0)
		r = event_add(&conn->writable, NULL);
	else
		r = open_socket(conn);
	if (r < 0) {
		conn->failed_at_once = true;
		event_active(&conn->deadline, EV_TIMEOUT, 1);
	}
}

int client_send(struct client *c, struct span request, bool is_head, const struct client_events *events,
                void *arg)
{
	struct timeval deadline = {c->limits.timeout_ms / 1000, c->limits.timeout_ms % 1000 * 1000};
	struct conn *conn;
	char *copy;

	if (c->closing || c->in_flight >= c->limits.max_in_flight)
		return ERR_FULL;
	copy = hold(c, request.len + 1);
	conn = copy != NULL ? take_slot(c) : NULL;
	if (conn == NULL || event_add(&conn->deadline, &deadline) < 0)
		goto out;
	memcpy(copy, request.data, request.len);
	conn->serial = ++c->serial;
	conn->request = copy;
	conn->request_len = request.len;
	conn->request_sent = 0;
	conn->is_head = is_head;
	conn->replaced = conn->sent_reported = conn->response_began = false;
	conn->head_reported = conn->failed_at_once = false;
	conn->informational = 0;
	conn->body_bytes = 0;
	conn->events = *events;
	conn->arg = arg;
	c->in_flight++;
	TAILQ_INSERT_TAIL(&c->busy, conn, link);
	start(conn);
	return 0;
out:
	if (conn != NULL) {
		close_socket(conn);
		TAILQ_INSERT_HEAD(&c->spare, conn, link);
	}
	let_go(c, copy, request.len + 1);
	return ERR_NOMEM;
}

static int parse_address(struct client *c, const char *text, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&c->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&c->address;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		c->address_len = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		c->address_len = sizeof(*v6);
		return 0;
	}
	return ERR_CONFIG;
}

int client_new(struct event_base *base, const char *numeric_address, uint16_t port,
               struct client_limits limits, struct client **client_out)
{
	struct client *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return ERR_NOMEM;
	c->base = base;
	c->limits = limits;
	TAILQ_INIT(&c->spare);
	TAILQ_INIT(&c->idle);
	TAILQ_INIT(&c->busy);
	r = parse_address(c, numeric_address, port);
	if (r < 0) {
		free(c);
		return r;
	}
	*client_out = c;
	return 0;
}

void client_move(struct client *c, const struct sockaddr *to, socklen_t len)
{
	struct conn *conn;

	memset(&c->address, 0, sizeof(c->address));
	memcpy(&c->address, to, len < sizeof(c->address) ? len : 0);
	c->address_len = len;
	c->moves++;
	while ((conn = TAILQ_FIRST(&c->idle)) != NULL) {
		TAILQ_REMOVE(&c->idle, conn, link);
		close_socket(conn);
		TAILQ_INSERT_HEAD(&c->spare, conn, link);
	}
}

unsigned client_in_flight(const struct client *c)
{
	return c->in_flight;
}

/* New requests go to the tail with a higher serial, so what a done() sends is spared. */
static void cut_all(struct client *c)
{
	uint64_t last = c->serial;
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&c->busy)) != NULL && conn->serial <= last)
		finish(conn, CLIENT_CUT, false);
}

void client_cut(struct client *c)
{
	enter(c);
	cut_all(c);
	leave(c);
}

void client_free(struct client **client)
{
	struct client *c = *client;

	*client = NULL;
	if (c == NULL || c->closing)
		return;
	enter(c);
	c->closing = true;
	cut_all(c);
	leave(c);
}
