#include "tools/gate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "replay/gate.h"
#include "tools/commands.h"
#include "tools/run.h"

static struct options {
	const char *name, *config, *wait, *gates[GATES_MAX];
	bool list;
	uint64_t wait_ns;
	unsigned extra_count;
	struct plan_gate extra[GATES_MAX];
} options;

int gate_read(const char *text, struct plan_gate *out)
{
	const char *at = strpbrk(text, "<>");
	int metric = at ? gate_metric_by_name((struct span){text, (size_t)(at - text)}) : -1;
	char *end = NULL;

	*out = (struct plan_gate){0};
	if (metric >= 0 && at[1] == '=')
		out->limit = strtod(at + 2, &end);
	if (end && *end == '%') {
		out->limit /= 100;
		end++;
	}
	if (!end || end == at + 2 || *end || !isfinite(out->limit) || out->limit < 0 ||
	    (*at == '<') != (gate_metric_row((uint32_t)metric)->direction == GATE_MAX)) {
		fprintf(stderr,
		        "understudy: --gate '%s': expected e.g. 'divergence_rate<=2%%'; see "
		        "understudy gate --list\n",
		        text);
		return ERR_CONFIG;
	}
	out->metric = (uint32_t)metric;
	return 0;
}

static int list(void)
{
	printf("%-24s %-9s %-9s %s\n", "metric", "unit", "direction", "meaning");
	for (uint32_t i = 0; i < GATE_METRICS; i++) {
		const struct gate_metric_row *row = gate_metric_row(i);

		printf("%-24s %-9s %-9s %s", row->name, row->unit, row->direction == GATE_MAX ? "max" : "min",
		       row->meaning);
		if (row->standing)
			printf("; always stands, default %g", row->limit);
		printf("\n");
	}
	return 0;
}

/* --- limits after the fact --- */

/* The judge's figure and interval of a metric, from wherever the summary has it. False: it has none. */
static bool figure(const struct node *c, const char *metric, double *value, struct interval *ci)
{
	const struct node *gates = doc_get(c, "gates"), *ratio = doc_get(doc_get(c, "latency_us"), "ratio");

	for (const struct node *g = gates ? gates->child : NULL; g; g = g->next) {
		if (strcmp(doc_text(g, "metric"), metric))
			continue;
		*value = doc_number(g, "value");
		doc_interval(g, "ci", &ci->low, &ci->high);
		return true;
	}
	if (!strcmp(metric, "latency_p99_ratio")) {
		*value = doc_number(doc_get(ratio, "p99"), "value");
		doc_interval(doc_get(ratio, "p99"), "ci", &ci->low, &ci->high);
	} else {
		*value = doc_number(c, metric);
		doc_interval(c, strcmp(metric, "row_divergence_rate") ? "divergence_ci" : "row_divergence_ci",
		             &ci->low, &ci->high);
	}
	return isfinite(*value);
}

/* Does the whole interval keep the limit (1), break it (-1), or neither (0)? */
static int side(const struct gate_metric_row *row, double limit, struct interval ci)
{
	if (row->direction == GATE_MIN)
		return ci.low >= limit ? 1 : ci.high < limit ? -1 : 0;
	return ci.high <= limit ? 1 : ci.low > limit ? -1 : 0;
}

/* A limit chosen after the figures were seen can refute, never promise: 1 when one is broken, else 4. */
static int explore(const struct run *run, const struct options *o)
{
	const struct node *candidates = doc_get(run->summary, "candidates");
	int status = 4;

	printf("\nEXPLORATORY: limits given after the run; none of them is a pass\n");
	for (const struct node *c = candidates ? candidates->child : NULL; c; c = c->next) {
		char who[160];

		if (!strcmp(doc_text(c, "role"), "baseline"))
			continue;
		printf("%s\n", run_who(run, c, who));
		for (unsigned i = 0; i < o->extra_count; i++) {
			const struct gate_metric_row *row = gate_metric_row(o->extra[i].metric);
			char value[32], limit[32], interval[80];
			struct interval ci = {0, 1};
			double v = NAN;
			int at = figure(c, row->name, &v, &ci) ? side(row, o->extra[i].limit, ci) : 0;

			printf("  %-22s %s %-8s %8s %-18s %s\n", row->name,
			       row->direction == GATE_MIN ? ">=" : "<=",
			       run_figure(o->extra[i].limit, row->unit, limit),
			       run_figure(v, row->unit, value),
			       run_figures(ci.low, ci.high, row->unit, interval),
			       at < 0   ? "broken"
			       : at > 0 ? "kept"
			                : "open");
			if (at < 0)
				status = 1;
		}
	}
	return status;
}

