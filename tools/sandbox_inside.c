/* Inside a sandbox: start the candidate, relay connections to it, end with it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/sandbox.h"

enum { LISTENER = 3, LINKS_MAX = 256, ROOM = 32 * 1024, LOOK_MS = 100, RETRY_MS = 2 };

struct half { /* bytes on their way from fd to the other half's fd */
	int fd;
	bool ended, told; /* no more comes; and its peer knows */
	size_t at, len;
	char room[ROOM];
};

static struct link {
	struct half ends[2];
} * links[LINKS_MAX];
static unsigned link_count;
static int waiting = -1; /* a client that the candidate has no room for yet */

static void end_link(unsigned i)
{
	close(links[i]->ends[0].fd);
	close(links[i]->ends[1].fd);
	free(links[i]);
	links[i] = links[--link_count];
}

/* A socket that connects there, or -1 with errno. */
static int reach(const char *where)
{
	struct sockaddr_in port = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	bool tcp = *where == ':';
	const void *to = tcp ? (const void *)&port : (const void *)&path;
	int one = 1, fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), why;

	port.sin_port = htons((uint16_t)atoi(where + 1));
	snprintf(path.sun_path, sizeof path.sun_path, "%s", where);
	if (fd == -1)
		return -1;
	if (tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, to, tcp ? sizeof port : sizeof path) == 0 || errno == EINPROGRESS)
		return fd;
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

static struct link *link_new(int client, int candidate)
{
	struct link *l = malloc(sizeof *l);

	for (int i = 0; l && i < 2; i++) {
		l->ends[i].ended = l->ends[i].told = false;
		l->ends[i].at = l->ends[i].len = 0;
		l->ends[i].fd = i ? candidate : client;
	}
	return l;
}

/* A candidate that does not listen yet refuses, and so do we; while its queue is full the client waits. */
static void accept_one(const char *where)
{
	struct link *l = NULL;
	int candidate;

	if (waiting == -1)
		waiting = accept4(LISTENER, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (waiting == -1)
		return;
	candidate = reach(where);
	if (candidate == -1 && errno == EAGAIN)
		return;
	if (candidate != -1)
		l = link_new(waiting, candidate);
	if (l) {
		links[link_count++] = l;
	} else {
		close(waiting);
		if (candidate != -1)
			close(candidate);
	}
	waiting = -1;
}

/* Whatever can move from one end to the other. False: the link is broken. */
static bool move(struct half *from, struct half *to)
{
	ssize_t n = 1;

	if (!from->len && !from->ended) {
		n = recv(from->fd, from->room, ROOM, 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		from->ended = n == 0;
		from->at = 0;
		from->len = n > 0 ? (size_t)n : 0;
	}
	while (from->len && (n = send(to->fd, from->room + from->at, from->len, MSG_NOSIGNAL)) > 0) {
		from->at += (size_t)n;
		from->len -= (size_t)n;
	}
	if (from->len && n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (from->ended && !from->len && !from->told) {
		from->told = true;
		shutdown(to->fd, SHUT_WR);
	}
	return true;
}

static void move_all(const struct pollfd *fds, unsigned count)
{
	while (count-- > 0) { /* backwards: the last one takes the place of one that ends */
		struct half *a = &links[count]->ends[0], *b = &links[count]->ends[1];
		bool news = fds[2 * count].revents || fds[2 * count + 1].revents;

		if (news && (!move(a, b) || !move(b, a) || (a->told && b->told)))
			end_link(count);
	}
}

static short wants(const struct half *own, const struct half *other)
{
	return (short)((own->ended || own->len ? 0 : POLLIN) | (other->len ? POLLOUT : 0));
}

static void relay_turn(const char *where)
{
	static struct pollfd fds[2 * LINKS_MAX + 2];
	unsigned count = link_count;

	for (unsigned i = 0; i < count; i++) {
		struct half *ends = links[i]->ends;

		for (int e = 0; e < 2; e++) {
			short events = wants(&ends[e], &ends[!e]);

			fds[2 * i + (unsigned)e] =
			        (struct pollfd){.fd = events ? ends[e].fd : -1, .events = events};
		}
	}
	fds[2 * count] =
	        (struct pollfd){.fd = count < LINKS_MAX && waiting == -1 ? LISTENER : -1, .events = POLLIN};
	fds[2 * count + 1] = (struct pollfd){.fd = STDOUT_FILENO}; /* whoever keeps us reads it */
	if (poll(fds, 2 * count + 2, waiting == -1 ? LOOK_MS : RETRY_MS) > 0)
		move_all(fds, count);
	if (fds[2 * count + 1].revents & POLLERR) {
		kill(-1, SIGKILL); /* all that is inside, but for us */
		_exit(3);
	}
	if ((fds[2 * count].revents || waiting != -1) && link_count < LINKS_MAX)
		accept_one(where);
}

static pid_t start(char **command)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	close_range(LISTENER, ~0u, 0);
	execvp(command[0], command);
	fprintf(stderr, "understudy: sandbox: cannot start %s: %s\n", command[0], strerror(errno));
	_exit(127);
}

int sandbox_inside(int count, char **words)
{
	int status;
	pid_t candidate;

	if (count < 2)
		return 2;
	prctl(PR_SET_DUMPABLE, 0); /* the candidate is the same user: it shall not take the listener */
	fcntl(LISTENER, F_SETFD, FD_CLOEXEC);
	fcntl(LISTENER, F_SETFL, O_NONBLOCK);
	candidate = start(words + 1);
	while (candidate > 0 && waitpid(candidate, &status, WNOHANG) != candidate)
		relay_turn(words[0]);
	if (candidate < 0)
		return 3;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
