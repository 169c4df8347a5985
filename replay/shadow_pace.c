/*
 * shadow_pace.c - a replay's requests wait here until they are due, and until their target can take them.
 *
 *   ring --> due, in the schedule's order --> sent to each target that has room
 *                                        \--> that target's queue --> sent late, or dropped
 *
 * A request's due time is that of its END, which the player computed from the start of the replay alone, so
 * nothing drifts; it arrives here ahead of that. The timer is absolute (timerfd, CLOCK_MONOTONIC). A target
 * that takes no more has a queue of its own, of QUEUE_MAX, and delays no other; what finds it full is shed
 * as in_flight, and so is, with plan.replay_drop_late, whatever would have to wait. What leaves in one turn
 * is noted together in the journal, before any of it is sent.
 */
#define _GNU_SOURCE
#include "replay/shadow_inside.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "capture/journal.h"
#include "proto/base/clock.h"
#include "replay/turns.h"
#include "replay/users.h"

enum { QUEUE_MAX = REPLAY_QUEUE_MAX, TURN_DUE = 256, READY_MAX = 256 };
static const uint64_t SECOND_NS = 1000000000u;

struct copies { /* of one request */
	STAILQ_ENTRY(copies) next;
	struct exchange *x;
	struct record end;
	struct together with;
	unsigned queued; /* targets in whose queue it stands, or that are to get it in this turn */
};

struct place { /* in a target's queue */
	STAILQ_ENTRY(place) next;
	struct copies *of;
	uint64_t due_ns;
};

STAILQ_HEAD(copies_list, copies);
STAILQ_HEAD(places, place);

struct target {
	struct places queue;
	unsigned length, ready; /* in the queue; to be sent in this turn */
};

static struct {
	struct copies_list due;
	struct target *targets[ROUTES_MAX][CANDIDATES_MAX];
	int timer_fd, journal_fd;
	struct event *timer;
	unsigned open; /* copies that are not all sent */
	unsigned ready_count;
	struct {
		struct copies *of;
		unsigned candidate;
		uint64_t due_ns;
	} ready[READY_MAX];
	struct users *users[CANDIDATES_MAX]; /* of each target; NULL: requests leave by the schedule */
} pace;

/* --- sending --- */

static void leave(struct copies *c)
{
	if (c->queued)
		return;
	c->x->user = NULL;
	fold_drop(shadow.fold, &c->x);
	pace.open--;
	free(c);
}

static bool is_open(const struct copies *c, unsigned candidate)
{
	return ledger_cell(shadow.env->ledger, c->end.slot, c->end.id, candidate) == STAGE_SHADOW;
}

static void drop(const struct copies *c, unsigned candidate, uint8_t outcome)
{
	ledger_move(shadow.env->ledger, c->end.slot, c->end.id, candidate, STAGE_SHADOW, outcome);
}

/* The turn of its user is over, if it was one's. */
static void end_turn(const struct record *r, unsigned candidate)
{
	if (pace.users[candidate])
		users_done(pace.users[candidate], r->user, clock_mono_ns());
}

void shadow_pace_done(const struct flight *f)
{
	end_turn(&f->record, f->record.leg - LEG_CANDIDATE);
}

static void refuse(const struct copies *c, unsigned candidate, uint8_t outcome)
{
	drop(c, candidate, outcome);
	end_turn(&c->end, candidate);
}

/* Can the target take it now? One that is being asked which models it serves cannot. */
static bool has_room(const struct copies *c, unsigned candidate)
{
	uint16_t r = c->x->route;

	if (c->with.model.len && catalogue_asks(&shadow.catalogues[r][candidate], clock_mono_ns()))
		return false;
	return drill_in_flight(&shadow.drills[r][candidate]) + pace.targets[r][candidate]->ready <
	       shadow.env->plan->routes[r].candidates[candidate].max_in_flight;
}

/* False: it must be dropped. */
static bool enqueue(struct copies *c, struct target *t, uint64_t due_ns)
{
	struct place *p =
	        t->length < QUEUE_MAX && !shadow.env->plan->replay_drop_late ? malloc(sizeof *p) : NULL;

	if (!p)
		return false;
	p->of = c;
	p->due_ns = due_ns;
	STAILQ_INSERT_TAIL(&t->queue, p, next);
	t->length++;
	c->queued++;
	return true;
}

