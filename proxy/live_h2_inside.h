/*
 * live_h2_inside.h - what the two halves of HTTP/2 to live share: live_h2.c has the connections and what they
 * hear, live_h2_leg.c what an exchange says to its stream.
 */
#ifndef PROXY_LIVE_H2_INSIDE_H
#define PROXY_LIVE_H2_INSIDE_H

#include "proto/h2.h"
#include "proxy/live_inside.h"

struct live_h2 {
	struct worker *worker;
	struct upstream *upstream;
	struct upstream_endpoint *endpoint;
	struct live_h2 *next, *prev; /* of the endpoint, or among the closed (next only) */
	struct conn conn;
	struct h2 *h2; /* NULL: not open */
	struct event kick;
	LIST_HEAD(, live_h2_leg) legs;
	unsigned leg_count;
	bool kicked, used; /* used: a leg has ended here */
	bool leaving;      /* no new streams */
	bool deaf;         /* it takes nothing more of us; answers may still come */
	uint32_t moves;    /* of the endpoint, when it was opened */
	uint64_t reads;
	size_t charged;    /* of gauges->buffered: what waits in its streams */
	uint64_t since_ns; /* dialled, or without legs */
};

struct live_h2_leg {
	struct live live;
	LIST_ENTRY(live_h2_leg) link;
	struct live_h2_leg *next_spare;
	struct live_h2 *on;
	struct h2_stream *stream; /* NULL: waits for the connection */
	size_t charged;           /* of gauges->buffered: what is kept of the request */
	size_t held;              /* received, and not consumed while the client's queue is full */
	uint64_t reads;           /* of the connection when it began ... */
	bool reused;              /* ... and that it had been of use before */
	bool ended;               /* the request */
	bool dirty;               /* something was queued that is not kicked yet */
};

/* A leg that waits on this connection. NULL: out of memory. */
struct live_h2_leg *live_h2_leg_new(struct live_h2 *);
/* What its text holds goes into a stream. False: the connection takes none. */
bool live_h2_leg_start(struct live_h2_leg *);
/* A byte of its answer came: nothing is kept for another try. */
void live_h2_leg_heard(struct live_h2_leg *);
/* What is queued leaves before the loop waits. */
void live_h2_kick(struct live_h2 *);

#endif
