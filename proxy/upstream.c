#include "proxy/upstream.h"

int upstream_init(struct upstream *u, const struct plan_live *plan)
{
	*u = (struct upstream){.plan = plan, .count = plan->endpoint_count};
	for (uint32_t i = 0; i < u->count; i++) {
		u->endpoints[i].plan = &plan->endpoints[i];
		if (plan_address(&plan->endpoints[i], &u->endpoints[i].address, &u->endpoints[i].address_len))
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
