/* Messages of calls that nobody knows, under detectors alone: what is in them is masked, or they are gone. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/mask.h"
#include "capture/mask_text.h"
#include "proto/protobuf.h"

enum { ROOM = 1 << 16 };
#define MAIL "alice@example.com"

static struct plan_mask policy;
static struct mask_key *key;
static struct mask_finder *finder;
static struct mask_rules *rules;
static struct buf inside, out;

static int setup(void **state)
{
	static const uint8_t secret[32] = {1, 2, 3};

	(void)state;
	policy.detect.with = MASK_REDACT;
	policy.detect.find.min_score = 50;
	assert_true(detect_set_add_name(&policy.detect.find.classes, "email"));
	assert_int_equal(mask_key_new(secret, &key), 0);
	assert_int_equal(mask_finder_new(&policy, SPAN(""), &finder), 0);
	assert_int_equal(mask_rules_new(&policy, &rules), 0);
	mask_rules_find(rules, finder);
	buf_init(&inside, ROOM);
	buf_init(&out, ROOM);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&inside);
	buf_fini(&out);
	mask_rules_free(&rules);
	mask_finder_free(&finder);
	mask_key_free(&key);
	return 0;
}

/* Make what is inside the content of a field. */
static void wrap(uint32_t number)
{
	struct buf around;

	buf_init(&around, ROOM);
	protobuf_put_bytes(&around, number, buf_span(&inside));
	buf_fini(&inside);
	inside = around;
}

static bool holds(const char *text)
{
	return memmem(out.base + out.head, buf_len(&out), text, strlen(text)) != NULL;
}

static int answer(void)
{
	static const struct mask_call tensors = {.how = MASK_BY_TENSOR};
	struct grpc_message message = {.bytes = buf_span(&inside)};
	bool input_masked;
	uint32_t count;

	return mask_message(rules, key, &tensors, false, SPAN(""), &message, &out, &count, &input_masked);
}

static int guess(void)
{
	struct grpc_message message = {.bytes = buf_span(&inside)};
	bool input_masked;
	uint32_t count;

	return mask_protobuf(rules, key, SPAN(""), &message, &out, &count, &input_masked);
}

static void what_looks_like_a_tensor_is_searched(void **state)
{
	(void)state;
	buf_printf(&inside, "dear " MAIL " %0200d", 0); /* its length makes the name no UTF-8 */
	wrap(1);
	wrap(1);
	assert_int_equal(answer(), ERR_PROTO);
	buf_reset(&out);
	assert_int_equal(guess(), 0);
	assert_true(!holds(MAIL) && holds("dear [redacted]"));
}

static void a_text_where_a_shape_would_be_is_searched(void **state)
{
	(void)state;
	buf_puts(&inside, MAIL);
	wrap(3);
	wrap(5);
	assert_int_equal(guess(), 0);
	assert_true(!holds(MAIL) && holds("[redacted]"));
}

/* Elements of raw contents have their lengths before them: a guess would not write them anew. */
static void tensors_are_masked_as_tensors(void **state)
{
	static const char raw[] = "\x11\0\0\0" MAIL "\x02\0\0\0\xff\xd8";

	(void)state;
	buf_put(&inside, raw, sizeof raw - 1);
	wrap(6);
	protobuf_put_bytes(&inside, 5,
	                   SPAN("\x12\x05"
	                        "BYTES"));
	assert_int_equal(answer(), 0);
	assert_true(!holds(MAIL));
	assert_non_null(memmem(out.base, buf_len(&out), "\x0a\0\0\0[redacted]\x02\0\0\0\xff\xd8", 20));
}

/* The same of a call that nobody knows, where lengths are the only mark of a tensor; texts alone are UTF-8.
 */
static void raw_tensors_stay_tensors(void **state)
{
	static const char raws[][48] = {"\x11\0\0\0" MAIL "\x02\0\0\0\xff\xd8",
	                                "\x11\0\0\0" MAIL "\x02\0\0\0ok"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		buf_reset(&inside);
		buf_reset(&out);
		buf_put(&inside, raws[i], 17 + 2 + 8);
		wrap(7);
		assert_int_equal(guess(), 0);
		assert_true(!holds(MAIL));
		assert_memory_equal(out.base + GRPC_PREFIX_BYTES + 2, "\x0a\0\0\0[redacted]\x02\0\0\0", 18);
		assert_memory_equal(out.base + GRPC_PREFIX_BYTES + 20, raws[i] + 25, 2);
	}
}

static void what_cannot_be_read_is_searched_as_it_is(void **state)
{
	(void)state;
	buf_puts(&inside, "\xff\xd8 by " MAIL " \xff");
	wrap(1);
	assert_int_equal(guess(), ERR_UNSUPPORTED);
	buf_reset(&inside);
	buf_reset(&out);
	buf_puts(&inside, "\xff\xd8 by nobody \xff");
	wrap(1);
	assert_int_equal(guess(), 0);
	assert_true(holds("\xff\xd8 by nobody \xff"));
}

static void what_lies_too_deep_is_refused(void **state)
{
	(void)state;
	for (unsigned depth = 1; depth < 40; depth++) {
		int err;

		buf_reset(&inside);
		buf_reset(&out);
		buf_printf(&inside, MAIL " %0200d", 0);
		for (unsigned i = 0; i < depth; i++)
			wrap(1);
		err = guess();
		assert_int_equal(err, depth <= 16 ? 0 : ERR_UNSUPPORTED);
		assert_true(err || !holds(MAIL));
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(what_looks_like_a_tensor_is_searched),
	        TEST(a_text_where_a_shape_would_be_is_searched),
	        TEST(tensors_are_masked_as_tensors),
	        TEST(raw_tensors_stay_tensors),
	        TEST(what_cannot_be_read_is_searched_as_it_is),
	        TEST(what_lies_too_deep_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
