#define _GNU_SOURCE
#include "proxy/tap.h"

#include <string.h>
#include "capture/consent.h"
#include "capture/head.h"
#include "capture/mask.h"
#include "proto/base/siphash.h"
#include "proxy/forward.h"
#include "proxy/live_path.h"

enum { MILLION = 1000000 };

void tap_init(struct tap *t, struct worker *w)
{
	*t = (struct tap){.worker = w};
}

/* The hash that decides about every share of this exchange: of the route's header, of the client's request
 * id, or of ours. */
static uint64_t sample_hash(const struct tap *t, const struct plan_route *route, uint64_t id,
                            const struct http_message *request)
{
	struct span key = route->sample_header[0] ? http_field(request, span_of(route->sample_header))
	                                          : http_field(request, SPAN("x-request-id"));
	char text[17];

	if (!key.len) {
		forward_id_text(id, text);
		key = (struct span){text, 16};
	}
	return siphash(t->worker->sample_key, key);
}

/* A share takes the hashes under it, so that a smaller one takes a part of what a larger one takes. */
static bool within(uint64_t hash, uint32_t share_ppm)
{
	return (uint64_t)((unsigned __int128)hash * MILLION >> 64) < share_ppm;
}

/* Its reader found it broken: until that is mended every copy is shed. */
static bool ring_is_out(const struct tap *t)
{
	const struct role_env *env = t->worker->env;

	return atomic_load_explicit(&env->page->raw_state[env->index], memory_order_relaxed) != RAW_OK;
}

/* The outcome that keeps an exchange from being copied at all, or 0. */
static uint8_t refusal(const struct tap *t, const struct plan_route *route,
                       const struct http_message *request)
{
	if (!route->mirror)
		return OUTCOME_ROUTE_OFF;
	if (t->tunnel)
		return OUTCOME_UPGRADE;
	if (!route_lists(route->methods, request->method))
		return OUTCOME_METHOD;
	if (http_field(request, SPAN("understudy-shadow")).data)
		return OUTCOME_ALREADY_SHADOW;
	if (!consent_in_head(route, request))
		return OUTCOME_NO_CONSENT;
	if (request->framing == HTTP_LENGTH && request->content_length > route->max_body_bytes)
		return OUTCOME_BODY_TOO_LARGE;
	return 0;
}

static uint8_t chance(const struct tap *t, const struct plan_route *route, uint16_t route_index,
                      uint64_t hash)
{
	const struct page *page = t->worker->env->page;

	if (!within(hash, route->sample_ppm) || t->block == HARM_OFF || t->block == HARM_SETTLES_OFF)
		return OUTCOME_SAMPLED_OUT;
	if (atomic_load_explicit(&page->paused, memory_order_relaxed))
		return OUTCOME_PAUSED;
	if (atomic_load_explicit(&page->guard_sheds[route_index], memory_order_relaxed) ||
	    sheds_copies(t->worker))
		return OUTCOME_OVERLOAD;
	return ring_is_out(t) ? OUTCOME_RING_FULL : 0;
}

static uint8_t take_slot(struct tap *t, const struct plan_route *route, uint64_t id, uint16_t route_index,
                         uint64_t hash)
{
	const struct role_env *env = t->worker->env;
	uint32_t chosen = 0, baselines = 0, slot = 0;

	for (unsigned c = 0; c < route->candidate_count; c++) {
		if (within(hash, page_sample_ppm(env->page, route_index, c, route->candidates[c].sample_ppm)))
			chosen |= 1u << c;
		if (route->candidates[c].baseline)
			baselines |= 1u << c;
	}
	if (ledger_take(env->ledger, env->index, id, route_index, chosen, route->candidate_count,
	                OUTCOME_SAMPLED_OUT, baselines,
	                env->plan->capture ? STAGE_WORKER : OUTCOME_CAPTURE_OFF, &slot))
		return OUTCOME_SLOTS;
	t->record = (struct record){.id = id,
	                            .slot = slot,
	                            .route = route_index,
	                            .generation = atomic_load(&env->page->generation),
	                            .sample_hash = hash,
	                            .sample_ppm = route->sample_ppm};
	return 0;
}

