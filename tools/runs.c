#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/run.h"

enum { LISTED_MAX = 1000 };

static const char *config;

static void print_row(const char *directory)
{
	struct run run;

	if (run_open(directory, &run))
		return;
	printf("%-17.16s %-9.9s %-9.9s %8.0f %8.0f  %-20.19s %s\n", doc_text(run.summary, "run"),
	       doc_text(run.summary, "state"), doc_text(run.summary, "verdict"),
	       doc_number(doc_get(run.summary, "counts"), "seen"),
	       doc_number(doc_get(run.summary, "counts"), "compared"), doc_text(run.manifest, "started"),
	       directory);
	run_close(&run);
}

static int list(void)
{
	char(*found)[1024] = calloc(LISTED_MAX, sizeof *found);
	unsigned n = found ? run_list(found, LISTED_MAX) : 0;

	printf("%-17s %-9s %-9s %8s %8s  %-20s %s\n", "id", "state", "verdict", "seen", "compared",
	       "started (UTC)", "directory");
	for (unsigned i = 0; i < n; i++)
		print_row(found[i]);
	free(found);
	return 0;
}

static int show(const char *name)
{
	struct run run;
	struct buf text;

	if (run_open(name, &run))
		return 3;
	buf_init(&text, 1 << 20);
	printf("%s\n", run.directory);
	run_text(&run, &text);
	fwrite(buf_span(&text).data, 1, buf_len(&text), stdout);
	buf_fini(&text);
	run_close(&run);
	return 0;
}

/* --- two runs --- */

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

static void diff_rate(const struct node *a, const struct node *b, const char *rate, const char *ci)
{
	double low[2], high[2];
	char x[32], y[32], i[80], j[80];

	doc_interval(a, ci, &low[0], &high[0]);
	doc_interval(b, ci, &low[1], &high[1]);
	printf("  %-21s %10s %-20s %10s %-20s %s\n", rate, run_figure(doc_number(a, rate), "pair", x),
	       run_figures(low[0], high[0], "pair", i), run_figure(doc_number(b, rate), "pair", y),
	       run_figures(low[1], high[1], "pair", j), apart(low[0], high[0], low[1], high[1]));
}

static void diff_design(const struct run *a, const struct run *b)
{
	static const char *const keys[] = {"config_hash", "gates_hash"};

	for (int i = 0; i < 2; i++)
		if (strcmp(doc_text(a->manifest, keys[i]), doc_text(b->manifest, keys[i])))
			printf("the runs differ in %s\n", keys[i]);
}

static int diff(const char *first, const char *second)
{
	const struct node *list, *other;
	struct run a, b;
	char who[160];

	if (run_open(first, &a))
		return 3;
	if (run_open(second, &b)) {
		run_close(&a);
		return 3;
	}
	printf("%s (%s) and %s (%s)\n", a.directory, doc_text(a.summary, "verdict"), b.directory,
	       doc_text(b.summary, "verdict"));
	diff_design(&a, &b);
	list = doc_get(a.summary, "candidates");
	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		other = same_candidate(doc_get(b.summary, "candidates"), c);
		printf("\n%s: ", run_who(&a, c, who));
		if (!other) {
			printf("only in the first\n");
			continue;
		}
		printf("%.0f and %.0f pairs\n", doc_number(c, "pairs"), doc_number(other, "pairs"));
		diff_rate(c, other, "divergence_rate", "divergence_ci");
		diff_rate(c, other, "row_divergence_rate", "row_divergence_ci");
	}
	run_close(&a);
	run_close(&b);
	return 0;
}

static int run_list_verb(const struct words *words)
{
	(void)words;
	return run_search(config) ? 2 : list();
}

static int run_show_verb(const struct words *words)
{
	return run_search(config) ? 2 : show(words->count ? words->at[0] : NULL);
}

static int run_diff_verb(const struct words *words)
{
	return run_search(config) ? 2 : diff(words->at[0], words->at[1]);
}

static const struct command_flag flags[] = {
        RUNS_FLAG(&config),
        {0},
};

static const struct command_verb verbs[] = {
        {"list", NULL, "all runs, newest first", run_list_verb},
        {"show", "[RUN]", "the gate table of one", run_show_verb},
        {"diff", "RUN RUN", "what differs between two, with intervals", run_diff_verb},
        {0},
};

const struct command runs_command = {
        .name = "runs",
        .does = "the catalogue of runs: list, show, diff",
        .usage = "list [-c FILE]\n"
                 "show [RUN] [-c FILE]\n"
                 "diff RUN RUN [-c FILE]",
        .about = "The catalogue of runs in runs/ and in run.directory of -c FILE.",
        .flags = flags,
        .verbs = verbs,
        .status = "0 done, 2 usage, 3 a run cannot be read",
        .examples = "understudy runs list\n"
                    "understudy runs diff digits-svc-17 last",
};
