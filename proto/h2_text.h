/*
 * h2_text.h - a request of HTTP/1.1 as h1_write_*() wrote it, read back to be sent as HTTP/2.
 *
 * Whoever may have to send a request twice, and does not know in which version, keeps that text. It is ours
 * and was judged when it was written; what is read here is only found again, whatever the bytes are. It may
 * be the beginning of a request, as long as it ends between two parts.
 */
#ifndef PROTO_H2_TEXT_H
#define PROTO_H2_TEXT_H

#include "proto/h2.h"

struct h2_text {
	struct span rest; /* what is not read yet */
	bool chunked;
};

/* The request but for its scheme. Its fields are put into `fields`, which it then points to; all spans point
 * into the text. False: there is no whole head. */
bool h2_text_open(struct h2_text *, struct span text, struct h2_request *,
                  struct h2_fields *fields) MUST_CHECK;
/* The next bytes of the body; empty behind them. */
struct span h2_text_data(struct h2_text *);
/* Behind the body: the trailers, into `fields`, which has none. */
void h2_text_trailers(struct h2_text *, struct h2_fields *fields);

static inline void h2_fields_reset(struct h2_fields *f)
{
	f->count = 0;
	f->overflow = false;
}

#endif
