/* When requests are due: exact, without drift, the same for the same seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "replay/schedule.h"

enum { MS = 1000000 };
static const uint64_t BEGUN_NS = 77 * UINT64_C(1000000000);

static void test_recorded(void **state)
{
	static const uint64_t at_ms[] = {0, 1, 1, 5, 100, 101, 4000};
	static const uint64_t cut_ms[] = {0, 1, 1, 5, 15, 16, 26};
	const struct plan_schedule plain = {0}, cut = {.max_gap_ns = 10 * MS};
	struct schedule s, twice, short_gaps, at_once;

	(void)state;
	schedule_init(&s, &plain, 1, 0);
	schedule_init(&twice, &plain, 2, 0);
	schedule_init(&short_gaps, &cut, 1, 0);
	schedule_init(&at_once, &plain, 0, 0);
	for (size_t i = 0; i < sizeof at_ms / sizeof *at_ms; i++) {
		uint64_t recorded = BEGUN_NS + at_ms[i] * MS;

		assert_int_equal(schedule_next(&s, recorded), at_ms[i] * MS);
		assert_int_equal(schedule_next(&twice, recorded), at_ms[i] * MS / 2);
		assert_int_equal(schedule_next(&short_gaps, recorded), cut_ms[i] * MS);
		assert_int_equal(schedule_next(&at_once, recorded), 0);
	}
}

/* Three requests 2 ms and 4 ms apart: a pass is followed after 3 ms, however many there were. */
static void test_loops(void **state)
{
	static const uint64_t at_ms[] = {0, 2, 6};
	const struct plan_schedule rule = {.loops = 1000};
	struct schedule s;

	(void)state;
	schedule_init(&s, &rule, 1, 0);
	for (uint64_t pass = 0; pass < 1000; pass++) {
		for (int i = 0; i < 3; i++)
			assert_int_equal(schedule_next(&s, BEGUN_NS + at_ms[i] * MS),
			                 (pass * 9 + at_ms[i]) * MS);
		schedule_again(&s);
	}
}

/* A constant rate has the last of a million requests where the first ten promise it. */
static void test_constant(void **state)
{
	const struct plan_schedule rule = {.arrivals = ARRIVALS_CONSTANT, .rate = 3000};
	struct schedule s;

	(void)state;
	schedule_init(&s, &rule, 1, 0);
	for (uint64_t n = 0; n < 1000000; n++) {
		uint64_t due = schedule_next(&s, BEGUN_NS + n % 7);

		assert_true(due == n * 1000000 / 3);
	}
}

/* The mean and the standard deviation of exponential gaps are both one over the rate, and a share exp(-1) of
 * them is longer. */
static void test_poisson(void **state)
{
	enum { DRAWS = 200000 };
	const struct plan_schedule rule = {.arrivals = ARRIVALS_POISSON, .rate = 1000};
	struct schedule s, again, other;
	double sum = 0, squares = 0;
	uint64_t last = 0, longer = 0, differ = 0;

	(void)state;
	schedule_init(&s, &rule, 1, 7);
	schedule_init(&again, &rule, 1, 7);
	schedule_init(&other, &rule, 1, 8);
	assert_int_equal(schedule_next(&s, 0), 0);
	schedule_next(&again, 0);
	schedule_next(&other, 0);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t due = schedule_next(&s, 0);
		double gap = (double)(due - last) / 1e6;

		assert_true(due >= last);
		assert_true(schedule_next(&again, 99) == due);
		differ += schedule_next(&other, 0) != due;
		longer += gap > 1;
		sum += gap;
		squares += gap * gap;
		last = due;
	}
	assert_true(fabs(sum / DRAWS - 1) < 0.01);
	assert_true(fabs(sqrt(squares / DRAWS - 1) - 1) < 0.02);
	assert_true(fabs((double)longer / DRAWS - exp(-1)) < 0.005);
	assert_true(differ > DRAWS * 9 / 10);
}

