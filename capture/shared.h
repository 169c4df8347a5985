/*
 * shared.h - memory with two ends that have rights of their own, which a memfd has not: who writes, and who
 * can only read.
 */
#ifndef CAPTURE_SHARED_H
#define CAPTURE_SHARED_H

#include <stddef.h>
#include "proto/base/err.h"

/* Zeroed and without a name by now; the kernel shows "/dev/shm/understudy-WHAT-...". 0 or ERR_SYS. */
int shared_create(const char *what, size_t bytes, int *writable_out, int *readable_out) MUST_CHECK;

#endif
