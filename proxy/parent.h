/*
 * parent.h - the parent: one generation (house.h) serves; a reload or an upgrade builds the next beside it,
 * and only when every role of that is ready does it take over, and the former one drain. It maps no ring,
 * reads no client byte, and waits for nobody: one loop over signals, the children's pipes, the page and the
 * clock.
 */
#ifndef PROXY_PARENT_H
#define PROXY_PARENT_H

#include "capture/role.h"
#include "proxy/reread.h"

/* IN_FORWARD: while no run is open. IF_NAMED: only when an endpoint's address is a name. */
enum { IN_MIRROR = 1, IN_REPLAY = 2, IN_FORWARD = 4, IF_NAMED = 8, ROLE_HOLDS_MAX = 20 };

/* How many there are. A keeper is handed on to the next generation when that has the same sandbox. */
enum role_each { ONE_ROLE, PER_WORKER, PER_SANDBOX, PER_RECOGNISER };

/* One row a role. A name in `holds` ending in '*' stands for every descriptor with that prefix; '%' is
 * replaced by the role's index. */
struct role_row {
	const char *name;
	uint8_t in; /* IN_*, IF_NAMED */
	role_run *run;
	uint8_t stage;   /* whose cells are lost when it dies; 0: none */
	uint32_t leaves; /* the phase in which it exits */
	uint8_t each;    /* enum role_each */
	const char *holds[ROLE_HOLDS_MAX];
	struct role_rank rank;
	uint32_t ready_ms; /* to say that it is ready; 0: 20 s */
	struct role_walls walls;
};

struct parent_job { /* all borrowed */
	const struct plan *plan;
	const char *run;   /* the run's directory; NULL: the plan's run_directory/NAME-TIME */
	const char *input; /* opened as the descriptor "input"; NULL: none */
	const struct role_row *rows;
	unsigned row_count;
	plan_reader *again; /* reads the configuration for a reload; NULL: there are no reloads */
	void *arg;          /* of `again` */
	char **argv;        /* how this program was started, for an upgrade; NULL: there is none */
};

/* Start every role of the table, those that leave first (workers, a player) last; nothing is accepted before
 * every role is ready. Respawn what dies, drain on the first SIGTERM or SIGINT, stop at the second. SIGHUP
 * (or a wish on the page, page.h) reloads, SIGUSR2 upgrades; both wait while an older generation drains, and
 * at an error everything stays as it is. A further run of `run` DIR goes to the first free of DIR-2, DIR-3
 * ... Tells a service manager (notify.h), takes its sockets (listeners.h) or those of an older binary
 * (upgrade.h). When it returns, no role is left. The process's exit status: 0 drained, 3 not started, 130 a
 * replay that was interrupted. */
int parent_run(const struct parent_job *);

#endif
