/* Valid or not by a schema of JSON Schema 2020-12; what of it is not understood is refused with words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/json_schema.h"

static int valid(const char *schema, const char *document)
{
	struct json_schema *s;
	char why[160];
	int result;

	if (json_schema_new(span_of(schema), &s, why))
		fail_msg("%s: %s", schema, why);
	result = json_schema_valid(s, span_of(document), SIZE_MAX);
	json_schema_free(&s);
	return result;
}

/* A schema, documents that are valid, NULL, documents that are not, NULL. */
static void what_is_valid(void **state)
{
	static const char *const rows[][14] = {
	        {"{}", "1", "null", "{\"a\":[]}", NULL, "", "{", "1 2", NULL},
	        {"true", "[]", NULL, "]", NULL},
	        {"false", NULL, "[]", NULL},
	        {"{\"type\":\"integer\"}", "1", "1.0", "-3e2", NULL, "1.5", "\"1\"", "null", NULL},
	        {"{\"type\":[\"string\",\"null\"]}", "null", "\"x\"", NULL, "1", "true", NULL},
	        {"{\"type\":\"boolean\"}", "true", "false", NULL, "0", NULL},
	        {"{\"minimum\":1,\"exclusiveMaximum\":2}", "1", "1.9", "\"text\"", NULL, "2", "0.9", NULL},
	        {"{\"minLength\":2,\"maxLength\":3}", "\"\\u00e9\xc3\xa9\"", "\"abc\"", "7", NULL, "\"a\"",
	         "\"abcd\"", NULL},
	        {"{\"pattern\":\"^\\\\d+$\"}", "\"12\"", "12", NULL, "\"x\"", "\"1\\u0061\"", NULL},
	        {"{\"enum\":[\"a\",1,null,true]}", "\"\\u0061\"", "1.0", "null", "true", NULL, "\"b\"", "2",
	         "false", "[]", NULL},
	        {"{\"const\":null}", "null", NULL, "0", "\"null\"", NULL},
	        {"{\"const\":\"x\"}", "\"x\"", NULL, "\"y\"", NULL},
	        {"{\"items\":{\"type\":\"number\"},\"minItems\":1,\"maxItems\":2}", "[1]", "[1,2]", "{}",
	         NULL, "[]", "[1,2,3]", "[\"a\"]", NULL},
	        {"{\"items\":false}", "[]", NULL, "[1]", NULL},
	        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"b\":{"
	         "\"type\":"
	         "\"string\"}},\"required\":[\"b\"]},\"t\":true},\"required\":[\"a\",\"z\"],"
	         "\"additionalProperties\":{"
	         "\"type\":\"integer\"}}",
	         "{\"a\":{\"b\":\"x\"},\"z\":1}", "{\"z\":1,\"t\":\"any\",\"a\":{\"b\":\"\",\"c\":0}}", NULL,
	         "{\"a\":{\"b\":\"x\"}}", "{\"a\":{},\"z\":1}", "{\"a\":{\"b\":1},\"z\":1}",
	         "{\"a\":{\"b\":\"x\"},\"z\":\"no\"}", "[]", NULL},
	        {"{\"properties\":{\"a\":true},\"additionalProperties\":false}", "{}", "{\"a\":[1]}", "3",
	         NULL, "{\"b\":1}", NULL},
	        {"{\"minProperties\":1,\"maxProperties\":1}", "{\"a\":1}", NULL, "{}", "{\"a\":1,\"b\":2}",
	         NULL},
	        {"{\"title\":\"t\",\"$schema\":\"s\",\"description\":\"d\",\"default\":1,\"format\":"
	         "\"date\"}",
	         "1", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t k = 1;

		for (; rows[i][k]; k++)
			if (valid(rows[i][0], rows[i][k]) != 1)
				fail_msg("%s: %s is not valid", rows[i][0], rows[i][k]);
		for (k++; rows[i][k]; k++)
			if (valid(rows[i][0], rows[i][k]) != 0)
				fail_msg("%s: %s is valid", rows[i][0], rows[i][k]);
	}
}

static void what_is_refused(void **state)
{
	static const char *const refused[] = {"",
	                                      "[]",
	                                      "{\"type\":\"text\"}",
	                                      "{\"$ref\":\"#\"}",
	                                      "{\"properties\":{\"a\":{\"anyOf\":[]}}}",
	                                      "{\"pattern\":\"(?=a)\"}",
	                                      "{\"enum\":[[1]]}",
	                                      "{\"minimum\":\"1\"}",
	                                      "{\"required\":[1]}",
	                                      "{\"properties\":[]}",
	                                      "{\"items\":[{}]}"};

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct json_schema *s;
		char why[160];

		assert_int_equal(json_schema_new(span_of(refused[i]), &s, why), ERR_CONFIG);
		assert_null(s);
		assert_true(why[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_valid),
	                                   cmocka_unit_test(what_is_refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
