/*
 * runs_pairs.c - `understudy runs pairs`: the stored pairs that an expression means, one a line as JSON.
 */
#include "tools/runs_pairs.h"

#include <math.h>
#include <sqlite3.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/run.h"
#include "tools/where.h"

/* A field is the column of the same place. */
const struct where_field runs_pair_fields[] = {
        {"id", "16 hexadecimal digits, as show takes it", false},
        {"time", "when the request was seen, RFC 3339 in UTC; a beginning of it compares too", false},
        {"route", "the route's name", false},
        {"candidate", "its name", false},
        {"slice", "NAME=VALUE", false},
        {"against", "whose answer it was compared with: live or baseline", false},
        {"diverged", "1 or 0", true},
        {"drilled", "1 when it met a fault of ours", true},
        {"status", "of live's answer", true},
        {"candidate_status", "of the candidate's", true},
        {"latency_ms", "of live's answer", true},
        {"candidate_latency_ms", "of the candidate's", true},
        {"rows", "predictions in the pair", true},
        {"rows_diverged", "how many of them diverged", true},
        {"first_difference", "where it diverged first", false},
        {"classes", "of divergence, with blanks around each: classes =~ '* label_flip *'", false},
        {0},
};

static const char sql[] =
        "SELECT id, strftime('%Y-%m-%dT%H:%M:%S', seen_us / 1000000, 'unixepoch') || printf('.%06dZ', "
        "seen_us % "
        "1000000), route, candidate, slice, against, diverged, drilled, live_status, candidate_status, "
        "live_us / 1e3, candidate_us / 1e3, rows, rows_diverged, where_, "
        "(SELECT ' ' || group_concat(class, ' ') || ' ' FROM divergence d WHERE d.pair = p.n) FROM pair p "
        "ORDER BY seen_us, p.n";

static struct where_value value_of(void *arg, unsigned field)
{
	sqlite3_stmt *s = arg;
	const char *text = (const char *)sqlite3_column_text(s, (int)field);

	if (!text)
		return (struct where_value){0};
	return (struct where_value){.known = true,
	                            .number = sqlite3_column_double(s, (int)field),
	                            .text = {text, (size_t)sqlite3_column_bytes(s, (int)field)}};
}

static void print_pair(sqlite3_stmt *s, struct buf *b)
{
	buf_reset(b);
	for (unsigned i = 0; runs_pair_fields[i].name; i++) {
		struct where_value v = value_of(s, i);

		if (!v.known)
			continue;
		buf_printf(b, "%s\"%s\":", i ? "," : "{", runs_pair_fields[i].name);
		if (runs_pair_fields[i].number)
			buf_printf(b, "%.15g", v.number);
		else
			buf_json_string(b, v.text);
	}
	buf_puts(b, "}\n");
	fwrite(buf_span(b).data, 1, buf_len(b), stdout);
}

static int print_all(sqlite3 *db, const struct where *where)
{
	sqlite3_stmt *s = NULL;
	struct buf line;
	int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

	buf_init(&line, 1 << 20);
	while (rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		if (where_holds_of(where, runs_pair_fields, value_of, s))
			print_pair(s, &line);
	if (rc == SQLITE_OK)
		rc = sqlite3_reset(s);
	sqlite3_finalize(s);
	buf_fini(&line);
	return rc;
}

int runs_pairs(const char *name, const char *expression)
{
	struct where where;
	char directory[1024], path[1100];
	sqlite3 *db = NULL;
	int status = where_read(&runs_command, expression, runs_pair_fields, &where), rc;

	if (status >= 0)
		return status;
	if (run_find(name, directory))
		return 3;
	snprintf(path, sizeof path, "%s/results.db", directory);
	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
	if (rc == SQLITE_OK)
		rc = print_all(db, &where);
	if (rc != SQLITE_OK)
		fprintf(stderr, "understudy: runs: %s: %s\n", path,
		        db ? sqlite3_errmsg(db) : "out of memory");
	sqlite3_close(db);
	return rc == SQLITE_OK ? 0 : 3;
}

void runs_pairs_manual(FILE *f)
{
	where_manual_of(runs_pair_fields, "a pair", f);
}
