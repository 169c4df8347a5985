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

#include <event2/event.h>

#include "capture/budget.h"
#include "capture/canary.h"
#include "capture/fold.h"
#include "capture/head.h"
#include "capture/names.h"
#include "capture/sandbox_gauges.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/grpc.h"
#include "proto/h1.h"
#include "proto/net/client.h"
#include "replay/admission.h"
#include "replay/catalogue.h"
#include "replay/dial.h"
#include "replay/drill.h"
#include "replay/request.h"
#include "replay/turns.h"
#include "replay/usage.h"

enum {
	PAUSE_MS = 5,
	ASLEEP_MS = 100,
	TURN_RECORDS = 512,
	TURN_SENDS = 8,
	PEM_MAX = 4 << 20,
	REQUEST_KEPT_BYTES = 64 * 1024
};

struct shadow {
	const struct role_env *env;
	struct event_base *base;
	struct event *tick, *wake;
	struct role_pace pace;
	bool asleep, signalled;
	unsigned read, sent, answered; /* in this turn: records, requests; and since the last one: answers */
	struct ring *in, *out;
	struct fold *fold;
	struct client_budget
	        held; /* by requests in flight: half of the role's budget, the fold has the other */
	struct client *clients[ROUTES_MAX][CANDIDATES_MAX];
	struct drill drills[ROUTES_MAX][CANDIDATES_MAX];
	struct admission admissions[ROUTES_MAX][CANDIDATES_MAX];
	sandbox_looks looks;
	struct request_to to[ROUTES_MAX][CANDIDATES_MAX];
	struct catalogue catalogues[ROUTES_MAX][CANDIDATES_MAX];
	struct record asked_for;   /* the end of a request that waits until its candidates have said what they
	                              serve; nothing is read meanwhile. id 0: none */
	const struct names *names; /* NULL: every address is a number */
	struct name_place places[ROUTES_MAX][CANDIDATES_MAX];
	struct dial *dial; /* it may not connect itself */
	unsigned in_flight;
	uint64_t swept_ns;
	bool was_paused[ROUTES_MAX][CANDIDATES_MAX];
	struct flight *spare;     /* chained by next */
	struct buf request, head; /* emptied for each */
	char payload[RECORD_PAYLOAD_MAX];
};

struct flight { /* one candidate's answer to one request */
	struct flight *next;
	struct record record;
	struct admission_pass pass;
	struct usage usage;
	uint64_t sent_ns;
	bool headed, broken;
};

static struct shadow shadow;

static unsigned cell_of(const struct flight *f)
{
	return f->record.leg - LEG_CANDIDATE;
}

static void settle(struct flight *f, uint8_t outcome)
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
		settle(f, OUTCOME_RING_FULL);
}

static void on_sent(void *arg)
{
	((struct flight *)arg)->sent_ns = clock_mono_ns();
}

static void on_head(void *arg, const struct http_message *m)
{
	struct flight *f = arg;
	struct buf *head = &shadow.head;

	buf_reset(head);
	head_put(head, m, H1_RESPONSE);
	f->headed = true;
	if (head->err)
		settle(f, OUTCOME_CANDIDATE_TOO_LARGE);
	else
		emit(f, RECORD_HEAD, f->sent_ns, buf_span(head));
}

static void on_body(void *arg, struct span bytes)
{
	struct flight *f = arg;

	if (f->pass.tokens)
		usage_feed(&f->usage, bytes);
	while (bytes.len) {
		size_t n = bytes.len < RECORD_PAYLOAD_MAX ? bytes.len : RECORD_PAYLOAD_MAX;

		emit(f, RECORD_CHUNK, clock_mono_ns(), (struct span){bytes.data, n});
		bytes.data += n;
		bytes.len -= n;
	}
}

static void on_trailers(void *arg, const struct http_message *m)
{
	struct flight *f = arg;
	struct buf *lines = &shadow.head;

	buf_reset(lines);
	head_put_fields(lines, m);
	if (lines->err)
		settle(f, OUTCOME_CANDIDATE_TOO_LARGE);
	else if (buf_len(lines)) /* but for the first LF */
		emit(f, RECORD_TRAILERS, clock_mono_ns(),
		     (struct span){buf_span(lines).data + 1, buf_len(lines) - 1});
}

static struct flight *new_flight(void)
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

static void give_back(struct flight *f)
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
		emit(f, RECORD_END, now_ns, SPAN(""));
	else if (!f->broken)
		settle(f, outcomes[result]);
	ring_publish(shadow.out);
	atomic_store(&shadow.env->page->last_candidate_byte_ns, now_ns);
	shadow.in_flight--;
	shadow.answered++;
	give_back(f);
}

