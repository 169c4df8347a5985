/* Values replaced in a JSON document: the places, and that nothing else changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/json_edit.h"

static void check(const char *doc, const struct json_edit *edits, unsigned count, const char *want)
{
	unsigned replaced;
	struct buf out;
	struct span got;

	buf_init(&out, 4096);
	assert_int_equal(json_edit(span_of(doc), edits, count, &out, &replaced), 0);
	got = buf_span(&out);
	if (!span_eq(got, span_of(want)))
		fail_msg("%s became %.*s, not %s", doc, (int)got.len, got.data, want);
	buf_fini(&out);
}

static void test_places(void **state)
{
	static const struct {
		const char *path, *doc, *want;
	} cases[] = {
	        {"$.model", "{\"model\":\"a\",\"n\":1}", "{\"model\":X,\"n\":1}"},
	        {"$.model", " { \"n\" : [ 1 ] ,\n\"model\" : {\"a\":[1,2]} } ",
	         " { \"n\" : [ 1 ] ,\n\"model\" : X } "},
	        {"$.model", "{\"n\":{\"model\":1}}", "{\"n\":{\"model\":1}}"},
	        {"$.model", "[{\"model\":1}]", "[{\"model\":1}]"},
	        {"$.model", "\"model\"", "\"model\""},
	        {"$.a.b", "{\"a\":{\"b\":1,\"c\":2},\"b\":3}", "{\"a\":{\"b\":X,\"c\":2},\"b\":3}"},
	        {"$.a.b", "{\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\":1}]}"},
	        {"$.a[1].b", "{\"a\":[{\"b\":1},{\"b\":2},{\"b\":3}]}",
	         "{\"a\":[{\"b\":1},{\"b\":X},{\"b\":3}]}"},
	        {"$[0]", "[1,2]", "[X,2]"},
	        {"$[2]", "[1,2]", "[1,2]"},
	        /* both of two: which of them a reader takes is not known */
	        {"$.m", "{\"m\":1,\"x\":{},\"m\":2}", "{\"m\":X,\"x\":{},\"m\":X}"},
	        {"$.model", "{\"m\\u006fdel\":1}", "{\"m\\u006fdel\":X}"},
	        {"$.n", "{\"n\":NaN}", "{\"n\":X}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check(cases[i].doc, &(struct json_edit){cases[i].path, SPAN("X")}, 1, cases[i].want);
}

static void test_several(void **state)
{
	const struct json_edit edits[] = {
	        {"$.b", SPAN("1")}, {"$.a", SPAN("\"x\"")}, {"$.a.c", SPAN("2")}, {"$.b", SPAN("3")}};

	(void)state;
	check("{\"a\":{\"c\":9},\"b\":8}", edits, 4, "{\"a\":\"x\",\"b\":1}");
	check("{\"b\":8,\"a\":7}", edits, 4, "{\"b\":1,\"a\":\"x\"}");
	check("{}", edits, 4, "{}");
	check("{\"a\":1}", edits, 0, "{\"a\":1}");
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {"",           "{",     "{\"a\":1",   "{\"a\":1}}",
	                                    "{\"a\":1,}", "[1 2]", "{\"a\":01}", "nul"};
	struct json_edit edit = {"$.a", SPAN("1")};
	unsigned replaced;
	struct buf out, many;

	(void)state;
	buf_init(&out, 4096);
	buf_init(&many, 4096);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(json_edit(span_of(wrong[i]), &edit, 1, &out, &replaced), ERR_PROTO);
	assert_int_equal(buf_len(&out), 0);
	buf_puts(&many, "{");
	for (unsigned i = 0; i <= JSON_EDITS_MAX; i++)
		buf_puts(&many, i ? ",\"a\":1" : "\"a\":1");
	buf_puts(&many, "}");
	assert_int_equal(json_edit(buf_span(&many), &edit, 1, &out, &replaced), ERR_LIMIT);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&many);
	buf_fini(&out);
}

static void test_paths(void **state)
{
	static const char *const good[] = {"$.a", "$.a.b-c", "$[0]", "$.a[12].b"};
	static const char *const bad[] = {"",
	                                  "$",
	                                  "a",
	                                  "$a",
	                                  "$.",
	                                  "$..a",
	                                  "$.a.",
	                                  "$[]",
	                                  "$[x]",
	                                  "$[1",
	                                  "$[*]",
	                                  "$.a]",
	                                  "$[1234567890]",
	                                  "$.1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(json_edit_check(good[i]), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(json_edit_check(bad[i]), ERR_CONFIG);
}

static void test_at(void **state)
{
	struct span doc = SPAN("{\"data\":[{\"id\":\"m\"},{\"id\":\"n\"}],\"model\":\"x\",\"model\":\"y\"}");

	(void)state;
	assert_true(span_eq(json_at(doc, "$.data[1].id"), SPAN("\"n\"")));
	assert_true(span_eq(json_at(doc, "$.model"), SPAN("\"x\"")));
	assert_int_equal(json_at(doc, "$.data[2].id").len, 0);
	assert_int_equal(json_at(SPAN("{\"model\":1"), "$.model").len, 0);
}

static void test_scalars(void **state)
{
	static const char *const yes[] = {"1", "-2.5e3", "true", "null", "\"a b\"", " 1 "};
	static const char *const no[] = {"", "a", "NaN", "{}", "[]", "1 2", "\"a", "tru"};

	(void)state;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		assert_true(json_is_scalar(span_of(yes[i])));
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		assert_false(json_is_scalar(span_of(no[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_places), cmocka_unit_test(test_several), cmocka_unit_test(test_refused),
	        cmocka_unit_test(test_paths),  cmocka_unit_test(test_at),      cmocka_unit_test(test_scalars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
