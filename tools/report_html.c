#include "tools/report_html.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>

#include "tools/report_svg.h"

enum { WORD_MAX = 200, SENTENCE_MAX = 600, BODY_MAX = 4000, EXAMPLES = 3 };

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

/* --- text --- */

static unsigned decode(struct span s, size_t n)
{
	unsigned c = (unsigned char)s.data[0];

	c = n == 1 ? c : c & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s.data[i] & 0x3f);
	return c;
}

/* The length of a character that may be shown, else 0. */
static size_t shown_len(struct span s)
{
	unsigned char c = (unsigned char)s.data[0];
	size_t n = c < 0x80                ? 1
	           : c >= 0xc2 && c < 0xe0 ? 2
	           : c >= 0xe0 && c < 0xf0 ? 3
	           : c >= 0xf0 && c < 0xf5 ? 4
	                                   : 0;
	unsigned point;

	if (!n || n > s.len || (n == 1 && c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s.data[i] & 0xc0) != 0x80)
			return 0;
	point = decode(s, n);
	if ((point >= 0x80 && point < 0xa0) || (point >= 0x200b && point <= 0x200f) ||
	    (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069))
		return 0;
	return n;
}

static void put_char(struct buf *out, struct span s, size_t n)
{
	const char *entity = s.data[0] == '&'    ? "&amp;"
	                     : s.data[0] == '<'  ? "&lt;"
	                     : s.data[0] == '>'  ? "&gt;"
	                     : s.data[0] == '"'  ? "&quot;"
	                     : s.data[0] == '\'' ? "&#39;"
	                     : n                 ? NULL
	                                         : "\xef\xbf\xbd";

	if (entity)
		buf_puts(out, entity);
	else
		buf_put(out, s.data, n);
}

void report_escape(struct buf *out, struct span s, size_t max)
{
	for (size_t at = 0; s.len; at++) {
		size_t n = shown_len(s);

		if (at == max) {
			buf_puts(out, "\xe2\x80\xa6");
			return;
		}
		put_char(out, s, n);
		s.data += n ? n : 1;
		s.len -= n ? n : 1;
	}
}

static void put_word(struct buf *out, const char *text)
{
	report_escape(out, span_of(text), WORD_MAX);
}

static void cell(struct buf *out, const char *class, const char *text)
{
	buf_printf(out, "<td class=\"%s\">", class);
	put_word(out, text);
	buf_puts(out, "</td>");
}

static void count_cell(struct buf *out, double value)
{
	if (isfinite(value))
		buf_printf(out, "<td class=\"n\">%.0f</td>", value);
	else
		buf_puts(out, "<td class=\"n\">-</td>");
}

/* A class name that is ours, whatever the file says. */
static const char *state_class(const char *state)
{
	return !strcmp(state, "pass") ? "pass" : !strcmp(state, "fail") ? "fail" : "undecided";
}

static void badge(struct buf *out, const char *state)
{
	buf_printf(out, "<span class=\"badge %s\">", state_class(state));
	put_word(out, state);
	buf_puts(out, "</span>");
}

/* Columns are "name" or ">name" for numbers, separated by '|'. */
static void open_table(struct buf *out, const char *columns)
{
	buf_puts(out, "<div class=\"scroll\"><table><thead><tr>");
	while (*columns) {
		size_t n = strcspn(columns, "|");
		bool number = *columns == '>';

		buf_printf(out, "<th scope=\"col\"%s>%.*s</th>", number ? " class=\"n\"" : "",
		           (int)(n - number), columns + number);
		columns += n + (columns[n] == '|');
	}
	buf_puts(out, "</tr></thead><tbody>\n");
}

static void close_table(struct buf *out)
{
	buf_puts(out, "</tbody></table></div>\n");
}

/* --- the top --- */

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
			cell(out, "", name);
			cell(out, "", groups[i]);
			cell(out, "", r->key);
			count_cell(out, doc_value(r));
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
	open_table(out, "of|group|reason|>exchanges");
	n = reasons_row(out, "all", doc_get(run->summary, "counts"));
	for (const struct node *c = list ? list->child : NULL; c; c = c->next)
		n += reasons_row(out, run_who(run, c, who), doc_get(c, "counts"));
	if (!n)
		buf_puts(out, "<tr><td colspan=\"4\">nothing: every exchange was compared or sampled "
		              "out</td></tr>\n");
	close_table(out);
}