void tap_begin(struct tap *t, uint64_t id, uint16_t route_index, const struct http_message *request,
               bool tunnel)
{
	const struct role_env *env = t->worker->env;
	const struct plan_route *route = &env->plan->routes[route_index];
	uint8_t outcome;
	uint64_t hash = 0;

	t->on = t->copied = t->eligible = false;
	t->tunnel = tunnel;
	t->block = (uint8_t)atomic_load_explicit(&env->page->harm.block, memory_order_relaxed);
	if (env->plan->run_closed)
		return;
	outcome = refusal(t, route, request);
	t->eligible = !outcome;
	if (!outcome) {
		hash = sample_hash(t, route, id, request);
		outcome = chance(t, route, route_index, hash);
	}
	if (!outcome)
		outcome = take_slot(t, route, id, route_index, hash);
	if (outcome) {
		ledger_direct(env->ledger, env->index, route_index, route->candidate_count, outcome);
		return;
	}
	if (grpc_is(http_field(request, SPAN("content-type"))))
		t->record.call = mask_call_id(request->target);
	t->copied_bytes = 0;
	t->asked = false;
	t->max_bytes = 2 * route->max_body_bytes;
	t->on = t->copied = true;
}

static void settle_all(struct tap *t, uint8_t outcome)
{
	struct ledger *l = t->worker->env->ledger;

	ledger_settle_candidates(l, t->record.slot, t->record.id, STAGE_WORKER, outcome);
	ledger_move(l, t->record.slot, t->record.id, CELL_LIVE, STAGE_WORKER, outcome);
	ledger_move(l, t->record.slot, t->record.id, CELL_CAPTURE, STAGE_WORKER, outcome);
	t->on = false;
}

static void put(struct tap *t, uint8_t type, uint8_t leg, struct span payload)
{
	bool last = type == RECORD_END || type == RECORD_ERROR;

	if (!t->on)
		return;
	t->record.type = type;
	t->record.leg = leg;
	t->record.time_ns = t->worker->now_ns;
	t->record.payload_len = (uint32_t)payload.len;
	t->copied_bytes += payload.len;
	if (t->copied_bytes > t->max_bytes)
		settle_all(t, OUTCOME_BODY_TOO_LARGE);
	else if (ring_is_out(t) ||
	         ring_put(t->worker->ring, &t->record, payload.data, last ? 0 : RING_RESERVE_BYTES))
		settle_all(t, OUTCOME_RING_FULL);
}

void tap_head(struct tap *t, uint8_t leg, const struct http_message *m)
{
	struct buf *head = &t->worker->scratch;

	if (!t->on)
		return;
	buf_reset(head);
	head_put(head, m, leg == LEG_CLIENT ? H1_REQUEST : H1_RESPONSE);
	if (leg == LEG_CLIENT && t->worker->env->plan->routes[t->record.route].keep_host)
		buf_puts(head, "\nhost: "), buf_span_put(head, m->host);
	if (head->err)
		settle_all(t, OUTCOME_BODY_TOO_LARGE);
	else
		put(t, RECORD_HEAD, leg, buf_span(head));
}

void tap_chunk(struct tap *t, uint8_t leg, struct span bytes)
{
	while (t->on && bytes.len) {
		size_t n = bytes.len < RECORD_PAYLOAD_MAX ? bytes.len : RECORD_PAYLOAD_MAX;

		put(t, RECORD_CHUNK, leg, (struct span){bytes.data, n});
		bytes.data += n;
		bytes.len -= n;
	}
}

void tap_trailers(struct tap *t, uint8_t leg, const struct http_message *m)
{
	struct buf *lines = &t->worker->scratch;
	struct span all;

	if (!t->on)
		return;
	buf_reset(lines);
	head_put_fields(lines, m);
	all = buf_span(lines);
	if (lines->err)
		settle_all(t, OUTCOME_BODY_TOO_LARGE);
	else if (all.len)
		put(t, RECORD_TRAILERS, leg, (struct span){all.data + 1, all.len - 1});
}

void tap_end(struct tap *t, uint8_t leg)
{
	put(t, RECORD_END, leg, SPAN(""));
	t->asked |= leg == LEG_CLIENT;
	if (leg == LEG_LIVE)
		t->on = false;
}

void tap_error(struct tap *t, uint8_t outcome)
{
	if (t->on && !t->asked) { /* no candidate is asked with half a request: whoever holds it lets go */
		ledger_settle_candidates(t->worker->env->ledger, t->record.slot, t->record.id, STAGE_WORKER,
		                         outcome);
		put(t, RECORD_ERROR, LEG_CLIENT, span_of(outcome_name(outcome)));
	}
	put(t, RECORD_ERROR, LEG_LIVE, span_of(outcome_name(outcome)));
	t->on = false;
}
