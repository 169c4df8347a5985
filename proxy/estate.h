/*
 * estate.h - what the parent owns by name: shared memory, rings, listeners, keys, the run directory.
 *
 * Every thing is one descriptor with a name; a role inherits those that its row holds. A name is unique,
 * every descriptor is close-on-exec, and no ring is mapped here.
 */
#ifndef PROXY_ESTATE_H
#define PROXY_ESTATE_H

#include <sys/types.h>
#include "capture/ledger.h"
#include "capture/page.h"
#include "capture/plan.h"

enum { ESTATE_MAX = 256, ESTATE_NAME_BYTES = 32 };

struct estate {
	const struct plan *plan; /* the addresses of its sandboxes are written when the estate is opened */
	struct page *page;
	struct ledger *ledger;
	ino_t control_inode; /* of the control socket once it can be found; 0: not yet */
	const char *run_directory;
	bool made_run; /* it was not there before */
	unsigned sandbox_count, recogniser_count;
	struct {
		bool ours;  /* its path is to be removed */
		int former; /* its place in the former generation, which has it too; -1: it is new */
	} sandboxes[SANDBOXES_MAX];
	unsigned count;
	struct {
		char name[ESTATE_NAME_BYTES];
		int fd;
	} things[ESTATE_MAX];
};

/* Make everything that the plan asks for; `run_directory` is made when missing (and unused when no run is
 * open), `input` (may be NULL) is opened as "input"; all three stay the caller's. `former` (may be NULL) is
 * the generation before, which shares its listeners and the keys that are in no file, and nothing else.
 * Listeners are bound and not yet listening, the control socket has no name yet that others know. 0, ERR_SYS,
 * ERR_CONFIG or ERR_LIMIT, said on stderr; estate_close() frees what was made in either case. The plan is
 * borrowed. */
int estate_open(struct estate *, const struct plan *, const char *run_directory, const char *input,
                const struct estate *former) MUST_CHECK;
/* From here on clients and operators can connect. 0 or ERR_SYS, said on stderr. */
int estate_listen(struct estate *) MUST_CHECK;
/* No client connects any more (listeners_shut()). False: clients' sockets are not all ours. */
bool estate_shut(const struct estate *);
/* The descriptor of that name, or -1. */
int estate_fd(const struct estate *, const char *name);
/* All sockets that others connect to but the control socket; how many. */
unsigned estate_listeners(const struct estate *, int fds[LISTEN_MAX + 1]);
/* The log ring of a role: written by it, read by control, which polls; nobody is ever woken. Its name is
 * "ring.log.ROLE.INDEX". 0, ERR_SYS or ERR_LIMIT. */
int estate_log_ring(struct estate *, const char *role, unsigned index) MUST_CHECK;
/* Put an empty ring in the place of "ring.NAME" and "wake.NAME"; whoever holds the old one keeps it.
 * 0, ERR_SYS, or ERR_PROTO when there is no such ring. */
int estate_renew_ring(struct estate *, const char *name) MUST_CHECK;
/* Nobody here has a use for sandboxes any more: they end, unless another generation holds them. */
void estate_leave_sandboxes(struct estate *);
/* The n-th sandbox, which the former has too, is this estate's from here on. */
void estate_take_sandbox(struct estate *, unsigned n, struct estate *former);
/* Remove the run's files and its directory, if it was made for this estate. */
void estate_discard_run(const struct estate *);
/* Close every descriptor and take the control socket's path away, unless it is somebody else's by now. */
void estate_close(struct estate *);

#endif
