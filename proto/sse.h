/*
 * sse.h - text/event-stream that lies whole in memory (WHATWG HTML, section 9.2.6): its lines, and the events
 * that they make. Pure: no I/O.
 *
 * Lines end with LF, CR or CRLF; an event is the lines up to an empty one. A byte order mark, comments and
 * unknown fields are skipped; the data fields of an event are joined by line feeds; an event without data is
 * none, and so is what no blank line ends.
 */
#ifndef PROTO_SSE_H
#define PROTO_SSE_H

#include "proto/base/buf.h"

struct sse_line {
	struct span text, end; /* end: its CR, LF or both; empty at the end of the input */
	struct span name;      /* of the field; empty for a comment */
	struct span value;     /* without the blank in front, if there is one */
	bool blank;            /* there is one */
};

/* Cut the first line off `left`: false when nothing is left. */
bool sse_cut_line(struct span *left, struct sse_line *out);

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
