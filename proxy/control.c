/*
 * control.c - answers from the control page and the ledger; writes out the log rings; holds nothing else.
 *
 * One loop: the HTTP server, and a tick every 20 ms that empties the log rings, looks for the file PAUSE,
 * prints the banner once every role is up, hands its listeners to a newer generation, and ends the phases of
 * a drain when the parent is gone.
 */
#define _GNU_SOURCE
#include "proxy/control.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/fault.h"
#include "capture/learned.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/net/server.h"
#include "proxy/control_log.h"
#include "proxy/control_stats.h"

enum {
	TICK_MS = 50,
	CUT_WAIT_US = 20000,
	REPLY_BYTES = 4 << 20,
	CONNECTIONS = 64,
	TOKEN_FILE_BYTES = 64 * 1024, /* it is read by 16 KiB; a configuration accepts 8 */
};

struct control {
	struct role_env *env;
	struct event_base *base;
	struct server *server;
	struct event *tick;
	int run_fd; /* the run directory, looked at only; -1: none */
	pid_t parent;
	bool announced;
	char who[32];
	struct control_log log;
	struct stats stats;
	const struct learned *learned; /* NULL: no route learns */
	sandbox_looks looks;
	struct {
		uint64_t starts, times_ready, ends;
	} told[ROUTES_MAX][CANDIDATES_MAX]; /* of sandboxes */
};

static struct control control;

/* --- changes --- */

/* Who asked: the uid of a peer on the unix socket, or whoever holds the token. */
static struct log_pair asker(const struct server_request *q)
{
	return q->by_token ? log_text("with", "token") : log_int("uid", q->uid);
}

/* A change: told on stderr, and to the judge, who keeps it in the run when one is open. */
static void record_change(const struct log_pair *pairs, unsigned count)
{
	const struct role_env *env = control.env;
	char text[LOG_LINE_MAX];
	struct span line = {text, log_format(text, sizeof text, clock_wall_ns(), LOG_INFO, control.who,
	                                     "audit", pairs, count)};
	struct record r = {.time_ns = clock_mono_ns(), .payload_len = (uint32_t)line.len};

	if (log_on(LOG_INFO))
		control_log_put(&control.log, line);
	if (!env->log || env->plan->run_closed)
		return;
	if (ring_put(env->log, &r, line.data, 0))
		atomic_fetch_add(&env->page->log_shed, 1);
	else
		ring_publish(env->log);
}

static void audit(const struct server_request *q, const char *what, const char *name, const char *value)
{
	record_change((struct log_pair[]){log_text("change", what), log_text(name, value), asker(q)}, 3);
}

/* Calls for every candidate of that name, or of any when it is empty; how many there are. */
static unsigned each_named(struct control *c, const char *name,
                           void (*each)(struct page *, unsigned route, unsigned candidate, uint32_t value),
                           uint32_t value)
{
	const struct plan *plan = c->env->plan;
	unsigned count = 0;

	for (unsigned r = 0; r < plan->route_count; r++)
		for (unsigned i = 0; i < plan->routes[r].candidate_count; i++) {
			if (*name && strcmp(name, plan->routes[r].candidates[i].name))
				continue;
			each(c->env->page, r, i, value);
			count++;
		}
	return count;
}

static void set_paused(struct page *page, unsigned route, unsigned candidate, uint32_t paused)
{
	if (paused)
		atomic_fetch_or(&page->paused_candidates[route], 1u << candidate);
	else
		atomic_fetch_and(&page->paused_candidates[route], ~(1u << candidate));
}

/* The candidate that a request names; empty: none. False: it cannot be a name. */
static bool named(const struct server_request *q, char out[NAME_MAX_BYTES])
{
	int err = server_query(q->query, "candidate", out, NAME_MAX_BYTES);

	if (err)
		*out = '\0';
	return err == 0 || err == ERR_CLOSED;
}

static void no_candidate(struct server_reply *r)
{
	r->status = 404;
	buf_puts(&r->body, "no candidate has that name\n");
}

