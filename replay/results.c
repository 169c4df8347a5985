#include "replay/results.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "capture/head.h"
#include "proto/base/clock.h"
#include "replay/results_inside.h"

/* PAIR_BYTES, ROW_BYTES: what a stored pair and row take beside texts and bodies. */
enum {
	BODY_KEEP_BYTES = 16 * 1024,
	BUSY_MS = 5000,
	PAIR_BYTES = 80,
	ROW_BYTES = 32,
	TIMELINE_STEPS = 512,
	WAITING_MAX_BYTES = 1 << 20
};
/* Of a pair, and two bits further up of its first row; of a row. */
enum {
	DIVERGED = 1,
	AGAINST_BASELINE = 2,
	DRILLED = 16,
	ROW_DIVERGED = 1,
	ROW_FLIPPED = 2,
	FIRST_ROW_SHIFT = 2
};

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
	results_mark_strata(r);
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
	/* one thread: no locks, no statistics */
	if (sqlite3_open_v2(path, &r->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
	                    opening()) == SQLITE_OK &&
	    sqlite3_busy_timeout(r->db, BUSY_MS) == SQLITE_OK && !results_prepare(r))
		return 0;
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

/* Who n is in stored pairs: a tally's place. */
int results_store_asked(struct results *r, const struct tally *t)
{
	sqlite3_stmt *s = r->statements[STATEMENT_ASKED];

	bind_integer(s, 1, (uint64_t)(t - r->tallies));
	bind_text(s, 2, tally_route(r, t)->name);
	bind_text(s, 3, tally_candidate(r, t)->name);
	bind_text(s, 4, r->route_slices[t->route]);
	bind_integer(s, 5, t->segment + 1);
	bind_integer(s, 6, tally_number(r, t->route, t->candidate));
	return results_run(s);
}

static int store_asked(struct results *r)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < r->tally_count; i++)
		rc = results_store_asked(r, &r->tallies[i]);
	return rc;
}

static int read_state(struct results *r)
{
	int rc = results_load_tallies(r);

	if (!rc)
		rc = store_asked(r);
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
	buf_init(&r->waiting, 2 * WAITING_MAX_BYTES);
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

	if (c->scores)
		bytes += (uint64_t)c->row_count * 2 * c->classes * sizeof *c->scores;
	if (c->diverged)
		bytes += kept_len(p->request_head) + kept_len(p->request_body) + kept_len(p->live.body) +
		         kept_len(p->other.body);
	return bytes;
}

static unsigned row_flags(const struct row *row)
{
	return (row->diverged ? ROW_DIVERGED : 0) | (row->flipped ? ROW_FLIPPED : 0);
}

static void bind_measures(sqlite3_stmt *s, int at, const struct row *row)
{
	if (!row->has_measures)
		return;
	bind_integer(s, at, row->live_label);
	bind_integer(s, at + 1, row->candidate_label);
	sqlite3_bind_double(s, at + 2, row->js_bits);
	sqlite3_bind_double(s, at + 3, row->tv);
}

/* Of row `at`: how many, 0 when it has none. */
static unsigned scores_of(const struct comparison *c, uint32_t at, const float **out)
{
	if (!c->scores || at >= c->row_count || !c->rows[at].has_scores)
		return 0;
	*out = c->scores + (size_t)at * 2 * c->classes;
	return 2 * c->classes;
}

static void bind_scores(sqlite3_stmt *s, int at, const float *scores, unsigned count)
{
	if (count)
		sqlite3_bind_blob(s, at, scores, (int)(count * sizeof *scores), SQLITE_STATIC);
}

/* Values come from clients: printable ASCII of some length, or it is none. */
static void name_request(struct span head, char out[REQUEST_ID_BYTES + 1])
{
	struct span id = head_field(head, SPAN("x-request-id"));

	if (id.len > REQUEST_ID_BYTES)
		id.len = 0;
	for (size_t i = 0; i < id.len; i++)
		if (id.data[i] <= ' ' || id.data[i] > '~')
			id.len = 0;
	snprintf(out, REQUEST_ID_BYTES + 1, "%.*s", (int)id.len, id.len ? id.data : "");
}

