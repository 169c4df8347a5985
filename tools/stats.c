/*
 * stats.c - `understudy stats`: the run's figures for numbers at hand, by the functions that the run uses.
 *
 * Each verb fills one list of figures, which is printed as text or as JSON.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/drift.h"
#include "replay/evidence.h"
#include "replay/gate.h"
#include "replay/quantile.h"
#include "tools/commands.h"
#include "tools/stats_file.h"
#include "tools/stats_sheet.h"

enum { VALUES_MAX = 10000000, DRIFT_BINS = 10 };

static struct {
	const char *k, *n, *limit, *expect, *alpha, *t_opt, *q, *range, *format;
} options;

static struct {
	double alpha, t_opt, limit, q;
} given;

static int print_sheet(const char *statistic)
{
	bool json = options.format && !strcmp(options.format, "json");

	sheet_print(statistic, given.alpha, given.t_opt, json);
	return 0;
}

/* --- what is asked --- */

static int wrong_value(const char *flag, const char *text, const char *expected)
{
	return command_wrong(&stats_command, "%s %s: %s is expected", flag, text, expected);
}

/* A number in (low, high), per cent when it says so. */
static bool read_number(const char *text, double low, double high, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end != text && *end == '%') {
		*out /= 100;
		end++;
	}
	return end != text && !*end && *out > low && *out < high;
}

static bool read_count(const char *text, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && *out <= (uint64_t)1 << 53;
}

/* Reads the flags that every verb has. 0, or 2. */
static int read_levels(void)
{
	given.alpha = GATE_ALPHA;
	given.t_opt = GATE_T_OPT;
	if (options.alpha && !read_number(options.alpha, 0, 1, &given.alpha))
		return wrong_value("--alpha", options.alpha, "a level such as 0.05");
	if (options.t_opt && !read_number(options.t_opt, 0.999999, 1e12, &given.t_opt))
		return wrong_value("--t-opt", options.t_opt, "a number of pairs");
	if (options.limit && !read_number(options.limit, 0, 1, &given.limit))
		return wrong_value("--limit", options.limit, "a rate above 0 and below 1, such as 2%");
	return 0;
}

/* --- rate --- */

static int rate(const struct words *words)
{
	struct interval ci;
	uint64_t k, n, needed;

	(void)words;
	if (read_levels())
		return 2;
	if (!options.k || !options.n)
		return command_wrong(&stats_command, "rate takes --k and --n");
	if (!read_count(options.k, &k))
		return wrong_value("--k", options.k, "a whole number");
	if (!read_count(options.n, &n) || n == 0)
		return wrong_value("--n", options.n, "a whole number above 0");
	if (k > n)
		return command_wrong(&stats_command, "--k %s is more than --n %s", options.k, options.n);
	ci = stat_rate(k, n, given.alpha, given.t_opt);
	sheet_add(COUNT, "k", (double)k);
	sheet_add(COUNT, "n", (double)n);
	sheet_add(SHARE, "value", (double)k / (double)n);
	sheet_add_interval(SHARE_INTERVAL, "ci", ci);
	if (options.limit) {
		needed = stat_rate_needed(k, n, given.limit, given.alpha, given.t_opt);
		sheet_add(SHARE, "limit", given.limit);
		sheet_add_word("state", ci.high <= given.limit ? "pass"
		                        : ci.low > given.limit ? "fail"
		                                               : "undecided");
		sheet_add(COUNT, "needed", needed == UINT64_MAX ? NAN : (double)needed);
		sheet_add_evidence(stat_rate_log_e((double)k, (double)n, given.limit, given.t_opt));
	}
	return print_sheet("rate");
}

/* --- mean --- */

struct mean {
	struct stat_mean mean;
	struct stat_lag lag;
	double low, high;
};

static const char *mean_row(void *arg, const double *values, unsigned count)
{
	struct mean *m = arg;

	if (count != 1)
		return "one number is expected";
	if (values[0] < m->low || values[0] > m->high)
		return "the number is outside --range";
	stat_lag_add(&m->lag, values[0]);
	stat_mean_add(&m->mean, (values[0] - m->low) / (m->high - m->low), given.alpha);
	return NULL;
}