/* Candidate requests in flight are cut; says how long the last candidate byte took to pass. */
static void post_pause(struct control *c, const struct server_request *q, struct server_reply *r)
{
	struct page *page = c->env->page;
	uint64_t asked = clock_mono_ns(), last;
	char name[NAME_MAX_BYTES];

	if (!named(q, name) || (*name && !each_named(c, name, set_paused, 1))) {
		no_candidate(r);
		return;
	}
	audit(q, "pause", *name ? "candidate" : "by", *name ? name : "operator");
	if (*name) {
		buf_printf(&r->body, "%s is paused\n", name);
		return;
	}
	atomic_store(&page->paused_at_ns, asked);
	atomic_fetch_or(&page->paused, PAUSED_BY_OPERATOR);
	usleep(CUT_WAIT_US);
	last = atomic_load(&page->last_candidate_byte_ns);
	buf_printf(&r->body, "paused; last candidate byte %.3f ms after the switch\n",
	           last > asked ? (double)(last - asked) / 1e6 : 0.0);
}

/* Of one candidate, or of everything that was paused. */
static void post_resume(struct control *c, const struct server_request *q, struct server_reply *r)
{
	struct page *page = c->env->page;
	char name[NAME_MAX_BYTES];

	if (!named(q, name) || (!each_named(c, name, set_paused, 0) && *name)) {
		no_candidate(r);
		return;
	}
	audit(q, "resume", *name ? "candidate" : "by", *name ? name : "operator");
	if (!*name)
		atomic_fetch_and(&page->paused, ~(uint32_t)PAUSED_UNTIL_RESUMED);
	if (!atomic_load(&page->paused)) {
		buf_printf(&r->body, "%s%sresumed\n", name, *name ? " is " : "");
		return;
	}
	r->status = 409;
	buf_puts(&r->body, atomic_load(&page->paused) & PAUSED_BY_FILE
	                           ? "still paused: remove the file PAUSE in the run directory\n"
	                           : "still paused with all others: ctl resume\n");
}

/* A candidate of that name in the plan from the `n`-th on; -1: no more. */
static int find_named(const struct plan *plan, const char *name, int n)
{
	for (n++; n < ROUTES_MAX * CANDIDATES_MAX; n++) {
		const struct plan_route *r = &plan->routes[n / CANDIDATES_MAX];

		if ((unsigned)n / CANDIDATES_MAX < plan->route_count &&
		    (unsigned)n % CANDIDATES_MAX < r->candidate_count &&
		    !strcmp(name, r->candidates[n % CANDIDATES_MAX].name))
			return n;
	}
	return -1;
}

/* False, and nothing was begun: no more of them fit into this run. */
static bool begin_drills(struct control *c, const char *name, const struct plan_fault *fault)
{
	struct page *page = c->env->page;
	const struct plan *plan = c->env->plan;
	uint32_t n = page_drills(page);

	for (int at = find_named(plan, name, -1); at >= 0; at = find_named(plan, name, at)) {
		if (n == DRILLS_MAX)
			return false;
		page->drills[n].route = (uint16_t)(at / CANDIDATES_MAX);
		page->drills[n].candidate = (uint16_t)(at % CANDIDATES_MAX);
		page->drills[n].fault = *fault;
		page->drills[n++].begun_ns = clock_mono_ns();
	}
	atomic_store_explicit(&page->drill_count, n, memory_order_release);
	return true;
}

/* A fault of our own making, of every candidate of that name, until it is over or stopped. */
static void post_drill(struct control *c, const struct server_request *q, struct server_reply *r)
{
	char name[NAME_MAX_BYTES], text[FAULT_TEXT_BYTES] = "";
	const char *why = "say which";
	struct plan_fault fault;
	if (!named(q, name) || find_named(c->env->plan, name, -1) < 0) {
		no_candidate(r);
		return;
	}
	if (server_query(q->query, "fault", text, sizeof text) || fault_read(span_of(text), &fault, &why)) {
		r->status = 400;
		buf_printf(&r->body, "no fault: %s\n", why);
		return;
	}
	if (!begin_drills(c, name, &fault)) {
		r->status = 409;
		buf_printf(&r->body, "a run has at most %d drills; ctl run start opens the next\n",
		           DRILLS_MAX);
		return;
	}
	fault_write(&fault, text);
	record_change((struct log_pair[]){log_text("change", "drill"), log_text("candidate", name),
	                                  log_text("fault", text), asker(q)},
	              4);
	buf_printf(&r->body, "%s: %s; this run decides nothing about it any more\n", name, text);
}

static bool is_named(const struct plan *plan, const struct page_drill *d, const char *name)
{
	return d->route < plan->route_count && d->candidate < plan->routes[d->route].candidate_count &&
	       !strcmp(name, plan->routes[d->route].candidates[d->candidate].name);
}

