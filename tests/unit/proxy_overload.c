/* A loop that is behind: long turns for some ticks in a row, and for a while after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proxy/overload.h"

#define TICK ((uint64_t)100000000)

static uint64_t cpu_ns, now_ns;

/* One tick of that many turns, each of so much CPU time. */
static bool tick(struct overload *o, unsigned turns, uint64_t each_ns)
{
	o->turns += turns;
	cpu_ns += turns * each_ns;
	now_ns += TICK;
	overload_tick(o, cpu_ns, now_ns);
	return overload_is_on(o, now_ns);
}

static void long_turns_in_a_row_are_overload(void **state)
{
	struct overload o = {0};

	(void)state;
	assert_false(tick(&o, 10, OVERLOAD_TURN_NS + 1));
	assert_false(tick(&o, 10, OVERLOAD_TURN_NS + 1));
	assert_false(tick(&o, 10, OVERLOAD_TURN_NS)); /* a row that is broken */
	assert_false(tick(&o, 10, OVERLOAD_TURN_NS + 1));
	assert_false(tick(&o, 10, OVERLOAD_TURN_NS + 1));
	assert_true(tick(&o, 10, OVERLOAD_TURN_NS + 1));
	assert_int_equal(o.mean_ns, OVERLOAD_TURN_NS + 1);
	for (unsigned i = 1; i < OVERLOAD_HOLD_NS / TICK; i++)
		assert_true(tick(&o, 1000, 1));
	assert_false(tick(&o, 1000, 1));
}

static void much_work_in_short_turns_is_none(void **state)
{
	struct overload o = {0};

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_false(tick(&o, 1000, TICK / 1000));
	for (unsigned i = 0; i < 100; i++)
		assert_false(tick(&o, 0, 0)); /* nor is none at all */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(long_turns_in_a_row_are_overload),
	        cmocka_unit_test(much_work_in_short_turns_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
