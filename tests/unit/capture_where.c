/* The filter language: what holds of which exchange, and where an expression is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "capture/fold.h"
#include "capture/where.h"

enum { MS = 1000000 };

static struct fold *fold;
static struct exchange *whole, *broken;
static const struct where_facts facts = {.route = {"chat", 4}, .wall_ns = UINT64_C(1767225600) * 1000000000};

static void put(uint64_t id, uint8_t leg, uint8_t type, uint64_t ms, struct span payload,
                struct exchange **out)
{
	struct record r = {.id = id, .time_ns = (1000 + ms) * MS, .leg = leg, .type = type, .mask_count = 1};

	r.payload_len = (uint32_t)payload.len;
	assert_int_equal(fold_add(fold, &r, payload.data, out), 0);
}

static int setup(void **state)
{
	(void)state;
	fold = fold_new(1 << 20);
	assert_non_null(fold);
	put(0xabc, LEG_CLIENT, RECORD_HEAD, 0, SPAN("POST /v1/chat/completions?user=a"), &whole);
	put(0xabc, LEG_CLIENT, RECORD_CHUNK, 1, SPAN("{}"), &whole);
	put(0xabc, LEG_CLIENT, RECORD_END, 1, SPAN(""), &whole);
	put(0xabc, LEG_LIVE, RECORD_HEAD, 90, SPAN("503"), &whole);
	put(0xabc, LEG_LIVE, RECORD_CHUNK, 100, SPAN("sorry"), &whole);
	put(0xabc, LEG_LIVE, RECORD_END, 120, SPAN(""), &whole);
	put(0xdef, LEG_CLIENT, RECORD_HEAD, 0, SPAN("GET /health"), &broken);
	put(0xdef, LEG_CLIENT, RECORD_END, 0, SPAN(""), &broken);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fold_free(&fold);
	return 0;
}

static bool holds(const char *expression, const struct exchange *x)
{
	struct where_error error;
	struct where w;

	if (where_compile(expression, where_fields, &w, &error))
		fail_msg("%s: %s", expression, error.text);
	return where_holds(&w, x, &facts);
}

static void test_fields(void **state)
{
	static const char *const yes[] = {
	        "id==0000000000000abc",
	        "time==2026-01-01T00:00:00.000000Z",
	        "time>=2026-01-01",
	        "time<2026-01-02",
	        "route==chat",
	        "route==\"chat\"",
	        "route == 'chat'",
	        "method==POST",
	        "path==/v1/chat/completions",
	        "path =~ /v1/*",
	        "path =~ *chat*",
	        "path =~ '*/?hat/*s'",
	        "query=='user=a'",
	        "status==503",
	        "status>=500",
	        "status>502.5",
	        "status<=503",
	        "status<504",
	        "status!=200",
	        "latency_ms==120",
	        "latency_ms > 1e2",
	        "first_byte_ms==100",
	        "request_bytes==2",
	        "response_bytes==5",
	        "masked==6",
	        "method>=POS",
	        "method<POSTS",
	        "method=~*",
	        "path!=\"/\"",
	};
	static const char *const no[] = {
	        "id==abc",         "time<2026-01-01",  "route!=chat",       "route==cha",
	        "path=~/v1",       "path=~*chat",      "path=~?",           "status<503",
	        "status>503",      "latency_ms<100",   "method<=POS",       "method=~''",
	        "error==anything", "error!=anything",  "masked==0",         "query=='user='",
	        "path=~/v2*",      "path=~/v1/*/x*/s", "first_byte_ms>100",
	};

	(void)state;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		if (!holds(yes[i], whole))
			fail_msg("%s is true", yes[i]);
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		if (holds(no[i], whole))
			fail_msg("%s is false", no[i]);
}

/* What is not there compares as nothing does. */
static void test_absent(void **state)
{
	static const char *const unknown[] = {"status", "latency_ms", "first_byte_ms", "response_bytes",
	                                      "query"};
	char expression[64];

	(void)state;
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		snprintf(expression, sizeof expression, "%s==0 or %s!=0 or %s>=0", unknown[i], unknown[i],
		         unknown[i]);
		assert_false(holds(expression, broken));
		snprintf(expression, sizeof expression, "not %s==0", unknown[i]);
		assert_true(holds(expression, broken));
	}
	assert_true(holds("error==incomplete and path==/health and request_bytes==0", broken));
}

