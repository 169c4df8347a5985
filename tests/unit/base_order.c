/* Ranks of order statistics against the tables of the binomial distribution, and how often they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/base/order.h"

enum { SAMPLES_MAX = 1000, ROUNDS = 2000 };

/* Samples 1..n, backwards: a value is its rank. */
static struct order_quantile of_ranks(int64_t *samples, unsigned n, double q)
{
	for (unsigned i = 0; i < n; i++)
		samples[i] = n - i;
	return order_quantile(samples, n, q);
}

/* Conover, Practical Nonparametric Statistics: the median of 10, 20, 50, 100 samples. */
static void medians(void **state)
{
	static const struct {
		unsigned n;
		int64_t value, low, high;
	} rows[] = {{10, 5, 2, 9}, {20, 10, 6, 15}, {50, 25, 18, 33}, {100, 50, 40, 61}};
	int64_t samples[SAMPLES_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct order_quantile v = of_ranks(samples, rows[i].n, 0.5);

		assert_int_equal(v.value, rows[i].value);
		assert_int_equal(*v.low, rows[i].low);
		assert_int_equal(*v.high, rows[i].high);
	}
}

/* 0.99^367 > 0.025 >= 0.99^368: before that many samples nothing bounds the 99th percentile from above. */
static void too_few(void **state)
{
	int64_t samples[SAMPLES_MAX];

	(void)state;
	assert_null(of_ranks(samples, 5, 0.5).low);
	assert_null(of_ranks(samples, 5, 0.5).high);
	assert_non_null(of_ranks(samples, 6, 0.5).low);
	assert_null(of_ranks(samples, 367, 0.99).high);
	assert_int_equal(*of_ranks(samples, 368, 0.99).high, 368);
	assert_int_equal(of_ranks(samples, 0, 0.5).value, 0);
	assert_null(of_ranks(samples, 0, 0.5).low);
	assert_int_equal(of_ranks(samples, 1, 0.99).value, 1);
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s >> 11;
}

/* Uniform samples on [0, 2^20): the 0.9 quantile is known, at most 5 in 100 intervals may miss it. */
static void it_holds(void **state)
{
	const int64_t truth = (int64_t)(0.9 * (1 << 20));
	int64_t samples[200];
	uint64_t seed = 42;
	unsigned missed = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct order_quantile v;

		for (unsigned i = 0; i < 200; i++)
			samples[i] = (int64_t)(next_random(&seed) % (1 << 20));
		v = order_quantile(samples, 200, 0.9);
		missed += *v.low > truth || *v.high < truth;
	}
	assert_in_range(missed, ROUNDS / 200, ROUNDS / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(medians), cmocka_unit_test(too_few),
	                                   cmocka_unit_test(it_holds)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
