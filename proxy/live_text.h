/*
 * live_text.h - a request as HTTP/1.1 text: what a connection of that version sends, and what every version
 * keeps for another try, which may go to an endpoint of another version.
 *
 * Parts are written whole and in order, so text always ends between two of them; what is read back was
 * written here.
 */
#ifndef PROXY_LIVE_TEXT_H
#define PROXY_LIVE_TEXT_H

#include "proto/h2.h"
#include "proxy/live.h"

void live_text_head(struct live *, struct buf *out, const struct forward_request *);
void live_text_data(struct live *, struct buf *out, struct span bytes);
void live_text_trailers(struct live *, struct buf *out, const struct http_message *);
void live_text_end(struct live *, struct buf *out);

/* Take the head from the front of `text`: the request but for :scheme, its fields in `fields` (which the
 * request points to, as both point into the text). False: the head is not there. */
bool live_text_read_head(struct span *text, struct h2_request *, struct h2_fields *) MUST_CHECK;
/* The next bytes of the body; empty at its end, or where the text ends. */
struct span live_text_read_data(const struct live *, struct span *text);
/* Behind the body: the trailers, if there are some. */
void live_text_read_trailers(const struct live *, struct span *text, struct h2_fields *);

#endif
