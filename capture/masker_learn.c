#include "capture/masker_learn.h"

#include <stdlib.h>
#include <sys/random.h>

#include "capture/consent.h"
#include "capture/fold.h"
#include "capture/learned.h"

struct masker_learn {
	const struct role_env *env;
	struct learn *learn;
	struct learned *out;
	struct fold *fold;
	bool dirty;
	uint64_t told_ns;
};

static const uint64_t TELL_NS = 1000000000u;

int masker_learn_new(const struct role_env *env, size_t limit_bytes, struct masker_learn **out)
{
	struct masker_learn *l;
	uint8_t key[16];
	int err = ERR_NOMEM;

	*out = NULL;
	if (!learned_needed(env->plan))
		return 0;
	l = calloc(1, sizeof *l);
	if (!l)
		return ERR_NOMEM;
	l->env = env;
	l->fold = fold_new(limit_bytes);
	if (l->fold && getrandom(key, sizeof key, 0) == sizeof key)
		err = learn_new(key, &l->learn);
	if (!err)
		err = learned_map(role_fd(env, "learned"), &l->out);
	if (err) {
		fold_free(&l->fold);
		learn_free(&l->learn);
		free(l);
		return err;
	}
	*out = l;
	return 0;
}

static void settle(const struct masker_learn *l, const struct record *r, uint8_t outcome)
{
	struct ledger *to = l->env->ledger;

	for (uint8_t stage = STAGE_WORKER; stage <= STAGE_MASKER; stage++) {
		ledger_move(to, r->slot, r->id, CELL_LIVE, stage, outcome);
		ledger_move(to, r->slot, r->id, CELL_CAPTURE, stage, outcome);
	}
}

static void look_at(struct masker_learn *l, const struct leg *leg, size_t limit_bytes)
{
	if (leg && leg->begun && leg->ended && !leg->error)
		(void)learn_leg(l->learn, buf_span(&leg->head), buf_span(&leg->body), limit_bytes);
	l->dirty = true;
}

/* In a body as it is: one that is coded does not say so. */
static bool consents(const struct masker_learn *l, const struct exchange *x)
{
	const struct leg *asked = x->legs[LEG_CLIENT];

	return consent_in_body(&l->env->plan->routes[x->route], asked ? buf_span(&asked->body) : SPAN(""));
}

void masker_learn_take(struct masker_learn *l, const struct record *r, const void *payload)
{
	size_t limit_bytes = l->env->plan->routes[r->route].max_body_bytes;
	struct exchange *x = NULL;
	const struct leg *live;
	bool agreed;
	int err;

	if (r->leg > LEG_LIVE ||
	    (!fold_find(l->fold, r->id) && (r->type != RECORD_HEAD || r->leg != LEG_CLIENT))) {
		settle(l, r, OUTCOME_ROLE_LOST); /* its beginning is gone */
		return;
	}
	err = fold_add(l->fold, r, payload, &x);
	live = x ? x->legs[LEG_LIVE] : NULL;
	if (!err && !(live && live->ended))
		return;
	agreed = !err && consents(l, x);
	if (agreed) {
		look_at(l, x->legs[LEG_CLIENT], limit_bytes);
		look_at(l, live, limit_bytes);
	}
	settle(l, r,
	       !err && !agreed    ? OUTCOME_NO_CONSENT
	       : err == ERR_PROTO ? OUTCOME_ROLE_LOST
	       : err              ? OUTCOME_MEMORY
	       : live->error      ? live->error
	                          : OUTCOME_LEARNED);
	if (x)
		fold_drop(l->fold, &x);
}

/* Its cells were settled elsewhere: a dead worker, a full ring. */
static void drop_settled(void *arg, struct exchange *x)
{
	struct masker_learn *l = arg;
	uint8_t live = ledger_cell(l->env->ledger, x->slot, x->id, CELL_LIVE);

	if (live == STAGE_NONE || live > OUTCOME_FIRST)
		fold_drop(l->fold, &x);
}

void masker_learn_turn(struct masker_learn *l, uint64_t now_ns, bool last)
{
	struct buf saved;

	if (!l || (!last && now_ns - l->told_ns < TELL_NS))
		return;
	l->told_ns = now_ns;
	fold_each(l->fold, drop_settled, l);
	if (!l->dirty)
		return;
	l->dirty = false;
	buf_init(&saved, LEARN_SAVED_MAX + 64);
	learn_save(l->learn, &saved);
	if (!saved.err)
		learned_publish(l->out, buf_span(&saved));
	buf_fini(&saved);
}
