/*
 * fuzz_client.c - the HTTP client against a server that answers any bytes, over loopback. Whatever comes,
 * each request ends exactly once, within its body limit, and no slot is lost.
 * Input: one byte of how the answer is cut, then the answers to two requests.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/net/client.h"

enum { BODY_LIMIT = 300, TURNS_MAX = 400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct request {
	unsigned heads, dones;
	uint64_t body;
	enum client_result result;
};

static struct event_base *base;
static int listener = -1, peer = -1;
static struct client_target target;

static void on_head(void *arg, const struct http_message *m)
{
	struct request *r = arg;

	if (m->status < 200 || m->status > 999 || r->dones || r->heads++)
		abort();
}

static void on_body(void *arg, struct span bytes)
{
	struct request *r = arg;

	r->body += bytes.len;
	if (!r->heads || r->dones || r->body > BODY_LIMIT)
		abort();
}

static void on_done(void *arg, enum client_result result)
{
	struct request *r = arg;

	if (r->dones++ || (result == CLIENT_OK && !r->heads))
		abort();
	r->result = result;
}

static const struct client_events events = {.head = on_head, .body = on_body, .done = on_done};

static void listen_once(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;

	base = event_base_new();
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!base || listener < 0 || bind(listener, (struct sockaddr *)&a, len) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&a, &len))
		abort();
	memcpy(&target.address, &a, len);
	target.address_len = len;
}

/* A reset: no port is left waiting behind thousands of runs. */
static void hang_up(void)
{
	struct linger now = {1, 0};

	if (peer < 0)
		return;
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(peer);
	peer = -1;
}

static void turn(void)
{
	char sink[512];
	int fd;

	event_base_loop(base, EVLOOP_NONBLOCK);
	fd = accept(listener, NULL, NULL);
	if (fd >= 0) {
		hang_up();
		peer = fd;
		fcntl(peer, F_SETFL, O_NONBLOCK);
	}
	while (peer >= 0 && recv(peer, sink, sizeof sink, 0) > 0)
		continue;
}

/* Serve one request: bytes in steps, then an end of the stream. */
static void serve(struct client *c, const struct request *r, const uint8_t *data, size_t size, size_t step)
{
	size_t n;

	for (unsigned i = 0; i < 4; i++)
		turn();
	for (size_t at = 0; at < size && !r->dones && peer >= 0; at += step) {
		n = size - at < step ? size - at : step;
		if (send(peer, data + at, n, MSG_NOSIGNAL) < 0)
			break;
		turn();
	}
	for (unsigned i = 0; i < TURNS_MAX && !r->dones; i++) {
		if (i == 2 && peer >= 0)
			shutdown(peer, SHUT_WR);
		if (i == 20)
			hang_up();
		turn();
	}
	if (!r->dones)
		client_cut(c);
	if (r->dones != 1 || client_in_flight(c))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client_limits limits = {.max_in_flight = 2, .timeout_ms = 60000, .max_body_bytes = BODY_LIMIT};
	struct request first = {0}, second = {0};
	struct client *c;
	size_t step, half;

	if (size < 2 || size > 4096)
		return 0;
	if (listener < 0)
		listen_once();
	step = data[0] & 3 ? (size_t)1 << (data[0] & 7) : size;
	half = data[0] & 8 ? (size - 1) / 2 : size - 1;
	if (client_new(base, &target, limits, &c))
		return 0;
	if (client_send(c, SPAN("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	                &(struct client_how){.is_head = data[0] & 16}, &events, &first))
		abort();
	serve(c, &first, data + 1, half, step);
	if (client_send(c, SPAN("PUT / HTTP/1.1\r\nHost: a\r\n\r\n"), &(struct client_how){0}, &events,
	                &second))
		abort();
	serve(c, &second, data + 1 + half, size - 1 - half, step);
	client_free(&c);
	hang_up();
	return 0;
}
