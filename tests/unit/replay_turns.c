/* The order of sending: a permutation, the same for the same seed, and each candidate as often in each place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "replay/turns.h"

enum { DRAWS = 40000 };

static void test_permutation(void **state)
{
	(void)state;
	for (unsigned count = 0; count <= CANDIDATES_MAX; count++)
		for (uint64_t id = 0; id < 500; id++) {
			uint8_t order[CANDIDATES_MAX], again[CANDIDATES_MAX];
			uint32_t seen = 0;

			turns_draw(9, id, count, order);
			turns_draw(9, id, count, again);
			assert_memory_equal(order, again, count);
			for (unsigned i = 0; i < count; i++)
				seen |= 1u << order[i];
			assert_int_equal(seen, (1u << count) - 1);
		}
}

/* Six standard deviations to each side: 1 in 10^8 for a fair draw, and this one never changes. */
static void test_fair(void **state)
{
	static unsigned places[CANDIDATES_MAX][CANDIDATES_MAX];
	unsigned first = 0;

	(void)state;
	for (uint64_t id = 0; id < DRAWS; id++) {
		uint8_t order[CANDIDATES_MAX];

		turns_draw(1, id << 40 | id, CANDIDATES_MAX, order);
		for (unsigned i = 0; i < CANDIDATES_MAX; i++)
			places[order[i]][i]++;
		turns_draw(1, id, 2, order);
		first += order[0] == 0;
	}
	for (unsigned c = 0; c < CANDIDATES_MAX; c++)
		for (unsigned i = 0; i < CANDIDATES_MAX; i++)
			assert_in_range(places[c][i], DRAWS / 16 - 291, DRAWS / 16 + 291);
	assert_in_range(first, DRAWS / 2 - 600, DRAWS / 2 + 600);
}

static void test_seeds_differ(void **state)
{
	unsigned same = 0;

	(void)state;
	for (uint64_t id = 0; id < 1000; id++) {
		uint8_t a[CANDIDATES_MAX], b[CANDIDATES_MAX];

		turns_draw(1, id, 8, a);
		turns_draw(2, id, 8, b);
		same += !memcmp(a, b, 8);
	}
	assert_in_range(same, 0, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_permutation),
	        cmocka_unit_test(test_fair),
	        cmocka_unit_test(test_seeds_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
