/* Inside a sandbox: start the candidate, say when it is ready, relay connections to it, end with it. */
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

#include "replay/sandbox.h"

enum {
	LISTENER = SANDBOX_LISTENER,
	NEWS = SANDBOX_NEWS,
	PROBE_TURNS = 50,
	LINKS_MAX = 256,
	ROOM = 32 * 1024,
	LOOK_MS = 100,
	RETRY_MS = 2
};

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

/* --- is it ready? --- */

static struct {
	bool done, asked;
	int fd; /* -1: none */
	unsigned turns;
	char said[sizeof "HTTP/1.1 2" - 1];
	size_t len;
} probe = {.fd = -1};

static void probe_again(void)
{
	if (probe.fd != -1)
		close(probe.fd);
	probe.fd = -1;
	probe.asked = false;
	probe.len = 0;
	probe.turns = 0;
}

static void probe_done(void)
{
	probe_again();
	probe.done = true;
	(void)!write(NEWS, "1", 1);
	close(NEWS);
}

/* False: not yet, or refused. */
static bool connected(void)
{
	struct pollfd p = {.fd = probe.fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof error;

	if (poll(&p, 1, 0) != 1)
		return false;
	if (!getsockopt(probe.fd, SOL_SOCKET, SO_ERROR, &error, &len) && !error)
		return true;
	probe_again();
	return false;
}

/* The first bytes of its answer: any version of HTTP/1, any 2xx. */
static void probe_answer(void)
{
	ssize_t n = recv(probe.fd, probe.said + probe.len, sizeof probe.said - probe.len, 0);

	if (n > 0)
		probe.len += (size_t)n;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		probe_again();
	else if (probe.len == sizeof probe.said && !memcmp(probe.said, "HTTP/1.", 7) && probe.said[9] == '2')
		probe_done();
	else if (probe.len == sizeof probe.said)
		probe_again();
}

static void probe_turn(const char *where, const char *health)
{
	char text[512];
	int n;

	if (probe.done)
		return;
	if (probe.fd == -1 && (probe.fd = reach(where)) == -1)
		return;
	if (probe.asked) {
		probe_answer();
	} else if (connected()) {
		n = snprintf(text, sizeof text,
		             "GET %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", health);
		probe.asked = true;
		if (!*health)
			probe_done();
		else if (send(probe.fd, text, (size_t)n, MSG_NOSIGNAL) != n)
			probe_again();
		return;
	}
	if (!probe.done && ++probe.turns > PROBE_TURNS)
		probe_again();
}

/* --- its life --- */

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

	if (count < 3)
		return 2;
	prctl(PR_SET_DUMPABLE, 0); /* the candidate is the same user: it shall not take the listener */
	fcntl(LISTENER, F_SETFD, FD_CLOEXEC);
	fcntl(NEWS, F_SETFD, FD_CLOEXEC);
	fcntl(LISTENER, F_SETFL, O_NONBLOCK);
	candidate = start(words + 2);
	while (candidate > 0 && waitpid(candidate, &status, WNOHANG) != candidate) {
		probe_turn(words[0], words[1]);
		relay_turn(words[0]);
	}
	if (candidate < 0)
		return 3;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
