/*
 * har.h - HTTP Archive 1.2 (w3c.github.io/web-performance/specs/HAR): a log of requests and answers, as
 * browsers and proxies save it. Pure; over a document that is whole in memory.
 */
#ifndef CAPTURE_HAR_H
#define CAPTURE_HAR_H

#include "proto/json_pick.h"

enum { HAR_BYTES_MAX = 256 << 20, HAR_BODY_MAX = 16 << 20 };

struct har {
	struct json_elements entries;
	uint64_t number; /* of the last entry, from 1 */
	/* Of the last entry: heads in the text form of record.h, bodies as they were before any coding. */
	struct buf request_head, request_body, answer_head, answer_body;
	uint64_t at_ns, took_ns; /* begun, wall clock; until the answer was whole */
	bool answered;
	const char *why; /* a constant, of an entry that was refused */
};

/* Borrows the document. ERR_PROTO: it is no HAR; har_fini() is due all the same. */
int har_init(struct har *, struct span document) MUST_CHECK;
void har_fini(struct har *);
/* 1: an entry, valid until the next call; 0: there are no more; ERR_PROTO or ERR_LIMIT with `why`: an entry
 * was refused, go on; without: the document is broken. ERR_NOMEM. */
int har_next(struct har *) MUST_CHECK;

/* Does a file that begins so look like one? */
bool har_is(struct span begin);

#endif
