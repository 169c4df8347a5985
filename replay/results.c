#include "replay/results.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proto/base/clock.h"
#include "replay/results_inside.h"

/* PAIR_BYTES, ROW_BYTES: what a stored pair and row take beside texts and bodies, indices included. */
enum { BODY_KEEP_BYTES = 16 * 1024, BUSY_MS = 5000, PAIR_BYTES = 320, ROW_BYTES = 48, TIMELINE_STEPS = 512 };

/* RFC 3339 with microseconds. */
#define SEEN_AT                                                                                              \
	"strftime('%Y-%m-%dT%H:%M:%S', seen_us / 1000000, 'unixepoch') || printf('.%06dZ', seen_us % "       \
	"1000000)"

static const char schema[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=4194304;"
        "PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY;"
        "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS state(route TEXT, candidate TEXT, before BLOB, now BLOB,"
        " PRIMARY KEY(route, candidate)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS last_batch(n INTEGER PRIMARY KEY, observations BLOB);"
        "CREATE TABLE IF NOT EXISTS pair(n INTEGER PRIMARY KEY, id TEXT NOT NULL, route TEXT NOT NULL, "
        "candidate TEXT NOT NULL,"
        " seen_us INTEGER, diverged INTEGER, live_status INTEGER, candidate_status INTEGER, live_us INTEGER, "
        "candidate_us INTEGER,"
        " rows INTEGER, rows_diverged INTEGER, against TEXT, slice TEXT, where_ TEXT, request_head BLOB, "
        "request_body BLOB, live_body BLOB,"
        " candidate_body BLOB, stratum INTEGER, priority INTEGER, bytes INTEGER, UNIQUE(id, route, "
        "candidate));"
        "CREATE INDEX IF NOT EXISTS pair_keep ON pair(stratum, priority, bytes);"
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
        " low REAL, high REAL, PRIMARY KEY(route, candidate, pairs)) WITHOUT ROWID;"
        "CREATE VIEW IF NOT EXISTS pairs AS SELECT id, route, candidate, slice, against, " SEEN_AT
        " AS time, seen_us, diverged, live_status, candidate_status, live_us, candidate_us, rows, "
        "rows_diverged,"
        " where_ AS first_difference FROM pair;"
        "CREATE VIEW IF NOT EXISTS divergences AS SELECT id, route, candidate, slice, against, " SEEN_AT
        " AS time, seen_us, d.class, d.unit, d.count, where_ AS first_difference"
        " FROM divergence d JOIN pair ON n = d.pair;"
        "CREATE VIEW IF NOT EXISTS predictions AS SELECT id, route, candidate, slice, against, " SEEN_AT
        " AS time, seen_us, w.row, w.diverged, w.flipped, w.live_label, w.candidate_label, w.js_bits, w.tv"
        " FROM \"row\" w JOIN pair ON n = w.pair;";

static const char *const sql[STATEMENTS] = {
        [STATEMENT_PAIR] =
                "INSERT OR IGNORE INTO pair(id, route, candidate, seen_us, diverged, live_status, "
                "candidate_status,"
                " live_us, candidate_us, rows, rows_diverged, against, slice, where_, request_head, "
                "request_body, live_body,"
                " candidate_body, stratum, priority, bytes) "
                "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [STATEMENT_ROW] = "INSERT INTO \"row\" VALUES(?,?,?,?,?,?,?,?)",
        [STATEMENT_DIVERGENCE] = "INSERT INTO divergence VALUES(?,?,?,?)",
        [STATEMENT_GATE] = "INSERT OR REPLACE INTO gate VALUES(?,?,?,?,?,?,?,?,?,?)",
        [STATEMENT_SLICE] = "INSERT OR REPLACE INTO slice VALUES(?,?,?,?,?)",
        [STATEMENT_TIMELINE] = "INSERT OR REPLACE INTO timeline VALUES(?,?,?,?,?,?,?)",
        [STATEMENT_OBSERVATIONS] = "INSERT OR REPLACE INTO last_batch VALUES(1,?)",
        [STATEMENT_FIND_PAIR] = "SELECT n FROM pair WHERE id = ? AND route = ? AND candidate = ?",
        [STATEMENT_LEAST] = "SELECT n, bytes FROM pair WHERE stratum = ? ORDER BY priority",
        [STATEMENT_DROP_ROWS] = "DELETE FROM \"row\" WHERE pair = ?",
        [STATEMENT_DROP_DIVERGENCES] = "DELETE FROM divergence WHERE pair = ?",
        [STATEMENT_DROP_PAIR] = "DELETE FROM pair WHERE n = ?",
        [STATEMENT_STATE] = "INSERT OR REPLACE INTO state VALUES(?,?,?,?)",
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

static size_t kept_len(struct span bytes)
{
	return bytes.len < BODY_KEEP_BYTES ? bytes.len : BODY_KEEP_BYTES;
}

static void bind_blob(sqlite3_stmt *s, int at, struct span bytes)
{
	int len = (int)kept_len(bytes);

	sqlite3_bind_blob(s, at, len ? bytes.data : "", len, SQLITE_STATIC);
}

/* SQLite stores NaN as NULL, and so does a missing measure. */
int results_run(sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc == SQLITE_DONE ? 0 : ERR_SYS;
}

int results_execute(struct results *r, const char *text)
{
	return sqlite3_exec(r->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : ERR_SYS;
}

static int begin(struct results *r)
{
	int rc;

	if (r->in_transaction)
		return 0;
	rc = results_execute(r, "BEGIN IMMEDIATE");
	r->in_transaction = !rc;
	return rc;
}

/* The first pair of a batch: what is counted from here on can be taken back until the next one. */
static int begin_batch(struct results *r)
{
	int rc = begin(r);

	if (rc || r->adding)
		return rc;
	buf_reset(&r->observations);
	r->adding = true;
	r->batch++;
	return 0;
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

static int as_it_is(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
	(void)vfs;
	return snprintf(out, (size_t)size, "%s", path) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* The judge reaches its directory through a descriptor; the folders above it may be closed to it. */
static const char *opening(void)
{
	static sqlite3_vfs vfs;

	if (!vfs.zName && sqlite3_vfs_find(NULL)) {
		vfs = *sqlite3_vfs_find(NULL);
		vfs.pNext = NULL;
		vfs.zName = "as-it-is";
		vfs.xFullPathname = as_it_is;
		(void)sqlite3_vfs_register(&vfs, 0);
	}
	return vfs.zName;
}

static int open_database(struct results *r, char why[256])
{
	char path[PATH_MAX_BYTES + 16];

	snprintf(path, sizeof path, "%s/results.db", r->directory);
	if (sqlite3_open_v2(path, &r->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, opening()) != SQLITE_OK)
		goto fail;
	sqlite3_busy_timeout(r->db, BUSY_MS);
	if (results_execute(r, schema))
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

static void read_meta(struct results *r, const char *key, char *out, size_t size)
{
	sqlite3_stmt *s;

	out[0] = '\0';
	if (sqlite3_prepare_v2(r->db, "SELECT value FROM meta WHERE key = ?", -1, &s, NULL) != SQLITE_OK)
		return;
	bind_text(s, 1, key);
	if (sqlite3_step(s) == SQLITE_ROW)
		snprintf(out, size, "%s", (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
}

static int write_meta(struct results *r, const char *key, const char *value)
{
	sqlite3_stmt *s;
	int rc;

	if (sqlite3_prepare_v2(r->db, "INSERT OR IGNORE INTO meta VALUES(?,?)", -1, &s, NULL) != SQLITE_OK)
		return ERR_SYS;
	bind_text(s, 1, key);
	bind_text(s, 2, value);
	rc = results_run(s);
	sqlite3_finalize(s);
	return rc;
}

/* A run that goes on keeps the time at which it began. */
static int read_started(struct results *r)
{
	int rc;

	clock_rfc3339(clock_wall_ns(), r->started);
	rc = write_meta(r, "started", r->started);
	if (!rc)
		rc = write_meta(r, "run", r->run_id);
	if (!rc)
		read_meta(r, "started", r->started, sizeof r->started);
	return rc;
}

static void close_database(struct results *r)
{
	for (int i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(r->statements[i]);
		r->statements[i] = NULL;
	}
	sqlite3_close(r->db);
	r->db = NULL;
}

/* Another run's results are put aside as results-ID.db: two runs are never added up. */
static int put_aside(struct results *r, char why[256])
{
	char from[PATH_MAX_BYTES + 16], to[PATH_MAX_BYTES + 48], id[24];

	read_meta(r, "run", id, sizeof id);
	if (!id[0] || !strcmp(id, r->run_id))
		return 0;
	close_database(r);
	snprintf(from, sizeof from, "%s/results.db", r->directory);
	snprintf(to, sizeof to, "%s/results-%s.db", r->directory, id);
	if (strchr(id, '/') || rename(from, to)) {
		snprintf(why, 256, "%.120s holds the results of run %s: %s", r->directory, id,
		         strerror(errno));
		return ERR_SYS;
	}
	return open_database(r, why);
}

static int read_state(struct results *r)
{
	int rc = results_load_tallies(r);

	if (!rc)
		rc = results_batch_load(r);
	if (!rc)
		rc = results_load_strata(r);
	if (!rc)
		rc = read_started(r);
	return rc;
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
	results_batch_init(r);
	r->directory = strdup(directory);
	r->run_id = strdup(run_id);
	r->source = strdup(source);
	if (!r->directory || !r->run_id || !r->source || results_tallies_new(r))
		goto out;
	rc = make_directories(directory);
	if (rc) {
		snprintf(why, 256, "%.200s: %s", directory, strerror(errno));
		goto out;
	}
	rc = open_database(r, why);
	if (!rc)
		rc = put_aside(r, why);
	if (rc)
		goto out;
	rc = read_state(r);
	if (!rc)
		rc = results_manifest(r, NULL);
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

/* What is stored of a pair: the bodies of those that diverged. */
static uint64_t stored_bytes(const struct results_pair *p)
{
	const struct comparison *c = p->comparison;
	uint64_t bytes = PAIR_BYTES + (uint64_t)c->row_count * ROW_BYTES;

	if (c->diverged)
		bytes += kept_len(p->request_head) + kept_len(p->request_body) + kept_len(p->live.body) +
		         kept_len(p->other.body);
	return bytes;
}

static void bind_key(const struct results *r, sqlite3_stmt *s, const char *id, uint16_t route,
                     uint16_t candidate)
{
	bind_text(s, 1, id);
	bind_text(s, 2, r->plan->routes[route].name);
	bind_text(s, 3, r->plan->routes[route].candidates[candidate].name);
}

static int store_pair(struct results *r, const struct results_pair *p, const char *id,
                      const struct observation *o, unsigned stratum)
{
	const struct comparison *c = p->comparison;
	sqlite3_stmt *s = r->statements[STATEMENT_PAIR];

	bind_key(r, s, id, p->route, p->candidate);
	bind_integer(s, 4, p->seen_us);
	bind_integer(s, 5, c->diverged);
	bind_integer(s, 6, p->live.status);
	bind_integer(s, 7, p->other.status);
	bind_integer(s, 8, p->live_us);
	bind_integer(s, 9, p->other_us);
	bind_integer(s, 10, c->row_count);
	bind_integer(s, 11, c->rows_diverged);
	bind_text(s, 12, p->against_baseline ? "baseline" : "live");
	bind_text(s, 13, o->slices[o->slice_count > 1]);
	if (c->diverged) {
		bind_text(s, 14, c->where);
		bind_blob(s, 15, p->request_head);
		bind_blob(s, 16, p->request_body);
		bind_blob(s, 17, p->live.body);
		bind_blob(s, 18, p->other.body);
	}
	bind_integer(s, 19, stratum);
	sqlite3_bind_int64(s, 20, results_priority(r, p->id));
	bind_integer(s, 21, stored_bytes(p));
	return results_run(s);
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
		rc = results_run(s);
	}
	return rc;
}

static int store_divergences(struct results *r, sqlite3_int64 pair, const struct observation *o)
{
	sqlite3_stmt *s = r->statements[STATEMENT_DIVERGENCE];
	int rc = 0;

	for (int i = 0; !rc && i < DIVERGENCES; i++) {
		if (!o->classes[i])
			continue;
		sqlite3_bind_int64(s, 1, pair);
		bind_text(s, 2, divergence_name(i));
		bind_text(s, 3, divergence_unit(i));
		bind_integer(s, 4, o->classes[i]);
		rc = results_run(s);
	}
	return rc;
}

static int store(struct results *r, const struct results_pair *p, const struct observation *o)
{
	unsigned stratum = results_stratum(r, p, o);
	sqlite3_int64 pair;
	char id[17];
	int rc;

	id_text(p->id, id);
	rc = store_pair(r, p, id, o, stratum);
	if (rc)
		return rc;
	if (!sqlite3_changes(r->db))
		return ERR_AGAIN;
	pair = sqlite3_last_insert_rowid(r->db);
	rc = store_rows(r, pair, p->comparison);
	if (!rc)
		rc = store_divergences(r, pair, o);
	if (!rc)
		rc = results_batch_note(r, p, o);
	if (!rc)
		results_kept(r, stratum, stored_bytes(p));
	else if (results_drop(r, pair))
		rc = ERR_SYS;
	return rc;
}

int results_add(struct results *r, const struct results_pair *p)
{
	struct tally *t = tally_at(r, p->route, p->candidate);
	struct observation o;
	int rc = begin_batch(r);

	if (rc)
		return rc;
	results_observe(r, p, &o);
	rc = store(r, p, &o);
	if (rc)
		return rc == ERR_AGAIN ? 0 : rc;
	results_count(t, &o);
	t->batch = r->batch;
	return results_bound(r, false);
}

int results_forget(struct results *r, uint64_t id, uint16_t route, uint16_t candidate)
{
	sqlite3_stmt *find = r->statements[STATEMENT_FIND_PAIR];
	sqlite3_int64 pair = -1;
	char text[17];
	int rc;

	if (!results_batch_forget(r, id, route, candidate))
		return 0;
	r->stale = true;
	rc = begin(r);
	if (rc)
		return rc;
	id_text(id, text);
	bind_key(r, find, text, route, candidate);
	if (sqlite3_step(find) == SQLITE_ROW)
		pair = sqlite3_column_int64(find, 0);
	sqlite3_reset(find);
	return pair < 0 ? 0 : results_drop(r, pair);
}

int results_commit(struct results *r)
{
	int rc;

	if (!r->in_transaction)
		return 0;
	rc = r->adding ? results_store_tallies(r) : results_refresh(r);
	if (!rc && r->adding)
		rc = results_batch_store(r);
	if (!rc && r->adding)
		rc = results_bound(r, true);
	if (!rc)
		rc = results_execute(r, "COMMIT");
	if (!rc)
		r->in_transaction = r->adding = false;
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
	return results_run(s);
}

/* Every pair at first, then each time the pairs grew by a part: the table grows with their logarithm. */
static int store_moment(struct results *r, struct tally *t)
{
	struct interval ci = stat_rate(t->diverged, t->pairs, GATE_ALPHA, GATE_T_OPT);
	sqlite3_stmt *s = r->statements[STATEMENT_TIMELINE];

	t->moment = t->pairs;
	bind_text(s, 1, tally_route(r, t)->name);
	bind_text(s, 2, tally_candidate(r, t)->name);
	bind_integer(s, 3, t->pairs);
	bind_integer(s, 4, clock_wall_ns() / 1000);
	bind_integer(s, 5, t->diverged);
	sqlite3_bind_double(s, 6, ci.low);
	sqlite3_bind_double(s, 7, ci.high);
	return results_run(s);
}

static int store_slices(struct results *r, const struct tally *t)
{
	sqlite3_stmt *s = r->statements[STATEMENT_SLICE];
	int rc = 0;

	for (uint32_t i = 0; !rc && i < t->slice_count; i++) {
		bind_text(s, 1, tally_route(r, t)->name);
		bind_text(s, 2, tally_candidate(r, t)->name);
		bind_text(s, 3, t->slices[i].name);
		bind_integer(s, 4, t->slices[i].pairs);
		bind_integer(s, 5, t->slices[i].diverged);
		rc = results_run(s);
	}
	return rc;
}

int results_store_gates(struct results *r, struct tally *t, const struct judgement *j)
{
	int rc = 0;

	if (t->pairs > t->moment + t->moment / TIMELINE_STEPS || !t->pairs)
		rc = store_moment(r, t);
	if (!rc)
		rc = store_slices(r, t);

	for (unsigned i = 0; !rc && i < j->count; i++)
		rc = store_gate(r, t, &j->gates[i], &j->results[i]);
	return rc;
}

void results_close(struct results **handle)
{
	struct results *r = *handle;

	if (!r)
		return;
	if (r->in_transaction && results_commit(r))
		results_execute(r, "ROLLBACK");
	close_database(r);
	for (unsigned i = 0; r->stored && i < r->tally_count; i++)
		buf_fini(&r->stored[i]);
	free(r->stored);
	buf_fini(&r->observations);
	free(r->strata);
	free(r->tallies);
	free(r->source);
	free(r->directory);
	free(r->run_id);
	free(r);
	*handle = NULL;
}
