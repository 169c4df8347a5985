/*
 * judge.c - folds masked live and candidate legs into pairs, compares them, keeps the counts.
 *
 * Order of truth: a pair is committed to results.db first, then its cell is settled, then the slot is
 * harvested. After a crash, pairs of the last commit whose cells were not settled are forgotten. A batch that
 * the disk does not take is taken back and its cells are settled as disk, and so are all that follow until a
 * trial succeeds, one a second: what is counted as compared is stored, and nothing waits for a disk.
 *
 * An exchange whose model input was masked is no question to live: its candidates are compared with the
 * baseline's answer, which was asked the same masked question, or they are not_compared{masked_input}. The
 * baseline's own pair with live is masked_input then, and no part of the noise rate.
 */
#include "replay/judge.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include "capture/budget.h"
#include "capture/canary.h"
#include "capture/carry.h"
#include "capture/fault.h"
#include "capture/fold.h"
#include "capture/head.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/grpc.h"
#include "replay/allot.h"
#include "replay/audit.h"
#include "replay/guards.h"
#include "replay/incident.h"
#include "replay/results.h"
#include "replay/safeguard.h"
#include "replay/walls.h"

enum {
	BATCH_MAX = 4096,
	TURN_RECORDS = 1024,
	SLOTS_WATCHED = 65536,
	PAUSE_MS = 10,
	CROWD_BYTES = 1 << 20, /* of exchanges that are gone: worth giving back */
	SUMMARY_MORE_BYTES = 4 << 20,
	INCIDENT_BYTES_MAX = 16 << 20,
	CANARY_WAIT_MS = 10000
};
static const uint64_t COMMIT_NS = 250000000u, HARVEST_NS = 100000000u, SUMMARY_NS = 800000000u,
                      REAP_NS = 5000000000u, TRY_NS = 1000000000u, MS_NS = 1000000u, GRACE_MS = 60000u;

struct judge {
	const struct role_env *env;
	struct ring *in[2];
	int wake[2];
	struct fold *fold;
	size_t limit_bytes; /* the fold has three quarters at most; comparing takes what it leaves */
	size_t most_bytes;  /* that the fold had since memory was given back */
	struct results *results;
	struct audit audit;
	struct incidents incidents;
	struct walls walls;
	char mark[CANARY_MARK_BYTES];
	uint64_t committed_ns, harvested_ns, summed_ns, swept_ns, reaped_ns, wall_anchor_us, mono_anchor_ns;
	uint64_t turn_ns, emptied_ns; /* when this turn began, and the last one that emptied in[0] */
	uint64_t lost_ns;             /* silent for so long, an exchange has been lost by some role */
	bool failing;                 /* the disk took the last batch, or the last trial, not */
	bool unsummed;                /* ... nor the last summary */
	uint64_t tried_ns;
	struct {
		uint64_t id, since_ns;
	} watch[SLOTS_WATCHED]; /* by slot: who holds it, and the last sign of it */
	unsigned batch_count;
	struct {
		uint64_t id;
		uint32_t slot;
		uint8_t cell;
	} batch[BATCH_MAX];
	char payload[RECORD_PAYLOAD_MAX];
};

static struct judge judge;

static struct answer answer_of(const struct leg *client, const struct leg *leg)
{
	struct span request = buf_span(&client->head), head = buf_span(&leg->head);
	bool grpc = grpc_is(head_field(request, SPAN("content-type")));

	return (struct answer){.status = grpc ? head_grpc_status(head, buf_span(&leg->trailers))
	                                      : head_status(head),
	                       .content_type = head_field(head, SPAN("content-type")),
	                       .body = buf_span(&leg->body),
	                       .grpc = grpc,
	                       .target = head_target(request),
	                       .encoding = head_field(head, SPAN("grpc-encoding"))};
}

static uint64_t us_between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns) / 1000u : 0;
}

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

static void give_up_batch(void)
{
	LOG(ERROR, "results_stopped", log_text("why", "results.db cannot be written"));
	tell(true);
	if (results_abandon(judge.results)) {
		LOG(ERROR, "results_failed", log_text("why", "results.db cannot be read"));
		exit(3);
	}
	settle_batch(OUTCOME_DISK);
}

