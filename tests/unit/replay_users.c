/* Each user asks one thing at a time, in order, and thinks in between; who is due longest comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "replay/users.h"

static void take(struct users *u, uint64_t now_ns, const char *about, unsigned user, uint64_t due_ns)
{
	unsigned got = 99;
	uint64_t due = 99;
	const char *found = users_take(u, now_ns, &got, &due);

	if (!about) {
		assert_null(found);
		return;
	}
	assert_string_equal(found, about);
	assert_int_equal(got, user);
	assert_int_equal(due, due_ns);
}

static void push(struct users *u, unsigned user, const char *about, uint64_t think_ns, uint64_t now_ns)
{
	assert_int_equal(users_push(u, user, (char *)about, think_ns, now_ns), 0);
}

static void test_turns(void **state)
{
	struct users *u = users_new(3);

	(void)state;
	assert_int_equal(users_next_ns(u), UINT64_MAX);
	take(u, 1000, NULL, 0, 0);
	push(u, 1, "b1", 500, 10); /* the first thought is not waited for */
	push(u, 0, "a1", 500, 20);
	push(u, 1, "b2", 7, 20);
	push(u, 1, "b3", 0, 20);
	assert_int_equal(users_next_ns(u), 10);
	take(u, 9, NULL, 0, 0);
	take(u, 100, "b1", 1, 10);
	take(u, 100, "a1", 0, 20);
	take(u, 100, NULL, 0, 0); /* both are busy */
	users_done(u, 1, 110);
	assert_int_equal(users_next_ns(u), 117);
	take(u, 116, NULL, 0, 0);
	take(u, 300, "b2", 1, 117);
	users_done(u, 0, 310);
	users_done(u, 1, 305);
	push(u, 0, "a2", 4, 400); /* read late: it was due when it had been thought about */
	take(u, 400, "b3", 1, 305);
	take(u, 400, "a2", 0, 314);
	users_done(u, 1, 500);
	assert_int_equal(users_next_ns(u), UINT64_MAX);
	users_free(&u);
	assert_null(u);
}

enum { MANY = 200, TURNS = 5 };

/* Whatever order they were pushed in, they leave in order of time, and of each user in its own. */
static void test_order(void **state)
{
	static int about[MANY][TURNS];
	static uint64_t at[MANY];
	struct users *u = users_new(MANY);
	uint64_t now = 1000, due, last = 0;
	unsigned user, taken = 0, next[MANY] = {0};
	int *what;

	(void)state;
	for (unsigned n = 0; n < MANY * TURNS; n++)
		push(u, n * 7 % MANY, (const char *)&about[n * 7 % MANY][n / MANY], 1 + n * 31 % 97,
		     1 + n % 13);
	while (taken < MANY * TURNS) {
		assert_true(users_next_ns(u) != UINT64_MAX);
		now = users_next_ns(u) > now ? users_next_ns(u) : now;
		last = 0;
		while ((what = users_take(u, now, &user, &due))) {
			assert_true(due >= last && due <= now && due >= at[user]);
			assert_ptr_equal(what, &about[user][next[user]++]);
			last = due;
			taken++;
			at[user] = now + 1;
		}
		for (unsigned i = 0; i < MANY; i++)
			if (at[i] == now + 1)
				users_done(u, i, now + 1);
	}
	users_free(&u);
}

static void test_drop(void **state)
{
	struct users *u = users_new(2);
	unsigned user;

	(void)state;
	push(u, 0, "a1", 0, 1);
	push(u, 1, "b1", 0, 1);
	push(u, 1, "b2", 0, 1);
	take(u, 5, "a1", 0, 1);
	assert_string_equal(users_drop(u, &user), "b1");
	assert_int_equal(user, 1);
	assert_string_equal(users_drop(u, &user), "b2");
	assert_null(users_drop(u, &user));
	users_done(u, 0, 9);
	push(u, 0, "a2", 3, 9);
	assert_string_equal(users_drop(u, &user), "a2");
	assert_null(users_drop(u, &user));
	take(u, 99, NULL, 0, 0);
	push(u, 1, "left", 0, 1); /* goes with them */
	users_free(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_turns), cmocka_unit_test(test_order),
	                                   cmocka_unit_test(test_drop)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
