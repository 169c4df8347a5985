/* A policy's own patterns: what they find, how finds that overlap become one, what is refused; and that a
 * stream is masked the same wherever it was cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "capture/detect/hits.h"
#include "capture/detect/patterns.h"
#include "capture/mask_body.h"
#include "capture/mask_text.h"
#include "proto/json.h"

static int need_engine(void **state)
{
	const char *lacks;

	(void)state;
	if (!patterns_engine(&lacks)) {
		print_message("skipped: %s\n", lacks);
		skip();
	}
	return 0;
}

static struct patterns *compile(unsigned count, const char *const *regexes)
{
	struct detect_pattern all[DETECT_PATTERNS] = {0};
	char why[PATTERN_WHY_BYTES];
	struct patterns *p;

	for (unsigned i = 0; i < count; i++)
		snprintf(all[i].regex, sizeof all[i].regex, "%s", regexes[i]);
	if (patterns_new(all, count, &p, why))
		fail_msg("%s", why);
	return p;
}

/* "0:1-3 1:5-9": pattern, start and end of each. */
static void finds(unsigned count, const char *const *regexes, struct span text, const char *want)
{
	struct patterns *p = compile(count, regexes);
	const struct detect_hit *all;
	struct buf hits, got;
	size_t n;

	buf_init(&hits, 1 << 20);
	buf_init(&got, 1 << 16);
	patterns_find(p, text, &hits);
	assert_int_equal(hits.err, 0);
	all = hits_of(&hits, &n);
	for (size_t i = 0; i < n; i++)
		buf_printf(&got, "%s%u:%u-%u", i ? " " : "", all[i].class - DETECT_PATTERN,
		           (unsigned)all[i].start, (unsigned)all[i].end);
	buf_put(&got, "", 1);
	assert_string_equal(got.base, want);
	buf_fini(&hits);
	buf_fini(&got);
	patterns_free(&p);
}

static void test_finds(void **state)
{
	static const char *const one[] = {"C-\\d+"}, *const two[] = {"ab+", "b+cd"},
	                         *const inner[] = {"b", "abc"}, *const umlaut[] = {"[äö]x", "(?i)straße"};

	(void)state;
	finds(1, one, SPAN("C-1 C-123 C-"), "0:0-3 0:4-9");
	finds(1, one, SPAN(""), "");
	finds(2, two, SPAN("abbbcd"), "0:0-6");        /* neither holds the other: the one that came first */
	finds(2, inner, SPAN("abc b"), "1:0-3 0:4-5"); /* the larger one holds the other */
	finds(2, umlaut, SPAN("äx ax STRAßE"), "0:0-3 1:7-14");
	finds(1, one,
	      SPAN("\xff\xc3"
	           "C-12\xe2\x82"),
	      "0:2-6"); /* what is no UTF-8 shifts nothing */
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"(", "a*", "(?=x)y", "(a)\\1", "(a{1,30000}b){1,30000}"};

	(void)state;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct detect_pattern one = {0};
		char why[PATTERN_WHY_BYTES];
		struct patterns *p;

		snprintf(one.regex, sizeof one.regex, "%s", bad[i]);
		assert_int_equal(patterns_new(&one, 1, &p, why), ERR_CONFIG);
		assert_null(p);
		assert_true(*why);
	}
}

/* Each end of a match is told, and there are as many as letters; what is kept is one. */
static void test_long(void **state)
{
	static const char *const nested[] = {"(a+)+b?", "a.*z"};
	struct patterns *p = compile(2, nested);
	char *text = malloc(1 << 20);
	struct detect_hit *all;
	struct buf hits;
	size_t n;

	(void)state;
	memset(text, 'a', 1 << 20);
	buf_init(&hits, 4096);
	patterns_find(p, (struct span){text, 1 << 20}, &hits);
	assert_int_equal(hits.err, 0);
	all = hits_of(&hits, &n);
	assert_int_equal(n, 1);
	assert_int_equal(all->end, 1 << 20);
	buf_fini(&hits);
	free(text);
	patterns_free(&p);
}

static struct plan_mask policy;
static struct mask_finder *finder;
static struct mask_rules *rules;
static struct mask_key *key;