/* Those that operators began, of one candidate or of all; the plan's go on. */
static void post_drill_stop(struct control *c, const struct server_request *q, struct server_reply *r)
{
	struct page *page = c->env->page;
	char name[NAME_MAX_BYTES];
	unsigned count = 0;

	if (!named(q, name) || (*name && find_named(c->env->plan, name, -1) < 0)) {
		no_candidate(r);
		return;
	}
	for (uint32_t i = 0; i < page_drills(page); i++)
		if (!*name || is_named(c->env->plan, &page->drills[i], name))
			count += atomic_compare_exchange_strong(&page->drills[i].ended_ns, &(uint64_t){0},
			                                        clock_mono_ns());
	audit(q, "drill_stop", *name ? "candidate" : "by", *name ? name : "operator");
	buf_printf(&r->body, "%u stopped\n", count);
}

static void post_drain(struct control *c, const struct server_request *q, struct server_reply *r)
{
	uint32_t run = PHASE_RUN;

	atomic_compare_exchange_strong(&c->env->page->phase, &run, PHASE_WORKERS);
	buf_puts(&r->body, "draining\n");
	audit(q, "drain", "by", "operator");
}

static void set_sample(struct page *page, unsigned route, unsigned candidate, uint32_t ppm)
{
	atomic_store(&page->sample_ppm[route][candidate], ppm);
}

static void post_sample(struct control *c, const struct server_request *q, struct server_reply *r)
{
	char text[16], candidate[NAME_MAX_BYTES] = "", *end = NULL;
	int err = server_query(q->query, "ppm", text, sizeof text);
	unsigned long ppm = err ? 0 : strtoul(text, &end, 10);

	if (err || !*text || strspn(text, "0123456789") != strlen(text) || ppm > SAMPLE_ALL_PPM) {
		r->status = 400;
		buf_puts(&r->body, "ppm is a whole number from 0 to 1000000\n");
		return;
	}
	if (!named(q, candidate) || !each_named(c, candidate, set_sample, (uint32_t)ppm)) {
		no_candidate(r);
		return;
	}
	buf_printf(&r->body, "at most %.4g %% to %s; a lower configured sample stands\n", (double)ppm / 1e4,
	           *candidate ? candidate : "each candidate");
	record_change((struct log_pair[]){log_text("change", "sample"), log_uint("ppm", ppm),
	                                  log_text("candidate", *candidate ? candidate : "*"), asker(q)},
	              4);
}

static void post_log(struct control *c, const struct server_request *q, struct server_reply *r)
{
	char name[16];
	int level =
	        server_query(q->query, "level", name, sizeof name) ? -1 : log_level_by_name(span_of(name));

	if (level < 0) {
		r->status = 400;
		buf_puts(&r->body, "level is one of error, warn, info, access, debug\n");
		return;
	}
	audit(q, "log", "level", log_level_name((uint32_t)level));
	atomic_store(&c->env->page->log_level, (uint32_t)level);
	buf_printf(&r->body, "log level is %s\n", log_level_name((uint32_t)level));
}

/* Nobody's own figures: what the parent is to do. Only while nothing is open, so that the page holds one
 * wish. */
static bool wish(struct control *c, enum wish what, const char *name)
{
	struct page_wish *w = &c->env->page->wish;
	uint32_t done = atomic_load(&w->done), asked = done;

	if (atomic_load(&w->asked) == done) {
		atomic_store(&w->what, what);
		snprintf(w->name, sizeof w->name, "%s", name);
	}
	return atomic_compare_exchange_strong(&w->asked, &asked, done + 1);
}

static void put_wish(struct control *c, const struct server_request *q, struct server_reply *r,
                     enum wish what, const char *name)
{
	static const char *const words[] = {"reload", "run_stop", "run_start"};
	uint32_t done = atomic_load(&c->env->page->wish.done);

	if (getppid() != c->parent) {
		r->status = 503;
		buf_puts(&r->body, "the parent process is gone: start the proxy anew\n");
		return;
	}
	if (!wish(c, what, name)) {
		r->status = 409;
		buf_puts(&r->body, "another reload is under way; ask again when it is done\n");
		return;
	}
	buf_printf(&r->body, "%u\n", done + 1);
	audit(q, words[what], "name", name);
}

