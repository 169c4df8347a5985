/*
 * ring.h - bounded ring of records in a sealed memfd: one writer process, one reader process.
 *
 *   | page 0: geometry (fixed) | page 1: writer's cursors | page 2: reader's cursor | data ... |
 *
 * The writer never waits: a full ring is ERR_FULL and the caller sheds the copy and counts it.
 * Puts become visible at ring_publish(), once per loop turn. The reader trusts nothing: it copies
 * each header once and bounds-checks it; a broken ring is ERR_PROTO. A reader advances its cursor
 * before it processes, so a poison record is lost once, not for ever. What the record hands over it takes
 * before that: peek, claim the cells (ledger.h), advance, process. So whatever a dead reader had in hand
 * is either in the ring still or at its own stage.
 */
#ifndef CAPTURE_RING_H
#define CAPTURE_RING_H

#include <stdbool.h>
#include "capture/record.h"
#include "proto/base/err.h"

struct ring;

enum { RING_RESERVE_BYTES = 64 * 1024 }; /* for some 1000 ends: what every other record leaves free */

/* A sealed (size-fixed) memfd of at least `bytes` data bytes (rounded up to a power of two) and an
 * eventfd that wakes a sleeping reader. Both close-on-exec. 0 or ERR_SYS. */
int ring_create(const char *name, size_t bytes, int *memfd_out, int *eventfd_out) MUST_CHECK;

/* Map one end. The same memfd may be attached again by a respawned process, which continues at the
 * stored cursors. 0, ERR_SYS, ERR_PROTO (not a ring), ERR_NOMEM. Takes no ownership of the fds. */
int ring_attach_writer(int memfd, int eventfd, struct ring **ring_out) MUST_CHECK;
int ring_attach_reader(int memfd, int eventfd, struct ring **ring_out) MUST_CHECK;
void ring_free(struct ring **); /* accepts NULL, sets NULL */

/* Copy one record in, unpublished. `reserve` bytes stay free behind it for ends of open exchanges
 * (0 for an END or ERROR). ERR_FULL: shed. ERR_LIMIT: payload too large. */
int ring_put(struct ring *, const struct record *, const void *payload, size_t reserve) MUST_CHECK;
/* Make the puts visible; signals the reader's eventfd once if it declared deep sleep. */
void ring_publish(struct ring *);

/* Copy the next record out, which stays in the ring: `payload` has RECORD_PAYLOAD_MAX bytes.
 * 0, ERR_AGAIN (empty), ERR_PROTO (the ring is broken; the reader must not continue). */
int ring_peek(const struct ring *, struct record *record_out, char *payload) MUST_CHECK;
/* Go past the record that was peeked. */
void ring_advance(struct ring *, const struct record *);
/* Both, for records that hand nothing over. */
int ring_get(struct ring *, struct record *record_out, char *payload) MUST_CHECK;

/* Reader: drop all that lies in the ring and continue at the writer's published head. */
void ring_skip(struct ring *);

/* Declare deep sleep. False: records arrived meanwhile, do not sleep. */
bool ring_sleep(struct ring *);
void ring_wake(struct ring *); /* the reader is back; drains the eventfd */

size_t ring_used_bytes(const struct ring *);
size_t ring_data_bytes(const struct ring *);

#endif
