/*
 * report_html_candidate.c - what the page says of one candidate: gates, divergence, times, slices, examples.
 */
#include "tools/report_html_inside.h"

#include <math.h>

#include "tools/report_html.h"
#include "tools/report_svg.h"

enum { BODY_MAX = 4000, EXAMPLES = 3 };

/* Why this limit, and what else there is to know of it. */
static void gate_notes(struct buf *out, const struct node *g)
{
	struct buf notes;

	buf_init(&notes, 4096);
	run_gate_notes(g, &notes);
	buf_puts(out, "<td>");
	report_escape(out, span_of(doc_text(g, "because")), SENTENCE_MAX);
	buf_puts(out, buf_len(&notes) && *doc_text(g, "because") ? "; " : "");
	report_escape(out, buf_span(&notes), SENTENCE_MAX);
	buf_puts(out, "</td>");
	buf_fini(&notes);
}

static void gates(struct buf *out, const struct node *list)
{
	char a[32], ci[80];
	double low, high;

	if (!list || !list->child)
		return;
	html_table(out, "gate|limit|>value|>95 % interval||state|>needed|because");
	for (const struct node *g = list->child; g; g = g->next) {
		const char *metric = doc_text(g, "metric"), *unit = run_metric_unit(metric);

		doc_interval(g, "ci", &low, &high);
		buf_puts(out, "<tr>");
		html_cell(out, "", metric);
		buf_printf(out, "<td class=\"w\">%s %s</td>", run_metric_bound(metric),
		           run_figure(doc_number(g, "limit"), unit, a));
		html_cell(out, "n", run_figure(doc_number(g, "value"), unit, a));
		html_cell(out, "n", run_figures(low, high, unit, ci));
		buf_puts(out, "<td>");
		svg_gate(out, low, high, doc_number(g, "value"), doc_number(g, "limit"));
		buf_puts(out, "</td><td>");
		html_badge(out, doc_text(g, "state"));
		buf_puts(out, "</td>");
		html_count(out, doc_number(g, "needed"));
		gate_notes(out, g);
		buf_puts(out, "</tr>\n");
	}
	html_table_end(out);
}

static void class_row(struct buf *out, const char *name, const char *unit, double count, const char *value,
                      const char *interval)
{
	buf_puts(out, "<tr>");
	html_cell(out, "", name);
	html_cell(out, "", unit);
	html_count(out, count);
	html_cell(out, "n", value);
	html_cell(out, "n", interval);
	buf_puts(out, "</tr>\n");
}

/* Classes of which there was none: all have the same interval. */
static void absent_classes(struct buf *out, const struct node *list)
{
	double low, high, most = 0;
	char text[32];
	unsigned n = 0;

	for (const struct node *k = list ? list->child : NULL; k; k = k->next) {
		if (doc_number(k, "count") > 0)
			continue;
		doc_interval(k, "ci", &low, &high);
		most = fmax(most, high);
		buf_puts(out, n++ ? ", " : "<p class=\"dim\">none: ");
		html_word(out, doc_text(k, "class"));
	}
	if (n)
		buf_printf(out, " (each at most %s)</p>\n", run_figure(most, "", text));
}

