/*
 * loop.h - the loop of the endpoints that load is made with: what listens, and what came in, one by one.
 *
 * One thread, level-triggered; what is watched is blocking. Whatever fails ends the program.
 */
#ifndef TESTS_LOAD_LOOP_H
#define TESTS_LOAD_LOOP_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static inline struct sockaddr_in loop_address(const char *port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t)atoi(port)),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* What comes in on fd is told with `connection`, not NULL. */
static inline void loop_watch(int loop, int fd, void *connection)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (!connection || epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event))
		give_up("loop_watch");
}

/* On 127.0.0.1:PORT. */
static inline int loop_listen(const char *port)
{
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in here = loop_address(port);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1024))
		give_up("loop_listen");
	return listener;
}

/* `take` gets each new socket, `serve` each connection that has something; `idle` (NULL: nobody) is told when
 * nothing has come for 50 ms. */
static inline _Noreturn void loop_run(int listener, void (*take)(int loop, int fd),
                                      void (*serve)(void *connection), void (*idle)(void))
{
	enum { EVENTS = 512, QUIET_MS = 50 };
	int loop = epoll_create1(0);
	struct epoll_event events[EVENTS], accepts = {.events = EPOLLIN};

	if (epoll_ctl(loop, EPOLL_CTL_ADD, listener, &accepts))
		give_up("loop_run");
	for (;;) {
		int n = epoll_wait(loop, events, EVENTS, idle ? QUIET_MS : -1);

		if (idle && !n)
			idle();
		for (int i = 0; i < n; i++)
			if (events[i].data.ptr)
				serve(events[i].data.ptr);
			else
				take(loop, accept(listener, NULL, NULL));
	}
}

#endif
