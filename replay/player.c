/*
 * player.c - replay is a mirror with another source and another pace.
 *
 * The capture's exchanges come from a bounded window (window.h), pass by pass, and go into the same masked
 * rings that the masker feeds, each a little before it is due (schedule.h) and with that time as its END's:
 * the shadow sends it then (shadow_pace.c) and measures how late that was. The start is read once, so nothing
 * drifts. Admission is by ledger slots: a full ledger or ring makes the player wait, never shed, and what
 * leaves late for that is late all the same (no coordinated omission). The same holds for memory: what the
 * slots hold is bounded. When nothing is compared, the shadow gets the requests and nobody the answers.
 */
#define _GNU_SOURCE
#include "replay/player.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "capture/budget.h"
#include "capture/head.h"
#include "capture/journal.h"
#include "capture/withdrawn.h"
#include "proto/base/clock.h"
#include "proto/json_pick.h"
#include "replay/judge.h"
#include "replay/schedule.h"
#include "replay/window.h"

static const uint64_t NAP_NS = 50000000u, RETRY_NS = 1000000u, READ_MARGIN_NS = 2000000u, LEAD_NS = 25000000u;
static const uint64_t PROGRESS_TTY_NS = 250000000u, PROGRESS_JSON_NS = 1000000000u,
                      PROGRESS_NS = 10 * UINT64_C(1000000000);

struct player {
	const struct role_env *env;
	struct ring *to_shadow, *to_judge;
	struct window *window;
	struct schedule schedule;
	unsigned pass;
	uint64_t sequence, pass_first, start_ns, baselines[ROUTES_MAX];
	uint64_t told_ns;
	bool terminal, begun;
	struct watch { /* of what became of what was asked in the last second */
		uint64_t since_ns, sequence, good;
		unsigned looks;
	} watch;
	struct journal *journal;     /* of the run that this one goes on with, or NULL */
	uint64_t skipped;            /* all of its copies had been sent */
	struct withdrawn *withdrawn; /* NULL: no list */
	uint64_t withheld;           /* for that */
	/* What is played, by slot, until it is seen that the slot is free again. */
	struct {
		uint64_t id, bytes;
	} * held;
	uint64_t held_bytes, held_limit;
	uint64_t *answered_ns; /* by user: when the last answer to it was recorded to end */
};

struct turn { /* of a closed loop */
	uint16_t user;
	uint64_t think_ns;
};

static struct player player;

static bool stopped(void)
{
	return atomic_load(&player.env->page->phase) != PHASE_RUN;
}

