#define _GNU_SOURCE
#include "proxy/house.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "capture/names.h"
#include "proto/base/clock.h"

enum {
	BACKOFF_FIRST_MS = 100,
	BACKOFF_LAST_MS = 800,
	STEADY_MS = 10000, /* ready this long: its next death is not a quick one */
	LAST_CHANCES = 3,  /* restarts of a role that dies in the phase in which it leaves */
	RAW_BREAKS_MAX = 5,
	SEAL_MS = 2000,
};

static const uint64_t ms_ns = 1000000u, minute_ns = 60 * (uint64_t)1000000000u;

/* Clients and a player: what brings exchanges in starts last and leaves first. */
static bool is_source(const struct child *c)
{
	return c->row->leaves == PHASE_WORKERS;
}

static void kill_all(struct house *h)
{
	for (unsigned i = 0; i < h->child_count; i++)
		if (h->children[i].pid > 0)
			kill(h->children[i].pid, SIGKILL);
		else
			h->children[i].state = CHILD_GONE;
}

void house_give_up(struct house *h)
{
	h->failed = true;
	kill_all(h);
}

/* The first death restarts at once, quick ones in a row wait 0.1 s, 0.2 s ... 0.8 s: whoever
 * dies is back within a second. */
static void back_off(struct house *h, struct child *c, uint64_t now)
{
	uint64_t wait_ms = 0, last_ms = h->phase == PHASE_RUN ? BACKOFF_LAST_MS : BACKOFF_FIRST_MS;

	if (c->quick_deaths)
		wait_ms = (uint64_t)BACKOFF_FIRST_MS << (c->quick_deaths < 8 ? c->quick_deaths - 1 : 7);
	if (wait_ms > last_ms)
		wait_ms = last_ms;
	c->quick_deaths++;
	c->epoch++;
	c->state = CHILD_BACKING_OFF;
	c->since_ns = now;
	c->deadline_ns = now + wait_ms * ms_ns;
}

static void start(struct house *h, struct child *c, uint64_t now)
{
	uint32_t retired = RAW_RETIRED;

	if (c->row->each == PER_WORKER)
		atomic_compare_exchange_strong(&h->estate.page->raw_state[c->index], &retired, RAW_OK);
	if (child_start(c, &h->estate, &h->starter, now) == 0)
		return;
	fprintf(stderr, "understudy: role %s.%u cannot be started: %s\n", c->row->name, c->index,
	        strerror(errno));
	if (h->open)
		back_off(h, c, now);
	else
		house_give_up(h);
}

/* A worker is not ended for a ring: it sheds its copies until the masker has skipped what lies in the ring,
 * or until its own restart when that keeps failing. What was in the ring is lost at the worker's stage. */
static void spare_worker(struct house *h, const struct child *worker, const char *ring, uint64_t now)
{
	unsigned w = worker->index;
	uint32_t state = RAW_BROKEN;

	if (now - h->raw_breaks[w].since_ns > minute_ns) {
		h->raw_breaks[w].since_ns = now;
		h->raw_breaks[w].count = 0;
	}
	if (++h->raw_breaks[w].count >= RAW_BREAKS_MAX && estate_renew_ring(&h->estate, ring) == 0) {
		state = RAW_RETIRED;
		fprintf(stderr,
		        "understudy: ring %s keeps breaking; worker.%u is not mirrored until it restarts\n",
		        ring, w);
	}
	atomic_store(&h->estate.page->raw_state[w], state);
	ledger_role_lost(h->estate.ledger, STAGE_WORKER, (int)w);
}

/* A broken ring is lost with what lies in it. Its other end dies too, so that what that end still owned is
 * counted as lost, and both meet again at an empty ring. */
static void replace_ring(struct house *h, const char *ring, uint64_t now)
{
	char full[ESTATE_NAME_BYTES + 8];

	snprintf(full, sizeof full, "ring.%s", ring);
	for (unsigned i = 0; i < h->child_count; i++) {
		struct child *c = &h->children[i];

		if (c->pid > 0 && c->row->each == PER_WORKER && child_holds(c, full)) {
			spare_worker(h, c, ring, now);
			return;
		}
	}
	if (estate_renew_ring(&h->estate, ring))
		return;
	for (unsigned i = 0; i < h->child_count; i++)
		if (h->children[i].pid > 0 && child_holds(&h->children[i], full))
			kill(h->children[i].pid, SIGKILL);
}