/* The whole row of one that agreed; of one that diverged, what is no text and no body. */
static void describe(const struct results_pair *p, unsigned asked, sqlite3_int64 n, struct stored_pair *out)
{
	const struct comparison *c = p->comparison;
	const float *scores = NULL;

	*out = (struct stored_pair){
	        .n = n,
	        .id = p->id,
	        .asked = asked,
	        .bytes = stored_bytes(p),
	        .seen_us = p->seen_us,
	        .live_us = p->live_us,
	        .other_us = p->other_us,
	        .live_status = p->live.status,
	        .other_status = p->other.status,
	        .rows = c->row_count,
	        .rows_diverged = c->rows_diverged,
	        .first = c->row_count ? c->rows[0] : (struct row){0},
	};
	out->flags = (c->diverged ? DIVERGED : 0) | (p->against_baseline ? AGAINST_BASELINE : 0) |
	             (p->drilled ? DRILLED : 0) | row_flags(&out->first) << FIRST_ROW_SHIFT;
	out->scores = scores_of(c, 0, &scores);
	if (out->scores)
		memcpy(out->score, scores, out->scores * sizeof *scores);
	name_request(p->request_head, out->request_id);
}

static void bind_pair(sqlite3_stmt *s, const struct stored_pair *p)
{
	sqlite3_bind_int64(s, 1, p->n);
	bind_integer(s, 2, p->id);
	bind_integer(s, 3, p->asked);
	bind_integer(s, 4, p->bytes);
	bind_integer(s, 5, p->seen_us);
	bind_integer(s, 6, p->flags);
	bind_integer(s, 7, p->live_status);
	bind_integer(s, 8, p->other_status);
	bind_integer(s, 9, p->live_us);
	bind_integer(s, 10, p->other_us);
	bind_integer(s, 11, p->rows);
	bind_integer(s, 12, p->rows_diverged);
	bind_measures(s, 13, &p->first);
	if (p->request_id[0])
		bind_text(s, 23, p->request_id);
	bind_scores(s, 24, p->score, p->scores);
}

/* One that agreed and has no slice of its own waits for the commit: all in a row, they cost half. */
static int store_pair(struct results *r, const struct results_pair *p, unsigned asked, sqlite3_int64 n,
                      const struct observation *o)
{
	sqlite3_stmt *s = r->statements[STATEMENT_PAIR];
	struct stored_pair row;

	describe(p, asked, n, &row);
	if (!p->comparison->diverged && !o->slice_count && buf_len(&r->waiting) < WAITING_MAX_BYTES) {
		buf_put(&r->waiting, &row, sizeof row);
		return r->waiting.err;
	}
	bind_pair(s, &row);
	if (o->slice_count)
		bind_text(s, 17, o->slices[0]);
	if (p->comparison->diverged) {
		bind_text(s, 18, p->comparison->where);
		bind_blob(s, 19, p->request_head);
		bind_blob(s, 20, p->request_body);
		bind_blob(s, 21, p->live.body);
		bind_blob(s, 22, p->other.body);
	}
	return results_run(s);
}

static int store_waiting(struct results *r)
{
	struct stored_pair row;
	int rc = r->waiting.err;

	while (!rc && buf_len(&r->waiting)) {
		memcpy(&row, buf_span(&r->waiting).data, sizeof row);
		buf_consume(&r->waiting, sizeof row);
		bind_pair(r->statements[STATEMENT_PAIR], &row);
		rc = results_run(r->statements[STATEMENT_PAIR]);
	}
	return rc;
}

