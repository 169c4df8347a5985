#include "proxy/upstream.h"

#include "proxy/live_inside.h"

#include <string.h>

int upstream_init(struct upstream *u, const struct plan_live *plan, const struct name_slot *names,
                  struct worker_gauges *gauges)
{
	*u = (struct upstream){.plan = plan, .gauges = gauges, .count = plan->endpoint_count};
	for (uint32_t i = 0; i < u->count; i++) {
		struct upstream_endpoint *e = &u->endpoints[i];

		e->plan = &plan->endpoints[i];
		e->name = names && name_needed(e->plan) ? &names[i] : NULL;
		if (plan_address(e->plan, &e->address, &e->address_len))
			return ERR_CONFIG;
	}
	return 0;
}

static void use_address(struct upstream_endpoint *e, uint32_t at)
{
	e->found_at = at;
	e->address_len = name_sockaddr(&e->found.addresses[at], e->plan->port, &e->address);
}

void upstream_locate(struct upstream_endpoint *e)
{
	struct name_found found;

	if (!e->name || !name_moved(e->name, &e->name_version, &found) || !found.count)
		return;
	e->found = found;
	for (uint32_t i = 0; i < found.count; i++) {
		struct sockaddr_storage a;
		socklen_t len = name_sockaddr(&found.addresses[i], e->plan->port, &a);

		if (len == e->address_len && !memcmp(&a, &e->address, len)) {
			e->found_at = i;
			return;
		}
	}
	use_address(e, 0);
	e->moves++;
}

void upstream_unreachable(struct upstream_endpoint *e)
{
	if (e->found.count > 1)
		use_address(e, (e->found_at + 1) % e->found.count);
}

static bool takes(const struct upstream *u, const struct upstream_endpoint *e)
{
	return e->idle || live_h2_takes(e) || !u->plan->max_connections ||
	       e->connections < u->plan->max_connections;
}

enum endpoint_state upstream_state(const struct upstream_endpoint *e, uint64_t now_ns)
{
	return e->ill ? ENDPOINT_ILL : e->out_until_ns > now_ns ? ENDPOINT_FAILED : ENDPOINT_UP;
}

struct upstream_endpoint *upstream_pick(struct upstream *u, const struct upstream_endpoint *avoid,
                                        uint64_t now_ns)
{
	bool least = u->plan->balance == BALANCE_LEAST_IN_FLIGHT;
	struct upstream_endpoint *best = NULL;
	unsigned best_doubt = 0;

	for (uint32_t i = 0; i < u->count; i++) {
		struct upstream_endpoint *e = &u->endpoints[(u->turn + i) % u->count];
		unsigned doubt = e == avoid ? 2 : upstream_state(e, now_ns) != ENDPOINT_UP;

		if (!takes(u, e) || (best && doubt > best_doubt))
			continue;
		if (!best || doubt < best_doubt || (least && e->in_flight < best->in_flight)) {
			best = e;
			best_doubt = doubt;
		}
	}
	if (best) /* whoever stands behind one that is out does not get its share too */
		u->turn = ((uint32_t)(best - u->endpoints) + 1) % u->count;
	return best;
}

void upstream_failed(struct upstream *u, struct upstream_endpoint *e, uint64_t now_ns)
{
	const struct plan_health *h = &u->plan->health;

	if (!h->max_fails || ++e->fails < h->max_fails)
		return;
	if (upstream_state(e, now_ns) == ENDPOINT_UP)
		gauge_add(&u->gauges->live_ejections, 1);
	e->out_until_ns = now_ns + (uint64_t)h->fail_timeout_ms * 1000000u;
}

void upstream_answered(struct upstream_endpoint *e)
{
	e->fails = 0;
	e->out_until_ns = 0;
}

bool upstream_checked(struct upstream *u, struct upstream_endpoint *e, bool well)
{
	const struct plan_health *h = &u->plan->health;

	e->checks = well == e->ill ? e->checks + 1 : 0;
	if (e->checks == 0 || e->checks < (well ? h->rise : h->fall))
		return false;
	e->checks = 0;
	e->ill = !well;
	if (well)
		upstream_answered(e);
	else
		gauge_add(&u->gauges->live_ejections, 1);
	return true;
}
