#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>

#include "replay/quantile.h"
#include "tests/lib/draw.h"

enum { SAMPLE_MAX = 20000 };
static double first[SAMPLE_MAX], second[SAMPLE_MAX];

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct sample drawn(double *at, unsigned n, double scale)
{
	for (unsigned i = 0; i < n; i++)
		at[i] = -scale * log1p(-draw());
	qsort(at, n, sizeof *at, by_value);
	return (struct sample){at, n};
}

/* test/uniform_boundaries_unittest.cpp of gostevehoward/confseq, the authors' own: "all target values are
 * from a reference implementation in R". */
static void band_published(void **state)
{
	(void)state;
	assert_true(fabs(quantile_band(1000, 0.05, 100) - 0.08204769) < 1e-7);
	assert_true(isinf(quantile_band(99, 0.05, 100)));
	assert_true(quantile_band(1000, 0.01, 100) > quantile_band(1000, 0.05, 100));
	assert_true(quantile_band(4000, 0.05, 100) < quantile_band(1000, 0.05, 100));
}

/* A count is in the set exactly when its e-value is below 1 / alpha. */
static void ranks_are_the_set(void **state)
{
	static const double levels[] = {0.01, 0.25, 0.5, 0.9, 0.99};

	(void)state;
	for (unsigned l = 0; l < sizeof levels / sizeof *levels; l++)
		for (uint64_t n = 1; n < 3000; n = n * 3 / 2 + 1) {
			struct ranks r = quantile_ranks(n, levels[l], 0.05, 500);

			for (uint64_t k = 0; k <= n; k++) {
				bool in = stat_rate_log_e((double)k, (double)n, levels[l], 500) < log(20);

				assert_int_equal(in, k >= r.low && k < r.high);
			}
		}
}

static void ranks_without_data(void **state)
{
	struct ranks r = quantile_ranks(0, 0.5, 0.05, 500);

	(void)state;
	assert_true(r.low == 0 && r.high == 1);
	r = quantile_band_ranks(50, 0.5, 0.05, 100);
	assert_true(r.low == 0 && r.high == 51);
	assert_true(isnan(quantile_value((struct sample){NULL, 0}, 0.5)));
	assert_true(isinf(quantile_ci((struct sample){first, 0}, 0.5, 0.05, 500).low));
	assert_true(quantile_equal_log_e((struct sample){first, 0}, (struct sample){first, 0}, 0.5, 500) ==
	            0);
}

/* The exact order statistics lie within what the sketch of the same values says. */
static void sketch_says_the_same(void **state)
{
	static struct sketch sketch;
	struct sample s = drawn(first, 5000, 3000);

	(void)state;
	for (unsigned i = 0; i < s.n; i++) {
		first[i] = ceil(first[i]);
		sketch_add(&sketch, (uint64_t)first[i]);
	}
	for (double q = 0.1; q < 1; q += 0.1) {
		struct interval exact = quantile_ci(s, q, 0.05, 1000),
		                told = quantile_sketch_ci(&sketch, 0, q, 0.05, 1000);

		assert_true(told.low <= exact.low && told.low >= 0.98 * exact.low - 1);
		assert_true(told.high >= exact.high && told.high <= exact.high / 0.98 + 1);
	}
}

/* Looked at every 20 values: how often one quantile, and how often any of nine, was ever left out. */
static void false_alarms(void **state)
{
	enum { PAIRS = 3000, EVERY = 20 };
	static struct ranks band[PAIRS / EVERY + 1][10];
	unsigned one = 0, any = 0, runs = 200;

	(void)state;
	for (unsigned look = 1; look <= PAIRS / EVERY; look++)
		for (unsigned i = 1; i < 10; i++)
			band[look][i] = quantile_band_ranks((uint64_t)look * EVERY, i / 10.0, 0.05, 100);
	draw_seed(1906);
	for (unsigned run = 0; run < runs; run++) {
		bool left = false, band_left = false;
		double below[10] = {0};

		for (unsigned n = 1; n <= PAIRS; n++) {
			double x = draw();

			for (unsigned i = 1; i < 10; i++)
				below[i] += x <= i / 10.0;
			if (n % EVERY)
				continue;
			for (unsigned i = 1; i < 10; i++)
				band_left |= below[i] < (double)band[n / EVERY][i].low ||
				             below[i] >= (double)band[n / EVERY][i].high;
			left |= stat_rate_log_e(below[9], (double)n, 0.9, 500) >= log(20);
		}
		one += left;
		any += band_left;
	}
	print_message("false alarms of %u runs: one quantile %u, the band %u\n", runs, one, any);
	assert_true(one <= runs * 5 / 100 && any <= runs * 5 / 100);
}

/* By the definition: over every point where a count changes and between, over every count that ties allow. */
static double equal_by_hand(struct sample a, struct sample b, double q)
{
	double least = INFINITY;

	for (unsigned side = 0; side < 2; side++)
		for (uint64_t i = 0; i < (side ? b : a).n; i++) {
			double x = (side ? b : a).at[i], sum = 0;

			for (unsigned arm = 0; arm < 2; arm++) {
				struct sample s = arm ? b : a;
				double low = 0, upto = 0, best = INFINITY;

				for (uint64_t j = 0; j < s.n; j++) {
					low += s.at[j] < x;
					upto += s.at[j] <= x;
				}
				for (double k = low; k <= upto + 1e-9; k += 1 / 64.0)
					best = fmin(best, stat_rate_log_e(k, (double)s.n, q, 100));
				sum += best;
			}
			least = fmin(least, sum);
		}
	return least;
}

