/*
 * canary.h - a synthetic exchange that walks the whole path of copies: worker, masker, shadow, answers,
 * judge.
 *
 *   worker --- client and live leg ---> masker ---> judge
 *                                          \------> shadow --- an answer made up there ---> answers --->
 * judge
 *
 * Each leg carries one known text wherever the route's policy hides what is there, and where the built-in
 * rules do: credentials, cookies, query values. Behind a masker it must be nowhere. Its records have
 * RECORD_CANARY and no slot of the ledger, so it is in no count; it is never stored, and neither live nor a
 * candidate is asked.
 */
#ifndef CAPTURE_CANARY_H
#define CAPTURE_CANARY_H

#include "capture/plan.h"
#include "capture/ring.h"
#include "proto/base/buf.h"

enum { CANARY_MARK_BYTES = 48, CANARY_SLOT = UINT32_MAX };
/* Ids of canaries are above those of any exchange, whose highest byte is a worker's: what roles keep by id is
 * never another's. */
static const uint64_t CANARY_IDS = UINT64_C(0xff) << 56;

/* What must not be seen behind a masker: no secret itself, and another one in each run. */
void canary_mark(uint64_t run_id, char out[CANARY_MARK_BYTES]);
/* A leg's head and body under that policy, full of `mark`. 0, ERR_LIMIT, ERR_NOMEM. */
int canary_head(const struct plan_mask *, bool request, const char *mark, struct buf *out) MUST_CHECK;
int canary_body(const struct plan_mask *, const char *mark, struct buf *out) MUST_CHECK;
/* Put a whole leg into a ring, unpublished; `r` has id, route and generation. It may use what is reserved for
 * ends: a full ring sheds exchanges first. 0, ERR_FULL, ERR_LIMIT, ERR_NOMEM: it is lost. */
int canary_leg(struct ring *, struct record *r, uint8_t leg, const struct plan_mask *, const char *mark,
               uint64_t now_ns) MUST_CHECK;
bool canary_seen(const char *mark, struct span payload);

#endif