static void post_reload(struct control *c, const struct server_request *q, struct server_reply *r)
{
	put_wish(c, q, r, WISH_RELOAD, "");
}

static void post_run_stop(struct control *c, const struct server_request *q, struct server_reply *r)
{
	put_wish(c, q, r, WISH_RUN_STOP, "");
}

static void post_run_start(struct control *c, const struct server_request *q, struct server_reply *r)
{
	char name[WISH_NAME_BYTES] = "";
	int err = server_query(q->query, "name", name, sizeof name);

	if (err && err != ERR_CLOSED) {
		r->status = 400;
		buf_puts(&r->body, "a run's name has at most 63 letters, digits, '-', '_' and '.'\n");
		return;
	}
	put_wish(c, q, r, WISH_RUN_START, name);
}

/* 202 until the wish of that number is done, then 200 or 422 with the parent's words. A generation that took
 * over says of earlier ones that they are done. */
static void get_reload(struct control *c, const struct server_request *q, struct server_reply *r)
{
	const struct page_wish *w = &c->env->page->wish;
	uint32_t done = atomic_load(&w->done);
	char number[16];
	int err = server_query(q->query, "number", number, sizeof number);

	if (!err && (int32_t)(strtoul(number, NULL, 10) - done) > 0) {
		r->status = 202;
		buf_puts(&r->body, atomic_load(&w->waiting)
		                           ? "waiting until the older generation has drained\n"
		                           : "starting\n");
		return;
	}
	r->status = atomic_load(&w->failed) ? 422 : 200;
	buf_printf(&r->body, "%.*s", WISH_WORDS_BYTES - 1, w->words);
}

/* --- figures --- */

static void get_livez(struct control *c, const struct server_request *q, struct server_reply *r)
{
	(void)c, (void)q;
	buf_puts(&r->body, "ok\n");
}

/* Nothing else could answer for live: a proxy without endpoints stays ready, and says so. */
static void tell_routes_out(struct control *c, struct buf *b)
{
	const struct plan *p = c->env->plan;

	stats_read(c->env, c->looks, &c->stats);
	for (unsigned i = 0; i < p->route_count; i++)
		if (stats_endpoints_out(&c->stats, i) == p->routes[i].live.endpoint_count)
			buf_printf(b, "route %s: every endpoint is out, all are tried\n", p->routes[i].name);
}

static void get_readyz(struct control *c, const struct server_request *q, struct server_reply *r)
{
	const struct page *page = c->env->page;
	bool up = atomic_load(&page->ready);
	bool run = atomic_load(&page->phase) == PHASE_RUN && !atomic_load(&page->lame);

	(void)q;
	if (!up || !run)
		r->status = 503;
	buf_puts(&r->body, !up ? "starting\n" : !run ? "draining\n" : "ready\n");
	if (up && run)
		tell_routes_out(c, &r->body);
}

static void get_metrics(struct control *c, const struct server_request *q, struct server_reply *r)
{
	(void)q;
	stats_read(c->env, c->looks, &c->stats);
	stats_metrics(&c->stats, &r->body);
	r->content_type = METRIC_CONTENT_TYPE;
}

static void get_stats(struct control *c, const struct server_request *q, struct server_reply *r)
{
	(void)q;
	stats_read(c->env, c->looks, &c->stats);
	stats_json(&c->stats, &r->body);
	r->content_type = "application/json";
}

static void get_status(struct control *c, const struct server_request *q, struct server_reply *r)
{
	(void)q;
	stats_read(c->env, c->looks, &c->stats);
	stats_status(&c->stats, &r->body);
}

static void get_config(struct control *c, const struct server_request *q, struct server_reply *r)
{
	(void)q;
	stats_config(c->env->plan, &r->body);
	r->content_type = "application/json";
}

/* Counts alone: capture/learn.h. */
static void get_learned(struct control *c, const struct server_request *q, struct server_reply *r)
{
	(void)q;
	r->content_type = "application/octet-stream";
	if (c->learned && !learned_read(c->learned, &r->body))
		return;
	buf_reset(&r->body);
	r->content_type = "text/plain";
	r->status = c->learned ? 503 : 404;
	buf_puts(&r->body,
	         c->learned ? "it is just being written, ask again\n" : "no route has mask: learn\n");
}