static const struct client_events events = {
        .sent = on_sent, .head = on_head, .body = on_body, .trailers = on_trailers, .done = on_done};

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

struct together {          /* what the copies of an exchange have in common */
	struct span model; /* that it names */
	bool fresh;        /* each goes on a connection of its own that had no request before */
};

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
	                            .slot = x->slot,
	                            .generation = x->generation,
	                            .route = x->route,
	                            .leg = (uint8_t)(LEG_CANDIDATE + candidate)};
	f->sent_ns = clock_mono_ns();
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
	err = drill_send(drill, x->id, buf_span(&shadow.request), &how, &events, f, &hit);
	if (hit)
		f->record.flags |= RECORD_DRILLED;
	if (!err)
		return 0;
	refused = err == ERR_FULL ? OUTCOME_IN_FLIGHT : OUTCOME_MEMORY;
	admission_done(admission, &f->pass, refused, 0, f->sent_ns);
	return refused;
}

static void send_one(struct exchange *x, const struct record *end, unsigned candidate,
                     const struct together *with)
{
	struct flight *f = new_flight();
	uint8_t refused =
	        f && room_for(x->legs[LEG_CLIENT]) ? send_flight(f, x, candidate, with) : OUTCOME_MEMORY;

	if (!refused) {
		shadow.in_flight++;
		shadow.sent++;
		if (f->pass.warm_up)
			settle(f, OUTCOME_WARM_UP);
		return;
	}
	ledger_move(shadow.env->ledger, end->slot, end->id, candidate, STAGE_SHADOW, refused);
	if (f)
		give_back(f);
}

/* Why nothing goes to that candidate now; 0: it may. A sandbox that was not ready yet is warming up; one that
 * has ended is a candidate that cannot be connected to. */