/* A line for each candidate: who is how far, and what was left out of the figure. */
static void standings(struct buf *out, const struct run *run)
{
	const struct node *list = doc_get(run->summary, "candidates");
	char rate[32], ci[80], who[160];
	struct buf left;
	double low, high;

	open_table(out, "candidate|verdict|because of|>pairs|>diverged|>95 % interval|left out");
	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		buf_puts(out, "<tr>");
		cell(out, "w", run_who(run, c, who));
		buf_puts(out, "<td>");
		if (strcmp(doc_text(c, "role"), "baseline"))
			badge(out, doc_text(c, "verdict"));
		buf_puts(out, "</td>");
		cell(out, "", strcmp(doc_text(c, "role"), "baseline") ? run_why(c) : "baseline");
		count_cell(out, doc_number(c, "pairs"));
		cell(out, "n", run_figure(doc_number(c, "divergence_rate"), "", rate));
		doc_interval(c, "divergence_ci", &low, &high);
		cell(out, "n", doc_number(c, "pairs") > 0 ? run_figures(low, high, "", ci) : "-");
		buf_init(&left, 1 << 16);
		run_left_out(doc_get(c, "counts"), &left);
		buf_put(&left, "", 1);
		cell(out, "", left.err ? "" : buf_span(&left).data);
		buf_fini(&left);
		buf_puts(out, "</tr>\n");
	}
	close_table(out);
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
	buf_printf(out, "<div class=\"verdict %s\">", state_class(verdict));
	badge(out, verdict);
	buf_puts(out, " <span class=\"dim\">");
	put_word(out, doc_text(run->manifest, "name"));
	buf_puts(out, " / ");
	put_word(out, doc_text(run->summary, "run"));
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

/* --- a candidate --- */

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
	open_table(out, "gate|limit|>value|>95 % interval||state|>needed|because");
	for (const struct node *g = list->child; g; g = g->next) {
		const char *metric = doc_text(g, "metric"), *unit = run_metric_unit(metric);

		doc_interval(g, "ci", &low, &high);
		buf_puts(out, "<tr>");
		cell(out, "", metric);
		buf_printf(out, "<td class=\"w\">%s %s</td>", run_metric_bound(metric),
		           run_figure(doc_number(g, "limit"), unit, a));
		cell(out, "n", run_figure(doc_number(g, "value"), unit, a));
		cell(out, "n", run_figures(low, high, unit, ci));
		buf_puts(out, "<td>");
		svg_gate(out, low, high, doc_number(g, "value"), doc_number(g, "limit"));
		buf_puts(out, "</td><td>");
		badge(out, doc_text(g, "state"));
		buf_puts(out, "</td>");
		count_cell(out, doc_number(g, "needed"));
		gate_notes(out, g);
		buf_puts(out, "</tr>\n");
	}
	close_table(out);
}

static void class_row(struct buf *out, const char *name, const char *unit, double count, const char *value,
                      const char *interval)
{
	buf_puts(out, "<tr>");
	cell(out, "", name);
	cell(out, "", unit);
	count_cell(out, count);
	cell(out, "n", value);
	cell(out, "n", interval);
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
		put_word(out, doc_text(k, "class"));
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

	open_table(out, "class or measure|unit|>count|>rate or mean|>95 % interval");
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
	close_table(out);
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
	cell(out, "", meaning);
	cell(out, "", who);
	for (int q = 0; q < 3; q++)
		count_cell(out, doc_number(f, quantiles[q]));
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
	open_table(out, "streamed answers|side|>p50|>p90|>p99");
	for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
		stream_row(out, doc_get(s, "live"), "live", figures[i][0], figures[i][1]);
		stream_row(out, doc_get(s, "candidate"), "candidate", figures[i][0], figures[i][1]);
	}
	close_table(out);
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

	open_table(out, "latency|>p50, us|>p90, us|>p99, us|>requests/s");
	for (int s = 0; s < 2; s++) {
		buf_puts(out, "<tr>");
		cell(out, "", s ? doc_text(c, "name") : "live");
		for (int q = 0; q < 3; q++)
			count_cell(out, doc_number(doc_get(l, sides[s]), quantiles[q]));
		buf_printf(out,
		           isfinite(doc_number(t, "live_rps")) ? "<td class=\"n\">%.1f</td>" : "<td>-</td>",
		           doc_number(t, s ? "candidate_rps" : "live_rps"));
		buf_puts(out, "</tr>\n");
	}
	close_table(out);
	doc_interval(ratio, "ci", &low, &high);
	buf_printf(out, "<p class=\"dim\">p99 ratio to the baseline, or to live without one: %s %s</p>\n",
	           run_figure(doc_number(ratio, "value"), "ratio", value),
	           isfinite(high) ? run_figures(low, high, "ratio", ci) : "(too few pairs for its interval)");
}