static bool read_range(const char *text, struct mean *m)
{
	char *end, *second;

	m->low = strtod(text, &end);
	if (end == text || *end != ':')
		return false;
	second = end + 1;
	m->high = strtod(second, &end);
	return end != second && !*end && isfinite(m->low) && isfinite(m->high) && m->low < m->high &&
	       isfinite(m->high - m->low);
}

static int mean(const struct words *words)
{
	struct mean m = {.low = 0, .high = 1};
	struct interval ci;
	int status = read_levels();

	if (status)
		return status;
	if (options.range && !read_range(options.range, &m))
		return wrong_value("--range", options.range, "LOW:HIGH, such as 0:1,");
	status = stats_file_each(words->at[0], mean_row, &m);
	if (status)
		return status;
	ci = stat_mean_ci(&m.mean, given.alpha);
	sheet_add(COUNT, "n", (double)m.mean.n);
	sheet_add(NUMBER, "value", m.low + m.mean.sum / (double)m.mean.n * (m.high - m.low));
	sheet_add_interval(
	        INTERVAL, "ci",
	        (struct interval){m.low + ci.low * (m.high - m.low), m.low + ci.high * (m.high - m.low)});
	sheet_add(NUMBER, "lag_1", stat_lag_one(&m.lag));
	return print_sheet("mean");
}

/* --- quantile --- */

struct column {
	double *at;
	size_t n, room;
};

