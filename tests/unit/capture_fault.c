/* Faults as text: what can be written, what comes back, when one lasts and whom it hits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "capture/fault.h"

static const uint64_t MS = 1000000u;

static void test_round(void **state)
{
	static const struct {
		const char *text, *again;
		struct plan_fault fault;
	} rows[] = {
	        {"hang", NULL, {FAULT_HANG, 1000000, 0, 0, 0}},
	        {"delay 200ms 20% from 10s for 1m", NULL, {FAULT_DELAY, 200000, 200, 10000, 60000}},
	        {"  slow   1000/s for 1.5s  ",
	         "slow 1000/s for 1500ms",
	         {FAULT_SLOW, 1000000, 1000, 0, 1500}},
	        {"reset for 2h 0.5%", "reset 0.5% for 2h", {FAULT_RESET, 5000, 0, 0, 7200000}},
	        {"garbage 100%", "garbage", {FAULT_GARBAGE, 1000000, 0, 0, 0}},
	        {"outage 0.0001% from 1ms", NULL, {FAULT_OUTAGE, 1, 0, 1, 0}},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct plan_fault fault;
		char text[FAULT_TEXT_BYTES];
		const char *why;

		assert_int_equal(fault_read(span_of(rows[i].text), &fault, &why), 0);
		assert_memory_equal(&fault, &rows[i].fault, sizeof fault);
		fault_write(&fault, text);
		assert_string_equal(text, rows[i].again ? rows[i].again : rows[i].text);
	}
}

static void test_wrong(void **state)
{
	static const char *const wrong[] = {
	        "",
	        "sleep",
	        "delay",
	        "delay 10",
	        "delay 10%",
	        "delay 0ms",
	        "delay 2h",
	        "slow",
	        "slow 10ms",
	        "slow 0/s",
	        "hang 101%",
	        "hang 0%",
	        "hang 1% 2%",
	        "hang for",
	        "hang for 1",
	        "hang from 1%",
	        "hang . ",
	        "hang 1..5%",
	        "hang 5% x",
	        "hang 5 %",
	        "from 10s hang",
	        "hangs",
	        "hang for 31d",
	        "delay 1ms 1ms",
	        "hang for 1s for 1s",
	        "hang 99999999999999999999%",
	        "delay -1ms",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct plan_fault fault;
		const char *why = NULL;

		assert_int_equal(fault_read(span_of(wrong[i]), &fault, &why), ERR_CONFIG);
		assert_non_null(why);
	}
}

static void test_lasts(void **state)
{
	struct plan_fault f = {FAULT_HANG, 1000000, 0, 100, 50};

	(void)state;
	assert_false(fault_lasts(&f, 99 * MS));
	assert_true(fault_lasts(&f, 100 * MS) && fault_lasts(&f, 149 * MS));
	assert_false(fault_lasts(&f, 150 * MS));
	f.for_ms = 0;
	assert_true(fault_lasts(&f, UINT64_MAX));
}

/* The share is what was asked for; the same seed, exchange and fault the same; another of them, another. */
static void test_draws(void **state)
{
	enum { COUNT = 100000 };
	struct plan_fault f = {FAULT_HANG, 200000, 0, 0, 0}, all = {FAULT_HANG, 1000000, 0, 0, 0};
	unsigned hits = 0, both = 0, seeds = 0;

	(void)state;
	for (uint64_t id = 0; id < COUNT; id++) {
		bool hit = fault_draws(&f, 7, id, 0);

		assert_int_equal(hit, fault_draws(&f, 7, id, 0));
		assert_true(fault_draws(&all, 7, id, 0));
		hits += hit;
		both += hit && fault_draws(&f, 7, id, 1);
		seeds += hit && fault_draws(&f, 8, id, 0);
	}
	assert_in_range(hits, COUNT / 5 - 600, COUNT / 5 + 600);
	assert_in_range(both, COUNT / 25 - 400, COUNT / 25 + 400);
	assert_in_range(seeds, COUNT / 25 - 400, COUNT / 25 + 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_round),
	        cmocka_unit_test(test_wrong),
	        cmocka_unit_test(test_lasts),
	        cmocka_unit_test(test_draws),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
