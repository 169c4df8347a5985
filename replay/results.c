#include "replay/results.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proto/base/clock.h"
#include "replay/results_inside.h"

enum { BODY_KEEP_BYTES = 16 * 1024, BUSY_MS = 5000 };

static const char schema[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        "CREATE TABLE IF NOT EXISTS pair(n INTEGER PRIMARY KEY, id TEXT NOT NULL, route TEXT NOT NULL, "
        "candidate TEXT NOT NULL,"
        " seen_us INTEGER, diverged INTEGER, live_status INTEGER, candidate_status INTEGER, live_us INTEGER, "
        "candidate_us INTEGER,"
        " rows INTEGER, rows_diverged INTEGER, where_ TEXT, request_head BLOB, request_body BLOB, live_body "
        "BLOB,"
        " candidate_body BLOB, UNIQUE(id, route, candidate));"
        "CREATE TABLE IF NOT EXISTS \"row\"(pair INTEGER NOT NULL REFERENCES pair(n), row INTEGER NOT NULL, "
        "diverged INTEGER,"
        " flipped INTEGER, live_label INTEGER, candidate_label INTEGER, js_bits REAL, tv REAL, PRIMARY "
        "KEY(pair, row)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS divergence(pair INTEGER NOT NULL REFERENCES pair(n), class TEXT NOT "
        "NULL, unit TEXT,"
        " count INTEGER, PRIMARY KEY(pair, class)) WITHOUT ROWID;"
        "CREATE INDEX IF NOT EXISTS divergence_class ON divergence(class, pair);"
        "CREATE TABLE IF NOT EXISTS gate(route TEXT, candidate TEXT, metric TEXT, limit_ REAL, value REAL, "
        "low REAL, high REAL,"
        " state TEXT, needed INTEGER, because TEXT, PRIMARY KEY(route, candidate, metric)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS slice(route TEXT, candidate TEXT, slice TEXT, pairs INTEGER, diverged "
        "INTEGER,"
        " PRIMARY KEY(route, candidate, slice)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS timeline(route TEXT, candidate TEXT, pairs INTEGER, at_us INTEGER, "
        "diverged INTEGER,"
        " low REAL, high REAL, PRIMARY KEY(route, candidate, pairs)) WITHOUT ROWID;";

static const char *const sql[STATEMENTS] = {
        [STATEMENT_PAIR] =
                "INSERT OR IGNORE INTO pair(id, route, candidate, seen_us, diverged, live_status, "
                "candidate_status,"
                " live_us, candidate_us, rows, rows_diverged, where_, request_head, request_body, live_body,"
                " candidate_body) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [STATEMENT_ROW] = "INSERT INTO \"row\" VALUES(?,?,?,?,?,?,?,?)",
        [STATEMENT_DIVERGENCE] = "INSERT INTO divergence VALUES(?,?,?,?)",
        [STATEMENT_GATE] = "INSERT OR REPLACE INTO gate VALUES(?,?,?,?,?,?,?,?,?,?)",
        [STATEMENT_TIMELINE] = "INSERT OR REPLACE INTO timeline VALUES(?,?,?,?,?,?,?)",
        [STATEMENT_FORGET_ROWS] = "DELETE FROM \"row\" WHERE pair IN (SELECT n FROM pair WHERE id = ? AND "
                                  "route = ? AND candidate = ?)",
        [STATEMENT_FORGET_DIVERGENCES] = "DELETE FROM divergence WHERE pair IN (SELECT n FROM pair WHERE id "
                                         "= ? AND route = ? AND candidate = ?)",
        [STATEMENT_FORGET_PAIRS] = "DELETE FROM pair WHERE id = ? AND route = ? AND candidate = ?",
};

static void id_text(uint64_t id, char out[17])
{
	snprintf(out, 17, "%016" PRIx64, id);
}

/* Binding copies nothing: texts and blobs outlive the step. */
static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
	sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

static void bind_integer(sqlite3_stmt *s, int at, uint64_t value)
{
	sqlite3_bind_int64(s, at, (sqlite3_int64)value);
}

static void bind_blob(sqlite3_stmt *s, int at, struct span bytes)
{
	int len = bytes.len < BODY_KEEP_BYTES ? (int)bytes.len : BODY_KEEP_BYTES;

	sqlite3_bind_blob(s, at, len ? bytes.data : "", len, SQLITE_STATIC);
}

/* SQLite stores NaN as NULL, and so does a missing measure. */
static int run(sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc == SQLITE_DONE ? 0 : ERR_SYS;
}

static int execute(struct results *r, const char *text)
{
	return sqlite3_exec(r->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : ERR_SYS;
}

static int begin(struct results *r)
{
	int rc;

	if (r->in_transaction)
		return 0;
	rc = execute(r, "BEGIN IMMEDIATE");
	r->in_transaction = !rc;
	return rc;
}

/* --- tallies --- */

static struct tally *tally_at(const struct results *r, unsigned route, unsigned candidate)
{
	return &r->tallies[r->first_tally[route] + candidate];
}

static struct tally *tally_named(const struct results *r, const char *route, const char *candidate)
{
	for (unsigned i = 0; i < r->tally_count; i++) {
		struct tally *t = &r->tallies[i];

		if (!strcmp(tally_route(r, t)->name, route) &&
		    !strcmp(tally_candidate(r, t)->name, candidate))
			return t;
	}
	return NULL;
}

const struct tally *results_baseline(const struct results *r, uint16_t route)
{
	for (unsigned c = 0; c < r->plan->routes[route].candidate_count; c++)
		if (r->plan->routes[route].candidates[c].baseline)
			return tally_at(r, route, c);
	return NULL;
}

static int tallies_new(struct results *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->plan->route_count; i++) {
		r->first_tally[i] = n;
		n += r->plan->routes[i].candidate_count;
	}
	r->tally_count = n;
	r->tallies = calloc(n ? n : 1, sizeof *r->tallies);
	return r->tallies ? 0 : ERR_NOMEM;
}

static void tallies_reset(struct results *r)
{
	memset(r->tallies, 0, r->tally_count * sizeof *r->tallies);
	for (uint16_t i = 0; i < r->plan->route_count; i++) {
		for (uint16_t c = 0; c < r->plan->routes[i].candidate_count; c++) {
			tally_at(r, i, c)->route = i;
			tally_at(r, i, c)->candidate = c;
		}
	}
}

static void tally_pair(struct tally *t, uint64_t seen_us, bool diverged, uint64_t live_us, uint64_t other_us)
{
	t->pairs++;
	t->diverged += diverged;
	if (!t->first_us || seen_us < t->first_us)
		t->first_us = seen_us;
	if (seen_us > t->last_us)
		t->last_us = seen_us;
	sketch_add(&t->live, live_us);
	sketch_add(&t->other, other_us);
}

static void tally_measures(struct tally *t, double js_bits, double tv)
{
	stat_mean_add(&t->js_bits, js_bits, GATE_ALPHA);
	stat_mean_add(&t->tv, tv, GATE_ALPHA);
}

/* A class counted in pairs counts a pair once. */
static uint64_t class_count(enum divergence class, uint32_t count)
{
	return strcmp(divergence_unit(class), "pair") ? count : count > 0;
}

static int rebuild_pairs(struct results *r)
{
	sqlite3_stmt *s;
	int rc = SQLITE_ERROR;

	if (sqlite3_prepare_v2(
	            r->db,
	            "SELECT route, candidate, seen_us, diverged, live_us, candidate_us, rows, rows_diverged"
	            " FROM pair ORDER BY n",
	            -1, &s, NULL) != SQLITE_OK)
		return ERR_SYS;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct tally *t = tally_named(r, (const char *)sqlite3_column_text(s, 0),
		                              (const char *)sqlite3_column_text(s, 1));

		if (!t)
			continue;
		tally_pair(t, (uint64_t)sqlite3_column_int64(s, 2), sqlite3_column_int(s, 3),
		           (uint64_t)sqlite3_column_int64(s, 4), (uint64_t)sqlite3_column_int64(s, 5));
		t->rows += (uint64_t)sqlite3_column_int64(s, 6);
		t->rows_diverged += (uint64_t)sqlite3_column_int64(s, 7);
	}
	sqlite3_finalize(s);
	return rc == SQLITE_DONE ? 0 : ERR_SYS;
}

