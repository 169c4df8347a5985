/*
 * shadow.c - the only role that parses a candidate's byte.
 *
 * A request is sent when its last masked byte is known, with Content-Length, within each candidate's
 * bound in flight and deadline. Answers leave as records in the raw answers ring; a candidate HEAD's
 * time is when the last request byte left.
 */
#include "replay/shadow.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/budget.h"
#include "capture/canary.h"
#include "capture/head.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/grpc.h"
#include "proto/h1.h"
#include "replay/shadow_inside.h"
#include "replay/turns.h"

enum { PAUSE_MS = 5, ASLEEP_MS = 100, TURN_RECORDS = 512, TURN_SENDS = 8, REQUEST_KEPT_BYTES = 64 * 1024 };

struct shadow shadow;

/* The request is there twice while it is handed over. */
static bool room_for(const struct leg *request)
{
	size_t twice = 2 * (buf_len(&request->head) + buf_len(&request->body) + TEXT_MAX_BYTES);

	return shadow.held.bytes < shadow.held.limit_bytes &&
	       twice < shadow.held.limit_bytes - shadow.held.bytes;
}

/* A call's own deadline is the candidate's too. */
static unsigned deadline_ms(struct span head)
{
	uint64_t ns;

	if (grpc_timeout(head_field(head, SPAN("grpc-timeout")), &ns))
		return 0;
	return ns < 1000000u ? 1 : ns / 1000000u < UINT32_MAX ? (unsigned)(ns / 1000000u) : UINT32_MAX;
}

/* What is sent lies in shadow.request, which keeps the memory of small ones. */
static void empty_request(uint64_t limit)
{
	if (shadow.request.cap > REQUEST_KEPT_BYTES)
		buf_fini(&shadow.request);
	buf_reset(&shadow.request);
	shadow.request.limit_bytes = limit;
}

/* 0, or the outcome that keeps it from being sent. */
static uint8_t send_flight(struct flight *f, const struct exchange *x, unsigned candidate,
                           const struct together *with)
{
	const struct plan_route *route = &shadow.env->plan->routes[x->route];
	const struct leg *request = x->legs[LEG_CLIENT];
	struct drill *drill = &shadow.drills[x->route][candidate];
	struct admission *admission = &shadow.admissions[x->route][candidate];
	struct span head = buf_span(&request->head);
	struct client_how how = {.is_head = span_eq(head_method(head), SPAN("HEAD")),
	                         .fresh = with->fresh,
	                         .timeout_ms = deadline_ms(head)};
	uint8_t refused;
	bool hit;
	int err;

	f->record = (struct record){.id = x->id,
	                            .user = with->user,
	                            .slot = x->slot,
	                            .generation = x->generation,
	                            .route = x->route,
	                            .call = x->call,
	                            .leg = (uint8_t)(LEG_CANDIDATE + candidate)};
	f->sent_ns = clock_mono_ns();
	shadow_measure_mark(f, with);
	empty_request(route->max_body_bytes + H1_HEAD_MAX);
	refused = catalogue_apply(&shadow.catalogues[x->route][candidate], with->model,
	                          &shadow.to[x->route][candidate].model);
	if (refused)
		return refused;
	request_write(&shadow.request, request, x->id, &shadow.to[x->route][candidate]);
	if (shadow.request.err) /* a capture may hold what is no request */
		return shadow.request.err == ERR_PROTO ? OUTCOME_UNDECODABLE : OUTCOME_MEMORY;
	if (drill_in_flight(drill) >= route->candidates[candidate].max_in_flight)
		return OUTCOME_IN_FLIGHT;
	refused = admission_ask(admission, buf_len(&shadow.request), f->sent_ns, &f->pass);
	if (refused)
		return refused;
	if (!f->pass.warm_up)
		shadow_tell_found(f, request);
	err = drill_send(drill, x->id, buf_span(&shadow.request), &how, &shadow_events, f, &hit);
	if (hit)
		f->record.flags |= RECORD_DRILLED;
	if (!err)
		return 0;
	refused = err == ERR_FULL ? OUTCOME_IN_FLIGHT : OUTCOME_MEMORY;
	admission_done(admission, &f->pass, refused, 0, f->sent_ns);
	return refused;
}

