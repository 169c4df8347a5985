/*
 * listeners.h - one bound socket for each address of the plan, or one that is handed over.
 */
#ifndef PROXY_LISTENERS_H
#define PROXY_LISTENERS_H

#include "capture/plan.h"

/* A bound, non-blocking, close-on-exec socket for each of plan->listen, in its order, and *control_out for
 * the control endpoint's own address, when the plan has one (else -1). A socket is taken from those handed
 * over when one has the same address (it may listen already), and bound here when none has. former NULL what
 * a service manager or an older binary handed over (LISTEN_PID and LISTEN_FDS, sd_listen_fds(3)); what fits
 * no address is closed and said former not NULL   the listeners of another generation, which stay the
 * caller's 0 or ERR_SYS, said on stderr; then `fds` holds -1 where none was made. */
int listeners_bind(const struct plan *, const int *former, unsigned former_count, int fds[LISTEN_MAX],
                   int *control_out) MUST_CHECK;

/* No connection comes to the sockets any more that this process bound itself (a SYN finds nobody until they
 * are closed; then it is refused): those that the kernel has let in can all be served. False: some are not
 * ours, or not of TCP, and take connections on. */
bool listeners_shut(const int *fds, unsigned count);

/* The same kind of socket at a path; a file that a dead process left there gives way, one behind which
 * somebody answers does not. A descriptor, or -1 with errno (EADDRINUSE: somebody answers). */
int listeners_bind_path(const char *path) MUST_CHECK;

#endif