static const struct {
	const char *method, *path;
	void (*answer)(struct control *, const struct server_request *, struct server_reply *);
} paths[] = {
        {"GET", "/livez", get_livez},         {"GET", "/readyz", get_readyz},
        {"GET", "/metrics", get_metrics},     {"GET", "/status", get_status},
        {"GET", "/stats.json", get_stats},    {"GET", "/config", get_config},
        {"GET", "/learned", get_learned},     {"POST", "/pause", post_pause},
        {"POST", "/resume", post_resume},     {"POST", "/drain", post_drain},
        {"POST", "/log", post_log},           {"POST", "/sample", post_sample},
        {"POST", "/reload", post_reload},     {"GET", "/reload", get_reload},
        {"POST", "/run/stop", post_run_stop}, {"POST", "/run/start", post_run_start},
        {"POST", "/drill", post_drill},       {"POST", "/drill/stop", post_drill_stop},
};

static void answer(void *arg, const struct server_request *q, struct server_reply *r)
{
	struct control *c = arg;
	bool known = false;

	for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
		if (!span_eq(q->path, span_of(paths[i].path)))
			continue;
		known = true;
		if (span_eq(q->method, SPAN("POST")) && atomic_load(&c->env->page->superseded)) {
			r->status = 409;
			buf_puts(&r->body, "a newer generation serves; ask again\n");
			return;
		}
		if (span_eq(q->method, span_of(paths[i].method))) {
			paths[i].answer(c, q, r);
			return;
		}
	}
	r->status = known ? 405 : 404;
	buf_puts(&r->body, known ? "not with this method\n" : "there is no such page\n");
}

/* --- the tick --- */

/* The same twelve lines as `ctl status`, as soon as every role is up. */
static void announce(struct control *c)
{
	struct buf text;

	if (c->announced || !atomic_load(&c->env->page->ready))
		return;
	c->announced = true;
	if (c->env->epoch > 0 || c->env->plan->generation > 1) /* it was printed */
		return;
	buf_init(&text, 64 * 1024);
	stats_read(c->env, c->looks, &c->stats);
	stats_status(&c->stats, &text);
	control_log_put(&c->log, buf_span(&text));
	buf_fini(&text);
}

static void look_for_file(struct control *c)
{
	bool there = c->run_fd != -1 && !faccessat(c->run_fd, "PAUSE", F_OK, 0);
	uint32_t before = atomic_load(&c->env->page->paused);

	if (there == !!(before & PAUSED_BY_FILE))
		return;
	if (there) {
		atomic_store(&c->env->page->paused_at_ns, clock_mono_ns());
		atomic_fetch_or(&c->env->page->paused, PAUSED_BY_FILE);
	} else {
		atomic_fetch_and(&c->env->page->paused, ~(uint32_t)PAUSED_BY_FILE);
	}
	record_change(
	        (struct log_pair[]){log_text("change", there ? "pause" : "resume"), log_text("by", "file")},
	        2);
}

static void tell_sandbox(const char *candidate, const char *what, uint64_t times, const uint32_t *status)
{
	record_change((struct log_pair[]){log_text("change", what), log_text("candidate", candidate),
	                                  log_uint("times", times), log_uint("status", status ? *status : 0)},
	              status ? 4 : 3);
}

/* What became of it since the last look, in the order in which it happens. `silent`: somebody was told. */
static void look_at_sandbox(struct control *c, unsigned r, unsigned i, bool silent)
{
	const struct sandbox_gauges *g = c->looks[r][i];
	const char *name = c->env->plan->routes[r].candidates[i].name;
	uint64_t starts, ready, ends;
	uint32_t status;

	if (!g)
		return;
	ends = atomic_load(&g->ends);
	status = atomic_load(&g->status);
	ready = atomic_load(&g->times_ready);
	starts = atomic_load(&g->starts);
	if (starts != c->told[r][i].starts && !silent)
		tell_sandbox(name, "sandbox_started", starts, NULL);
	if (ready != c->told[r][i].times_ready && !silent)
		tell_sandbox(name, "sandbox_ready", ready, NULL);
	if (ends != c->told[r][i].ends && !silent)
		tell_sandbox(name, "sandbox_ended", ends, &status);
	c->told[r][i].starts = starts;
	c->told[r][i].times_ready = ready;
	c->told[r][i].ends = ends;
}

static void look_at_sandboxes(struct control *c, bool silent)
{
	for (unsigned r = 0; r < c->env->plan->route_count; r++)
		for (unsigned i = 0; i < c->env->plan->routes[r].candidate_count; i++)
			look_at_sandbox(c, r, i, silent);
}