static void classes(struct buf *out, const struct node *c)
{
	static const char *const measures[][3] = {
	        {"js_bits", "Jensen-Shannon, bits", "bits"},
	        {"tv", "total variation", "bits"},
	        {"hellinger", "Hellinger", "bits"},
	        {"top_overlap", "first 5 classes, shared", ""},
	        {"flip_margin", "margin at a flip", ""},
	        {"cosine_distance", "(1 - cosine) / 2", ""},
	        {"tau_distance", "ranks, (1 - tau-b) / 2", ""},
	        {"rbo", "ranks, RBO at 0.9", ""},
	        {"rank_overlap", "ranks, first 10 shared", ""},
	        {"mean_iou", "boxes, mean IoU", ""},
	        {"detection_f1", "boxes, F1 at IoU 0.5", ""},
	        {"edit_distance", "text, edit distance", ""},
	        {"token_f1", "text, F1 of tokens", ""},
	        {"rouge_l", "text, ROUGE-L", ""},
	        {"chrf", "text, chrF", ""},
	        {"same_start", "text, tokens before the first that differs", ""},
	        {"length_ratio", "text, shorter / longer", ""}};
	const struct node *list = doc_get(c, "classes");
	char value[32], ci[80];
	double low, high;

	html_table(out, "class or measure|unit|>count|>rate or mean|>95 % interval");
	for (const struct node *k = list ? list->child : NULL; k; k = k->next) {
		if (!(doc_number(k, "count") > 0))
			continue;
		doc_interval(k, "ci", &low, &high);
		class_row(out, doc_text(k, "class"), doc_text(k, "unit"), doc_number(k, "count"),
		          run_figure(doc_number(k, "rate"), "", value), run_figures(low, high, "", ci));
	}
	for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
		const struct node *m = doc_get(doc_get(c, "measures"), measures[i][0]);

		doc_interval(m, "ci", &low, &high);
		if (isfinite(doc_number(m, "mean")))
			class_row(out, measures[i][1], doc_text(m, "unit"), NAN,
			          run_figure(doc_number(m, "mean"), measures[i][2], value),
			          run_figures(low, high, measures[i][2], ci));
	}
	html_table_end(out);
	absent_classes(out, list);
}

static void stream_row(struct buf *out, const struct node *side, const char *who, const char *key,
                       const char *meaning)
{
	static const char *const quantiles[] = {"p50", "p90", "p99"};
	const struct node *f = doc_get(side, key);

	if (!isfinite(doc_number(f, "p50")))
		return;
	buf_puts(out, "<tr>");
	html_cell(out, "", meaning);
	html_cell(out, "", who);
	for (int q = 0; q < 3; q++)
		html_count(out, doc_number(f, quantiles[q]));
	buf_puts(out, "</tr>\n");
}

/* Of streamed answers. */
static void stream(struct buf *out, const struct node *c)
{
	static const char *const figures[][2] = {{"ttft", "time to the first token, us"},
	                                         {"token_gap", "between tokens (95th percentile), us"},
	                                         {"chunk_gap", "between chunks (95th percentile), us"},
	                                         {"tokens_per_second", "tokens a second"}};
	const struct node *s = doc_get(c, "stream");

	if (!s)
		return;
	html_table(out, "streamed answers|side|>p50|>p90|>p99");
	for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
		stream_row(out, doc_get(s, "live"), "live", figures[i][0], figures[i][1]);
		stream_row(out, doc_get(s, "candidate"), "candidate", figures[i][0], figures[i][1]);
	}
	html_table_end(out);
	if (doc_number(s, "pairs") > 0)
		buf_printf(out,
		           "<p class=\"dim\">The candidate's first token came later in %.0f of %.0f "
		           "pairs.</p>\n",
		           doc_number(s, "candidate_first_later"), doc_number(s, "pairs"));
}

/* Of declared regressions. */
static void agreement(struct buf *out, const struct node *c)
{
	const struct node *a = doc_get(c, "agreement");
	double low, high;

	if (!a)
		return;
	doc_interval(a, "limits", &low, &high);
	buf_printf(
	        out,
	        "<p>Values, candidate less live: bias %.6g, limits of agreement %.6g to %.6g (Bland-Altman, "
	        "%.0f elements); at most %.6g, relative %.6g, %.0f ULP.</p>\n",
	        doc_number(a, "bias"), low, high, doc_number(a, "elements"), doc_number(a, "abs_max"),
	        doc_number(a, "rel_max"), doc_number(a, "ulp_max"));
}

