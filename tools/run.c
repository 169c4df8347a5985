#include "tools/run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "replay/gate.h"

int run_open(const char *name, struct run *run)
{
	char path[1100];
	int rc;

	*run = (struct run){.directory = ""};
	rc = run_find(name, run->directory);
	if (rc)
		return rc;
	snprintf(path, sizeof path, "%s/summary.json", run->directory);
	rc = doc_load(path, &run->summary);
	if (rc) {
		fprintf(stderr, "understudy: %s: %s\n", path, rc == ERR_SYS ? strerror(errno) : err_text(rc));
		return rc;
	}
	snprintf(path, sizeof path, "%s/manifest.json", run->directory);
	if (doc_load(path, &run->manifest))
		run->manifest = NULL;
	return 0;
}

void run_close(struct run *run)
{
	doc_free(&run->summary);
	doc_free(&run->manifest);
}

const char *run_metric_unit(const char *metric)
{
	int m = gate_metric_by_name(span_of(metric));

	return m < 0 ? "" : gate_metric_row((uint32_t)m)->unit;
}

const char *run_metric_bound(const char *metric)
{
	int m = gate_metric_by_name(span_of(metric));

	return m >= 0 && gate_metric_row((uint32_t)m)->direction == GATE_MIN ? "at least" : "at most";
}

const char *run_figure(double value, const char *unit, char out[32])
{
	if (!isfinite(value))
		snprintf(out, 32, "-");
	else if (!strcmp(unit, "ratio"))
		snprintf(out, 32, "%.3f", value);
	else if (!strcmp(unit, "bits"))
		snprintf(out, 32, "%.4g", value);
	else
		snprintf(out, 32, "%.2f %%", value * 100);
	return out;
}

const char *run_figures(double low, double high, const char *unit, char out[80])
{
	char a[32], b[32];

	snprintf(out, 80, "[%s, %s]", run_figure(low, unit, a), run_figure(high, unit, b));
	return out;
}

double run_sum(const struct node *object)
{
	double sum = 0;

	for (const struct node *n = object ? object->child : NULL; n; n = n->next)
		sum += doc_value(n);
	return sum;
}

static void reasons(const struct node *group, struct buf *out)
{
	const char *before = " (";

	for (const struct node *n = group ? group->child : NULL; n; n = n->next) {
		buf_printf(out, "%s%s %s", before, n->key, n->text ? n->text : "");
		before = ", ";
	}
	if (group && group->child)
		buf_puts(out, ")");
}

void run_counts_line(const struct node *c, struct buf *out)
{
	static const char *const groups[][2] = {
	        {"not_compared", "not compared"},
	        {"excluded", "excluded"},
	        {"shed", "shed"},
	};

	buf_printf(out, "%.0f seen = %.0f compared + %.0f sampled out", doc_number(c, "seen"),
	           doc_number(c, "compared"), doc_number(c, "sampled_out"));
	for (int i = 0; i < 3; i++) {
		buf_printf(out, " + %.0f %s", run_sum(doc_get(c, groups[i][0])), groups[i][1]);
		reasons(doc_get(c, groups[i][0]), out);
	}
	buf_printf(out, " + %.0f open", doc_number(c, "open"));
}

void run_sentence(const struct run *run, struct buf *out)
{
	const char *verdict = doc_text(run->summary, "verdict"), *reason = doc_text(run->summary, "reason");

	buf_printf(out, "%s: %s",
	           !strcmp(verdict, "pass")   ? "PASS"
	           : !strcmp(verdict, "fail") ? "FAIL"
	                                      : "UNDECIDED",
	           *reason ? reason : "no reason was recorded");
	if (strcmp(doc_text(run->summary, "state"), "final"))
		buf_printf(out, " (run is %s)", doc_text(run->summary, "state"));
}

static void text_gate(const struct node *g, struct buf *out)
{
	char value[32], limit[32], ci[80];
	const char *metric = doc_text(g, "metric"), *unit = run_metric_unit(metric);
	double low, high, needed = doc_number(g, "needed");

	doc_interval(g, "ci", &low, &high);
	buf_printf(out, "  %-23s %-8s %9s %10s %-22s %-9s", metric, run_metric_bound(metric),
	           run_figure(doc_number(g, "limit"), unit, limit),
	           run_figure(doc_number(g, "value"), unit, value), run_figures(low, high, unit, ci),
	           doc_text(g, "state"));
	if (isfinite(needed) && needed > 0)
		buf_printf(out, " %.0f more pairs", needed);
	buf_puts(out, "\n");
}

void run_text(const struct run *run, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "candidates");

	run_sentence(run, out);
	buf_printf(out, "\nrun %s: ", doc_text(run->summary, "run"));
	run_counts_line(doc_get(run->summary, "counts"), out);
	buf_puts(out, "\n");
	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		const struct node *gates = doc_get(c, "gates");
		char rate[32];

		buf_printf(out, "\n%s (%s): %s%s%.0f pairs, %.0f diverged (%s)\n", doc_text(c, "name"),
		           doc_text(c, "role"), doc_text(c, "verdict"), *doc_text(c, "verdict") ? ", " : "",
		           doc_number(c, "pairs"), doc_number(c, "diverged"),
		           run_figure(doc_number(c, "divergence_rate"), "pair", rate));
		if (gates && gates->child)
			buf_printf(out, "  %-23s %-18s %10s %-22s %-9s needed\n", "gate", "limit", "value",
			           "interval (95 %)", "state");
		for (const struct node *g = gates ? gates->child : NULL; g; g = g->next)
			text_gate(g, out);
	}
}
