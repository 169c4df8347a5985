/*
 * route.h - which route takes a request: all of a route's conditions hold, and its path prefix is the
 * longest.
 */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "capture/plan.h"
#include "proto/h1.h"

struct route_table {
	uint32_t count;
	struct route_match {
		uint16_t route; /* index in the plan */
		uint16_t port;
		struct span prefix, host, header, value;
		const char *methods;
	} matches[ROUTES_MAX]; /* longest prefix first */
};

void route_table_init(struct route_table *, const struct plan *);
/* The route's index, or -1. `port`: of the listener. */
int route_pick(const struct route_table *, uint16_t port, const struct h1_message *);

#endif