static void latency(struct buf *out, const struct node *c)
{
	static const char *const sides[] = {"live", "candidate"}, *const quantiles[] = {"p50", "p90", "p99"};
	const struct node *l = doc_get(c, "latency_us"), *ratio = doc_get(doc_get(l, "ratio"), "p99");
	const struct node *t = doc_get(c, "throughput");
	char value[32], ci[80];
	double low, high;

	html_table(out, "latency|>p50, us|>p90, us|>p99, us|>requests/s");
	for (int s = 0; s < 2; s++) {
		buf_puts(out, "<tr>");
		html_cell(out, "", s ? doc_text(c, "name") : "live");
		for (int q = 0; q < 3; q++)
			html_count(out, doc_number(doc_get(l, sides[s]), quantiles[q]));
		buf_printf(out,
		           isfinite(doc_number(t, "live_rps")) ? "<td class=\"n\">%.1f</td>" : "<td>-</td>",
		           doc_number(t, s ? "candidate_rps" : "live_rps"));
		buf_puts(out, "</tr>\n");
	}
	html_table_end(out);
	doc_interval(ratio, "ci", &low, &high);
	buf_printf(out, "<p class=\"dim\">p99 ratio to the baseline, or to live without one: %s %s</p>\n",
	           run_figure(doc_number(ratio, "value"), "ratio", value),
	           isfinite(high) ? run_figures(low, high, "ratio", ci) : "(too few pairs for its interval)");
}

static void slices(struct buf *out, const struct node *list)
{
	char rate[32], ci[80];
	double low, high;

	if (!list || !list->child || !list->child->next)
		return;
	buf_puts(out, "<h3>Slices</h3>\n");
	html_table(out, "slice|>pairs|>diverged|>rate|>95 % interval|");
	for (const struct node *s = list->child; s; s = s->next) {
		double pairs = doc_number(s, "pairs"), diverged = doc_number(s, "diverged");

		doc_interval(s, "ci", &low, &high);
		buf_puts(out, "<tr>");
		html_cell(out, "", doc_text(s, "slice"));
		html_count(out, pairs);
		html_count(out, diverged);
		html_cell(out, "n", run_figure(diverged / pairs, "", rate));
		html_cell(out, "n", run_figures(low, high, "", ci));
		html_cell(out, "", doc_true(s, "stands_out") ? "diverges more often than the rest" : "");
		buf_puts(out, "</tr>\n");
	}
	html_table_end(out);
	buf_puts(out,
	         "<p class=\"dim\">Each interval stands alone; what diverges more often than the rest is "
	         "corrected for the number of slices (e-BH, 5 %).</p>\n");
}

static void side(struct buf *out, const char *title, int status, sqlite3_stmt *s, int column)
{
	struct span body = {sqlite3_column_blob(s, column), (size_t)sqlite3_column_bytes(s, column)};
	char text[48];

	run_status_text(status, text);
	buf_puts(out, "<div><b>");
	html_word(out, title);
	buf_printf(out, "</b> <span class=\"dim\">%s</span><pre dir=\"ltr\">", text);
	html_body(out, body, BODY_MAX);
	buf_puts(out, "</pre></div>");
}

static void example(struct buf *out, const char *candidate, const char *class, sqlite3_stmt *s, bool open)
{
	const char *where = (const char *)sqlite3_column_text(s, 1);
	const char *against = (const char *)sqlite3_column_text(s, 6);
	struct span request = {sqlite3_column_blob(s, 7), (size_t)sqlite3_column_bytes(s, 7)};

	buf_puts(out, open ? "<details open><summary><b>" : "<details><summary><b>");
	html_word(out, class);
	buf_puts(out, "</b> <code>");
	html_word(out, (const char *)sqlite3_column_text(s, 0));
	buf_puts(out, "</code> ");
	html_word(out, where ? where : "");
	buf_puts(out, "</summary><pre dir=\"ltr\">");
	html_body(out, request, BODY_MAX / 4);
	buf_puts(out, "</pre><div class=\"pair\">");
	side(out, against ? against : "live", sqlite3_column_int(s, 4), s, 2);
	side(out, candidate, sqlite3_column_int(s, 5), s, 3);
	buf_puts(out, "</div></details>\n");
}

