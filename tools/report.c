#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/report_html.h"

enum { REPORT_LIMIT_BYTES = 64 << 20, WORD_MAX = 200, SENTENCE_MAX = 2000, TOLD_BYTES = 1 << 16 };

static struct {
	const char *format, *output, *config;
} options;

/* In a cell: what would end it, or begin markup. */
static void md_text(struct buf *out, const char *text)
{
	buf_markdown(out, text, WORD_MAX, "|\\`*_<>[]&");
}

static void md_sentence(const struct run *run, struct buf *out)
{
	struct buf text;

	buf_init(&text, 1 << 16);
	run_sentence(run, &text);
	buf_put(&text, "", 1);
	buf_markdown(out, text.err ? "" : buf_span(&text).data, SENTENCE_MAX, "\\`*<>&");
	buf_fini(&text);
}

static void md_gates(const struct run *run, const struct node *c, struct buf *out)
{
	const struct node *gates = doc_get(c, "gates");
	char limit[32], value[32], ci[80], who[160];
	double low, high;
	struct buf text;

	buf_init(&text, 1024);
	for (const struct node *g = gates ? gates->child : NULL; g; g = g->next) {
		const char *metric = doc_text(g, "metric"), *unit = run_metric_unit(metric);
		double needed = doc_number(g, "needed");

		doc_interval(g, "ci", &low, &high);
		buf_puts(out, "| ");
		md_text(out, run_who(run, c, who));
		buf_printf(out, " | %s | %s %s | %s | %s | **%s** | ", metric, run_metric_bound(metric),
		           run_figure(doc_number(g, "limit"), unit, limit),
		           run_figure(doc_number(g, "value"), unit, value), run_figures(low, high, unit, ci),
		           doc_text(g, "state"));
		buf_printf(out, isfinite(needed) ? "%.0f | " : "- | ", needed);
		md_text(out, doc_text(g, "because"));
		buf_reset(&text);
		run_gate_notes(g, &text);
		if (buf_len(&text)) {
			buf_puts(out, *doc_text(g, "because") ? "; " : "");
			buf_put(&text, "", 1);
			md_text(out, buf_span(&text).data);
		}
		buf_puts(out, " |\n");
	}
	buf_fini(&text);
}

static void md_measure(const struct node *c, const char *key, struct buf *out)
{
	const struct node *m = doc_get(doc_get(c, "measures"), key);
	char mean[32], ci[80];
	double low, high;

	doc_interval(m, "ci", &low, &high);
	buf_printf(out, "%s %s | ", run_figure(doc_number(m, "mean"), "bits", mean),
	           isfinite(doc_number(m, "mean")) ? run_figures(low, high, "bits", ci) : "");
}

static void md_candidate(const struct run *run, const struct node *c, struct buf *out)
{
	const struct node *l = doc_get(c, "latency_us");
	char rate[32], noise[32], ci[80], who[160];
	double low, high, live = doc_number(doc_get(l, "live"), "p99"),
	                  other = doc_number(doc_get(l, "candidate"), "p99");

	doc_interval(c, "divergence_ci", &low, &high);
	buf_puts(out, "| ");
	md_text(out, run_who(run, c, who));
	buf_printf(out, " | %.0f | %s %s | %s | ", doc_number(c, "pairs"),
	           run_figure(doc_number(c, "divergence_rate"), "", rate), run_figures(low, high, "", ci),
	           run_figure(doc_number(c, "noise_rate"), "", noise));
	md_measure(c, "js_bits", out);
	md_measure(c, "tv", out);
	if (isfinite(live) && isfinite(other))
		buf_printf(out, "%.0f / %.0f us | ", live, other);
	else
		buf_puts(out, "- | ");
	buf_printf(out, "%.0f |\n", doc_number(c, "against_baseline"));
}

static void md_counts(const char *name, const struct node *counts, struct buf *out)
{
	buf_puts(out, "- ");
	md_text(out, name);
	buf_puts(out, ": ");
	run_counts_line(counts, out);
	buf_puts(out, "\n");
}

static void md_share(const struct run *run, const struct node *c, struct buf *out)
{
	struct buf text;
	char who[160];

	buf_init(&text, 1024);
	run_share(c, &text);
	if (buf_len(&text)) {
		buf_puts(out, "- ");
		md_text(out, run_who(run, c, who));
		buf_puts(out, ": ");
		buf_span_put(out, buf_span(&text));
		buf_puts(out, "\n");
	}
	buf_fini(&text);
}

static void md_told(const struct run *run, void (*tell)(const struct run *, struct buf *), struct buf *out)
{
	struct buf text;

	buf_init(&text, TOLD_BYTES);
	tell(run, &text);
	if (buf_len(&text))
		buf_printf(out, "- %.*s\n", (int)buf_len(&text), buf_span(&text).data);
	buf_fini(&text);
}

