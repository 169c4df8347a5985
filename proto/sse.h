/*
 * sse.h - the events of a text/event-stream that lies whole in memory (WHATWG HTML, section 9.2.6). Pure: no
 * I/O.
 *
 * Lines end with LF, CR or CRLF; a byte order mark, comments and unknown fields are skipped; the data fields
 * of an event are joined by line feeds; an event without data is none, and so is what no blank line ends.
 */
#ifndef PROTO_SSE_H
#define PROTO_SSE_H

#include "proto/base/buf.h"

struct sse_line {
	struct span text, end; /* end: its LF, CR or both; empty where the input ends before it does */
	struct span name;      /* of the field; empty for a comment */
	struct span value;     /* without the blank in front, if there is one */
	bool blank;            /* there is one */
};

/* Cut the first line off `left`: false when nothing is left. */
bool sse_line(struct span *left, struct sse_line *out);
/* What a stream may begin with. */
#define SSE_MARK SPAN("\xef\xbb\xbf")

struct sse_reader {
	struct span left;
	struct buf joined; /* data of more than one field */
};

struct sse_event {
	struct span name, data; /* name: empty when none is given; valid until the next event is read */
};

/* `limit_bytes`: of the data that has to be joined. */
void sse_init(struct sse_reader *, struct span stream, size_t limit_bytes);
void sse_fini(struct sse_reader *);
/* 1 with an event; 0: there is no more; ERR_LIMIT, ERR_NOMEM. */
int sse_next(struct sse_reader *, struct sse_event *out) MUST_CHECK;

#endif
