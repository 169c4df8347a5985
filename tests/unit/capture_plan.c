/*
 * capture_plan.c - a copy of a plan is equal to it, whatever lay there; what is empty stays untouched memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "capture/plan.h"

enum { PAGE = 4096 };

static void *map(void)
{
	void *at =
	        mmap(NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	return at;
}

static long resident_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all, resident = -1;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &all, &resident), 2);
	fclose(f);
	return resident;
}

static void copies(void **state)
{
	char *from = map(), *to = map();

	(void)state;
	memset(to, 'x', sizeof(struct plan));
	from[0] = from[PAGE] = from[sizeof(struct plan) / 2] = from[sizeof(struct plan) - 1] = 1;
	plan_copy((struct plan *)to, (const struct plan *)from);
	assert_memory_equal(to, from, sizeof(struct plan));
	plan_copy((struct plan *)to, NULL);
	memset(from, 0, sizeof(struct plan));
	assert_memory_equal(to, from, sizeof(struct plan));
	munmap(from, sizeof(struct plan));
	munmap(to, sizeof(struct plan));
}

static void leaves_room_untouched(void **state)
{
	char *from = map(), *to = map();
	long before;

	(void)state;
	from[1] = from[sizeof(struct plan) - 1] = 1;
	before = resident_pages();
	plan_copy((struct plan *)to, (const struct plan *)from);
	assert_true(resident_pages() - before < (long)(sizeof(struct plan) / PAGE / 4));
	assert_memory_equal(to, from, sizeof(struct plan));
	munmap(from, sizeof(struct plan));
	munmap(to, sizeof(struct plan));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(copies), cmocka_unit_test(leaves_room_untouched)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
