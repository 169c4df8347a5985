#include "replay/portrait.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { QUANTILES = PORTRAIT_BINS - 2 };

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Below the least, up to each quantile, above the greatest. */
static void set_numbers(struct portrait_feature *f, struct sample s)
{
	f->edges[f->bins++] = nextafter(s.at[0], -INFINITY);
	for (unsigned i = 1; i <= QUANTILES; i++) {
		double edge = quantile_value(s, (double)i / QUANTILES);

		if (edge > f->edges[f->bins - 1])
			f->edges[f->bins++] = edge;
	}
	f->edges[f->bins++] = INFINITY;
}

/* The words that are most, and a bin for the others. */
static void set_words(struct portrait_feature *f, struct sample s)
{
	uint64_t most[PORTRAIT_BINS] = {0};

	for (uint64_t from = 0, to; from < s.n; from = to) {
		unsigned at;

		for (to = from; to < s.n && s.at[to] == s.at[from];)
			to++;
		for (at = f->bins; at > 0 && most[at - 1] < to - from; at--)
			if (at < PORTRAIT_BINS - 1) {
				most[at] = most[at - 1];
				f->edges[at] = f->edges[at - 1];
			}
		if (at == PORTRAIT_BINS - 1)
			continue;
		most[at] = to - from;
		f->edges[at] = s.at[from];
		f->bins += f->bins < PORTRAIT_BINS - 1;
	}
	f->bins++;
}

void portrait_set(struct portrait_feature *f, double *values, size_t n)
{
	qsort(values, n, sizeof *values, by_value);
	f->bins = 0;
	if (f->word)
		set_words(f, (struct sample){values, n});
	else
		set_numbers(f, (struct sample){values, n});
}

unsigned portrait_bin(const struct portrait_feature *f, double value)
{
	unsigned i = 0;

	while (i + 1 < f->bins && (f->word ? value != f->edges[i] : value > f->edges[i]))
		i++;
	return i;
}

uint64_t portrait_n(const struct portrait_feature *f, enum portrait_side side)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < f->bins; i++)
		n += f->counts[side][i];
	return n;
}

/* The edge below all of what set the bins, and the one above. */
static double edge_below(const struct portrait_feature *f)
{
	return f->edges[0];
}

static double edge_above(const struct portrait_feature *f)
{
	return f->edges[f->bins - 2];
}

void portrait_count(struct portrait_feature *f, enum portrait_side side, double value)
{
	f->counts[side][portrait_bin(f, value)]++;
	if (f->word)
		return;
	f->beyond[side][0] += fmax(0, edge_below(f) - value);
	f->beyond[side][1] += fmax(0, value - edge_above(f));
}

struct portrait_feature *portrait_find(struct portrait *p, const char *name, bool word)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (!strcmp(p->at[i].name, name) && p->at[i].word == word)
			return &p->at[i];
	return NULL;
}

/* --- figures --- */

void portrait_table(const struct portrait_feature *f, struct drift_table *out)
{
	*out = (struct drift_table){0};
	for (unsigned i = 0; i < f->bins; i++) {
		if (!f->counts[PORTRAIT_REFERENCE][i] && !f->counts[PORTRAIT_CURRENT][i])
			continue;
		out->reference[out->bins] = (double)f->counts[PORTRAIT_REFERENCE][i];
		out->current[out->bins++] = (double)f->counts[PORTRAIT_CURRENT][i];
	}
}

/* Current less reference, each as a share of all up to bin i; what that is before the first bin is 0. */
static void apart(const struct portrait_feature *f, double out[PORTRAIT_BINS])
{
	double n = (double)portrait_n(f, PORTRAIT_REFERENCE), m = (double)portrait_n(f, PORTRAIT_CURRENT),
	       p = 0, q = 0;

	for (unsigned i = 0; i < f->bins; i++) {
		p += (double)f->counts[PORTRAIT_REFERENCE][i];
		q += (double)f->counts[PORTRAIT_CURRENT][i];
		out[i] = q / m - p / n;
	}
}

static bool counted(const struct portrait_feature *f)
{
	return portrait_n(f, PORTRAIT_REFERENCE) && portrait_n(f, PORTRAIT_CURRENT);
}

/* The greatest of what bins, or all up to one, are apart. */
static double words_distance(const struct portrait_feature *f)
{
	double n = (double)portrait_n(f, PORTRAIT_REFERENCE), m = (double)portrait_n(f, PORTRAIT_CURRENT),
	       most = 0;

	for (unsigned i = 0; i < f->bins; i++)
		most = fmax(most, fabs((double)f->counts[PORTRAIT_CURRENT][i] / m -
		                       (double)f->counts[PORTRAIT_REFERENCE][i] / n));
	return most;
}

double portrait_distance(const struct portrait_feature *f)
{
	double at[PORTRAIT_BINS], most = 0;

	if (!counted(f))
		return NAN;
	if (f->word)
		return words_distance(f);
	apart(f, at);
	for (unsigned i = 0; i < f->bins; i++)
		most = fmax(most, fabs(at[i]));
	return most;
}

