/*
 * live.h - the live side of an exchange, blind to the version of HTTP that its endpoint speaks.
 *
 *   live_take -> head -> data* -> trailers? -> end          live_release
 *                 exchange_response_*, or exchange_live_failed when it breaks
 *
 * Nothing is sent before live_flush(). A try that reached nobody, or that took too long, may be made again
 * elsewhere with what is kept of the request (at most RETRY_BYTES once a byte of it left): exchange->live is
 * then another one.
 */
#ifndef PROXY_LIVE_H
#define PROXY_LIVE_H

#include "proxy/exchange.h"
#include "proxy/forward.h"

struct live_ops;

struct live { /* one try of one exchange */
	const struct live_ops *ops;
	struct exchange *exchange; /* NULL: over */
	struct worker *worker;
	struct upstream *upstream;
	struct upstream_endpoint *endpoint;
	struct conn *conn;     /* that it goes by */
	struct buf kept;       /* HTTP/1.1 text of the request: what another try would have to send */
	bool spoke;            /* a byte of the answer came */
	bool chunked, trailed; /* the request's body, as text */
	uint64_t since_ns;     /* connecting or trying; idle */
};

/* For this exchange, on a connection that is there or a new one; NULL: none can be had. */
struct live *live_take(struct exchange *, struct upstream *, uint64_t now_ns);
/* Queue the request, part by part. */
void live_head(struct live *, const struct forward_request *);
/* A head and what follows it so far, in the form of live_inside.h's live_text_*(). */
void live_text(struct live *, struct span);
void live_data(struct live *, struct span bytes);
void live_trailers(struct live *, const struct http_message *);
void live_end(struct live *);
/* Everything that the request has so far is queued: send. */
void live_flush(struct live *);
/* It takes no more of the request for now. */
bool live_full(const struct live *);
/* Bytes of the request wait to be sent. */
bool live_unsent(const struct live *);
/* The client's queue has room again: go on with the answer. */
void live_resume(struct live *);
/* The exchange is over; `clean`: both messages were whole. Sets NULL. */
void live_release(struct live **, bool clean);
/* Each tick: give up (and try elsewhere) what connects or answers too late. */
void live_tick(struct live *, uint64_t now_ns);
/* Each tick: close what idled too long. */
void live_endpoint_tick(struct upstream_endpoint *, uint64_t now_ns);
/* Free what was closed in earlier turns. */
void live_bury(struct worker *);

#endif
