/*
 * secret.h - a key between processes, in memory that is neither dumped nor swapped: memfd_secret(2) where the
 * kernel has it (then the kernel itself has no map of it, and no process can be asked for it); else a sealed
 * memfd that whoever reads it locks and keeps out of dumps.
 *
 * It is read by mapping it and by nothing else. What a library derives of it lies on the heap: not dumped,
 * but where there is swap it may go there.
 */
#ifndef CAPTURE_SECRET_H
#define CAPTURE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/span.h"

/* A close-on-exec descriptor, whose size stays what it is. 0 or ERR_SYS with errno. */
int secret_create(const char *name, struct span, int *fd_out) MUST_CHECK;
/* To read, for as long as the process lives. 0, ERR_SYS, or ERR_PROTO: it has another size. */
int secret_map(int fd, size_t bytes, const uint8_t **out) MUST_CHECK;
/* The kernel has memfd_secret(2), and RLIMIT_MEMLOCK leaves room for it. */
bool secret_is_offered(void);

#endif