static const char *column_add(struct column *c, double value)
{
	if (c->n == c->room) {
		size_t room = c->room ? c->room * 2 : 4096;
		double *at = c->n < VALUES_MAX ? realloc(c->at, room * sizeof *at) : NULL;

		if (!at)
			return "more numbers than can be held";
		c->at = at;
		c->room = room;
	}
	c->at[c->n++] = value;
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct sample sorted(struct column *c)
{
	qsort(c->at, c->n, sizeof *c->at, by_value);
	return (struct sample){c->at, c->n};
}

/* Of pairs: live, candidate, and candidate less live. */
static const char *quantile_row(void *arg, const double *values, unsigned count)
{
	struct column *c = arg;
	const char *what;

	if (count > 2)
		return "one number, or live's and the candidate's, are expected";
	what = column_add(&c[0], values[0]);
	if (!what && count == 2)
		what = column_add(&c[1], values[1]);
	if (!what && count == 2)
		what = column_add(&c[2], values[1] - values[0]);
	return what;
}

static void add_quantile(struct sample s, const char *value, const char *ci, const char *band)
{
	sheet_add(NUMBER, value, quantile_value(s, given.q));
	sheet_add_interval(INTERVAL, ci, quantile_ci(s, given.q, given.alpha, given.t_opt));
	sheet_add_interval(INTERVAL, band,
	                   quantile_interval(s, quantile_band_ranks(s.n, given.q, given.alpha,
	                                                            fmax(1, given.t_opt / 10))));
}

static void add_arms(struct sample live, struct sample candidate, struct sample difference)
{
	add_quantile(live, "live", "live_ci", "live_band");
	add_quantile(candidate, "candidate", "candidate_ci", "candidate_band");
	add_quantile(difference, "difference", "difference_ci", "difference_band");
	sheet_add(NUMBER, "shift", quantile_value(candidate, given.q) - quantile_value(live, given.q));
	sheet_add_interval(INTERVAL, "shift_ci",
	                   quantile_shift(live, candidate, given.q, given.alpha, given.t_opt));
	sheet_add_evidence(quantile_equal_log_e(live, candidate, given.q, given.t_opt));
}

static int quantile(const struct words *words)
{
	struct column columns[3] = {0};
	int status = read_levels();

	given.q = 0.99;
	if (!status && options.q && !read_number(options.q, 0, 1, &given.q))
		status = wrong_value("--q", options.q, "a level such as 0.99");
	if (!status)
		status = stats_file_each(words->at[0], quantile_row, columns);
	if (!status) {
		sheet_add(COUNT, "n", (double)columns[0].n);
		sheet_add(NUMBER, "q", given.q);
		if (columns[1].n)
			add_arms(sorted(&columns[0]), sorted(&columns[1]), sorted(&columns[2]));
		else
			add_quantile(sorted(&columns[0]), "value", "ci", "band");
		status = print_sheet("quantile");
	}
	for (unsigned i = 0; i < 3; i++)
		free(columns[i].at);
	return status;
}

/* --- drift --- */

static const char *drift_row(void *arg, const double *values, unsigned count)
{
	return count == 1 ? column_add(arg, values[0]) : "one number is expected";
}

static void add_drift(struct sample reference, struct sample current)
{
	struct drift_table table;
	double p, ks = drift_ks(reference, current, &p);

	drift_bin(reference, current, DRIFT_BINS, &table);
	sheet_add(COUNT, "reference_n", (double)reference.n);
	sheet_add(COUNT, "n", (double)current.n);
	sheet_add(COUNT, "bins", table.bins);
	sheet_add(NUMBER, "psi", drift_psi(&table));
	sheet_add(NUMBER, "psi_without_drift", drift_psi_expected(&table));
	sheet_add(NUMBER, "js_bits", drift_js_bits(&table));
	sheet_add(NUMBER, "wasserstein", drift_wasserstein(reference, current));
	sheet_add(NUMBER, "ks", ks);
	sheet_add(NUMBER, "ks_p_value_of_one_look", p);
	sheet_add(NUMBER, "chi_square", drift_chi_square(&table, &p));
	sheet_add(NUMBER, "chi_square_p_value_of_one_look", p);
}

static int drift(const struct words *words)
{
	struct column reference = {0}, current = {0};
	int status = read_levels();

	if (!status)
		status = stats_file_each(words->at[0], drift_row, &reference);
	if (!status)
		status = stats_file_each(words->at[1], drift_row, &current);
	if (!status) {
		add_drift(sorted(&reference), sorted(&current));
		status = print_sheet("drift");
	}
	free(reference.at);
	free(current.at);
	return status;
}

/* --- mcnemar --- */

enum { BOTH, LIVE_ONLY, CANDIDATE_ONLY, NEITHER };
struct table {
	uint64_t cell[4];
	bool counts; /* the file was the four counts */
};

static const char *take_counts(struct table *t, const double *values)
{
	if (t->counts)
		return "four counts stand in one line";
	for (unsigned i = 0; i < 4; i++) {
		if (!(values[i] >= 0 && values[i] <= 1e15) || values[i] != floor(values[i]))
			return "four whole counts are expected";
		t->cell[i] = (uint64_t)values[i];
	}
	t->counts = true;
	return NULL;
}

static const char *mcnemar_row(void *arg, const double *values, unsigned count)
{
	struct table *t = arg;

	if (count == 4)
		return take_counts(t, values);
	if (count != 2 || (values[0] != 0 && values[0] != 1) || (values[1] != 0 && values[1] != 1))
		return "two of 0 and 1 (live right, candidate right), or four counts, are expected";
	t->cell[values[0] == 1   ? values[1] == 1 ? BOTH : LIVE_ONLY
	        : values[1] == 1 ? CANDIDATE_ONLY
	                         : NEITHER]++;
	return NULL;
}

static int mcnemar(const struct words *words)
{
	struct table t = {0};
	uint64_t pairs, lost, won;
	int status = read_levels();

	if (!status)
		status = stats_file_each(words->at[0], mcnemar_row, &t);
	if (status)
		return status;
	lost = t.cell[LIVE_ONLY];
	won = t.cell[CANDIDATE_ONLY];
	pairs = t.cell[BOTH] + lost + won + t.cell[NEITHER];
	sheet_add(COUNT, "pairs", (double)pairs);
	sheet_add(COUNT, "live_only", (double)lost);
	sheet_add(COUNT, "candidate_only", (double)won);
	sheet_add(SHARE, "live_accuracy", (double)(t.cell[BOTH] + lost) / (double)pairs);
	sheet_add(SHARE, "candidate_accuracy", (double)(t.cell[BOTH] + won) / (double)pairs);
	sheet_add(SHARE, "change", ((double)won - (double)lost) / (double)pairs);
	sheet_add_interval(
	        SHARE_INTERVAL, "change_ci",
	        evidence_mcnemar_change((double)lost, (double)won, (double)pairs, given.alpha, given.t_opt));
	sheet_add_evidence(evidence_mcnemar(lost, won, given.t_opt));
	sheet_add(NUMBER, "p_value_of_one_look", evidence_mcnemar_once(lost, won));
	return print_sheet("mcnemar");
}

/* --- plan --- */

static int plan(const struct words *words)
{
	uint64_t pairs, sure;
	double expect;

	(void)words;
	if (read_levels())
		return 2;
	if (!options.limit || !options.expect)
		return command_wrong(&stats_command, "plan takes --limit and --expect");
	if (!read_number(options.expect, -1e-300, 1, &expect))
		return wrong_value("--expect", options.expect, "a rate from 0 and below 1, such as 0.2%");
	pairs = stat_rate_plan(expect, given.limit, given.alpha, given.t_opt);
	sure = stat_rate_plan_sure(expect, given.limit, 0.9, given.alpha, given.t_opt);
	sheet_add(SHARE, "limit", given.limit);
	sheet_add(SHARE, "expect", expect);
	sheet_add_word("state", expect < given.limit ? "pass" : expect > given.limit ? "fail" : "undecided");
	sheet_add(COUNT, "pairs", pairs == UINT64_MAX ? NAN : (double)pairs);
	sheet_add(COUNT, "pairs_9_in_10_runs", sure == UINT64_MAX ? NAN : (double)sure);
	return print_sheet("plan");
}

static const struct command_verb verbs[] = {
        {.name = "rate", .sentence = "K of N: interval; with --limit what a gate would say", .run = rate},
        {.name = "mean",
         .words = "FILE",
         .sentence = "of numbers in --range, in the order they came in",
         .run = mean},
        {.name = "quantile",
         .words = "FILE",
         .sentence = "of numbers; of \"live candidate\" pairs: each, their difference, are they equal?",
         .run = quantile},
        {.name = "mcnemar",
         .words = "FILE",
         .sentence = "0 or 1 for live right, candidate right; or one line of counts: both, live only, "
                     "candidate only, neither",
         .run = mcnemar},
        {.name = "drift",
         .words = "REFERENCE FILE",
         .sentence = "PSI, JS, Wasserstein, KS and chi-square of two samples",
         .run = drift},
        {.name = "plan", .sentence = "pairs a gate at --limit needs if --expect is true", .run = plan},
        {0},
};

static const struct command_flag flags[] = {
        {.name = "--k", .argument = "K", .sentence = "how many diverged", .to = &options.k},
        {.name = "--n", .argument = "N", .sentence = "of how many", .to = &options.n},
        {.name = "--limit",
         .argument = "RATE",
         .sentence = "a gate's limit, such as 1%",
         .to = &options.limit},
        {.name = "--expect", .argument = "RATE", .sentence = "the rate to plan for", .to = &options.expect},
        {.name = "--q", .argument = "Q", .sentence = "which quantile", .value = "0.99", .to = &options.q},
        {.name = "--range",
         .argument = "LOW:HIGH",
         .sentence = "what the numbers can be",
         .value = "0:1",
         .to = &options.range},
        {.name = "--alpha",
         .argument = "A",
         .sentence = "the level",
         .value = "0.05, as in a run",
         .to = &options.alpha},
        {.name = "--t-opt",
         .argument = "T",
         .sentence = "tightest after T pairs; bands begin at a tenth of it",
         .value = "1000, as in a run",
         .to = &options.t_opt},
        FORMAT_FLAG(&options.format),
        {0},
};

const struct command stats_command = {
        .name = "stats",
        .does = "the statistics of a run, for numbers at hand",
        .usage = "rate --k K --n N [--limit RATE]\n"
                 "mean|quantile|mcnemar FILE [--q Q] [--range LOW:HIGH]\n"
                 "drift REFERENCE FILE | plan --limit RATE --expect RATE",
        .about = "FILE has a row of numbers a line, \"-\" is standard input.",
        .flags = flags,
        .verbs = verbs,
        .status = "0 done, 2 usage, 3 FILE cannot be read",
        .examples = "understudy stats rate --k 27 --n 599 --limit 5%\n"
                    "understudy stats plan --limit 1% --expect 0.2%",
};
