/*
 * reference.h - what the requests of a capture are like, as the distributions that a run's are held against.
 *
 * The capture is read once, at most its first REFERENCE_EXCHANGES requests; what is read trusts nothing of
 * it.
 */
#ifndef REPLAY_REFERENCE_H
#define REPLAY_REFERENCE_H

#include "replay/portrait.h"

enum { REFERENCE_EXCHANGES = 16384, REFERENCE_LEAST = 20 };

/* The requests of the route of that name; of all routes where the capture has none of that name. Features of
 * fewer than REFERENCE_LEAST requests and words that hardly repeat are left out. fd is taken. 0, or ERR_SYS,
 * ERR_NOMEM, ERR_PROTO, ERR_UNSUPPORTED: *why_out says what is wrong, a constant, or NULL. What is behind a
 * torn or damaged end is not read. */
int reference_read(int fd, const char *route, struct portrait *out, const char **why_out) MUST_CHECK;

#endif
