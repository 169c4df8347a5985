/*
 * worker.c - the role: listeners, the loop, the tick, the drain. What passes is in session.c, exchange.c and
 * live.c.
 */
#define _GNU_SOURCE
#include "proxy/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "capture/budget.h"
#include "capture/canary.h"
#include "capture/secret.h"
#include "proto/base/clock.h"
#include "proto/net/loop_memory.h"
#include "proxy/health.h"
#include "proxy/live.h"
#include "proxy/secrets.h"
#include "proxy/session.h"
#include "proxy/slow.h"
#include "proxy/worker_tls.h"

enum {
	ACCEPTS_A_TURN = 64,
	DOOR_MS = 250,
	KEEP_FREE_BYTES = 64 << 20,
	CROWD = 256, /* so many clients gone are worth giving their memory back */
	SPARE_BYTES = 1 << 20,
};

static void accept_on(struct worker *w, bool on)
{
	for (unsigned i = 0; i < w->plan->listen_count; i++)
		if (on)
			event_add(w->listeners[i].event, NULL);
		else
			event_del(w->listeners[i].event);
	w->accepting = on;
}

static bool crowded(const struct worker *w)
{
	uint32_t limit = w->plan->limits.max_connections;

	return limit && w->session_count >= limit;
}

static void address_text(const struct sockaddr_storage *a, char text[46])
{
	const void *at = a->ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr
	                                          : (const void *)&((const struct sockaddr_in *)a)->sin_addr;

	if ((a->ss_family != AF_INET && a->ss_family != AF_INET6) || !inet_ntop(a->ss_family, at, text, 46))
		strcpy(text, "unknown");
}

/* Without room for more, whoever waits stays in the kernel's queue until the next tick. */
static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	struct worker *w = l->worker;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof from;
		char text[46];
		int client;

		if (crowded(w)) {
			accept_on(w, false);
			return;
		}
		client = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client == -1 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			accept_on(w, false);
		if (client == -1)
			return;
		address_text(&from, text);
		if (session_new(l, client, text)) {
			accept_on(w, false);
			return;
		}
	}
}

/* Who was let in by the kernel is served. */
static void accept_waiting(struct worker *w)
{
	uint32_t before;

	for (unsigned i = 0; i < w->plan->listen_count; i++)
		do {
			before = w->session_count;
			on_accept(event_get_fd(w->listeners[i].event), 0, &w->listeners[i]);
		} while (w->session_count - before == ACCEPTS_A_TURN);
}

static void start_drain(struct worker *w)
{
	w->draining = true;
	w->drain_ns = w->now_ns;
	accept_waiting(w);
	accept_on(w, false);
	for (struct session *s = w->sessions, *next; s; s = next) {
		next = session_next(s);
		session_drain(s);
	}
}

/* In a drain: nobody is left for us in the queues of the listeners. Handshakes that had begun when the door
 * was shut have a moment to end; a parent that says nothing is not waited for. */
static bool queue_is_done(struct worker *w)
{
	uint32_t door = atomic_load(&w->env->page->door);

	if (door == DOOR_SHUT)
		accept_waiting(w);
	return door == DOOR_LEFT || w->now_ns - w->drain_ns > DOOR_MS * (uint64_t)1000000;
}

static void pools_tick(struct worker *w)
{
	for (uint32_t r = 0; r < w->plan->route_count; r++)
		for (uint32_t e = 0; e < w->upstreams[r].count; e++)
			live_endpoint_tick(&w->upstreams[r].endpoints[e], w->now_ns);
}

static void tell_states(struct worker *w)
{
	for (uint32_t r = 0; r < w->plan->route_count; r++)
		for (uint32_t e = 0; e < w->upstreams[r].count; e++)
			atomic_store_explicit(&w->env->page->endpoints[w->env->index][r][e],
			                      upstream_state(&w->upstreams[r].endpoints[e], w->now_ns),
			                      memory_order_relaxed);
}

/* A crowd of clients has left: what they took goes back to the system, at a moment when nobody waits. */
static void give_back(struct worker *w)
{
	if (w->session_count > w->most_sessions)
		w->most_sessions = w->session_count;
	if (w->in_flight || w->most_sessions < CROWD + 2 * w->session_count)
		return;
	w->most_sessions = w->session_count;
	malloc_trim(SPARE_BYTES);
}

static uint32_t canary_routes(const struct plan *plan)
{
	uint32_t routes = 0;

	for (uint32_t r = 0; r < plan->route_count && !plan->run_closed; r++)
		if (plan->routes[r].mirror && plan->routes[r].candidate_count)
			routes |= 1u << r;
	return routes;
}

/* The first worker lets the canary go: at the start, by the clock, and when one was lost. What does not fit
 * is lost, too. */
