/*
 * launcher.h - processes forked before the parent is confined, that start for it what its filter would not
 * let live: keepers of sandboxes, the next binary, and each other.
 *
 *   parent --- words, descriptors ---> launcher          one message each, on a pair of SOCK_SEQPACKET
 *          <-- pid, or why not -------                   sockets; the second is there for the first
 *
 * What they start are the parent's own children, and outlive them. A launcher holds nothing but its socket
 * and this program, reads no file and no byte of traffic, and ends when the parent does. A parent is confined
 * for good: when all launchers die before one of them is replaced, there are none until the proxy is started
 * again.
 */
#ifndef PROXY_LAUNCHER_H
#define PROXY_LAUNCHER_H

#include <stdbool.h>
#include <sys/types.h>
#include "proto/base/err.h"

enum { LAUNCHERS = 2, LAUNCH_FDS_MAX = 64, LAUNCH_TEXT_BYTES = 16 * 1024, LAUNCH_WORDS_MAX = 512 };

struct launcher {
	int self_fd; /* this program, open; borrowed */
	unsigned replaced;
	struct {
		int fd;
		pid_t pid; /* 0: there is none, nor a descriptor */
	} each[LAUNCHERS];
};

enum launch_as {
	LAUNCH_ROLE,     /* this program with signals blocked and nothing to read */
	LAUNCH_LAUNCHER, /* ... with signals as they were when the parent was started */
	LAUNCH_PROXY     /* words[0], as the parent was started, with LISTEN_PID its own */
};

struct launch {
	enum launch_as as;
	const char *const *words; /* its arguments; NULL at the end */
	const char *const *sets;  /* NAME=VALUE for its environment; NULL at the end, or NULL */
	const int *fds;           /* 3, 4, ... there */
	unsigned fd_count;
};

/* Before the parent is confined or blocks a signal. `self_fd` is this program, open, the caller's. 0 or
 * ERR_SYS. */
int launcher_open(struct launcher *, int self_fd) MUST_CHECK;
/* Its pid, or ERR_SYS with errno: nothing was started, or what was has lost the other ends of its
 * descriptors. Waits for a launcher, at most some seconds; one that does not answer is killed. */
pid_t launcher_start(struct launcher *, const struct launch *) MUST_CHECK;
/* A child has ended. True: it was a launcher. */
bool launcher_hear_death(struct launcher *, pid_t);
/* Once a turn: replace those that have ended, when one lives. */
void launcher_mend(struct launcher *);
unsigned launcher_count(const struct launcher *);
/* End them. */
void launcher_close(struct launcher *);

/* `understudy --role launcher INDEX EPOCH`, words from the third on: the process itself; its exit status.
 * With an epoch other than 0 its walls came with it. */
int launcher_run(int count, char **words);

#endif
