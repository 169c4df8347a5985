/* Limits of a candidate: no window of time lets more through than its rate and its burst. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "replay/limit.h"

static const uint64_t S = 1000000000u, MS = 1000000u;

/* Offers one request each `step_ns` for `seconds`; how many pass. */
static unsigned offer(struct limit *l, size_t bytes, uint64_t from_ns, uint64_t step_ns, unsigned seconds)
{
	unsigned passed = 0;

	for (uint64_t t = from_ns; t < from_ns + seconds * S; t += step_ns)
		passed += limit_take(l, bytes, t) == LIMIT_PASS;
	return passed;
}

static void test_requests(void **state)
{
	struct limit l = {.requests = 40};

	(void)state;
	assert_in_range(offer(&l, 1, 77 * S, MS, 10), 400, 400 + 40 / 4 + 1);
	/* what was not used for a minute is no more than the burst */
	assert_in_range(offer(&l, 1, 147 * S, MS, 1), 40, 40 + 40 / 4 + 1);
	/* offered less than the rate, all pass */
	l = (struct limit){.requests = 40};
	assert_int_equal(offer(&l, 1, S, 50 * MS, 10), 200);
}

static void test_slow_rate(void **state)
{
	struct limit l = {.requests = 1.0 / 60};

	(void)state;
	assert_int_equal(limit_take(&l, 1, 5 * S), LIMIT_PASS);
	assert_int_equal(limit_take(&l, 1, 5 * S + 1), LIMIT_RATE);
	assert_int_equal(limit_take(&l, 1, 64 * S), LIMIT_RATE);
	assert_int_equal(limit_take(&l, 1, 65 * S), LIMIT_PASS);
}

/* What is refused is not charged, of either bucket. */
static void test_refused_is_free(void **state)
{
	struct limit l = {.requests = 1000, .bytes = 1000};
	struct limit before;

	(void)state;
	assert_int_equal(limit_take(&l, 5000, S), LIMIT_PASS); /* larger than the bucket: it goes into debt */
	before = l;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(limit_take(&l, 1, S + i), LIMIT_RATE);
	assert_memory_equal(&l, &before, sizeof l);
	assert_int_equal(limit_take(&l, 1, 5 * S + 700 * MS), LIMIT_RATE);
	assert_int_equal(limit_take(&l, 1, 5 * S + 750 * MS), LIMIT_PASS);
}

static void test_queue(void **state)
{
	struct limit l = {.queue_bytes = 100};

	(void)state;
	assert_int_equal(limit_take(&l, 101, S), LIMIT_QUEUE);
	assert_int_equal(limit_take(&l, 60, S), LIMIT_PASS);
	assert_int_equal(limit_take(&l, 41, S), LIMIT_QUEUE);
	assert_int_equal(limit_take(&l, 40, S), LIMIT_PASS);
	limit_give(&l, 60);
	assert_int_equal(limit_take(&l, 61, S), LIMIT_QUEUE);
	assert_int_equal(limit_take(&l, 60, S), LIMIT_PASS);
	assert_int_equal(limit_take(&l, SIZE_MAX, S), LIMIT_QUEUE);
}

static void test_none(void **state)
{
	struct limit l = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(limit_take(&l, SIZE_MAX / 2000, S), LIMIT_PASS);
}

static void test_debt_is_bounded(void **state)
{
	struct limit l = {.bytes = 1};

	(void)state;
	assert_int_equal(limit_take(&l, SIZE_MAX / 2, S), LIMIT_PASS);
	assert_int_equal(limit_take(&l, 1, S), LIMIT_RATE);
	assert_int_equal(limit_take(&l, 1, UINT64_MAX / 2), LIMIT_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_requests),
	        cmocka_unit_test(test_slow_rate),
	        cmocka_unit_test(test_refused_is_free),
	        cmocka_unit_test(test_queue),
	        cmocka_unit_test(test_none),
	        cmocka_unit_test(test_debt_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