/* Gamma gaps have the mean and the coefficient of variation that are asked for, below and above one. */
static void test_burst(void **state)
{
	enum { DRAWS = 200000 };
	static const double cvs[] = {0.3, 1, 3};

	(void)state;
	for (size_t i = 0; i < sizeof cvs / sizeof *cvs; i++) {
		const struct plan_schedule rule = {.arrivals = ARRIVALS_BURST, .rate = 1000, .cv = cvs[i]};
		struct schedule s, again;
		double sum = 0, squares = 0;
		uint64_t last = 0;

		schedule_init(&s, &rule, 1, 7);
		schedule_init(&again, &rule, 1, 7);
		for (int n = 0; n <= DRAWS; n++) {
			uint64_t due = schedule_next(&s, 0);

			assert_true(due >= last && schedule_next(&again, 0) == due);
			sum += (double)(due - last) / 1e6;
			squares += (double)(due - last) * (double)(due - last) / 1e12;
			last = due;
		}
		assert_true(fabs(sum / DRAWS - 1) < 0.03);
		assert_true(fabs(sqrt(squares / DRAWS - (sum / DRAWS) * (sum / DRAWS)) / cvs[i] - 1) < 0.05);
	}
}

/* How many are due in a stretch of time, in seconds. */
static uint64_t due_between(const struct plan_schedule *rule, double from, double to)
{
	uint64_t n = 0, due = 0;
	struct schedule s;

	schedule_init(&s, rule, 1, 7);
	while ((double)due / 1e9 < to) {
		due = schedule_next(&s, 0);
		n += (double)due / 1e9 >= from && (double)due / 1e9 < to;
	}
	return n;
}

/* The integral of the rate says how many are due, in any stretch of time, to within one at its ends. */
static void test_profiles(void **state)
{
	struct plan_schedule ramp = {.arrivals = ARRIVALS_CONSTANT,
	                             .rate = 100,
	                             .profile = PROFILE_RAMP,
	                             .rate_to = 300,
	                             .period_ns = 10000000000u},
	                     step = ramp, sine = ramp, down = ramp;

	(void)state;
	assert_in_range(due_between(&ramp, 0, 5), 749, 751);
	assert_in_range(due_between(&ramp, 5, 10), 1249, 1251);
	assert_in_range(due_between(&ramp, 10, 12), 599, 601);
	down.rate_to = 50;
	assert_in_range(due_between(&down, 0, 10), 749, 751);
	assert_in_range(due_between(&down, 10, 20), 499, 501);
	step.profile = PROFILE_STEP;
	assert_in_range(due_between(&step, 0, 2), 199, 201);
	assert_in_range(due_between(&step, 8, 10), 519, 521);
	assert_in_range(due_between(&step, 10, 11), 299, 301);
	sine.profile = PROFILE_SINE;
	sine.rate_to = 200;
	assert_in_range(due_between(&sine, 0, 10), 999, 1001);
	assert_in_range(due_between(&sine, 0, 5), 817, 819); /* 500 + 1000 / pi */
	assert_in_range(due_between(&sine, 15, 20), 181, 183);
}

/* Copies have keys of their own, the same ones again; the first keeps that of the exchange. */
static void test_copies(void **state)
{
	(void)state;
	assert_true(schedule_copy(77, 0) == 77);
	for (unsigned i = 0; i < 100; i++)
		for (unsigned k = 0; k < i; k++)
			assert_true(schedule_copy(77, i) != schedule_copy(77, k));
	assert_true(schedule_copy(77, 3) == schedule_copy(77, 3) &&
	            schedule_copy(77, 3) != schedule_copy(78, 3));
}

static void test_shares_nest(void **state)
{
	static const uint32_t shares[] = {0, 10000, 250000, 900000, 1000000};
	uint64_t drawn[5] = {0}, both = 0;

	(void)state;
	for (uint64_t key = 0; key < 100000; key++) {
		bool before = false;

		for (int i = 0; i < 5; i++) {
			bool in = schedule_draws(3, key, shares[i]);

			assert_true(in || !before);
			drawn[i] += before = in;
		}
		both += schedule_draws(3, key, 250000) && schedule_draws(4, key, 250000);
	}
	assert_int_equal(drawn[0], 0);
	assert_in_range(drawn[1], 800, 1200);
	assert_in_range(drawn[2], 24000, 26000);
	assert_int_equal(drawn[4], 100000);
	assert_in_range(both, 5500, 7000); /* another seed is another draw */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_recorded), cmocka_unit_test(test_loops),
	        cmocka_unit_test(test_constant), cmocka_unit_test(test_poisson),
	        cmocka_unit_test(test_burst),    cmocka_unit_test(test_profiles),
	        cmocka_unit_test(test_copies),   cmocka_unit_test(test_shares_nest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