/* They are noted before they are sent: a run that goes on with this one sends them never again. */
static void send_ready(void)
{
	uint64_t words[READY_MAX];
	unsigned count = pace.ready_count;
	size_t noted;

	if (!count)
		return;
	for (unsigned i = 0; i < count; i++)
		words[i] = journal_word(pace.ready[i].of->x->id, pace.ready[i].candidate);
	noted = journal_note(pace.journal_fd, words, count);
	pace.ready_count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct copies *c = pace.ready[i].of;
		unsigned candidate = pace.ready[i].candidate;

		pace.targets[c->x->route][candidate]->ready--;
		c->queued--;
		c->with.due_ns = pace.ready[i].due_ns;
		if (i >= noted)
			refuse(c, candidate, OUTCOME_DISK);
		else if (!shadow_send(c->x, &c->end, candidate, &c->with))
			end_turn(&c->end, candidate);
		leave(c);
	}
}

static void make_ready(struct copies *c, unsigned candidate, uint64_t due_ns)
{
	if (pace.ready_count == READY_MAX)
		send_ready();
	pace.ready[pace.ready_count].of = c;
	pace.ready[pace.ready_count].due_ns = due_ns;
	pace.ready[pace.ready_count++].candidate = candidate;
	pace.targets[c->x->route][candidate]->ready++;
	c->queued++;
}

static void offer(struct copies *c, unsigned candidate, uint64_t due_ns)
{
	struct target *t = pace.targets[c->x->route][candidate];
	uint8_t why = shadow_held_back(c->x->route, candidate);

	if (!is_open(c, candidate))
		end_turn(&c->end, candidate);
	else if (why)
		refuse(c, candidate, why);
	else if (!t->length && has_room(c, candidate))
		make_ready(c, candidate, due_ns);
	else if (!enqueue(c, t, due_ns))
		refuse(c, candidate, OUTCOME_IN_FLIGHT);
}

static void offer_all(struct copies *c, uint64_t now_ns)
{
	unsigned count = shadow.env->plan->routes[c->x->route].candidate_count;
	uint8_t order[CANDIDATES_MAX];

	c->with.taken_ns = now_ns;
	c->with.fresh = shadow_any_is_cold(c->x);
	turns_draw(shadow.env->plan->seed, c->x->id, count, order);
	for (unsigned n = 0; n < count; n++) {
		if (shadow.env->plan->replay_drop_late && shadow.env->plan->replay_speed > 0 &&
		    c->with.taken_ns > c->with.due_ns + shadow.env->plan->replay_max_lag_ns)
			drop(c, order[n], OUTCOME_OVERLOAD);
		else
			offer(c, order[n], c->with.due_ns);
	}
	leave(c);
}

/* Stopped before all was played: nothing is sent any more but what was due. */
static bool was_stopped(void)
{
	return atomic_load(&shadow.env->page->phase) != PHASE_RUN &&
	       !atomic_load(&shadow.env->page->replay.whole);
}

static void serve(struct target *t, unsigned candidate)
{
	struct place *p;

	while ((p = STAILQ_FIRST(&t->queue))) {
		struct copies *c = p->of;

		uint64_t due_ns = p->due_ns;

		if (was_stopped())
			refuse(c, candidate, OUTCOME_DRAIN);
		else if (is_open(c, candidate) && !has_room(c, candidate))
			return;
		STAILQ_REMOVE_HEAD(&t->queue, next);
		free(p);
		t->length--;
		c->with.queued = true;
		if (is_open(c, candidate))
			make_ready(c, candidate, due_ns);
		c->queued--;
		leave(c);
	}
}

static void serve_all(void)
{
	for (unsigned r = 0; r < shadow.env->plan->route_count; r++)
		for (unsigned c = 0; c < shadow.env->plan->routes[r].candidate_count; c++)
			if (pace.targets[r][c]->length)
				serve(pace.targets[r][c], c);
}

/* --- users --- */

static void drop_turns(void)
{
	for (unsigned candidate = 0; candidate < CANDIDATES_MAX; candidate++) {
		struct copies *c;
		unsigned user;

		while (pace.users[candidate] && (c = users_drop(pace.users[candidate], &user))) {
			drop(c, candidate, OUTCOME_DRAIN);
			c->queued--;
			leave(c);
		}
	}
}

