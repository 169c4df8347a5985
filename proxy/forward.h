/*
 * forward.h - heads on their way: written anew, field by field, with exactly one framing.
 *
 * Order, spelling and values stay as sent; hop-by-hop fields go, the route's edits are applied, and the
 * framing field stays where the sender had it.
 */
#ifndef PROXY_FORWARD_H
#define PROXY_FORWARD_H

#include "capture/plan.h"
#include "proto/h1.h"
#include "proto/h2.h"

struct forward_request {
	const struct http_message *message;
	const struct plan_header_edits *edits;
	enum http_framing framing;
	bool forwarded; /* add X-Forwarded-*, Forwarded and x-request-id; our span in traceparent */
	const char *client_address; /* with `forwarded` */
	bool client_tls;
	uint64_t id;   /* x-request-id when the client sent none */
	uint64_t salt; /* random, the same for all of a start: it makes the ids of our spans unlike others */
	bool te;       /* TE: trailers without a Connection that nominates it, as HTTP/2 wants it */
	bool upgrade;  /* keep Upgrade: the route tunnels */
};

void forward_request(struct buf *out, const struct forward_request *);
/* `connection`: what to say about it, or NULL; `head_request`: a length describes a body that is not sent. */
void forward_response(struct buf *out, const struct http_message *, const struct plan_header_edits *,
                      enum http_framing, const char *connection, bool head_request);
/* The last chunk and those trailers that may travel (RFC 9110 6.5.1); the empty line is the caller's. */
void forward_trailers(struct buf *out, const struct http_message *);
/* The same heads as lists of fields for HTTP/2, which borrow from the message and the edits. */
void forward_response_fields(struct h2_fields *, const struct http_message *,
                             const struct plan_header_edits *, bool head_request);
void forward_trailer_fields(struct h2_fields *, const struct http_message *);
/* Its Content-Length tells of a body that is not sent; an interim answer and 204 may have none (RFC
 * 9110 8.6). */
bool forward_describes(const struct http_message *, bool head_request);
/* The route sets or removes it. */
bool forward_edited(const struct plan_header_edits *, const struct http_field *);
/* The id as text: 16 lower-case hex digits. */
void forward_id_text(uint64_t id, char text_out[17]);

#endif
