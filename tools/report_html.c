#include "tools/report_html.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>

static const char head[] =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Understudy "
        "report</title><style>\n"
        ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem "
        "auto;padding:0 1rem}\n"
        "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem "
        ".6rem;border-bottom:1px solid #8886}\n"
        "td.n{text-align:right;font-variant-numeric:tabular-nums}h1{font-size:1.5rem}h2{font-size:1.2rem;"
        "margin-top:2rem}\n"
        ".pass{color:#0a6ebd}.fail{color:#c2500a}.undecided{color:#777}pre{white-space:pre-wrap;overflow-"
        "wrap:anywhere;"
        "max-height:20rem;overflow:auto;background:#8882;padding:.5rem;margin:0}.pair{display:grid;"
        "grid-template-columns:1fr 1fr;gap:1rem;margin:.5rem 0}\n"
        "@media (prefers-color-scheme:dark){.pass{color:#6bb8f0}.fail{color:#f59e5b}.undecided{color:#aaa}}\n"
        "@media "
        "print{:root{color-scheme:light}body{margin:0;max-width:none}pre{max-height:none}h2{break-after:"
        "avoid}}\n"
        "</style></head><body>\n";

static size_t utf8_len(struct span s)
{
	unsigned char c = (unsigned char)s.data[0];
	size_t n = c < 0x80                ? 1
	           : c >= 0xc2 && c < 0xe0 ? 2
	           : c >= 0xe0 && c < 0xf0 ? 3
	           : c >= 0xf0 && c < 0xf5 ? 4
	                                   : 0;

	if (n > s.len || (n == 1 && c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s.data[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void report_escape(struct buf *out, struct span s)
{
	while (s.len) {
		size_t n = utf8_len(s);

		switch (s.data[0]) {
		case '&':
			buf_puts(out, "&amp;");
			break;
		case '<':
			buf_puts(out, "&lt;");
			break;
		case '>':
			buf_puts(out, "&gt;");
			break;
		case '"':
			buf_puts(out, "&quot;");
			break;
		case '\'':
			buf_puts(out, "&#39;");
			break;
		default:
			if (n)
				buf_put(out, s.data, n);
			else
				buf_puts(out, "\xef\xbf\xbd");
		}
		s.data += n ? n : 1;
		s.len -= n ? n : 1;
	}
}

static void cell(struct buf *out, const char *class, const char *text)
{
	buf_printf(out, "<td class=\"%s\">", class);
	report_escape(out, span_of(text));
	buf_puts(out, "</td>");
}

/* The interval as a bar, the value as a dot, the limit as a line; the scale ends at the largest of them. */
static void interval_bar(struct buf *out, double low, double high, double value, double limit)
{
	double top = fmax(fmax(isfinite(high) ? high : 0, isfinite(value) ? value : 0), limit) * 1.05, end;

	if (!(top > 0) || !isfinite(low)) {
		buf_puts(out, "<td></td>");
		return;
	}
	end = isfinite(high) ? high / top * 200 : 200;
	buf_printf(out,
	           "<td><svg role=\"img\" width=\"200\" height=\"18\" viewBox=\"0 0 200 "
	           "18\"><title>interval, value and "
	           "limit</title><rect x=\"%.1f\" y=\"5\" width=\"%.1f\" height=\"8\" fill=\"#0a6ebd\" "
	           "opacity=\"0.45\"/>"
	           "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"18\" stroke=\"#c2500a\" stroke-width=\"2\" "
	           "stroke-dasharray=\"3 2\"/>",
	           low / top * 200, fmax(end - low / top * 200, 1), limit / top * 200, limit / top * 200);
	if (isfinite(value))
		buf_printf(out, "<circle cx=\"%.1f\" cy=\"9\" r=\"3\" fill=\"#0a6ebd\"/>", value / top * 200);
	buf_puts(out, "</svg></td>");
}

static void gates(struct buf *out, const struct node *list)
{
	char a[32], ci[80];
	double low, high, needed;

	buf_puts(out, "<table><tr><th scope=\"col\">gate</th><th scope=\"col\">limit</th><th "
	              "scope=\"col\">value</th><th "
	              "scope=\"col\">95 % interval</th><th scope=\"col\"></th><th "
	              "scope=\"col\">state</th><th scope=\"col\">"
	              "pairs needed</th><th scope=\"col\">because</th></tr>\n");
	for (const struct node *g = list ? list->child : NULL; g; g = g->next) {
		const char *metric = doc_text(g, "metric"), *unit = run_metric_unit(metric);

		doc_interval(g, "ci", &low, &high);
		needed = doc_number(g, "needed");
		buf_puts(out, "<tr>");
		cell(out, "", metric);
		buf_printf(out, "<td>%s %s</td>", run_metric_bound(metric),
		           run_figure(doc_number(g, "limit"), unit, a));
		cell(out, "n", run_figure(doc_number(g, "value"), unit, a));
		cell(out, "n", run_figures(low, high, unit, ci));
		interval_bar(out, low, high, doc_number(g, "value"), doc_number(g, "limit"));
		cell(out, doc_text(g, "state"), doc_text(g, "state"));
		buf_printf(out, isfinite(needed) ? "<td class=\"n\">%.0f</td>" : "<td class=\"n\">-</td>",
		           needed);
		cell(out, "", doc_text(g, "because"));
		buf_puts(out, "</tr>\n");
	}
	buf_puts(out, "</table>\n");
}

static void side(struct buf *out, const char *title, sqlite3_stmt *s, int column)
{
	buf_printf(out, "<div><b>%s</b><pre dir=\"auto\">", title);
	report_escape(out,
	              (struct span){sqlite3_column_blob(s, column), (size_t)sqlite3_column_bytes(s, column)});
	buf_puts(out, "</pre></div>");
}

/* The three pairs with most divergences of the class. */
static void examples(struct buf *out, sqlite3 *db, const char *route, const char *candidate,
                     const char *class)
{
	sqlite3_stmt *s;

	if (!db ||
	    sqlite3_prepare_v2(
	            db,
	            "SELECT p.id, p.where_, p.live_body, p.candidate_body, p.live_status, p.candidate_status"
	            " FROM divergence d JOIN pair p ON p.n = d.pair WHERE d.class = ?1 AND p.route = ?2"
	            " AND p.candidate = ?3 ORDER BY d.count DESC, p.n LIMIT 3",
	            -1, &s, NULL) != SQLITE_OK)
		return;
	sqlite3_bind_text(s, 1, class, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, route, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 3, candidate, -1, SQLITE_STATIC);
	while (sqlite3_step(s) == SQLITE_ROW) {
		const char *where = (const char *)sqlite3_column_text(s, 1);

		buf_puts(out, "<details><summary>");
		report_escape(out, span_of(class));
		buf_printf(out, " in %s: ", (const char *)sqlite3_column_text(s, 0));
		report_escape(out, span_of(where ? where : ""));
		buf_printf(out, " (status %d and %d)</summary><div class=\"pair\">", sqlite3_column_int(s, 4),
		           sqlite3_column_int(s, 5));
		side(out, "live", s, 2);
		side(out, "candidate", s, 3);
		buf_puts(out, "</div></details>\n");
	}
	sqlite3_finalize(s);
}

static void classes(struct buf *out, sqlite3 *db, const struct node *c)
{
	const struct node *list = doc_get(c, "classes");
	char rate[32], ci[80];
	double low, high;

	buf_puts(out, "<h3>Divergence</h3><table><tr><th scope=\"col\">class</th><th "
	              "scope=\"col\">unit</th><th scope=\"col\">"
	              "count</th><th scope=\"col\">rate</th><th scope=\"col\">95 % interval</th></tr>\n");
	for (const struct node *k = list ? list->child : NULL; k; k = k->next) {
		doc_interval(k, "ci", &low, &high);
		buf_puts(out, "<tr>");
		cell(out, "", doc_text(k, "class"));
		cell(out, "", doc_text(k, "unit"));
		buf_printf(out, "<td class=\"n\">%.0f</td>", doc_number(k, "count"));
		cell(out, "n", run_figure(doc_number(k, "rate"), "", rate));
		cell(out, "n", run_figures(low, high, "", ci));
		buf_puts(out, "</tr>\n");
	}
	buf_printf(out, "</table><p>Noise (live against baseline): %s of pairs.</p>\n",
	           run_figure(doc_number(c, "noise_rate"), "", rate));
	for (const struct node *k = list ? list->child : NULL; k; k = k->next)
		examples(out, db, doc_text(c, "route"), doc_text(c, "name"), doc_text(k, "class"));
}

static void latency(struct buf *out, const struct node *c)
{
	static const char *const sides[] = {"live", "candidate"}, *const quantiles[] = {"p50", "p90", "p99"};
	const struct node *l = doc_get(c, "latency_us");
	double top = fmax(
	        fmax(doc_number(doc_get(l, "live"), "p99"), doc_number(doc_get(l, "candidate"), "p99")), 1);

	buf_puts(out, "<h3>Latency</h3><table><tr><th scope=\"col\">side</th><th "
	              "scope=\"col\">quantile</th><th scope=\"col\">"
	              "microseconds</th><th scope=\"col\"></th></tr>\n");
	for (int q = 0; q < 3; q++) {
		for (int s = 0; s < 2; s++) {
			double v = doc_number(doc_get(l, sides[s]), quantiles[q]);

			if (!isfinite(v))
				continue;
			buf_printf(out,
			           "<tr><td>%s</td><td>%s</td><td class=\"n\">%.0f</td><td><svg role=\"img\" "
			           "width=\"300\" "
			           "height=\"14\"><title>%.0f us</title><rect width=\"%.1f\" height=\"12\" "
			           "fill=\"%s\"/></svg>"
			           "</td></tr>\n",
			           sides[s], quantiles[q], v, v, fmax(v / top * 300, 1),
			           s ? "#c2500a" : "#0a6ebd");
		}
	}
	buf_puts(out, "</table>\n");
}

static void provenance_row(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "<tr><th scope=\"row\">%s</th>", name);
	cell(out, "", *value ? value : "-");
	buf_puts(out, "</tr>\n");
}

static void provenance(struct buf *out, const struct run *run)
{
	static const char *const keys[] = {"id",     "name",    "hypothesis",  "owner",     "ticket",
	                                   "source", "started", "config_hash", "gates_hash"};
	const struct node *routes = doc_get(run->manifest, "routes");

	buf_puts(out, "<h2>Provenance</h2><table>\n");
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		provenance_row(out, keys[i], doc_text(run->manifest, keys[i]));
	for (const struct node *r = routes ? routes->child : NULL; r; r = r->next) {
		const struct node *list = doc_get(r, "candidates");

		provenance_row(out, "route", doc_text(r, "name"));
		provenance_row(out, "live", doc_text(r, "live"));
		provenance_row(out, "mask policy", doc_text(doc_get(r, "mask"), "name"));
		provenance_row(out, "mask hash", doc_text(doc_get(r, "mask"), "hash"));
		for (const struct node *c = list ? list->child : NULL; c; c = c->next)
			provenance_row(out, "candidate", doc_text(c, "url"));
	}
	buf_puts(out, "</table></body></html>\n");
}

void report_html(const struct run *run, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "candidates");
	struct buf text;
	sqlite3 *db = NULL;
	char path[1100];

	snprintf(path, sizeof path, "%s/results.db", run->directory);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		sqlite3_close(db);
		db = NULL;
	}
	buf_init(&text, 1 << 20);
	buf_puts(out, head);
	buf_printf(out, "<h1 class=\"%s\">", doc_text(run->summary, "verdict"));
	run_sentence(run, &text);
	report_escape(out, buf_span(&text));
	buf_reset(&text);
	run_counts_line(doc_get(run->summary, "counts"), &text);
	buf_puts(out, "</h1>\n<p>");
	report_escape(out, buf_span(&text));
	buf_puts(out, "</p>\n");
	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		buf_puts(out, "<h2>");
		report_escape(out, span_of(doc_text(c, "name")));
		buf_printf(out, " (%s) %s</h2>\n<p>%.0f pairs, %.0f diverged.</p>\n", doc_text(c, "role"),
		           doc_text(c, "verdict"), doc_number(c, "pairs"), doc_number(c, "diverged"));
		gates(out, doc_get(c, "gates"));
		classes(out, db, c);
		latency(out, c);
	}
	provenance(out, run);
	buf_fini(&text);
	sqlite3_close(db);
}
