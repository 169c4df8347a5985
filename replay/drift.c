#include "replay/drift.h"

#include <math.h>

static const double EMPTY_SHARE = 1e-4, TINY = 1e-300, PRECISION = 1e-15;
enum { TERMS_MAX = 10000 };

/* --- tables --- */

static double *bin_of(double *bins, unsigned last, const double *edges, double x)
{
	unsigned i = 0;

	while (i < last && x > edges[i])
		i++;
	return &bins[i];
}

void drift_bin(struct sample reference, struct sample current, unsigned bins, struct drift_table *out)
{
	double edges[DRIFT_BINS_MAX];
	unsigned last = 0;

	*out = (struct drift_table){0};
	bins = bins < DRIFT_BINS_MAX ? bins : DRIFT_BINS_MAX;
	for (unsigned i = 1; i < bins && reference.n; i++) {
		double edge = quantile_value(reference, (double)i / bins);

		if ((!last || edge > edges[last - 1]) && edge < reference.at[reference.n - 1])
			edges[last++] = edge;
	}
	out->bins = last + 1;
	for (uint64_t i = 0; i < reference.n; i++)
		++*bin_of(out->reference, last, edges, reference.at[i]);
	for (uint64_t i = 0; i < current.n; i++)
		++*bin_of(out->current, last, edges, current.at[i]);
}

struct sums {
	double reference, current;
};

static struct sums sums_of(const struct drift_table *t)
{
	struct sums s = {0, 0};

	for (unsigned i = 0; i < t->bins; i++) {
		s.reference += t->reference[i];
		s.current += t->current[i];
	}
	return s;
}

double drift_psi(const struct drift_table *t)
{
	struct sums s = sums_of(t);
	double psi = 0;

	if (!(s.reference > 0) || !(s.current > 0))
		return NAN;
	for (unsigned i = 0; i < t->bins; i++) {
		double p = t->reference[i] > 0 ? t->reference[i] / s.reference : EMPTY_SHARE;
		double q = t->current[i] > 0 ? t->current[i] / s.current : EMPTY_SHARE;

		psi += (q - p) * log(q / p);
	}
	return psi;
}

double drift_psi_expected(const struct drift_table *t)
{
	struct sums s = sums_of(t);

	return (t->bins - 1.0) * (1 / s.reference + 1 / s.current);
}

double drift_js_bits(const struct drift_table *t)
{
	struct sums s = sums_of(t);
	double js = 0;

	for (unsigned i = 0; i < t->bins; i++) {
		double p = t->reference[i] / s.reference, q = t->current[i] / s.current, m = (p + q) / 2;

		js += (p > 0 ? p * log2(p / m) : 0) / 2 + (q > 0 ? q * log2(q / m) : 0) / 2;
	}
	return js;
}

/* --- tests --- */

/* Q(a, x), the regularised upper incomplete gamma function: its series below a + 1, above it the continued
 * fraction (Abramowitz and Stegun 6.5.29 and 6.5.31; Lentz's method). */
static double gamma_upper(double a, double x)
{
	int sign;
	double front = exp(a * log(x) - x - lgamma_r(a, &sign)), term = 1 / a, sum = term;
	double b = x + 1 - a, c = 1 / TINY, d = 1 / b, h = d;

	if (!(x > 0))
		return 1;
	if (x < a + 1) {
		for (int i = 1; i < TERMS_MAX && term > PRECISION * sum; i++)
			sum += term *= x / (a + i);
		return 1 - front * sum;
	}
	for (int i = 1; i < TERMS_MAX; i++) {
		double n = -i * (i - a), change;

		b += 2;
		d = 1 / (n * d + b);
		c = b + n / c;
		change = c * d;
		h *= change;
		if (fabs(change - 1) < PRECISION)
			break;
	}
	return front * h;
}

double drift_chi_square(const struct drift_table *t, double *p_out)
{
	struct sums s = sums_of(t);
	double chi = 0, all = s.reference + s.current;
	unsigned bins = 0;

	for (unsigned i = 0; i < t->bins; i++) {
		double in = t->reference[i] + t->current[i], p = in * s.reference / all,
		       q = in * s.current / all;

		if (!(in > 0))
			continue;
		bins++;
		chi += (t->reference[i] - p) * (t->reference[i] - p) / p +
		       (t->current[i] - q) * (t->current[i] - q) / q;
	}
	*p_out = bins > 1 ? gamma_upper((bins - 1) / 2.0, chi / 2) : 1;
	return chi;
}

/* --- whole distributions --- */

/* Walks both samples' values upwards: before each step of width `width` the functions are `apart`. */
static void walk(struct sample a, struct sample b, double *most_out, double *area_out)
{
	uint64_t i = 0, j = 0;
	double apart = 0, at = 0;

	*most_out = *area_out = 0;
	while (i < a.n || j < b.n) {
		double x = j == b.n || (i < a.n && a.at[i] < b.at[j]) ? a.at[i] : b.at[j];

		if (i || j)
			*area_out += fabs(apart) * (x - at);
		at = x;
		while (i < a.n && a.at[i] == x)
			i++;
		while (j < b.n && b.at[j] == x)
			j++;
		apart = (double)i / (double)a.n - (double)j / (double)b.n;
		*most_out = fmax(*most_out, fabs(apart));
	}
}

/* 2 sum (-1)^(k-1) exp(-2 k^2 x^2) (Smirnov 1948); below 0.2 its value is 1 to the last digit. */
static double kolmogorov(double x)
{
	double sum = 0, term = 1;

	if (x < 0.2)
		return 1;
	for (int k = 1; k < TERMS_MAX && fabs(term) > PRECISION * fabs(sum); k++)
		sum += term = (k % 2 ? 2 : -2) * exp(-2.0 * k * k * x * x);
	return fmin(1, sum);
}

double drift_ks_p(double distance, uint64_t n, uint64_t m)
{
	double a = (double)n, b = (double)m;

	return isnan(distance) || !n || !m ? (double)NAN : kolmogorov(sqrt(a * b / (a + b)) * distance);
}

double drift_ks(struct sample a, struct sample b, double *p_out)
{
	double most, area;

	*p_out = NAN;
	if (!a.n || !b.n)
		return NAN;
	walk(a, b, &most, &area);
	*p_out = drift_ks_p(most, a.n, b.n);
	return most;
}

double drift_wasserstein(struct sample a, struct sample b)
{
	double most, area;

	if (!a.n || !b.n)
		return NAN;
	walk(a, b, &most, &area);
	return area;
}
