/*
 * lines.h - JSON lines as requests: a body a line, or a line of an OpenAI batch file. Pure.
 *
 *   {"model": "m", "messages": [...]}                                   the body of a POST; where to, the
 *                                                                       caller says or its members tell
 *   {"custom_id": "a", "method": "POST", "url": "/v1/...", "body": {}}  as it says (OpenAI, Batch API)
 *
 * Resumable at any byte. A line is kept until it is whole, at most LINES_BYTES_MAX of it; one that is longer
 * or wrong is told by its number and left out, and reading goes on behind it. Blank lines are none.
 */
#ifndef CAPTURE_LINES_H
#define CAPTURE_LINES_H

#include "proto/base/buf.h"

#include <stdint.h>

enum { LINES_BYTES_MAX = 4 << 20, LINES_METHOD_MAX = 16, LINES_TARGET_MAX = 1024 };

struct lines {
	struct buf line;
	uint64_t number; /* of the line under way, from 1 */
	uint64_t taken, refused;
	bool too_long; /* the rest of the line is skipped */
	bool given;    /* the line is read; the next byte begins another */
	char method[LINES_METHOD_MAX], target[LINES_TARGET_MAX];
};

struct lines_request {
	uint64_t number;    /* of its line */
	const char *method; /* "POST" unless a batch says otherwise */
	const char *target; /* "": not told */
	struct span body;   /* the source bytes of a JSON object, or empty */
	struct span id;     /* of a batch: custom_id, with quotes; else empty */
	const char *why;    /* a constant, of a line that was refused */
};

void lines_init(struct lines *);
void lines_fini(struct lines *);
/* Read on from *input, which is advanced. 1: a request, valid until the next call; 0: the input is used up;
 * ERR_PROTO or ERR_LIMIT: a line was refused, number and why are set, go on; ERR_NOMEM. */
int lines_next(struct lines *, struct span *input, struct lines_request *out) MUST_CHECK;
/* No more input: the same of a last line without its line feed. */
int lines_end(struct lines *, struct lines_request *out) MUST_CHECK;

#endif
