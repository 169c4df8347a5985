#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "capture/fold.h"
#include "capture/head.h"
#include "capture/ledger.h"

static struct exchange *last;

static int add(struct fold *f, uint64_t id, uint8_t leg, uint8_t type, const char *payload)
{
	struct record r = {.id = id,
	                   .time_ns = 100 + type,
	                   .type = type,
	                   .leg = leg,
	                   .mask_count = 1,
	                   .payload_len = (uint32_t)strlen(payload)};

	return fold_add(f, &r, payload, &last);
}

static void legs_in_order(void **state)
{
	struct fold *f = fold_new(1 << 20);
	struct leg *l;

	(void)state;
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_HEAD, "POST /p\na: 1"), 0);
	assert_int_equal(add(f, 1, LEG_LIVE, RECORD_HEAD, "200"), 0);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_CHUNK, "he"), 0);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_CHUNK, "llo"), 0);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_TRAILERS, "t: 1"), 0);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_END, ""), 0);
	assert_ptr_equal(last, fold_find(f, 1));
	l = last->legs[LEG_CLIENT];
	assert_true(span_eq(buf_span(&l->body), SPAN("hello")));
	assert_true(span_eq(buf_span(&l->trailers), SPAN("t: 1")));
	assert_true(l->begun && l->ended && !l->error);
	assert_int_equal(l->start_ns, 101);
	assert_int_equal(l->first_ns, 102);
	assert_int_equal(l->end_ns, 104);
	assert_int_equal(l->mask_count, 5);
	assert_false(last->legs[LEG_LIVE]->ended);
	fold_drop(f, &last);
	assert_null(last);
	assert_null(fold_find(f, 1));
	assert_int_equal(fold_bytes(f), 0);
	fold_free(&f);
}

static void out_of_order(void **state)
{
	struct fold *f = fold_new(1 << 20);

	(void)state;
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_CHUNK, "x"), ERR_PROTO);
	assert_null(last);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_END, ""), ERR_PROTO);
	assert_int_equal(fold_bytes(f), 0);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_HEAD, "GET /"), 0);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_HEAD, "GET /"), ERR_PROTO);
	assert_int_equal(add(f, 1, LEG_LIVE, RECORD_CHUNK, "x"), ERR_PROTO);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_END, "x"), ERR_PROTO);
	assert_int_equal(add(f, 1, LEGS_MAX, RECORD_HEAD, "200"), ERR_PROTO);
	assert_int_equal(add(f, 1, LEG_CLIENT, 9, ""), ERR_PROTO);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_TRAILERS, "a: b"), 0);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_CHUNK, "x"), ERR_PROTO);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_END, ""), 0);
	assert_int_equal(add(f, 1, LEG_CLIENT, RECORD_CHUNK, "x"), ERR_PROTO);
	assert_int_equal(add(f, 1, LEG_LIVE, RECORD_ERROR, "no_such_reason"), ERR_PROTO);
	assert_int_equal(add(f, 1, LEG_LIVE, RECORD_ERROR, "live_failed"), 0);
	assert_int_equal(last->legs[LEG_LIVE]->error, OUTCOME_LIVE_FAILED);
	assert_true(last->legs[LEG_LIVE]->ended);
	assert_false(last->legs[LEG_LIVE]->begun);
	fold_free(&f);
}

static void drop_it(void *arg, struct exchange *e)
{
	fold_drop(arg, &e);
}

static void many_and_limit(void **state)
{
	struct fold *f = fold_new(4 << 20);
	static char big[RECORD_PAYLOAD_MAX + 1];

	(void)state;
	memset(big, 'x', RECORD_PAYLOAD_MAX);
	for (uint64_t id = 0; id < 2000; id++)
		assert_int_equal(add(f, id << 40 | id, LEG_CLIENT, RECORD_HEAD, "GET /"), 0);
	for (uint64_t id = 0; id < 2000; id++)
		assert_int_equal(fold_find(f, id << 40 | id)->id, id << 40 | id);
	fold_each(f, drop_it, f);
	assert_int_equal(fold_bytes(f), 0);
	assert_int_equal(add(f, 5, LEG_CLIENT, RECORD_HEAD, "GET /"), 0);
	for (int i = 0; i < 255; i++)
		assert_int_equal(add(f, 5, LEG_CLIENT, RECORD_CHUNK, big), 0);
	assert_int_equal(add(f, 5, LEG_CLIENT, RECORD_CHUNK, big), ERR_LIMIT);
	assert_int_equal(last->id, 5);
	assert_true(fold_bytes(f) <= 4 << 20);
	fold_free(&f);
	assert_null(f);
}

static void heads(void **state)
{
	struct span head = SPAN("POST /a?b c\nhost: x\nempty:\nd: e: f"), name, value;
	size_t at = 0;

	(void)state;
	assert_true(span_eq(head_method(head), SPAN("POST")));
	assert_true(span_eq(head_target(head), SPAN("/a?b c")));
	assert_int_equal(head_status(head), 0);
	assert_true(span_eq(head_field(head, SPAN("d")), SPAN("e: f")));
	assert_int_equal(head_field(head, SPAN("empty")).len, 0);
	assert_true(head_next(head, &at, &name, &value));
	assert_true(span_eq(name, SPAN("host")) && span_eq(value, SPAN("x")));
	assert_true(head_next(head, &at, &name, &value));
	assert_true(head_next(head, &at, &name, &value));
	assert_false(head_next(head, &at, &name, &value));
	assert_int_equal(head_status(SPAN("404\na: b")), 404);
	assert_int_equal(head_method(SPAN("404")).len, 0);
	assert_int_equal(head_target(SPAN("404")).len, 0);
	assert_int_equal(head_status(SPAN("")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(legs_in_order),
	        cmocka_unit_test(out_of_order),
	        cmocka_unit_test(many_and_limit),
	        cmocka_unit_test(heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
