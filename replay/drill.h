/*
 * drill.h - faults that the shadow makes up between itself and a candidate, so that people see what becomes
 * of a run when a candidate is ill.
 *
 *   shadow --drill_send--> drill --client_send--> client          hang, outage: nothing is sent
 *          <---- events ---      <---- events ---                 delay: sent later; what comes is passed on
 *                                                                 reset, garbage, slow: sent, but what comes
 *                                                                 is cut, is no HTTP, or is passed on by
 * drops
 *
 * Which copies are hit follows from the seed and the exchange (capture/fault.h); the first fault that fits
 * is the one. What is told is what the client would have told, by the same deadline: breaker, limits and
 * figures see no difference. Every copy that is hit is counted on the page, and its records are marked.
 */
#ifndef REPLAY_DRILL_H
#define REPLAY_DRILL_H

#include <sys/queue.h>

#include "capture/page.h"
#include "proto/net/client.h"

struct drill_call;
struct drill { /* of one candidate; embedded. What it points to outlives it. */
	struct event_base *base;
	struct client *client;
	struct client_budget *budget;
	struct page *page;
	const struct plan_candidate *plan;
	uint64_t seed, begun_ns, max_body_bytes;
	uint16_t route;
	unsigned candidate, held; /* held: calls that are not with the client */
	TAILQ_HEAD(, drill_call) calls;
};

struct drill_place {
	struct page *page;
	const struct plan *plan;
	uint16_t route;
	unsigned candidate;
};

void drill_init(struct drill *, struct event_base *, struct client *, struct client_budget *,
                const struct drill_place *);
/* client_send(), unless the exchange meets a fault: then *hit_out is set. */
int drill_send(struct drill *, uint64_t id, struct span request, const struct client_how *,
               const struct client_events *, void *arg, bool *hit_out) MUST_CHECK;
/* Requests that have not been answered, those of the client included. */
unsigned drill_in_flight(const struct drill *);
/* client_cut(), and all that is held here. */
void drill_cut(struct drill *);

#endif
