/*
 * masker_learn.h - routes with `mask: learn`: their exchanges are looked at in the masker and go nowhere.
 *
 * Requests and answers are put together, counted path by path (learn.h) and dropped; the exchange is
 * excluded{learned}. What leaves is counts, once a second, in memory that control reads. Bounded: what does
 * not fit in `limit_bytes` is dropped as `memory`.
 */
#ifndef CAPTURE_MASKER_LEARN_H
#define CAPTURE_MASKER_LEARN_H

#include "capture/role.h"

struct masker_learn;
/* NULL in *out, and 0, when no route learns. 0, ERR_NOMEM, ERR_SYS. */
int masker_learn_new(const struct role_env *, size_t limit_bytes, struct masker_learn **out) MUST_CHECK;
/* A raw record of such a route. */
void masker_learn_take(struct masker_learn *, const struct record *, const void *payload);
/* After every turn; `last`: there is no further one. */
void masker_learn_turn(struct masker_learn *, uint64_t now_ns, bool last);

#endif
