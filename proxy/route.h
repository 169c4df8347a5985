/*
 * route.h - which route takes a request: all of a route's conditions hold, and its path prefix is the
 * longest.
 *
 * A prefix ends where a segment ends. Who gets a request must not depend on who reads its path: where the
 * path as sent and the normalised one (proto/url.h) pick different routes, or origins are known to read it in
 * yet other ways, none is picked.
 */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "capture/plan.h"
#include "proto/h1.h"

enum { ROUTE_NONE = -1, ROUTE_UNCLEAR = -2 };

struct route_table {
	uint32_t count;
	bool pathless; /* every path fits every route */
	struct route_match {
		uint16_t route; /* index in the plan */
		uint16_t port;
		struct span prefix, host, header, value;
		const char *methods;
	} matches[ROUTES_MAX]; /* longest prefix first */
};

void route_table_init(struct route_table *, const struct plan *);
/* The route's index, ROUTE_NONE or ROUTE_UNCLEAR (two readings of the path, two answers). `port`: of the
 * listener. "*" (of OPTIONS) is "/" here. */
int route_pick(const struct route_table *, uint16_t port, const struct http_message *);

/* Is the word in a list as the plan keeps it, " GET POST "? */
bool route_lists(const char *list, struct span word);

#endif
