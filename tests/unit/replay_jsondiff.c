/* Comparing in step and by trees gives one outcome, whatever comes first in the document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay/jsondiff_inside.h"

static const char *const patterns[] = {"$.skip", "$..deep", "$.list[1]"};

static const struct {
	const char *live, *candidate, *where;
	uint32_t missing, extra, type, value;
} table[] = {
        {"{\"b\":1,\"a\":1}", "{\"b\":2,\"a\":2}", "$.a: value differs", 0, 0, 0, 2},
        {"{\"a\":1,\"b\":1}", "{\"a\":2,\"b\":2}", "$.a: value differs", 0, 0, 0, 2},
        {"{\"b\":[1,2,3],\"a\":{\"z\":1,\"y\":[0,1]}}", "{\"b\":[1,9,9],\"a\":{\"z\":2,\"y\":[0,2]}}",
         "$.a.y[1]: value differs", 0, 0, 0, 4},
        {"{\"a\":{\"z\":1},\"a\":{\"b\":1}}", "{\"a\":{\"z\":2},\"a\":{\"b\":2}}", "$.a.z: value differs", 0,
         0, 0, 2},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", "", 0, 0, 0, 0},
        {"{\"a\":1,\"b\":2}", "{\"b\":3,\"a\":4}", "$.a: value differs", 0, 0, 0, 2},
        {"[1,2,3]", "[1,2]", "$[2]: missing", 1, 0, 0, 0},
        {"[1,[2],3]", "[1,{\"x\":2},4]", "$[1]: type differs", 0, 0, 1, 1},
        {"[[1,2],[3,4]]", "[[1,2],7]", "$[1]: type differs", 0, 0, 1, 0},
        {"{\"list\":[1,2,3]}", "{\"list\":[1,9,3]}", "", 0, 0, 0, 0},
        {"{\"list\":[1,2,3]}", "{\"list\":[8,9,8]}", "$.list[0]: value differs", 0, 0, 0, 2},
        {"{\"skip\":{\"a\":[1,1]},\"x\":[1,1]}", "{\"skip\":{\"a\":[2,2]},\"x\":[2,2]}",
         "$.x[0]: value differs", 0, 0, 0, 2},
        {"[{\"deep\":[1,1],\"d\":1},{\"deep\":[1,1]}]", "[{\"deep\":[2,2],\"d\":2},{\"deep\":[2,2]}]",
         "$[0].d: value differs", 0, 0, 0, 1},
        {"{\"k\\n\":1}", "{\"k\\n\":2}", "$.k?: value differs", 0, 0, 0, 1},
        {"[\"\\u0041\",\"b\"]", "[\"A\",\"c\"]", "$[1]: value differs", 0, 0, 0, 1},
        {"[true,false]", "[true,true]", "$[1]: value differs", 0, 0, 0, 1},
        {"[NaN,NaN,1]", "[NaN,NaN,2]", "$[2]: value differs", 0, 0, 0, 1},
        {"[12,3]", "[12 ,4]", "$[1]: value differs", 0, 0, 0, 1},
        {"12", "123", "$: value differs", 0, 0, 0, 1},
        {"1", "[1]", "$: type differs", 0, 0, 1, 0},
        {"[1.0,10,100]", "[1,1e1,1E+2]", "", 0, 0, 0, 0},
};

static void test_both_ways(void **state)
{
	struct ignore_paths ignore = {patterns, sizeof patterns / sizeof *patterns};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct span live = span_of(table[i].live), candidate = span_of(table[i].candidate);
		struct jsondiff out[2] = {{0}, {0}};
		struct jsondiff_walk walk = {.ignore = ignore, .out = &out[1]};

		assert_int_equal(
		        jsondiff(live, candidate, (struct tolerance){0, 0}, ignore, SIZE_MAX, &out[0]), 0);
		assert_int_equal(jsondiff_tree(&walk, live, candidate, SIZE_MAX), 0);
		for (int way = 0; way < 2; way++) {
			assert_string_equal(out[way].where, table[i].where);
			assert_int_equal(out[way].missing, table[i].missing);
			assert_int_equal(out[way].extra, table[i].extra);
			assert_int_equal(out[way].type, table[i].type);
			assert_int_equal(out[way].value, table[i].value);
		}
	}
}

static void test_errors(void **state)
{
	static const char *const bad[][2] = {
	        {"[1,2", "[1,2"}, {"[1]", "[1] x"}, {"{\"a\":1}", "{\"a\":01}"}, {"", "1"}};
	struct jsondiff out;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(jsondiff(span_of(bad[i][0]), span_of(bad[i][1]), (struct tolerance){0, 0},
		                          (struct ignore_paths){NULL, 0}, SIZE_MAX, &out),
		                 ERR_PROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_ways), cmocka_unit_test(test_errors)};

	return cmocka_run_group_tests_name("replay_jsondiff", tests, NULL, NULL);
}