static bool comes_back(const struct house *h, const struct child *c)
{
	uint32_t phase = atomic_load(&h->estate.page->phase);

	if (h->failed || c->ended_by_drain)
		return false;
	if (phase < c->row->leaves)
		return true;
	return phase == c->row->leaves && !is_source(c) && c->quick_deaths < LAST_CHANCES;
}

static const char *cause(int status, char text[32])
{
	if (WIFSIGNALED(status))
		snprintf(text, 32, "signal %d", WTERMSIG(status));
	else
		snprintf(text, 32, "status %d", WEXITSTATUS(status));
	return text;
}

/* A role died: what it held is lost and counted, then it is started again. */
static void bury(struct house *h, struct child *c, int status, uint64_t now)
{
	char ring[ESTATE_NAME_BYTES], why[32];
	bool broken =
	        WIFEXITED(status) && WEXITSTATUS(status) == ROLE_RING_BROKEN && child_last_words(c, ring);
	bool left = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	            atomic_load(&h->estate.page->phase) >= c->row->leaves;
	bool steady = c->state == CHILD_READY && now - c->since_ns >= STEADY_MS * ms_ns;

	child_clear(c);
	if (steady)
		c->quick_deaths = 0;
	c->state = CHILD_GONE;
	if (left || !comes_back(h, c))
		return;
	if (!h->open && h->phase == PHASE_RUN) {
		fprintf(stderr, "understudy: role %s.%u ended before it was ready (%s)\n", c->row->name,
		        c->index, cause(status, why));
		house_give_up(h);
		return;
	}
	if (c->row->stage)
		ledger_role_lost(h->estate.ledger, c->row->stage,
		                 c->row->each == PER_WORKER ? (int)c->index : -1);
	back_off(h, c, now);
	if (broken)
		replace_ring(h, ring, now);
	fprintf(stderr, "understudy: role %s.%u died (%s); starting it again in %llu ms\n", c->row->name,
	        c->index, cause(status, why), (unsigned long long)((c->deadline_ns - now) / ms_ns));
}

void house_hear_death(struct house *h, pid_t pid, int status, uint64_t now)
{
	for (unsigned i = 0; i < h->child_count; i++)
		if (h->children[i].pid == pid)
			bury(h, &h->children[i], status, now);
}

static void hear_children(struct house *h, uint64_t now)
{
	for (unsigned i = 0; i < h->child_count; i++) {
		struct child *c = &h->children[i];

		if (child_heard(c, now) && (h->open || h->phase != PHASE_RUN))
			child_let_go(c);
	}
}

static bool all_ready(const struct house *h, bool sources)
{
	for (unsigned i = 0; i < h->child_count; i++)
		if (h->children[i].state != CHILD_READY && h->children[i].state != CHILD_LENT &&
		    (sources || !is_source(&h->children[i])))
			return false;
	return true;
}

static void too_late(struct house *h, struct child *c)
{
	fprintf(stderr, "understudy: role %s.%u did not get ready in %llu ms\n", c->row->name, c->index,
	        (unsigned long long)((c->deadline_ns - c->since_ns) / ms_ns));
	if (!h->open && h->phase == PHASE_RUN)
		house_give_up(h);
	c->deadline_ns = UINT64_MAX;
	kill(c->pid, SIGKILL);
}

/* Whatever the clock asks for. */
static void keep_time(struct house *h, uint64_t now)
{
	for (unsigned i = 0; i < h->child_count && !h->failed; i++) {
		struct child *c = &h->children[i];

		if (c->state == CHILD_WAITING && (!is_source(c) || all_ready(h, false)))
			start(h, c, now);
		else if (c->state == CHILD_BACKING_OFF && now >= c->deadline_ns)
			start(h, c, now);
		else if (c->state == CHILD_STARTING && now >= c->deadline_ns)
			too_late(h, c);
	}
}

