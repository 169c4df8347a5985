#include <stdio.h>

#include "tools/report_html.h"

int report_command(int argc, char **argv);

enum { REPORT_LIMIT_BYTES = 64 << 20 };

static const char usage[] =
        "usage: understudy report [RUN] [--format html|md|json|junit|text] [-o FILE]\n"
        "Renders a run as the judge left it; nothing is computed again. The default format is html.\n"
        "RUN is a run's directory; \"last\", or nothing, is the newest in runs/.\n\n"
        "examples:\n"
        "  understudy report -o report.html\n"
        "  understudy report runs/digits-svc-17 --format junit -o junit.xml\n"
        "  understudy report last --format text\n";

static void report_md(const struct run *run, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "candidates");
	char limit[32], value[32], ci[80];
	double low, high;

	buf_puts(out, "<!-- understudy-report -->\n**");
	run_sentence(run, out);
	buf_puts(out, "**\n\n");
	run_counts_line(doc_get(run->summary, "counts"), out);
	buf_puts(out, "\n\n| candidate | gate | limit | value | 95 % interval | state "
	              "|\n|---|---|---|---|---|---|\n");
	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		const struct node *gates = doc_get(c, "gates");

		for (const struct node *g = gates ? gates->child : NULL; g; g = g->next) {
			const char *metric = doc_text(g, "metric"), *unit = run_metric_unit(metric);

			doc_interval(g, "ci", &low, &high);
			buf_printf(out, "| %s | %s | %s %s | %s | %s | %s |\n", doc_text(c, "name"), metric,
			           run_metric_bound(metric), run_figure(doc_number(g, "limit"), unit, limit),
			           run_figure(doc_number(g, "value"), unit, value),
			           run_figures(low, high, unit, ci), doc_text(g, "state"));
		}
	}
}

static void junit_case(const struct node *c, const struct node *g, struct buf *out)
{
	const char *state = doc_text(g, "state"), *metric = doc_text(g, "metric");
	char limit[32], value[32];

	buf_puts(out, "<testcase classname=\"");
	report_escape(out, span_of(doc_text(c, "name")));
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
		perror(path ? path : "stdout");
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
		fprintf(stderr, "understudy report: %s\n", err_text(text.err));
	else
		status = write_out(path, buf_span(&text));
	buf_fini(&text);
	run_close(&run);
	return status;
}

int report_command(int argc, char **argv)
{
	const char *name = NULL, *format = "html", *path = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return fputs(usage, stdout) < 0 ? 3 : 0;
		if (!strcmp(argv[i], "--format") && i + 1 < argc)
			format = argv[++i];
		else if (!strcmp(argv[i], "-o") && i + 1 < argc)
			path = argv[++i];
		else if (argv[i][0] != '-' && !name)
			name = argv[i];
		else
			return fprintf(stderr, "understudy report: unexpected argument %s\n%s", argv[i],
			               usage),
			       2;
	}
	for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
		if (!strcmp(format, formats[f].name))
			return render(name, f, path);
	fprintf(stderr, "understudy report: unknown format %s\n%s", format, usage);
	return 2;
}