static void equal_quantiles(void **state)
{
	(void)state;
	draw_seed(22);
	for (unsigned round = 0; round < 6; round++) {
		struct sample a = drawn(first, 40 + round, 10), b = drawn(second, 50, round % 2 ? 10 : 40);

		for (unsigned i = 0; round > 2 && i < 50; i++) { /* ties, within and across */
			first[i] = floor(first[i]);
			second[i] = floor(second[i]);
		}
		assert_true(fabs(quantile_equal_log_e(a, b, 0.5, 100) - equal_by_hand(a, b, 0.5)) < 1e-3);
		assert_true(quantile_equal_log_e(a, b, 0.9, 100) == quantile_equal_log_e(b, a, 0.9, 100));
	}
}

static void arms_that_differ(void **state)
{
	struct interval shift;
	struct sample a, b;

	(void)state;
	draw_seed(5);
	a = drawn(first, 4000, 100);
	b = drawn(second, 4000, 100);
	shift = quantile_shift(a, b, 0.9, 0.05, 1000);
	assert_true(shift.low < 0 && shift.high > 0);
	assert_true(quantile_equal_log_e(a, b, 0.9, 1000) < log(20));
	b = drawn(second, 4000, 130); /* its p90 is 299.3, the other's 230.3 */
	shift = quantile_shift(a, b, 0.9, 0.05, 1000);
	assert_true(shift.low > 0 && shift.low < 69.1 && shift.high > 69.1);
	assert_true(quantile_equal_log_e(a, b, 0.9, 1000) > log(20));
}

static void sketch_interval(void **state)
{
	static struct sketch s;
	struct interval i = quantile_sketch_ci(&s, 0, 0.5, 0.05, 500);

	(void)state;
	assert_true(i.low == 0 && isinf(i.high));
	for (uint64_t us = 1; us <= 20; us++)
		sketch_add(&s, us * 1000);
	i = quantile_sketch_ci(&s, 0, 0.99, 0.05, 500);
	assert_true(isinf(i.high)); /* 20 values cannot bound the p99 */
	memset(&s, 0, sizeof(s));
	for (uint64_t us = 1; us <= 20000; us++)
		sketch_add(&s, us);
	i = quantile_sketch_ci(&s, 0, 0.5, 0.05, 500);
	assert_true(i.low < 10000 && i.low > 9000 && i.high > 10000 && i.high < 11000);
	i = quantile_sketch_ci(&s, 0, 0.99, 0.05, 500);
	assert_true(i.low < 19800 && i.low > 19000 && i.high > 19800 && i.high <= 20000);
}

/* Differences of both signs in two sketches against the sorted values themselves. */
static void signed_differences(void **state)
{
	static struct sketch below, rest, none;
	static double all[2001];
	const struct sample sample = {all, 2001};

	(void)state;
	assert_true(isnan(quantile_signed(&none, &none, 0, 0.5)));
	for (int i = 0; i < 2001; i++) {
		all[i] = (i - 700) * 37; /* ascending: 700 below 0 */
		sketch_add(i < 700 ? &below : &rest, (uint64_t)fabs(all[i]));
	}
	for (double q = 0.01; q < 1; q += 0.07) {
		double value = quantile_value(sample, q), got = quantile_signed(&below, &rest, 0, q);
		struct interval exact = quantile_ci(sample, q, 0.05, 1000),
		                ci = quantile_signed_ci(&below, &rest, 0, q, 0.05, 1000);

		assert_true(fabs(got - value) <= 0.011 * fabs(value) + 1);
		assert_true(ci.low <= exact.low && ci.high >= exact.high);
		assert_true(isinf(exact.low) == isinf(ci.low) && isinf(exact.high) == isinf(ci.high));
		assert_true(isinf(ci.low) || exact.low - ci.low <= 0.021 * fabs(exact.low) + 1);
		assert_true(isinf(ci.high) || ci.high - exact.high <= 0.021 * fabs(exact.high) + 1);
	}
}

/* What was not waited for lies above all that came: the same as if it had come, later than any. */
static void censored(void **state)
{
	static struct sketch some, all, none;

	(void)state;
	for (uint64_t us = 1; us <= 2000; us++) {
		sketch_add(&all, us * 100);
		if (us <= 1800)
			sketch_add(&some, us * 100);
	}
	for (unsigned i = 1; i < 90; i++) {
		double q = i / 100.0;
		struct interval cut = quantile_sketch_ci(&some, 200, q, 0.05, 1000),
		                whole = quantile_sketch_ci(&all, 0, q, 0.05, 1000);

		assert_true(quantile_sketch(&some, 200, q) == quantile_sketch(&all, 0, q));
		assert_true(cut.low == whole.low && (cut.high == whole.high || isinf(cut.high)));
		assert_true(quantile_signed(&none, &some, 200, q) == quantile_signed(&none, &all, 0, q));
	}
	assert_true(isinf(quantile_sketch(&some, 200, 0.95)) &&
	            isinf(quantile_signed(&none, &some, 200, 0.95)));
	assert_true(isinf(quantile_sketch_ci(&some, 200, 0.95, 0.05, 1000).high));
	assert_true(isinf(quantile_sketch(&none, 5, 0.5)) && isnan(quantile_sketch(&none, 0, 0.5)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(signed_differences), cmocka_unit_test(band_published),
	        cmocka_unit_test(ranks_are_the_set),  cmocka_unit_test(ranks_without_data),
	        cmocka_unit_test(sketch_interval),    cmocka_unit_test(sketch_says_the_same),
	        cmocka_unit_test(false_alarms),       cmocka_unit_test(equal_quantiles),
	        cmocka_unit_test(arms_that_differ),   cmocka_unit_test(censored),
	};

	draw_seed(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
