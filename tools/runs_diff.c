#include "tools/runs_diff.h"

#include <sqlite3.h>
#include <string.h>

/* --- figures --- */

static const struct node *same_candidate(const struct node *list, const struct node *c)
{
	for (const struct node *o = list ? list->child : NULL; o; o = o->next)
		if (!strcmp(doc_text(o, "name"), doc_text(c, "name")) &&
		    !strcmp(doc_text(o, "route"), doc_text(c, "route")))
			return o;
	return NULL;
}

/* Two intervals at 95 % that do not meet: a difference that is not chance. */
static const char *apart(double low_a, double high_a, double low_b, double high_b)
{
	return high_a < low_b ? "higher" : high_b < low_a ? "lower" : "no difference shown";
}

static void diff_rate(FILE *f, const struct node *a, const struct node *b, const char *rate, const char *ci)
{
	double low[2], high[2];
	char x[32], y[32], i[80], j[80];

	doc_interval(a, ci, &low[0], &high[0]);
	doc_interval(b, ci, &low[1], &high[1]);
	fprintf(f, "  %-21s %10s %-20s %10s %-20s %s\n", rate, run_figure(doc_number(a, rate), "pair", x),
	        run_figures(low[0], high[0], "pair", i), run_figure(doc_number(b, rate), "pair", y),
	        run_figures(low[1], high[1], "pair", j), apart(low[0], high[0], low[1], high[1]));
}

static void diff_design(FILE *f, const struct run *a, const struct run *b)
{
	static const char *const keys[] = {"config_hash", "gates_hash"};

	for (int i = 0; i < 2; i++)
		if (strcmp(doc_text(a->manifest, keys[i]), doc_text(b->manifest, keys[i])))
			fprintf(f, "the runs differ in %s\n", keys[i]);
}

void runs_diff_figures(const struct run *a, const struct run *b, FILE *f)
{
	const struct node *list = doc_get(a->summary, "candidates"), *other;
	char who[160];

	fprintf(f, "%s (%s) and %s (%s)\n", a->directory, doc_text(a->summary, "verdict"), b->directory,
	        doc_text(b->summary, "verdict"));
	diff_design(f, a, b);
	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		other = same_candidate(doc_get(b->summary, "candidates"), c);
		fprintf(f, "\n%s: ", run_who(a, c, who));
		if (!other) {
			fprintf(f, "only in the first\n");
			continue;
		}
		fprintf(f, "%.0f and %.0f pairs\n", doc_number(c, "pairs"), doc_number(other, "pairs"));
		diff_rate(f, c, other, "divergence_rate", "divergence_ci");
		diff_rate(f, c, other, "row_divergence_rate", "row_divergence_ci");
	}
	fputs("\n", f);
}

/* --- results --- */

/* Means add up in fixed point, whatever comes first. What is known of a mean while it is watched depends on
 * the order in which answers came, so intervals are left out: those of rates follow from their counts. */
static bool same(const struct node *a, const struct node *b)
{
	if (!a || !b)
		return a == b;
	if (a->key && b->key && !strcmp(a->key, "ci") && !strcmp(b->key, "ci"))
		return true;
	if (a->type != b->type || strcmp(a->key ? a->key : "", b->key ? b->key : "") ||
	    strcmp(a->text ? a->text : "", b->text ? b->text : ""))
		return false;
	a = a->child;
	b = b->child;
	while (a && b && same(a, b)) {
		a = a->next;
		b = b->next;
	}
	return a == b; /* both at their end */
}

static bool diff_member(const struct node *a, const struct node *b, const char *key, const char *whose,
                        FILE *f)
{
	if (same(doc_get(a, key), doc_get(b, key)))
		return true;
	fprintf(f, "%s%s%s is not the same\n", whose, *whose ? ": " : "", key);
	return false;
}

