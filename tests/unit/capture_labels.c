/* Labelled lines: positions are characters, labels come in order, and what is off is refused with a reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "capture/labels.h"

#define SPANS(inside) "\"spans\": [" inside "]"
#define ONE(type, from, to)                                                                                  \
	"{\"entity_type\": \"" type "\", \"start_position\": " #from ", \"end_position\": " #to "}"

static void characters(void **state)
{
	static const char line[] = "{" SPANS(ONE(
	        "MAIL", 8, 13) ", {\"entity_type\": \"N\", \"entity_value\": \"\\u00e9l\\ud83d\\ude00\", "
	                       "\"start_position\": 2, \"end_position\": 5}") ", \"masked\": {\"x\": "
	                                                                      "[1, null]}, "
	                                                                      "\"full_text\": \"a "
	                                                                      "\\u00e9l\xf0\x9f\x98\x80 is "
	                                                                      "a@b.c\"}";
	struct labels l;
	const char *why;

	(void)state;
	labels_init(&l);
	assert_int_equal(labels_read(&l, span_of(line), &why), 0);
	assert_int_equal(l.count, 2);
	assert_true(span_eq(l.at[0].type, SPAN("N")));
	assert_int_equal(l.at[0].start, 2);
	assert_int_equal(l.at[0].end, 9);
	assert_memory_equal(l.text.data + l.at[1].start, " a@b.", 5);
	labels_fini(&l);
}

static void refused(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
	        {"[]", "it is not an object"},
	        {"{", "it is not JSON"},
	        {"{\"full_text\": \"abc\"}", "full_text and spans are expected"},
	        {"{\"full_text\": 1, " SPANS("") "}", "full_text, entity_type and entity_value are strings"},
	        {"{\"full_text\": \"abc\", " SPANS(ONE("A", 1, 4)) "}", "a position is outside the text"},
	        {"{\"full_text\": \"abc\", " SPANS(ONE("A", 2, 2)) "}", "a position is outside the text"},
	        {"{\"full_text\": \"abc\", " SPANS(ONE("A", -1, 2)) "}", "a position is a whole number"},
	        {"{\"full_text\": \"abc\", " SPANS(ONE("A", 0, 18446744073709551617)) "}",
	         "a position is a whole number"},
	        {"{\"full_text\": \"abc\", " SPANS("{\"entity_type\": \"A\"}") "}",
	         "a span has entity_type, start_position and end_position"},
	        {"{\"full_text\": \"abc\", " SPANS("7") "}", "spans is a list of objects"},
	        {"{\"full_text\": \"abc\", \"full_text\": \"d\", " SPANS("") "}", "full_text stands twice"},
	        {"{\"full_text\": \"abc\", " SPANS("{\"entity_value\": \"x\", \"entity_type\": \"A\", "
	                                           "\"start_position\": 0, \"end_position\": 1}") "}",
	         "entity_value is not what stands at its position"},
	};
	struct labels l;
	const char *why;

	(void)state;
	labels_init(&l);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(labels_read(&l, span_of(rows[i].line), &why), ERR_PROTO);
		assert_string_equal(why, rows[i].why);
		assert_int_equal(l.count, 0);
	}
	labels_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(characters), cmocka_unit_test(refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
