/*
 * users.h - a closed loop: each user has one request under way, and asks again when it has thought about the
 * answer. Pure; times are given in.
 *
 *   push --> user's turns, in their order --> due: answer of the one before + think time --> take --> done
 *
 * Whose turn a request is, and how long is thought before it, is decided by whoever pushes; here it is only
 * kept to. A user's first turn is due when it is pushed. Turns that wait are bounded by whoever pushes.
 */
#ifndef REPLAY_USERS_H
#define REPLAY_USERS_H

#include <stdint.h>

#include "proto/base/err.h"

struct users;

struct users *users_new(unsigned count); /* NULL: out of memory */
void users_free(struct users **);        /* with the turns that wait, not what they are about */
/* `about`: not NULL. 0, ERR_NOMEM. */
int users_push(struct users *, unsigned user, void *about, uint64_t think_ns, uint64_t now_ns) MUST_CHECK;
/* The turn that has been due longest, or NULL: its user is busy until users_done(). */
void *users_take(struct users *, uint64_t now_ns, unsigned *user_out, uint64_t *due_ns_out);
void users_done(struct users *, unsigned user, uint64_t now_ns); /* its turn is over */
uint64_t users_next_ns(const struct users *); /* when the next is due; UINT64_MAX: none is */
/* Turns that wait come one by one, due or not, whoever is busy: when nothing more is to be sent. */
void *users_drop(struct users *, unsigned *user_out);

#endif