static void release_canary(struct worker *w)
{
	const struct plan *plan = w->plan;
	struct page *page = w->env->page;
	uint64_t round = atomic_load(&page->canary.sent);
	uint32_t routes = canary_routes(plan);
	char mark[CANARY_MARK_BYTES];

	if (w->env->index || !plan->canary_ms || !routes || !atomic_load(&page->ready) ||
	    atomic_load(&page->raw_state[0]) != RAW_OK)
		return;
	if (round && atomic_load(&page->canary.again) != round &&
	    w->now_ns - atomic_load(&page->canary.sent_ns) < plan->canary_ms * (uint64_t)1000000)
		return;
	canary_mark(w->salt, mark);
	round = (round ? round : CANARY_IDS) + 1;
	for (uint16_t r = 0; r < plan->route_count; r++) {
		struct record record = {
		        .id = round, .route = r, .generation = atomic_load(&page->generation)};
		const struct plan_mask *policy = &plan->masks[plan->routes[r].mask];

		if (routes >> r & 1 && !canary_leg(w->ring, &record, LEG_CLIENT, policy, mark, w->now_ns))
			(void)!canary_leg(w->ring, &record, LEG_LIVE, policy, mark, w->now_ns);
	}
	ring_publish(w->ring);
	atomic_store(&page->canary.sent_ns, w->now_ns);
	atomic_store(&page->canary.sent, round);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	w->now_ns = clock_mono_ns();
	live_bury(w);
	for (struct session *s = w->sessions, *next; s; s = next) {
		next = session_next(s);
		session_tick(s);
	}
	overload_tick(&w->overload, clock_thread_ns(), w->now_ns);
	atomic_store_explicit(&w->gauges->turn_ns, w->overload.mean_ns, memory_order_relaxed);
	atomic_store_explicit(&w->gauges->sheds_open, sheds_copies(w), memory_order_relaxed);
	slow_tick(w);
	pools_tick(w);
	health_tick(w->health, w->now_ns);
	tell_states(w);
	give_back(w);
	if (!w->draining)
		release_canary(w);
	if (!w->accepting && !w->draining && !crowded(w))
		accept_on(w, true);
	if (!w->draining && atomic_load(&w->env->page->phase) >= PHASE_WORKERS)
		start_drain(w);
	if (w->draining && queue_is_done(w) && !w->sessions)
		event_base_loopbreak(w->base);
}

static int open_listeners(struct worker *w)
{
	for (unsigned i = 0; i < w->plan->listen_count; i++) {
		int fd = role_fd_nth(w->env, "listen.", i);

		w->listeners[i] = (struct listener){w, &w->plan->listen[i], NULL, NULL};
		if (worker_tls_listener(w->env, i, &w->listeners[i].tls))
			return ERR_CONFIG;
		w->listeners[i].event =
		        fd == -1 ? NULL
		                 : event_new(w->base, fd, EV_READ | EV_PERSIST, on_accept, &w->listeners[i]);
		if (!w->listeners[i].event)
			return ERR_SYS;
	}
	return 0;
}

static int prepare(struct worker *w)
{
	const struct names *names = NULL;
	int fd = role_fd(w->env, "names.read"), err = 0;
	char name[32];

	if (fd != -1 && names_watch(fd, &names))
		return ERR_SYS;
	snprintf(name, sizeof name, "raw.%u", w->env->index);
	if (!w->base || role_ring_writer(w->env, name, &w->ring) ||
	    secret_map(role_fd(w->env, "sample-key"), SAMPLE_KEY_BYTES, &w->sample_key) || open_listeners(w))
		return ERR_SYS;
	buf_init(&w->scratch, RECORD_PAYLOAD_MAX);
	route_table_init(&w->routes, w->plan);
	w->limits = (struct h1_limits){.line_bytes = w->plan->limits.line_bytes,
	                               .field_bytes = w->plan->limits.field_bytes,
	                               .fields_bytes = w->plan->limits.fields_bytes,
	                               .field_count = w->plan->limits.fields};
	for (uint32_t i = 0; i < w->plan->route_count && !err; i++) {
		err = upstream_init(&w->upstreams[i], &w->plan->routes[i].live, names ? names->live[i] : NULL,
		                    w->gauges);
		if (!err)
			err = worker_tls_live(w->env, i, &w->upstreams[i].tls, &w->upstreams[i].tls_h2);
	}
	return err ? err : health_new(w, &w->health);
}

int worker_run(struct role_env *env)
{
	static struct worker w;
	struct timeval tick = {0, TICK_MS * 1000};

	mallopt(M_TRIM_THRESHOLD, KEEP_FREE_BYTES);
	loop_memory_init();
	w.env = env;
	w.plan = env->plan;
	w.gauges = &env->page->workers[env->index];
	w.memory_max = budget_live_bytes(w.plan);
	atomic_store(&w.gauges->buffered, 0);
	atomic_store(&w.gauges->sheds_open, 0);
	w.salt = atomic_load(&env->page->run_id);
	w.base = event_base_new();
	w.tick = w.base ? event_new(w.base, -1, EV_PERSIST, on_tick, &w) : NULL;
	if (!w.tick || prepare(&w) || event_add(w.tick, &tick))
		return 3;
	accept_on(&w, true);
	role_ready(env);
	do {
		w.overload.turns++;
	} while (!event_base_loop(w.base, EVLOOP_ONCE) && !event_base_got_break(w.base));
	return 0;
}