bool shadow_send(struct exchange *x, const struct record *end, unsigned candidate,
                 const struct together *with)
{
	struct flight *f = shadow_flight();
	uint8_t refused =
	        f && room_for(x->legs[LEG_CLIENT]) ? send_flight(f, x, candidate, with) : OUTCOME_MEMORY;

	if (!refused) {
		shadow.in_flight++;
		shadow.sent++;
		if (f->pass.warm_up)
			shadow_settle(f, OUTCOME_WARM_UP);
		return true;
	}
	ledger_move(shadow.env->ledger, end->slot, end->id, candidate, STAGE_SHADOW, refused);
	if (f)
		shadow_give_back(f);
	return false;
}

/* Why nothing goes to that candidate now; 0: it may. A sandbox that was not ready yet is warming up; one that
 * has ended is a candidate that cannot be connected to. */
uint8_t shadow_held_back(uint16_t route, unsigned candidate)
{
	const struct sandbox_gauges *g = shadow.looks[route][candidate];

	if (page_paused(shadow.env->page, route, candidate))
		return OUTCOME_PAUSED;
	if (!g || atomic_load(&g->state) == SANDBOX_READY)
		return 0;
	return atomic_load(&g->times_ready) || atomic_load(&g->state) == SANDBOX_OVER
	               ? OUTCOME_CANDIDATE_CONNECT
	               : OUTCOME_WARM_UP;
}

/* A baseline is the measure of the others, and has often a smaller sample: where it takes part, either all
 * find an open connection, or none has one. */
bool shadow_any_is_cold(const struct exchange *x)
{
	const struct plan_route *route = &shadow.env->plan->routes[x->route];
	bool cold = false, baseline = false;

	for (unsigned i = 0; i < route->candidate_count; i++) {
		if (shadow_held_back(x->route, i) ||
		    ledger_cell(shadow.env->ledger, x->slot, x->id, i) != STAGE_SHADOW)
			continue;
		baseline |= route->candidates[i].baseline;
		cold |= !client_warm(shadow.clients[x->route][i]);
	}
	return baseline && cold;
}

static void send_all(struct exchange *x, const struct record *end, struct span model)
{
	const struct plan_route *route = &shadow.env->plan->routes[x->route];
	struct together with = {.model = model, .fresh = shadow_any_is_cold(x)};
	uint8_t order[CANDIDATES_MAX];

	turns_draw(shadow.env->plan->seed, x->id, route->candidate_count, order);
	for (unsigned n = 0; n < route->candidate_count; n++) {
		unsigned i = order[n];
		uint8_t why = shadow_held_back(x->route, i);

		if (ledger_cell(shadow.env->ledger, end->slot, end->id, i) != STAGE_SHADOW)
			continue;
		if (why)
			ledger_move(shadow.env->ledger, end->slot, end->id, i, STAGE_SHADOW, why);
		else
			shadow_send(x, end, i, &with);
	}
}

/* Some of its candidates are being asked which models they serve. */
static bool must_wait(const struct exchange *x, struct span model)
{
	const struct plan_route *route = &shadow.env->plan->routes[x->route];
	bool wait = false;

	if (!model.len)
		return false;
	for (unsigned i = 0; i < route->candidate_count; i++)
		if (!shadow_held_back(x->route, i) &&
		    ledger_cell(shadow.env->ledger, x->slot, x->id, i) == STAGE_SHADOW)
			wait |= catalogue_asks(&shadow.catalogues[x->route][i], clock_mono_ns());
	return wait;
}

/* True when nothing waits any more. */
static bool send_waiting(void)
{
	struct exchange *x = shadow.asked_for.id ? fold_find(shadow.fold, shadow.asked_for.id) : NULL;
	struct span model = x ? catalogue_model(x->legs[LEG_CLIENT]) : SPAN("");

	if (x && must_wait(x, model))
		return false;
	if (x) {
		send_all(x, &shadow.asked_for, model);
		fold_drop(shadow.fold, &x);
	}
	shadow.asked_for.id = 0;
	return true;
}

static bool is_for_us(const struct record *r)
{
	return r->leg == LEG_CLIENT && r->route < shadow.env->plan->route_count;
}

/* The reader of a request's end pulls its cells to its own stage. */
static void claim(const struct record *r)
{
	if (r->type == RECORD_END && is_for_us(r))
		ledger_settle_candidates(shadow.env->ledger, r->slot, r->id, STAGE_MASKER, STAGE_SHADOW);
}

