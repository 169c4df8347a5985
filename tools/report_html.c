/*
 * report_html.c - the page: the verdict and who stands where, charts, each candidate, provenance.
 */
#include "tools/report_html.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>

#include "tools/report_html_inside.h"
#include "tools/report_svg.h"

static const char head[] =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>Understudy report</title><style>\n"
        ":root{color-scheme:light "
        "dark;--ink:#1b2330;--dim:#667085;--line:#d9dee7;--paper:#fff;--card:#f6f8fb;"
        "--blue:#1769aa;--good:#13795b;--bad:#b3401a;--open:#8a6d1a;--bar:#7fb2dd;--noise:#b9c0cc}\n"
        "@media (prefers-color-scheme:dark){:root{--ink:#e4e8ef;--dim:#98a2b3;--line:#343c4a;--paper:#12161d;"
        "--card:#1a2029;--blue:#74b7ee;--good:#4fc79e;--bad:#f08a5d;--open:#e0bd56;--bar:#2f6a9a;--noise:#"
        "566072}}\n"
        "*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;"
        "padding:0 1.25rem;color:var(--ink);background:var(--paper)}\n"
        "h1{font-size:1.35rem;line-height:1.35;margin:.3rem 0 0}h2{font-size:1.2rem;margin:2.4rem 0 .4rem;"
        "padding-top:1rem;border-top:2px solid var(--line)}h3{font-size:1rem;margin:1.4rem 0 .3rem}\n"
        ".dim,caption{color:var(--dim);fill:var(--dim);font-size:.85rem}caption{text-align:left;padding:."
        "2rem 0}\n"
        ".verdict{border-left:8px solid var(--open);background:var(--card);padding:1rem "
        "1.25rem;border-radius:6px;margin-bottom:.8rem}"
        ".verdict.pass{border-color:var(--good)}.verdict.fail{border-color:var(--bad)}\n"
        ".badge{display:inline-block;padding:.05rem "
        ".55rem;border-radius:1rem;font-size:.82rem;font-weight:600;"
        "border:1.5px solid "
        "currentColor}.pass{color:var(--good)}.fail{color:var(--bad)}.undecided{color:var(--open)}"
        ".verdict h1{color:var(--ink)}\n"
        ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.7rem;margin:1rem "
        "0}"
        ".card{background:var(--card);border-radius:6px;padding:.6rem .8rem}.card "
        "b{display:block;font-size:1.35rem;"
        "font-variant-numeric:tabular-nums}.card span{color:var(--dim);font-size:.85rem}\n"
        ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}th,td{text-align:"
        "left;"
        "padding:.32rem .6rem;border-bottom:1px solid var(--line);vertical-align:middle}thead "
        "th{color:var(--dim);"
        "font-weight:500;white-space:nowrap}td.w{white-space:nowrap}td.n,th.n{text-align:right;font-variant-"
        "numeric:tabular-nums;"
        "white-space:nowrap}\n"
        ".chart{overflow-x:auto}.chart svg{min-width:40rem}svg{display:block}svg text{font:12px "
        "system-ui,sans-serif;fill:var(--ink)}svg "
        "text.dim{fill:var(--dim)}"
        ".grid{stroke:var(--line)}.bar{fill:var(--bar)}.noise{fill:var(--noise)}.dot{fill:var(--ink)}"
        ".limit{stroke:var(--bad);stroke-width:2;stroke-dasharray:4 3}.band{fill:var(--bar);opacity:.45}"
        ".curve{fill:none;stroke:var(--blue);stroke-width:2}line.side-live{stroke:var(--noise);stroke-width:"
        "3}"
        "circle.side-live{fill:var(--dim)}line.side-candidate{stroke:var(--bar);stroke-width:3}"
        "circle.side-candidate{fill:var(--blue)}\n"
        "details{border:1px solid var(--line);border-radius:6px;padding:.4rem .8rem;margin:.5rem 0}"
        "summary{cursor:pointer}.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem;margin:.5rem 0}"
        ".pair>div{min-width:0}pre{white-space:pre-wrap;overflow-wrap:anywhere;max-height:18rem;overflow:"
        "auto;"
        "background:var(--card);padding:.6rem;margin:.2rem 0;border-radius:4px;font-size:.8rem;"
        "unicode-bidi:isolate}code{font-size:.85rem;overflow-wrap:anywhere}\n"
        "@media (max-width:44rem){.pair{grid-template-columns:1fr}}\n"
        "@media print{:root{color-scheme:light;--ink:#000;--dim:#555;--line:#ccc;--paper:#fff;--card:#f6f6f6}"
        "body{margin:0;max-width:none;font-size:11px}pre{max-height:none}h2,h3{break-after:avoid}"
        "table,svg,details{break-inside:avoid}}\n"
        "</style></head><body>\n";

static void card(struct buf *out, double value, const char *name)
{
	buf_printf(out, "<div class=\"card\"><b>%.0f</b><span>%s</span></div>", isfinite(value) ? value : 0,
	           name);
}

static void counts(struct buf *out, const struct node *c)
{
	static const char *const groups[][2] = {
	        {"not_compared", "not compared"}, {"excluded", "excluded"}, {"shed", "shed"}};

	buf_puts(out, "<div class=\"cards\">");
	card(out, doc_number(c, "seen"), "requests seen");
	card(out, doc_number(c, "compared"), "compared");
	card(out, doc_number(c, "sampled_out"), "sampled out");
	for (int i = 0; i < 3; i++)
		card(out, run_sum(doc_get(c, groups[i][0])), groups[i][1]);
	card(out, doc_number(c, "open"), "open");
	buf_puts(out, "</div>\n");
}

static unsigned reasons_row(struct buf *out, const char *name, const struct node *c)
{
	static const char *const groups[] = {"not_compared", "excluded", "shed"};
	unsigned n = 0;

	for (int i = 0; i < 3; i++) {
		const struct node *group = doc_get(c, groups[i]);

		for (const struct node *r = group ? group->child : NULL; r; r = r->next, n++) {
			buf_puts(out, "<tr>");
			html_cell(out, "", name);
			html_cell(out, "", groups[i]);
			html_cell(out, "", r->key);
			html_count(out, doc_value(r));
			buf_puts(out, "</tr>\n");
		}
	}
	return n;
}

static void reasons(struct buf *out, const struct run *run)
{
	const struct node *list = doc_get(run->summary, "candidates");
	char who[160];
	unsigned n;

	buf_puts(out, "<h3>What was not compared, and why</h3>\n");
	html_table(out, "of|group|reason|>exchanges");
	n = reasons_row(out, "all", doc_get(run->summary, "counts"));
	for (const struct node *c = list ? list->child : NULL; c; c = c->next)
		n += reasons_row(out, run_who(run, c, who), doc_get(c, "counts"));
	if (!n)
		buf_puts(out, "<tr><td colspan=\"4\">nothing: every exchange was compared or sampled "
		              "out</td></tr>\n");
	html_table_end(out);
}

/* A line for each candidate: who is how far, and what was left out of the figure. */
static void standings(struct buf *out, const struct run *run)
{
	const struct node *list = doc_get(run->summary, "candidates");
	char rate[32], ci[80], who[160];
	struct buf left;
	double low, high;

	html_table(out, "candidate|verdict|because of|>pairs|>diverged|>95 % interval|left out");
	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		buf_puts(out, "<tr>");
		html_cell(out, "w", run_who(run, c, who));
		buf_puts(out, "<td>");
		if (strcmp(doc_text(c, "role"), "baseline"))
			html_badge(out, doc_text(c, "verdict"));
		buf_puts(out, "</td>");
		html_cell(out, "", strcmp(doc_text(c, "role"), "baseline") ? run_why(c) : "baseline");
		html_count(out, doc_number(c, "pairs"));
		html_cell(out, "n", run_figure(doc_number(c, "divergence_rate"), "", rate));
		doc_interval(c, "divergence_ci", &low, &high);
		html_cell(out, "n", doc_number(c, "pairs") > 0 ? run_figures(low, high, "", ci) : "-");
		buf_init(&left, 1 << 16);
		run_left_out(doc_get(c, "counts"), &left);
		buf_put(&left, "", 1);
		html_cell(out, "", left.err ? "" : buf_span(&left).data);
		buf_fini(&left);
		buf_puts(out, "</tr>\n");
	}
	html_table_end(out);
}