/* The pairs with most divergences of the class. */
static void examples(struct buf *out, sqlite3 *db, const struct node *c, const char *class)
{
	sqlite3_stmt *s;
	bool first = true;

	if (!db ||
	    sqlite3_prepare_v2(
	            db,
	            "SELECT p.id, p.where_, p.live_body, p.candidate_body, p.live_status,"
	            " p.candidate_status, p.against, p.request_body"
	            " FROM divergence d JOIN pair p ON p.n = d.pair WHERE d.class = ?1 AND p.route = ?2"
	            " AND p.candidate = ?3 ORDER BY d.count DESC, p.n LIMIT ?4",
	            -1, &s, NULL) != SQLITE_OK)
		return;
	sqlite3_bind_text(s, 1, class, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, doc_text(c, "route"), -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 3, doc_text(c, "name"), -1, SQLITE_STATIC);
	sqlite3_bind_int(s, 4, EXAMPLES);
	for (; sqlite3_step(s) == SQLITE_ROW; first = false)
		example(out, doc_text(c, "name"), class, s, first);
	sqlite3_finalize(s);
}

static void all_examples(struct buf *out, sqlite3 *db, const struct node *c)
{
	const struct node *list = doc_get(c, "classes");

	if (!(doc_number(c, "diverged") > 0))
		return;
	buf_puts(out, "<h3>Worst examples of each class</h3>\n");
	for (const struct node *k = list ? list->child : NULL; k; k = k->next)
		examples(out, db, c, doc_text(k, "class"));
}

static void about(struct buf *out, const struct node *c, void what(const struct node *, struct buf *))
{
	struct buf text;

	buf_init(&text, SENTENCE_MAX);
	what(c, &text);
	if (buf_len(&text)) {
		buf_puts(out, "<p>");
		report_escape(out, buf_span(&text), SENTENCE_MAX);
		buf_puts(out, ".</p>\n");
	}
	buf_fini(&text);
}

void html_candidate(struct buf *out, sqlite3 *db, const struct run *run, const struct node *c)
{
	bool baseline = !strcmp(doc_text(c, "role"), "baseline");
	double against = doc_number(c, "against_baseline");
	char rate[32], noise[32], comparable[32], who[160];

	buf_puts(out, "<h2>");
	html_word(out, run_who(run, c, who));
	buf_puts(out, " ");
	if (baseline)
		buf_puts(out, "<span class=\"dim\">baseline: the live model again, which measures the "
		              "noise</span>");
	else
		html_badge(out, doc_text(c, "verdict"));
	buf_printf(out, "</h2>\n<p>%.0f pairs, %.0f diverged (%s)", doc_number(c, "pairs"),
	           doc_number(c, "diverged"), run_figure(doc_number(c, "divergence_rate"), "", rate));
	if (!baseline && isfinite(doc_number(c, "noise_rate")))
		buf_printf(out, "; noise between live and baseline %s",
		           run_figure(doc_number(c, "noise_rate"), "", noise));
	if (against > 0)
		buf_printf(out, "; %.0f pairs were compared with the baseline, for their input was masked",
		           against);
	buf_printf(out, "; comparable share %s.</p>\n",
	           run_figure(doc_number(c, "comparable_share"), "", comparable));
	about(out, c, run_share);
	about(out, c, run_versions);
	about(out, c, run_ignored);
	about(out, c, run_beyond_noise);
	about(out, c, run_control);
	about(out, c, run_fairness);
	about(out, c, run_drift);
	about(out, c, run_value);
	about(out, c, run_dependence);
	about(out, c, run_moves);
	about(out, c, run_goodput);
	gates(out, doc_get(c, "gates"));
	svg_timeline(out, db, c);
	buf_puts(out, "<h3>Divergence</h3>\n");
	classes(out, c);
	agreement(out, c);
	buf_puts(out, "<h3>Latency and throughput</h3>\n");
	latency(out, c);
	stream(out, c);
	slices(out, doc_get(c, "slices"));
	all_examples(out, db, c);
}