/* Without a parent nobody ends the phases of a drain: control does, half a second each, once clients have
 * gone. */
static void drain_orphaned(const struct control *c)
{
	static uint64_t since_ns;
	const struct role_env *env = c->env;
	uint32_t phase = atomic_load(&env->page->phase);
	uint64_t connections = 0, now = clock_mono_ns(), limit = 500000000u;

	if (phase == PHASE_RUN || getppid() == c->parent)
		return;
	for (unsigned i = 0; i < env->plan->workers; i++)
		connections += atomic_load(&env->page->workers[i].connections);
	if (phase == PHASE_WORKERS && connections)
		limit = (uint64_t)env->plan->drain_timeout_ms * 1000000u;
	if (!since_ns)
		since_ns = now;
	if (now - since_ns < limit)
		return;
	since_ns = now;
	atomic_store(&env->page->phase, phase + 1);
}

/* A safeguard ends the run as an operator would. While another wish is open it waits; without a parent, who
 * would seal it, all stays paused. */
static void stop_run(struct control *c)
{
	struct page *page = c->env->page;

	if (!atomic_load(&page->guard_stop) || atomic_load(&page->superseded) ||
	    atomic_load(&page->phase) != PHASE_RUN || getppid() != c->parent)
		return;
	if (!wish(c, WISH_RUN_STOP, ""))
		return;
	atomic_store(&page->guard_stop, 0);
	record_change((struct log_pair[]){log_text("change", "run_stop"), log_text("by", "safeguard")}, 2);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)fd, (void)what;
	control_log_drain(&c->log);
	announce(c);
	look_for_file(c);
	stop_run(c);
	look_at_sandboxes(c, false);
	drain_orphaned(c);
	if (atomic_load(&c->env->page->superseded))
		server_deafen(c->server);
	if (atomic_load(&c->env->page->phase) >= PHASE_CONTROL)
		event_base_loopbreak(c->base);
}

/* The token of control.token_file, without its line end, when there is one. */
static int trust(struct control *c)
{
	struct buf text;
	struct span token;
	int err;

	buf_init(&text, TOKEN_FILE_BYTES);
	role_read(c->env, "control-token", &text);
	token = buf_span(&text);
	if (token.len && token.data[token.len - 1] == '\n')
		token.len--;
	err = text.err ? text.err : token.len ? server_trust(c->server, token) : 0;
	if (text.base)
		explicit_bzero(text.base, text.cap);
	buf_fini(&text);
	return err;
}

static int serve(struct control *c)
{
	static const struct server_limits limits = {.connections = CONNECTIONS,
	                                            .idle_ms = 30000,
	                                            .request_ms = 5000,
	                                            .head_bytes = 16 * 1024,
	                                            .body_bytes = 4096,
	                                            .reply_bytes = REPLY_BYTES};
	struct timeval tick = {0, TICK_MS * 1000};
	int local = role_fd(c->env, "control"), tcp = role_fd(c->env, "control-address");

	c->base = event_base_new();
	if (!c->base || server_new(c->base, limits, answer, c, &c->server) ||
	    (local != -1 && server_listen(c->server, local, true)) ||
	    (tcp != -1 && server_listen(c->server, tcp, false)) || trust(c))
		return ERR_NOMEM;
	c->tick = event_new(c->base, -1, EV_PERSIST, on_tick, c);
	return c->tick && !event_add(c->tick, &tick) ? 0 : ERR_NOMEM;
}

int control_run(struct role_env *env)
{
	control.env = env;
	control.parent = getppid();
	control.run_fd = role_fd(env, "run");
	snprintf(control.who, sizeof control.who, "%s.%u", env->name, env->index);
	control_log_init(&control.log, env, STDERR_FILENO);
	log_open(control.who, control_log_put, &control.log); /* its own lines need no ring */
	if (sandbox_gauges_watch(env, control.looks) ||
	    (role_fd(env, "learned.look") != -1 &&
	     learned_watch(role_fd(env, "learned.look"), &control.learned)) ||
	    serve(&control))
		return 3;
	look_at_sandboxes(&control, true);
	role_ready(env);
	event_base_dispatch(control.base);
	control_log_drain(&control.log);
	server_free(&control.server);
	event_free(control.tick);
	event_base_free(control.base);
	return 0;
}