static void tell(const struct run *run, void (*what)(const struct run *, struct buf *), struct buf *text,
                 struct buf *out)
{
	buf_reset(text);
	what(run, text);
	if (!buf_len(text))
		return;
	buf_puts(out, "<p>");
	report_escape(out, buf_span(text), SENTENCE_MAX);
	buf_puts(out, ".</p>\n");
}

static void top(struct buf *out, const struct run *run)
{
	const char *verdict = doc_text(run->summary, "verdict");
	struct buf text;

	buf_init(&text, 1 << 16);
	buf_printf(out, "<div class=\"verdict %s\">", html_state(verdict));
	html_badge(out, verdict);
	buf_puts(out, " <span class=\"dim\">");
	html_word(out, doc_text(run->manifest, "name"));
	buf_puts(out, " / ");
	html_word(out, doc_text(run->summary, "run"));
	buf_puts(out, "</span><h1>");
	run_sentence(run, &text);
	report_escape(out, buf_span(&text), SENTENCE_MAX);
	buf_puts(out, "</h1>");
	if (*doc_text(run->manifest, "hypothesis")) {
		buf_puts(out, "<div class=\"dim\">Hypothesis: ");
		report_escape(out, span_of(doc_text(run->manifest, "hypothesis")), SENTENCE_MAX);
		buf_puts(out, "</div>");
	}
	buf_puts(out, "</div>\n");
	standings(out, run);
	counts(out, doc_get(run->summary, "counts"));
	buf_puts(out, "<p class=\"dim\">Exchanges; one is compared when any candidate's answer was.</p>\n");
	tell(run, run_cost, &text, out);
	tell(run, run_guards, &text, out);
	tell(run, run_masked_paths, &text, out);
	buf_fini(&text);
}

