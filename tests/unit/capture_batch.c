/* OpenAI batch files: what an output line says, and that what is written is what lines.h reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "capture/batch.h"
#include "capture/lines.h"

static void test_answers(void **state)
{
	static const struct {
		const char *line;
		int rc;
		unsigned status;
		const char *id, *body;
	} cases[] = {
	        {"{\"id\":\"b\",\"custom_id\":\"a-1\",\"response\":{\"status_code\":200,\"request_id\":\"r\","
	         "\"body\":"
	         "{\"choices\":[1]}},\"error\":null}",
	         0, 200, "\"a-1\"", "{\"choices\":[1]}"},
	        {"{\"error\":null,\"response\":{\"body\":{\"error\":{}},\"status_code\":429},\"custom_id\":"
	         "\"x\"}",
	         0, 429, "\"x\"", "{\"error\":{}}"},
	        {"{\"custom_id\":\"x\",\"response\":null,\"error\":{\"code\":\"expired\"}}", 0, 0, "\"x\"",
	         ""},
	        {"{\"custom_id\":\"x\",\"response\":{\"status_code\":\"200\",\"body\":{}}}", 0, 0, "\"x\"",
	         ""},
	        {"{\"custom_id\":\"x\",\"method\":\"POST\",\"url\":\"/\",\"body\":{}}", ERR_PROTO, 0, NULL,
	         NULL},
	        {"{\"custom_id\":7,\"response\":{\"status_code\":200}}", ERR_PROTO, 0, NULL, NULL},
	        {"{\"custom_id\":\"x\",\"response\":{", ERR_PROTO, 0, NULL, NULL},
	        {"", ERR_PROTO, 0, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct batch_answer a;

		assert_int_equal(batch_answer(span_of(cases[i].line), &a), cases[i].rc);
		if (cases[i].rc)
			continue;
		assert_int_equal(a.status, cases[i].status);
		assert_true(span_eq(a.id, span_of(cases[i].id)));
		assert_true(span_eq(a.body, span_of(cases[i].body)));
	}
}

static void test_requests(void **state)
{
	struct lines_request q;
	struct lines lines;
	struct span text;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(batch_request(SPAN("00ab"), SPAN("POST"), SPAN("/v1/x?a=b"),
	                               SPAN("{\n\"a\":\r\n \"b\\n\"}\n"), &b),
	                 0);
	assert_int_equal(batch_request(SPAN("1"), SPAN("POST"), SPAN("/"), SPAN("[1]"), &b), ERR_PROTO);
	assert_int_equal(batch_request(SPAN("1"), SPAN("POST"), SPAN("/"), SPAN("{} {}"), &b), ERR_PROTO);
	assert_int_equal(batch_request(SPAN("1"), SPAN("POST"), SPAN("http://x/"), SPAN("{}"), &b),
	                 ERR_PROTO);
	assert_int_equal(batch_request(SPAN("1"), SPAN("GET"), SPAN("/"), SPAN(""), &b), ERR_PROTO);
	text = buf_span(&b);
	lines_init(&lines);
	assert_int_equal(lines_next(&lines, &text, &q), 1);
	assert_string_equal(q.method, "POST");
	assert_string_equal(q.target, "/v1/x?a=b");
	assert_true(span_eq(q.id, SPAN("\"00ab\"")));
	assert_true(span_eq(q.body, SPAN("{ \"a\":   \"b\\n\"} ")) ||
	            span_eq(q.body, SPAN("{ \"a\":   \"b\\n\"}")));
	assert_int_equal(text.len, 0);
	lines_fini(&lines);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_answers),
	        cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
