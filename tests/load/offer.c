/*
 * offer.c - requests that leave by the clock, whatever has been answered (an open loop).
 *
 *   offer PORT RATE SECONDS CONNECTIONS BODY_FILE [GRACE]      on 127.0.0.1, POST /v2/x
 *
 * Request i is due at i / RATE. It goes out on a connection without a request; when there is none it waits
 * for one. Its latency counts from when it was due, so that an endpoint that stands still for a moment is
 * seen by every request of that moment, not by one a connection (coordinated omission). Answers are 200 with
 * a Content-Length, at most GRACE seconds (2) after the last is due, or they have failed; behind one that
 * says "Connection: close", and for a connection that ends between requests, another is opened. Prints one
 * line; status 1 when a request failed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 4096, BODY_MAX = 64 * 1024, EVENTS = 512, GRACE_S = 2 };

struct connection {
	int fd;
	struct connection *next; /* idle */
	uint64_t due_ns;
	size_t got;     /* of an answer */
	size_t missing; /* of a body whose head was read; 0: still in the head */
	bool waits;     /* for an answer */
	bool closes;    /* the answer is the last here */
	char head[HEAD_MAX];
};

static struct {
	int loop;
	struct sockaddr_in to;
	uint64_t start_ns, count, sent, answered;
	double step_ns;
	struct connection *idle;
	uint64_t *latency_ns, *late_ns; /* late: sent after it was due */
	char request[BODY_MAX + HEAD_MAX];
	size_t request_len;
} o;

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t due(uint64_t i)
{
	return o.start_ns + (uint64_t)((double)i * o.step_ns);
}

static void read_body(const char *path)
{
	static char body[BODY_MAX];
	FILE *f = fopen(path, "r");
	size_t len = f ? fread(body, 1, sizeof body, f) : 0;

	if (!f)
		give_up(path);
	fclose(f);
	o.request_len = (size_t)sprintf(o.request,
	                                "POST /v2/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	                                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	                                len);
	memcpy(o.request + o.request_len, body, len);
	o.request_len += len;
}

static void rest(struct connection *c)
{
	c->got = c->missing = 0;
	c->waits = false;
	c->next = o.idle;
	o.idle = c;
}

static void dial(struct connection *c)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	int one = 1;

	if ((c->fd = socket(AF_INET, SOCK_STREAM, 0)) == -1 ||
	    connect(c->fd, (struct sockaddr *)&o.to, sizeof o.to) ||
	    epoll_ctl(o.loop, EPOLL_CTL_ADD, c->fd, &event))
		give_up("offer: connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void add(void)
{
	struct connection *c = calloc(1, sizeof *c);

	if (!c)
		give_up("offer: calloc");
	dial(c);
	rest(c);
}

/* The other side has ended it meanwhile: a client looks before it asks again. */
static bool ended(const struct connection *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void send_due(void)
{
	for (uint64_t at = now(); o.idle && o.sent < o.count && due(o.sent) <= at; at = now()) {
		struct connection *c = o.idle;

		o.idle = c->next;
		if (ended(c)) {
			close(c->fd);
			dial(c);
		}
		c->due_ns = due(o.sent);
		c->waits = true;
		o.late_ns[o.sent++] = at - c->due_ns;
		if (send(c->fd, o.request, o.request_len, MSG_NOSIGNAL) != (ssize_t)o.request_len)
			give_up("offer: send");
	}
}

/* What the head leaves to come; SIZE_MAX: it is not whole yet. */
static size_t after_head(struct connection *c)
{
	char *end, *length, *last;

	c->head[c->got] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return SIZE_MAX;
	length = strcasestr(c->head, "\r\ncontent-length:");
	if (strncmp(c->head, "HTTP/1.1 200 ", 13) || !length || length > end) {
		fprintf(stderr, "offer: not an answer of 200: %.60s\n", c->head);
		exit(1);
	}
	last = strcasestr(c->head, "\r\nconnection: close\r\n");
	c->closes = last && last < end;
	return (size_t)(end + 4 - c->head) + strtoul(length + 17, NULL, 10) - c->got;
}

static void answer(struct connection *c)
{
	static char body[BODY_MAX];
	char *to = c->missing ? body : c->head + c->got;
	size_t room = c->missing ? sizeof body : sizeof c->head - 1 - c->got;
	ssize_t n = recv(c->fd, to, room, 0);

	if (n <= 0 && !c->waits) {
		close(c->fd);
		dial(c);
		return;
	}
	if (n <= 0)
		give_up("offer: recv");
	c->got += (size_t)n;
	c->missing = c->missing ? c->missing - (size_t)n : after_head(c);
	if (c->missing == SIZE_MAX) {
		c->missing = 0;
	} else if (!c->missing) {
		o.latency_ns[o.answered++] = now() - c->due_ns;
		if (c->closes) {
			close(c->fd);
			dial(c);
		}
		rest(c);
	}
}

static void wait_for(uint64_t until_ns)
{
	struct epoll_event events[EVENTS];
	uint64_t at = now(), left = until_ns > at ? until_ns - at : 0;
	struct timespec most = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
	int n = epoll_pwait2(o.loop, events, EVENTS, &most, NULL);

	for (int i = 0; i < n; i++)
		answer(events[i].data.ptr);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double quantile_us(uint64_t *ns, uint64_t count, double q)
{
	qsort(ns, count, sizeof *ns, by_size);
	return count ? (double)ns[(uint64_t)(q * (double)(count - 1))] / 1000 : 0;
}

int main(int argc, char **argv)
{
	uint64_t end_ns;

	if (argc < 6 || argc > 7 || atof(argv[2]) <= 0)
		return 2;
	o.loop = epoll_create1(0);
	o.step_ns = 1e9 / atof(argv[2]);
	o.count = (uint64_t)(atof(argv[2]) * atof(argv[3]));
	o.latency_ns = calloc(o.count, sizeof *o.latency_ns);
	o.late_ns = calloc(o.count, sizeof *o.late_ns);
	if (!o.latency_ns || !o.late_ns)
		give_up("offer: malloc");
	read_body(argv[5]);
	o.to = (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t)atoi(argv[1])),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (int i = 0; i < atoi(argv[4]); i++)
		add();
	prctl(PR_SET_TIMERSLACK, 1ul);
	o.start_ns = now();
	end_ns = due(o.count) + (uint64_t)(argc == 7 ? atoi(argv[6]) : GRACE_S) * 1000000000u;
	while (o.answered < o.count && now() < end_ns) {
		send_due();
		wait_for(o.idle && o.sent < o.count ? due(o.sent) : end_ns);
	}
	printf("answered=%lu failed=%lu p50_us=%.1f p99_us=%.1f late_p50_us=%.1f late_p99_us=%.1f\n",
	       o.answered, o.count - o.answered, quantile_us(o.latency_ns, o.answered, 0.5),
	       quantile_us(o.latency_ns, o.answered, 0.99), quantile_us(o.late_ns, o.sent, 0.5),
	       quantile_us(o.late_ns, o.sent, 0.99));
	return o.answered < o.count;
}