static bool present(const struct house *h, uint32_t phase)
{
	for (unsigned i = 0; i < h->child_count; i++)
		if (h->children[i].state != CHILD_GONE && h->children[i].row->leaves <= phase)
			return true;
	return false;
}

static void enter_phase(struct house *h, uint32_t phase, uint64_t now)
{
	h->phase = phase;
	h->phase_since_ns = now;
	if (phase > PHASE_CONTROL)
		return;
	atomic_store(&h->estate.page->phase, phase);
	if (phase == PHASE_ANSWERS)
		estate_leave_sandboxes(&h->estate);
	if (phase == PHASE_WORKERS)
		atomic_store(&h->estate.page->door,
		             atomic_load(&h->estate.page->superseded) || !estate_shut(&h->estate)
		                     ? DOOR_LEFT
		                     : DOOR_SHUT);
	for (unsigned i = 0; i < h->child_count; i++) {
		struct child *c = &h->children[i];

		child_let_go(c);
		if (c->state == CHILD_WAITING || (c->state == CHILD_BACKING_OFF && !comes_back(h, c)))
			c->state = CHILD_GONE;
		if (c->state == CHILD_BACKING_OFF)
			c->deadline_ns = now;
	}
}

/* One signal drains each phase up to its limit. A second one leaves time for the run to be sealed, a third
 * none. */
static uint64_t phase_limit_ns(const struct house *h)
{
	if (h->stops < 2)
		return h->estate.plan->drain_timeout_ms * ms_ns;
	return h->stops == 2 && h->phase == PHASE_JUDGE ? SEAL_MS * ms_ns : 0;
}

/* Asked to stop, the house says that it is not ready and goes on for a while. A second signal ends that. */
static bool lame(struct house *h, uint64_t now)
{
	uint64_t limit_ns = h->estate.plan->lame_duck_ms * ms_ns;

	if (h->stops != 1 || !h->open || atomic_load(&h->estate.page->phase) != PHASE_RUN)
		return false;
	if (!h->lame_since_ns) {
		h->lame_since_ns = now;
		atomic_store(&h->estate.page->lame, 1);
	}
	return now - h->lame_since_ns < limit_ns;
}

/* Roles leave from the clients inward; each phase ends when its roles have gone. */
static void drain(struct house *h, uint64_t now)
{
	if (h->phase == PHASE_RUN) {
		if ((!h->stops && atomic_load(&h->estate.page->phase) == PHASE_RUN) || lame(h, now))
			return;
		enter_phase(h, PHASE_WORKERS, now);
	}
	while (h->phase <= PHASE_CONTROL && !present(h, h->phase))
		enter_phase(h, h->phase + 1, now);
	if (h->phase > PHASE_CONTROL || now - h->phase_since_ns <= phase_limit_ns(h))
		return;
	for (unsigned i = 0; i < h->child_count; i++) {
		struct child *c = &h->children[i];

		if (c->row->leaves > h->phase || c->state == CHILD_GONE)
			continue;
		c->ended_by_drain = true;
		if (c->pid > 0)
			kill(c->pid, SIGKILL);
		else
			c->state = CHILD_GONE;
	}
}

bool house_ready(const struct house *h)
{
	return !h->open && !h->failed && h->phase == PHASE_RUN && all_ready(h, true);
}

void house_go(struct house *h)
{
	h->open = true;
	atomic_store(&h->estate.page->started_ns, clock_mono_ns());
	atomic_store(&h->estate.page->ready, 1);
	for (unsigned i = 0; i < h->child_count; i++)
		child_let_go(&h->children[i]);
}

void house_retire(struct house *h)
{
	uint32_t run = PHASE_RUN;

	atomic_compare_exchange_strong(&h->estate.page->phase, &run, PHASE_WORKERS);
}

static struct child *keeper_of(struct house *h, unsigned index)
{
	for (unsigned i = 0; i < h->child_count; i++)
		if (h->children[i].row->each == PER_SANDBOX && h->children[i].index == index)
			return &h->children[i];
	return NULL;
}