static void begin(uint32_t with)
{
	static const uint8_t secret[32] = {7};

	memset(&policy, 0, sizeof policy);
	policy.detect.with = with;
	policy.detect.find.min_score = 50;
	policy.detect.pattern_count = 1;
	policy.detect.find.allow_count = 1;
	strcpy(policy.detect.find.allow[0], "C-000000");
	strcpy(policy.detect.patterns[0].name, "customer");
	strcpy(policy.detect.patterns[0].regex, "\\bC-\\d{6}\\b");
	assert_true(detect_set_add_name(&policy.detect.find.classes, "email"));
	assert_int_equal(mask_key_new(secret, &key), 0);
	assert_int_equal(mask_rules_new(&policy, &rules), 0);
	assert_int_equal(mask_finder_new(&policy, SPAN(""), &finder), 0);
	mask_rules_find(rules, finder);
}

static void end(void)
{
	mask_rules_free(&rules);
	mask_finder_free(&finder);
	mask_key_free(&key);
}

static void masked(const char *type, struct span body, struct buf *out)
{
	struct mask_body form;
	uint32_t count;
	bool input_masked;

	assert_int_equal(mask_body_of(span_of(type), &form), 0);
	assert_int_equal(mask_body(&form, rules, key, body, NULL, NULL, out, &count, &input_masked), 0);
}

static void test_masked(void **state)
{
	char token[MASK_TOKEN_LEN + 1], want[256];
	struct buf out;

	(void)state;
	begin(MASK_TYPE);
	buf_init(&out, 1 << 16);
	masked("POST /x", SPAN("{\"a\":\"C-123456, a@b.example, C-000000, C-1234567\",\"C-765432\":1}"),
	       &out);
	buf_put(&out, "", 1);
	assert_string_equal(out.base,
	                    "{\"a\":\"[customer], [email], C-000000, C-1234567\",\"[customer]\":1}");
	end();
	begin(MASK_TOKEN); /* of its name and the value, wherever it stands */
	mask_token(key, SPAN("customer"), SPAN("C-123456"), token);
	buf_reset(&out);
	masked("POST /x", SPAN("[\"C-123456\"]"), &out);
	buf_put(&out, "", 1);
	snprintf(want, sizeof want, "[\"%s\"]", token);
	assert_string_equal(out.base, want);
	buf_fini(&out);
	end();
}

static void add_delta(struct buf *body, struct span text)
{
	buf_puts(body, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":");
	buf_json_string(body, text);
	buf_puts(body, "}}]}\n\n");
}

/* What the deltas of a stream say together. */
static void said(struct span body, struct buf *out)
{
	for (size_t i = 0; i + 10 < body.len; i++) {
		const char *end;

		if (memcmp(body.data + i, "\"content\":\"", 11) != 0)
			continue;
		end = memchr(body.data + i + 11, '}', body.len - i - 11);
		json_unescape((struct span){body.data + i + 10, (size_t)(end - body.data) - i - 10}, out);
	}
	buf_put(out, "", 1);
}

static void test_every_split(void **state)
{
	static const char text[] = "of C-123456 and C-654321.";
	struct buf body, out, all;

	(void)state;
	begin(MASK_TYPE);
	buf_init(&body, 1 << 16);
	buf_init(&out, 1 << 16);
	buf_init(&all, 1 << 16);
	for (size_t a = 0; a < sizeof text; a++)
		for (size_t b = a; b < sizeof text; b++) {
			buf_reset(&body);
			buf_reset(&out);
			buf_reset(&all);
			add_delta(&body, (struct span){text, a});
			add_delta(&body, (struct span){text + a, b - a});
			add_delta(&body, (struct span){text + b, sizeof text - 1 - b});
			masked("POST /x\ncontent-type: text/event-stream", buf_span(&body), &out);
			said(buf_span(&out), &all);
			assert_string_equal(all.base, "of [customer] and [customer].");
		}
	buf_fini(&body);
	buf_fini(&out);
	buf_fini(&all);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_finds, need_engine),
	        cmocka_unit_test_setup(test_refused, need_engine),
	        cmocka_unit_test_setup(test_long, need_engine),
	        cmocka_unit_test_setup(test_masked, need_engine),
	        cmocka_unit_test_setup(test_every_split, need_engine),
	};
	return cmocka_run_group_tests_name("capture_patterns", tests, NULL, NULL);
}
