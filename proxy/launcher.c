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
	uint32_t number, role, words, sets;
	char text[LAUNCH_TEXT_BYTES];
};

struct reply {
	uint32_t number; /* of its order */
	int32_t pid;     /* or -errno */
};

union rights {
	struct cmsghdr header;
	char room[CMSG_SPACE(LAUNCH_FDS_MAX * sizeof(int))];
};

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

/* What an order that was given up has started since is known to nobody: it ends. */
static pid_t await(int fd, uint32_t number)
{
	struct pollfd news = {.fd = fd, .events = POLLIN};
	struct reply r;

	while (poll(&news, 1, REPLY_MS) == 1 && recv(fd, &r, sizeof r, 0) == sizeof r) {
		if (r.number == number) {
			errno = r.pid < 0 ? -r.pid : 0;
			return r.pid < 0 ? ERR_SYS : r.pid;
		}
		if (r.pid > 0 && waitpid(r.pid, NULL, WNOHANG) == 0)
			kill(r.pid, SIGKILL);
	}
	errno = EPIPE;
	return ERR_SYS;
}

pid_t launcher_start(const struct launcher *launcher, const struct launch *l)
{
	static struct order o;
	size_t used = 0;

	o.number++;
	o.role = l->role;
	o.words = o.sets = 0;
	errno = E2BIG;
	if (l->fd_count > LAUNCH_FDS_MAX || !put_words(&o, &used, l->words, &o.words) ||
	    !put_words(&o, &used, l->sets, &o.sets))
		return ERR_SYS;
	if (send_order(launcher->fd, &o, used, l) == -1)
		return ERR_SYS;
	return await(launcher->fd, o.number);
}

int launcher_open(struct launcher *l, int self_fd)
{
	char *const words[] = {"understudy", "--role", "launcher", "0", "0", NULL};
	int pair[2];

	*l = (struct launcher){.fd = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return ERR_SYS;
	l->pid = fork();
	if (l->pid == 0) {
		fds_place(ORDERS_FD, (int[]){pair[1], self_fd}, 2);
		fexecve(SELF_FD, words, environ);
		_exit(3);
	}
	close(pair[1]);
	l->fd = pair[0];
	if (l->pid > 0)
		return 0;
	launcher_close(l);
	return ERR_SYS;
}

void launcher_close(struct launcher *l)
{
	if (l->fd != -1)
		close(l->fd);
	if (l->pid > 0) {
		kill(l->pid, SIGKILL); /* it holds nothing */
		waitpid(l->pid, NULL, 0);
	}
	*l = (struct launcher){.fd = -1};
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

static void as_role(char **words, int program)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	dup2(nothing, STDIN_FILENO);
	close(nothing);
	fcntl(program, F_SETFD, FD_CLOEXEC);
	fexecve(program, words, environ);
}

static _Noreturn void become(struct order *o, int *fds, unsigned count)
{
	char *words[LAUNCH_WORDS_MAX] = {0}, *at = o->text;

	fds[count] = SELF_FD;
	fds_place(ORDERS_FD, fds, count + (o->role ? 1 : 0));
	for (uint32_t i = 0; i < o->words + o->sets; i++, at += strlen(at) + 1)
		if (i < o->words)
			words[i] = at;
		else
			putenv(at);
	if (o->role)
		as_role(words, ORDERS_FD + (int)count);
	else
		as_proxy(words);
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
	struct reply r;

	if (n < (ssize_t)offsetof(struct order, text))
		return false;
	if (c && c->cmsg_type == SCM_RIGHTS) {
		count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), count * sizeof(int));
	}
	r = (struct reply){o.number, start(&o, fds, count)};
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	return send(ORDERS_FD, &r, sizeof r, MSG_NOSIGNAL) == sizeof r;
}

int launcher_run(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &former_mask);
	fcntl(ORDERS_FD, F_SETFD, FD_CLOEXEC);
	fcntl(SELF_FD, F_SETFD, FD_CLOEXEC);
	confine_memory();
	if (confine_launcher())
		return 3;
	while (obey())
		continue;
	return 0;
}