static void md_containment(const struct run *run, struct buf *out)
{
	const struct node *routes = doc_get(run->manifest, "routes");

	for (const struct node *r = routes ? routes->child : NULL; r; r = r->next) {
		const struct node *list = doc_get(r, "candidates");

		for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
			if (!doc_get(c, "containment"))
				continue;
			buf_puts(out, "- ");
			md_text(out, doc_text(c, "name"));
			buf_puts(out, ": ");
			run_containment(c, out);
			buf_puts(out, "\n");
		}
	}
}

static void report_md(const struct run *run, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "candidates"), *first = list ? list->child : NULL;
	char who[160];

	buf_puts(out, "<!-- understudy-report -->\n**");
	md_sentence(run, out);
	buf_puts(out, "**\n\n| candidate | gate | limit | value | 95 % interval | state | pairs needed | "
	              "because |\n"
	              "|---|---|---|---|---|---|---|---|\n");
	for (const struct node *c = first; c; c = c->next)
		md_gates(run, c, out);
	buf_puts(out, "\n| candidate | pairs | divergence rate | noise | JS, bits | TV | p99 live / "
	              "candidate | against "
	              "baseline |\n|---|---|---|---|---|---|---|---|\n");
	for (const struct node *c = first; c; c = c->next)
		md_candidate(run, c, out);
	buf_puts(out, "\n");
	md_counts("all", doc_get(run->summary, "counts"), out);
	for (const struct node *c = first; c; c = c->next)
		md_counts(run_who(run, c, who), doc_get(c, "counts"), out);
	for (const struct node *c = first; c; c = c->next)
		md_share(run, c, out);
	md_containment(run, out);
	md_told(run, run_cost, out);
	md_told(run, run_guards, out);
	md_told(run, run_masked_paths, out);
	if (first && first->next)
		buf_puts(out, "\nAll: an exchange is compared when any candidate's answer was.\n");
	buf_printf(out, "\nrun %s, understudy %s, config %.12s, gates %.12s, %s to %s\n",
	           doc_text(run->summary, "run"), doc_text(doc_get(run->manifest, "versions"), "understudy"),
	           doc_text(run->manifest, "config_hash"), doc_text(run->manifest, "gates_hash"),
	           doc_text(run->manifest, "started"), doc_text(run->manifest, "ended"));
}

struct junit {
	struct buf cases;
	unsigned tests, failures, skipped;
};

/* One case; `why` is said when it did not pass. */
static void junit_case(struct junit *j, const char *class, const char *name, const char *state,
                       struct buf *why)
{
	bool failed = !strcmp(state, "fail"), passed = !strcmp(state, "pass");

	j->tests++;
	j->failures += failed;
	j->skipped += !failed && !passed;
	buf_puts(&j->cases, "<testcase classname=\"");
	report_escape(&j->cases, span_of(class), WORD_MAX);
	buf_puts(&j->cases, "\" name=\"");
	report_escape(&j->cases, span_of(name), WORD_MAX);
	buf_puts(&j->cases, "\">");
	if (!passed) {
		buf_printf(&j->cases, "<%s message=\"", failed ? "failure" : "skipped");
		report_escape(&j->cases, buf_span(why), WORD_MAX);
		buf_puts(&j->cases, "\"/>");
	}
	buf_puts(&j->cases, "</testcase>\n");
	buf_reset(why);
}

/* Of a drill no gate is kept or broken. */
static void junit_gate(struct junit *j, const char *class, const struct node *g, bool drill, struct buf *why)
{
	const char *metric = doc_text(g, "metric"), *unit = run_metric_unit(metric);
	char limit[32], value[32];

	buf_printf(why, "%s is %s, limit %s %s", metric, run_figure(doc_number(g, "value"), unit, value),
	           run_metric_bound(metric), run_figure(doc_number(g, "limit"), unit, limit));
	junit_case(j, class, metric, drill ? "undecided" : doc_text(g, "state"), why);
}

static void junit_property(struct buf *out, const char *who, struct span value)
{
	buf_puts(out, "<property name=\"containment of ");
	report_escape(out, span_of(who), WORD_MAX);
	buf_puts(out, "\" value=\"");
	report_escape(out, value, WORD_MAX);
	buf_puts(out, "\"/>\n");
}

