/*
 * answer.c - an endpoint that costs as little as one can: a loop that answers each request with the same
 * bytes.
 *
 *   answer PORT BYTES [STAMPS]     on 127.0.0.1; BYTES of JSON under the fields that model servers send
 *
 * Into STAMPS goes a line a request: when the kernel had its last byte (CLOCK_REALTIME, nanoseconds), and the
 * number behind "n": in it.
 *
 * It is cheaper than any proxy before it, so that the proxy is what a closed loop of requests keeps busy: a
 * proxy that waits pays for being woken, which says little of its work. Requests have a Content-Length or no
 * body and are not pipelined.
 */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>

#include "tests/load/loop.h"

enum { REQUEST_MAX = 64 * 1024 };

struct connection {
	int fd;
	size_t got, missing; /* of a head; of the body behind it, 0: still in the head */
	char head[REQUEST_MAX];
};

static FILE *stamps;
static char *answer_text;
static size_t answer_len;

static void make_answer(size_t bytes)
{
	static const char start[] =
	        "{\"outputs\":[{\"name\":\"p\",\"shape\":[1,100],\"datatype\":\"FP64\",\"data\":[0";
	static const char end[] = "]}]}";
	size_t fixed = sizeof start - 1 + sizeof end - 1, at;

	if (bytes < fixed || !(answer_text = malloc(bytes + 512)))
		give_up("answer: so few bytes");
	at = (size_t)sprintf(answer_text,
	                     "HTTP/1.1 200 OK\r\ndate: Mon, 23 Nov 2026 00:00:00 GMT\r\nserver: answer\r\n"
	                     "content-length: %zu\r\ncontent-type: application/json\r\n\r\n%s",
	                     bytes, start);
	for (size_t i = 0; i < bytes - fixed; i++) /* ",0.01" as often as it fits, then spaces */
		answer_text[at++] = i / 5 * 5 + 5 <= bytes - fixed ? ",0.01"[i % 5] : ' ';
	memcpy(answer_text + at, end, sizeof end - 1);
	answer_len = at + sizeof end - 1;
}

static void take(int loop, int fd)
{
	struct connection *c = malloc(sizeof *c);

	loop_watch(loop, fd, c);
	c->fd = fd;
	c->got = c->missing = 0;
}

/* True when the request is whole. */
static int whole(struct connection *c, size_t n)
{
	char *end, *length;

	if (c->missing)
		return (c->missing -= n < c->missing ? n : c->missing) == 0;
	c->head[c->got += n] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return 0;
	length = strcasestr(c->head, "\r\ncontent-length:");
	n = (size_t)(end + 4 - c->head) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
	c->missing = n > c->got ? n - c->got : 0;
	return !c->missing;
}

/* As recv(), with the time at which the kernel got the last of it. */
static ssize_t receive(int fd, char *to, size_t room, struct timespec *at)
{
	char control[CMSG_SPACE(sizeof *at)];
	struct iovec io = {to, room};
	struct msghdr m = {
	        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	ssize_t n = recvmsg(fd, &m, 0);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	memset(at, 0, sizeof *at);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
		memcpy(at, CMSG_DATA(c), sizeof *at);
	return n;
}

static void stamp(const struct connection *c, const struct timespec *at)
{
	const char *n = strstr(c->head, "\"n\":");

	if (n)
		fprintf(stamps, "%lld%09ld %ld\n", (long long)at->tv_sec, at->tv_nsec,
		        strtol(n + 4, NULL, 10));
}

static void serve(void *connection)
{
	struct connection *c = connection;
	static char body[REQUEST_MAX];
	char *to = c->missing ? body : c->head + c->got;
	size_t room = c->missing ? sizeof body : sizeof c->head - 1 - c->got;
	struct timespec at;
	ssize_t n = stamps ? receive(c->fd, to, room, &at) : recv(c->fd, to, room, 0);

	if (n <= 0) {
		close(c->fd);
		free(c);
	} else if (whole(c, (size_t)n)) {
		c->got = 0;
		if (stamps)
			stamp(c, &at);
		for (size_t at = 0; at < answer_len; at += (size_t)n)
			if ((n = send(c->fd, answer_text + at, answer_len - at, MSG_NOSIGNAL)) < 0)
				n = (ssize_t)answer_len; /* the client is gone: recv will say so */
	}
}

static void flush_stamps(void)
{
	fflush(stamps);
}

int main(int argc, char **argv)
{
	int one = 1, listener;

	if (argc != 3 && argc != 4)
		return 2;
	if (argc == 4 && !(stamps = fopen(argv[3], "w")))
		give_up("answer: stamps");
	make_answer((size_t)atol(argv[2]));
	listener = loop_listen(argv[1]);
	if (stamps) /* connections inherit it */
		setsockopt(listener, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
	loop_run(listener, take, serve, stamps ? flush_stamps : NULL);
}
