/*
 * judge.c - folds masked live and candidate legs into pairs, compares them, keeps the counts.
 *
 * Order of truth: a pair is committed to results.db first, then its cell is settled, then the slot is
 * harvested. After a crash, pairs of the last commit whose cells were not settled are forgotten. A batch that
 * the disk does not take is taken back and its cells are settled as disk, and so are all that follow until a
 * trial succeeds, one a second: what is counted as compared is stored, and nothing waits for a disk.
 */
#include "replay/judge.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include "capture/budget.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "replay/allot.h"
#include "replay/judge_inside.h"
#include "replay/reference.h"
#include "replay/safeguard.h"

enum {
	TURN_RECORDS = 1024,
	PAUSE_MS = 10,
	CROWD_BYTES = 1 << 20, /* of exchanges that are gone: worth giving back */
	INCIDENT_BYTES_MAX = 16 << 20
};
static const uint64_t COMMIT_NS = 250000000u, HARVEST_NS = 100000000u, UNCOMPARED_NS = 10000000u,
                      SUMMARY_NS = 800000000u, REAP_NS = 5000000000u, TRY_NS = 1000000000u, MS_NS = 1000000u,
                      GRACE_MS = 60000u;

struct judge judge;

static void settle_batch(uint8_t outcome)
{
	for (unsigned i = 0; i < judge.batch_count; i++)
		ledger_move(judge.env->ledger, judge.batch[i].slot, judge.batch[i].id, judge.batch[i].cell,
		            STAGE_JUDGE, outcome);
	judge.batch_count = 0;
}

static void tell(bool failing)
{
	judge.failing = failing;
	judge.tried_ns = clock_mono_ns();
	atomic_store(&judge.env->page->results_failing, failing);
}

void judge_give_up_batch(void)
{
	LOG(ERROR, "results_stopped", log_text("why", "results.db cannot be written"));
	tell(true);
	if (results_abandon(judge.results)) {
		LOG(ERROR, "results_failed", log_text("why", "results.db cannot be read"));
		exit(3);
	}
	settle_batch(OUTCOME_DISK);
}

void judge_commit(void)
{
	if (judge.batch_count && results_commit(judge.results))
		judge_give_up_batch();
	settle_batch(OUTCOME_COMPARED);
	judge.committed_ns = clock_mono_ns();
}

static void try_again(uint64_t now)
{
	if (!judge.failing || now - judge.tried_ns < TRY_NS)
		return;
	judge.tried_ns = now;
	if (results_try(judge.results))
		return;
	tell(false);
	LOG(WARN, "results_resumed", log_text("why", "the disk takes what is written again"));
}

static void settle_compared(struct exchange *x, unsigned candidate)
{
	uint8_t outcome;

	if ((uintptr_t)x->user & (uintptr_t)1 << candidate) /* already in the batch */
		return;
	x->user = (void *)((uintptr_t)x->user | (uintptr_t)1 << candidate);
	outcome = judge_compare(x, candidate);
	if (outcome != OUTCOME_COMPARED) {
		ledger_move(judge.env->ledger, x->slot, x->id, candidate, STAGE_JUDGE, outcome);
		return;
	}
	judge.batch[judge.batch_count].id = x->id;
	judge.batch[judge.batch_count].slot = x->slot;
	judge.batch[judge.batch_count++].cell = (uint8_t)candidate;
	if (judge.batch_count == JUDGE_BATCH_MAX)
		judge_commit();
}

/* Its request went down with an earlier judge: the masker tells the judge of a request before the shadow can
 * send it, and the ring of requests has been empty since. */
static bool orphaned(const struct exchange *x)
{
	return !x->legs[LEG_CLIENT] && x->slot < JUDGE_SLOTS_WATCHED &&
	       judge.emptied_ns > judge.watch[x->slot].since_ns;
}