/* The copy ends here, wherever its cells are when what comes first cannot be kept. */
static void give_up(const struct record *r, uint8_t outcome)
{
	for (uint8_t stage = STAGE_WORKER; stage <= STAGE_SHADOW; stage++)
		ledger_settle_candidates(shadow.env->ledger, r->slot, r->id, stage, outcome);
}

/* The request of x is whole. True when it has left, or never will. */
static bool ask(struct exchange *x, const struct record *end)
{
	struct span model;

	if (shadow.env->plan->replay) {
		if (!shadow_pace_add(x, end))
			return false;
		give_up(end, OUTCOME_MEMORY);
		return true;
	}
	model = catalogue_model(x->legs[LEG_CLIENT]);
	if (must_wait(x, model))
		shadow.asked_for = *end;
	else
		send_all(x, end, model);
	return !shadow.asked_for.id;
}

/* The canary is recognised here, and goes on as an answer that no candidate gave. */
static void answer_canary(const struct record *r)
{
	struct record answer = {.id = r->id, .route = r->route, .generation = r->generation};
	const struct plan *plan = shadow.env->plan;
	char mark[CANARY_MARK_BYTES];

	canary_mark(atomic_load(&shadow.env->page->run_id), mark);
	(void)!canary_leg(shadow.out, &answer, LEG_CANDIDATE, &plan->masks[plan->routes[r->route].mask], mark,
	                  clock_mono_ns());
}

static void take(const struct record *r)
{
	struct exchange *x = NULL;
	int err;

	if (!is_for_us(r))
		return;
	if (r->flags & RECORD_CANARY) {
		if (r->type == RECORD_END)
			answer_canary(r);
		return;
	}
	err = fold_add(shadow.fold, r, shadow.payload, &x);
	if (err) {
		give_up(r, err == ERR_PROTO ? OUTCOME_ROLE_LOST : OUTCOME_MEMORY);
		x = fold_find(shadow.fold, r->id);
	} else if (r->type == RECORD_END ? !ask(x, r) : r->type != RECORD_ERROR) {
		return;
	}
	if (x)
		fold_drop(shadow.fold, &x);
}

static void drop_settled(void *arg, struct exchange *x)
{
	(void)arg;
	if (x->user) /* it waits for its time */
		return;
	for (unsigned i = 0; i < shadow.env->plan->routes[x->route].candidate_count; i++) {
		uint8_t at = ledger_cell(shadow.env->ledger, x->slot, x->id, i);

		if (at >= STAGE_WORKER && at <= STAGE_SHADOW)
			return;
	}
	fold_drop(shadow.fold, &x);
}

/* The switch for one candidate, or for all: requests in flight are cut. */
static void obey_pause(void)
{
	for (uint16_t r = 0; r < shadow.env->plan->route_count; r++)
		for (unsigned c = 0; c < shadow.env->plan->routes[r].candidate_count; c++) {
			bool paused = page_paused(shadow.env->page, r, c);

			if (paused && !shadow.was_paused[r][c])
				drill_cut(&shadow.drills[r][c]);
			shadow.was_paused[r][c] = paused;
		}
}

/* The dialer goes by the same names; here they say which connections are of no more use. */
static void follow(unsigned r, unsigned c)
{
	struct name_place *p = &shadow.places[r][c];
	struct sockaddr_storage to = {0};
	socklen_t len = 0;

	if (!name_follow(&shadow.names->candidates[r][c], p))
		return;
	if (!p->nowhere)
		len = name_sockaddr(&p->at, shadow.env->plan->routes[r].candidates[c].endpoint.port, &to);
	client_move(shadow.clients[r][c], (const struct sockaddr *)&to, len);
}

static void follow_names(void)
{
	const struct plan *plan = shadow.env->plan;

	for (unsigned r = 0; shadow.names && r < plan->route_count; r++)
		for (unsigned c = 0; c < plan->routes[r].candidate_count; c++)
			follow(r, c);
}

/* How many requests may leave in this turn: what has gathered beside a live path follows the answers rather
 * than meeting the candidates all at once, which live's requests did not do either. A replay keeps its times,
 * and a ring that fills is emptied. */
