/*
 * health.h - active checks: each worker asks each endpoint of a route with `health.path` (one GET, that the
 * answer's head ends) or `health.grpc` (grpc.health.v1, the unary Check), on a connection of its own.
 *
 * A check goes the way that requests go (plain, TLS, unix socket, the version of HTTP), beside the pool and
 * its limits. Only its outcome leaves this file (upstream_checked()).
 */
#ifndef PROXY_HEALTH_H
#define PROXY_HEALTH_H

#include "proxy/live_path.h"

/* 0 or ERR_NOMEM; NULL when no route asks for checks. The worker's upstreams are ready, and outlive it. */
int health_new(struct worker *, struct health **) MUST_CHECK;
/* Each tick: begin what is due, give up what takes too long. Accepts NULL. */
void health_tick(struct health *, uint64_t now_ns);

#endif
