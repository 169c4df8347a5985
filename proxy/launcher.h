/*
 * launcher.h - a process forked before the parent is confined, that starts for it what its filter would not
 * let live: keepers of sandboxes, and the next binary.
 *
 *   parent --- words, descriptors ---> launcher          one message each, on a pair of SOCK_SEQPACKET
 * sockets
 *          <-- pid, or why not -------
 *
 * What it starts are the parent's own children. It holds nothing but that socket and this program, reads no
 * file and no byte of traffic, and ends when the parent does. It cannot be started again: a parent is
 * confined for good.
 */
#ifndef PROXY_LAUNCHER_H
#define PROXY_LAUNCHER_H

#include <stdbool.h>
#include <sys/types.h>
#include "proto/base/err.h"

enum { LAUNCH_FDS_MAX = 64, LAUNCH_TEXT_BYTES = 16 * 1024, LAUNCH_WORDS_MAX = 512 };

struct launcher {
	int fd;    /* -1: there is none */
	pid_t pid; /* 0: it has ended */
};

struct launch {
	bool role; /* this program with signals blocked and nothing to read; else words[0], as the
	              parent was started, with LISTEN_PID its own */
	const char *const *words; /* its arguments; NULL at the end */
	const char *const *sets;  /* NAME=VALUE for its environment; NULL at the end, or NULL */
	const int *fds;           /* 3, 4, ... there */
	unsigned fd_count;
};

/* Before the parent is confined or blocks a signal. `self_fd` is this program, open. 0 or ERR_SYS. */
int launcher_open(struct launcher *, int self_fd) MUST_CHECK;
/* Its pid, or ERR_SYS with errno: nothing was started. Waits for the launcher, at most some seconds. */
pid_t launcher_start(const struct launcher *, const struct launch *) MUST_CHECK;
/* End it. */
void launcher_close(struct launcher *);

/* `understudy --role launcher`: the process itself; its exit status. */
int launcher_run(void);

#endif
