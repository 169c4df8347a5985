/* Which route takes a request: prefixes by segment, the longest first, every condition, and two readings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/route.h"

static struct plan plan;
static struct route_table table;

static struct plan_route *add(const char *prefix)
{
	struct plan_route *r = &plan.routes[plan.route_count++];

	memset(r, 0, sizeof(*r));
	strcpy(r->path_prefix, prefix);
	return r;
}

static int start(void **state)
{
	(void)state;
	plan.route_count = 0;
	return 0;
}

/* What is picked for `METHOD TARGET` with these two fields, at port 80. */
static int asked(const char *method, const char *target, const char *host, const char *model)
{
	static struct http_message m;

	memset(&m, 0, sizeof(m));
	m.method = span_of(method);
	m.target = span_of(target);
	m.host = span_of(host);
	if (model) {
		m.field_count = 1;
		m.fields[0].name = SPAN("X-Model");
		m.fields[0].value = span_of(model);
	}
	route_table_init(&table, &plan);
	return route_pick(&table, 80, &m);
}

static int at(const char *target)
{
	return asked("GET", target, "a", NULL);
}

static void a_prefix_ends_where_a_segment_ends(void **state)
{
	(void)state;
	add("/v2/models/digits");
	add("/below/");
	assert_int_equal(at("/v2/models/digits"), 0);
	assert_int_equal(at("/v2/models/digits/infer"), 0);
	assert_int_equal(at("/v2/models/digits/"), 0);
	assert_int_equal(at("/v2/models/digits?v=1"), 0);
	assert_int_equal(at("/v2/models/digits2"), ROUTE_NONE);
	assert_int_equal(at("/v2/models/digits-b/infer"), ROUTE_NONE);
	assert_int_equal(at("/v2/models/digit"), ROUTE_NONE);
	assert_int_equal(at("/v2/models"), ROUTE_NONE);
	assert_int_equal(at("/V2/models/digits"), ROUTE_NONE);
	assert_int_equal(at("/x?/v2/models/digits"), ROUTE_NONE);
	assert_int_equal(at("/below/x"), 1);
	assert_int_equal(at("/below/"), 1);
	assert_int_equal(at("/below"), ROUTE_NONE);
}

static void the_longest_prefix_wins_wherever_it_stands(void **state)
{
	(void)state;
	add("/");
	add("/v2");
	add("/v2/models/a");
	add("/v2/models");
	assert_int_equal(at("/"), 0);
	assert_int_equal(at("/v3"), 0);
	assert_int_equal(at("/v2"), 1);
	assert_int_equal(at("/v2/health"), 1);
	assert_int_equal(at("/v2/models/a/infer"), 2);
	assert_int_equal(at("/v2/models/b/infer"), 3);
	assert_int_equal(at("/v2/modelsx"), 1);
}

static void of_equals_the_first_that_fits_is_picked(void **state)
{
	(void)state;
	strcpy(add("/a")->match_host, "one.example");
	strcpy(add("/a")->match_methods, " GET PUT ");
	add("/a");
	add("/a");
	assert_int_equal(asked("POST", "/a", "one.example", NULL), 0);
	assert_int_equal(asked("GET", "/a", "one.example", NULL), 0);
	assert_int_equal(asked("GET", "/a", "two.example", NULL), 1);
	assert_int_equal(asked("POST", "/a", "two.example", NULL), 2);
}

static void a_host_is_a_name_in_any_case_with_any_port(void **state)
{
	(void)state;
	strcpy(add("/")->match_host, "models.example");
	strcpy(add("/")->match_host, "[::1]");
	assert_int_equal(asked("GET", "/", "models.example", NULL), 0);
	assert_int_equal(asked("GET", "/", "Models.EXAMPLE:8080", NULL), 0);
	assert_int_equal(asked("GET", "/", "models.example.", NULL), 0);
	assert_int_equal(asked("GET", "/", "models.example.:1", NULL), 0);
	assert_int_equal(asked("GET", "/", "[::1]:8080", NULL), 1);
	assert_int_equal(asked("GET", "/", "[::1]", NULL), 1);
	assert_int_equal(asked("GET", "/", "models.example.org", NULL), ROUTE_NONE);
	assert_int_equal(asked("GET", "/", "x.models.example", NULL), ROUTE_NONE);
	assert_int_equal(asked("GET", "/", "", NULL), ROUTE_NONE);
}

