#include "replay/ranks.h"

#include <math.h>
#include <stdbool.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

double ranks_tau_b(const double *a, const double *b, size_t count)
{
	uint64_t pairs = 0, ties_a = 0, ties_b = 0;
	int64_t difference = 0; /* concordant less discordant pairs */

	count = least(count, RANKS_MAX);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < i; k++) {
			int x = (a[i] > a[k]) - (a[i] < a[k]), y = (b[i] > b[k]) - (b[i] < b[k]);

			pairs++;
			ties_a += !x;
			ties_b += !y;
			difference += x * y;
		}
	}
	return (double)difference / sqrt((double)(pairs - ties_a) * (double)(pairs - ties_b));
}

static bool has(const uint32_t *list, size_t count, uint32_t item)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == item)
			return true;
	return false;
}

/* Items that are in both. */
static size_t shared(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count)
{
	size_t n = 0;

	for (size_t i = 0; i < a_count; i++)
		n += has(b, b_count, a[i]);
	return n;
}

double ranks_overlap(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count, size_t k)
{
	size_t depth = least(k, a_count > b_count ? a_count : b_count);

	return depth ? (double)shared(a, least(a_count, depth), b, least(b_count, depth)) / (double)depth : 1;
}

double ranks_rbo(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count, double p)
{
	size_t s, l, at_s = 0, common = 0;
	double sum = 0, weight = 1, agreement_l;

	if (a_count > b_count)
		return ranks_rbo(b, b_count, a, a_count, p);
	s = least(a_count, RANKS_MAX);
	l = least(b_count, RANKS_MAX);
	if (!s)
		return l ? 0 : 1;
	for (size_t d = 1; d <= l; d++) {
		weight *= p;
		if (d <= s)
			common += has(b, d, a[d - 1]);
		common += has(a, least(d - 1, s), b[d - 1]);
		if (d == s)
			at_s = common;
		sum += weight * (double)common / (double)d;
		if (d > s)
			sum += weight * (double)at_s * (double)(d - s) / (double)(s * d);
	}
	agreement_l = (double)(common - at_s) / (double)l + (double)at_s / (double)s;
	return fmin(1, (1 - p) / p * sum + agreement_l * weight);
}

static bool before(double a, double b)
{
	return !isnan(a) && (isnan(b) || a > b);
}

void ranks_order(const double *values, size_t count, uint32_t *places)
{
	for (size_t i = 0; i < count; i++) {
		size_t at = i;

		for (; at > 0 && before(values[i], values[places[at - 1]]); at--)
			places[at] = places[at - 1];
		places[at] = (uint32_t)i;
	}
}
