/*
 * upstream.h - the live endpoints of a route: whose turn it is, which are out, where they are, and their idle
 * connections.
 *
 * Each worker keeps its own. An endpoint that failed `max_fails` times in a row is left out for
 * `fail_timeout`, one that fails its checks until it passes them; when all are out, all are tried: a wrong
 * suspicion must not take the service down.
 */
#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include <sys/socket.h>
#include <sys/un.h>
#include "capture/names.h"
#include "capture/page.h"

struct live_h1;
struct live_h2;
struct tls_context;

struct upstream_endpoint {
	const struct plan_endpoint *plan;
	struct sockaddr_storage address; /* where it is now */
	socklen_t address_len;
	const struct name_slot *name; /* NULL: its address is not a name */
	struct name_found found;      /* of the name; none: the plan's address stands */
	uint32_t found_at, name_version;
	uint32_t moves;       /* connections opened before the last one are not kept */
	struct live_h1 *idle; /* last used first */
	uint32_t connections, in_flight, fails, checks;
	bool ill; /* by its checks */
	uint64_t out_until_ns;
	struct live_h2 *shared; /* open HTTP/2 connections */
	uint32_t streams;       /* that one of them takes, as it last said; 0: not known */
	uint64_t h1_until_ns;   /* ALPN chose HTTP/1.1 */
};

struct upstream {
	const struct plan_live *plan;
	struct worker_gauges *gauges;
	struct tls_context *tls;    /* for https endpoints, offering HTTP/1.1; NULL: it is not spoken */
	struct tls_context *tls_h2; /* ... offering HTTP/2, before HTTP/1.1 if that is spoken */
	uint32_t count, turn;
	struct upstream_endpoint endpoints[LIVE_ENDPOINTS_MAX];
};

/* `names`: of the route's endpoints, or NULL when nobody resolves. 0, or ERR_CONFIG (an address that is
 * none). */
int upstream_init(struct upstream *, const struct plan_live *, const struct name_slot *names,
                  struct worker_gauges *) MUST_CHECK;
/* The endpoint for the next try, or NULL when every connection is taken. `avoid` (NULL: none) just failed: it
 * is the last choice. */
struct upstream_endpoint *upstream_pick(struct upstream *, const struct upstream_endpoint *avoid,
                                        uint64_t now_ns);
void upstream_failed(struct upstream *, struct upstream_endpoint *, uint64_t now_ns);
void upstream_answered(struct upstream_endpoint *);
/* An active check's outcome. True when it took the endpoint out or brought it back. */
bool upstream_checked(struct upstream *, struct upstream_endpoint *, bool well);
enum endpoint_state upstream_state(const struct upstream_endpoint *, uint64_t now_ns);

/* Before a connection is taken or opened: has the name moved? The address in use stays while it is one of the
 * name's. */
void upstream_locate(struct upstream_endpoint *);
/* No connection came about: the name's next address is next. */
void upstream_unreachable(struct upstream_endpoint *);

#endif
