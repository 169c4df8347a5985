#include <stdio.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/run.h"
#include "tools/runs_diff.h"
#include "tools/runs_pairs.h"
#include "tools/where.h"

enum { LISTED_MAX = 1000 };

static const char *config;
static const char *where_text;
static bool must_agree;

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

static int diff(const char *first, const char *second)
{
	struct run a, b;
	bool same;

	if (run_open(first, &a))
		return 3;
	if (run_open(second, &b)) {
		run_close(&a);
		return 3;
	}
	runs_diff_figures(&a, &b, stdout);
	same = runs_diff_results(&a, &b, stdout);
	run_close(&a);
	run_close(&b);
	return must_agree && !same;
}

/* A flag that another verb takes is no mistake to pass over. */
static int prepare(bool is_diff, bool is_pairs)
{
	if (where_text && !is_pairs)
		return command_wrong(&runs_command, "--where goes with pairs");
	if (must_agree && !is_diff)
		return command_wrong(&runs_command, "--same goes with diff");
	return run_search(config) ? 2 : 0;
}

static int run_list_verb(const struct words *words)
{
	(void)words;
	return prepare(false, false) ? 2 : list();
}

static int run_show_verb(const struct words *words)
{
	return prepare(false, false) ? 2 : show(words->count ? words->at[0] : NULL);
}

static int run_diff_verb(const struct words *words)
{
	return prepare(true, false) ? 2 : diff(words->at[0], words->at[1]);
}

static int run_pairs_verb(const struct words *words)
{
	return prepare(false, true) ? 2 : runs_pairs(words->count ? words->at[0] : NULL, where_text);
}

static const struct command_flag flags[] = {
        RUNS_FLAG(&config),
        WHERE_FLAG(&where_text),
        {.name = "--same",
         .sentence = "of diff: exit status 1 unless what was compared came out the same",
         .set = &must_agree},
        {0},
};

static const struct command_verb verbs[] = {
        {"list", NULL, "all runs, newest first", run_list_verb},
        {"show", "[RUN]", "the gate table of one", run_show_verb},
        {"diff", "RUN RUN", "what differs between two, with intervals, and pair by pair", run_diff_verb},
        {"pairs", "[RUN]", "its stored pairs, or those of --where, one a line as JSON", run_pairs_verb},
        {0},
};

const struct command runs_command = {
        .name = "runs",
        .does = "the catalogue of runs: list, show, diff, pairs",
        .usage = "list [-c FILE]\n"
                 "show [RUN] [-c FILE]\n"
                 "diff RUN RUN [--same] [-c FILE]\n"
                 "pairs [RUN] [--where EXPR] [-c FILE]",
        .about = "The catalogue of runs in runs/ and in run.directory of -c FILE. diff has the figures of "
                 "both\n"
                 "side by side, and says which pairs did not come out the same: of the same replay\n"
                 "against targets that are deterministic there are none. Times and intervals of means,\n"
                 "which depend on whose answer came first, are not compared.",
        .flags = flags,
        .verbs = verbs,
        .manual = runs_pairs_manual,
        .status = "0 done, 1 with --same: not the same, 2 usage, 3 a run cannot be read",
        .examples = "understudy runs list\n"
                    "understudy runs diff digits-svc-17 last\n"
                    "understudy runs pairs --where 'diverged==1 and latency_ms>100'",
};