/* Every truth table of three, against C's own operators. */
static void test_logic(void **state)
{
	static const char *const say[] = {"status==1", "status==503"};
	char e[256];

	(void)state;
	for (unsigned bits = 0; bits < 8; bits++) {
		bool a = bits & 1, b = bits & 2, c = bits & 4;

#define CHECK(format, expected)                                                                              \
	snprintf(e, sizeof e, format, say[a], say[b], say[c]);                                               \
	assert_int_equal(holds(e, whole), expected)
		CHECK("%s and %s or %s", (a && b) || c);
		CHECK("%s or %s and %s", a || (b && c));
		CHECK("(%s or %s) and %s", (a || b) && c);
		CHECK("not %s and not(%s or not %s)", !a && !(b || !c));
		CHECK("%s or not not %s or(%s)", a || b || c);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *expression, *says;
		unsigned at;
	} wrong[] = {
	        {"statuz>=500", "did you mean 'status'?", 0},
	        {"status>=500 and  pth==/", "did you mean 'path'?", 17},
	        {"colour==red", "one of: id, time,", 0},
	        {"status=500", "did you mean '=='?", 6},
	        {"status", "is expected", 6},
	        {"status==", "a value is expected", 8},
	        {"status==ok", "a number is expected", 8},
	        {"status==\"\"", "a number is expected", 9},
	        {"status==5x", "a number is expected", 8},
	        {"status==nan", "a number is expected", 8},
	        {"status=~5*", "a number has no pattern", 6},
	        {"route==\"chat", "the text has no end", 7},
	        {"(status==1", "this ( is not closed", 0},
	        {"status==1)", "the end is expected", 9},
	        {"(status==1 status==2)", ") is expected", 11},
	        {"status==1 && status==2", "did you mean 'and'?", 10},
	        {"status==1 || status==2", "did you mean 'or'?", 10},
	        {"!(status==1)", "did you mean 'not'?", 0},
	        {"status==1 and", "a field's name is expected", 13},
	        {"", "a field's name is expected", 0},
	};
	struct where_error error;
	struct where w;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(where_compile(wrong[i].expression, where_fields, &w, &error), ERR_CONFIG);
		if (error.at != wrong[i].at || !strstr(error.text, wrong[i].says))
			fail_msg("%s: %u: %s", wrong[i].expression, error.at, error.text);
		assert_int_equal(w.count, 0);
	}
}

static void test_bounds(void **state)
{
	char e[WHERE_BYTES_MAX + 2];
	struct where_error error;
	struct where w;

	(void)state;
	for (int n = 0; n < WHERE_DEPTH_MAX + 8; n++) {
		memset(e, '(', (size_t)n);
		strcpy(e + n, "status==503");
		memset(e + strlen(e), 0, 1);
		size_t len = strlen(e);
		memset(e + len, ')', (size_t)n);
		e[len + (size_t)n] = '\0';
		assert_int_equal(where_compile(e, where_fields, &w, &error),
		                 n < WHERE_DEPTH_MAX ? 0 : ERR_CONFIG);
	}
	memset(e, ' ', sizeof e);
	e[sizeof e - 1] = '\0';
	assert_int_equal(where_compile(e, where_fields, &w, &error), ERR_CONFIG);
	/* as many comparisons as fit, all on the stack at once as far as nesting lets them */
	e[0] = '\0';
	for (int n = 0; n < WHERE_DEPTH_MAX - 1; n++)
		strcat(e, n ? " and (status==503" : "status==503");
	for (int n = 0; n < WHERE_DEPTH_MAX - 2; n++)
		strcat(e, ")");
	assert_int_equal(where_compile(e, where_fields, &w, &error), 0);
	assert_true(where_holds(&w, whole, &facts));
	e[0] = '\0';
	for (int n = 0; n < WHERE_STEPS_MAX / 2 + 1; n++)
		strcat(e, n ? " or status==1" : "status==1");
	assert_int_equal(where_compile(e, where_fields, &w, &error), ERR_CONFIG);
	assert_string_equal(error.text, "the expression has too many parts");
}

static void test_caret(void **state)
{
	char e[] = "status==1 and \x1b[2Jstatuz==1";
	struct where_error error;
	struct where w;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(where_compile("route==a and statuz==1", where_fields, &w, &error), ERR_CONFIG);
	where_explain("route==a and statuz==1", &error, &b);
	buf_put(&b, "", 1);
	assert_string_equal(b.base, "unknown field 'statuz'; did you mean 'status'?\n"
	                            "  route==a and statuz==1\n"
	                            "               ^\n");
	buf_reset(&b);
	assert_int_equal(where_compile(e, where_fields, &w, &error), ERR_CONFIG);
	where_explain(e, &error, &b);
	assert_null(memchr(b.base, 0x1b, buf_len(&b)));
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_absent, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_logic, setup, teardown),
	        cmocka_unit_test(test_errors),
	        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
	        cmocka_unit_test(test_caret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
