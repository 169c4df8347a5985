#include "proto/base/order.h"

#include <math.h>
#include <stdlib.h>

static const double TAIL = 0.025;

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* P(Bin(n, q) = k) */
static double binomial(unsigned n, unsigned k, double q)
{
	return exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) + k * log(q) +
	           (n - k) * log1p(-q));
}

struct order_quantile order_quantile(int64_t *samples, unsigned n, double q)
{
	struct order_quantile out = {0};
	unsigned rank = (unsigned)ceil(q * n), low = 0, high = n;
	double below = 0, above = 0;

	qsort(samples, n, sizeof *samples, by_value);
	if (!n)
		return out;
	out.value = samples[rank ? rank - 1 : 0];
	/* The quantile is below the k-th smallest when fewer than k samples are: P(Bin < k), k from 1. */
	while (low < n && below + binomial(n, low, q) <= TAIL)
		below += binomial(n, low++, q);
	while (high > 0 && above + binomial(n, high, q) <= TAIL)
		above += binomial(n, high--, q);
	out.low = low ? &samples[low - 1] : NULL;
	out.high = high < n ? &samples[high] : NULL;
	return out;
}
