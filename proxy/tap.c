#define _GNU_SOURCE
#include "proxy/tap.h"

#include <string.h>
#include "proto/base/clock.h"

enum { RESERVE_BYTES = 64 * 1024 };

/* SplitMix64 of the id: which exchanges a share takes. */
static uint32_t share_of(uint64_t id)
{
	id += 0x9e3779b97f4a7c15u;
	id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9u;
	id = (id ^ (id >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((id ^ (id >> 31)) % 1000000u);
}

static bool method_listed(const char *methods, struct span method)
{
	for (const char *at = methods; (at = memmem(at, strlen(at), method.data, method.len)); at++)
		if (at > methods && at[-1] == ' ' && at[method.len] == ' ')
			return true;
	return false;
}

/* Its reader found it broken: until that is mended every copy is shed. */
static bool ring_is_out(const struct tap *t)
{
	return atomic_load_explicit(&t->env->page->raw_state[t->env->index], memory_order_relaxed) != RAW_OK;
}

/* The outcome that keeps an exchange from being copied at all, or 0. */
static uint8_t refusal(const struct tap *t, const struct plan_route *route, uint64_t id,
                       const struct h1_message *request)
{
	if (!route->mirror)
		return OUTCOME_ROUTE_OFF;
	if (!method_listed(route->methods, request->method))
		return OUTCOME_METHOD;
	if (h1_field(request, SPAN("understudy-shadow")).data)
		return OUTCOME_ALREADY_SHADOW;
	if (request->framing == H1_LENGTH && request->content_length > route->max_body_bytes)
		return OUTCOME_BODY_TOO_LARGE;
	if (share_of(id) >= route->sample_ppm)
		return OUTCOME_SAMPLED_OUT;
	if (atomic_load_explicit(&t->env->page->paused, memory_order_relaxed))
		return OUTCOME_PAUSED;
	if (ring_is_out(t))
		return OUTCOME_RING_FULL;
	return 0;
}

void tap_begin(struct tap *t, uint64_t id, uint16_t route_index, const struct h1_message *request)
{
	const struct plan_route *route = &t->env->plan->routes[route_index];
	uint8_t outcome = refusal(t, route, id, request);
	uint32_t chosen = 0, baselines = 0, slot = 0;

	t->on = false;
	for (unsigned c = 0; c < route->candidate_count; c++) {
		if (share_of(id) < route->candidates[c].sample_ppm)
			chosen |= 1u << c;
		if (route->candidates[c].baseline)
			baselines |= 1u << c;
	}
	if (!outcome && ledger_take(t->env->ledger, t->env->index, id, route_index, chosen,
	                            route->candidate_count, OUTCOME_SAMPLED_OUT, baselines,
	                            t->env->plan->capture ? STAGE_WORKER : OUTCOME_CAPTURE_OFF, &slot))
		outcome = OUTCOME_SLOTS;
	if (outcome) {
		ledger_direct(t->env->ledger, t->env->index, route_index, route->candidate_count, outcome);
		return;
	}
	t->record = (struct record){.id = id,
	                            .slot = slot,
	                            .route = route_index,
	                            .generation = atomic_load(&t->env->page->generation)};
	t->copied_bytes = 0;
	t->max_bytes = 2 * route->max_body_bytes;
	t->on = true;
}

static void settle_all(struct tap *t, uint8_t outcome)
{
	struct ledger *l = t->env->ledger;

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
	t->record.time_ns = clock_mono_ns();
	t->record.payload_len = (uint32_t)payload.len;
	t->copied_bytes += payload.len;
	if (t->copied_bytes > t->max_bytes)
		settle_all(t, OUTCOME_BODY_TOO_LARGE);
	else if (ring_is_out(t) || ring_put(t->ring, &t->record, payload.data, last ? 0 : RESERVE_BYTES))
		settle_all(t, OUTCOME_RING_FULL);
}

static void put_lower(struct buf *out, struct span name)
{
	char *to = buf_room(out, name.len);

	for (size_t i = 0; to && i < name.len; i++)
		to[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] | 0x20)
		                                                   : name.data[i];
	if (to)
		buf_grown(out, name.len);
}

void tap_head(struct tap *t, uint8_t leg, const struct h1_message *m)
{
	struct buf head;

	if (!t->on)
		return;
	buf_init(&head, RECORD_PAYLOAD_MAX);
	if (leg == LEG_CLIENT) {
		buf_span_put(&head, m->method);
		buf_puts(&head, " ");
		buf_span_put(&head, m->target);
	} else {
		buf_printf(&head, "%u", m->status);
	}
	for (size_t i = 0; i < m->field_count; i++) {
		if (h1_hop_by_hop(m, m->fields[i].name))
			continue;
		buf_puts(&head, "\n");
		put_lower(&head, m->fields[i].name);
		buf_puts(&head, ": ");
		buf_span_put(&head, m->fields[i].value);
	}
	if (head.err)
		settle_all(t, OUTCOME_BODY_TOO_LARGE);
	else
		put(t, RECORD_HEAD, leg, buf_span(&head));
	buf_fini(&head);
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

void tap_end(struct tap *t, uint8_t leg)
{
	put(t, RECORD_END, leg, SPAN(""));
	if (leg == LEG_LIVE)
		t->on = false;
}

void tap_error(struct tap *t, uint8_t outcome)
{
	put(t, RECORD_ERROR, LEG_LIVE, span_of(outcome_name(outcome)));
	t->on = false;
}
