/*
 * player.c - replay is a mirror with another source and another pace.
 *
 * The capture's exchanges are folded, sorted by the time their request was complete, and put into the
 * same masked rings that the masker feeds, each at start + recorded offset / speed: deadlines are
 * absolute, so nothing drifts. Admission is by ledger slots: a full ledger or ring makes the player
 * wait, never shed.
 */
#define _GNU_SOURCE
#include "replay/player.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/capfile.h"
#include "capture/fold.h"
#include "proto/base/clock.h"

struct player {
	const struct role_env *env;
	struct ring *to_shadow, *to_judge;
	struct fold *fold;
	struct exchange **list;
	size_t count, cap;
	uint64_t sequence;
};

static struct player player;

static void nap_until(uint64_t mono_ns)
{
	struct timespec t = {(time_t)(mono_ns / 1000000000u), (long)(mono_ns % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

static void keep(void *arg, struct exchange *x)
{
	const struct leg *client = x->legs[LEG_CLIENT], *live = x->legs[LEG_LIVE];

	(void)arg;
	if (!client || !client->ended || client->error || !live || !live->ended || live->error) {
		fold_drop(player.fold, &x);
		return;
	}
	if (player.count == player.cap) {
		struct exchange **grown;

		player.cap = player.cap ? 2 * player.cap : 1024;
		grown = realloc(player.list, player.cap * sizeof *grown);
		if (!grown)
			exit(3);
		player.list = grown;
	}
	player.list[player.count++] = x;
}

static int by_time(const void *a, const void *b)
{
	const struct exchange *x = *(struct exchange *const *)a, *y = *(struct exchange *const *)b;
	uint64_t s = x->legs[LEG_CLIENT]->end_ns, t = y->legs[LEG_CLIENT]->end_ns;

	return s < t ? -1 : s > t ? 1 : x->id < y->id ? -1 : x->id > y->id;
}

static int load(const char *path)
{
	struct capfile_reader *reader;
	const char *why = NULL;
	struct exchange *x;
	struct record r;
	const void *payload;
	int err = capfile_open(path, &reader, &why);

	if (err) {
		fprintf(stderr, "understudy: the capture cannot be read: %s\n", why ? why : err_text(err));
		return err;
	}
	while ((err = capfile_next(reader, &r, &payload)) == 0) {
		if (r.leg > LEG_LIVE || r.route >= player.env->plan->route_count)
			continue;
		err = fold_add(player.fold, &r, payload, &x);
		if (err == ERR_LIMIT || err == ERR_NOMEM)
			break;
	}
	if (err != ERR_AGAIN)
		fprintf(stderr, "understudy: the capture ends early: %s; what was read is replayed\n",
		        err == ERR_LIMIT ? "larger than the memory limit" : err_text(err));
	capfile_reader_free(&reader);
	fold_each(player.fold, keep, NULL);
	qsort(player.list, player.count, sizeof *player.list, by_time);
	return 0;
}

static void put_waiting(struct ring *ring, const struct record *r, const void *payload)
{
	while (ring_put(ring, r, payload, 0)) {
		ring_publish(ring);
		nap_until(clock_mono_ns() + 200000u);
	}
}

static void emit(struct record *r, uint8_t type, uint64_t time_ns, struct span payload)
{
	r->type = type;
	r->time_ns = time_ns;
	r->payload_len = (uint32_t)payload.len;
	if (r->leg == LEG_CLIENT)
		put_waiting(player.to_shadow, r, payload.data);
	put_waiting(player.to_judge, r, payload.data);
}

static void emit_leg(struct record r, uint8_t leg_number, const struct leg *leg)
{
	struct span body = buf_span(&leg->body);

	r.leg = leg_number;
	r.flags = leg->flags | RECORD_MASKED;
	emit(&r, RECORD_HEAD, leg->start_ns, buf_span(&leg->head));
	while (body.len) {
		size_t n = body.len < RECORD_PAYLOAD_MAX ? body.len : RECORD_PAYLOAD_MAX;

		emit(&r, RECORD_CHUNK, leg->first_ns, (struct span){body.data, n});
		body.data += n;
		body.len -= n;
	}
	if (buf_len(&leg->trailers))
		emit(&r, RECORD_TRAILERS, leg->end_ns, buf_span(&leg->trailers));
	emit(&r, RECORD_END, leg->end_ns, SPAN(""));
}

static void play(const struct exchange *x)
{
	const struct plan_route *route = &player.env->plan->routes[x->route];
	struct record r = {
	        .id = ++player.sequence, .route = x->route, .generation = player.env->plan->generation};
	struct ledger *l = player.env->ledger;

	while (ledger_take(l, 0, r.id, x->route, (1u << route->candidate_count) - 1, route->candidate_count,
	                   OUTCOME_SAMPLED_OUT, 0, OUTCOME_CAPTURE_OFF, &r.slot))
		nap_until(clock_mono_ns() + 200000u);
	ledger_settle_candidates(l, r.slot, r.id, STAGE_WORKER, STAGE_MASKER);
	ledger_move(l, r.slot, r.id, CELL_LIVE, STAGE_WORKER, STAGE_MASKER);
	emit_leg(r, LEG_CLIENT, x->legs[LEG_CLIENT]);
	emit_leg(r, LEG_LIVE, x->legs[LEG_LIVE]);
	ring_publish(player.to_shadow);
	ring_publish(player.to_judge);
}

static void play_all(void)
{
	double speed = player.env->plan->replay_speed;
	uint64_t start = clock_mono_ns(), first;

	first = player.count ? player.list[0]->legs[LEG_CLIENT]->end_ns : 0;
	for (size_t i = 0; i < player.count; i++) {
		uint64_t offset = player.list[i]->legs[LEG_CLIENT]->end_ns - first;

		if (speed > 0)
			nap_until(start + (uint64_t)((double)offset / speed));
		if (atomic_load(&player.env->page->phase) != PHASE_RUN)
			return;
		play(player.list[i]);
	}
	atomic_store(&player.env->page->replay.whole, 1);
}

int player_run(struct role_env *env)
{
	char path[64];

	player.env = env;
	player.fold = fold_new(env->plan->memory_bytes);
	if (!player.fold || role_ring_writer(env, "shadow", &player.to_shadow) ||
	    role_ring_writer(env, "judge", &player.to_judge))
		return 3;
	role_ready(env);
	snprintf(path, sizeof path, "/proc/self/fd/%d", role_fd(env, "input"));
	/* a player that died is not played again: its exchanges would be sent twice */
	if (env->epoch == 0 && load(path) == 0)
		play_all();
	atomic_store(&env->page->phase, PHASE_WORKERS);
	return 0;
}
