/* What was masked in a recorded answer is taken over from it; what lies elsewhere is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "replay/masked_paths.h"

static int align(const char *path, const char *live, const char *candidate, const char *want, uint32_t found)
{
	const char *paths[] = {"$.never", path};
	uint32_t counts[2];
	struct buf out;
	int rc;

	buf_init(&out, 1 << 16);
	rc = masked_paths_align((struct ignore_paths){paths, 2}, span_of(live), span_of(candidate), &out,
	                        counts);
	if (!rc && !span_eq(buf_span(&out), span_of(want)))
		fail_msg("%s of %s: %.*s", path, live, (int)buf_len(&out), buf_span(&out).data);
	if (!rc)
		assert_int_equal(counts[1], found);
	assert_int_equal(counts[0], 0);
	buf_fini(&out);
	return rc;
}

static void test_values(void **state)
{
	static const struct {
		const char *path, *live, *candidate, *want;
		uint32_t found;
	} cases[] = {
	        {"$.a", "{\"a\":\"tok_1\",\"b\":1}", "{\"b\":2,\"a\":\"anna\"}", "{\"b\":2,\"a\":\"tok_1\"}",
	         1},
	        {"$.a", "{\"a\":null}", "{\"a\":{\"deep\":1}}", "{\"a\":null}", 1},
	        /* one side alone has it: that stays to be seen */
	        {"$.a", "{\"b\":1}", "{\"a\":1,\"b\":1}", "{\"a\":1,\"b\":1}", 0},
	        {"$.a", "{\"a\":1,\"b\":1}", "{\"b\":1}", "{\"b\":1}", 1},
	        {"$.list[*].name", "{\"list\":[{\"name\":\"x\",\"n\":1},{\"n\":2},{\"name\":\"z\"}]}",
	         "{\"list\":[{\"name\":\"A\",\"n\":1},{\"n\":3},{\"name\":\"C\"},{\"name\":\"D\"}]}",
	         "{\"list\":[{\"name\":\"x\",\"n\":1},{\"n\":3},{\"name\":\"z\"},{\"name\":\"D\"}]}", 2},
	        {"$..mail", "{\"u\":[[{\"mail\":\"t\"}]],\"mail\":\"s\"}",
	         "{\"u\":[[{\"mail\":\"m\"}]],\"mail\":\"n\"}", "{\"u\":[[{\"mail\":\"t\"}]],\"mail\":\"s\"}",
	         2},
	        {"$.a[1]", "{\"a\":[1,\"x\"]}", "{\"a\":[1,\"y\"]}", "{\"a\":[1,\"x\"]}", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(align(cases[i].path, cases[i].live, cases[i].candidate, cases[i].want,
		                       cases[i].found),
		                 0);
}

static void test_refused(void **state)
{
	char many[2048] = "[0";
	size_t at = 2;

	(void)state;
	assert_int_equal(align("$.a", "{\"a\":", "{}", NULL, 0), ERR_PROTO);
	assert_int_equal(align("$.a", "{\"a\":1}", "no", NULL, 0), ERR_PROTO);
	assert_int_equal(align("$.a", "data: {}", "{}", NULL, 0), ERR_PROTO);
	for (int i = 0; i < 200; i++)
		at += (size_t)snprintf(many + at, sizeof many - at, ",%d", i);
	snprintf(many + at, sizeof many - at, "]");
	assert_int_equal(align("$[*]", many, many, NULL, 0), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_values),
	        cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
