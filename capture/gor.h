/*
 * gor.h - what GoReplay (goreplay.org) writes to a file: items of requests and answers, one behind the other.
 * Pure.
 *
 *   1 ID NANOSECONDS [NANOSECONDS] LF  the message as it was on the wire  LF (three monkeys) LF
 *
 * 1 is a request, 2 its answer, which has its ID, 3 the answer to a replay of it. Resumable at any byte. An
 * item is kept until it is whole, at most GOR_BYTES_MAX of it; one that is longer or wrong is told by its
 * number and left out, and reading goes on behind it.
 */
#ifndef CAPTURE_GOR_H
#define CAPTURE_GOR_H

#include <stdbool.h>

#include "proto/base/buf.h"
#include "proto/h1.h"

enum { GOR_BYTES_MAX = 16 << 20, GOR_ID_MAX = 64 };
enum gor_kind { GOR_REQUEST = 1, GOR_ANSWER, GOR_REPLAYED };

struct gor {
	struct buf item;
	uint64_t number; /* of the item under way, from 1 */
	uint64_t refused;
	bool too_long; /* the rest of the item is skipped */
	bool given;    /* the item is read; the next byte begins another */
};

struct gor_item {
	uint64_t number;
	enum gor_kind kind;
	struct span id;  /* at most GOR_ID_MAX */
	uint64_t at_ns;  /* wall clock */
	struct span raw; /* the message */
	const char *why; /* a constant, of an item that was refused */
};

void gor_init(struct gor *);
void gor_fini(struct gor *);
/* Read on from *input, which is advanced. 1: an item, valid until the next call; 0: the input is used up;
 * ERR_PROTO or ERR_LIMIT: an item was refused, number and why are set, go on; ERR_NOMEM. */
int gor_next(struct gor *, struct span *input, struct gor_item *out) MUST_CHECK;
/* No more input: 0, or ERR_PROTO as above when it ends within an item. */
int gor_end(struct gor *, struct gor_item *out) MUST_CHECK;

/* One whole message, strictly read, as a capture has it: the text form of its head (record.h), its body
 * without chunks. Appends to both. ERR_PROTO, ERR_LIMIT, ERR_UNSUPPORTED, ERR_NOMEM. */
int gor_message(struct span raw, enum h1_kind, struct buf *head, struct buf *body) MUST_CHECK;

/* Does a file that begins so hold such items? */
bool gor_is(struct span begin);

#endif