/* In the order they were added: the running means depend on it. */
static int rebuild_rows(struct results *r)
{
	sqlite3_stmt *s;
	int rc = SQLITE_ERROR;

	if (sqlite3_prepare_v2(
	            r->db,
	            "SELECT p.route, p.candidate, w.js_bits, w.tv FROM \"row\" w JOIN pair p ON p.n = w.pair"
	            " WHERE w.js_bits IS NOT NULL ORDER BY w.pair, w.row",
	            -1, &s, NULL) != SQLITE_OK)
		return ERR_SYS;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct tally *t = tally_named(r, (const char *)sqlite3_column_text(s, 0),
		                              (const char *)sqlite3_column_text(s, 1));

		if (t)
			tally_measures(t, sqlite3_column_double(s, 2), sqlite3_column_double(s, 3));
	}
	sqlite3_finalize(s);
	return rc == SQLITE_DONE ? 0 : ERR_SYS;
}

static int rebuild_classes(struct results *r)
{
	sqlite3_stmt *s;
	int rc = SQLITE_ERROR;

	if (sqlite3_prepare_v2(r->db,
	                       "SELECT p.route, p.candidate, d.class, d.count FROM divergence d"
	                       " JOIN pair p ON p.n = d.pair",
	                       -1, &s, NULL) != SQLITE_OK)
		return ERR_SYS;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct tally *t = tally_named(r, (const char *)sqlite3_column_text(s, 0),
		                              (const char *)sqlite3_column_text(s, 1));

		for (int c = 0; t && c < DIVERGENCES; c++)
			if (!strcmp(divergence_name(c), (const char *)sqlite3_column_text(s, 2)))
				t->classes[c] += (uint64_t)sqlite3_column_int64(s, 3);
	}
	sqlite3_finalize(s);
	return rc == SQLITE_DONE ? 0 : ERR_SYS;
}

