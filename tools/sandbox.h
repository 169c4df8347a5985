/*
 * sandbox.h - the parts of `understudy sandbox`: limits outside, the relay inside.
 *
 *   client -> PATH (unix socket, made outside) -> relay (inside, this program) -> candidate's socket or port
 *
 * The candidate inherits nothing and sees no folder of the host that can be written. Its network namespace
 * has a loopback and nothing else; the one way in is the listening socket that the relay holds.
 */
#ifndef TOOLS_SANDBOX_H
#define TOOLS_SANDBOX_H

#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

struct sandbox_limits { /* 0: none */
	uint64_t memory_bytes;
	uint32_t cpu_percent, pids; /* 100: one core */
};

enum { SANDBOX_GROUPS = 3 };

struct sandbox_cage {
	struct sandbox_limits limits;
	unsigned group_count;
	char groups[SANDBOX_GROUPS][256]; /* folders that were made */
	char how[128];                    /* "cgroup v1 (memory, cpu, pids)" */
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

/* Inside: `words` are where to relay to (":PORT", or a path) and the command. Listens on descriptor 3. Ends
 * with the candidate; its exit status, 128 + n when signal n ended it. */
int sandbox_inside(int count, char **words);
/* Where the candidate's own unix socket is, inside. */
#define SANDBOX_SOCKET "/run/understudy/candidate.sock"

#endif
