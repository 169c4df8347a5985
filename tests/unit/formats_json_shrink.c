/* What is smallest of a document: what is kept of structure and strings, what ends it early. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/json_shrink.h"

struct question {
	const char *needles[3]; /* all of them are in it */
	unsigned asked, most;   /* 0: no bound */
};

static int has(void *arg, struct span doc)
{
	struct question *q = arg;

	if (q->most && q->asked == q->most)
		return ERR_LIMIT;
	q->asked++;
	for (unsigned i = 0; i < 3 && q->needles[i]; i++)
		if (!memmem(doc.data, doc.len, q->needles[i], strlen(q->needles[i])))
			return 0;
	return 1;
}

static int shrink(const char *doc, struct question *q, const char *want)
{
	struct buf out;
	struct span got;
	int rc;

	buf_init(&out, 1 << 16);
	rc = json_shrink(span_of(doc), has, q, &out);
	got = buf_span(&out);
	if (want && !span_eq(got, span_of(want)))
		fail_msg("%s became %.*s, not %s", doc, (int)got.len, got.data, want);
	buf_fini(&out);
	return rc;
}

static void test_smallest(void **state)
{
	static const struct {
		const char *doc;
		const char *needles[3];
		const char *want;
	} cases[] = {
	        {"{}", {""}, "{}"},
	        {" [ 1 , [ 2 , {\"a\" : 3} ] , 4 ] ", {"3"}, "[[{\"a\":3}]]"},
	        {"{\"a\":[1,2,3],\"b\":\"some text, and more\",\"c\":{}}", {"xt,"}, "{\"b\":\"xt,\"}"},
	        {"{\"messages\":[{\"role\":\"system\",\"content\":\"be "
	         "good\"},{\"role\":\"user\",\"content\":\"2+2\"},"
	         "{\"role\":\"user\",\"content\":\"7*6?\"}],\"n\":1}",
	         {"7*", "messages"},
	         "{\"messages\":[{\"content\":\"7*\"}]}"},
	        /* escapes, pairs and sequences stay whole */
	        {"[\"a\\u00e9\\ud83d\\ude00b\\n\\\\\\\"\xf0\x9f\x98\x80z\"]",
	         {"\\ud83d", "\xf0\x9f"},
	         "[\"\\ud83d\\ude00\xf0\x9f\x98\x80\"]"},
	        {"[NaN,1e400,true,null,false]", {"1e400", "null"}, "[1e400,null]"},
	        {"\"only text\"", {"ly"}, "\"ly\""},
	        {"[[[]],[],{\"a\":{}}]", {"{}"}, "[{}]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct question q = {.needles = {cases[i].needles[0], cases[i].needles[1]}};

		assert_int_equal(shrink(cases[i].doc, &q, cases[i].want), 0);
	}
}

static void test_ends(void **state)
{
	struct question never = {.needles = {"absent"}}, few = {.needles = {"9"}, .most = 3};

	(void)state;
	assert_int_equal(shrink("[1]", &never, "[1]"), ERR_AGAIN);
	assert_int_equal(never.asked, 1);
	/* the whole; nothing of it; the first half */
	assert_int_equal(shrink("[1,2,3,4,5,6,7,9]", &few, "[5,6,7,9]"), ERR_LIMIT);
	assert_int_equal(few.asked, 3);
	assert_int_equal(shrink("[1,", &never, ""), ERR_PROTO);
	assert_int_equal(shrink("", &never, ""), ERR_PROTO);
	assert_int_equal(shrink("{\"a\":1} x", &never, ""), ERR_PROTO);
}

/* A thousand elements of which two matter cost some hundred questions, not thousands. */
static void test_few_questions(void **state)
{
	struct question q = {.needles = {"\"left\"", "\"right\""}};
	struct buf doc;

	(void)state;
	buf_init(&doc, 1 << 16);
	buf_puts(&doc, "[\"left\"");
	for (int i = 0; i < 1000; i++)
		buf_printf(&doc, ",%d", i);
	buf_puts(&doc, ",\"right\"]");
	buf_put(&doc, "", 1);
	assert_int_equal(shrink(buf_span(&doc).data, &q, "[\"left\",\"right\"]"), 0);
	assert_true(q.asked < 200);
	buf_fini(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_smallest),
	        cmocka_unit_test(test_ends),
	        cmocka_unit_test(test_few_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
