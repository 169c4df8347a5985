#define _GNU_SOURCE
#include "proxy/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_FD = 3, HIGH_FD = 512, LIMIT_S = 60, SAID_BYTES = 192 };

static const char variable[] = "UNDERSTUDY_FORMER";

static void set_number(const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	setenv(name, text, 1);
}

static void set_environment(unsigned listeners, int fd, const struct notify *n, const struct former *said)
{
	char text[SAID_BYTES];

	set_number("LISTEN_PID", (uint64_t)getpid());
	set_number("LISTEN_FDS", listeners);
	if (n->where[0])
		setenv("NOTIFY_SOCKET", n->where, 1);
	if (n->watchdog_ns)
		set_number("WATCHDOG_USEC", n->watchdog_ns / 1000u);
	snprintf(text, sizeof text, "%d %u %llx %d %d %s", fd, said->generation,
	         (unsigned long long)said->run_id, said->paused, said->run_closed, said->run_name);
	setenv(variable, text, 1);
}

/* In the child: listeners from descriptor 3 on, behind them the socket to the parent, nothing else. */
static _Noreturn void become(char **argv, const int *listeners, unsigned count, int to,
                             const struct notify *n, const struct former *said, const sigset_t *mask)
{
	int high[LISTEN_MAX + 2];

	for (unsigned i = 0; i < count; i++)
		high[i] = fcntl(listeners[i], F_DUPFD, HIGH_FD);
	high[count] = fcntl(to, F_DUPFD, HIGH_FD);
	for (unsigned i = 0; i <= count; i++)
		dup2(high[i], FIRST_FD + (int)i);
	close_range(FIRST_FD + count + 1, ~0u, 0);
	set_environment(count, FIRST_FD + (int)count, n, said);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	fprintf(stderr, "understudy: upgrade: cannot execute %s: %s\n", argv[0], strerror(errno));
	_exit(3);
}

int upgrade_start(struct successor *s, char **argv, const int *listeners, unsigned count,
                  const struct notify *n, const struct former *said, const sigset_t *mask, uint64_t now_ns)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1)
		return ERR_SYS;
	s->pid = fork();
	if (s->pid == 0)
		become(argv, listeners, count, pair[1], n, said, mask);
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