int results_refresh(struct results *r)
{
	int rc;

	if (!r->stale)
		return 0;
	tallies_reset(r);
	rc = rebuild_pairs(r);
	if (!rc)
		rc = rebuild_rows(r);
	if (!rc)
		rc = rebuild_classes(r);
	r->stale = rc != 0;
	return rc;
}

/* --- opening --- */

static int make_directories(const char *directory)
{
	char path[PATH_MAX_BYTES];
	size_t len = strlen(directory);

	if (len == 0 || len >= sizeof path) {
		errno = ENAMETOOLONG;
		return ERR_SYS;
	}
	memcpy(path, directory, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0750) < 0 && errno != EEXIST)
			return ERR_SYS;
		path[i] = directory[i];
	}
	return 0;
}

static int open_database(struct results *r, char why[256])
{
	char path[PATH_MAX_BYTES + 16];

	snprintf(path, sizeof path, "%s/results.db", r->directory);
	if (sqlite3_open_v2(path, &r->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
		goto fail;
	sqlite3_busy_timeout(r->db, BUSY_MS);
	if (execute(r, schema))
		goto fail;
	for (int i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(r->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &r->statements[i],
		                       NULL) != SQLITE_OK)
			goto fail;
	return 0;
fail:
	snprintf(why, 256, "%.120s: %.120s", path, r->db ? sqlite3_errmsg(r->db) : "out of memory");
	return ERR_SYS;
}

int results_open(const char *directory, const struct plan *plan, const char *run_id, const char *source,
                 struct results **out, char why[256])
{
	struct results *r = calloc(1, sizeof *r);
	int rc = ERR_NOMEM;

	snprintf(why, 256, "%s", err_text(ERR_NOMEM));
	if (!r)
		return ERR_NOMEM;
	r->plan = plan;
	r->directory = strdup(directory);
	r->run_id = strdup(run_id);
	if (!r->directory || !r->run_id || tallies_new(r))
		goto out;
	rc = make_directories(directory);
	if (rc) {
		snprintf(why, 256, "%.200s: %s", directory, strerror(errno));
		goto out;
	}
	rc = open_database(r, why);
	if (rc)
		goto out;
	r->stale = true;
	rc = results_refresh(r);
	if (!rc)
		rc = results_manifest(r, source);
	if (rc)
		snprintf(why, 256, "%.200s: cannot read results.db or write manifest.json", directory);
out:
	if (rc)
		results_close(&r);
	else
		why[0] = '\0';
	*out = r;
	return rc;
}

/* --- pairs --- */

static int store_pair(struct results *r, const struct results_pair *p)
{
	const struct comparison *c = p->comparison;
	const struct plan_route *route = &r->plan->routes[p->route];
	sqlite3_stmt *s = r->statements[STATEMENT_PAIR];
	char id[17];

	id_text(p->id, id);
	bind_text(s, 1, id);
	bind_text(s, 2, route->name);
	bind_text(s, 3, route->candidates[p->candidate].name);
	bind_integer(s, 4, p->seen_us);
	bind_integer(s, 5, c->diverged);
	bind_integer(s, 6, p->live.status);
	bind_integer(s, 7, p->other.status);
	bind_integer(s, 8, p->live_us);
	bind_integer(s, 9, p->other_us);
	bind_integer(s, 10, c->row_count);
	bind_integer(s, 11, c->rows_diverged);
	if (c->diverged) {
		bind_text(s, 12, c->where);
		bind_blob(s, 13, p->request_head);
		bind_blob(s, 14, p->request_body);
		bind_blob(s, 15, p->live.body);
		bind_blob(s, 16, p->other.body);
	}
	return run(s);
}

static int store_rows(struct results *r, sqlite3_int64 pair, const struct comparison *c)
{
	sqlite3_stmt *s = r->statements[STATEMENT_ROW];
	int rc = 0;

	for (uint32_t i = 0; !rc && i < c->row_count; i++) {
		const struct row *row = &c->rows[i];

		sqlite3_bind_int64(s, 1, pair);
		bind_integer(s, 2, i);
		bind_integer(s, 3, row->diverged);
		bind_integer(s, 4, row->flipped);
		if (row->has_measures) {
			bind_integer(s, 5, row->live_label);
			bind_integer(s, 6, row->candidate_label);
			sqlite3_bind_double(s, 7, row->js_bits);
			sqlite3_bind_double(s, 8, row->tv);
		}
		rc = run(s);
	}
	return rc;
}

static int store_divergences(struct results *r, sqlite3_int64 pair, const struct comparison *c)
{
	sqlite3_stmt *s = r->statements[STATEMENT_DIVERGENCE];
	int rc = 0;

	for (int i = 0; !rc && i < DIVERGENCES; i++) {
		if (!c->counts[i])
			continue;
		sqlite3_bind_int64(s, 1, pair);
		bind_text(s, 2, divergence_name(i));
		bind_text(s, 3, divergence_unit(i));
		bind_integer(s, 4, class_count(i, c->counts[i]));
		rc = run(s);
	}
	return rc;
}

static void tally_add(struct tally *t, const struct results_pair *p)
{
	const struct comparison *c = p->comparison;

	tally_pair(t, p->seen_us, c->diverged, p->live_us, p->other_us);
	t->rows += c->row_count;
	t->rows_diverged += c->rows_diverged;
	for (int i = 0; i < DIVERGENCES; i++)
		t->classes[i] += class_count(i, c->counts[i]);
	for (uint32_t i = 0; i < c->row_count; i++)
		if (c->rows[i].has_measures)
			tally_measures(t, c->rows[i].js_bits, c->rows[i].tv);
}

/* A pair that is stored already (added again after a crash) is left as it is. */
int results_add(struct results *r, const struct results_pair *p)
{
	sqlite3_int64 pair;
	int rc = begin(r);

	if (!rc)
		rc = store_pair(r, p);
	if (rc || !sqlite3_changes(r->db))
		return rc;
	pair = sqlite3_last_insert_rowid(r->db);
	rc = store_rows(r, pair, p->comparison);
	if (!rc)
		rc = store_divergences(r, pair, p->comparison);
	if (rc)
		r->stale = true;
	else if (!r->stale)
		tally_add(tally_at(r, p->route, p->candidate), p);
	return rc;
}

int results_forget(struct results *r, uint64_t id, uint16_t route, uint16_t candidate)
{
	char text[17];
	int rc = begin(r);

	id_text(id, text);
	for (int i = STATEMENT_FORGET_ROWS; !rc && i <= STATEMENT_FORGET_PAIRS; i++) {
		bind_text(r->statements[i], 1, text);
		bind_text(r->statements[i], 2, r->plan->routes[route].name);
		bind_text(r->statements[i], 3, r->plan->routes[route].candidates[candidate].name);
		rc = run(r->statements[i]);
	}
	if (rc || sqlite3_changes(r->db))
		r->stale = true;
	return rc;
}

int results_commit(struct results *r)
{
	int rc;

	if (!r->in_transaction)
		return 0;
	rc = execute(r, "COMMIT");
	if (!rc)
		r->in_transaction = false;
	return rc;
}

/* --- gates --- */

static int store_gate(struct results *r, const struct tally *t, const struct plan_gate *gate,
                      const struct gate_result *result)
{
	sqlite3_stmt *s = r->statements[STATEMENT_GATE];

	bind_text(s, 1, tally_route(r, t)->name);
	bind_text(s, 2, tally_candidate(r, t)->name);
	bind_text(s, 3, gate_metric_row(gate->metric)->name);
	sqlite3_bind_double(s, 4, gate->limit);
	sqlite3_bind_double(s, 5, result->value);
	sqlite3_bind_double(s, 6, result->ci.low);
	sqlite3_bind_double(s, 7, result->ci.high);
	bind_text(s, 8, gate_state_name(result->state));
	if (result->needed != UINT64_MAX)
		bind_integer(s, 9, result->needed);
	bind_text(s, 10, gate->because);
	return run(s);
}

static int store_moment(struct results *r, const struct tally *t)
{
	struct interval ci = stat_rate(t->diverged, t->pairs, GATE_ALPHA, GATE_T_OPT);
	sqlite3_stmt *s = r->statements[STATEMENT_TIMELINE];

	bind_text(s, 1, tally_route(r, t)->name);
	bind_text(s, 2, tally_candidate(r, t)->name);
	bind_integer(s, 3, t->pairs);
	bind_integer(s, 4, clock_wall_ns() / 1000);
	bind_integer(s, 5, t->diverged);
	sqlite3_bind_double(s, 6, ci.low);
	sqlite3_bind_double(s, 7, ci.high);
	return run(s);
}

int results_store_gates(struct results *r, const struct tally *t, const struct judgement *j)
{
	int rc = store_moment(r, t);

	for (unsigned i = 0; !rc && i < j->count; i++)
		rc = store_gate(r, t, &j->gates[i], &j->results[i]);
	return rc;
}

void results_close(struct results **handle)
{
	struct results *r = *handle;

	if (!r)
		return;
	if (r->in_transaction)
		execute(r, "COMMIT");
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(r->statements[i]);
	sqlite3_close(r->db);
	free(r->tallies);
	free(r->directory);
	free(r->run_id);
	free(r);
	*handle = NULL;
}