/* Settled otherwise, the live answer does not count, though it may have come. */
static bool fell(uint8_t live)
{
	return live > OUTCOME_FIRST && live != OUTCOME_COMPARED;
}

/* The baseline comes first: what it says of noise goes with the others' pairs. */
static unsigned nth(unsigned i, unsigned baseline)
{
	if (baseline >= CANDIDATES_MAX || i > baseline)
		return i;
	return i ? i - 1 : baseline;
}

/* Compare what has become comparable; true when nothing is left to wait for. */
static bool advance(struct exchange *x)
{
	const struct plan_route *route = &judge.env->plan->routes[x->route];
	uint8_t live = ledger_cell(judge.env->ledger, x->slot, x->id, CELL_LIVE);
	bool all = true;

	for (unsigned i = 0; i < route->candidate_count; i++) {
		unsigned c = nth(i, judge_baseline(route));
		uint8_t at = ledger_cell(judge.env->ledger, x->slot, x->id, c);

		if (at == 0 || at > OUTCOME_FIRST)
			continue;
		if (at == STAGE_JUDGE && orphaned(x))
			ledger_move(judge.env->ledger, x->slot, x->id, c, STAGE_JUDGE, OUTCOME_ROLE_LOST);
		else if (at == STAGE_JUDGE && fell(live))
			ledger_move(judge.env->ledger, x->slot, x->id, c, at, live);
		else if (at != STAGE_JUDGE || !judge_has(x, LEG_CLIENT) || !judge_has(x, LEG_LIVE) ||
		         !judge_has(x, LEG_CANDIDATE + c) || judge_reference_pending(x, c))
			all = false;
		else
			settle_compared(x, c);
	}
	return all;
}

static bool is_last(const struct record *r)
{
	return r->type == RECORD_END || r->type == RECORD_ERROR;
}

static bool in_plan(const struct record *r)
{
	return r->route < judge.env->plan->route_count && r->leg < LEGS_MAX;
}

/* The reader of an end pulls its cell to its own stage. */
static void claim(const struct record *r)
{
	struct ledger *l = judge.env->ledger;

	if (!is_last(r) || !in_plan(r))
		return;
	if (r->leg == LEG_LIVE)
		ledger_move(l, r->slot, r->id, CELL_LIVE, STAGE_MASKER, STAGE_JUDGE);
	else if (r->leg >= LEG_CANDIDATE)
		ledger_move(l, r->slot, r->id, r->leg - LEG_CANDIDATE, STAGE_ANSWERS, STAGE_JUDGE);
}

static void watch(uint32_t slot, uint64_t id, uint64_t now)
{
	judge.watch[slot].id = id;
	judge.watch[slot].since_ns = now;
}

/* The rest of what was shed: its slot may be held by its capture alone, or by other candidates. */
static bool is_remainder(const struct record *r, uint8_t live)
{
	if (r->leg <= LEG_LIVE)
		return fell(live) && !fold_find(judge.fold, r->id);
	return ledger_cell(judge.env->ledger, r->slot, r->id, r->leg - LEG_CANDIDATE) > OUTCOME_FIRST;
}

static void settle_all(const struct record *r, uint8_t outcome)
{
	judge_commit(); /* what is in the batch is settled first: a stored pair is a compared one */
	for (uint8_t stage = STAGE_WORKER; stage <= STAGE_JUDGE; stage++) {
		ledger_settle_candidates(judge.env->ledger, r->slot, r->id, stage, outcome);
		ledger_move(judge.env->ledger, r->slot, r->id, CELL_LIVE, stage, outcome);
	}
}

/* A record does not follow what is known of its leg: its beginning went down with an earlier judge, or did
 * not fit into a ring, which settled the cell and leaves the other candidates alone. True: nothing is waited
 * for. */
