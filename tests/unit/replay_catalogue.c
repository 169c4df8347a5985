/* What candidates list as their models, and what becomes of a request that names one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "capture/ledger.h"
#include "replay/catalogue.h"

static struct catalogue_names names;

static void list(unsigned place, const char *body)
{
	memset(&names, 0, sizeof names);
	catalogue_read(&names, place, span_of(body));
}

static void check(const char *model, uint8_t outcome, const char *rename)
{
	struct span got;

	assert_int_equal(catalogue_fit(&names, span_of(model), &got), outcome);
	if (!span_eq(got, span_of(rename)))
		fail_msg("%s became %.*s, not %s", model, (int)got.len, got.data, rename);
}

static void test_places(void **state)
{
	(void)state;
	list(0, "{\"object\":\"list\",\"data\":[{\"id\":\"a\",\"object\":\"model\"},{\"id\":\"b\"}]}");
	assert_int_equal(names.count, 2);
	list(1, "{\"models\":[{\"name\":\"llama3:latest\",\"size\":1}]}");
	assert_int_equal(names.count, 1);
	list(2, "{\"name\":\"server\",\"models\":[{\"name\":\"digits\"}]}");
	assert_int_equal(names.count, 1);
	list(0, "{\"data\":[{\"id\":1},{\"id\":\"b\"}]}");
	assert_int_equal(names.count, 0);
	list(0, "{\"data\":[{\"id\":\"a\"}");
	assert_int_equal(names.count, 0);
	list(0, "<html>");
	assert_int_equal(names.count, 0);
}

static void test_fit(void **state)
{
	(void)state;
	list(0, "{\"data\":[]}");
	check("\"m\"", 0, "");
	list(0, "{\"data\":[{\"id\":\"m\"}]}");
	check("\"m\"", 0, "");
	check("\"\\u006d\"", 0, "");
	check("\"n\"", 0, "\"m\"");
	check("", 0, "");
	list(0, "{\"data\":[{\"id\":\"m\"},{\"id\":\"n\"}]}");
	check("\"n\"", 0, "");
	check("\"o\"", OUTCOME_CANDIDATE_MODEL, "");
	list(1, "{\"models\":[{\"name\":\"llama3:latest\"},{\"name\":\"b\"}]}");
	check("\"llama3\"", 0, "");
	check("\"llama3:latest\"", 0, "");
	check("\"llama\"", OUTCOME_CANDIDATE_MODEL, "");
}

/* A list that is not known whole refuses nothing and rewrites nothing. */
static void test_bounds(void **state)
{
	struct buf body;
	char name[CATALOGUE_NAME + 1];

	(void)state;
	buf_init(&body, 65536);
	buf_puts(&body, "{\"data\":[{\"id\":\"0\"}");
	for (unsigned i = 1; i <= CATALOGUE_NAMES; i++)
		buf_printf(&body, ",{\"id\":\"%u\"}", i);
	buf_puts(&body, "]}");
	memset(&names, 0, sizeof names);
	catalogue_read(&names, 0, buf_span(&body));
	assert_int_equal(names.count, CATALOGUE_NAMES);
	check("\"m\"", 0, "");
	memset(name, 'x', CATALOGUE_NAME);
	name[CATALOGUE_NAME] = '\0';
	buf_reset(&body);
	buf_printf(&body, "{\"data\":[{\"id\":\"a\"},{\"id\":\"%s\"}]}", name);
	memset(&names, 0, sizeof names);
	catalogue_read(&names, 0, buf_span(&body));
	assert_true(names.beyond);
	check("\"m\"", 0, "");
	buf_fini(&body);
}

static void test_model(void **state)
{
	static const struct {
		const char *head, *body, *model;
	} cases[] = {
	        {"POST /", "{\"model\":\"m\"}", "\"m\""},
	        {"POST /", "{\"model\":7}", ""},
	        {"POST /", "{\"a\":{\"model\":\"m\"}}", ""},
	        {"POST /", "{\"n\":1}", ""},
	        {"POST /", "{\"model\":\"m\"", ""},
	        {"POST /", "", ""},
	        {"POST /\ncontent-encoding: gzip", "{\"model\":\"m\"}", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct leg leg = {0};

		buf_init(&leg.head, 256);
		buf_init(&leg.body, 256);
		buf_puts(&leg.head, cases[i].head);
		buf_puts(&leg.body, cases[i].body);
		assert_true(span_eq(catalogue_model(&leg), span_of(cases[i].model)));
		buf_fini(&leg.head);
		buf_fini(&leg.body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_places),
	        cmocka_unit_test(test_fit),
	        cmocka_unit_test(test_bounds),
	        cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
