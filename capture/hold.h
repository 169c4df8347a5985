/*
 * hold.h - the chunk records of a leg that wait until their bytes can be masked, and how masked bytes are
 * laid over them.
 *
 *   records   |  c1  |   c2   |  c3  |      what they brought:  aaaaaabbbbbbbbbbbcccc
 *   messages  |   A    |  B   |  C   |      A is complete in c2, B and C in c3
 *   leave as     -      A'       B'C'
 *
 * A record leaves with no bytes of what is complete in an earlier one. What ends in a record ends there when
 * it is masked, too; what does not fit goes into the records before. None is added, removed or re-timed.
 */
#ifndef CAPTURE_HOLD_H
#define CAPTURE_HOLD_H

#include "capture/record.h"
#include "proto/base/buf.h"

struct held;
struct hold {
	struct buf body; /* what the records brought */
	struct held *first, **tail;
	struct held *undue; /* the first that may hold the end of the next message */
};

void hold_init(struct hold *, size_t limit_bytes);
void hold_fini(struct hold *);
/* Memory that one more record with so many bytes takes. */
size_t hold_growth(const struct hold *, size_t len);
/* 0, ERR_LIMIT, ERR_NOMEM. */
int hold_add(struct hold *, const struct record *, const void *payload) MUST_CHECK;
/* The first `brought` bytes of the body have become `masked` bytes: called as each message is masked. */
void hold_due(struct hold *, size_t brought, size_t masked);
/* Hand on every record with its share of `masked`, in order; they and the body are gone then, with the memory
 * they took. ERR_PROTO: they have no room for it, and none was handed on. */
int hold_release(struct hold *, struct span masked,
                 void (*emit)(void *arg, struct record *, const void *payload), void *arg) MUST_CHECK;

#endif
