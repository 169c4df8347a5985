/*
 * relay.c - what any proxy must pay: bytes from a client to an endpoint and back, never looked at.
 *
 *   relay PORT ENDPOINT_PORT      both on 127.0.0.1
 *
 * One loop, one recv and one send a message: the floor that a proxy's cost is held against. Sends block, and
 * what a pair needs is not given back when it ends: it is made for one benchmark.
 */
#include "tests/load/loop.h"

enum { BYTES = 32 * 1024 };

struct side {
	int fd; /* -1: the pair has ended */
	struct side *other;
};

static struct sockaddr_in endpoint;

static struct side *side_new(int loop, int fd)
{
	struct side *s = malloc(sizeof *s);

	loop_watch(loop, fd, s);
	*s = (struct side){.fd = fd};
	return s;
}

static void pair_new(int loop, int client)
{
	int there = socket(AF_INET, SOCK_STREAM, 0);
	struct side *a, *b;

	if (client == -1 || connect(there, (const struct sockaddr *)&endpoint, sizeof endpoint))
		give_up("relay: connect");
	a = side_new(loop, client);
	b = side_new(loop, there);
	a->other = b;
	b->other = a;
}

static void pair_end(struct side *s)
{
	close(s->fd);
	close(s->other->fd);
	s->fd = s->other->fd = -1;
}

static void pass(void *side)
{
	static char bytes[BYTES];
	struct side *s = side;
	ssize_t n = s->fd == -1 ? -1 : recv(s->fd, bytes, sizeof bytes, 0);

	for (ssize_t at = 0, sent; at < n; at += sent)
		if ((sent = send(s->other->fd, bytes + at, (size_t)(n - at), MSG_NOSIGNAL)) < 0)
			n = 0;
	if (n <= 0 && s->fd != -1)
		pair_end(s);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	endpoint = loop_address(argv[2]);
	loop_run(loop_listen(argv[1]), pair_new, pass, NULL);
}