static void a_method_is_a_whole_word_in_its_own_case(void **state)
{
	(void)state;
	strcpy(add("/")->match_methods, " POST PATCH ");
	assert_int_equal(asked("POST", "/", "a", NULL), 0);
	assert_int_equal(asked("PATCH", "/", "a", NULL), 0);
	assert_int_equal(asked("post", "/", "a", NULL), ROUTE_NONE);
	assert_int_equal(asked("POS", "/", "a", NULL), ROUTE_NONE);
	assert_int_equal(asked("OST", "/", "a", NULL), ROUTE_NONE);
	assert_int_equal(asked("GET", "/", "a", NULL), ROUTE_NONE);
}

static void a_header_and_a_port_are_conditions_too(void **state)
{
	struct plan_route *r;

	(void)state;
	add("/")->match_port = 81;
	r = add("/");
	strcpy(r->match_header, "x-model");
	strcpy(r->match_value, "digits");
	assert_int_equal(asked("GET", "/", "a", "digits"), 1);
	assert_int_equal(asked("GET", "/", "a", "Digits"), ROUTE_NONE);
	assert_int_equal(asked("GET", "/", "a", "digits2"), ROUTE_NONE);
	assert_int_equal(asked("GET", "/", "a", NULL), ROUTE_NONE);
	plan.routes[0].match_port = 80;
	assert_int_equal(asked("GET", "/", "a", NULL), 0);
}

static void two_readings_of_a_path_pick_no_route(void **state)
{
	static const char *const unclear[] = {
	        "/open/../closed",
	        "/open/%2e%2e/closed/x",
	        "/open/..%2fclosed",
	        "/open/..\\closed",
	        "/open/..;v=1/closed",
	        "//closed",
	        "/x/../open",
	        "/./open",
	        "/%6fpen",
	        "/open/x/../../closed",
	        "/x//../closed",
	        "/closed/../x",
	        "/open/..%5cclosed",
	};

	(void)state;
	add("/open");
	add("/closed");
	for (unsigned i = 0; i < sizeof(unclear) / sizeof(*unclear); i++)
		if (at(unclear[i]) != ROUTE_UNCLEAR)
			fail_msg("%s picks %d", unclear[i], at(unclear[i]));
}

static void what_reads_the_same_either_way_is_let_through(void **state)
{
	(void)state;
	add("/open");
	add("/closed");
	assert_int_equal(at("/open/a%2fb"), 0);
	assert_int_equal(at("/open/a//b"), 0);
	assert_int_equal(at("/open/./b/%41"), 0);
	assert_int_equal(at("/open/a/../b"), 0);
	assert_int_equal(at("/open/%zz/%00"), 0);
	assert_int_equal(at("/open?x=/../closed//%41"), 0);
	assert_int_equal(at("/none/%41//x"), ROUTE_NONE);
}

static void without_a_choice_by_path_every_path_is_let_through(void **state)
{
	(void)state;
	strcpy(add("/")->match_host, "a");
	add("/");
	assert_int_equal(at("/a/../../b"), 0);
	assert_int_equal(at("//..%2f\\"), 0);
	assert_int_equal(asked("GET", "/%41/..;/", "b", NULL), 1);
}

static void the_target_of_options_is_the_root(void **state)
{
	(void)state;
	add("/v2");
	assert_int_equal(asked("OPTIONS", "*", "a", NULL), ROUTE_NONE);
	assert_int_equal(at("/v2/..%2fadmin"), ROUTE_UNCLEAR);
	add("/");
	assert_int_equal(asked("OPTIONS", "*", "a", NULL), 1);
}

static void the_longest_target_is_read_whole(void **state)
{
	static char target[H1_LINE_MAX + 1];

	(void)state;
	add("/open");
	add("/closed");
	memset(target, 'a', H1_LINE_MAX);
	memcpy(target, "/open/%41", 9);
	assert_int_equal(at(target), 0);
	memcpy(target + H1_LINE_MAX - 6, "/../..", 6);
	assert_int_equal(at(target), ROUTE_UNCLEAR);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_prefix_ends_where_a_segment_ends),
	        TEST(the_longest_prefix_wins_wherever_it_stands),
	        TEST(of_equals_the_first_that_fits_is_picked),
	        TEST(a_host_is_a_name_in_any_case_with_any_port),
	        TEST(a_method_is_a_whole_word_in_its_own_case),
	        TEST(a_header_and_a_port_are_conditions_too),
	        TEST(two_readings_of_a_path_pick_no_route),
	        TEST(what_reads_the_same_either_way_is_let_through),
	        TEST(without_a_choice_by_path_every_path_is_let_through),
	        TEST(the_target_of_options_is_the_root),
	        TEST(the_longest_target_is_read_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