/* Of a line from a to b over `width`. */
static double area(double a, double b, double width)
{
	double sum = fabs(a) + fabs(b);

	if (a * b >= 0)
		return width * sum / 2;
	return width * (a * a + b * b) / (2 * sum);
}

double portrait_wasserstein(const struct portrait_feature *f)
{
	double n = (double)portrait_n(f, PORTRAIT_REFERENCE), m = (double)portrait_n(f, PORTRAIT_CURRENT);
	double at[PORTRAIT_BINS], sum = 0;

	if (f->word || !counted(f))
		return NAN;
	apart(f, at);
	for (int end = 0; end < 2; end++)
		sum += fabs(f->beyond[PORTRAIT_CURRENT][end] / m - f->beyond[PORTRAIT_REFERENCE][end] / n);
	for (unsigned i = 1; i + 1 < f->bins; i++)
		sum += area(at[i - 1], at[i], f->edges[i] - f->edges[i - 1]);
	return sum;
}

static double fixed_band(uint64_t m, double alpha)
{
	return m ? sqrt(log(2 / alpha) / (2 * (double)m)) : (double)INFINITY;
}

static struct interval numbers_interval(const struct portrait_feature *f, bool watched, double alpha,
                                        double t_opt)
{
	uint64_t m = portrait_n(f, PORTRAIT_REFERENCE), n = portrait_n(f, PORTRAIT_CURRENT);
	double value = portrait_distance(f), first = fmax(1, t_opt / 10);
	double reach = quantile_band(n, alpha / 2, first) +
	               (watched ? quantile_band(m, alpha / 2, first) : fixed_band(m, alpha / 2));

	return (struct interval){value - reach, value + reach};
}

/* Each bin's two shares by the sequence of stat.h. */
static struct interval words_interval(const struct portrait_feature *f, double alpha, double t_opt)
{
	uint64_t m = portrait_n(f, PORTRAIT_REFERENCE), n = portrait_n(f, PORTRAIT_CURRENT);
	struct interval out = {0, 0};

	for (unsigned i = 0; i < f->bins; i++) {
		struct interval p = stat_rate(f->counts[PORTRAIT_REFERENCE][i], m, alpha / (2 * f->bins),
		                              t_opt),
		                q = stat_rate(f->counts[PORTRAIT_CURRENT][i], n, alpha / (2 * f->bins),
		                              t_opt);

		out.low = fmax(out.low, fmax(q.low - p.high, p.low - q.high));
		out.high = fmax(out.high, fmax(q.high - p.low, p.high - q.low));
	}
	return out;
}

struct portrait_drift portrait_drift(const struct portrait *p, bool watched, double alpha, double t_opt)
{
	struct portrait_drift drift = {NAN, {0, 0}};

	for (uint32_t i = 0; i < p->count; i++) {
		const struct portrait_feature *f = &p->at[i];
		double each = alpha / p->count;
		struct interval ci;

		if (!counted(f))
			continue;
		ci = f->word ? words_interval(f, each, t_opt) : numbers_interval(f, watched, each, t_opt);
		drift.value = fmax(portrait_distance(f), drift.value);
		drift.ci.low = fmax(drift.ci.low, ci.low);
		drift.ci.high = fmin(1, fmax(drift.ci.high, ci.high));
	}
	if (isnan(drift.value))
		drift.ci.high = 1;
	return drift;
}

/* --- telling --- */

static void put(struct buf *b, const char *key, double value)
{
	buf_printf(b, isfinite(value) ? ",\"%s\":%.12g" : ",\"%s\":null", key, value);
}

void portrait_write(const struct portrait *p, bool paired, struct buf *out)
{
	buf_puts(out, "\"features\":[");
	for (uint32_t i = 0; i < p->count; i++) {
		const struct portrait_feature *f = &p->at[i];
		uint64_t m = portrait_n(f, PORTRAIT_REFERENCE), n = portrait_n(f, PORTRAIT_CURRENT);
		double distance = portrait_distance(f), p_value = NAN, chi;
		struct drift_table t;

		portrait_table(f, &t);
		chi = drift_chi_square(&t, &p_value);
		buf_puts(out, i ? ",{\"feature\":" : "{\"feature\":");
		buf_json_string(out, span_of(f->name));
		buf_printf(out, ",\"kind\":\"%s\",\"reference_n\":%llu,\"n\":%llu",
		           f->word ? "word" : "number", (unsigned long long)m, (unsigned long long)n);
		put(out, "psi", m && n ? drift_psi(&t) : NAN);
		put(out, "psi_without_drift", m && n ? drift_psi_expected(&t) : NAN);
		put(out, "js_bits", m && n ? drift_js_bits(&t) : NAN);
		put(out, "wasserstein", portrait_wasserstein(f));
		put(out, "distance", distance);
		put(out, "ks_p_value_of_one_look", paired || f->word ? NAN : drift_ks_p(distance, m, n));
		put(out, "chi_square", m && n ? chi : NAN);
		put(out, "chi_square_p_value_of_one_look", paired || !m || !n ? NAN : p_value);
		buf_puts(out, "}");
	}
	buf_puts(out, "]");
}
