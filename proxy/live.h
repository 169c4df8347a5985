/*
 * live.h - one connection to a live endpoint: HTTP/1.1, one exchange at a time, kept for the next.
 *
 *   taken -> (connecting) -> in an exchange -> idle in its endpoint's pool -> taken ...
 *
 * A pooled connection that the server closed before a byte of the answer is replaced once by a new one;
 * what was written is kept for that until the first byte (at most RETRY_BYTES).
 */
#ifndef PROXY_LIVE_H
#define PROXY_LIVE_H

#include "proxy/exchange.h"

struct live {
	struct worker *worker;
	struct upstream *upstream;
	struct upstream_endpoint *endpoint;
	struct exchange *exchange; /* NULL: idle or closed */
	struct live *next, *prev;  /* in the pool, or among the closed (next only) */
	struct conn conn;
	struct codec *codec;
	struct buf kept;          /* what a replacement would have to send */
	bool reused, spoke, last; /* last: the connection ends with this answer */
	bool begun;               /* a part of the request was flushed */
	bool deaf;                /* it takes no more of the request; its answer may still come */
	uint32_t moves;           /* of the endpoint, when it was opened */
	uint64_t since_ns;        /* connecting, or idle */
};

/* A connection for this exchange, from the pool or new; NULL: none can be had. */
struct live *live_take(struct exchange *, struct upstream *, uint64_t now_ns);
/* Queue request bytes. */
struct buf *live_out(struct live *);
/* Everything that the request has so far is in live_out(): send. */
void live_flush(struct live *);
bool live_full(const struct live *);
/* The client's queue has room again: go on with the answer. */
void live_resume(struct live *);
/* The exchange is over: back to the pool when `clean`, else closed. Sets NULL. */
void live_release(struct live **, bool clean);
/* Each tick: close what idled too long, give up (and try elsewhere) what connects or answers too late. */
void live_tick(struct live *, uint64_t now_ns);
/* Free what was closed in earlier turns. */
void live_bury(struct worker *);

#endif
