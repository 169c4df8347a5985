#include "replay/agreement.h"

#include <math.h>

/* How many representable values lie between 0 and x >= 0, which is rounded to one. */
static uint64_t steps(double x, int bits, int least)
{
	int exponent;
	double fraction;

	if (x == 0)
		return 0;
	fraction = frexp(x, &exponent); /* x = fraction * 2^exponent, fraction in [1/2, 1) */
	if (exponent - 1 < least)
		return (uint64_t)rint(ldexp(x, bits - 1 - least));
	return ((uint64_t)(exponent - 1 - least) << (bits - 1)) + (uint64_t)rint(ldexp(fraction, bits));
}

double agreement_ulp(double a, double b, int bits, int least)
{
	uint64_t x = steps(fabs(a), bits, least), y = steps(fabs(b), bits, least);

	if (signbit(a) != signbit(b))
		return (double)x + (double)y;
	return (double)(x > y ? x - y : y - x);
}

void agreement_add(struct agreement *a, double live, double candidate, int bits, int least)
{
	double d = candidate - live, from = d - a->mean;

	if (!isfinite(live) || !isfinite(candidate)) {
		a->not_finite++;
		return;
	}
	a->n++;
	a->mean += from / (double)a->n;
	a->squares += from * (d - a->mean);
	a->abs_max = fmax(a->abs_max, fabs(d));
	if (live != 0)
		a->rel_max = fmax(a->rel_max, fabs(d / live));
	if (bits)
		a->ulp_max = fmax(a->ulp_max, agreement_ulp(live, candidate, bits, least));
}

void agreement_merge(struct agreement *a, const struct agreement *more)
{
	double n = (double)a->n + (double)more->n, from = more->mean - a->mean;

	a->not_finite += more->not_finite;
	if (!more->n)
		return;
	a->squares += more->squares + from * from * (double)a->n * (double)more->n / n;
	a->mean += from * (double)more->n / n;
	a->n += more->n;
	a->abs_max = fmax(a->abs_max, more->abs_max);
	a->rel_max = fmax(a->rel_max, more->rel_max);
	a->ulp_max = fmax(a->ulp_max, more->ulp_max);
}

double agreement_sd(const struct agreement *a)
{
	return a->n < 2 ? (double)NAN : sqrt(fmax(0, a->squares) / (double)(a->n - 1));
}