static unsigned turn_sends(void)
{
	unsigned answered = shadow.answered;

	shadow.answered = 0;
	return shadow.env->plan->replay || role_crowded(&shadow.in, 1) ? UINT_MAX : TURN_SENDS + answered;
}

/* True: the ring is empty. */
static bool drain(void)
{
	unsigned sends = turn_sends();
	struct record r;
	int err = 0;

	shadow.sent = shadow.read = 0;
	while (shadow.read < TURN_RECORDS && shadow.sent < sends && send_waiting() &&
	       (err = ring_peek(shadow.in, &r, shadow.payload)) == 0) {
		claim(&r);
		ring_advance(shadow.in, &r);
		take(&r);
		shadow.read++;
	}
	if (err == ERR_PROTO)
		role_ring_broken(shadow.env, shadow.in);
	return err == ERR_AGAIN;
}

/* Until the next look at the ring; the sockets wake the loop by themselves. With answers awaited it does not
 * sleep deeply: the switch that stops all shadowing is on the page. */
static unsigned pause_ms(bool empty, bool more_due)
{
	unsigned ms;

	if (more_due)
		return 0;
	if (shadow.read || shadow.in_flight || shadow.asked_for.id)
		role_busy(&shadow.pace);
	if (!empty)
		return shadow.read == TURN_RECORDS ? 0 : 1;
	ms = role_nap_ms(&shadow.pace, shadow.env);
	shadow.asleep = !ms && ring_sleep(shadow.in);
	return shadow.asleep ? ASLEEP_MS : ms;
}

/* After every turn of the loop, whatever woke it. */
static void turn(void)
{
	struct timeval next = {0, 0};
	bool empty, more_due;
	uint64_t now_ns;

	if (shadow.asleep || shadow.signalled) /* a signal may come late, when sleep is over */
		ring_wake(shadow.in);
	shadow.asleep = shadow.signalled = false;
	shadow.turn_ns = clock_mono_ns();
	role_rested(&shadow.pace, &shadow.in, 1);
	obey_pause();
	follow_names();
	empty = drain();
	more_due = shadow.env->plan->replay && shadow_pace_turn();
	now_ns = clock_mono_ns();
	if (now_ns - shadow.swept_ns > 1000000000u) {
		fold_each(shadow.fold, drop_settled, NULL);
		shadow.swept_ns = now_ns;
	}
	if (shadow.env->plan->replay)
		shadow_measure_publish(now_ns);
	ring_publish(shadow.out);
	next.tv_usec = pause_ms(empty, more_due) * 1000;
	event_add(shadow.tick, &next);
}

static bool may_leave(void)
{
	if (shadow.env->plan->replay && !shadow_pace_idle())
		return false;
	return shadow.read == 0 && shadow.in_flight == 0 && !shadow.asked_for.id &&
	       atomic_load(&shadow.env->page->phase) >= PHASE_SHADOW;
}

/* The loop's turn follows. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)arg;
	shadow.signalled |= what & EV_READ;
}

int shadow_run(struct role_env *env)
{
	struct timeval now = {0, 0};

	shadow.env = env;
	buf_init(&shadow.head, RECORD_PAYLOAD_MAX);
	shadow.base = event_base_new();
	shadow.held.limit_bytes = budget_bytes(env->plan, BUDGET_SHADOW) / 2;
	shadow.fold = fold_new(budget_bytes(env->plan, BUDGET_SHADOW) / 2);
	if (!shadow.base || !shadow.fold || role_ring_reader(env, "shadow", &shadow.in) ||
	    role_ring_writer(env, "answers", &shadow.out) || shadow_make_clients())
		return 3;
	shadow.pace.most_ms = PAUSE_MS;
	shadow.tick = evtimer_new(shadow.base, on_tick, NULL);
	shadow.wake =
	        event_new(shadow.base, role_fd(env, "wake.shadow"), EV_READ | EV_PERSIST, on_tick, NULL);
	if (!shadow.tick || !shadow.wake || event_add(shadow.tick, &now) || event_add(shadow.wake, NULL))
		return 3;
	if (env->plan->replay && (shadow_pace_begin() || shadow_measure_begin()))
		return 3;
	role_ready(env);
	do {
		event_base_loop(shadow.base, EVLOOP_ONCE);
		turn();
	} while (!may_leave());
	if (env->plan->replay)
		shadow_measure_publish(UINT64_MAX);
	return 0;
}
