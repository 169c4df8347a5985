/* What was noted is found again, a torn last word is none, and what is no journal is refused. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "capture/journal.h"

static void note(int fd, uint64_t id, unsigned candidate)
{
	assert_int_equal(journal_note(fd, &(uint64_t){journal_word(id, candidate)}, 1), 1);
}

static void test_every_cut(void **state)
{
	int fd = memfd_create("journal", 0);
	struct journal *j;

	(void)state;
	note(fd, 1, 0);
	note(fd, 1, 15);
	assert_int_equal(journal_note(fd, (uint64_t[]){journal_word(70000, 3), journal_word(70000, 3)}, 2),
	                 2);
	for (off_t left = 32; left >= 0; left--) {
		assert_int_equal(ftruncate(fd, left), 0);
		assert_int_equal(journal_load(fd, &j), 0);
		assert_int_equal(journal_count(j), left >= 24 ? 3 : left / 8);
		assert_int_equal(journal_sent(j, 1), left >= 16 ? 0x8001 : left >= 8 ? 1 : 0);
		assert_int_equal(journal_sent(j, 70000), left >= 24 ? 8 : 0);
		assert_int_equal(journal_sent(j, UINT64_MAX), 0);
		journal_free(&j);
	}
	assert_int_equal(journal_sent(NULL, 1), 0);
	close(fd);
}

static void test_wrong(void **state)
{
	static const struct {
		uint64_t id;
		unsigned candidate;
	} wrong[] = {{0, 0}, {JOURNAL_IDS_MAX, 0}, {1, 16}};
	struct journal *j;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		int fd = memfd_create("journal", 0);

		note(fd, wrong[i].id, wrong[i].candidate);
		assert_int_equal(journal_load(fd, &j), ERR_PROTO);
		assert_null(j);
		close(fd);
	}
	assert_int_equal(journal_note(-1, &(uint64_t){journal_word(1, 0)}, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_cut), cmocka_unit_test(test_wrong)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
