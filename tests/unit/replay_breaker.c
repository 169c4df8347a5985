/* A candidate's breaker, its admission, and the warm-up that is sent and not compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "replay/admission.h"

static const uint64_t S = 1000000000u, MS = 1000000u;

static const struct breaker_rule rule = {
        .failures_ppm = 500000, .minimum = 10, .window_ms = 8000, .pause_ms = 1000, .probes = 2, .seed = 7};

/* One request and its result. False: it was not let through. */
static bool once(struct breaker *b, enum breaker_result result, uint64_t now)
{
	uint32_t epoch;

	if (!breaker_asks(b, now, &epoch))
		return false;
	breaker_told(b, epoch, result, now);
	return true;
}

static void fail_until_open(struct breaker *b, uint64_t now)
{
	for (unsigned i = 0; i < 100 && b->state == BREAKER_CLOSED; i++)
		assert_true(once(b, BREAKER_BAD, now));
	assert_int_equal(b->state, BREAKER_OPEN);
}

/* Goes to where the pause is over, and checks that it is between three and five quarters of `ms`. */
static uint64_t await_probe(struct breaker *b, uint64_t now, uint64_t ms)
{
	uint32_t epoch;
	uint64_t until = b->open_ns;

	assert_in_range(until - now, ms * MS * 3 / 4, ms * MS * 5 / 4);
	assert_false(breaker_asks(b, until - 1, &epoch));
	return until;
}

static void test_opens(void **state)
{
	struct breaker b;

	(void)state;
	breaker_init(&b, &rule);
	for (unsigned i = 0; i < 9; i++)
		assert_true(once(&b, BREAKER_BAD, S));
	assert_int_equal(b.state, BREAKER_CLOSED); /* below the minimum */
	assert_true(once(&b, BREAKER_GOOD, S));
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_false(once(&b, BREAKER_GOOD, S));

	breaker_init(&b, &rule);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(once(&b, i % 5 == 4 ? BREAKER_BAD : BREAKER_GOOD, S + i * 10 * MS));
	assert_int_equal(b.opened, 0); /* one of five is fewer than half */
	for (unsigned i = 0; i < 1000; i++)
		assert_true(once(&b, BREAKER_NEITHER, 20 * S));
	assert_int_equal(b.opened, 0);
}

/* Failures that the window has left behind count no more. */
static void test_window(void **state)
{
	struct breaker b;

	(void)state;
	breaker_init(&b, &rule);
	for (unsigned i = 0; i < 100; i++)
		assert_true(once(&b, BREAKER_BAD, (1 + i) * S)); /* 8 or 9 in 8 s: below the minimum */
	assert_int_equal(b.opened, 0);
	for (unsigned i = 0; i < 9; i++)
		assert_true(once(&b, BREAKER_BAD, 200 * S));
	for (unsigned i = 0; i < 9; i++)
		assert_true(once(&b, BREAKER_BAD, 209 * S + 1));
	assert_int_equal(b.opened, 0);
}

static void test_half_open(void **state)
{
	struct breaker b;
	uint32_t epoch, other;
	uint64_t now = S;

	(void)state;
	breaker_init(&b, &rule);
	fail_until_open(&b, now);
	now = await_probe(&b, now, 1000);
	assert_true(breaker_asks(&b, now, &epoch));
	assert_false(breaker_asks(&b, now, &other)); /* one at a time */
	breaker_told(&b, epoch, BREAKER_BAD, now);
	assert_int_equal(b.state, BREAKER_OPEN);
	now = await_probe(&b, now, 2000);
	assert_true(breaker_asks(&b, now, &epoch));
	breaker_told(&b, epoch, BREAKER_NEITHER, now); /* cut: it says nothing, another may go */
	assert_true(once(&b, BREAKER_GOOD, now));
	assert_int_equal(b.state, BREAKER_HALF_OPEN);
	assert_true(once(&b, BREAKER_GOOD, now));
	assert_int_equal(b.state, BREAKER_CLOSED);
	fail_until_open(&b, now); /* the window begins anew, and so do the pauses */
	await_probe(&b, now, 1000);
}

/* A result of a request from before the breaker opened is no probe's. */
static void test_late_results(void **state)
{
	struct breaker b;
	uint32_t late[3], probe;
	uint64_t now = S;

	(void)state;
	breaker_init(&b, &rule);
	for (unsigned i = 0; i < 3; i++)
		assert_true(breaker_asks(&b, now, &late[i]));
	fail_until_open(&b, now);
	breaker_told(&b, late[0], BREAKER_BAD, now);
	now = b.open_ns;
	assert_true(breaker_asks(&b, now, &probe));
	breaker_told(&b, late[1], BREAKER_BAD, now);
	breaker_told(&b, late[2], BREAKER_GOOD, now);
	assert_int_equal(b.state, BREAKER_HALF_OPEN);
	assert_int_equal(b.opened, 1);
	breaker_told(&b, probe, BREAKER_GOOD, now);
	assert_int_equal(b.good, 1);
}

static void test_pauses(void **state)
{
	struct breaker a, b, c;
	struct breaker_rule other = rule;
	uint64_t now = S, last = 0;

	(void)state;
	other.seed = 8;
	breaker_init(&a, &rule);
	breaker_init(&b, &rule);
	breaker_init(&c, &other);
	fail_until_open(&a, now);
	fail_until_open(&b, now);
	fail_until_open(&c, now);
	assert_int_equal(a.open_ns, b.open_ns);
	assert_int_not_equal(a.open_ns, c.open_ns);
	for (unsigned i = 1; i < 12; i++) {
		now = a.open_ns;
		assert_true(once(&a, BREAKER_BAD, now));
		last = a.open_ns - now;
	}
	assert_in_range(last, 32 * S * 3 / 4, 32 * S * 5 / 4); /* doubling ends */
}