static bool take_rest(const struct record *r, uint8_t live)
{
	struct exchange *x = fold_find(judge.fold, r->id);

	if (r->leg <= LEG_LIVE) {
		settle_all(r, fell(live) ? live : OUTCOME_ROLE_LOST);
		return true;
	}
	for (uint8_t stage = STAGE_SHADOW; stage <= STAGE_JUDGE; stage++)
		ledger_move(judge.env->ledger, r->slot, r->id, r->leg - LEG_CANDIDATE, stage,
		            OUTCOME_ROLE_LOST);
	return !x || advance(x);
}

static void take(const struct record *r)
{
	struct exchange *x = NULL;
	uint8_t live;
	int err;

	if (!in_plan(r))
		return;
	if (r->flags & RECORD_CANARY) {
		walls_hear(&judge.walls, r,
		           canary_seen(judge.mark, (struct span){judge.payload, r->payload_len}));
		return;
	}
	if (!judge.env->plan->replay)
		incidents_note(&judge.incidents, r, judge.payload, judge.turn_ns);
	live = ledger_cell(judge.env->ledger, r->slot, r->id, CELL_LIVE);
	if (live == 0 || is_remainder(r, live))
		return;
	if (r->slot < JUDGE_SLOTS_WATCHED)
		watch(r->slot, r->id, judge.turn_ns);
	err = fold_add(judge.fold, r, judge.payload, &x);
	if (err == ERR_PROTO) {
		if (!take_rest(r, live))
			return;
	} else if (err) {
		settle_all(r, OUTCOME_MEMORY);
	} else if (!is_last(r)) {
		return;
	} else {
		if (r->leg == LEG_LIVE)
			ledger_move(judge.env->ledger, r->slot, r->id, CELL_LIVE, STAGE_JUDGE,
			            x->legs[LEG_LIVE]->error ? x->legs[LEG_LIVE]->error : OUTCOME_COMPARED);
		if (!advance(x))
			return;
	}
	x = fold_find(judge.fold, r->id);
	if (x)
		fold_drop(judge.fold, &x);
}

static void drop_settled(void *arg, struct exchange *x)
{
	(void)arg;
	if (advance(x))
		fold_drop(judge.fold, &x);
}

/* Longer than any deadline of this plan lets an exchange be silent. */
static uint64_t longest_silence_ns(const struct plan *plan)
{
	uint64_t ms = 0;

	for (unsigned r = 0; r < plan->route_count; r++) {
		const struct plan_route *route = &plan->routes[r];

		ms = route->live.timeout_ms > ms ? route->live.timeout_ms : ms;
		for (unsigned c = 0; c < route->candidate_count; c++)
			ms = route->candidates[c].timeout_ms > ms ? route->candidates[c].timeout_ms : ms;
	}
	return (ms + GRACE_MS) * MS_NS;
}

/* No role can lose an exchange for ever: one silent for longer than any deadline is settled here. */
static void reap_lost(bool all, uint8_t outcome)
{
	uint64_t now = clock_mono_ns();

	judge_commit();
	for (uint32_t slot = 0; slot < judge.env->plan->workers * judge.env->plan->slots_each; slot++) {
		uint64_t id = slot < JUDGE_SLOTS_WATCHED ? ledger_slot_id(judge.env->ledger, slot) : 0;

		if (!id)
			continue;
		if (judge.watch[slot].id != id)
			watch(slot, id, now);
		if (!all && now - judge.watch[slot].since_ns < judge.lost_ns)
			continue;
		for (uint8_t stage = STAGE_WORKER; stage <= STAGE_RECORDER; stage++) {
			ledger_settle_candidates(judge.env->ledger, slot, id, stage, outcome);
			ledger_move(judge.env->ledger, slot, id, CELL_LIVE, stage, outcome);
			ledger_move(judge.env->ledger, slot, id, CELL_CAPTURE, stage, outcome);
		}
	}
}

