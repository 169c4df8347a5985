/* What comes back of a request: records of one leg, in the ring of raw answers. */
#include "replay/shadow_inside.h"

#include <stdlib.h>

#include "capture/head.h"
#include "proto/base/clock.h"
#include "proto/h1.h"

static unsigned cell_of(const struct flight *f)
{
	return f->record.leg - LEG_CANDIDATE;
}

void shadow_settle(struct flight *f, uint8_t outcome)
{
	ledger_move(shadow.env->ledger, f->record.slot, f->record.id, cell_of(f), STAGE_SHADOW, outcome);
	f->broken = true;
}

static void emit(struct flight *f, uint8_t type, uint64_t time_ns, struct span payload)
{
	if (f->broken)
		return;
	f->record.type = type;
	f->record.time_ns = time_ns;
	f->record.payload_len = (uint32_t)payload.len;
	if (ring_put(shadow.out, &f->record, payload.data, type == RECORD_END ? 0 : RING_RESERVE_BYTES))
		shadow_settle(f, OUTCOME_RING_FULL);
}

void shadow_tell_found(struct flight *f, const struct leg *request)
{
	if (buf_len(&request->found))
		emit(f, RECORD_KNOWN, clock_mono_ns(), buf_span(&request->found));
}

static void on_sent(void *arg)
{
	struct flight *f = arg;

	f->sent_ns = clock_mono_ns();
	shadow_measure_sent(f);
}

static void on_head(void *arg, const struct http_message *m)
{
	struct flight *f = arg;
	struct buf *head = &shadow.head;

	f->headed = true;
	f->usable = m->status < 400;
	if (shadow.env->plan->replay_uncompared)
		return;
	buf_reset(head);
	head_put(head, m, H1_RESPONSE);
	if (head->err)
		shadow_settle(f, OUTCOME_CANDIDATE_TOO_LARGE);
	else
		emit(f, RECORD_HEAD, f->sent_ns, buf_span(head));
}

static void on_body(void *arg, struct span bytes)
{
	struct flight *f = arg;
	uint64_t now_ns = clock_mono_ns();

	if (f->pass.tokens)
		usage_feed(&f->usage, bytes);
	shadow_measure_bytes(f, now_ns);
	while (bytes.len && !shadow.env->plan->replay_uncompared) {
		size_t n = bytes.len < RECORD_PAYLOAD_MAX ? bytes.len : RECORD_PAYLOAD_MAX;

		emit(f, RECORD_CHUNK, now_ns, (struct span){bytes.data, n});
		bytes.data += n;
		bytes.len -= n;
	}
}

static void on_trailers(void *arg, const struct http_message *m)
{
	struct flight *f = arg;
	struct buf *lines = &shadow.head;

	if (shadow.env->plan->replay_uncompared)
		return;
	buf_reset(lines);
	head_put_fields(lines, m);
	if (lines->err)
		shadow_settle(f, OUTCOME_CANDIDATE_TOO_LARGE);
	else if (buf_len(lines)) /* but for the first LF */
		emit(f, RECORD_TRAILERS, clock_mono_ns(),
		     (struct span){buf_span(lines).data + 1, buf_len(lines) - 1});
}

struct flight *shadow_flight(void)
{
	struct flight *f = shadow.spare;

	if (f)
		shadow.spare = f->next;
	else
		f = malloc(sizeof *f);
	if (f)
		*f = (struct flight){0};
	return f;
}

void shadow_give_back(struct flight *f)
{
	f->next = shadow.spare;
	shadow.spare = f;
}

static void on_done(void *arg, enum client_result result)
{
	static const uint8_t outcomes[] = {
	        [CLIENT_OK] = 0,
	        [CLIENT_CONNECT] = OUTCOME_CANDIDATE_CONNECT,
	        [CLIENT_TIMEOUT] = OUTCOME_CANDIDATE_TIMEOUT,
	        [CLIENT_RESET] = OUTCOME_CANDIDATE_RESET,
	        [CLIENT_PROTOCOL] = OUTCOME_CANDIDATE_PROTOCOL,
	        [CLIENT_TOO_LARGE] = OUTCOME_CANDIDATE_TOO_LARGE,
	        [CLIENT_CUT] = OUTCOME_PAUSED,
	        [CLIENT_MEMORY] = OUTCOME_MEMORY,
	};
	struct flight *f = arg;
	uint64_t now_ns = clock_mono_ns();

	admission_done(&shadow.admissions[f->record.route][cell_of(f)], &f->pass, outcomes[result],
	               usage_tokens(&f->usage, f->pass.bytes), now_ns);
	if (result == CLIENT_OK)
		shadow_measure_answered(f, now_ns);
	if (result == CLIENT_OK && shadow.env->plan->replay_uncompared)
		shadow_settle(f, OUTCOME_COMPARE_OFF);
	else if (result == CLIENT_OK)
		emit(f, RECORD_END, now_ns, SPAN(""));
	else if (!f->broken)
		shadow_settle(f, outcomes[result]);
	ring_publish(shadow.out);
	atomic_store(&shadow.env->page->last_candidate_byte_ns, now_ns);
	shadow_pace_done(f);
	shadow.in_flight--;
	shadow.answered++;
	shadow_give_back(f);
}

const struct client_events shadow_events = {
        .sent = on_sent, .head = on_head, .body = on_body, .trailers = on_trailers, .done = on_done};
