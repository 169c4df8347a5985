/*
 * role.h - what a role inherits, and the one entry order of all roles.
 *
 * A role is this program executed anew as `understudy --role NAME INDEX EPOCH name...`: descriptors 3, 4, ...
 * are those of the names, and it holds nothing else. role_enter() maps what every role needs, takes its rank,
 * gives up its privileges, puts up its walls (proto/base/confine.h), and leaves signals to the parent.
 */
#ifndef CAPTURE_ROLE_H
#define CAPTURE_ROLE_H

#include <stdbool.h>
#include "capture/ledger.h"
#include "capture/page.h"
#include "capture/plan.h"
#include "capture/ring.h"
#include "proto/base/buf.h"
#include "proto/base/confine.h"

enum {
	ROLE_FDS_MAX = 256,
	ROLE_RING_BROKEN = 4 /* exit status: a ring it holds is broken; its name went to the parent */
};

/* Where a role stands when the machine is short. One that is `after_live` runs on time that nobody else
 * wants: a worker that wakes takes the CPU from it at once (SCHED_IDLE, sched(7)). A higher oom_score_adj
 * (-1000 to 1000) is killed first. In a replay, which has no live path, no role is after another. */
struct role_rank {
	bool after_live;
	int oom;
};

/* What a role may do beyond what it holds. MAY_READ and MAY_STORE are about "run", "captures" and "input",
 * when it holds them; whom it dials stands in the plan. */
enum role_dials { DIALS_NOBODY, DIALS_LIVE, DIALS_CANDIDATES };
struct role_walls {
	unsigned may; /* MAY_*, without MAY_DIAL_* */
	enum role_dials dials;
};

struct role_env {
	const char *name;
	unsigned index, epoch;
	const struct plan *plan;
	struct ledger *ledger;
	struct page *page;
	struct ring *log; /* this role's log ring "log.NAME.INDEX"; NULL: lines go to stderr */
	int fd_count;
	struct {
		const char *name;
		int fd;
	} fds[ROLE_FDS_MAX];
};

typedef int role_run(struct role_env *);

/* The inherited descriptor of that name, or -1. */
int role_fd(const struct role_env *, const char *name);
/* The whole file behind that descriptor, to an empty buf that the caller frees (and wipes, when it is a key);
 * empty when there is none. */
void role_read(const struct role_env *, const char *name, struct buf *out);
/* The n-th inherited descriptor whose name starts with `prefix`, or -1. */
int role_fd_nth(const struct role_env *, const char *prefix, unsigned n);
/* Attach one end of the ring "ring.NAME" (and its eventfd "wake.NAME"). Does not return from a broken one. */
int role_ring_writer(const struct role_env *, const char *name, struct ring **) MUST_CHECK;
int role_ring_reader(const struct role_env *, const char *name, struct ring **) MUST_CHECK;
/* Parse the arguments behind --role and run; the process's exit status. Without walls (NULL) it is not
 * confined: for roles that tests make up. */
int role_enter(int argc, char **argv, struct role_rank, const struct role_walls *, role_run *run);
/* What confine() is asked for in that role. */
void role_rules(const struct role_env *, const struct role_walls *, struct confine_rules *out);
/* Tell the parent that this role is up, and wait until every role is. Does not return when the parent gives
 * up or is gone. */
void role_ready(const struct role_env *);
/* This attached ring gave ERR_PROTO: tell the parent which, and end. The parent puts an empty ring in its
 * place and starts both ends anew; a worker is spared, its copies are shed until its reader is back. */
_Noreturn void role_ring_broken(const struct role_env *, const struct ring *);

/* Poll pace of a ring reader: some milliseconds while records come and the rings stay nearly empty, 1 ms when
 * they do not; deep sleep on the eventfd after 100 ms empty. */
struct role_pace {
	unsigned most_ms; /* 0: 1 ms */
	unsigned nap_ms;
	uint64_t empty_since_ns;
};
/* Records were read. */
static inline void role_busy(struct role_pace *pace)
{
	pace->empty_since_ns = 0;
}
/* Called when all `rings` were empty; returns after the pause. Wakes at least every 100 ms. */
void role_pause(struct role_pace *, const struct role_env *, struct ring **rings, const int *eventfds,
                unsigned count);
/* For a role with a loop of its own: how long to pause, now that its rings were empty; 0: nothing came for so
 * long that deep sleep is due. */
unsigned role_nap_ms(struct role_pace *, const struct role_env *);
/* A full ring sheds: does one of these hold a part of what it can, and is to be looked at more often? */
bool role_crowded(struct ring **rings, unsigned count);
/* After the pause: what has come meanwhile says how long the next one may be. */
void role_rested(struct role_pace *, struct ring **rings, unsigned count);

#endif
