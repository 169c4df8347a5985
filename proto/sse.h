/*
 * sse.h - lines of text/event-stream (WHATWG HTML 9.2): which bytes end one, which field it holds. No
 * allocation, no I/O.
 *
 * An event is the lines up to an empty one. A line ends with CR LF, LF or CR.
 */
#ifndef PROTO_SSE_H
#define PROTO_SSE_H

#include "proto/base/span.h"

struct sse_line {
	struct span text, end; /* end: its CR, LF or both; empty at the end of the input */
	struct span name;      /* of the field; empty for a comment */
	struct span value;     /* without the blank in front, if there is one */
	bool blank;            /* there is one */
};

/* Cut the first line off `left`: false when nothing is left. */
static inline bool sse_next(struct span *left, struct sse_line *out)
{
	size_t n = 0, end, colon;

	if (!left->len)
		return false;
	while (n < left->len && left->data[n] != '\r' && left->data[n] != '\n')
		n++;
	end = n < left->len ? 1 : 0;
	if (end && n + 1 < left->len && left->data[n] == '\r' && left->data[n + 1] == '\n')
		end = 2;
	*out = (struct sse_line){.text = {left->data, n}, .end = {left->data + n, end}};
	for (colon = 0; colon < n && left->data[colon] != ':';)
		colon++;
	out->name = (struct span){left->data, colon};
	out->blank = colon + 1 < n && left->data[colon + 1] == ' ';
	colon += colon < n;
	colon += out->blank;
	out->value = (struct span){left->data + colon, n - colon};
	*left = (struct span){left->data + n + end, left->len - n - end};
	return true;
}

#endif
