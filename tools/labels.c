/* Ground truth that comes later: labels are joined to the rows of a run's pairs, and say who was right. */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replay/evidence.h"
#include "replay/gate.h"
#include "replay/truth.h"
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
        "CREATE TEMP TABLE answer AS SELECT p.route, p.candidate, p.n, p.seen_us, p.slice, p.sampled,"
        " p.diverged, w.row, w.live_label, w.candidate_label, w.scores, l.label, l.conflicting,"
        " l.at_us > p.seen_us + %.17g AS late"
        " FROM run.pair p JOIN run.\"row\" w ON w.pair = p.n LEFT JOIN label l ON l.request_id = p.request_id"
        " AND l.row = w.row WHERE p.against = 'live' AND NOT p.drilled AND w.live_label IS NOT NULL";

static const char insert[] =
        "INSERT INTO label(request_id, row, label, at_us) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE"
        " SET conflicting = conflicting OR label <> excluded.label";

/* The rows of one pair after the other, those of a candidate together. */
static const char rows[] = "SELECT * FROM answer ORDER BY route, candidate, seen_us, n, row";
enum {
	AT_ROUTE,
	AT_CANDIDATE,
	AT_PAIR,
	AT_SEEN,
	AT_SLICE,
	AT_SAMPLED,
	AT_DIVERGED,
	AT_ROW,
	AT_LIVE,
	AT_OTHER,
	AT_SCORES,
	AT_LABEL,
	AT_CONFLICTING,
	AT_LATE
};

static uint64_t column(sqlite3_stmt *s, int i)
{
	return (uint64_t)sqlite3_column_int64(s, i);
}

static double share(uint64_t k, uint64_t n)
{
	return n ? (double)k / (double)n : NAN;
}

/* --- the figures --- */

static void put_share(struct buf *b, const char *name, double value)
{
	buf_printf(b, isfinite(value) ? "\"%s\":%.12g," : "\"%s\":null,", name, value);
}

static void put_ci(struct buf *b, const char *name, struct interval ci)
{
	buf_printf(b, "\"%s\":[%.12g,%.12g],", name, ci.low, ci.high);
}

static void put_side(struct buf *b, const char *name, const struct calibration *c)
{
	buf_printf(b, "\"%s\":{", name);
	put_share(b, "ece", calibration_error(c));
	put_share(b, "brier", calibration_brier(c));
	put_share(b, "log_loss", calibration_log_loss(c));
	buf_printf(b, "\"rows\":%llu}", (unsigned long long)c->n);
}

/* Of rows whose answers are shares of classes that were kept. */
static void tell_calibration(const struct truth *t, struct buf *b)
{
	struct interval ci = truth_brier_change(t, GATE_ALPHA);
	char interval[80];

	if (!t->calibrated[TRUTH_LIVE].n)
		return;
	printf("  calibration of %llu rows: ECE %.4f, candidate %.4f; Brier %.4f, %.4f, change %s; log loss "
	       "%.4f, %.4f\n",
	       (unsigned long long)t->calibrated[TRUTH_LIVE].n, calibration_error(&t->calibrated[TRUTH_LIVE]),
	       calibration_error(&t->calibrated[TRUTH_CANDIDATE]),
	       calibration_brier(&t->calibrated[TRUTH_LIVE]),
	       calibration_brier(&t->calibrated[TRUTH_CANDIDATE]),
	       run_figures(ci.low, ci.high, "ratio", interval),
	       calibration_log_loss(&t->calibrated[TRUTH_LIVE]),
	       calibration_log_loss(&t->calibrated[TRUTH_CANDIDATE]));
	buf_puts(b, ",\"calibration\":{");
	put_ci(b, "brier_change_ci", ci);
	put_side(b, "live", &t->calibrated[TRUTH_LIVE]);
	buf_puts(b, ",");
	put_side(b, "candidate", &t->calibrated[TRUTH_CANDIDATE]);
	buf_puts(b, "}");
}

