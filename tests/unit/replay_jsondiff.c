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
		struct jsondiff_rules rules = {.ignore = ignore};
		struct jsondiff_walk walk = {.rules = &rules, .out = &out[1]};

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

/* Arrays in another order, as sets and by a member; numbers by path. */
static const struct {
	const char *live, *candidate, *where;
	uint32_t missing, extra, type, value, order;
} ruled[] = {
        {"[1,2,3]", "[3,1,2]", "$: order differs", 0, 0, 0, 0, 1},
        {"{\"a\":[{\"x\":1},{\"x\":2}]}", "{\"a\":[{\"x\":2},{\"x\":1}]}", "$.a: order differs", 0, 0, 0, 0,
         1},
        {"[[1,2],[3,4]]", "[[2,1],[3,4]]", "$[0]: order differs", 0, 0, 0, 0, 1},
        {"[[1,2],[3,4]]", "[[4,3],[1,2]]", "$[0][0]: value differs", 0, 0, 0, 4, 0},
        {"[1,2,3]", "[3,1,4]", "$[0]: value differs", 0, 0, 0, 3, 0},
        {"[1,2]", "[2,1,3]", "$[0]: value differs", 0, 1, 0, 2, 0},
        {"[\"a\",1]", "[1,\"a\"]", "$: order differs", 0, 0, 0, 0, 1},
        {"[\"\\u0061\",0]", "[-0.0,\"a\"]", "$: order differs", 0, 0, 0, 0, 1},
        {"[9007199254740993,1]", "[1,9007199254740992]", "$[0]: value differs", 0, 0, 0, 2, 0},
        {"{\"set\":[1,2,2,3]}", "{\"set\":[3,2,1,2]}", "", 0, 0, 0, 0, 0},
        {"{\"set\":[1,2,2]}", "{\"set\":[2,1,1]}", "$.set[2]: missing", 1, 1, 0, 0, 0},
        {"{\"set\":[{\"a\":1,\"b\":[2]},\"x\"]}", "{\"set\":[\"x\",{\"b\":[2],\"a\":1.0}]}", "", 0, 0, 0, 0,
         0},
        {"{\"set\":[10,20.0]}", "{\"set\":[20.4,10.4,30]}", "$.set[2]: extra", 0, 1, 0, 0, 0},
        {"{\"set\":[1]}", "{\"set\":{}}", "$.set: type differs", 0, 0, 1, 0, 0},
        {"{\"keyed\":[{\"id\":1,\"v\":1},{\"id\":2,\"v\":2}]}",
         "{\"keyed\":[{\"v\":2,\"id\":2},{\"v\":9,\"id\":1}]}", "$.keyed[0].v: value differs", 0, 0, 0, 1, 0},
        {"{\"keyed\":[{\"id\":\"a\"},{\"id\":\"b\"}]}", "{\"keyed\":[{\"id\":\"b\"},{\"id\":\"c\"}]}",
         "$.keyed[0]: missing", 1, 1, 0, 0, 0},
        {"{\"keyed\":[{\"id\":1},{\"w\":1}]}", "{\"keyed\":[{\"w\":1},{\"id\":1}]}", "", 0, 0, 0, 0, 0},
        {"{\"near\":1.0,\"far\":1.0}", "{\"near\":1.4,\"far\":1.4}", "$.far: value differs", 0, 0, 0, 1, 0},
        {"{\"part\":200,\"near\":1}", "{\"part\":201,\"near\":1.6}", "$.near: value differs", 0, 0, 0, 1, 0},
        {"{\"x\":{\"gone\":1,\"near\":1}}", "{\"x\":{\"gone\":2,\"near\":3}}", "$.x.near: value differs", 0,
         0, 0, 1, 0},
        {"{\"gone\":[1,2],\"a\":[1,2]}", "{\"gone\":[2,1],\"a\":[1,2]}", "", 0, 0, 0, 0, 0},
};

static void test_rules(void **state)
{
	static const struct path_array arrays[] = {{"$.set", {"", 0}}, {"$..keyed", {"id", 2}}};
	static const struct path_tolerance near[] = {
	        {"$..near", {0.5, 0}}, {"$.part", {0, 0.01}}, {"$.set[*]", {0.5, 0}}};
	static const char *const gone[] = {"$..gone"};
	struct jsondiff_rules rules = {.ignore = {gone, 1},
	                               .arrays = arrays,
	                               .array_count = 2,
	                               .tolerances = near,
	                               .tolerance_count = 3};
	struct jsondiff out;

	(void)state;
	for (size_t i = 0; i < sizeof ruled / sizeof *ruled; i++) {
		struct span live = span_of(ruled[i].live), candidate = span_of(ruled[i].candidate);

		for (rules.array_count = strstr(ruled[i].live, "set") || strstr(ruled[i].live, "keyed") ? 2
		                                                                                        : 0;
		     ; rules.array_count = 2) { /* in step, and by trees */
			assert_int_equal(jsondiff_by(live, candidate, &rules, SIZE_MAX, &out), 0);
			assert_string_equal(out.where, ruled[i].where);
			assert_int_equal(out.missing, ruled[i].missing);
			assert_int_equal(out.extra, ruled[i].extra);
			assert_int_equal(out.type, ruled[i].type);
			assert_int_equal(out.value, ruled[i].value);
			assert_int_equal(out.order, ruled[i].order);
			if (rules.array_count)
				break;
		}
		assert_int_equal(jsondiff_by(live, live, &rules, SIZE_MAX, &out), 0);
		assert_false(out.where[0]);
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
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_ways), cmocka_unit_test(test_rules),
	                                   cmocka_unit_test(test_errors)};

	return cmocka_run_group_tests_name("replay_jsondiff", tests, NULL, NULL);
}
