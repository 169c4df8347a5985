/*
 * parent.h - the parent: listeners, descriptors, respawn. It maps no ring and reads no client byte.
 */
#ifndef PROXY_PARENT_H
#define PROXY_PARENT_H

#include "capture/role.h"

enum { IN_MIRROR = 1, IN_REPLAY = 2 };

/* One row a role. A name in `holds` ending in '*' stands for every descriptor with that prefix; '%' is
 * replaced by the role's index. */
struct role_row {
	const char *name;
	uint8_t in; /* IN_MIRROR, IN_REPLAY */
	role_run *run;
	uint8_t stage;   /* whose cells are lost when it dies; 0: none */
	uint32_t leaves; /* the phase in which it exits */
	bool per_worker;
	const char *holds[16];
};

/* Start every role of the table (workers last), respawn what dies, drain on SIGTERM or SIGINT.
 * `run_directory` is made when missing; `input` (may be NULL) is opened as the descriptor "input".
 * The process's exit status. */
int parent_run(const struct plan *, const char *run_directory, const char *input, const struct role_row *rows,
               unsigned row_count);

#endif