/* What the runs counted and measured, but times. */
static bool diff_sums(const struct run *a, const struct run *b, FILE *f)
{
	static const char *const keys[] = {"counts",          "pairs",   "rows",     "diverged",
	                                   "divergence_rate", "classes", "measures", NULL};
	const struct node *list = doc_get(a->summary, "candidates"),
	                  *others = doc_get(b->summary, "candidates"), *other;
	unsigned more = 0;
	bool alike = diff_member(a->summary, b->summary, "counts", "", f);
	char who[160];

	for (const struct node *c = others ? others->child : NULL; c; c = c->next)
		more++;
	for (const struct node *c = list ? list->child : NULL; c; c = c->next, more--) {
		other = same_candidate(others, c);
		run_who(a, c, who);
		if (!other)
			fprintf(f, "%s is only in the first\n", who);
		alike &= other != NULL;
		for (unsigned i = 0; other && keys[i]; i++)
			alike &= diff_member(c, other, keys[i], who, f);
	}
	return alike && !more;
}

/* Each pair's result: all but times, and bodies, of which rules leave out parts. */
#define RESULT(p)                                                                                            \
	"(" p ".diverged, " p ".live_status, " p ".candidate_status, " p ".rows, " p ".rows_diverged, " p    \
	".against, " p ".where_, (SELECT group_concat(class || ' ' || count) FROM (SELECT class, count "     \
	"FROM " p "_run.divergence WHERE pair = " p ".n ORDER BY class)), (SELECT group_concat(live_label "  \
	"|| ' ' || candidate_label || ' ' || js_bits || ' ' || tv) FROM (SELECT * FROM " p                   \
	"_run.\"row\" WHERE pair = " p ".n ORDER BY \"row\")))"

static const char pairs_sql[] = "SELECT a.id, candidate, " RESULT("a") " IS NOT " RESULT(
        "b") " AS differs FROM a_run.pair a JOIN b_run.pair b "
             "USING(number, route, candidate) ORDER BY differs DESC, number, candidate";

enum { TOLD_MAX = 10 };

static int attach(sqlite3 *db, const struct run *run, const char *as)
{
	char sql[64], path[1100];
	sqlite3_stmt *s = NULL;
	int rc;

	snprintf(sql, sizeof sql, "ATTACH ? AS %s", as);
	snprintf(path, sizeof path, "%s/results.db", run->directory);
	rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK && sqlite3_step(s) != SQLITE_DONE)
		rc = SQLITE_ERROR;
	sqlite3_finalize(s);
	return rc;
}

static void print_pairs(sqlite3_stmt *s, FILE *f, unsigned long long *pairs_out,
                        unsigned long long *differ_out)
{
	while (sqlite3_step(s) == SQLITE_ROW) {
		++*pairs_out;
		if (!sqlite3_column_int(s, 2) || ++*differ_out > TOLD_MAX)
			continue;
		fprintf(f, "%s %s: not the same\n", (const char *)sqlite3_column_text(s, 0),
		        (const char *)sqlite3_column_text(s, 1));
	}
}

/* False: they differ, or could not be read. */
static bool diff_pairs(const struct run *a, const struct run *b, FILE *f, unsigned long long *pairs_out)
{
	unsigned long long differ = 0;
	sqlite3_stmt *s = NULL;
	sqlite3 *db = NULL;
	bool read = false;

	if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	    attach(db, a, "a_run") == SQLITE_OK && attach(db, b, "b_run") == SQLITE_OK &&
	    sqlite3_prepare_v2(db, pairs_sql, -1, &s, NULL) == SQLITE_OK) {
		print_pairs(s, f, pairs_out, &differ);
		read = sqlite3_reset(s) == SQLITE_OK;
	}
	if (!read)
		fprintf(f, "their pairs cannot be read: %s\n", db ? sqlite3_errmsg(db) : "out of memory");
	else if (differ)
		fprintf(f, "%llu of %llu pairs that both have stored are not the same\n", differ, *pairs_out);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return read && !differ;
}

bool runs_diff_results(const struct run *a, const struct run *b, FILE *f)
{
	unsigned long long pairs = 0;
	bool alike = diff_sums(a, b, f);

	alike &= diff_pairs(a, b, f, &pairs);
	if (alike && pairs)
		fprintf(f, "what was compared came out the same: %llu pairs\n", pairs);
	else if (alike)
		fprintf(f, "no pair was stored by both\n");
	return alike && pairs;
}
