/* The population stability index of labels: by hand, under chance alone, and over time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <cmocka.h>

#include "replay/stability.h"

enum { WINDOW_MS = 1000 };
static const uint64_t SECOND = 1000000000u;

static void note(struct stability *s, unsigned count, uint32_t label, uint64_t now_ns)
{
	while (count--)
		stability_note(s, WINDOW_MS, label, now_ns);
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void it_is_what_the_formula_says(void **state)
{
	struct stability s = {0};
	double p, q, expected;

	(void)state;
	note(&s, 300, 0, SECOND);
	note(&s, 100, 7, SECOND);
	note(&s, 50, 0, 2 * SECOND);
	note(&s, 150, 7, 2 * SECOND);
	p = 300.5 / 401;
	q = 50.5 / 201;
	expected = (p - q) * log(p / q) + (q - p) * log((1 - p) / (1 - q)) - (1.0 / 400 + 1.0 / 200);
	assert_true(near(stability_index(&s, WINDOW_MS, 2 * SECOND), expected));
	assert_true(expected > 1);
}

static void what_stays_as_it_was_has_not_moved(void **state)
{
	struct stability s = {0};

	(void)state;
	for (uint32_t label = 0; label < 1000; label++)
		note(&s, 1, label, SECOND); /* those from 255 on are one */
	for (uint32_t label = 0; label < 1000; label++)
		note(&s, 1, label, 2 * SECOND);
	assert_true(near(stability_index(&s, WINDOW_MS, 2 * SECOND), 0));
}

static void too_little_says_nothing(void **state)
{
	struct stability s = {0};

	(void)state;
	assert_true(isnan(stability_index(&s, WINDOW_MS, SECOND)));
	note(&s, STABILITY_LEAST - 1, 1, SECOND);
	note(&s, 1, 1, 3 * SECOND); /* the window is over, the reference has too few */
	assert_true(isnan(stability_index(&s, WINDOW_MS, 3 * SECOND)));
	note(&s, STABILITY_LEAST - 1, 2, 3 * SECOND);
	assert_true(isnan(stability_index(&s, WINDOW_MS, 3 * SECOND)));
	note(&s, 1, 2, 3 * SECOND);
	assert_true(stability_index(&s, WINDOW_MS, 3 * SECOND) > 1);
}

static void the_window_moves_on(void **state)
{
	struct stability s = {0};

	(void)state;
	note(&s, 200, 1, SECOND);
	note(&s, 200, 2, 2 * SECOND);
	assert_true(stability_index(&s, WINDOW_MS, 2 * SECOND) > 1);
	note(&s, 200, 1, 2 * SECOND + SECOND / 2);
	note(&s, 200, 1, 3 * SECOND); /* the other labels are of more than a window ago */
	assert_true(near(stability_index(&s, WINDOW_MS, 3 * SECOND), 0));
	assert_true(isnan(stability_index(&s, WINDOW_MS, 9 * SECOND)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(it_is_what_the_formula_says),
	        cmocka_unit_test(what_stays_as_it_was_has_not_moved),
	        cmocka_unit_test(too_little_says_nothing),
	        cmocka_unit_test(the_window_moves_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
