#define _GNU_SOURCE
#include "proxy/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or '@' and a name of the abstract name space. */
static int connect_to(const char *where)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(where);
	int fd;

	if ((where[0] != '/' && where[0] != '@') || n < 2 || n >= sizeof a.sun_path)
		return -1;
	memcpy(a.sun_path, where, n);
	if (where[0] == '@')
		a.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&a,
	                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) == -1) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void notify_open(struct notify *n)
{
	const char *where = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC"),
	           *pid = getenv("WATCHDOG_PID");

	*n = (struct notify){.fd = where ? connect_to(where) : -1};
	if (n->fd != -1)
		memcpy(n->where, where, strlen(where)); /* shorter than a socket's path */
	if (usec && (!pid || strtol(pid, NULL, 10) == (long)getpid()))
		n->watchdog_ns = strtoull(usec, NULL, 10) * 1000u;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_say(const struct notify *n, const char *state)
{
	if (n->fd != -1)
		(void)send(n->fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}

uint64_t notify_alive(struct notify *n, uint64_t now_ns)
{
	if (n->fd == -1 || !n->watchdog_ns)
		return UINT64_MAX;
	if (now_ns >= n->next_alive_ns) {
		notify_say(n, "WATCHDOG=1");
		n->next_alive_ns = now_ns + n->watchdog_ns / 2;
	}
	return n->next_alive_ns;
}

void notify_close(struct notify *n)
{
	if (n->fd != -1)
		close(n->fd);
	n->fd = -1;
}
