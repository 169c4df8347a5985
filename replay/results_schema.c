/*
 * results_schema.c - the tables of results.db, the views that people read, and the statements that are run.
 *
 * A pair that agreed is one short row of integers: no index, no text, its first row inside. What is kept when
 * the run grows past its bound follows from the order of `n` alone (results_keep.c), so pairs are stored in
 * no order that means anything to a reader. `scores` are floats: live's shares, then the candidate's.
 */
#include "replay/results_inside.h"

/* RFC 3339 with microseconds. */
#define SEEN_AT                                                                                              \
	"strftime('%Y-%m-%dT%H:%M:%S', seen_us / 1000000, 'unixepoch') || printf('.%06dZ', seen_us % "       \
	"1000000)"

/* What the three views for people begin with. */
#define WHOSE "SELECT id, route, candidate, slice, against, " SEEN_AT " AS time, seen_us, "

static const char schema[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=4194304;"
        "PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-1024;"
        "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS state(route TEXT, candidate TEXT, segment INTEGER, before BLOB,"
        " now BLOB, PRIMARY KEY(route, candidate, segment)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS last_batch(n INTEGER PRIMARY KEY, sequence INTEGER, observations BLOB);"
        "CREATE TABLE IF NOT EXISTS least_kept(stratum INTEGER PRIMARY KEY, band INTEGER, asked INTEGER);"
        "CREATE TABLE IF NOT EXISTS asked(n INTEGER PRIMARY KEY, route TEXT, candidate TEXT, slice TEXT,"
        " segment INTEGER, number INTEGER);"
        "CREATE TABLE IF NOT EXISTS stored_pair(n INTEGER PRIMARY KEY, number INTEGER, asked INTEGER,"
        " bytes INTEGER, seen_us INTEGER, flags INTEGER, live_status INTEGER, candidate_status INTEGER,"
        " live_us INTEGER, candidate_us INTEGER, rows INTEGER, rows_diverged INTEGER, live_label INTEGER,"
        " candidate_label INTEGER, js_bits REAL, tv REAL, slice TEXT, where_ TEXT, request_head BLOB,"
        " request_body BLOB, live_body BLOB, candidate_body BLOB, request_id TEXT, scores BLOB);"
        "CREATE TABLE IF NOT EXISTS stored_row(pair INTEGER, row INTEGER, flags INTEGER, live_label INTEGER,"
        " candidate_label INTEGER, js_bits REAL, tv REAL, scores BLOB, PRIMARY KEY(pair, row)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS divergence(pair INTEGER NOT NULL, class TEXT NOT NULL, unit TEXT,"
        " count INTEGER, PRIMARY KEY(pair, class)) WITHOUT ROWID;"
        "CREATE INDEX IF NOT EXISTS divergence_class ON divergence(class, pair);"
        "CREATE TABLE IF NOT EXISTS gate(route TEXT, candidate TEXT, metric TEXT, limit_ REAL, value REAL,"
        " low REAL, high REAL, state TEXT, needed INTEGER, because TEXT, slice TEXT, critical INTEGER, why "
        "TEXT,"
        " PRIMARY KEY(route, candidate, metric, slice)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS slice(route TEXT, candidate TEXT, slice TEXT, pairs INTEGER,"
        " diverged INTEGER, PRIMARY KEY(route, candidate, slice)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS timeline(route TEXT, candidate TEXT, pairs INTEGER, at_us INTEGER,"
        " diverged INTEGER, low REAL, high REAL, PRIMARY KEY(route, candidate, pairs)) WITHOUT ROWID;"
        /* flags of a pair: its own, those of its first row two bits further up, and 16 */
        "CREATE VIEW IF NOT EXISTS pair AS SELECT p.n, printf('%016x', p.number) AS id, route, candidate,"
        " seen_us, flags & 1 AS diverged, flags >> 4 & 1 AS drilled, live_status, candidate_status, live_us, "
        "candidate_us, rows,"
        " rows_diverged, CASE flags & 2 WHEN 0 THEN 'live' ELSE 'baseline' END AS against,"
        " COALESCE(p.slice, a.slice) AS slice, where_, request_head, request_body, live_body,"
        " candidate_body, p.number, a.segment, COALESCE(p.request_id, printf('%016x', p.number)) AS "
        "request_id,"
        /* pairs of one candidate that are not in the sample are stored for what they are, not by chance */
        " (p.n >> 40 & 127) >= COALESCE((SELECT MAX(band) FROM least_kept k WHERE k.asked = a.number), 0)"
        " AS sampled FROM stored_pair p JOIN asked a ON a.n = p.asked;"
        "CREATE VIEW IF NOT EXISTS \"row\" AS SELECT n AS pair, 0 AS row, flags >> 2 & 1 AS diverged,"
        " flags >> 3 & 1 AS flipped, live_label, candidate_label, js_bits, tv, scores FROM stored_pair WHERE "
        "rows > "
        "0 UNION ALL SELECT pair, row, flags & 1, flags >> 1 & 1, live_label, candidate_label, js_bits, tv,"
        " scores FROM stored_row;"
        "CREATE VIEW IF NOT EXISTS pairs AS " WHOSE
        "segment, diverged, drilled, live_status, candidate_status, live_us, candidate_us, rows, "
        "rows_diverged,"
        " where_ AS first_difference FROM pair;"
        "CREATE VIEW IF NOT EXISTS divergences AS " WHOSE
        "d.class, d.unit, d.count, where_ AS first_difference FROM divergence d JOIN pair ON n = d.pair;"
        "CREATE VIEW IF NOT EXISTS predictions AS " WHOSE
        "w.row, w.diverged, w.flipped, w.live_label, w.candidate_label, w.js_bits, w.tv"
        " FROM \"row\" w JOIN pair ON n = w.pair;";

static const char *const sql[STATEMENTS] = {
        [STATEMENT_PAIR] = "INSERT INTO stored_pair VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [STATEMENT_ROW] = "INSERT INTO stored_row VALUES(?,?,?,?,?,?,?,?)",
        [STATEMENT_DIVERGENCE] = "INSERT INTO divergence VALUES(?,?,?,?)",
        [STATEMENT_GATE] = "INSERT OR REPLACE INTO gate VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [STATEMENT_SLICE] = "INSERT OR REPLACE INTO slice VALUES(?,?,?,?,?)",
        [STATEMENT_TIMELINE] = "INSERT OR REPLACE INTO timeline VALUES(?,?,?,?,?,?,?)",
        [STATEMENT_OBSERVATIONS] = "INSERT OR REPLACE INTO last_batch VALUES(1,?,?)",
        [STATEMENT_NEXT_PAIR] =
                "SELECT n FROM stored_pair WHERE n >= ? AND n < ? ORDER BY n LIMIT 1 OFFSET ?",
        [STATEMENT_SUM_PAIRS] = "SELECT TOTAL(bytes), COUNT(*) FROM stored_pair WHERE n >= ? AND n < ?",
        [STATEMENT_DROP_ROWS] = "DELETE FROM stored_row WHERE pair >= ? AND pair < ?",
        [STATEMENT_DROP_DIVERGENCES] = "DELETE FROM divergence WHERE pair >= ? AND pair < ?",
        [STATEMENT_DROP_PAIRS] = "DELETE FROM stored_pair WHERE n >= ? AND n < ?",
        [STATEMENT_LEAST] = "INSERT OR REPLACE INTO least_kept VALUES(?,?,?)",
        [STATEMENT_STATE] = "INSERT OR REPLACE INTO state VALUES(?,?,?,?,?)",
        [STATEMENT_ASKED] = "INSERT OR REPLACE INTO asked VALUES(?,?,?,?,?,?)",
};

int results_prepare(struct results *r)
{
	int rc = results_execute(r, schema);

	for (int i = 0; !rc && i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(r->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &r->statements[i],
		                       NULL) != SQLITE_OK)
			rc = ERR_SYS;
	return rc;
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

void results_roll_back(struct results *r)
{
	if (!sqlite3_get_autocommit(r->db))
		(void)results_execute(r, "ROLLBACK");
}
