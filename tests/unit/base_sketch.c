/*
 * base_sketch.c - the quantile sketch keeps its 1 %, and merging commutes and associates.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/sketch.h"

static void sketch_error(void **state)
{
	static struct sketch s;

	(void)state;
	assert_int_equal(sketch_quantile(&s, 0.5), 0);
	for (uint64_t us = 0; us < 10; us++) {
		memset(&s, 0, sizeof(s));
		sketch_add(&s, us);
		assert_int_equal(sketch_quantile(&s, 0.5), us);
	}
	memset(&s, 0, sizeof(s));
	for (uint64_t us = 1; us <= 100001; us++)
		sketch_add(&s, us * 10);
	for (unsigned q = 0; q <= 1000; q++) {
		double exact = 10 * (1 + floor(q / 1000.0 * 100000));
		double got = (double)sketch_quantile(&s, q / 1000.0);

		assert_true(fabs(got - exact) <= 0.01 * exact + 0.5);
	}
	assert_int_equal(s.max_us, 1000010);
	sketch_add(&s, UINT64_MAX);
	assert_int_equal(s.max_us, UINT64_MAX);
}

static void sketch_merges(void **state)
{
	static struct sketch part[3], left, right, whole;
	uint64_t seed = 12;

	(void)state;
	for (unsigned i = 0; i < 30000; i++) {
		uint64_t us;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		us = (seed >> 33) >> (seed % 31);
		sketch_add(&part[i % 3], us);
		sketch_add(&whole, us);
	}
	left = part[0];
	sketch_merge(&left, &part[1]);
	sketch_merge(&left, &part[2]);
	right = part[1];
	sketch_merge(&right, &part[2]);
	sketch_merge(&right, &part[0]);
	assert_memory_equal(&left, &right, sizeof(left));
	assert_memory_equal(&left, &whole, sizeof(left));
}

static void a_rank_lies_in_its_bounds(void **state)
{
	static struct sketch s;
	double low, high;

	(void)state;
	for (uint64_t us = 0; us <= 5000; us++)
		sketch_add(&s, us);
	for (uint64_t rank = 1; rank <= 5001; rank++) {
		double value = (double)rank - 1;

		sketch_rank(&s, rank, &low, &high);
		assert_true(value <= high * (1 + 1e-9) && value >= low * (1 - 1e-9));
		assert_true(rank < 3 || high - low <= 0.0203 * value + 1e-9);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(sketch_error),
	        cmocka_unit_test(sketch_merges),
	        cmocka_unit_test(a_rank_lies_in_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
