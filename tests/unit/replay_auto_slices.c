/* Slices that nobody declared: what is proposed is what diverges, and what is tested is as rare as it should
 * be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "replay/auto_slices.h"
#include "replay/evidence.h"
#include "tests/lib/draw.h"

static void features(void **state)
{
	static const struct {
		const char *body, *want;
	} cases[] = {
	        {"{\"region\":\"eu\",\"user\":{\"age\":41,\"vip\":true}}",
	         "$.region=eu|$.user.age in [32,64)|$.user.vip=true|"},
	        {"{\"a\":3,\"b\":-16,\"c\":0.3,\"d\":-17,\"e\":null}",
	         "$.a=3|$.b=-16|$.c in [0.25,0.5)|$.d in (-32,-16]|"},
	        {"{\"rows\":[{\"a\":1}],\"n\":\"x y\"}", "$.n=x?y|"},
	        {"{\"t\":\"a text that is longer than any group's name would be\"}", ""},
	        {"[{\"a\":1}]", ""},
	        {"{\"a\":1,\"a\":1,\"b.c\":2,\"b\":{\"c\":2}}", "$.a=1|$.b.c=2|"}, /* once each */
	        {"{\"a\":1,", "$.a=1|"},
	        {"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct auto_features f;
		char got[600] = "";

		auto_features_of(span_of(cases[i].body), &f);
		for (uint32_t j = 0; j < f.count; j++)
			strcat(strcat(got, f.at[j]), "|");
		assert_string_equal(got, cases[i].want);
	}
}

static void count(struct auto_slices *s, uint64_t id, double bad)
{
	char body[128];
	struct auto_features f;
	int a = (int)(draw() * 4), b = (int)(draw() * 4);

	snprintf(body, sizeof body, "{\"a\":%d,\"b\":\"v%d\",\"c\":%d}", a, b, (int)(draw() * 3));
	auto_features_of(span_of(body), &f);
	auto_count(s, &f, auto_half_of(id), draw() < (a == 2 && b == 1 ? bad : 0.03));
}

/* How many of what is proposed the other half confirms; the first of them is named. */
static unsigned confirmed(const struct auto_slices *s, char name_out[140])
{
	unsigned proposed[AUTO_PROPOSED], n = auto_proposed(s, proposed);
	double log_e[AUTO_PROPOSED], least;

	for (unsigned i = 0; i < n; i++) {
		log_e[i] = auto_log_e(s, proposed[i], AUTO_TESTS);
		assert_true(i == 0 || auto_log_e(s, proposed[i - 1], AUTO_PROPOSES) >=
		                              auto_log_e(s, proposed[i], AUTO_PROPOSES));
	}
	snprintf(name_out, 140, "%s", n ? s->at[proposed[0]].name : "");
	return evidence_bh(log_e, n, 0.05, &least);
}

static void finds_two_fields(void **state)
{
	static struct auto_slices s;
	char name[140];

	(void)state;
	for (uint64_t id = 0; id < 6000; id++)
		count(&s, id, 0.4);
	assert_true(confirmed(&s, name) >= 1);
	assert_string_equal(name, "$.a=2, $.b=v1");
}

static void false_alarms(void **state)
{
	static struct auto_slices s;
	unsigned runs = 200, alarms = 0;
	char name[140];

	(void)state;
	for (unsigned run = 0; run < runs; run++) {
		memset(&s, 0, sizeof s);
		for (uint64_t id = 0; id < 1500; id++)
			count(&s, id + 10000 * run, 0.03);
		alarms += confirmed(&s, name) > 0;
	}
	print_message("%u of %u runs named a slice without cause\n", alarms, runs);
	assert_true(alarms <= runs * 5 / 100);
}

static void bounded(void **state)
{
	static struct auto_slices s;

	(void)state;
	for (uint64_t id = 0; id < 3000; id++) {
		struct auto_features f = {.count = 1};

		snprintf(f.at[0], AUTO_FEATURE_BYTES, "$.id=%u", (unsigned)id);
		auto_count(&s, &f, AUTO_PROPOSES, false);
	}
	assert_int_equal(s.count, AUTO_COUNTED);
	assert_int_equal(s.left_out, 3000 - AUTO_COUNTED);
	assert_int_equal(s.pairs[AUTO_PROPOSES], 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(features),
	        cmocka_unit_test(finds_two_fields),
	        cmocka_unit_test(false_alarms),
	        cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
