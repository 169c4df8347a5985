/* One safeguard: when it acts, when it lets go, and the figures of the last while. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "replay/guards.h"
#include "replay/rule.h"

#define MS ((uint64_t)1000000)

static const struct plan_safeguard plan = {
        .action = GUARD_PAUSE, .max = 0.1, .leave = 0.08, .window_ms = 1000, .for_ms = 500, .hold_ms = 2000};

static void it_acts_after_a_while_and_lets_go_below_the_other_limit(void **state)
{
	struct rule r = {0};

	(void)state;
	assert_int_equal(rule_step(&r, &plan, 0.2, 1000 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 0.05, 1400 * MS), RULE_STAYS); /* it has begun anew */
	assert_int_equal(rule_step(&r, &plan, 0.2, 1500 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 0.2, 1999 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 0.2, 2000 * MS), RULE_TRIPS);
	assert_int_equal(rule_step(&r, &plan, 0.2, 9000 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 0.09, 10000 * MS), RULE_STAYS); /* between the limits */
	assert_int_equal(rule_step(&r, &plan, 0.09, 20000 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 0.08, 21000 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 0.09, 22000 * MS), RULE_STAYS); /* over leave: from anew */
	assert_int_equal(rule_step(&r, &plan, 0.01, 23000 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 0.01, 24999 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 0.01, 25000 * MS), RULE_LEAVES);
	assert_int_equal(r.trips, 1);
	assert_int_equal(rule_step(&r, &plan, 0.2, 25001 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 0.2, 25501 * MS), RULE_TRIPS);
	assert_int_equal(r.trips, 2);
}

static void what_is_not_known_neither_acts_nor_holds_for_ever(void **state)
{
	struct rule r = {0};

	(void)state;
	for (unsigned i = 1; i < 100; i++)
		assert_int_equal(rule_step(&r, &plan, NAN, i * 1000 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 1, 200000 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, 1, 200500 * MS), RULE_TRIPS);
	assert_int_equal(rule_step(&r, &plan, NAN, 200600 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, NAN, 202599 * MS), RULE_STAYS);
	assert_int_equal(rule_step(&r, &plan, NAN, 202600 * MS), RULE_LEAVES);
}

static void a_stop_is_for_good(void **state)
{
	struct plan_safeguard stop = plan;
	struct rule r = {0};

	(void)state;
	stop.action = GUARD_STOP;
	stop.for_ms = 0;
	assert_int_equal(rule_step(&r, &stop, 0.2, 1 * MS), RULE_TRIPS);
	for (unsigned i = 1; i < 100; i++)
		assert_int_equal(rule_step(&r, &stop, 0, i * 10000 * MS), RULE_STAYS);
}

static void a_rate_is_of_the_last_while(void **state)
{
	struct rule_window w = {0};

	(void)state;
	assert_true(isnan(rule_rate(&w, 1000, 500, 1000, 0))); /* what was before does not count */
	assert_true(isnan(rule_rate(&w, 1000, 510, 1000 + RULE_LEAST - 1, 100 * MS)));
	assert_true(fabs(rule_rate(&w, 1000, 510, 1020, 200 * MS) - 0.5) < 1e-9);
	(void)rule_rate(&w, 1000, 510, 1020, 600 * MS);
	(void)rule_rate(&w, 1000, 510, 1020, 1200 * MS);
	assert_true(isnan(rule_rate(&w, 1000, 510, 1020, 1300 * MS))); /* and it is over */
	assert_true(fabs(rule_rate(&w, 1000, 510, 1060, 1400 * MS)) < 1e-9);
}

/* A batch that the disk did not take. */
static void what_is_taken_back_is_no_rate(void **state)
{
	struct rule_window w = {0};

	(void)state;
	(void)rule_rate(&w, 1000, 5, 100, 0);
	(void)rule_rate(&w, 1000, 9, 200, 600 * MS);
	assert_true(isnan(rule_rate(&w, 1000, 8, 190, 700 * MS)));
	assert_true(isnan(rule_rate(&w, 1000, 8, 195, 1300 * MS)));
	assert_true(isnan(rule_rate(&w, 1000, 4, 90, 1400 * MS)));
	assert_true(fabs(rule_rate(&w, 1000, 14, 190, 1500 * MS) - 0.1) < 1e-9);
}

static void a_quantile_is_of_the_last_while(void **state)
{
	static struct rule_times w;
	static struct hist h;
	static struct hist_view all;
	double ms;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		hist_add(&h, 500 * MS);
	hist_read(&h, &all);
	assert_true(isnan(rule_quantile(&w, 1000, &all, 0.99, 0)));
	for (unsigned i = 0; i < 50; i++)
		hist_add(&h, 10 * MS);
	memset(&all, 0, sizeof all);
	hist_read(&h, &all);
	ms = rule_quantile(&w, 1000, &all, 0.99, 100 * MS);
	assert_true(ms > 9.5 && ms < 10.5);
}

static void the_machine_says_how_short_it_is(void **state)
{
	(void)state;
	assert_true(fabs(guards_memory(SPAN("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   250 kB\n")) -
	                 0.75) < 1e-9);
	assert_true(isnan(guards_memory(SPAN("MemTotal: 1000 kB\nMemFree: 100 kB\n"))));
	assert_true(isnan(guards_memory(SPAN("MemTotal: 0 kB\nMemAvailable: 0 kB\n"))));
	assert_true(fabs(guards_cpu(SPAN("some avg10=12.50 avg60=0.00 avg300=0.00 total=1\n")) - 0.125) <
	            1e-9);
	assert_true(isnan(guards_cpu(SPAN("0.52 0.58 0.59 1/467 12345\n"))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(it_acts_after_a_while_and_lets_go_below_the_other_limit),
	        cmocka_unit_test(what_is_not_known_neither_acts_nor_holds_for_ever),
	        cmocka_unit_test(a_stop_is_for_good),
	        cmocka_unit_test(a_rate_is_of_the_last_while),
	        cmocka_unit_test(what_is_taken_back_is_no_rate),
	        cmocka_unit_test(a_quantile_is_of_the_last_while),
	        cmocka_unit_test(the_machine_says_how_short_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
