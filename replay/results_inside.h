/*
 * results_inside.h - what results.c (database, aggregates) and results_json.c (files) share; no one else.
 */
#ifndef REPLAY_RESULTS_INSIDE_H
#define REPLAY_RESULTS_INSIDE_H

#include <sqlite3.h>
#include "proto/base/buf.h"
#include "replay/gate.h"
#include "replay/results.h"

/* The aggregate state of one candidate of one route. */
struct tally {
	uint16_t route, candidate;
	uint64_t pairs, diverged, rows, rows_diverged;
	uint64_t classes[DIVERGENCES];
	uint64_t first_us, last_us; /* wall clock of the first and the last pair */
	struct stat_mean js_bits, tv;
	struct sketch live, other;
	struct results_standing standing;
};

/* What the gates say of one candidate; a baseline has none. */
struct judgement {
	unsigned count;
	int decided_by;
	struct plan_gate gates[GATE_LIST_MAX];
	struct gate_result results[GATE_LIST_MAX];
	enum gate_state verdict;
};

enum statement {
	STATEMENT_PAIR,
	STATEMENT_ROW,
	STATEMENT_DIVERGENCE,
	STATEMENT_GATE,
	STATEMENT_TIMELINE,
	STATEMENT_FORGET_ROWS,
	STATEMENT_FORGET_DIVERGENCES,
	STATEMENT_FORGET_PAIRS,
	STATEMENTS,
};

struct results {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	const struct plan *plan;
	char *directory, *run_id;
	bool in_transaction;
	bool stale; /* pairs were forgotten: the tallies are rebuilt before they are read */
	unsigned tally_count, first_tally[ROUTES_MAX];
	struct tally *tallies;
};

static inline const struct plan_route *tally_route(const struct results *r, const struct tally *t)
{
	return &r->plan->routes[t->route];
}

static inline const struct plan_candidate *tally_candidate(const struct results *r, const struct tally *t)
{
	return &tally_route(r, t)->candidates[t->candidate];
}

/* The tally of the route's baseline, or NULL. */
const struct tally *results_baseline(const struct results *, uint16_t route);
/* Rebuild the tallies when they are stale. 0, ERR_SYS. */
int results_refresh(struct results *);
/* Store what the gates say now (table gate) and a point of the timeline. 0, ERR_SYS. */
int results_store_gates(struct results *, const struct tally *, const struct judgement *);

/* Write DIRECTORY/NAME through NAME.new and rename. 0, ERR_SYS. */
int results_write_file(const char *directory, const char *name, struct span text);
/* manifest.json, unless it is there. 0, ERR_SYS, ERR_NOMEM. */
int results_manifest(const struct results *, const char *source);

#endif