/* Commit before the slots that wait for it are a quarter of all: sources that wait for a slot go on. */
static unsigned batch_enough(void)
{
	uint64_t quarter = (uint64_t)judge.env->plan->workers * judge.env->plan->slots_each / 4;

	return quarter < JUDGE_BATCH_MAX / 2 ? (unsigned)quarter : JUDGE_BATCH_MAX / 2;
}

/* A crowd of exchanges has left: what they took goes back to the system, which free() does not do as long as
 * one of them lies at the end. */
static void give_back(void)
{
	if (judge.most_bytes < fold_bytes(judge.fold) + CROWD_BYTES)
		return;
	judge.most_bytes = fold_bytes(judge.fold);
	malloc_trim(CROWD_BYTES);
}

static void housekeeping(void)
{
	uint64_t now = clock_mono_ns();

	if (!judge.env->plan->replay)
		judge_guard(now);
	audit_take(&judge.audit);
	try_again(now);
	if (now - judge.committed_ns > COMMIT_NS || judge.batch_count > batch_enough())
		judge_commit();
	if (judge.committed_ns >= now || now - judge.harvested_ns > judge.harvest_ns) {
		ledger_harvest(judge.env->ledger, NULL, NULL);
		judge.harvested_ns = now;
	}
	if (fold_bytes(judge.fold) > judge.most_bytes)
		judge.most_bytes = fold_bytes(judge.fold);
	if (now - judge.swept_ns > 1000000000u) {
		fold_each(judge.fold, drop_settled, NULL);
		give_back();
		judge.swept_ns = now;
	}
	if (now - judge.reaped_ns > REAP_NS) {
		reap_lost(false, OUTCOME_ROLE_LOST);
		judge.reaped_ns = now;
	}
	if (now - judge.summed_ns > SUMMARY_NS)
		judge_summary("running", NULL);
}

static unsigned drain(void)
{
	unsigned total = 0;

	judge.turn_ns = clock_mono_ns();
	for (unsigned i = 0; i < 2; i++) {
		struct record r;
		int err = 0;

		for (unsigned n = 0; n < TURN_RECORDS && !err; n++) {
			err = ring_peek(judge.in[i], &r, judge.payload);
			if (!err) {
				claim(&r);
				ring_advance(judge.in[i], &r);
				take(&r);
				total++;
			}
		}
		if (err == ERR_PROTO)
			role_ring_broken(judge.env, judge.in[i]);
		if (err && i == 0)
			judge.emptied_ns = judge.turn_ns;
	}
	return total;
}

/* After a crash: pairs that were committed but whose cell was not settled are not counted, so not kept. */
static int forget_unsettled(const struct role_env *env)
{
	for (uint32_t slot = 0; slot < env->plan->workers * env->plan->slots_each; slot++) {
		uint64_t id = ledger_slot_id(env->ledger, slot);

		for (uint16_t r = 0; id && r < env->plan->route_count; r++)
			for (uint16_t c = 0; c < env->plan->routes[r].candidate_count; c++)
				if (ledger_cell(env->ledger, slot, id, c) != OUTCOME_COMPARED &&
				    results_forget(judge.results, id, r, c))
					return ERR_SYS;
	}
	return results_commit(judge.results);
}

/* What requests are held against. A reference that cannot be read is no reason to go without one. */
static int read_references(const struct role_env *env)
{
	static struct portrait portrait;
	const char *why = NULL;
	char name[32];

	for (uint16_t r = 0; r < env->plan->route_count; r++) {
		int fd, err;

		if (!env->plan->routes[r].drift.reference[0])
			continue;
		snprintf(name, sizeof name, "reference.%u", r);
		fd = role_fd(env, name);
		err = reference_read(fd, env->plan->routes[r].name, &portrait, &why);
		if (err) {
			LOG(ERROR, "reference_failed", log_text("route", env->plan->routes[r].name),
			    log_text("why", why ? why : err_text(err)));
			return err;
		}
		results_reference(judge.results, r, &portrait);
	}
	return 0;
}

