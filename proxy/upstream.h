/*
 * upstream.h - the live endpoints of a route: whose turn it is, which are down, and their idle connections.
 *
 * Each worker keeps its own. An endpoint that failed `max_fails` times in a row is left out for
 * `fail_timeout`; when all are out, all are tried: a wrong suspicion must not take the service down.
 */
#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include <sys/socket.h>
#include <sys/un.h>
#include "capture/plan.h"

struct live;
struct tls_context;

struct upstream_endpoint {
	const struct plan_endpoint *plan;
	struct sockaddr_storage address;
	socklen_t address_len;
	struct live *idle; /* last used first */
	uint32_t connections, in_flight, fails;
	uint64_t out_until_ns;
};

struct upstream {
	const struct plan_live *plan;
	struct tls_context *tls; /* for https endpoints; NULL: there are none */
	uint32_t count, turn;
	struct upstream_endpoint endpoints[LIVE_ENDPOINTS_MAX];
};

/* 0, or ERR_CONFIG (an address that is none). */
int upstream_init(struct upstream *, const struct plan_live *) MUST_CHECK;
/* The endpoint for the next try, or NULL when every connection is taken. `avoid` (NULL: none) just failed: it
 * is the last choice. */
struct upstream_endpoint *upstream_pick(struct upstream *, const struct upstream_endpoint *avoid,
                                        uint64_t now_ns);
void upstream_failed(struct upstream *, struct upstream_endpoint *, uint64_t now_ns);
void upstream_answered(struct upstream_endpoint *);

#endif
