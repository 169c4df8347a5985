/* What makes the judge hold shadowing back: safeguards, the harm switch, the canary. */
#include "replay/judge_inside.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "replay/safeguard.h"

enum { CANARY_WAIT_MS = 10000 };
static const uint64_t MS_NS = 1000000u;

/* Something was held back for its own good: what is known of it is kept. */
static void freeze(const char *what, const char *sentence)
{
	char name[INCIDENT_NAME_BYTES] = "";
	int err;

	judge_commit();
	judge_summary("running", NULL);
	err = incidents_freeze(&judge.incidents, what, sentence, clock_mono_ns(), name);
	if (err)
		LOG(ERROR, "incident_failed", log_text("what", what), log_text("why", err_text(err)));
	else
		audit_say(&judge.audit,
		          (struct log_pair[]){log_text("change", "incident"), log_text("by", "safeguard"),
		                              log_text("name", name)},
		          3);
}

void judge_on_guard(void *arg, const struct guard_event *e)
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

void judge_guard(uint64_t now)
{
	uint32_t before = atomic_load(&judge.env->page->paused);

	safeguard_tick(judge.env, now);
	if (~before & atomic_load(&judge.env->page->paused) & PAUSED_BY_HARM)
		freeze("harm", "shadowing cost the live path more than it may, and was switched off");
	guards_tick(judge.env, judge.results, now);
	look_at_walls(now);
}
