/*
 * parent.h - the parent: starts the roles, starts again what dies, drains. It maps no ring, reads no client
 * byte, and waits for nobody: one loop over signals, the children's pipes and the clock.
 */
#ifndef PROXY_PARENT_H
#define PROXY_PARENT_H

#include "capture/role.h"

/* IF_NAMED: only when an endpoint's address is a name. */
enum { IN_MIRROR = 1, IN_REPLAY = 2, IF_NAMED = 4, ROLE_HOLDS_MAX = 16 };

/* One row a role. A name in `holds` ending in '*' stands for every descriptor with that prefix; '%' is
 * replaced by the role's index. */
struct role_row {
	const char *name;
	uint8_t in; /* IN_MIRROR, IN_REPLAY, IF_NAMED */
	role_run *run;
	uint8_t stage;   /* whose cells are lost when it dies; 0: none */
	uint32_t leaves; /* the phase in which it exits */
	bool per_worker;
	const char *holds[ROLE_HOLDS_MAX];
	struct role_rank rank;
	uint32_t ready_ms; /* to say that it is ready; 0: 20 s */
};

/* Start every role of the table, those that leave first (workers, a player) last; nothing is accepted before
 * every role is ready. Respawn what dies, drain on the first SIGTERM or SIGINT, stop at the second. Tells a
 * service manager (notify.h), takes its sockets (listeners.h). `run_directory` is made when missing; `input`
 * (may be NULL) is opened as the descriptor "input". When it returns, no role is left. The process's exit
 * status: 0 drained, 3 not started, 130 a replay that was interrupted. */
int parent_run(const struct plan *, const char *run_directory, const char *input, const struct role_row *rows,
               unsigned row_count);

#endif
