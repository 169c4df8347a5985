/*
 * estate.h - what the parent owns by name: shared memory, rings, listeners, keys, the run directory.
 *
 * Every thing is one descriptor with a name; a role inherits those that its row holds. A name is unique,
 * every descriptor is close-on-exec, and no ring is mapped here.
 */
#ifndef PROXY_ESTATE_H
#define PROXY_ESTATE_H

#include "capture/ledger.h"
#include "capture/page.h"
#include "capture/plan.h"

enum { ESTATE_MAX = 256, ESTATE_NAME_BYTES = 32 };

struct estate {
	const struct plan *plan;
	struct page *page;
	struct ledger *ledger;
	unsigned count;
	struct {
		char name[ESTATE_NAME_BYTES];
		int fd;
	} things[ESTATE_MAX];
};

/* Make everything that the plan asks for; `run_directory` is made when missing, `input` (may be NULL) is
 * opened as "input". Listeners are bound and not yet listening. 0, ERR_SYS, ERR_CONFIG or ERR_LIMIT, said on
 * stderr; estate_close() frees what was made in either case. The plan is borrowed. */
int estate_open(struct estate *, const struct plan *, const char *run_directory,
                const char *input) MUST_CHECK;
/* From here on clients can connect. 0 or ERR_SYS, said on stderr. */
int estate_listen(const struct estate *) MUST_CHECK;
/* The log ring of a role: written by it, read by control, which polls; nobody is ever woken. Its name is
 * "ring.log.ROLE.INDEX". 0, ERR_SYS or ERR_LIMIT. */
int estate_log_ring(struct estate *, const char *role, unsigned index) MUST_CHECK;
/* Put an empty ring in the place of "ring.NAME" and "wake.NAME"; whoever holds the old one keeps it.
 * 0, ERR_SYS, or ERR_PROTO when there is no such ring. */
int estate_renew_ring(struct estate *, const char *name) MUST_CHECK;
/* Close every descriptor and take the control socket's path away. */
void estate_close(struct estate *);

#endif
