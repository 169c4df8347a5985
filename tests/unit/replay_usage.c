/* Tokens that answers tell: whole, cut at every byte, in streams, and what only looks like them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "replay/usage.h"

static uint64_t tokens(const char *text, size_t cut)
{
	struct usage u = {0};
	struct span all = span_of(text);

	usage_feed(&u, (struct span){all.data, cut});
	usage_feed(&u, (struct span){all.data + cut, all.len - cut});
	return usage_tokens(&u, 400);
}

static void check(const char *text, uint64_t want)
{
	for (size_t cut = 0; cut <= strlen(text); cut++)
		assert_int_equal(tokens(text, cut), want);
}

static void test_answers(void **state)
{
	(void)state;
	check("{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21}}",
	      21);
	check("{\"usage\": {\"prompt_tokens\" : 9, \"completion_tokens\" : 12}}", 21);
	check("{\"usage\":{\"input_tokens\":10,\"output_tokens\":5}}", 15);
	check("{\"response\":\"x\",\"prompt_eval_count\":26,\"eval_count\":298}", 324);
	check("data: {\"usage\":null}\n\ndata: {\"usage\":{\"total_tokens\":5}}\n\ndata: "
	      "{\"usage\":{\"total_tokens\":7}}\n\n"
	      "data: [DONE]\n\n",
	      7);
}

/* Not told: a token in four bytes of both. */
static void test_untold(void **state)
{
	(void)state;
	check("", 100);
	check("{\"text\":\"\\\"total_tokens\\\":5 ..\"}", 100 + 33 / 4);
	check("{\"text\":\"total_tokens\",\"n\":500}", 100 + 31 / 4);
	check("{\"total_tokens\":\"500\"}", 100 + 22 / 4);
	check("{\"total_tokens_details\":{\"a\":1}}", 100 + 32 / 4);
	check("{\"total_tokens\":-5}", 100 + 19 / 4);
}

static void test_bounds(void **state)
{
	(void)state;
	check("{\"total_tokens\":99999999999999999999999999}", 1000000000000u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_answers),
	        cmocka_unit_test(test_untold),
	        cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
