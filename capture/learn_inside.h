/*
 * learn_inside.h - what learn_save.c needs to make again what was saved.
 */
#ifndef CAPTURE_LEARN_INSIDE_H
#define CAPTURE_LEARN_INSIDE_H

#include "capture/learn.h"

/* Its name, or one above it, is a value. */
bool learn_hidden(const struct learn *, unsigned place);
/* One more place, behind those that it may be in. 0; ERR_PROTO: it could not have come about; ERR_NOMEM. */
int learn_restore(struct learn *, const struct learn_place *) MUST_CHECK;
void learn_restore_counts(struct learn *, uint64_t documents, uint64_t over);

#endif