/* But the first, which lies in the pair. */
static int store_rows(struct results *r, sqlite3_int64 pair, const struct comparison *c)
{
	sqlite3_stmt *s = r->statements[STATEMENT_ROW];
	int rc = 0;

	for (uint32_t i = 1; !rc && i < c->row_count; i++) {
		const float *scores = NULL;
		unsigned count = scores_of(c, i, &scores);

		sqlite3_bind_int64(s, 1, pair);
		bind_integer(s, 2, i);
		bind_integer(s, 3, row_flags(&c->rows[i]));
		bind_measures(s, 4, &c->rows[i]);
		bind_scores(s, 8, scores, count);
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

static int store(struct results *r, const struct results_pair *p, const struct tally *t,
                 const struct observation *o)
{
	unsigned stratum = results_stratum(r, p, o);
	sqlite3_int64 n = results_place(r, stratum, p->id);
	int rc = 0;

	if (n) {
		rc = store_pair(r, p, (unsigned)(t - r->tallies), n, o);
		if (rc)
			return rc;
		rc = store_rows(r, n, p->comparison);
		if (!rc)
			rc = store_divergences(r, n, o);
	}
	if (!rc)
		rc = results_batch_note(r, p, n, o);
	if (n && !rc)
		results_kept(r, stratum, stored_bytes(p));
	else if (n && (store_waiting(r) || results_drop(r, n)))
		rc = ERR_SYS;
	return rc;
}

int results_add(struct results *r, const struct results_pair *p)
{
	struct observation o;
	struct tally *t;
	int rc = begin_batch(r);

	if (rc)
		return rc;
	results_observe(r, p, &o);
	t = results_segment(r, p->route, p->candidate, &o.versions);
	if (!t)
		return 0;
	rc = store(r, p, t, &o);
	if (rc)
		return rc;
	results_count(r, t, &o);
	t->batch = r->batch;
	return results_bound(r, false);
}

int results_forget(struct results *r, uint64_t id, uint16_t route, uint16_t candidate)
{
	int64_t n;
	int rc;

	if (!results_batch_forget(r, id, route, candidate, &n))
		return 0;
	r->stale = true;
	rc = begin(r);
	if (!rc && n)
		rc = results_drop(r, n);
	return rc;
}

int results_commit(struct results *r)
{
	int rc;

	if (!r->in_transaction)
		return 0;
	if (sqlite3_get_autocommit(r->db)) /* a failed statement ended the transaction */
		return ERR_SYS;
	rc = store_waiting(r);
	if (!rc)
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

int results_abandon(struct results *r)
{
	int rc;

	results_roll_back(r);
	r->in_transaction = r->adding = false;
	buf_reset(&r->waiting);
	r->waiting.err = 0;
	results_reset_strata(r);
	r->sequence = 1;
	rc = results_load_tallies(r);
	if (!rc)
		rc = results_batch_load(r);
	return rc;
}

int results_try(struct results *r)
{
	int rc = results_execute(r, "BEGIN IMMEDIATE; INSERT OR REPLACE INTO meta"
	                            " VALUES('room', hex(zeroblob(131072))); COMMIT");

	results_roll_back(r);
	if (!rc)
		rc = results_execute(r, "DELETE FROM meta WHERE key = 'room'");
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
	bind_text(s, 11, gate->slice);
	bind_integer(s, 12, !(gate->advisory & 1));
	bind_text(s, 13, result->why ? result->why : "");
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
		results_roll_back(r);
	close_database(r);
	for (unsigned i = 0; r->stored && i < SEGMENTS_MAX * r->tally_count; i++)
		buf_fini(&r->stored[i]);
	free(r->stored);
	buf_fini(&r->observations);
	buf_fini(&r->waiting);
	free(r->strata);
	free(r->strata_before);
	free(r->route_slices);
	free(r->references);
	free(r->tallies);
	free(r->source);
	free(r->directory);
	free(r->run_id);
	free(r);
	*handle = NULL;
}