static void commit(void)
{
	if (judge.batch_count && results_commit(judge.results))
		give_up_batch();
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

static bool complete(const struct exchange *x, unsigned leg)
{
	return x->legs[leg] && x->legs[leg]->ended && !x->legs[leg]->error;
}

static bool input_masked(const struct exchange *x)
{
	return x->legs[LEG_CLIENT]->flags & RECORD_INPUT_MASKED;
}

/* The route's baseline, or CANDIDATES_MAX. */
static unsigned baseline_of(const struct plan_route *route)
{
	for (unsigned c = 0; c < route->candidate_count; c++)
		if (route->candidates[c].baseline)
			return c;
	return CANDIDATES_MAX;
}

/* The leg that a candidate's answer is compared with; NULL: there is none. */
static const struct leg *reference(const struct exchange *x, unsigned candidate)
{
	unsigned b;

	if (!input_masked(x))
		return x->legs[LEG_LIVE];
	b = baseline_of(&judge.env->plan->routes[x->route]);
	return b != candidate && b < CANDIDATES_MAX && complete(x, LEG_CANDIDATE + b)
	               ? x->legs[LEG_CANDIDATE + b]
	               : NULL;
}

/* A masked input's baseline may still answer: its cell is open and its leg has not ended. */
static bool reference_pending(const struct exchange *x, unsigned candidate)
{
	unsigned b = baseline_of(&judge.env->plan->routes[x->route]);
	uint8_t at;

	if (!input_masked(x) || b == candidate || b >= CANDIDATES_MAX || complete(x, LEG_CANDIDATE + b))
		return false;
	at = ledger_cell(judge.env->ledger, x->slot, x->id, b);
	return at > STAGE_NONE && at < OUTCOME_FIRST;
}

static uint8_t compare(struct exchange *x, unsigned candidate)
{
	const struct leg *client = x->legs[LEG_CLIENT], *live = x->legs[LEG_LIVE];
	const struct leg *other = x->legs[LEG_CANDIDATE + candidate], *against = reference(x, candidate);
	struct comparison comparison = {0};
	struct results_pair pair = {
	        .id = x->id, .route = x->route, .candidate = (uint16_t)candidate, .comparison = &comparison};
	int err;

	if (!against)
		return OUTCOME_MASKED_INPUT;
	if (judge.failing)
		return OUTCOME_DISK;
	pair.against_baseline = against != live;
	pair.drilled = (other->flags | (pair.against_baseline ? against->flags : 0)) & RECORD_DRILLED;
	pair.live = answer_of(client, against);
	pair.other = answer_of(client, other);
	err = compare_pair(&judge.env->plan->routes[x->route], &pair.live, &pair.other,
	                   judge.limit_bytes - fold_bytes(judge.fold), &comparison);
	if (err)
		return err == ERR_NOMEM ? OUTCOME_MEMORY : OUTCOME_UNDECODABLE;
	pair.seen_us = judge.wall_anchor_us + us_between(judge.mono_anchor_ns, client->start_ns);
	pair.request_head = buf_span(&client->head);
	pair.request_body = buf_span(&client->body);
	pair.live_us = us_between(client->end_ns, live->end_ns);
	pair.other_us = us_between(other->start_ns, other->end_ns);
	err = results_add(judge.results, &pair);
	comparison_fini(&comparison);
	if (err && err != ERR_NOMEM)
		give_up_batch();
	return !err ? OUTCOME_COMPARED : err == ERR_NOMEM ? OUTCOME_MEMORY : OUTCOME_DISK;
}

static void settle_compared(struct exchange *x, unsigned candidate)
{
	uint8_t outcome;

	if ((uintptr_t)x->user & (uintptr_t)1 << candidate) /* already in the batch */
		return;
	x->user = (void *)((uintptr_t)x->user | (uintptr_t)1 << candidate);
	outcome = compare(x, candidate);
	if (outcome != OUTCOME_COMPARED) {
		ledger_move(judge.env->ledger, x->slot, x->id, candidate, STAGE_JUDGE, outcome);
		return;
	}
	judge.batch[judge.batch_count].id = x->id;
	judge.batch[judge.batch_count].slot = x->slot;
	judge.batch[judge.batch_count++].cell = (uint8_t)candidate;
	if (judge.batch_count == BATCH_MAX)
		commit();
}

/* Its request went down with an earlier judge: the masker tells the judge of a request before the shadow can
 * send it, and the ring of requests has been empty since. */
static bool orphaned(const struct exchange *x)
{
	return !x->legs[LEG_CLIENT] && x->slot < SLOTS_WATCHED &&
	       judge.emptied_ns > judge.watch[x->slot].since_ns;
}

/* Settled otherwise, the live answer does not count, though it may have come. */
static bool fell(uint8_t live)
{
	return live > OUTCOME_FIRST && live != OUTCOME_COMPARED;
}

/* Compare what has become comparable; true when nothing is left to wait for. */
static bool advance(struct exchange *x)
{
	const struct plan_route *route = &judge.env->plan->routes[x->route];
	uint8_t live = ledger_cell(judge.env->ledger, x->slot, x->id, CELL_LIVE);
	bool all = true;

	for (unsigned c = 0; c < route->candidate_count; c++) {
		uint8_t at = ledger_cell(judge.env->ledger, x->slot, x->id, c);

		if (at == 0 || at > OUTCOME_FIRST)
			continue;
		if (at == STAGE_JUDGE && orphaned(x))
			ledger_move(judge.env->ledger, x->slot, x->id, c, STAGE_JUDGE, OUTCOME_ROLE_LOST);
		else if (at == STAGE_JUDGE && fell(live))
			ledger_move(judge.env->ledger, x->slot, x->id, c, at, live);
		else if (at != STAGE_JUDGE || !complete(x, LEG_CLIENT) || !complete(x, LEG_LIVE) ||
		         !complete(x, LEG_CANDIDATE + c) || reference_pending(x, c))
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
	commit(); /* what is in the batch is settled first: a stored pair is a compared one */
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
	if (r->slot < SLOTS_WATCHED)
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

	commit();
	for (uint32_t slot = 0; slot < judge.env->plan->workers * judge.env->plan->slots_each; slot++) {
		uint64_t id = slot < SLOTS_WATCHED ? ledger_slot_id(judge.env->ledger, slot) : 0;

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

/* What control says of each candidate's verdict. */
static void publish(void)
{
	for (uint16_t r = 0; r < judge.env->plan->route_count; r++)
		for (uint16_t c = 0; c < judge.env->plan->routes[r].candidate_count; c++) {
			struct standing *to = &judge.env->page->standings[r][c];
			struct results_standing at;

			results_standing(judge.results, r, c, &at);
			atomic_store(&to->pairs, at.pairs);
			atomic_store(&to->diverged, at.diverged);
			atomic_store(&to->needed, at.needed);
			standing_gate_set(to, at.gate);
			atomic_store(&to->state, at.state);
		}
}

/* The faults of ours that this run has, and how many copies met them. */
static void tell_drill(uint16_t r, uint16_t c)
{
	const struct plan_candidate *p = &judge.env->plan->routes[r].candidates[c];
	const struct page *page = judge.env->page;
	uint32_t drills = page_drills(page);
	uint64_t drilled[FAULT_KINDS];
	char fault[FAULT_TEXT_BYTES];
	struct buf text;

	buf_init(&text, RESULTS_DRILL_BYTES - 1);
	for (uint32_t i = 0; i < p->fault_count + drills; i++) {
		const struct page_drill *d = i < p->fault_count ? NULL : &page->drills[i - p->fault_count];

		if (d && (d->route != r || d->candidate != c))
			continue;
		fault_write(d ? &d->fault : &p->faults[i], fault);
		buf_printf(&text, "%s%s", buf_len(&text) ? ", " : "", fault);
	}
	for (uint32_t i = 0; i < FAULT_KINDS; i++)
		drilled[i] = atomic_load(&page->candidates[r][c].drilled[i]);
	results_drill(judge.results, r, c, text.err ? SPAN("of many faults") : buf_span(&text), drilled);
	buf_fini(&text);
}

static void tell_drills(void)
{
	for (uint16_t r = 0; r < judge.env->plan->route_count; r++)
		for (uint16_t c = 0; c < judge.env->plan->routes[r].candidate_count; c++)
			tell_drill(r, c);
}

/* Only when it says something else than before. */
static void write_carry(void)
{
	static struct buf last;
	struct buf text;

	buf_init(&text, CARRY_MAX_BYTES);
	carry_write(judge.env->plan, judge.env->page, &text);
	if (text.err || span_eq(buf_span(&text), buf_span(&last)) ||
	    results_file(judge.results, "carry", buf_span(&text))) {
		buf_fini(&text);
		return;
	}
	buf_fini(&last);
	last = text;
}

static void put_more(struct buf *b)
{
	guards_summary(judge.env, b);
	buf_puts(b, ",");
	incidents_summary(&judge.incidents, b);
}

static void summary(const char *state, const char *reason)
{
	static struct ledger_counts counts;
	struct replay_gauges *replay = &judge.env->page->replay;
	struct results_lag lag = {
	        .count = atomic_load(&replay->lag_count),
	        .p50_us = atomic_load(&replay->lag_p50_us),
	        .p99_us = atomic_load(&replay->lag_p99_us),
	        .max_us = atomic_load(&replay->lag_max_us),
	};
	struct safeguard_cost cost;
	struct buf more;
	bool failed;

	buf_init(&more, SUMMARY_MORE_BYTES);
	ledger_read(judge.env->ledger, &counts);
	if (!judge.env->plan->replay)
		allot_all(judge.env, judge.results, &counts);
	safeguard_cost(judge.env, &cost);
	if (!judge.env->plan->replay)
		put_more(&more);
	tell_drills();
	failed = more.err ||
	         results_summary(judge.results, &counts, state, reason, judge.env->plan->replay ? &lag : NULL,
	                         judge.env->plan->replay ? NULL : &cost, buf_span(&more));
	if (failed && !judge.unsummed)
		LOG(ERROR, "summary_failed", log_text("why", "summary.json cannot be written"));
	judge.unsummed = failed;
	buf_fini(&more);
	publish();
	if (!judge.env->plan->replay)
		write_carry();
	judge.summed_ns = clock_mono_ns();
}

/* A replay that was stopped, or of a capture that ends early, is partial; one that sent too late answers
 * another question and is void. */
static const char *final_state(char reason[128])
{
	const struct plan *plan = judge.env->plan;
	struct replay_gauges *replay = &judge.env->page->replay;
	uint64_t late_us = atomic_load(&replay->lag_p99_us);

	reason[0] = '\0';
	if (plan->replay && plan->replay_speed > 0 && plan->replay_max_lag_ns / 1000u < late_us) {
		snprintf(reason, 128, "the replay sent too late: lag p99 %.3f ms, at most %.3f ms allowed",
		         (double)late_us / 1e3, (double)plan->replay_max_lag_ns / 1e6);
		return "void";
	}
	if (plan->replay && !atomic_load(&replay->whole)) {
		snprintf(reason, 128, "the replay was stopped before all was played");
		return "partial";
	}
	if (plan->replay && atomic_load(&replay->ends_early)) {
		snprintf(reason, 128, REPLAY_ENDS_EARLY ": %s; what was read is replayed",
		         err_text(-(int)atomic_load(&replay->ends_early)));
		return "partial";
	}
	return "final";
}

/* Commit before the slots that wait for it are a quarter of all: sources that wait for a slot go on. */
static unsigned batch_enough(void)
{
	uint64_t quarter = (uint64_t)judge.env->plan->workers * judge.env->plan->slots_each / 4;

	return quarter < BATCH_MAX / 2 ? (unsigned)quarter : BATCH_MAX / 2;
}

/* Something was held back for its own good: what is known of it is kept. */
static void freeze(const char *what, const char *sentence)
{
	char name[INCIDENT_NAME_BYTES] = "";
	int err;

	commit();
	summary("running", NULL);
	err = incidents_freeze(&judge.incidents, what, sentence, clock_mono_ns(), name);
	if (err)
		LOG(ERROR, "incident_failed", log_text("what", what), log_text("why", err_text(err)));
	else
		audit_say(&judge.audit,
		          (struct log_pair[]){log_text("change", "incident"), log_text("by", "safeguard"),
		                              log_text("name", name)},
		          3);
}

static void on_guard(void *arg, const struct guard_event *e)
{
	char sentence[256];

	(void)arg;
	if (!e->tripped)
		return;
	guards_sentence(judge.env->plan, e, sentence);
	freeze(guard_row(judge.env->plan->routes[e->route].safeguards[e->rule].metric)->name, sentence);
}

/* The walls do not hold, or nobody can tell: nothing is copied until an operator has looked. */
static void close_all(enum page_walls walls, uint64_t now)
{
	const char *why = walls == WALLS_LEAKED ? "leaked" : "lost";

	atomic_store(&judge.env->page->paused_at_ns, now);
	atomic_fetch_or(&judge.env->page->paused, PAUSED_BY_SAFEGUARD);
	audit_say(&judge.audit,
	          (struct log_pair[]){log_text("change", "pause"), log_text("by", "canary"),
	                              log_text("why", why),
	                              log_uint("round", atomic_load(&judge.env->page->canary.sent))},
	          4);
	freeze("canary",
	       walls == WALLS_LEAKED
	               ? "the canary was seen unmasked: shadowing is paused until an operator resumes"
	               : "the canary did not come back: shadowing is paused until an operator resumes");
}

/* A round that is not whole after half of the time to the next, or CANARY_WAIT_MS, is lost. */
static uint64_t canary_wait_ns(void)
{
	uint32_t ms = judge.env->plan->canary_ms / 2;

	return (ms < CANARY_WAIT_MS ? ms : CANARY_WAIT_MS) * MS_NS;
}

static void look_at_walls(uint64_t now)
{
	struct canary_gauges *c = &judge.env->page->canary;
	uint64_t sent = atomic_load(&c->sent), settled = judge.walls.settled;
	enum page_walls walls;
	bool again;

	if (!sent || atomic_load(&judge.env->page->phase) != PHASE_RUN)
		return;
	walls = walls_step(&judge.walls, atomic_load(&c->walls), sent, atomic_load(&c->sent_ns), now,
	                   canary_wait_ns(), &again);
	if (again)
		atomic_store(&c->again, sent);
	if (walls != atomic_load(&c->walls))
		LOG(INFO, "canary", log_text("walls", walls == WALLS_INTACT ? "intact" : "broken"));
	atomic_store(&c->walls, walls);
	if (judge.walls.settled != settled && walls > WALLS_INTACT && !atomic_load(&judge.env->page->paused))
		close_all(walls, now);
}

static void guard(uint64_t now)
{
	uint32_t before = atomic_load(&judge.env->page->paused);

	safeguard_tick(judge.env, now);
	if (~before & atomic_load(&judge.env->page->paused) & PAUSED_BY_HARM)
		freeze("harm", "shadowing cost the live path more than it may, and was switched off");
	guards_tick(judge.env, judge.results, now);
	look_at_walls(now);
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
		guard(now);
	audit_take(&judge.audit);
	try_again(now);
	if (now - judge.committed_ns > COMMIT_NS || judge.batch_count > batch_enough())
		commit();
	if (judge.committed_ns >= now || now - judge.harvested_ns > HARVEST_NS) {
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
		summary("running", NULL);
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
	ledger_recover(env->ledger);
	return env->epoch > 0 ? forget_unsettled(env) : 0;
}

static void seal(void)
{
	char reason[128];
	const char *state = final_state(reason);

	fold_each(judge.fold, drop_settled, NULL);
	commit();
	ledger_harvest(judge.env->ledger, NULL, NULL);
	reap_lost(true, OUTCOME_DRAIN);
	ledger_harvest(judge.env->ledger, NULL, NULL);
	audit_take(&judge.audit);
	audit_close(&judge.audit);
	summary(state, reason);
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
	judge.lost_ns = longest_silence_ns(env->plan);
	judge.wall_anchor_us = clock_wall_ns() / 1000u;
	judge.mono_anchor_ns = clock_mono_ns();
	if (!judge.fold || role_ring_reader(env, "judge", &judge.in[0]) ||
	    role_ring_reader(env, "masked-answers", &judge.in[1]) || open_results(env) ||
	    audit_open(&judge.audit, env))
		return 3;
	tell(false);
	allot_begin(env);
	safeguard_begin(env);
	guards_begin(env, &judge.audit, on_guard, NULL);
	summary("running", NULL);
	role_ready(env);
	for (;;) {
		uint32_t phase = atomic_load(&env->page->phase);
		unsigned n = drain();

		housekeeping();
		if (n)
			role_busy(&pace);
		else if (phase >= PHASE_JUDGE)
			break;
		else
			role_pause(&pace, env, judge.in, judge.wake, 2);
	}
	seal();
	return 0;
}
