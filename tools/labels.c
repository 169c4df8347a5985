/* Ground truth that comes later: labels are joined to the rows of a run's pairs, and say who was right. */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "replay/evidence.h"
#include "replay/gate.h"
#include "tools/commands.h"
#include "tools/run.h"

enum { LINE_MAX_BYTES = 1 << 20, LABEL_MAX = 1000000, ROW_MAX = 65536 };

static const char *config, *key, *window;

static struct {
	sqlite3 *db;
	sqlite3_stmt *put;
	uint64_t wrong;   /* lines that are no label */
	double window_us; /* infinite: none */
} job;

/* --- the file --- */

static int put(const char *id, double row, double label, double at_us)
{
	if (!*id || !(row >= 0 && row < ROW_MAX) || !(label >= 0 && label <= LABEL_MAX) ||
	    row != floor(row) || label != floor(label))
		return ERR_PROTO;
	sqlite3_bind_text(job.put, 1, id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(job.put, 2, (sqlite3_int64)row);
	sqlite3_bind_int64(job.put, 3, (sqlite3_int64)label);
	if (isfinite(at_us))
		sqlite3_bind_int64(job.put, 4, (sqlite3_int64)at_us);
	if (sqlite3_step(job.put) != SQLITE_DONE)
		return ERR_SYS;
	sqlite3_reset(job.put);
	sqlite3_clear_bindings(job.put);
	return 0;
}

/* SageMaker's ground truth: one line an exchange, its labels as comma-separated values. */
static int put_sagemaker(const struct node *line)
{
	const char *id = doc_text(doc_get(line, "eventMetadata"), "eventId");
	const char *data = doc_text(doc_get(line, "groundTruthData"), "data"), *at = data;

	for (int row = 0;; row++) {
		char *end;
		double label = strtod(at, &end);
		int err = end == at ? ERR_PROTO : put(id, row, label, NAN);

		if (err || !*end)
			return err;
		if (*end != ',')
			return ERR_PROTO;
		at = end + 1;
	}
}

static int put_line(struct span text)
{
	struct node *line = NULL;
	const struct node *row;
	int err = doc_parse(text, &line);

	if (err)
		return ERR_PROTO;
	row = doc_get(line, "row");
	err = doc_get(line, "groundTruthData") ? put_sagemaker(line)
	                                       : put(doc_text(line, "request_id"), row ? doc_value(row) : 0,
	                                             doc_number(line, "label"), doc_number(line, "at_us"));
	doc_free(&line);
	return err;
}

static int read_file(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;
	char *text = malloc(LINE_MAX_BYTES);
	int err = 0;

	if (!f || !text) {
		fprintf(stderr, "understudy: labels: cannot read %s\n", path);
		err = ERR_SYS;
	}
	while (!err && fgets(text, LINE_MAX_BYTES, f)) {
		size_t n = strcspn(text, "\r\n");

		int taken = n ? put_line((struct span){text, n}) : 0;

		job.wrong += taken == ERR_PROTO;
		if (taken == ERR_SYS)
			err = ERR_SYS;
	}
	if (f && f != stdin)
		fclose(f);
	free(text);
	return err;
}

/* --- the join --- */

static const char schema[] =
        "CREATE TABLE IF NOT EXISTS label(request_id TEXT, row INTEGER, label INTEGER, at_us INTEGER,"
        " conflicting INTEGER DEFAULT 0, PRIMARY KEY(request_id, row)) WITHOUT ROWID";

/* %.17g: how long after its request a label may come. us */
static const char join[] =
        "CREATE TEMP TABLE answer AS SELECT p.route, p.candidate, p.diverged, w.live_label,"
        " w.candidate_label, l.label, l.conflicting, l.at_us > p.seen_us + %.17g AS late"
        " FROM run.pair p JOIN run.\"row\" w ON w.pair = p.n LEFT JOIN label l ON l.request_id = p.request_id"
        " AND l.row = w.row WHERE p.against = 'live' AND NOT p.drilled AND w.live_label IS NOT NULL";

static const char insert[] =
        "INSERT INTO label(request_id, row, label, at_us) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE"
        " SET conflicting = conflicting OR label <> excluded.label";

/* Of one candidate. */
struct tally {
	uint64_t rows, joined, late, conflicting, live_right, candidate_right, live_only, candidate_only;
	uint64_t diverged, joined_diverged;
};

static uint64_t column(sqlite3_stmt *s, int i)
{
	return (uint64_t)sqlite3_column_int64(s, i);
}

static const char sums[] =
        "SELECT route, candidate, COUNT(*), SUM(ok), SUM(late IS 1 AND conflicting IS 0),"
        " SUM(conflicting IS 1), SUM(ok AND live_label = label), SUM(ok AND candidate_label = label),"
        " SUM(ok AND live_label = label AND candidate_label <> label),"
        " SUM(ok AND live_label <> label AND candidate_label = label), SUM(diverged), SUM(ok AND diverged)"
        " FROM (SELECT *, label IS NOT NULL AND conflicting = 0 AND late IS NOT 1 AS ok FROM answer)"
        " GROUP BY route, candidate ORDER BY route, candidate";

static double share(uint64_t k, uint64_t n)
{
	return n ? (double)k / (double)n : NAN;
}

static void put_share(struct buf *b, const char *name, double value)
{
	buf_printf(b, isfinite(value) ? "\"%s\":%.12g," : "\"%s\":null,", name, value);
}

/* Rows are told apart here; of a batch of several they are not independent, and the interval is too narrow.
 */
static void tell(sqlite3_stmt *s, const struct tally *t, struct buf *b)
{
	struct interval ci =
	        evidence_mcnemar_change(t->live_only, t->candidate_only, t->joined, GATE_ALPHA, GATE_T_OPT);
	double change = share(t->candidate_right, t->joined) - share(t->live_right, t->joined);
	double log_e = evidence_mcnemar(t->live_only, t->candidate_only, 100), unlike;
	uint64_t rest = t->rows - t->joined, rest_diverged = t->diverged - t->joined_diverged;
	char live[32], candidate[32], moved[32], interval[80];

	unlike = fmax(evidence_more_often(t->joined_diverged, t->joined, rest_diverged, rest, GATE_T_OPT),
	              evidence_more_often(rest_diverged, rest, t->joined_diverged, t->joined, GATE_T_OPT));
	printf("%s on %s: %llu of %llu rows have a label; live right %s, candidate %s: %s %s\n",
	       (const char *)sqlite3_column_text(s, 1), (const char *)sqlite3_column_text(s, 0),
	       (unsigned long long)t->joined, (unsigned long long)t->rows,
	       run_figure(share(t->live_right, t->joined), "", live),
	       run_figure(share(t->candidate_right, t->joined), "", candidate), run_figure(change, "", moved),
	       run_figures(ci.low, ci.high, "", interval));
	printf("  only live right %llu, only the candidate %llu: McNemar, watched, p %.3g; labelled rows "
	       "%s\n",
	       (unsigned long long)t->live_only, (unsigned long long)t->candidate_only, evidence_p(log_e),
	       !rest                           ? "are all"
	       : unlike >= log(2 / GATE_ALPHA) ? "DIVERGE OTHERWISE THAN THE REST"
	                                       : "diverge like the rest, as far as can be told");
	buf_puts(b, buf_span(b).data[buf_len(b) - 1] == '[' ? "{\"name\":" : ",{\"name\":");
	buf_json_string(b, span_of((const char *)sqlite3_column_text(s, 1)));
	buf_puts(b, ",\"route\":");
	buf_json_string(b, span_of((const char *)sqlite3_column_text(s, 0)));
	buf_printf(b, ",\"rows\":%llu,\"joined\":%llu,\"late\":%llu,\"conflicting\":%llu,\"pending\":%llu,",
	           (unsigned long long)t->rows, (unsigned long long)t->joined, (unsigned long long)t->late,
	           (unsigned long long)t->conflicting, (unsigned long long)(rest - t->late - t->conflicting));
	put_share(b, "live_accuracy", share(t->live_right, t->joined));
	put_share(b, "candidate_accuracy", share(t->candidate_right, t->joined));
	put_share(b, "accuracy_change", change);
	buf_printf(b, "\"accuracy_change_ci\":[%.12g,%.12g],\"live_only\":%llu,\"candidate_only\":%llu,",
	           ci.low, ci.high, (unsigned long long)t->live_only, (unsigned long long)t->candidate_only);
	buf_printf(b, "\"mcnemar_p\":%.12g,\"labelled_like_rest\":%s}", evidence_p(log_e),
	           unlike >= log(2 / GATE_ALPHA) ? "false" : "true");
}

static int tell_all(const char *directory, struct buf *b)
{
	uint64_t orphans = 0, labels = 0;
	char path[1100];
	sqlite3_stmt *s = NULL;
	FILE *f;

	if (sqlite3_prepare_v2(job.db,
	                       "SELECT COUNT(*), (SELECT COUNT(*) FROM label WHERE request_id NOT IN (SELECT "
	                       "request_id FROM run.pair)) FROM label",
	                       -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		return ERR_SYS;
	labels = column(s, 0);
	orphans = column(s, 1);
	sqlite3_finalize(s);
	printf("%llu labels, %llu of no stored pair; %llu lines that are no label\n",
	       (unsigned long long)labels, (unsigned long long)orphans, (unsigned long long)job.wrong);
	buf_printf(b, "{\"schema\":1,\"labels\":%llu,\"orphan\":%llu,\"candidates\":[",
	           (unsigned long long)labels, (unsigned long long)orphans);
	if (sqlite3_prepare_v2(job.db, sums, -1, &s, NULL) != SQLITE_OK)
		return ERR_SYS;
	while (sqlite3_step(s) == SQLITE_ROW) {
		struct tally t = {column(s, 2), column(s, 3), column(s, 4), column(s, 5),  column(s, 6),
		                  column(s, 7), column(s, 8), column(s, 9), column(s, 10), column(s, 11)};

		tell(s, &t, b);
	}
	sqlite3_finalize(s);
	buf_puts(b, "]}\n");
	snprintf(path, sizeof path, "%s/labels.json", directory);
	f = b->err ? NULL : fopen(path, "w");
	if (!f)
		return ERR_SYS;
	fwrite(buf_span(b).data, 1, buf_len(b), f);
	return fclose(f) ? ERR_SYS : 0;
}

/* The labels of all calls are kept in labels.db beside results.db, which is the judge's. */
static int open_all(const char *directory)
{
	char path[1100];
	sqlite3_stmt *s = NULL;
	int rc;

	snprintf(path, sizeof path, "%s/results.db", directory);
	if (access(path, R_OK))
		return ERR_SYS;
	snprintf(path, sizeof path, "%s/labels.db", directory);
	rc = sqlite3_open(path, &job.db);
	snprintf(path, sizeof path, "%s/results.db", directory);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(job.db, "ATTACH ? AS run", -1, &s, NULL);
	if (rc == SQLITE_OK)
		sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK && sqlite3_step(s) != SQLITE_DONE)
		rc = SQLITE_ERROR;
	sqlite3_finalize(s);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(job.db, schema, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(job.db, insert, -1, &job.put, NULL);
	return rc == SQLITE_OK ? 0 : ERR_SYS;
}

/* What is taken of a file that cannot be read to its end is taken back. */
static int take(const char *path)
{
	int rc = sqlite3_exec(job.db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK ? 0 : ERR_SYS;

	if (!rc)
		rc = read_file(path);
	sqlite3_finalize(job.put);
	job.put = NULL;
	return sqlite3_exec(job.db, rc ? "ROLLBACK" : "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? rc : ERR_SYS;
}

static int join_all(void)
{
	char text[1024];

	snprintf(text, sizeof text, join, isfinite(job.window_us) ? job.window_us : 9e18);
	return sqlite3_exec(job.db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : ERR_SYS;
}

static bool read_window(void)
{
	char *end;
	double n = window ? strtod(window, &end) : INFINITY;
	double unit = !window             ? 1
	              : !strcmp(end, "m") ? 60
	              : !strcmp(end, "h") ? 3600
	              : !strcmp(end, "d") ? 86400
	                                  : NAN;

	job.window_us = n * unit * 1e6;
	return !window || (end != window && n >= 0 && isfinite(job.window_us));
}

static int add(const struct words *words)
{
	char directory[1024];
	struct buf text;
	int rc;

	if (key && strcmp(key, "request_id"))
		return command_wrong(&labels_command, "--key %.80s: labels are joined by request_id", key);
	if (!read_window())
		return command_wrong(&labels_command,
		                     "--window %.40s: a time such as 90m, 12h or 7d is expected", window);
	if (run_search(config))
		return 2;
	if (run_find(words->at[0], directory))
		return 3;
	buf_init(&text, 1 << 20);
	rc = open_all(directory);
	if (!rc)
		rc = take(words->at[1]);
	if (!rc)
		rc = join_all();
	if (!rc)
		rc = tell_all(directory, &text);
	if (rc)
		fprintf(stderr, "understudy: labels: %s: %s\n", directory,
		        job.db ? sqlite3_errmsg(job.db) : "there are no results");
	sqlite3_finalize(job.put);
	sqlite3_close(job.db);
	buf_fini(&text);
	return rc ? 3 : 0;
}

static const struct command_flag flags[] = {
        {.name = "--key",
         .argument = "KEY",
         .sentence = "what names the exchange: request_id, the x-request-id that the client gave or that "
                     "live was told",
         .value = "request_id",
         .to = &key},
        {.name = "--window",
         .argument = "D",
         .sentence = "a label whose at_us is more than D (90m, 12h, 7d) behind its request is late",
         .to = &window},
        {.name = "--config",
         .letter = "-c",
         .argument = "FILE",
         .sentence = "look for runs in its run.directory too",
         .to = &config},
        {0},
};

static const struct command_verb verbs[] = {
        {"add", "RUN FILE", "join the labels of a file, and say who was right", add},
        {0},
};

const struct command labels_command = {
        .name = "labels",
        .does = "ground truth that comes later: who was right",
        .usage = "add RUN FILE [--window D] [--key request_id] [-c FILE]",
        .about = "Joins labels to the rows of a run's stored pairs, and prints which of them are joined,\n"
                 "late, conflicting and of no pair, how right live and each candidate were, and a\n"
                 "McNemar test that may be looked at as often as labels come. Labels are kept in\n"
                 "RUN/labels.db, the figures in RUN/labels.json. FILE (or -) has JSON lines:\n"
                 "{\"request_id\": ID, \"row\": 0, \"label\": 3, \"at_us\": WALL}, row and at_us left out\n"
                 "at will, or SageMaker's ground truth: its eventId, and labels with commas between.",
        .flags = flags,
        .verbs = verbs,
        .status = "0 done, 2 usage, 3 the run or the file cannot be read",
        .examples = "understudy labels add last truth.jsonl --window 7d",
};
