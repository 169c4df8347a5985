/*
 * sandbox.h - a candidate, or a recogniser, in bubblewrap, for `understudy sandbox` and for the keepers of a
 * proxy.
 *
 *   client -> listening socket (made outside) -> relay (inside, this program) -> candidate's socket or port
 *
 * The candidate inherits nothing and sees no folder of the host that can be written. Its network namespace
 * has a loopback and nothing else; the one way in is the listening socket that the relay holds. Whoever
 * started it is its only parent: they end together.
 */
#ifndef REPLAY_SANDBOX_H
#define REPLAY_SANDBOX_H

#include <stdint.h>
#include <sys/types.h>

#include "capture/plan.h"
#include "proto/base/err.h"
#include "proto/base/span.h"

struct sandbox_limits { /* 0: none */
	uint64_t memory_bytes;
	uint32_t cpu_percent, pids; /* 100: one core */
};

enum { SANDBOX_GROUPS = 3, SANDBOX_HOW_BYTES = 128 };

struct sandbox_cage {
	struct sandbox_limits limits;
	unsigned group_count;
	char groups[SANDBOX_GROUPS][256]; /* folders that were made */
	char how[SANDBOX_HOW_BYTES];      /* "cgroup v1 (memory, cpu, pids)" */
	struct sandbox_limits rest;       /* what no group holds: rlimits are for it */
};

/* Make groups where the kernel and our rights allow it; what is left is for rlimits. */
void sandbox_cage_make(struct sandbox_cage *, const struct sandbox_limits *);
/* 0, or ERR_SYS: the process is in none of some group. */
int sandbox_cage_put(const struct sandbox_cage *, pid_t) MUST_CHECK;
/* In the child: the limits that no group holds. 0 or ERR_SYS. */
int sandbox_cage_rlimits(const struct sandbox_cage *) MUST_CHECK;
/* Kill what is left inside and remove the groups. */
void sandbox_cage_remove(struct sandbox_cage *);

struct sandbox {
	const struct plan_sandbox *spec;
	struct sandbox_cage cage;
	pid_t pid;        /* of bubblewrap; 0: it does not run */
	bool ready;       /* it has answered as its spec says */
	bool time_over;   /* ended for that */
	bool floods;      /* has printed more than is passed on, and goes on: what it prints next waits */
	int status;       /* once it has ended: its exit status, 128 + n when signal n ended it */
	int output, news; /* our ends of its pipes */
	uint64_t passed_bytes, end_ns;
};

/* What it prints, up to the spec's output_bytes; the rest is read and dropped, so that it need not wait long:
 * at most 64 KiB a look, and once over the limit a look takes 50 ms. */
typedef void sandbox_said(void *arg, struct span text);

/* Start it behind a socket that listens; `self` is this program, open. The spec and both descriptors stay the
 * caller's. 0, or ERR_SYS with errno: nothing runs. */
int sandbox_start(struct sandbox *, const struct plan_sandbox *, int listener, int self) MUST_CHECK;
/* The same of a program that is spoken to by its standard input and output, and inherits nothing else: no
 * socket, no relay; it is never `ready` by itself. */
int sandbox_start_piped(struct sandbox *, const struct plan_sandbox *, int input, int output) MUST_CHECK;
/* Wait a while for news of it, or until `wake` (may be -1) can be read. False: it has ended. */
bool sandbox_watch(struct sandbox *, int wake, sandbox_said *, void *arg) MUST_CHECK;
/* End it now, with all that is inside, when it runs; take its groups away. */
void sandbox_stop(struct sandbox *);

/* Inside: `words` are where to relay to (":PORT", or a path), the path that health is asked at ("" : it takes
 * connections), and the command. Ends with the candidate; its exit status, 128 + n when signal n ended it. */
int sandbox_inside(int count, char **words);
/* Where the candidate's own unix socket is, inside. */
#define SANDBOX_SOCKET "/run/understudy/candidate.sock"
enum { SANDBOX_LISTENER = 3, SANDBOX_NEWS = 6 }; /* descriptors of the relay */

#endif
