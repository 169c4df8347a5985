/*
 * child.h - one role's process: fork, exec with only its descriptors, and the two pipes to its parent.
 *
 *   role -> parent  "1" once it can begin; a ring's name when it dies of that ring (ROLE_RING_BROKEN)
 *   parent -> role  "1" when the whole house is up: role_ready() returns; closed instead: the role leaves
 */
#ifndef PROXY_CHILD_H
#define PROXY_CHILD_H

#include <sys/types.h>
#include "proxy/estate.h"
#include "proxy/launcher.h"
#include "proxy/parent.h"

/* WAITING -> STARTING -> READY; a death leads to BACKING_OFF and back to STARTING, or to GONE. LENT: the
 * former generation has it until this one takes over. */
enum child_state { CHILD_WAITING, CHILD_STARTING, CHILD_READY, CHILD_BACKING_OFF, CHILD_GONE, CHILD_LENT };

struct starter {     /* borrowed */
	int self_fd; /* this program, open */
	struct launcher *launcher;
};

struct child {
	const struct role_row *row;
	unsigned index, epoch;
	enum child_state state;
	pid_t pid;             /* 0: no process */
	int from, go;          /* our ends of its pipes, or -1 */
	uint64_t since_ns;     /* of this state */
	uint64_t deadline_ns;  /* STARTING: to be ready; BACKING_OFF: to start again */
	unsigned quick_deaths; /* in a row */
	bool ended_by_drain;   /* killed because its time to leave was over */
};

/* Does the role of this row and index inherit the thing of that name? */
bool child_holds(const struct child *, const char *name);
/* Fork and exec, here or by the launcher: STARTING. 0 or ERR_SYS (nothing runs then). */
int child_start(struct child *, const struct estate *, const struct starter *, uint64_t now_ns) MUST_CHECK;
/* STARTING and it said so: READY, and true once. */
bool child_heard(struct child *, uint64_t now_ns);
/* Let role_ready() return; once. */
void child_let_go(struct child *);
/* After its death: the ring it broke off at (a name without "ring.", of a ring it holds), else false. */
bool child_last_words(struct child *, char ring[ESTATE_NAME_BYTES]);
/* After its death: forget the process. */
void child_clear(struct child *);

#endif
