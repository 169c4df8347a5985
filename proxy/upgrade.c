#define _GNU_SOURCE
#include "proxy/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_FD = 3, LIMIT_S = 60, SET_BYTES = 192 };

static const char variable[] = "UNDERSTUDY_FORMER";

enum { SETS = 4 };

/* What it finds in its environment beside LISTEN_PID. */
static void write_sets(char sets[SETS][SET_BYTES], unsigned listeners, int fd, const struct notify *n,
                       const struct former *said)
{
	unsigned count = 0;

	snprintf(sets[count++], SET_BYTES, "LISTEN_FDS=%u", listeners);
	snprintf(sets[count++], SET_BYTES, "%s=%d %u %llx %d %d %s", variable, fd, said->generation,
	         (unsigned long long)said->run_id, said->paused, said->run_closed, said->run_name);
	if (n->where[0])
		snprintf(sets[count++], SET_BYTES, "NOTIFY_SOCKET=%s", n->where);
	if (n->watchdog_ns)
		snprintf(sets[count++], SET_BYTES, "WATCHDOG_USEC=%llu",
		         (unsigned long long)(n->watchdog_ns / 1000u));
}

int upgrade_start(struct successor *s, struct launcher *launcher, char **argv, const int *listeners,
                  unsigned count, const struct notify *n, const struct former *said, uint64_t now_ns)
{
	char texts[SETS][SET_BYTES] = {""};
	const char *sets[SETS + 1] = {NULL};
	int fds[LISTEN_MAX + 2], pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1)
		return ERR_SYS;
	memcpy(fds, listeners, count * sizeof *fds);
	fds[count] = pair[1];
	write_sets(texts, count, FIRST_FD + (int)count, n, said);
	for (unsigned i = 0; i < SETS && texts[i][0]; i++)
		sets[i] = texts[i];
	s->pid = launcher_start(launcher, &(struct launch){.as = LAUNCH_PROXY,
	                                                   .words = (const char *const *)argv,
	                                                   .sets = sets,
	                                                   .fds = fds,
	                                                   .fd_count = count + 1});
	close(pair[1]);
	s->fd = pair[0];
	s->deadline_ns = now_ns + LIMIT_S * (uint64_t)1000000000u;
	if (s->pid > 0)
		return 0;
	upgrade_forget(s);
	return ERR_SYS;
}

enum upgrade_news upgrade_hear(const struct successor *s, uint64_t now_ns)
{
	char one;
	ssize_t n = recv(s->fd, &one, 1, 0);

	if (n == 1)
		return UPGRADE_READY;
	if (n == -1 && (errno == EAGAIN || errno == EINTR) && now_ns < s->deadline_ns)
		return UPGRADE_NOTHING;
	if (s->pid > 0)
		kill(s->pid, SIGKILL);
	return UPGRADE_FAILED;
}

void upgrade_forget(struct successor *s)
{
	close(s->fd);
	*s = (struct successor){.fd = -1};
}

void upgrade_find(struct former *f)
{
	const char *said = getenv(variable);
	unsigned long long run = 0;
	unsigned paused = 0, closed = 0;

	*f = (struct former){.fd = -1};
	if (said && sscanf(said, "%d %u %llx %u %u %63s", &f->fd, &f->generation, &run, &paused, &closed,
	                   f->run_name) < 5)
		*f = (struct former){.fd = -1};
	else if (said)
		f->run_id = run, f->paused = paused, f->run_closed = closed;
	if (f->fd != -1 && fcntl(f->fd, F_SETFD, FD_CLOEXEC) == -1)
		*f = (struct former){.fd = -1};
	unsetenv(variable);
}

void upgrade_say_ready(const struct former *f)
{
	if (f->fd != -1)
		(void)!send(f->fd, "1", 1, MSG_NOSIGNAL);
}

bool upgrade_former_gone(struct former *f)
{
	char one;
	ssize_t n = f->fd == -1 ? 1 : recv(f->fd, &one, 1, 0);

	if (n == 1 || (n == -1 && (errno == EAGAIN || errno == EINTR)))
		return false;
	close(f->fd);
	f->fd = -1;
	return true;
}