static void tell_odds(const struct truth *t, struct buf *b)
{
	struct truth_odds live, other;
	unsigned groups = truth_odds(t, TRUTH_LIVE, GATE_ALPHA / 2, &live);
	char one[32], two[32], first[80], second[80];

	if (!t->fairness.on)
		return;
	(void)truth_odds(t, TRUTH_CANDIDATE, GATE_ALPHA / 2, &other);
	printf("  equalised odds of label %u by %s, %u groups: live %s %s, candidate %s %s apart\n",
	       t->fairness.label, t->fairness.slice, groups, run_figure(live.value, "", one),
	       run_figures(live.ci.low, live.ci.high, "", first), run_figure(other.value, "", two),
	       run_figures(other.ci.low, other.ci.high, "", second));
	buf_puts(b, ",\"equalised_odds\":{\"slice\":");
	buf_json_string(b, span_of(t->fairness.slice));
	buf_printf(b, ",\"label\":%u,\"min_rows\":%u,\"groups\":%u,", t->fairness.label, t->fairness.min_rows,
	           groups);
	put_share(b, "live", live.value);
	put_ci(b, "live_ci", live.ci);
	put_share(b, "candidate", other.value);
	put_ci(b, "candidate_ci", other.ci);
	put_share(b, "change", other.value - live.value);
	buf_printf(b, "\"left_out\":%llu}", (unsigned long long)t->left_out);
}

static void tell(const char *route, const char *name, const struct truth *t, struct buf *b)
{
	struct interval ci = truth_change(t, GATE_ALPHA, GATE_T_OPT);
	double change = share(t->right[TRUTH_CANDIDATE], t->joined) - share(t->right[TRUTH_LIVE], t->joined);
	double p = evidence_p(truth_mcnemar(t)), unlike = truth_unlike_rest(t, GATE_T_OPT);
	char live[32], candidate[32], moved[32], interval[80];

	printf("%s on %s: %llu of %llu rows have a label; live right %s, candidate %s: %s %s\n", name, route,
	       (unsigned long long)t->joined, (unsigned long long)t->rows,
	       run_figure(share(t->right[TRUTH_LIVE], t->joined), "", live),
	       run_figure(share(t->right[TRUTH_CANDIDATE], t->joined), "", candidate),
	       run_figure(change, "", moved), run_figures(ci.low, ci.high, "", interval));
	printf("  only live right %llu, only the candidate %llu: McNemar, watched, p %.3g; labelled rows "
	       "%s\n",
	       (unsigned long long)t->live_only, (unsigned long long)t->candidate_only, p,
	       t->joined == t->rows            ? "are all"
	       : unlike >= log(2 / GATE_ALPHA) ? "DIVERGE OTHERWISE THAN THE REST"
	                                       : "diverge like the rest, as far as can be told");
	if (t->set_aside)
		printf("  %llu rows more are set aside: their pairs were kept because they diverged, when "
		       "others like them were dropped\n",
		       (unsigned long long)t->set_aside);
	buf_puts(b, buf_span(b).data[buf_len(b) - 1] == '[' ? "{\"name\":" : ",{\"name\":");
	buf_json_string(b, span_of(name));
	buf_puts(b, ",\"route\":");
	buf_json_string(b, span_of(route));
	buf_printf(b,
	           ",\"rows\":%llu,\"joined\":%llu,\"late\":%llu,\"conflicting\":%llu,\"pending\":%llu,"
	           "\"set_aside\":%llu,",
	           (unsigned long long)t->rows, (unsigned long long)t->joined, (unsigned long long)t->late,
	           (unsigned long long)t->conflicting,
	           (unsigned long long)(t->rows - t->joined - t->late - t->conflicting),
	           (unsigned long long)t->set_aside);
	put_share(b, "live_accuracy", share(t->right[TRUTH_LIVE], t->joined));
	put_share(b, "candidate_accuracy", share(t->right[TRUTH_CANDIDATE], t->joined));
	put_share(b, "accuracy_change", change);
	put_ci(b, "accuracy_change_ci", ci);
	buf_printf(b,
	           "\"live_only\":%llu,\"candidate_only\":%llu,\"mcnemar_p\":%.12g,\"labelled_like_rest\":%s",
	           (unsigned long long)t->live_only, (unsigned long long)t->candidate_only, p,
	           unlike >= log(2 / GATE_ALPHA) ? "false" : "true");
	tell_calibration(t, b);
	tell_odds(t, b);
	buf_puts(b, "}");
}