void house_hand_over(struct house *former, struct house *next)
{
	for (unsigned n = 0; n < next->estate.sandbox_count; n++) {
		int theirs = next->estate.sandboxes[n].former;
		struct child *to = keeper_of(next, n),
		             *from = theirs < 0 ? NULL : keeper_of(former, (unsigned)theirs);

		if (!from || !to)
			continue;
		*to = *from;
		to->row = keeper_of(next, n)->row;
		to->index = n;
		*from = (struct child){
		        .row = from->row, .index = from->index, .state = CHILD_GONE, .from = -1, .go = -1};
		estate_take_sandbox(&next->estate, n, &former->estate);
	}
}

void house_turn(struct house *h, uint64_t now)
{
	hear_children(h, now);
	keep_time(h, now);
	if (!h->failed)
		drain(h, now);
}

bool house_empty(const struct house *h)
{
	return h->failed ? !present(h, PHASE_CONTROL) : h->phase > PHASE_CONTROL;
}

unsigned house_pipes(const struct house *h, struct pollfd *fds)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->child_count; i++)
		if (h->children[i].state == CHILD_STARTING)
			fds[n++] = (struct pollfd){.fd = h->children[i].from, .events = POLLIN};
	return n;
}

static unsigned copies_of(const struct house *h, const struct role_row *row)
{
	return row->each == PER_WORKER       ? h->estate.plan->workers
	       : row->each == PER_SANDBOX    ? h->estate.sandbox_count
	       : row->each == PER_RECOGNISER ? h->estate.recogniser_count
	                                     : 1;
}

/* The lines of keepers go to stderr: some outlive their generation. */
static bool add_child(struct house *h, const struct role_row *row, unsigned index)
{
	bool lent = row->each == PER_SANDBOX && h->estate.sandboxes[index].former != -1;

	if (h->child_count == CHILDREN_MAX || (!h->estate.plan->replay && !(row->walls.may & MAY_LAUNCH) &&
	                                       estate_log_ring(&h->estate, row->name, index)))
		return false;
	h->children[h->child_count++] = (struct child){
	        .row = row, .index = index, .state = lent ? CHILD_LENT : CHILD_WAITING, .from = -1, .go = -1};
	return true;
}

static bool people_house(struct house *h, const struct role_row *rows, unsigned row_count)
{
	const struct plan *plan = h->estate.plan;
	unsigned mode = plan->replay ? IN_REPLAY : plan->run_closed ? IN_FORWARD : IN_MIRROR;

	for (unsigned i = 0; i < row_count; i++) {
		bool wanted = (rows[i].in & mode) && (!(rows[i].in & IF_NAMED) || names_needed(plan));
		unsigned copies = wanted ? copies_of(h, &rows[i]) : 0;

		for (unsigned n = 0; n < copies; n++)
			if (!add_child(h, &rows[i], n))
				return false;
	}
	return true;
}

struct house *house_new(const struct plan *plan, const char *directory, const char *input,
                        struct starter starter)
{
	struct house *h = calloc(1, sizeof *h);
	struct plan *own = calloc(1, sizeof *own);

	if (!h || !own) {
		free(h);
		free(own);
		return NULL;
	}
	plan_copy(own, plan);
	h->estate.plan = own;
	h->starter = starter;
	h->input = input;
	snprintf(h->directory, sizeof h->directory, "%s", directory);
	return h;
}

int house_build(struct house *h, const struct role_row *rows, unsigned row_count, const struct house *former)
{
	int err = estate_open(&h->estate, h->estate.plan, h->directory, h->input,
	                      former ? &former->estate : NULL);

	return err ? err : people_house(h, rows, row_count) ? 0 : ERR_LIMIT;
}

void house_discard(struct house **h)
{
	estate_discard_run(&(*h)->estate);
	house_free(h);
}

void house_free(struct house **house)
{
	struct house *h = *house;
	const struct plan *own;

	if (!h)
		return;
	own = h->estate.plan;
	estate_close(&h->estate);
	free((struct plan *)own);
	free(h);
	*house = NULL;
}