static bool is_true(const struct node *n, const char *key)
{
	const struct node *at = doc_get(n, key);

	return at && at->type == JSON_TRUE;
}

static void slices(struct buf *out, const struct node *list)
{
	char rate[32], ci[80];
	double low, high;

	if (!list || !list->child || !list->child->next)
		return;
	buf_puts(out, "<h3>Slices</h3>\n");
	open_table(out, "slice|>pairs|>diverged|>rate|>95 % interval|");
	for (const struct node *s = list->child; s; s = s->next) {
		double pairs = doc_number(s, "pairs"), diverged = doc_number(s, "diverged");

		doc_interval(s, "ci", &low, &high);
		buf_puts(out, "<tr>");
		cell(out, "", doc_text(s, "slice"));
		count_cell(out, pairs);
		count_cell(out, diverged);
		cell(out, "n", run_figure(diverged / pairs, "", rate));
		cell(out, "n", run_figures(low, high, "", ci));
		cell(out, "", is_true(s, "stands_out") ? "diverges more often than the rest" : "");
		buf_puts(out, "</tr>\n");
	}
	close_table(out);
	buf_puts(out,
	         "<p class=\"dim\">Each interval stands alone; what diverges more often than the rest is "
	         "corrected for the number of slices (e-BH, 5 %).</p>\n");
}

/* --- examples --- */

/* Text as it is; of what is none, such as messages of gRPC, the size and what can be printed. */
static void put_body(struct buf *out, struct span body, size_t max)
{
	if (!body.len || !memchr(body.data, 0, body.len)) {
		report_escape(out, body.len ? body : SPAN(""), max);
		return;
	}
	buf_printf(out, "%zu bytes: ", body.len);
	for (size_t i = 0; i < body.len && i < max; i++)
		put_char(out,
		         body.data[i] >= ' ' && body.data[i] < 0x7f ? (struct span){body.data + i, 1}
		                                                    : SPAN("."),
		         1);
	if (body.len > max)
		buf_puts(out, "\xe2\x80\xa6");
}

static void side(struct buf *out, const char *title, int status, sqlite3_stmt *s, int column)
{
	struct span body = {sqlite3_column_blob(s, column), (size_t)sqlite3_column_bytes(s, column)};
	char text[48];

	run_status_text(status, text);
	buf_puts(out, "<div><b>");
	put_word(out, title);
	buf_printf(out, "</b> <span class=\"dim\">%s</span><pre dir=\"ltr\">", text);
	put_body(out, body, BODY_MAX);
	buf_puts(out, "</pre></div>");
}

static void example(struct buf *out, const char *candidate, const char *class, sqlite3_stmt *s, bool open)
{
	const char *where = (const char *)sqlite3_column_text(s, 1);
	const char *against = (const char *)sqlite3_column_text(s, 6);
	struct span request = {sqlite3_column_blob(s, 7), (size_t)sqlite3_column_bytes(s, 7)};

	buf_puts(out, open ? "<details open><summary><b>" : "<details><summary><b>");
	put_word(out, class);
	buf_puts(out, "</b> <code>");
	put_word(out, (const char *)sqlite3_column_text(s, 0));
	buf_puts(out, "</code> ");
	put_word(out, where ? where : "");
	buf_puts(out, "</summary><pre dir=\"ltr\">");
	put_body(out, request, BODY_MAX / 4);
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

static void candidate(struct buf *out, sqlite3 *db, const struct run *run, const struct node *c)
{
	bool baseline = !strcmp(doc_text(c, "role"), "baseline");
	double against = doc_number(c, "against_baseline");
	char rate[32], noise[32], comparable[32], who[160];

	buf_puts(out, "<h2>");
	put_word(out, run_who(run, c, who));
	buf_puts(out, " ");
	if (baseline)
		buf_puts(out, "<span class=\"dim\">baseline: the live model again, which measures the "
		              "noise</span>");
	else
		badge(out, doc_text(c, "verdict"));
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

/* --- provenance --- */

static void fact(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "<tr><th scope=\"row\">%s</th><td><code>", name);
	put_word(out, *value ? value : "-");
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
		candidate(out, db, run, c);
	provenance(out, run);
	sqlite3_close(db);
}
