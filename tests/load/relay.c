/*
 * relay.c - what any proxy must pay: bytes from a client to an endpoint and back, never looked at.
 *
 *   relay PORT ENDPOINT_PORT      both on 127.0.0.1
 *
 * One loop, one recv and one send a message: the floor that a proxy's cost is held against. Sends block, and
 * what a pair needs is not given back when it ends: it is made for one benchmark.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES = 32 * 1024, EVENTS = 512, BACKLOG = 1024 };

struct side {
	int fd; /* -1: the pair has ended */
	struct side *other;
};

static struct sockaddr_in local(const char *port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t)atoi(port)),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static struct side *side_new(int loop, int fd)
{
	struct side *s = malloc(sizeof *s);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
	int one = 1;

	if (!s)
		give_up("relay: malloc");
	*s = (struct side){.fd = fd};
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event))
		give_up("relay: epoll_ctl");
	return s;
}

static void pair_new(int loop, int client, const struct sockaddr_in *endpoint)
{
	int there = socket(AF_INET, SOCK_STREAM, 0);
	struct side *a, *b;

	if (client == -1 || connect(there, (const struct sockaddr *)endpoint, sizeof *endpoint))
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

static void pass(struct side *s)
{
	static char bytes[BYTES];
	ssize_t n = s->fd == -1 ? -1 : recv(s->fd, bytes, sizeof bytes, 0);

	for (ssize_t at = 0, sent; at < n; at += sent)
		if ((sent = send(s->other->fd, bytes + at, (size_t)(n - at), MSG_NOSIGNAL)) < 0)
			n = 0;
	if (n <= 0 && s->fd != -1)
		pair_end(s);
}

int main(int argc, char **argv)
{
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), loop = epoll_create1(0);
	struct epoll_event events[EVENTS], accepts = {.events = EPOLLIN};
	struct sockaddr_in here, endpoint;

	if (argc != 3)
		return 2;
	here = local(argv[1]);
	endpoint = local(argv[2]);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, BACKLOG) ||
	    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &accepts))
		give_up("relay: listen");
	for (;;) {
		int n = epoll_wait(loop, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr)
				pass(events[i].data.ptr);
			else
				pair_new(loop, accept(listener, NULL, NULL), &endpoint);
	}
}