static void test_never(void **state)
{
	struct breaker_rule off = rule;
	struct breaker b;

	(void)state;
	off.failures_ppm = 0;
	breaker_init(&b, &off);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(once(&b, BREAKER_BAD, S));
}

static struct plan_candidate plan = {
        .name = "svc",
        .max_rate = 1000,
        .max_queue = 1000,
        .warmup_count = 3,
        .breaker = {.on = true,
                    .failures_ppm = 500000,
                    .minimum = 4,
                    .window_ms = 1000,
                    .pause_ms = 1000,
                    .probes = 1},
};

static void test_admission(void **state)
{
	struct candidate_gauges gauges = {0};
	struct admission_pass pass[8];
	struct admission a;

	(void)state;
	admission_init(&a, &plan, 1, &gauges);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(admission_ask(&a, 250, S, &pass[i]), 0);
		assert_int_equal(pass[i].warm_up, i < 3);
	}
	assert_int_equal(admission_ask(&a, 250, S, &pass[4]), OUTCOME_IN_FLIGHT);
	assert_int_equal(gauges.queued_bytes_open, 1000);
	for (unsigned i = 0; i < 4; i++)
		admission_done(&a, &pass[i], OUTCOME_CANDIDATE_TIMEOUT, 0, S);
	assert_int_equal(gauges.queued_bytes_open, 0);
	assert_int_equal(admission_ask(&a, 1, S, &pass[4]), OUTCOME_BREAKER_OPEN);
	assert_int_equal(gauges.breaker_opened, 1);
	assert_int_equal(gauges.breaker, BREAKER_OPEN);
	assert_int_equal(gauges.sent, 4);

	admission_init(&a, &plan, 1, &gauges); /* a shadow that was started again: warm already */
	assert_int_equal(admission_ask(&a, 1, S, &pass[0]), 0);
	assert_false(pass[0].warm_up);
}

/* What is refused while half open holds no probe back; what says nothing of the candidate opens nothing. */
static void test_admission_neither(void **state)
{
	struct candidate_gauges gauges = {0};
	struct admission_pass pass;
	struct admission a;
	uint64_t now = S;

	(void)state;
	admission_init(&a, &plan, 1, &gauges);
	for (unsigned i = 0; i < 50; i++, now += 2 * MS) {
		assert_int_equal(admission_ask(&a, 1, now, &pass), 0);
		admission_done(&a, &pass, OUTCOME_PAUSED, 0, now);
	}
	for (unsigned i = 0; i < 4; i++, now += 2 * MS) {
		assert_int_equal(admission_ask(&a, 1, now, &pass), 0);
		admission_done(&a, &pass, OUTCOME_CANDIDATE_RESET, 0, now);
	}
	now = a.breaker.open_ns;
	assert_int_equal(admission_ask(&a, 2000, now, &pass), OUTCOME_IN_FLIGHT);
	assert_int_equal(admission_ask(&a, 1, now, &pass), 0);
	admission_done(&a, &pass, 0, 0, now);
	assert_int_equal(gauges.breaker, BREAKER_CLOSED);
}

/* What an answer took is charged when it is known; a day's ceiling holds until the day is over. */
static void test_tokens(void **state)
{
	static const struct plan_candidate fast = {.name = "llm", .max_tokens = 1000},
	                                   dear = {.name = "llm", .per_million = 2, .per_day = 0.01};
	struct candidate_gauges gauges = {0};
	struct admission_pass pass;
	struct admission a;

	(void)state;
	admission_init(&a, &fast, 1, &gauges);
	assert_int_equal(admission_ask(&a, 400, S, &pass), 0);
	assert_int_equal(pass.tokens, 100);
	assert_int_equal(admission_ask(&a, 400, S, &pass), 0);
	admission_done(&a, &pass, 0, 3100, S);
	assert_int_equal(gauges.tokens, 3100);
	assert_int_equal(admission_ask(&a, 400, 3 * S, &pass), OUTCOME_RATE);
	assert_int_equal(admission_ask(&a, 400, 4 * S, &pass), 0);

	gauges = (struct candidate_gauges){0};
	admission_init(&a, &dear, 1, &gauges);
	assert_int_equal(admission_ask(&a, 40000, S, &pass), 0);
	assert_int_equal(gauges.spent_tokens, 10000 - 0);
	admission_done(&a, &pass, 0, 4999, S); /* less than was held for it */
	assert_int_equal(gauges.spent_tokens, 4999);
	assert_int_equal(admission_ask(&a, 4, S, &pass), 0);
	assert_int_equal(admission_ask(&a, 4, S, &pass), OUTCOME_RATE); /* 5000 tokens are 0.01 */
	gauges.spent_day--;
	assert_int_equal(admission_ask(&a, 4, S, &pass), 0);
	assert_int_equal(gauges.spent_tokens, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_opens),     cmocka_unit_test(test_window),
	        cmocka_unit_test(test_half_open), cmocka_unit_test(test_late_results),
	        cmocka_unit_test(test_pauses),    cmocka_unit_test(test_never),
	        cmocka_unit_test(test_admission), cmocka_unit_test(test_admission_neither),
	        cmocka_unit_test(test_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
