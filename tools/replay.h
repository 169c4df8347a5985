/*
 * replay.h - `understudy replay`: from a command line and a capture's header to a plan.
 */
#ifndef TOOLS_REPLAY_H
#define TOOLS_REPLAY_H

#include <stdbool.h>
#include "capture/plan.h"

struct replay_options {
	const char *input, *speed, *targets[CANDIDATES_MAX], *gates[GATES_MAX];
	char run[PATH_MAX_BYTES];
	unsigned target_count, gate_count;
};

/* Read the arguments and the capture's header into a plan. An exit status, or -1: go on. */
int replay_options(int argc, char **argv, struct replay_options *, struct plan *);
/* Print the gate table; 0 without --gate, else the verdict's exit status. */
int replay_verdict(const struct replay_options *);

#endif
