#define _GNU_SOURCE
#include "proxy/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/confine.h"
#include "proto/base/fds.h"

enum { ORDERS_FD = 3, SELF_FD, REPLY_MS = 5000 };

struct order { /* words, then sets, follow each other in `text` */
	uint32_t as, words, sets;
	char text[LAUNCH_TEXT_BYTES];
};

union rights {
	struct cmsghdr header;
	char room[CMSG_SPACE(LAUNCH_FDS_MAX * sizeof(int))];
};

typedef int32_t reply; /* a pid, or -errno */

/* --- the parent's end --- */

/* False: there is no room. */
static bool put_words(struct order *o, size_t *used, const char *const *words, uint32_t *count)
{
	for (; words && *words; words++) {
		size_t n = strlen(*words) + 1;

		if (n > sizeof o->text - *used || o->words + o->sets == LAUNCH_WORDS_MAX - 1)
			return false;
		memcpy(o->text + *used, *words, n);
		*used += n;
		++*count;
	}
	return true;
}

static ssize_t send_order(int fd, struct order *o, size_t used, const struct launch *l)
{
	union rights control = {.header = {CMSG_LEN(l->fd_count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec io = {o, offsetof(struct order, text) + used};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};

	if (l->fd_count) {
		memcpy(CMSG_DATA(&control.header), l->fds, l->fd_count * sizeof(int));
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(l->fd_count * sizeof(int));
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

/* What dies without an answer may have started something, which nobody knows: it finds its descriptors' other
 * ends closed. */
static pid_t await(int fd, pid_t launcher)
{
	struct pollfd news = {.fd = fd, .events = POLLIN};
	reply pid;

	if (poll(&news, 1, REPLY_MS) == 1 && recv(fd, &pid, sizeof pid, 0) == sizeof pid) {
		errno = pid < 0 ? -pid : 0;
		return pid < 0 ? ERR_SYS : pid;
	}
	kill(launcher, SIGKILL);
	errno = EPIPE;
	return ERR_SYS;
}

pid_t launcher_start(struct launcher *launcher, const struct launch *l)
{
	static struct order o;
	size_t used = 0;

	o.as = l->as;
	o.words = o.sets = 0;
	errno = E2BIG;
	if (l->fd_count > LAUNCH_FDS_MAX || !put_words(&o, &used, l->words, &o.words) ||
	    !put_words(&o, &used, l->sets, &o.sets))
		return ERR_SYS;
	errno = EPIPE;
	for (unsigned i = 0; i < LAUNCHERS; i++)
		if (launcher->each[i].pid && send_order(launcher->each[i].fd, &o, used, l) != -1)
			return await(launcher->each[i].fd, launcher->each[i].pid);
	return ERR_SYS;
}

/* Here, or by another launcher. */
static pid_t start_launcher(struct launcher *l, unsigned i, bool first, int end)
{
	char index[16], epoch[16];
	const char *const words[] = {"understudy", "--role", "launcher", index, epoch, NULL};
	const int fds[] = {end, l->self_fd};
	pid_t pid;

	snprintf(index, sizeof index, "%u", i);
	snprintf(epoch, sizeof epoch, "%u", l->replaced);
	if (!first)
		return launcher_start(
		        l,
		        &(struct launch){.as = LAUNCH_LAUNCHER, .words = words, .fds = fds, .fd_count = 2});
	pid = fork();
	if (pid == 0) {
		fds_place(ORDERS_FD, fds, 2);
		fexecve(SELF_FD, (char *const *)words, environ);
		_exit(3);
	}
	return pid;
}

static int fill(struct launcher *l, unsigned i, bool first)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return ERR_SYS;
	pid = start_launcher(l, i, first, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return ERR_SYS;
	}
	l->each[i].fd = pair[0];
	l->each[i].pid = pid;
	return 0;
}

int launcher_open(struct launcher *l, int self_fd)
{
	int err = 0;

	*l = (struct launcher){.self_fd = self_fd};
	for (unsigned i = 0; i < LAUNCHERS && !err; i++)
		err = fill(l, i, true);
	if (err)
		launcher_close(l);
	return err;
}

bool launcher_hear_death(struct launcher *l, pid_t pid)
{
	for (unsigned i = 0; i < LAUNCHERS; i++) {
		if (l->each[i].pid != pid)
			continue;
		close(l->each[i].fd);
		l->each[i].pid = 0;
		return true;
	}
	return false;
}

void launcher_mend(struct launcher *l)
{
	unsigned living = launcher_count(l);

	for (unsigned i = 0; i < LAUNCHERS && living; i++) {
		if (l->each[i].pid)
			continue;
		l->replaced++;
		(void)!fill(l, i, false); /* the next turn tries again */
	}
}

unsigned launcher_count(const struct launcher *l)
{
	unsigned count = 0;

	for (unsigned i = 0; i < LAUNCHERS; i++)
		count += l->each[i].pid != 0;
	return count;
}

void launcher_close(struct launcher *l)
{
	for (unsigned i = 0; i < LAUNCHERS; i++) {
		pid_t pid = l->each[i].pid;

		if (!pid)
			continue;
		kill(pid, SIGKILL); /* it holds nothing */
		waitpid(pid, NULL, 0);
		(void)launcher_hear_death(l, pid);
	}
}

/* --- the launcher's --- */

static sigset_t former_mask;

static void as_proxy(char **words)
{
	char pid[16];

	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &former_mask, NULL);
	execvp(words[0], words);
	fprintf(stderr, "understudy: cannot execute %s: %s\n", words[0], strerror(errno));
}

static void as_role(char **words, int program, bool launcher)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (launcher)
		sigprocmask(SIG_SETMASK, &former_mask, NULL);

	dup2(nothing, STDIN_FILENO);
	close(nothing);
	fcntl(program, F_SETFD, FD_CLOEXEC);
	fexecve(program, words, environ);
}

static _Noreturn void become(struct order *o, int *fds, unsigned count)
{
	char *words[LAUNCH_WORDS_MAX] = {0}, *at = o->text;

	fds[count] = SELF_FD;
	fds_place(ORDERS_FD, fds, count + (o->as == LAUNCH_PROXY ? 0 : 1));
	for (uint32_t i = 0; i < o->words + o->sets; i++, at += strlen(at) + 1)
		if (i < o->words)
			words[i] = at;
		else
			putenv(at);
	if (o->as == LAUNCH_PROXY)
		as_proxy(words);
	else
		as_role(words, ORDERS_FD + (int)count, o->as == LAUNCH_LAUNCHER);
	_exit(3);
}

/* The parent's child, not ours: it reaps, and what dies with its parent dies with that one. */
static int32_t start(struct order *o, int *fds, unsigned count)
{
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		become(o, fds, count);
	return pid < 0 ? -errno : (int32_t)pid;
}

/* False: the parent has gone. */
static bool obey(void)
{
	static struct order o;
	union rights control;
	struct iovec io = {&o, sizeof o};
	struct msghdr m = {
	        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	int fds[LAUNCH_FDS_MAX + 1];
	unsigned count = 0;
	ssize_t n = recvmsg(ORDERS_FD, &m, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	reply pid;

	if (n < (ssize_t)offsetof(struct order, text))
		return false;
	if (c && c->cmsg_type == SCM_RIGHTS) {
		count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), count * sizeof(int));
	}
	pid = start(&o, fds, count);
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	return send(ORDERS_FD, &pid, sizeof pid, MSG_NOSIGNAL) == sizeof pid;
}

int launcher_run(int count, char **words)
{
	bool confined = count > 1 && strcmp(words[1], "0");
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &former_mask);
	fcntl(ORDERS_FD, F_SETFD, FD_CLOEXEC);
	fcntl(SELF_FD, F_SETFD, FD_CLOEXEC);
	confine_memory();
	if (!confined && confine_launcher()) /* a filter more each time would be too many at last */
		return 3;
	while (obey())
		continue;
	return 0;
}