static void fact(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "<tr><th scope=\"row\">%s</th><td><code>", name);
	html_word(out, *value ? value : "-");
	buf_puts(out, "</code></td></tr>\n");
}

static void files(struct buf *out, const char *name, const struct node *list)
{
	for (const struct node *f = list ? list->child : NULL; f; f = f->next) {
		fact(out, name, doc_text(f, "file"));
		fact(out, "its SHA-256", doc_text(f, "sha256"));
		for (const struct node *p = doc_get(f, "masks") ? doc_get(f, "masks")->child : NULL; p;
		     p = p->next) {
			fact(out, "recorded under policy", doc_text(p, "name"));
			fact(out, "its hash", doc_text(p, "hash"));
		}
	}
}

static void containment(struct buf *out, const struct node *candidate)
{
	char text[256];
	struct buf words;

	buf_init(&words, sizeof text);
	run_containment(candidate, &words);
	snprintf(text, sizeof text, "%.*s", (int)buf_len(&words),
	         buf_len(&words) ? buf_span(&words).data : "");
	if (*text)
		fact(out, "containment", text);
	buf_fini(&words);
}

static void provenance_route(struct buf *out, const struct node *r)
{
	const struct node *list = doc_get(r, "candidates");

	fact(out, "route", doc_text(r, "name"));
	fact(out, "live", doc_text(r, "live"));
	fact(out, "mask policy", doc_text(doc_get(r, "mask"), "name"));
	fact(out, "mask hash", doc_text(doc_get(r, "mask"), "hash"));
	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		fact(out, doc_text(c, "role")[0] == 'b' ? "baseline" : "candidate", doc_text(c, "url"));
		containment(out, c);
	}
}

static void provenance(struct buf *out, const struct run *run)
{
	static const char *const keys[] = {"id",          "name",       "hypothesis", "owner",
	                                   "ticket",      "source",     "started",    "ended",
	                                   "config_hash", "gates_hash", "seed"};
	const struct node *m = run->manifest, *routes = doc_get(m, "routes"),
	                  *lag = doc_get(run->summary, "lag_us");
	char text[96];

	buf_puts(out, "<h2>Provenance</h2>\n<div class=\"scroll\"><table><tbody>\n");
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		fact(out, keys[i], doc_text(m, keys[i]));
	fact(out, "understudy", doc_text(doc_get(m, "versions"), "understudy"));
	snprintf(text, sizeof text, "alpha %g, tightest near %g pairs", doc_number(run->summary, "alpha"),
	         doc_number(run->summary, "t_opt"));
	fact(out, "intervals", text);
	if (lag) {
		snprintf(text, sizeof text, "p50 %.0f us, p99 %.0f us, max %.0f us over %.0f requests",
		         doc_number(lag, "p50"), doc_number(lag, "p99"), doc_number(lag, "max"),
		         doc_number(lag, "count"));
		fact(out, "replay lag", text);
	}
	for (const struct node *r = routes ? routes->child : NULL; r; r = r->next)
		provenance_route(out, r);
	files(out, "input", doc_get(m, "input"));
	files(out, "capture", doc_get(m, "captures"));
	buf_puts(out,
	         "</tbody></table></div>\n<p class=\"dim\">Intervals hold at every moment of the run at "
	         "once; a "
	         "batch counts as one observation; gates were declared before the run.</p></body></html>\n");
}

void report_html(const struct run *run, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "candidates");
	sqlite3 *db = NULL;
	char path[1100];

	snprintf(path, sizeof path, "%s/results.db", run->directory);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		sqlite3_close(db);
		db = NULL;
	}
	buf_puts(out, head);
	top(out, run);
	buf_puts(out, "<h3>Divergence rate <span class=\"dim\">dot: measured; bar: 95 % interval; dashed: "
	              "limit; grey: noise</span></h3>\n");
	svg_divergence(out, list);
	buf_puts(out,
	         "<h3>Latency <span class=\"dim\">p50, p90, p99; grey: live; blue: candidate</span></h3>\n");
	svg_latency(out, list);
	reasons(out, run);
	for (const struct node *c = list ? list->child : NULL; c; c = c->next)
		html_candidate(out, db, run, c);
	provenance(out, run);
	sqlite3_close(db);
}