static int open_results(const struct role_env *env)
{
	char directory[64], run_id[32], why[256] = "";

	snprintf(directory, sizeof directory, "/proc/self/fd/%d", role_fd(env, "run"));
	snprintf(run_id, sizeof run_id, "%016llx", (unsigned long long)atomic_load(&env->page->run_id));
	if (results_open(directory, env->plan, run_id, env->plan->replay ? "replay" : "mirror",
	                 &judge.results, why)) {
		LOG(ERROR, "results_failed", log_text("why", why));
		return ERR_SYS;
	}
	if (read_references(env))
		return ERR_SYS;
	ledger_recover(env->ledger);
	return env->epoch > 0 ? forget_unsettled(env) : 0;
}

static void seal(void)
{
	char reason[JUDGE_REASON_BYTES];
	const char *state = judge_final_state(reason);

	fold_each(judge.fold, drop_settled, NULL);
	judge_commit();
	ledger_harvest(judge.env->ledger, NULL, NULL);
	reap_lost(true, OUTCOME_DRAIN);
	ledger_harvest(judge.env->ledger, NULL, NULL);
	audit_take(&judge.audit);
	audit_close(&judge.audit);
	judge_summary(state, reason);
	incidents_fini(&judge.incidents);
	if (results_seal(judge.results, state))
		fprintf(stderr, "understudy: judge: manifest.json cannot be written\n");
	results_close(&judge.results);
}

/* Of what the judge may keep, at most INCIDENT_BYTES_MAX, for the last records. */
static size_t take_eighth(void)
{
	size_t bytes = judge.limit_bytes / 8;

	bytes = bytes < INCIDENT_BYTES_MAX ? bytes : INCIDENT_BYTES_MAX;
	judge.limit_bytes -= bytes;
	return bytes;
}

int judge_run(struct role_env *env)
{
	struct role_pace pace = {.most_ms = PAUSE_MS};

	judge.env = env;
	judge.wake[0] = role_fd(env, "wake.judge");
	judge.wake[1] = role_fd(env, "wake.masked-answers");
	judge.limit_bytes = budget_bytes(env->plan, BUDGET_JUDGE);
	canary_mark(atomic_load(&env->page->run_id), judge.mark);
	for (uint32_t r = 0; r < env->plan->route_count; r++)
		if (env->plan->routes[r].mirror && env->plan->routes[r].candidate_count)
			judge.walls.routes |= 1u << r;
	if (!env->plan->replay)
		incidents_init(&judge.incidents, env, take_eighth());
	judge.fold = fold_new(judge.limit_bytes / 4 * 3);
	judge.lost_ns = env->plan->replay_users.count ? UINT64_MAX : longest_silence_ns(env->plan);
	judge.harvest_ns = env->plan->replay_uncompared ? UNCOMPARED_NS : HARVEST_NS;
	judge.wall_anchor_us = clock_wall_ns() / 1000u;
	judge.mono_anchor_ns = clock_mono_ns();
	if (!judge.fold || role_ring_reader(env, "judge", &judge.in[0]) ||
	    role_ring_reader(env, "masked-answers", &judge.in[1]) || open_results(env) ||
	    audit_open(&judge.audit, env))
		return 3;
	tell(false);
	allot_begin(env);
	safeguard_begin(env);
	guards_begin(env, &judge.audit, judge_on_guard, NULL);
	judge_summary("running", NULL);
	role_ready(env);
	for (;;) {
		uint32_t phase = atomic_load(&env->page->phase);
		unsigned n = drain();

		housekeeping();
		if (n || env->plan->replay_uncompared) /* what is settled elsewhere waits to be harvested */
			role_busy(&pace);
		if (n)
			continue;
		if (phase >= PHASE_JUDGE)
			break;
		role_pause(&pace, env, judge.in, judge.wake, 2);
	}
	seal();
	return 0;
}
