/*
 * config.h - from a configuration file, or from a few arguments, to a plan.
 *
 * The plan is complete or not given at all: every error is printed with its place before the
 * function fails. Host names are resolved here, once.
 */
#ifndef PROXY_CONFIG_H
#define PROXY_CONFIG_H

#include <stdio.h>
#include "capture/plan.h"

/* Read a file into *out; errors and warnings go to `errors`. 0, ERR_CONFIG, ERR_SYS (unreadable)
 * or ERR_NOMEM. */
int config_read(const char *path, struct plan *out, FILE *errors) MUST_CHECK;

/* A start without a file: route "default" for every path, at most 4 copies in flight a candidate.
 * candidates: NAME=URL each; baseline: a URL or NULL; listen: HOST:PORT. */
int config_quick(const char *live, const char *const *candidates, unsigned candidate_count,
                 const char *baseline, const char *listen, struct plan *out, FILE *errors) MUST_CHECK;

/* What the plan means, for a reader. */
void config_print_check(const struct plan *, FILE *);
/* Bytes of one ring: a sixteenth of the memory, rounded down to a power of two, at least 1 MiB. */
uint64_t config_ring_bytes(const struct plan *);

#endif
