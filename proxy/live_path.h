/*
 * live_path.h - what the files of the live path share: the worker and its parts.
 *
 *   session (a client connection) -> exchange (one request and its answer) -> live (its live side)
 *        <- front_ops                                    <- exchange_response_*
 *
 * An exchange knows no version of HTTP: a session turns its codec's events into exchange_request_*
 * calls, a live connection turns its own into exchange_response_* calls. Everything happens on one
 * loop; what one event caused is sent, then published to the ring, at the end of its turn.
 */
#ifndef PROXY_LIVE_PATH_H
#define PROXY_LIVE_PATH_H

#include <sys/queue.h>

#include "capture/role.h"
#include "proto/base/clock.h"
#include "proto/h1.h"
#include "proto/net/conn.h"
#include "proxy/overload.h"
#include "proxy/route.h"
#include "proxy/upstream.h"

enum {
	HIGH_BYTES = 256 * 1024, /* queued for one side: the other side is read no more */
	LOW_BYTES = 32 * 1024,   /* ... while memory is short */
	PRESSED_MS = 500,        /* then, who keeps it waiting for longer is ended */
	SHARE_BYTES = 2 * 1024,  /* held of an exchange at least, however many its connection has */
	TICK_MS = 100,           /* timeouts fire within one tick */
	STALL_MS = 5,            /* a turn that takes longer is counted */
	TURN_WORK = 16,          /* what others wait for: requests begun, and what live connections cost */
	DIAL_WORK = 8,
	CLOSE_WORK = 4,
	RETRY_BYTES = 64 * 1024, /* of a request, kept until the first byte of its answer */
};

/* A parser with its storage; lent to a connection while it is in a message. */
struct codec {
	struct codec *next;
	struct h1_parser parser;
	char head[H1_HEAD_MAX];
};

struct exchange;
struct health;
struct live_h1;
struct live_h2;
struct live_h2_leg;
struct session;

struct listener {
	struct worker *worker;
	const struct plan_listen *plan;
	struct event *event;
	struct tls_context *tls; /* NULL: plain */
};

struct worker {
	struct role_env *env;
	const struct plan *plan;
	struct event_base *base;
	struct ring *ring;
	struct worker_gauges *gauges;
	struct h1_limits limits;
	struct route_table routes;
	struct upstream upstreams[ROUTES_MAX];
	struct listener listeners[LISTEN_MAX];
	struct event *tick;
	struct session *sessions;
	struct exchange *slow;        /* those whose clients live waits for */
	struct live_h1 *closed_lives; /* freed at the next tick */
	struct live_h2 *closed_h2s;
	struct live_h2_leg *spare_legs;
	unsigned spare_leg_count;
	LIST_HEAD(, exchange) touched; /* by what another connection of this turn brought */
	struct health *health;         /* NULL: no endpoint is checked */
	struct codec *codecs[2];       /* spare, by enum h1_kind: those of one kind need no new beginning */
	struct buf scratch;            /* one head of a record at a time */
	const uint8_t *sample_key;     /* 16 bytes */
	uint64_t sequence, now_ns;     /* the clock when this turn began */
	uint64_t memory_max;           /* of gauges->buffered */
	uint64_t salt;                 /* of the ids of our spans */
	uint32_t session_count, in_flight;
	uint32_t work;          /* done so far, see TURN_WORK; it wraps */
	uint32_t most_sessions; /* since memory was last given back */
	uint64_t drain_ns;      /* when the drain began */
	struct overload overload;
	bool accepting, draining;
};

/* Three quarters of what buffers may take are taken: less is queued, and who does not move is ended. */
static inline bool pressed(const struct worker *w)
{
	return atomic_load_explicit(&w->gauges->buffered, memory_order_relaxed) >= w->memory_max / 4 * 3;
}

/* All of it is: nobody begins, and no more of a request is read. */
static inline bool exhausted(const struct worker *w)
{
	return atomic_load_explicit(&w->gauges->buffered, memory_order_relaxed) >= w->memory_max;
}

/* Copies are given up before anything is refused: while its turns are long (overload.h), and from a part of
 * what buffers may take, and of the requests that may be open, on: of five and more, fewer leave no part. */
static inline bool sheds_copies(const struct worker *w)
{
	uint64_t requests = w->plan->limits.max_requests;

	return overload_is_on(&w->overload, w->now_ns) ||
	       atomic_load_explicit(&w->gauges->buffered, memory_order_relaxed) >=
	               w->memory_max / 100 * OVERLOAD_MEMORY_PERCENT ||
	       (requests >= 5 && w->in_flight * (uint64_t)100 > requests * OVERLOAD_REQUESTS_PERCENT);
}

/* So much is queued for one side. */
static inline size_t high_bytes(const struct worker *w)
{
	return pressed(w) ? LOW_BYTES : HIGH_BYTES;
}

/* A turn of one connection ends: others waited for it. */
static inline void worker_turned(struct worker *w)
{
	if (clock_mono_ns() - w->now_ns > (uint64_t)STALL_MS * 1000000u)
		gauge_add(&w->gauges->stalls, 1);
}

/* NULL: out of memory. */
struct codec *codec_take(struct worker *, enum h1_kind);
void codec_give(struct worker *, struct codec **); /* accepts NULL, sets NULL */

#endif