/* --- the verdict --- */

static int verdict_status(const struct run *run)
{
	const char *verdict = doc_text(run->summary, "verdict");

	if (!strcmp(doc_text(run->summary, "state"), "void"))
		return 3;
	if (!strcmp(verdict, "pass"))
		return 0;
	if (!strcmp(verdict, "fail"))
		return 1;
	return strcmp(verdict, "undecided") ? 3 : 4;
}

static int print_gates(const struct options *o, const struct run *run)
{
	struct buf text;
	int status = verdict_status(run);

	buf_init(&text, 1 << 20);
	run_text(run, &text);
	if (!text.err)
		fwrite(buf_span(&text).data, 1, buf_len(&text), stdout);
	buf_fini(&text);
	return o->extra_count && status != 3 ? explore(run, o) : status;
}

static int wait_and_print(const struct options *o)
{
	uint64_t until = clock_mono_ns() + o->wait_ns;
	struct run run;
	int status;

	for (;;) {
		if (run_open(o->name, &run))
			return 3;
		if (strcmp(doc_text(run.summary, "state"), "running") || verdict_status(&run) != 4 ||
		    clock_mono_ns() >= until)
			break;
		run_close(&run);
		usleep(200000);
	}
	status = print_gates(o, &run);
	run_close(&run);
	return status;
}

static bool read_wait(const char *text, uint64_t *ns_out)
{
	char *end;
	double value = strtod(text, &end);
	double unit = !strcmp(end, "s") ? 1 : !strcmp(end, "m") ? 60 : !strcmp(end, "h") ? 3600 : 0;

	if (end == text || !(unit > 0) || !(value >= 0) || value * unit > 1e7)
		return false;
	*ns_out = (uint64_t)(value * unit * 1e9);
	return true;
}

int gate_print(const char *name)
{
	struct options o = {.name = name};

	return wait_and_print(&o);
}

static int run(const struct words *words)
{
	struct options *o = &options;

	if (o->list)
		return list();
	o->name = words->count ? words->at[0] : NULL;
	if (o->wait && !read_wait(o->wait, &o->wait_ns))
		return command_wrong(&gate_command, "--wait %s: a time such as 30s, 10m or 2h is expected",
		                     o->wait);
	for (unsigned i = 0; i < o->extra_count; i++)
		if (gate_read(o->gates[i], &o->extra[i]))
			return 2;
	return run_search(o->config) ? 2 : wait_and_print(o);
}

static const struct command_flag flags[] = {
        {.name = "--wait",
         .argument = "D",
         .sentence = "wait up to D (30s, 10m, 2h) while it runs undecided",
         .to = &options.wait},
        {.name = "--gate",
         .argument = "EXPR",
         .sentence = "a limit made up after the run, e.g. 'divergence_rate<=2%': "
                     "EXPLORATORY, never a pass; may be given again",
         .to = options.gates,
         .most = GATES_MAX,
         .count = &options.extra_count},
        {.name = "--list",
         .sentence = "the gate metrics: name, unit, direction, meaning",
         .set = &options.list},
        RUNS_FLAG(&options.config),
        {0},
};

const struct command gate_command = {
        .name = "gate",
        .does = "print the gate table; the exit status is the verdict",
        .usage = "[RUN] [--wait D] [--gate EXPR...] [-c FILE]\n"
                 "--list",
        .about = "Prints the gate table of a run.\n"
                 "RUN is a directory, the beginning of a run's id or name, or \"last\" (the\n"
                 "default); runs are looked for in runs/ and in run.directory of -c FILE.",
        .flags = flags,
        .words = "[RUN]",
        .status = "0 pass, 1 fail, 4 undecided, 2 usage, 3 the run is void or cannot be read",
        .examples = "understudy gate\n"
                    "understudy gate runs/digits-svc-17 --wait 10m && ./promote\n"
                    "understudy gate --list",
        .run = run,
};
