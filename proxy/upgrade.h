/*
 * upgrade.h - from one binary to the next: the old parent executes what now lies at its path, the new one
 * builds a full generation of its own on the same listeners, says "1" when it is ready, and the old one
 * drains. Versions share nothing else: what follows is all that is said, in the environment.
 *
 *   LISTEN_PID, LISTEN_FDS        the listeners (listeners.h)
 *   NOTIFY_SOCKET, WATCHDOG_USEC  the service manager (notify.h)
 *   UNDERSTUDY_FORMER             "FD GENERATION RUN-ID PAUSED RUN-CLOSED RUN-NAME"; FD is one end of a
 * socket pair, whose other end the old parent holds until it has left
 */
#ifndef PROXY_UPGRADE_H
#define PROXY_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "capture/plan.h"
#include "proxy/launcher.h"
#include "proxy/notify.h"

struct former {
	int fd; /* to the old parent; -1: there is none */
	uint32_t generation;
	uint64_t run_id; /* 0: no run was open */
	bool paused, run_closed;
	char run_name[NAME_MAX_BYTES]; /* that an operator gave; empty: the configuration's */
};

struct successor { /* as the old parent sees the new one */
	int fd;    /* -1: there is none */
	pid_t pid; /* 0: it has ended */
	uint64_t deadline_ns;
};

enum upgrade_news { UPGRADE_NOTHING, UPGRADE_READY, UPGRADE_FAILED };

/* Have argv executed, as this process was started. 0, or ERR_SYS (nothing was started). */
int upgrade_start(struct successor *, struct launcher *, char **argv, const int *listeners, unsigned count,
                  const struct notify *, const struct former *said, uint64_t now_ns) MUST_CHECK;
/* READY once. FAILED: it has ended, or is killed because it took over 60 s; upgrade_forget() it. */
enum upgrade_news upgrade_hear(const struct successor *, uint64_t now_ns);
/* Close our end: to a successor that is ready this says that we have left. */
void upgrade_forget(struct successor *);

/* What the old parent said; taken out of the environment. */
void upgrade_find(struct former *);
void upgrade_say_ready(const struct former *);
/* Has the old parent left? Then `fd` is closed and -1, and this is true. */
bool upgrade_former_gone(struct former *);

#endif
