#include "proxy/upstream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static int address_of(struct upstream_endpoint *e)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&e->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&e->address;
	struct sockaddr_un *un = (struct sockaddr_un *)&e->address;

	if (!e->plan->port) {
		un->sun_family = AF_UNIX;
		strncpy(un->sun_path, e->plan->address, sizeof un->sun_path - 1);
		e->address_len = sizeof *un;
	} else if (inet_pton(AF_INET, e->plan->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(e->plan->port);
		e->address_len = sizeof *v4;
	} else if (inet_pton(AF_INET6, e->plan->address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(e->plan->port);
		e->address_len = sizeof *v6;
	} else {
		return ERR_CONFIG;
	}
	return 0;
}

int upstream_init(struct upstream *u, const struct plan_live *plan)
{
	*u = (struct upstream){.plan = plan, .count = plan->endpoint_count};
	for (uint32_t i = 0; i < u->count; i++) {
		u->endpoints[i].plan = &plan->endpoints[i];
		if (address_of(&u->endpoints[i]))
			return ERR_CONFIG;
	}
	return 0;
}

static bool takes(const struct upstream *u, const struct upstream_endpoint *e)
{
	return e->idle || !u->plan->max_connections || e->connections < u->plan->max_connections;
}

struct upstream_endpoint *upstream_pick(struct upstream *u, const struct upstream_endpoint *avoid,
                                        uint64_t now_ns)
{
	struct upstream_endpoint *best = NULL;
	bool best_out = true;

	for (uint32_t i = 0; i < u->count; i++) {
		struct upstream_endpoint *e = &u->endpoints[(u->turn + i) % u->count];
		bool out = e == avoid || e->out_until_ns > now_ns;

		if (!takes(u, e) || (best && out && !best_out))
			continue;
		if (!best || (best_out && !out) ||
		    (u->plan->balance == BALANCE_LEAST_IN_FLIGHT && e->in_flight < best->in_flight)) {
			best = e;
			best_out = out;
		}
	}
	u->turn++;
	return best;
}

void upstream_failed(struct upstream *u, struct upstream_endpoint *e, uint64_t now_ns)
{
	const struct plan_health *h = &u->plan->health;

	if (h->max_fails && ++e->fails >= h->max_fails)
		e->out_until_ns = now_ns + (uint64_t)h->fail_timeout_ms * 1000000u;
}

void upstream_answered(struct upstream_endpoint *e)
{
	e->fails = 0;
	e->out_until_ns = 0;
}
