/* A candidate's share: stages up while gates hold, down when they do not, and the watch share once it is
 * decided. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "replay/share.h"

static const uint64_t S = 1000000000u;
static const struct plan_ramp none,
        ramp = {.stage_count = 4, .stages = {10000, 100000, 500000, 1000000}, .pairs = 100, .hold_ms = 60000};
static const struct plan_stop never,
        stop = {.on = true, .decided = true, .pairs = 5000, .after_ms = 3600000, .watch_ppm = 10000};

#define AT(s, n, ...)                                                                                        \
	(&(struct share_view){.now_ns = (s)*S, .run_ns = (s)*S, .pairs = (n), .seen = 10 * (n), __VA_ARGS__})

static void test_climbs(void **state)
{
	struct share s;

	(void)state;
	share_init(&s, &ramp, &never, 1000000);
	assert_int_equal(share_step(&s, AT(0, 0, .holds = true)), 10000);
	assert_int_equal(share_step(&s, AT(59, 5000, .holds = true)), 10000); /* too early */
	assert_int_equal(share_step(&s, AT(60, 5000, .holds = true)), 100000);
	assert_int_equal(share_step(&s, AT(1000, 5099, .holds = true)), 100000); /* too few */
	assert_int_equal(share_step(&s, AT(1000, 5100, .holds = true)), 500000);
	assert_int_equal(share_step(&s, AT(1060, 5200, .holds = true)), 1000000);
	assert_int_equal(share_step(&s, AT(9999, 99999, .holds = true)), 1000000);
	assert_int_equal(s.falls, 0);
}

static void test_falls(void **state)
{
	struct share s;

	(void)state;
	share_init(&s, &ramp, &never, 1000000);
	share_step(&s, AT(0, 0, .holds = true));
	assert_int_equal(share_step(&s, AT(60, 100, .holds = false)), 10000); /* there is none below */
	share_step(&s, AT(60, 100, .holds = true));
	assert_int_equal(share_step(&s, AT(120, 200, .holds = true)), 500000);
	assert_int_equal(share_step(&s, AT(130, 210, .holds = false)), 500000); /* a few pairs say little */
	assert_int_equal(share_step(&s, AT(180, 300, .holds = false)), 100000);
	assert_int_equal(share_step(&s, AT(240, 400, .holds = true)), 500000);
	assert_int_equal(share_step(&s, AT(241, 401, .holds = true, .failed = true)), 10000); /* at once */
	assert_int_equal(share_step(&s, AT(999, 999, .holds = true, .failed = true)), 10000);
	assert_int_equal(s.falls, 2);
}

static void test_stops(void **state)
{
	struct share s;

	(void)state;
	share_init(&s, &none, &stop, 1000000);
	assert_int_equal(share_step(&s, AT(10, 4999, .decided = false)), 1000000);
	assert_int_equal(share_saved(&s, 60000), 0);
	assert_int_equal(share_step(&s, AT(10, 5000, .decided = false)), 10000);
	assert_int_equal(s.stopped, SHARE_STOPPED_PAIRS);
	assert_int_equal(share_saved(&s, 50000 + 1000), 990);
	assert_int_equal(share_step(&s, AT(11, 5000, .decided = true)), 10000);
	assert_int_equal(s.stopped, SHARE_STOPPED_PAIRS); /* the first reason stands */

	share_init(&s, &none, &stop, 1000000);
	assert_int_equal(share_step(&s, AT(1, 5, .decided = true)), 10000);
	assert_int_equal(s.stopped, SHARE_STOPPED_DECIDED);
	assert_int_equal(share_step(&s, AT(2, 6, .decided = false)), 10000); /* for good */

	share_init(&s, &none, &stop, 5000);
	assert_int_equal(share_step(&s, AT(3600, 5, .decided = false)), 10000);
	assert_int_equal(s.stopped, SHARE_STOPPED_AFTER);
	assert_int_equal(share_saved(&s, 1000000), 0); /* it was to get less than the watch share */
}

static void test_stopped_in_a_stage(void **state)
{
	static const struct plan_stop wide = {.on = true, .decided = true, .watch_ppm = 50000};
	struct share s;

	(void)state;
	share_init(&s, &ramp, &wide, 1000000);
	assert_int_equal(share_step(&s, AT(0, 0, .decided = true)), 10000); /* the least of both */
}

static void test_resume(void **state)
{
	struct share s;

	(void)state;
	share_init(&s, &ramp, &stop, 1000000);
	share_resume(&s, 2, SHARE_RUNS, 0);
	assert_int_equal(share_step(&s, AT(50, 900, .holds = true)), 500000);
	assert_int_equal(share_step(&s, AT(110, 999, .holds = true)),
	                 500000); /* counted from the resumption */
	assert_int_equal(share_step(&s, AT(110, 1000, .holds = true)), 1000000);
	share_init(&s, &ramp, &stop, 1000000);
	share_resume(&s, 9, SHARE_STOPPED_DECIDED, 100);
	assert_int_equal(share_step(&s, AT(50, 9, .holds = true)), 10000);
	assert_int_equal(share_saved(&s, 200), 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_climbs), cmocka_unit_test(test_falls),
	        cmocka_unit_test(test_stops),  cmocka_unit_test(test_stopped_in_a_stage),
	        cmocka_unit_test(test_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