static uint8_t held_back(uint16_t route, unsigned candidate)
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
static bool any_is_cold(const struct exchange *x)
{
	const struct plan_route *route = &shadow.env->plan->routes[x->route];
	bool cold = false, baseline = false;

	for (unsigned i = 0; i < route->candidate_count; i++) {
		if (held_back(x->route, i) ||
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
	struct together with = {model, any_is_cold(x)};
	uint8_t order[CANDIDATES_MAX];

	turns_draw(shadow.env->plan->seed, x->id, route->candidate_count, order);
	for (unsigned n = 0; n < route->candidate_count; n++) {
		unsigned i = order[n];
		uint8_t why = held_back(x->route, i);

		if (ledger_cell(shadow.env->ledger, end->slot, end->id, i) != STAGE_SHADOW)
			continue;
		if (why)
			ledger_move(shadow.env->ledger, end->slot, end->id, i, STAGE_SHADOW, why);
		else
			send_one(x, end, i, &with);
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
		if (!held_back(x->route, i) &&
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
	struct span model = catalogue_model(x->legs[LEG_CLIENT]);

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
static unsigned pause_ms(bool empty)
{
	unsigned ms;

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
	bool empty;

	if (shadow.asleep || shadow.signalled) /* a signal may come late, when sleep is over */
		ring_wake(shadow.in);
	shadow.asleep = shadow.signalled = false;
	role_rested(&shadow.pace, &shadow.in, 1);
	obey_pause();
	follow_names();
	empty = drain();
	if (clock_mono_ns() - shadow.swept_ns > 1000000000u) {
		fold_each(shadow.fold, drop_settled, NULL);
		shadow.swept_ns = clock_mono_ns();
	}
	ring_publish(shadow.out);
	next.tv_usec = pause_ms(empty) * 1000;
	event_add(shadow.tick, &next);
}

static bool may_leave(void)
{
	return shadow.read == 0 && shadow.in_flight == 0 && !shadow.asked_for.id &&
	       atomic_load(&shadow.env->page->phase) >= PHASE_SHADOW;
}

/* The loop's turn follows. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)arg;
	shadow.signalled |= what & EV_READ;
}

/* Of an https candidate. 0, or an error that was logged. */
static int make_trust(unsigned route, unsigned candidate, struct client_target *target)
{
	static const char *const alpn[] = {"h2", "http/1.1"};
	const struct plan_candidate *p = &shadow.env->plan->routes[route].candidates[candidate];
	char name[48], why[TLS_WHY_BYTES] = "";
	struct tls_client_config config = {.insecure = !p->verify};
	struct buf ca;
	int err = 0;

	snprintf(name, sizeof name, "trust.%u.%u", route, candidate);
	buf_init(&ca, PEM_MAX);
	role_read(shadow.env, name, &ca);
	config.ca_pem = buf_span(&ca);
	config.alpn = alpn + 1;
	config.alpn_count = 1;
	if (p->http != PLAN_HTTP_2)
		err = tls_client_context(&config, why, sizeof why, &target->tls);
	config.alpn = alpn;
	config.alpn_count = p->http == PLAN_HTTP_2 ? 1 : 2;
	if (!err && p->http != PLAN_HTTP_1)
		err = tls_client_context(&config, why, sizeof why, &target->tls_h2);
	buf_fini(&ca);
	if (err)
		LOG(ERROR, "tls_setup_failed", log_text("candidate", p->name), log_text("why", why));
	return err;
}

/* What its requests have of their own. 0, or an error that was logged. */
static int make_to(unsigned route, unsigned candidate)
{
	const struct plan_candidate *p = &shadow.env->plan->routes[route].candidates[candidate];
	struct buf credential;
	char name[48];
	int err;

	snprintf(name, sizeof name, "credential.%u.%u", route, candidate);
	buf_init(&credential, PEM_MAX);
	role_read(shadow.env, name, &credential);
	err = request_to_init(&shadow.to[route][candidate], p, atomic_load(&shadow.env->page->run_id),
	                      buf_span(&credential));
	if (credential.base)
		explicit_bzero(credential.base, credential.cap);
	buf_fini(&credential);
	if (err)
		LOG(ERROR, "credential_failed", log_text("candidate", p->name),
		    log_text("why", err_text(err)));
	return err;
}

static int make_client(unsigned route, unsigned candidate)
{
	const struct plan_route *r = &shadow.env->plan->routes[route];
	const struct plan_candidate *p = &r->candidates[candidate];
	struct client_limits limits = {p->max_in_flight, p->timeout_ms, r->max_body_bytes, &shadow.held};
	struct client_target target = {.host = p->endpoint.host,
	                               .h2 = p->http == PLAN_HTTP_2,
	                               .dialer = dial_to(shadow.dial, route, candidate)};
	int err = plan_address(&p->endpoint, &target.address, &target.address_len);

	admission_init(&shadow.admissions[route][candidate], p, shadow.env->plan->seed,
	               &shadow.env->page->candidates[route][candidate]);
	if (!err)
		err = make_to(route, candidate);
	if (!err && p->endpoint.tls)
		err = make_trust(route, candidate, &target);
	if (!err && p->endpoint.port &&
	    !name_numeric(p->endpoint.address, &shadow.places[route][candidate].at))
		err = ERR_CONFIG;
	if (!err)
		err = client_new(shadow.base, &target, limits, &shadow.clients[route][candidate]);
	if (!err)
		drill_init(&shadow.drills[route][candidate], shadow.base, shadow.clients[route][candidate],
		           &shadow.held,
		           &(struct drill_place){shadow.env->page, shadow.env->plan, (uint16_t)route,
		                                 candidate});
	if (!err)
		catalogue_init(&shadow.catalogues[route][candidate], p, shadow.clients[route][candidate],
		               &shadow.to[route][candidate]);
	tls_context_unref(&target.tls);
	tls_context_unref(&target.tls_h2);
	return err;
}

static int make_clients(void)
{
	const struct plan *plan = shadow.env->plan;
	int fd = role_fd(shadow.env, "names.read");

	if ((fd != -1 && names_watch(fd, &shadow.names)) || sandbox_gauges_watch(shadow.env, shadow.looks) ||
	    dial_new(shadow.base, role_fd(shadow.env, "dial.ask"), &shadow.dial))
		return ERR_SYS;
	for (unsigned r = 0; r < plan->route_count; r++) {
		for (unsigned c = 0; c < plan->routes[r].candidate_count; c++) {
			int err = make_client(r, c);

			if (err)
				return err;
		}
	}
	return 0;
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
	    role_ring_writer(env, "answers", &shadow.out) || make_clients())
		return 3;
	shadow.pace.most_ms = PAUSE_MS;
	shadow.tick = evtimer_new(shadow.base, on_tick, NULL);
	shadow.wake =
	        event_new(shadow.base, role_fd(env, "wake.shadow"), EV_READ | EV_PERSIST, on_tick, NULL);
	if (!shadow.tick || !shadow.wake || event_add(shadow.tick, &now) || event_add(shadow.wake, NULL))
		return 3;
	role_ready(env);
	do {
		event_base_loop(shadow.base, EVLOOP_ONCE);
		turn();
	} while (!may_leave());
	return 0;
}
