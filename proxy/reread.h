/*
 * reread.h - reads the configuration anew in a process of its own: names may resolve slowly, files may be
 * broken, and the parent waits for nobody.
 */
#ifndef PROXY_REREAD_H
#define PROXY_REREAD_H

#include <stdio.h>
#include <sys/types.h>
#include "capture/plan.h"

/* Fill the plan; 0, or ERR_* with its lines on `errors`. */
typedef int plan_reader(void *arg, struct plan *, FILE *errors);

struct reread {
	pid_t pid;         /* 0: nothing is read */
	struct plan *plan; /* shared with that process; whole once it has ended with status 0 */
	int words;         /* a memfd of what it said */
	uint64_t deadline_ns;
};

/* 0, or ERR_SYS (nothing is started, errno says why). */
int reread_start(struct reread *, plan_reader *, void *arg, uint64_t now_ns) MUST_CHECK;
/* Kill it when it takes over 30 s: its death is heard like any other. */
void reread_turn(const struct reread *, uint64_t now_ns);
/* After its death: what it said, cut to `size`. */
void reread_words(const struct reread *, char *out, size_t size);
/* After its death, or never started: forget it. */
void reread_end(struct reread *);

#endif
