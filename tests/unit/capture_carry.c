/* What outlives a start: written, read back, and read from anything at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "capture/carry.h"

static struct plan *a_plan(void)
{
	struct plan *p = calloc(1, sizeof *p);

	assert_non_null(p);
	p->route_count = 2;
	for (unsigned r = 0; r < 2; r++) {
		snprintf(p->routes[r].name, NAME_MAX_BYTES, "route%u", r);
		p->routes[r].stop.on = r == 0;
		p->routes[r].candidate_count = 2;
		for (unsigned c = 0; c < 2; c++) {
			snprintf(p->routes[r].candidates[c].name, NAME_MAX_BYTES, "c%u", c);
			p->routes[r].candidates[c].ramp.stage_count = 4;
		}
	}
	return p;
}

static struct page *a_page(void)
{
	struct page *page = calloc(1, sizeof *page);

	assert_non_null(page);
	return page;
}

static void what_is_written_is_read(void **state)
{
	struct page *from = a_page(), *same = a_page(), *other = a_page();
	struct plan *plan = a_plan();
	struct buf text;

	(void)state;
	buf_init(&text, CARRY_MAX_BYTES);
	from->standings[0][1].stage = 3;
	from->standings[0][1].falls = 2;
	from->standings[0][1].stopped = CARRY_STOPS;
	from->candidates[1][0].spent_day = 20000;
	from->candidates[1][0].spent_tokens = UINT64_MAX;
	carry_write(plan, from, &text);
	carry_read(plan, same, buf_span(&text), true);
	assert_int_equal(same->standings[0][1].stage, 3);
	assert_int_equal(same->standings[0][1].falls, 2);
	assert_int_equal(same->standings[0][1].stopped, CARRY_STOPS);
	assert_int_equal(same->candidates[1][0].spent_day, 20000);
	assert_true(same->candidates[1][0].spent_tokens == UINT64_MAX);
	assert_int_equal(same->carried, 1);
	carry_read(plan, other, buf_span(&text), false); /* another run: its ramps begin anew */
	assert_int_equal(other->standings[0][1].stage + other->standings[0][1].stopped + other->carried, 0);
	assert_int_equal(other->candidates[1][0].spent_day, 20000);
	buf_fini(&text);
	free(from);
	free(same);
	free(other);
	free(plan);
}

static void anything_else_is_skipped(void **state)
{
	static const char *const lines[] = {
	        "candidate route0 c1 5 0 0 1 1\n",
	        "candidate route0 c1 1 0 4 1 1\n", /* no such stage, stop */
	        "candidate route0 gone 1 1 1 1 1\n",
	        "candidate route0 c1 1 1 1 1 1 1\n",
	        "candidate route0 c1 1 1 1 1\n",
	        "Candidate route0 c1 1 1 1 1 1\n",
	        "candidate route0 c1 1 1 1 1 1", /* torn */
	};
	struct plan *plan = a_plan();

	(void)state;
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct page *page = a_page();

		carry_read(plan, page, span_of(lines[i]), true);
		assert_int_equal(page->standings[0][1].stage + page->standings[0][1].stopped + page->carried,
		                 0);
		free(page);
	}
	free(plan);
}

static void every_cut_is_whole_lines(void **state)
{
	static const char text[] = "candidate route0 c0 1 1 1 7 8\ncandidate route1 c1 2 0 0 9 10\n";
	struct plan *plan = a_plan();

	(void)state;
	for (size_t n = 0; n < sizeof text; n++) {
		struct page *page = a_page();

		carry_read(plan, page, (struct span){text, n}, true);
		assert_int_equal(page->standings[0][0].stage, n >= 30);
		assert_int_equal(page->standings[1][1].stage, n >= sizeof text - 1 ? 2 : 0);
		free(page);
	}
	free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_written_is_read),
	        cmocka_unit_test(anything_else_is_skipped),
	        cmocka_unit_test(every_cut_is_whole_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