/* What has been thought about is asked. When the next one has: UINT64_MAX: none will by itself. */
static uint64_t serve_users(void)
{
	uint64_t now_ns = clock_mono_ns(), next_ns = UINT64_MAX, due_ns;
	unsigned user;

	if (was_stopped())
		drop_turns();
	for (unsigned candidate = 0; candidate < CANDIDATES_MAX && pace.users[candidate]; candidate++) {
		struct copies *c;

		while ((c = users_take(pace.users[candidate], now_ns, &user, &due_ns))) {
			c->with.taken_ns = now_ns;
			offer(c, candidate, due_ns);
			c->queued--;
			leave(c);
		}
		if (users_next_ns(pace.users[candidate]) < next_ns)
			next_ns = users_next_ns(pace.users[candidate]);
	}
	return next_ns;
}

/* Each of its targets has a user of that number, who gets to it in time. */
static void give_users(struct copies *c)
{
	unsigned count = shadow.env->plan->routes[c->x->route].candidate_count;

	c->queued = 1;
	for (unsigned candidate = 0; candidate < count; candidate++) {
		if (!is_open(c, candidate))
			continue;
		if (users_push(pace.users[candidate], c->end.user, c, c->end.sample_hash, c->with.read_ns))
			drop(c, candidate, OUTCOME_MEMORY);
		else
			c->queued++;
	}
	c->queued--;
	leave(c);
}

/* --- time --- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	uint64_t expirations;

	(void)what, (void)arg;
	(void)!read(fd, &expirations, sizeof expirations);
}

/* The loop wakes when the next one is due, and as much before as it is to spin. */
static void set_timer(uint64_t due_ns)
{
	uint64_t at = due_ns - shadow.env->plan->replay_spin_ns;
	struct itimerspec t = {.it_value = {(time_t)(at / SECOND_NS), (long)(at % SECOND_NS)}};

	timerfd_settime(pace.timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

/* It is worth to spin for, unless another is there to be sent. */
static bool is_due(const struct copies *c, uint64_t *now_ns)
{
	if (c->with.due_ns <= *now_ns)
		return true;
	*now_ns = clock_mono_ns();
	if (c->with.due_ns > *now_ns + (pace.ready_count ? 0 : shadow.env->plan->replay_spin_ns))
		return false;
	while (c->with.due_ns > *now_ns)
		*now_ns = clock_mono_ns();
	return true;
}

bool shadow_pace_turn(void)
{
	struct copies *c;
	uint64_t next_ns, now_ns = shadow.turn_ns;
	unsigned n = 0;

	serve_all();
	while ((c = STAILQ_FIRST(&pace.due)) && n++ < TURN_DUE && is_due(c, &now_ns)) {
		STAILQ_REMOVE_HEAD(&pace.due, next);
		offer_all(c, now_ns);
	}
	next_ns = serve_users();
	send_ready();
	if (c && n <= TURN_DUE)
		next_ns = c->with.due_ns;
	if (next_ns != UINT64_MAX)
		set_timer(next_ns);
	return n > TURN_DUE;
}

int shadow_pace_add(struct exchange *x, const struct record *end)
{
	struct copies *c = calloc(1, sizeof *c);

	if (!c)
		return ERR_NOMEM;
	c->x = x;
	c->end = *end;
	c->with = (struct together){.model = catalogue_model(x->legs[LEG_CLIENT]),
	                            .due_ns = end->time_ns,
	                            .user = end->user,
	                            .read_ns = shadow.turn_ns};
	x->user = c;
	pace.open++;
	if (pace.users[0])
		give_users(c);
	else
		STAILQ_INSERT_TAIL(&pace.due, c, next);
	return 0;
}

bool shadow_pace_idle(void)
{
	return !pace.open;
}

int shadow_pace_begin(void)
{
	const struct plan *plan = shadow.env->plan;

	STAILQ_INIT(&pace.due);
	for (unsigned r = 0; r < plan->route_count; r++)
		for (unsigned c = 0; c < plan->routes[r].candidate_count; c++) {
			struct target *t = pace.targets[r][c] = calloc(1, sizeof *t);

			if (!t)
				return ERR_NOMEM;
			STAILQ_INIT(&t->queue);
			if (plan->replay_users.count && !pace.users[c] &&
			    !(pace.users[c] = users_new(plan->replay_users.count)))
				return ERR_NOMEM;
		}
	pace.journal_fd = role_fd(shadow.env, "journal");
	prctl(PR_SET_TIMERSLACK, 1);
	pace.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	pace.timer = pace.timer_fd == -1
	                     ? NULL
	                     : event_new(shadow.base, pace.timer_fd, EV_READ | EV_PERSIST, on_timer, NULL);
	return pace.timer && event_add(pace.timer, NULL) == 0 ? 0 : ERR_SYS;
}