static void junit_properties(const struct run *run, const struct node *first, struct buf *out)
{
	struct buf how;
	char who[160];

	buf_init(&how, TOLD_BYTES);
	buf_puts(out, "<properties>\n");
	for (const struct node *c = first; c; c = c->next) {
		run_containment(run_in_manifest(run, c), &how);
		if (buf_len(&how))
			junit_property(out, run_who(run, c, who), buf_span(&how));
		buf_reset(&how);
	}
	buf_puts(out, "</properties>\n");
	buf_fini(&how);
}

/* Each gate is a case, and each verdict: where no gate is declared, gates alone would look passed. */
static void report_junit(const struct run *run, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "candidates");
	bool is_void = !strcmp(doc_text(run->summary, "state"), "void");
	struct junit j = {.tests = 0};
	struct buf why;
	char who[160];

	buf_init(&j.cases, REPORT_LIMIT_BYTES);
	buf_init(&why, 1 << 16);
	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		const struct node *gates = doc_get(c, "gates");

		if (!strcmp(doc_text(c, "role"), "baseline"))
			continue;
		run_who(run, c, who);
		buf_printf(&why, "%s: %s", is_void ? "void" : doc_text(c, "verdict"),
		           is_void ? doc_text(run->summary, "reason") : run_why(c));
		junit_case(&j, who, "verdict", is_void ? "void" : doc_text(c, "verdict"), &why);
		for (const struct node *g = gates ? gates->child : NULL; g; g = g->next)
			junit_gate(&j, who, g, doc_get(c, "drill"), &why);
	}
	buf_printf(out,
	           "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"understudy\" tests=\"%u\" "
	           "failures=\"%u\" skipped=\"%u\">\n",
	           j.tests, j.failures, j.skipped);
	junit_properties(run, list ? list->child : NULL, out);
	buf_span_put(out, buf_span(&j.cases));
	buf_puts(out, "</testsuite>\n");
	buf_fini(&j.cases);
	buf_fini(&why);
}

/* summary.json is the JSON report. */
static void report_json(const struct run *run, struct buf *out)
{
	char path[1100], chunk[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, "%s/summary.json", run->directory);
	f = fopen(path, "re");
	while (f && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_put(out, chunk, n);
	if (f)
		fclose(f);
}

static const struct {
	const char *name;
	void (*render)(const struct run *, struct buf *out);
} formats[] = {
        {"html", report_html},   {"md", report_md},  {"json", report_json},
        {"junit", report_junit}, {"text", run_text},
};

static int write_out(const char *path, struct span text)
{
	FILE *f = path ? fopen(path, "we") : stdout;
	bool ok = f && fwrite(text.data, 1, text.len, f) == text.len;

	if (f && (path ? fclose(f) : fflush(f)))
		ok = false;
	if (!ok)
		fprintf(stderr, "understudy: %s: %s\n", path ? path : "standard output", strerror(errno));
	return ok ? 0 : 3;
}

static int render(const char *name, size_t format, const char *path)
{
	struct run run;
	struct buf text;
	int status = 3;

	if (run_open(name, &run))
		return 3;
	buf_init(&text, REPORT_LIMIT_BYTES);
	formats[format].render(&run, &text);
	if (text.err)
		fprintf(stderr, "understudy: report: %s\n", err_text(text.err));
	else
		status = write_out(path, buf_span(&text));
	buf_fini(&text);
	run_close(&run);
	return status;
}

static int run(const struct words *words)
{
	const char *format = options.format ? options.format : "html";
	size_t f = 0;

	if (run_search(options.config))
		return 2;
	while (f + 1 < sizeof formats / sizeof *formats && strcmp(format, formats[f].name))
		f++;
	return render(words->count ? words->at[0] : NULL, f, options.output);
}

static const struct command_flag flags[] = {
        {.name = "--format",
         .argument = "html|md|json|junit|text",
         .sentence = "how it is rendered",
         .value = "html",
         .to = &options.format},
        {.name = "--output",
         .letter = "-o",
         .argument = "FILE",
         .sentence = "where it goes",
         .value = "standard output",
         .to = &options.output},
        RUNS_FLAG(&options.config),
        {0},
};

const struct command report_command = {
        .name = "report",
        .does = "render a run as html, md, json, junit or text",
        .usage = "[RUN] [--format html|md|json|junit|text] [-o FILE]\n"
                 " [-c FILE]",
        .about = "Renders a run as the judge left it; nothing is computed again.\n"
                 "RUN is a directory, the beginning of a run's id or name, or \"last\" (the\n"
                 "default); runs are looked for in runs/ and in run.directory of -c FILE.",
        .flags = flags,
        .words = "[RUN]",
        .status = "0 done, 2 usage, 3 the run cannot be read",
        .examples = "understudy report -o report.html\n"
                    "understudy report runs/digits-svc-17 --format junit -o junit.xml\n"
                    "understudy report last --format text",
        .run = run,
};
