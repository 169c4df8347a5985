/*
 * fold.h - records in, exchanges out: the fold of an exchange's events, leg by leg.
 *
 * Bounded: at most `limit_bytes` of memory over all open exchanges, their own and their buffers', and a MiB
 * more that waits for the next ones; past it a record is refused with ERR_LIMIT and the caller settles
 * and drops that exchange.
 */
#ifndef CAPTURE_FOLD_H
#define CAPTURE_FOLD_H

#include "capture/record.h"
#include "proto/base/buf.h"

enum { LEGS_MAX = LEG_CANDIDATE + CANDIDATES_MAX };

/* When the first `end` bytes of a body were there. */
struct leg_mark {
	uint64_t time_ns;
	size_t end;
};

enum { LEG_MARKS_MAX = 4096 }; /* what comes later moves the last one */

struct leg {
	struct buf head, body, trailers; /* head: the text form of record.h */
	uint64_t start_ns, end_ns;       /* times of the HEAD and of the END (or ERROR) */
	uint64_t first_ns;               /* first CHUNK, 0 when none */
	struct buf marks;                /* struct leg_mark of each CHUNK that brought bytes, in order */
	bool begun, ended;
	uint8_t error;              /* 0, or the outcome named by an ERROR record */
	uint32_t mask_count, flags; /* sums and ORs over its records */
	struct buf found;           /* of its END: capture/found.h */
	uint16_t policy;            /* as the record's */
};

static inline const struct leg_mark *leg_marks(const struct leg *l, size_t *count_out)
{
	*count_out = buf_len(&l->marks) / sizeof(struct leg_mark);
	return (const struct leg_mark *)buf_span(&l->marks).data;
}

struct exchange {
	uint64_t id;
	uint32_t slot, generation;
	uint16_t route;
	uint32_t sample_ppm; /* of its request's HEAD; 0: not known */
	uint64_t sample_hash;
	uint32_t call; /* as the record's */
	size_t bytes;
	struct leg *legs[LEGS_MAX]; /* NULL: nothing seen */
	void *user;                 /* the caller's */
	struct exchange *next;
};

struct fold;
struct fold *fold_new(size_t limit_bytes); /* NULL: out of memory */
void fold_free(struct fold **);
/* Add one record. 0 with the exchange, ERR_LIMIT (exchange still there), ERR_NOMEM, ERR_PROTO. */
int fold_add(struct fold *, const struct record *, const void *payload,
             struct exchange **exchange_out) MUST_CHECK;
struct exchange *fold_find(struct fold *, uint64_t id); /* or NULL */
void fold_drop(struct fold *, struct exchange **);      /* sets NULL */
/* Calls `each` for every open exchange; it may drop that exchange. */
void fold_each(struct fold *, void (*each)(void *arg, struct exchange *), void *arg);
size_t fold_bytes(const struct fold *);

#endif
