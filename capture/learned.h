/*
 * learned.h - what the masker has learned of routes with `mask: learn`, for control to tell: shared memory
 * with one writer.
 *
 * Two slots in turn: the one that is current is not written until the other was. Readers hold it read-only.
 */
#ifndef CAPTURE_LEARNED_H
#define CAPTURE_LEARNED_H

#include <stdatomic.h>

#include "capture/learn.h"
#include "capture/plan.h"

struct learned {
	_Atomic uint64_t version; /* of what is current, in slot version % 2; 0: nothing */
	struct learned_slot {
		_Atomic uint64_t len;
		char bytes[LEARN_SAVED_MAX + 64];
	} slots[2];
};

/* Does a route of this plan learn? */
bool learned_needed(const struct plan *);
/* Two descriptors of the same new memory. 0 or ERR_SYS. */
int learned_create(int *writable_out, int *readable_out) MUST_CHECK;
/* 0 or ERR_SYS; never unmapped. */
int learned_map(int writable, struct learned **) MUST_CHECK;
int learned_watch(int readable, const struct learned **) MUST_CHECK;

/* What does not fit is left out: it is there no more than before. */
void learned_publish(struct learned *, struct span saved);
/* Append a copy; nothing before the first. ERR_AGAIN: it was written over meanwhile. */
int learned_read(const struct learned *, struct buf *out) MUST_CHECK;

#endif
