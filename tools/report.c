#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/report_html.h"

enum { REPORT_LIMIT_BYTES = 64 << 20, WORD_MAX = 200 };

static struct {
	const char *format, *output, *config;
} options;

/* Text in a Markdown cell: what would end the cell or begin markup is taken out of the way. */
static void md_text(struct buf *out, const char *text)
{
	for (size_t n = 0; *text && n < WORD_MAX; text++, n++) {
		if (strchr("|\\`*_<>[]&", *text))
			buf_printf(out, "&#%d;", *text);
		else
			buf_put(out, (unsigned char)*text < 0x20 ? " " : text, 1);
	}
}

static void md_gates(const struct node *c, struct buf *out)
{
	const struct node *gates = doc_get(c, "gates");
	char limit[32], value[32], ci[80];
	double low, high;

	for (const struct node *g = gates ? gates->child : NULL; g; g = g->next) {
		const char *metric = doc_text(g, "metric"), *unit = run_metric_unit(metric);
		double needed = doc_number(g, "needed");

		doc_interval(g, "ci", &low, &high);
		buf_puts(out, "| ");
		md_text(out, doc_text(c, "name"));
		buf_printf(out, " | %s | %s %s | %s | %s | **%s** | ", metric, run_metric_bound(metric),
		           run_figure(doc_number(g, "limit"), unit, limit),
		           run_figure(doc_number(g, "value"), unit, value), run_figures(low, high, unit, ci),
		           doc_text(g, "state"));
		buf_printf(out, isfinite(needed) ? "%.0f | " : "- | ", needed);
		md_text(out, doc_text(g, "because"));
		buf_puts(out, " |\n");
	}
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

static void md_candidate(const struct node *c, struct buf *out)
{
	const struct node *l = doc_get(c, "latency_us");
	char rate[32], noise[32], ci[80];
	double low, high;

	doc_interval(c, "divergence_ci", &low, &high);
	buf_puts(out, "| ");
	md_text(out, doc_text(c, "name"));
	buf_printf(out, " | %.0f | %s %s | %s | ", doc_number(c, "pairs"),
	           run_figure(doc_number(c, "divergence_rate"), "", rate), run_figures(low, high, "", ci),
	           run_figure(doc_number(c, "noise_rate"), "", noise));
	md_measure(c, "js_bits", out);
	md_measure(c, "tv", out);
	buf_printf(out, "%.0f / %.0f us | %.0f |\n", doc_number(doc_get(l, "live"), "p99"),
	           doc_number(doc_get(l, "candidate"), "p99"), doc_number(c, "against_baseline"));
}

static void md_counts(const char *name, const struct node *counts, struct buf *out)
{
	buf_puts(out, "- ");
	md_text(out, name);
	buf_puts(out, ": ");
	run_counts_line(counts, out);
	buf_puts(out, "\n");
}

static void report_md(const struct run *run, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "candidates"), *first = list ? list->child : NULL;

	buf_puts(out, "<!-- understudy-report -->\n**");
	run_sentence(run, out);
	buf_puts(out, "**\n\n| candidate | gate | limit | value | 95 % interval | state | pairs needed | "
	              "because |\n"
	              "|---|---|---|---|---|---|---|---|\n");
	for (const struct node *c = first; c; c = c->next)
		md_gates(c, out);
	buf_puts(out, "\n| candidate | pairs | divergence rate | noise | JS, bits | TV | p99 live / "
	              "candidate | against "
	              "baseline |\n|---|---|---|---|---|---|---|---|\n");
	for (const struct node *c = first; c; c = c->next)
		md_candidate(c, out);
	buf_puts(out, "\n");
	md_counts("all", doc_get(run->summary, "counts"), out);
	for (const struct node *c = first; c; c = c->next)
		md_counts(doc_text(c, "name"), doc_get(c, "counts"), out);
	buf_printf(out, "\nrun %s, understudy %s, config %.12s, gates %.12s, %s to %s\n",
	           doc_text(run->summary, "run"), doc_text(doc_get(run->manifest, "versions"), "understudy"),
	           doc_text(run->manifest, "config_hash"), doc_text(run->manifest, "gates_hash"),
	           doc_text(run->manifest, "started"), doc_text(run->manifest, "ended"));
}

static void junit_case(const struct node *c, const struct node *g, struct buf *out)
{
	const char *state = doc_text(g, "state"), *metric = doc_text(g, "metric");
	char limit[32], value[32];

	buf_puts(out, "<testcase classname=\"");
	report_escape(out, span_of(doc_text(c, "name")), WORD_MAX);
	buf_printf(out, "\" name=\"%s\">", metric);
	if (strcmp(state, "pass"))
		buf_printf(out, "<%s message=\"%s is %s, limit %s %s\"/>",
		           strcmp(state, "fail") ? "skipped" : "failure", metric,
		           run_figure(doc_number(g, "value"), run_metric_unit(metric), value),
		           run_metric_bound(metric),
		           run_figure(doc_number(g, "limit"), run_metric_unit(metric), limit));
	buf_puts(out, "</testcase>\n");
}

static void report_junit(const struct run *run, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "candidates");

	buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"understudy\">\n");
	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		const struct node *gates = doc_get(c, "gates");

		for (const struct node *g = gates ? gates->child : NULL; g; g = g->next)
			junit_case(c, g, out);
	}
	buf_puts(out, "</testsuite>\n");
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
        {.name = "--config",
         .letter = "-c",
         .argument = "FILE",
         .sentence = "look for runs in its run.directory too",
         .to = &options.config},
        {0},
};

const struct command report_command = {
        .name = "report",
        .does = "render a run as html, md, json, junit or text",
        .usage = "[RUN] [--format html|md|json|junit|text] [-o FILE] [-c FILE]",
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
