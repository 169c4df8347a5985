/* The harm switch: its blocks, and that it finds a cost that is there and none that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/base/siphash.h"
#include "replay/harm.h"

static const uint64_t MS = 1000000u;
static const struct harm_rule rule = {.max_ns = 1000000, .block_ms = 100, .off_ppm = 250000, .seed = 3};
static struct hist timed[HARM_SIDES];

static void read_timed(void *arg, struct hist_view out[HARM_SIDES])
{
	++*(unsigned *)arg;
	for (unsigned s = 0; s < HARM_SIDES; s++)
		hist_read(&timed[s], &out[s]);
}

/* 0 to 1, the n-th of its kind. */
static double noise(uint64_t kind, uint64_t n)
{
	static const uint8_t key[16] = "noise";
	uint64_t text[2] = {kind, n};

	return (double)siphash(key, (struct span){(const char *)text, sizeof text}) / 18446744073709551616.0;
}

/* A live path of about 20 ms that drifts and is noisy, and `cost_ns` slower while shadowing is on. Returns
 * how many groups it took until the limit was passed, or 0. */
static uint64_t play(struct harm *h, double cost_ns, unsigned seconds, unsigned each_block)
{
	unsigned reads = 0;
	uint64_t n = 0;

	memset(timed, 0, sizeof timed);
	harm_init(h, &rule);
	for (uint64_t t = 0; t < seconds * 1000u; t += 100 / each_block) {
		enum harm_block block = harm_step(h, 5000 * MS + t * MS, read_timed, &reads);
		double drift = 2e6 * (double)(t / 10000 % 5), at = 20e6 + drift + 4e6 * noise(1, n++);

		if (block == HARM_ON)
			hist_add(&timed[HARM_WITH], (uint64_t)(at + cost_ns));
		else if (block == HARM_OFF)
			hist_add(&timed[HARM_WITHOUT], (uint64_t)at);
		if (harm_over(h))
			return h->groups;
	}
	return 0;
}

static void test_blocks(void **state)
{
	unsigned at[4] = {0};

	(void)state;
	for (uint64_t group = 0; group < 4000; group++) {
		unsigned off = 0;

		for (unsigned i = 0; i < 4; i++) {
			bool is = harm_is_off(&rule, 4 * group + i);

			off += is;
			at[i] += is;
		}
		assert_int_equal(off, 1);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(at[i], 1000 - 165, 1000 + 165); /* six standard deviations */
}

static void test_settles(void **state)
{
	struct harm h;
	unsigned reads = 0;

	(void)state;
	harm_init(&h, &rule);
	for (uint64_t t = 0; t < 4000; t++) {
		enum harm_block block = harm_step(&h, (7000 + t) * MS, read_timed, &reads);
		bool off = harm_is_off(&rule, t / 100), settles = t % 100 < 20;

		assert_int_equal(block, off       ? settles ? HARM_SETTLES_OFF : HARM_OFF
		                        : settles ? HARM_SETTLES_ON
		                                  : HARM_ON);
	}
	assert_int_equal(reads, 1 + 9); /* at the beginning, and after each group but the last */
}

static void test_no_cost(void **state)
{
	struct harm h;
	struct interval ci;
	double at;

	(void)state;
	assert_false(harm_cost((harm_init(&h, &rule), &h), &at, &ci));
	assert_int_equal(play(&h, 0, 400, 50), 0);
	assert_true(harm_cost(&h, &at, &ci));
	assert_true(ci.low < 0 && ci.high > 0 && ci.low <= at && at <= ci.high);
	assert_true(ci.high < 1e6); /* within the limit, for certain */
}

static void test_cost(void **state)
{
	struct harm h;
	struct interval ci;
	double at;
	uint64_t much, more;

	(void)state;
	much = play(&h, 3e6, 400, 50);
	assert_in_range(much, 10, 120);
	more = play(&h, 20e6, 400, 50); /* the range holds it at four times the limit */
	assert_in_range(more, 10, 40);
	assert_true(more < much);
	assert_int_equal(play(&h, 0.5e6, 400, 50), 0); /* there, but allowed */
	assert_true(harm_cost(&h, &at, &ci));
	assert_true(ci.low <= 0.5e6 && 0.5e6 <= ci.high && ci.high < 1e6);
	assert_true(ci.low > 0);
}

/* A group without enough exchanges on a side is no number; what it has is not lost. */
static void test_few(void **state)
{
	struct harm h;

	(void)state;
	play(&h, 0, 40, 10); /* eight or so without shadowing in a group */
	assert_true(h.groups > 10);
	play(&h, 0, 40, 2); /* one or two */
	assert_in_range(h.groups, 5, 25);
	memset(timed, 0, sizeof timed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_blocks), cmocka_unit_test(test_settles), cmocka_unit_test(test_no_cost),
	        cmocka_unit_test(test_cost),   cmocka_unit_test(test_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