static void nap_until(uint64_t mono_ns)
{
	struct timespec t = {(time_t)(mono_ns / 1000000000u), (long)(mono_ns % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

static void put_waiting(struct ring *ring, const struct record *r, const void *payload)
{
	while (ring_put(ring, r, payload, 0)) {
		ring_publish(ring);
		nap_until(clock_mono_ns() + RETRY_NS);
	}
}

static void emit(struct record *r, uint8_t type, uint64_t time_ns, struct span payload)
{
	r->type = type;
	r->time_ns = time_ns;
	r->payload_len = (uint32_t)payload.len;
	if (r->leg == LEG_CLIENT)
		put_waiting(player.to_shadow, r, payload.data);
	if (!player.env->plan->replay_uncompared)
		put_waiting(player.to_judge, r, payload.data);
}

/* What a mark of its leg says came at once. */
static void emit_chunk(struct record *r, uint64_t time_ns, struct span bytes)
{
	while (bytes.len) {
		size_t n = bytes.len < RECORD_PAYLOAD_MAX ? bytes.len : RECORD_PAYLOAD_MAX;

		emit(r, RECORD_CHUNK, time_ns, (struct span){bytes.data, n});
		bytes = (struct span){bytes.data + n, bytes.len - n};
	}
}

/* Times are moved so that the request ends when it is due: intervals stay, and the run's clock is the
 * replay's. */
static void emit_leg(struct record r, uint8_t leg_number, const struct leg *leg, uint64_t shift_ns,
                     const struct turn *turn)
{
	struct span body = buf_span(&leg->body);
	size_t count;
	const struct leg_mark *marks = leg_marks(leg, &count);

	r.leg = leg_number;
	r.flags = leg->flags | RECORD_MASKED;
	r.policy = leg->policy;
	emit(&r, RECORD_HEAD, leg->start_ns + shift_ns, buf_span(&leg->head));
	for (size_t i = 0, from = 0; i < count; from = marks[i++].end)
		emit_chunk(&r, marks[i].time_ns + shift_ns,
		           (struct span){body.data + from, marks[i].end - from});
	if (buf_len(&leg->trailers))
		emit(&r, RECORD_TRAILERS, leg->end_ns + shift_ns, buf_span(&leg->trailers));
	if (player.answered_ns && leg_number == LEG_CLIENT) {
		r.user = turn->user;
		r.sample_hash = turn->think_ns;
	}
	emit(&r, RECORD_END, leg->end_ns + shift_ns, buf_span(&leg->found));
}

/* --- pace --- */

static void tell(const char *end)
{
	enum progress how = player.env->plan->replay_progress;
	uint64_t now_ns = clock_mono_ns();
	double share = (player.pass + window_share(player.window)) / player.schedule.rule->loops,
	       seconds = now_ns > player.start_ns ? (double)(now_ns - player.start_ns) / 1e9 : 0;
	const struct replay_gauges *g = &player.env->page->replay;
	unsigned long long sent = player.sequence - player.skipped - player.withheld,
	                   late = atomic_load(&g->lag_p99_us);
	char lag[40] = "";

	if (atomic_load(&g->lag_count))
		snprintf(lag, sizeof lag, ", lag p99 %.3f ms", (double)late / 1e3);

	if (how == PROGRESS_JSON) {
		fprintf(stderr,
		        "{\"sent\":%llu,\"share\":%.4f,\"seconds\":%.3f,\"lag_p99_us\":%llu,\"done\":%s}\n",
		        sent, share, seconds, late, *end ? "true" : "false");
	} else if (player.terminal) {
		char bar[31];
		size_t full = (size_t)(share * 30);

		memset(bar, '.', 30);
		memset(bar, '#', full < 30 ? full : 30);
		bar[30] = '\0';
		fprintf(stderr, "\r[%s] %3.0f %%  %llu sent%s%s", bar, share * 100, sent, lag, end);
	} else {
		fprintf(stderr, "understudy: replay: %.0f %%, %llu sent in %.1f s%s\n", share * 100, sent,
		        seconds, lag);
	}
}

static void progress(uint64_t now)
{
	enum progress how = player.env->plan->replay_progress;
	uint64_t pause = player.terminal        ? PROGRESS_TTY_NS
	                 : how == PROGRESS_JSON ? PROGRESS_JSON_NS
	                                        : PROGRESS_NS;

	if (now - player.told_ns < pause)
		return;
	player.told_ns = now;
	atomic_store(&player.env->page->replay.played, player.sequence);
	if (how != PROGRESS_QUIET)
		tell("");
}

/* Wait for the deadline, reading ahead as long as that cannot make it late. False: stopped. */
static bool wait_until(uint64_t due_ns)
{
	while (!stopped()) {
		uint64_t now = clock_mono_ns();

		progress(now);
		if (now >= due_ns)
			return true;
		if (due_ns - now > READ_MARGIN_NS && window_ahead(player.window))
			continue;
		nap_until(due_ns - now < NAP_NS ? due_ns : now + NAP_NS);
	}
	return false;
}

/* Drawn from what was drawn; what is not known stays so. */
static uint32_t sample_ppm(const struct exchange *x)
{
	return (uint32_t)((uint64_t)x->sample_ppm * player.env->plan->replay_choice.sample_ppm / 1000000);
}

/* A bit for each candidate that is to be sent it: what is chosen for one of a share is chosen by the same
 * hash in every run, also in one that goes on where another stopped. */
static uint32_t wanted(const struct exchange *x)
{
	const struct plan *plan = player.env->plan;
	const struct plan_route *route = &plan->routes[x->route];
	uint64_t all = plan->replay_choice.sample_ppm;
	uint32_t mask = 0;

	for (uint32_t c = 0; c < route->candidate_count; c++) {
		uint64_t share = all * route->candidates[c].sample_ppm / 1000000;

		if (schedule_draws(plan->seed, x->sample_ppm ? x->sample_hash : x->id, (uint32_t)share) ||
		    share == all)
			mask |= 1u << c;
	}
	return mask;
}

/* Its subject, by the masked head, has withdrawn since it was captured: counted, never sent. */
static bool is_withdrawn(const struct exchange *x)
{
	const struct plan *plan = player.env->plan;
	struct span head = buf_span(&x->legs[LEG_CLIENT]->head);

	if (!player.withdrawn ||
	    !withdrawn_has(player.withdrawn, head_field(head, span_of(plan->withdrawn.subject))))
		return false;
	ledger_direct(player.env->ledger, 0, x->route, plan->routes[x->route].candidate_count,
	              OUTCOME_WITHDRAWN);
	return true;
}

static int load_withdrawn(void)
{
	struct buf list;
	unsigned line;
	int err;

	if (!player.env->plan->withdrawn.file[0])
		return 0;
	buf_init(&list, 2 * WITHDRAWN_BYTES_MAX);
	role_read(player.env, "withdrawn", &list);
	err = list.err ? list.err : withdrawn_new(buf_span(&list), &player.withdrawn, &line);
	buf_fini(&list);
	return err;
}

/* --- users --- */

/* What says whose request it is; empty: nothing. */
static struct span session_of(const struct exchange *x)
{
	const char *key = player.env->plan->replay_users.session;
	const struct leg *request = x->legs[LEG_CLIENT];
	const char *const names[] = {key + 2};
	struct span found = {0};

	if (strncmp(key, "$.", 2))
		return key[0] ? head_field(buf_span(&request->head), span_of(key)) : found;
	return json_pick(buf_span(&request->body), 0, names, 1, &found) ? (struct span){0} : found;
}

/* By the capture and the seed alone: whoever plays it gets the same. */
static struct turn turn_of(const struct exchange *x)
{
	const struct plan *plan = player.env->plan;
	const struct plan_users *users = &plan->replay_users;
	uint64_t asked_ns = x->legs[LEG_CLIENT]->end_ns, *answered_ns;
	struct span session = session_of(x);
	struct turn t = {.think_ns = users->think_ns,
	                 .user = (uint16_t)(session.len ? schedule_session(plan->seed, session, users->count)
	                                                : player.sequence % users->count)};

	answered_ns = &player.answered_ns[t.user];
	if (!users->think_fixed)
		t.think_ns = *answered_ns && asked_ns > *answered_ns ? asked_ns - *answered_ns : 0;
	if (plan->replay_schedule.max_gap_ns && t.think_ns > plan->replay_schedule.max_gap_ns)
		t.think_ns = plan->replay_schedule.max_gap_ns;
	*answered_ns = x->legs[LEG_LIVE]->end_ns;
	return t;
}

/* What slots held that have been freed since. */
static void forget_freed(void)
{
	for (uint32_t slot = 0; slot < player.env->plan->slots_each; slot++) {
		if (!player.held[slot].id || ledger_slot_id(player.env->ledger, slot) == player.held[slot].id)
			continue;
		player.held_bytes -= player.held[slot].bytes;
		player.held[slot].id = player.held[slot].bytes = 0;
	}
}

static bool room_for(uint64_t bytes)
{
	if (player.held_bytes + bytes > player.held_limit)
		forget_freed();
	return !player.held_bytes || player.held_bytes + bytes <= player.held_limit;
}

static void hold(uint32_t slot, uint64_t id, uint64_t bytes)
{
	player.held_bytes += bytes - player.held[slot].bytes;
	player.held[slot].id = id;
	player.held[slot].bytes = bytes;
}

/* False: stopped while waiting for a slot. */
static bool play(const struct exchange *x, unsigned copy, uint64_t due_ns)
{
	const struct plan_route *route = &player.env->plan->routes[x->route];
	struct record r = {.id = ++player.sequence,
	                   .route = x->route,
	                   .generation = player.env->plan->generation,
	                   .sample_hash = schedule_copy(x->sample_hash, copy),
	                   .sample_ppm = sample_ppm(x)};
	struct ledger *l = player.env->ledger;
	struct turn turn = {0};
	uint64_t shift;
	bool waited = false;

	while (!room_for(x->bytes) ||
	       ledger_take(l, 0, r.id, x->route, wanted(x) & ~journal_sent(player.journal, r.id),
	                   route->candidate_count, OUTCOME_SAMPLED_OUT, (uint32_t)player.baselines[x->route],
	                   OUTCOME_CAPTURE_OFF, &r.slot)) {
		if (stopped()) {
			player.sequence--;
			return false;
		}
		waited = true;
		progress(clock_mono_ns());
		nap_until(clock_mono_ns() + RETRY_NS);
	}
	if (waited)
		atomic_fetch_add(&player.env->page->replay.slot_waits, 1);
	if (player.answered_ns)
		turn = turn_of(x);
	hold(r.slot, r.id, x->bytes);
	ledger_settle_candidates(l, r.slot, r.id, STAGE_WORKER, STAGE_MASKER);
	ledger_move(l, r.slot, r.id, CELL_LIVE, STAGE_WORKER,
	            player.env->plan->replay_uncompared ? OUTCOME_COMPARED : STAGE_MASKER);
	shift = due_ns - x->legs[LEG_CLIENT]->end_ns;
	emit_leg(r, LEG_CLIENT, x->legs[LEG_CLIENT], shift, &turn);
	if (!player.env->plan->replay_uncompared)
		emit_leg(r, LEG_LIVE, x->legs[LEG_LIVE], shift, &turn);
	ring_publish(player.to_shadow);
	ring_publish(player.to_judge);
	return true;
}

static bool was_sent(const struct exchange *x)
{
	return !(wanted(x) & ~journal_sent(player.journal, player.sequence + 1));
}

/* False: stopped. */
static bool play_in_time(const struct exchange *x, unsigned copy)
{
	uint64_t due = schedule_next(&player.schedule, x->legs[LEG_CLIENT]->end_ns);

	if (is_withdrawn(x)) {
		player.sequence++;
		player.withheld++;
		return !stopped();
	}
	if (was_sent(x)) {
		player.sequence++;
		player.skipped++;
		return !stopped();
	}
	if (player.schedule.speed <= 0) { /* the targets are the pace */
		due = clock_mono_ns();
		progress(due);
		return !stopped() && play(x, copy, due);
	}
	if (!player.begun) /* time begins with the first that is sent */
		player.start_ns = clock_mono_ns() + LEAD_NS - due;
	player.begun = true;
	due += player.start_ns;
	return wait_until(due - LEAD_NS) && play(x, copy, due);
}

static bool play_copies(const struct exchange *x)
{
	unsigned copies = player.env->plan->replay_schedule.copies;

	for (unsigned n = 0; n < copies || n == 0; n++)
		if (!play_in_time(x, n))
			return false;
	return true;
}

static void say_end(int err)
{
	int end = window_end(player.window);
	unsigned long long out = window_left_out(player.window), others = window_not_chosen(player.window);

	if (player.env->plan->replay_progress != PROGRESS_QUIET)
		tell("\n");
	if (err == ERR_NOMEM)
		fprintf(stderr, "understudy: replay: %s\n", err_text(err));
	else if (end && end != ERR_AGAIN)
		fprintf(stderr, "understudy: " REPLAY_ENDS_EARLY ": %s; what was read is replayed\n",
		        err_text(end));
	if (out)
		fprintf(stderr, "understudy: left out, without a complete request and answer: %llu\n", out);
	if (window_not_allowed(player.window))
		fprintf(stderr, "understudy: left out, as they may have side effects: %llu; see --allow\n",
		        (unsigned long long)window_not_allowed(player.window));
	if (others && player.env->plan->replay_progress != PROGRESS_QUIET)
		fprintf(stderr, "understudy: left out by --where and --sample: %llu\n", others);
	if (player.skipped)
		fprintf(stderr, "understudy: sent before, and not again: %llu\n",
		        (unsigned long long)player.skipped);
	if (player.sequence == player.skipped + player.withheld)
		fprintf(stderr, "understudy: replay: nothing was sent\n");
}

static int open_window(const struct role_env *env)
{
	struct capfile_reader *reader;
	const char *why = NULL;
	char path[64];
	int err;

	snprintf(path, sizeof path, "/proc/self/fd/%d", role_fd(env, "input"));
	err = capfile_open(path, &reader, &why);
	if (err) {
		fprintf(stderr, "understudy: the capture cannot be read: %s\n", why ? why : err_text(err));
		return err;
	}
	player.window = window_new(reader, env->plan->route_count, budget_player_bytes(env->plan));
	if (!player.window) {
		capfile_reader_free(&reader);
		return ERR_NOMEM;
	}
	window_choose(player.window, &env->plan->replay_choice, env->plan->seed);
	if (env->plan->replay_uncompared && !env->plan->replay_choice.where.text[0])
		window_answers_unread(player.window);
	return 0;
}

/* From the capture's beginning, when it was whole and had something to play. */
static int begin_pass(void)
{
	struct window *played = player.window;
	int err;

	if (player.pass + 1 >= player.env->plan->replay_schedule.loops ||
	    window_end(player.window) != ERR_AGAIN || player.pass_first == player.sequence)
		return ERR_AGAIN;
	err = open_window(player.env);
	if (err) {
		player.window = played;
		return err;
	}
	window_free(&played);
	player.pass++;
	player.pass_first = player.sequence;
	schedule_again(&player.schedule);
	return 0;
}

static int next(const struct exchange **exchange_out)
{
	int err = window_next(player.window, exchange_out);

	while (err == ERR_AGAIN) {
		err = begin_pass();
		if (err)
			return err;
		err = window_next(player.window, exchange_out);
	}
	return err;
}

/* What was read ahead of its turn has all the time it takes; only then the run is over. */
static void await_all(void)
{
	for (forget_freed(); player.held_bytes && !stopped(); forget_freed()) {
		progress(clock_mono_ns());
		nap_until(clock_mono_ns() + RETRY_NS);
	}
}

/* --- saturation --- */

enum { WATCHED_LEAST = 20, SATURATED_LOOKS = 2 };
static const uint64_t WATCH_NS = 1000000000u;
static const double SATURATED_SHARE = 0.9;

/* Good answers of the target that gave the fewest. */
static uint64_t least_good(void)
{
	const struct plan_route *route = player.env->plan->routes;
	uint64_t least = UINT64_MAX;

	for (unsigned c = 0; c < route->candidate_count; c++) {
		uint64_t good = 0;

		for (unsigned r = 0; r < player.env->plan->route_count; r++)
			good += atomic_load(&player.env->page->candidates[r][c].measured.good);
		least = good < least ? good : least;
	}
	return least;
}

/* For a while now, fewer answers were good than were asked for. */
static bool is_saturated(void)
{
	struct watch *w = &player.watch;
	uint64_t now_ns = clock_mono_ns(), good, asked = player.sequence - w->sequence;

	if (!player.schedule.rule->till_saturated || now_ns - w->since_ns < WATCH_NS || asked < WATCHED_LEAST)
		return false;
	good = least_good();
	w->looks =
	        w->since_ns && (double)(good - w->good) < SATURATED_SHARE * (double)asked ? w->looks + 1 : 0;
	if (w->looks == SATURATED_LOOKS)
		atomic_store(&player.env->page->replay.saturated,
		             (uint64_t)((double)asked * 1e9 / (double)(now_ns - w->since_ns) + 0.5));
	w->good = good;
	w->sequence = player.sequence;
	w->since_ns = now_ns;
	return w->looks == SATURATED_LOOKS;
}

/* As many as there are to be, or all that the targets can take. */
static bool has_enough(void)
{
	uint64_t most = player.schedule.rule->most;

	return (most && player.sequence >= most) || is_saturated();
}

static void play_all(void)
{
	const struct plan *plan = player.env->plan;
	const struct exchange *x;
	bool enough = false;
	int err;

	schedule_init(&player.schedule, &plan->replay_schedule, plan->replay_speed, plan->seed);
	err = next(&x);
	player.told_ns = player.start_ns = clock_mono_ns();
	while (!err && !(enough = has_enough())) {
		if (!play_copies(x))
			return;
		err = next(&x);
	}
	await_all();
	if (stopped())
		return;
	atomic_store(&player.env->page->replay.played, player.sequence);
	say_end(err);
	if (!enough && window_end(player.window) != ERR_AGAIN)
		atomic_store(&player.env->page->replay.ends_early, (uint32_t)-window_end(player.window));
	if (enough || err == ERR_AGAIN)
		atomic_store(&player.env->page->replay.whole, 1);
}

int player_run(struct role_env *env)
{
	player.env = env;
	player.terminal = isatty(STDERR_FILENO) && env->plan->replay_progress == PROGRESS_AUTO;
	for (unsigned r = 0; r < env->plan->route_count; r++)
		for (unsigned c = 0; c < env->plan->routes[r].candidate_count; c++)
			player.baselines[r] |= (uint64_t)env->plan->routes[r].candidates[c].baseline << c;
	if (env->plan->replay_users.count &&
	    !(player.answered_ns = calloc(env->plan->replay_users.count, sizeof *player.answered_ns)))
		return 3;
	player.held = calloc(env->plan->slots_each, sizeof *player.held);
	player.held_limit = budget_bytes(env->plan, BUDGET_SHADOW) / 4;
	prctl(PR_SET_TIMERSLACK, 1); /* deadlines are met to the microsecond, not to the default 50 */
	if (!player.held || load_withdrawn() || role_ring_writer(env, "shadow", &player.to_shadow) ||
	    role_ring_writer(env, "judge", &player.to_judge))
		return 3;
	role_ready(env);
	if (role_fd(env, "journal.sent") != -1 &&
	    journal_load(role_fd(env, "journal.sent"), &player.journal)) {
		fprintf(stderr, "understudy: the journal cannot be read\n");
		return 3;
	}
	/* a player that died is not played again: its exchanges would be sent twice */
	if (env->epoch == 0 && open_window(env) == 0)
		play_all();
	window_free(&player.window);
	journal_free(&player.journal);
	atomic_store(&env->page->phase, PHASE_WORKERS);
	return 0;
}
