#include "proxy/slow.h"

#include "proxy/exchange.h"
#include "proxy/live.h"

static bool waits_for_client(const struct exchange *x)
{
	if (!x->live || x->tunnel)
		return false;
	return x->response_begun ? x->ops->full(x->front) : !x->request_done && !exchange_full(x);
}

static uint64_t passed(const struct exchange *x)
{
	return x->bytes_in + x->bytes_out;
}

static void begin_window(struct exchange *x, uint64_t now_ns)
{
	x->slow.since_ns = now_ns;
	x->slow.bytes = passed(x);
}

static void enter(struct exchange *x)
{
	struct slow *s = &x->slow;
	struct exchange **first = &x->worker->slow;

	s->pace = UINT64_MAX;
	s->next = *first;
	s->at = first;
	if (s->next)
		s->next->slow.at = &s->next;
	*first = x;
}

void slow_forget(struct exchange *x)
{
	struct slow *s = &x->slow;

	if (!s->at)
		return;
	*s->at = s->next;
	if (s->next)
		s->next->slow.at = s->at;
	s->at = NULL;
}

void slow_look(struct exchange *x, uint64_t now_ns)
{
	struct slow *s = &x->slow;
	uint64_t window_ms;

	if (!waits_for_client(x)) {
		slow_forget(x);
		return;
	}
	if (!s->at) {
		enter(x);
		begin_window(x, now_ns);
	}
	window_ms = (now_ns - s->since_ns) / 1000000u;
	if (window_ms < SLOW_WINDOW_MS)
		return;
	s->pace = (passed(x) - s->bytes) * 1000u / window_ms;
	begin_window(x, now_ns);
}

/* The slowest of those that wait at an endpoint, and how many do. */
static struct exchange *slowest(const struct worker *w, const struct upstream_endpoint *e, uint32_t *count)
{
	struct exchange *worst = NULL;

	*count = 0;
	for (struct exchange *x = w->slow; x; x = x->slow.next) {
		if (x->live->endpoint != e || x->slow.pace == UINT64_MAX)
			continue;
		++*count;
		if (!worst || x->slow.pace <= worst->slow.pace) /* who came first stands last */
			worst = x;
	}
	return worst;
}

static void relieve(struct worker *w, uint32_t max, const struct upstream_endpoint *e)
{
	struct exchange *x;
	uint32_t waiting;

	for (unsigned n = 0; n < SLOW_ENDS_A_TICK; n++) {
		x = slowest(w, e, &waiting);
		if (waiting <= max / 2)
			return;
		exchange_drop(x, 408, REJECT_SLOW_SHARE);
		x->ops->turn_end(x->front);
	}
}

void slow_tick(struct worker *w)
{
	for (uint32_t r = 0; r < w->plan->route_count && w->slow; r++) {
		struct upstream *u = &w->upstreams[r];
		uint32_t max = u->plan->max_connections;

		for (uint32_t e = 0; e < u->count; e++)
			if (max && u->endpoints[e].connections >= max - max / 4)
				relieve(w, max, &u->endpoints[e]);
	}
}
