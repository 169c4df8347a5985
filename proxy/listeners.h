/*
 * listeners.h - one bound socket for each address of the plan, or the one that a service manager hands over.
 */
#ifndef PROXY_LISTENERS_H
#define PROXY_LISTENERS_H

#include "capture/plan.h"

/* Also the control endpoint's own address, when the plan has one (else *control_out is -1).
 * A bound, non-blocking, close-on-exec socket for each of plan->listen, in its order; none listens yet unless
 * it was handed over (LISTEN_PID and LISTEN_FDS, sd_listen_fds(3)) and has the same address. What was handed
 * over and fits no address is closed. 0 or ERR_SYS, said on stderr; then `fds` holds -1 where none was made.
 */
int listeners_bind(const struct plan *, int fds[LISTEN_MAX], int *control_out) MUST_CHECK;

/* The same kind of socket at a path; a file that a dead process left there gives way, one behind which
 * somebody answers does not. A descriptor, or -1 with errno (EADDRINUSE: somebody answers). */
int listeners_bind_path(const char *path) MUST_CHECK;

#endif
