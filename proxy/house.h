/*
 * house.h - one generation: a plan, what it owns (estate.h), and a process for each of its roles.
 *
 *   built -> every role ready -> house_go(): open -> draining, from clients inward -> empty
 *
 * A death while it is open starts that role anew; a death before that gives the house up. Nothing here waits:
 * the parent calls house_turn() often. Two houses share nothing but listeners and keys.
 */
#ifndef PROXY_HOUSE_H
#define PROXY_HOUSE_H

#include <poll.h>
#include "proxy/child.h"

enum { CHILDREN_MAX = 40, DIRECTORY_BYTES = PATH_MAX_BYTES + NAME_MAX_BYTES + 32 };

struct house {
	struct estate estate; /* its plan is the house's own copy */
	struct starter starter;
	const char *input;
	char directory[DIRECTORY_BYTES]; /* of the run */
	bool open;                       /* every role has been ready: clients are accepted */
	bool failed;                     /* before it was open: every role is killed */
	unsigned stops;                  /* signals that asked to stop */
	uint64_t lame_since_ns;          /* still serving, but no longer ready; 0: not */
	uint32_t phase;                  /* PHASE_CONTROL + 1: all have left */
	uint64_t phase_since_ns;
	struct {
		unsigned count;
		uint64_t since_ns;
	} raw_breaks[WORKERS_MAX];
	unsigned child_count;
	struct child children[CHILDREN_MAX];
};

/* The plan is copied, the others borrowed. NULL: no memory. */
struct house *house_new(const struct plan *, const char *directory, const char *input, struct starter);
/* Make its estate beside the former's (may be NULL) and a place for each role; house_turn() starts them.
 * 0 or ERR_*, said on stderr; house_free() in either case. */
int house_build(struct house *, const struct role_row *rows, unsigned row_count,
                const struct house *former) MUST_CHECK;
/* Start who is due, end who is late, go on with a drain. */
void house_turn(struct house *, uint64_t now_ns);
/* A process has ended (waitpid's status); one that is not of this house is none of its business. */
void house_hear_death(struct house *, pid_t, int status, uint64_t now_ns);
/* Every role has said that it is ready, and waits for house_go(). */
bool house_ready(const struct house *);
void house_go(struct house *);
/* Drain: another serves. Heard by its roles at once, also if the parent should die now. */
void house_retire(struct house *);
/* Sandboxes that both have are `next`'s from here on, with their keepers. */
void house_hand_over(struct house *former, struct house *next);
/* Kill every role of a house that is not open. */
void house_give_up(struct house *);
/* No process is left: drained, or given up. */
bool house_empty(const struct house *);
/* What to wait for, at most CHILDREN_MAX; how many. */
unsigned house_pipes(const struct house *, struct pollfd *fds);
/* Of an empty house. Accepts NULL, sets NULL. */
void house_free(struct house **);
/* ... that was given up: its run, which nobody has seen, goes with it. */
void house_discard(struct house **);

#endif