/* What the run's summary says of the candidate's fairness. */
static void read_fairness(const struct node *summary, const char *route, const char *name, struct truth *t)
{
	const struct node *c = doc_get(summary, "candidates");

	for (c = c ? c->child : NULL; c; c = c->next) {
		const struct node *f = doc_get(c, "fairness");

		if (!f || strcmp(doc_text(c, "route"), route) != 0 || strcmp(doc_text(c, "name"), name) != 0)
			continue;
		t->fairness.on = true;
		snprintf(t->fairness.slice, sizeof t->fairness.slice, "%s", doc_text(f, "slice"));
		t->fairness.label = (uint32_t)doc_number(f, "label");
		t->fairness.min_rows = (uint32_t)doc_number(f, "min_rows");
	}
}

static void take_row(struct truth *t, sqlite3_stmt *s)
{
	bool labelled = sqlite3_column_type(s, AT_LABEL) != SQLITE_NULL;

	truth_add(t, &(struct truth_row){
	                     .pair = column(s, AT_PAIR),
	                     .sampled = column(s, AT_SAMPLED),
	                     .diverged = column(s, AT_DIVERGED),
	                     .state = !labelled                   ? TRUTH_PENDING
	                              : column(s, AT_CONFLICTING) ? TRUTH_CONFLICTING
	                              : column(s, AT_LATE)        ? TRUTH_LATE
	                                                          : TRUTH_JOINED,
	                     .given = {column(s, AT_LIVE), column(s, AT_OTHER)},
	                     .label = column(s, AT_LABEL),
	                     .slice = (const char *)sqlite3_column_text(s, AT_SLICE),
	                     .scores = sqlite3_column_blob(s, AT_SCORES),
	                     .classes = (unsigned)sqlite3_column_bytes(s, AT_SCORES) / (2 * sizeof(float)),
	             });
}

static int tell_candidates(const struct node *summary, struct buf *b)
{
	static struct truth t;
	char route[256] = "", name[256] = "";
	sqlite3_stmt *s;
	int step;

	if (sqlite3_prepare_v2(job.db, rows, -1, &s, NULL) != SQLITE_OK)
		return ERR_SYS;
	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		const char *at = (const char *)sqlite3_column_text(s, AT_ROUTE),
		           *who = (const char *)sqlite3_column_text(s, AT_CANDIDATE);

		if (strcmp(at, route) != 0 || strcmp(who, name) != 0) {
			truth_end(&t);
			if (*name)
				tell(route, name, &t, b);
			t = (struct truth){0};
			snprintf(route, sizeof route, "%s", at);
			snprintf(name, sizeof name, "%s", who);
			read_fairness(summary, route, name, &t);
		}
		take_row(&t, s);
	}
	truth_end(&t);
	if (*name)
		tell(route, name, &t, b);
	sqlite3_finalize(s);
	return step == SQLITE_DONE ? 0 : ERR_SYS;
}

static int tell_all(const char *directory, struct buf *b)
{
	uint64_t orphans = 0, labels = 0;
	struct node *summary = NULL;
	char path[1100];
	sqlite3_stmt *s = NULL;
	FILE *f;
	int rc;

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
	snprintf(path, sizeof path, "%s/summary.json", directory);
	if (doc_load(path, &summary))
		summary = NULL; /* a run that has none has no fairness either */
	rc = tell_candidates(summary, b);
	doc_free(&summary);
	if (rc)
		return rc;
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
                 "late, conflicting and of no pair, how right live and each candidate were, a McNemar\n"
                 "test that may be looked at as often as labels come, calibration where answers are\n"
                 "shares of at most 32 classes, and equalised odds where the route has a fairness.\n"
                 "Once a run is past its max_size, only pairs of a fair sample count. Labels are kept in\n"
                 "RUN/labels.db, the figures in RUN/labels.json. FILE (or -) has JSON lines:\n"
                 "{\"request_id\": ID, \"row\": 0, \"label\": 3, \"at_us\": WALL}, row and at_us left out\n"
                 "at will, or SageMaker's ground truth: its eventId, and labels with commas between.",
        .flags = flags,
        .verbs = verbs,
        .status = "0 done, 2 usage, 3 the run or the file cannot be read",
        .examples = "understudy labels add last truth.jsonl --window 7d",
};
