/* The masker: what a policy does to heads and JSON bodies, byte for byte. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/mask.h"
#include "capture/mask_text.h"

static struct mask_key *key;
static struct plan_mask policy; /* zeroed before each test */

static int setup(void **state)
{
	static const uint8_t secret[32] = {1, 2, 3};

	(void)state;
	memset(&policy, 0, sizeof(policy));
	return mask_key_new(secret, &key);
}

static int teardown(void **state)
{
	(void)state;
	mask_key_free(&key);
	assert_null(key);
	return 0;
}

static void rule(const char *where, enum mask_operator with)
{
	struct plan_mask_field *field = &policy.fields[policy.field_count++];

	*field = (struct plan_mask_field){.place = where[0] == '$' ? MASK_PATH : MASK_HEADER, .with = with};
	snprintf(field->where, sizeof(field->where), "%s", where);
}

/* `want` with each <class|value> written out as its token. */
static void expand(const char *want, struct buf *out)
{
	char token[25];

	for (const char *at = want; *at; at++) {
		const char *bar = strchr(at, '|');
		if (*at != '<' || !bar) {
			buf_put(out, at, 1);
			continue;
		}
		const char *end = strchr(bar, '>');
		assert_non_null(end);
		mask_token(key, (struct span){at + 1, (size_t)(bar - at - 1)},
		           (struct span){bar + 1, (size_t)(end - bar - 1)}, token);
		buf_puts(out, token);
		at = end;
	}
}

static void same(const struct buf *got, const char *want)
{
	struct buf expanded;

	buf_init(&expanded, 1 << 16);
	expand(want, &expanded);
	if (!span_eq(buf_span(got), buf_span(&expanded)))
		fail_msg("got  %.*s\nwant %.*s", (int)buf_len(got), got->base, (int)buf_len(&expanded),
		         expanded.base);
	buf_fini(&expanded);
}

static void head(const char *in, const char *want, uint32_t want_count)
{
	struct buf out;
	uint32_t count;

	buf_init(&out, 1 << 16);
	assert_int_equal(mask_head(&policy, NULL, key, span_of(in), &out, &count), 0);
	same(&out, want);
	assert_int_equal(count, want_count);
	buf_fini(&out);
}

static void test_builtin_head(void **state)
{
	(void)state;
	head("GET /a", "GET /a", 0);
	head("200", "200", 0);
	head("", "", 0);
	head("POST /v1/x\nhost: h\nauthorization: Bearer s\ncookie: a=b\naccept: */*\nx-api-key: "
	     "k\nproxy-authorization: p",
	     "POST /v1/x\nhost: h\naccept: */*", 4);
	head("200\nset-cookie: a\nSet-Cookie: b\ncontent-type: text/plain", "200\ncontent-type: text/plain",
	     2);
	head("GET /a?user=bob&flag&n=&mail=a%40b&x=1=2 ",
	     "GET /a?user=<query|bob>&flag&n=&mail=<query|a%40b>&x=<query|1=2 >", 3);
	head("GET /a?", "GET /a?", 0);
	head("GET /a?&=v&", "GET /a?&=<query|v>&", 1);
	head("GET http://h:80/a:b?q=1", "GET http://h:80/a:b?q=<query|1>", 1);
	head("x-sum: 1\ncookie: c", "x-sum: 1", 1);
	head("cookie: c\nx-sum: 1", "x-sum: 1", 1);
	head("cookie: c", "", 1);
}

static void test_header_rules(void **state)
{
	(void)state;
	rule("x-user", MASK_TOKEN);
	rule("x-mail", MASK_REDACT);
	rule("x-gone", MASK_DROP);
	rule("cookie", MASK_TOKEN);
	head("POST /\nx-user: bob\nx-mail: b@c\nx-gone: 1\nx-users: kept\ncookie: c",
	     "POST /\nx-user: <x-user|bob>\nx-mail: [redacted]\nx-users: kept", 4);
	head("x-user: bob", "x-user: <x-user|bob>", 1);
	head("200\nx-user:", "200\nx-user: <x-user|>", 1);
}

/* Segments that a rule would miss in another spelling. */
static void test_targets(void **state)
{
	static const char *const bad[] = {
	        "GET /%75sers/bob",     "GET //users/bob",   "GET /./users/bob", "GET /x/../users/bob",
	        "GET http://h/users/b", "OPTIONS *",         "GET /%zz",         "GET /users%2F4711",
	        "GET /users%2f4711/x",  "GET /users%5c4711", "GET /users\\4711",
	};
	struct buf out;
	uint32_t count;

	(void)state;
	rule("users", MASK_TOKEN);
	buf_init(&out, 1 << 10);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		policy.fields[0].place = MASK_HEADER;
		buf_reset(&out);
		assert_int_equal(mask_head(&policy, NULL, key, span_of(bad[i]), &out, &count), 0);
		policy.fields[0].place = MASK_SEGMENT;
		buf_reset(&out);
		assert_int_equal(mask_head(&policy, NULL, key, span_of(bad[i]), &out, &count), ERR_PROTO);
	}
	buf_fini(&out);
	head("GET /users/bob?a=//./", "GET /users/<users|bob>?a=<query|//./>", 2);
	head("200\nx: y", "200\nx: y", 0);
}

static void test_head_failures(void **state)
{
	static const char *const bad[] = {"GET /\nno colon", "GET /\n\nx: y", "nonsense",
	                                  "GET /\nGET /b?c=d"};
	struct buf out;
	uint32_t count;

	(void)state;
	buf_init(&out, 1 << 10);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		buf_reset(&out);
		assert_int_equal(mask_head(&policy, NULL, key, span_of(bad[i]), &out, &count), ERR_PROTO);
	}
	buf_fini(&out);
	buf_init(&out, 4);
	assert_int_equal(mask_head(&policy, NULL, key, SPAN("GET /abc"), &out, &count), ERR_LIMIT);
	buf_fini(&out);
}

static const struct {
	const char *rules; /* "T$.a D$.b", operator first */
	const char *in, *want;
	uint32_t count;
} json_table[] = {
        {"", " {\"a\" : [1, NaN] }\n", " {\"a\" : [1, NaN] }\n", 0},
        {"T$.a", "{\"a\":\"bob\",\"b\":1.50}", "{\"a\":\"<$.a|bob>\",\"b\":1.50}", 1},
        {"T$.a", "{\"a\":\"b\\u006fb\"}", "{\"a\":\"<$.a|bob>\"}", 1},
        {"T$.a", "{\"\\u0061\":\"bob\"}", "{\"\\u0061\":\"<$.a|bob>\"}", 1},
        {"T$.a", "{\"a\": -1.50 }", "{\"a\": \"<$.a|-1.50>\" }", 1},
        {"T$.a", "{\"a\":{ \"x\":[1]}}", "{\"a\":\"<$.a|{ \"x\":[1]}>\"}", 1},
        {"T$.a", "{\"a\":null,\"a\":true,\"b\":{\"a\":1}}",
         "{\"a\":\"<$.a|null>\",\"a\":\"<$.a|true>\",\"b\":{\"a\":1}}", 2},
        {"T$.a", "[{\"a\":1}]", "[{\"a\":1}]", 0},
        {"R$.a.b", "{\"a\":{\"b\":[1,2],\"c\":\"x\"},\"b\":3}",
         "{\"a\":{\"b\":\"[redacted]\",\"c\":\"x\"},\"b\":3}", 1},
        {"R$.a[*].c", "{\"a\":[{\"c\":1},{\"d\":2,\"c\":3},4,[{\"c\":5}]]}",
         "{\"a\":[{\"c\":\"[redacted]\"},{\"d\":2,\"c\":\"[redacted]\"},4,[{\"c\":5}]]}", 2},
        {"R$.a[1]", "{\"a\":[ 1 , 2 , 3 ]}", "{\"a\":[ 1 , \"[redacted]\" , 3 ]}", 1},
        {"R$.a[10]", "{\"a\":[0,1,2,3,4,5,6,7,8,9,10]}", "{\"a\":[0,1,2,3,4,5,6,7,8,9,\"[redacted]\"]}", 1},
        {"R$[*][0]", "[[1,2],[3],{}]", "[[\"[redacted]\",2],[\"[redacted]\"],{}]", 2},
        {"R$..n", "{\"n\":1,\"x\":[{\"n\":{\"n\":2}},{\"m\":{\"n\":3}}]}",
         "{\"n\":\"[redacted]\",\"x\":[{\"n\":\"[redacted]\"},{\"m\":{\"n\":\"[redacted]\"}}]}", 3},
        {"R$.x..a.b", "{\"a\":{\"b\":1},\"x\":{\"a\":{\"b\":2,\"a\":{\"b\":3}},\"b\":4}}",
         "{\"a\":{\"b\":1},\"x\":{\"a\":{\"b\":\"[redacted]\",\"a\":{\"b\":\"[redacted]\"}},\"b\":4}}", 2},
        {"R$..a[*]", "[{\"a\":[1,{\"a\":[2]}]}]", "[{\"a\":[\"[redacted]\",\"[redacted]\"]}]", 2},
        {"D$.a", "{\"a\":1}", "{}", 1},
        {"D$.a", "{ \"a\" : 1 , \"b\" : 2 }", "{\"b\" : 2 }", 1},
        {"D$.b", "{ \"a\" : 1 , \"b\" : 2 }", "{ \"a\" : 1 }", 1},
        {"D$.b", "{\"a\":[1],\"b\":{\"x\":1},\"c\":3}", "{\"a\":[1],\"c\":3}", 1},
        {"D$.a", "{\"a\":1,\"a\":2,\"b\":3,\"a\":4}", "{\"b\":3}", 3},
        {"D$.a D$.b", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", "{\"c\":3,\"d\":4}", 2},
        {"D$.a D$.c", "{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":2}", 2},
        {"D$..a", "[{\"a\":1,\"b\":{\"a\":2}},{\"a\":[3]}]", "[{\"b\":{}},{}]", 3},
        {"D$.a T$.b", "{\"a\":1,\"b\":\"x\"}", "{\"b\":\"<$.b|x>\"}", 2},
        {"D$.a[*]", "{\"a\":[1, {}]}", "{\"a\":[null, null]}", 2},
        {"D$", "[1]", "null", 1},
        {"T$", " \"x\" ", " \"<$|x>\" ", 1},
        {"R$.a D$.a", "{\"a\":1}", "{\"a\":\"[redacted]\"}", 1},
        {"R$.a R$.a.b", "{\"a\":{\"b\":1}}", "{\"a\":\"[redacted]\"}", 1},
        {"R$.\xc3\xa9", "{\"\\u00e9\":1,\"\xc3\xa9\":2}",
         "{\"\\u00e9\":\"[redacted]\",\"\xc3\xa9\":\"[redacted]\"}", 2},
};

static void rules(const char *text)
{
	char copy[256], *save = NULL;

	memset(&policy, 0, sizeof(policy));
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *one = strtok_r(copy, " ", &save); one; one = strtok_r(NULL, " ", &save))
		rule(one + 1, *one == 'D' ? MASK_DROP : *one == 'T' ? MASK_TOKEN : MASK_REDACT);
}

/* Compiled and used once. */
static int mask_body(struct span body, struct buf *out, uint32_t *count, bool *input)
{
	struct mask_rules *compiled;
	int err = mask_rules_new(&policy, &compiled);

	if (!err)
		err = mask_json(compiled, key, body, out, count, input);
	mask_rules_free(&compiled);
	return err;
}

static void test_json(void **state)
{
	struct buf out;
	uint32_t count;
	bool input;

	(void)state;
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < sizeof(json_table) / sizeof(*json_table); i++) {
		buf_reset(&out);
		rules(json_table[i].rules);
		assert_int_equal(mask_body(span_of(json_table[i].in), &out, &count, &input), 0);
		same(&out, json_table[i].want);
		assert_int_equal(count, json_table[i].count);
		assert_false(input);
	}
	buf_fini(&out);
}

static int json_code(const char *rule_text, const char *body, size_t limit)
{
	struct buf out;
	uint32_t count;
	bool input;
	int err;

	rules(rule_text);
	buf_init(&out, limit);
	err = mask_body(span_of(body), &out, &count, &input);
	buf_fini(&out);
	return err;
}

static void test_json_failures(void **state)
{
	static const char *const bad[] = {
	        "",           "hello",       "{\"a\":1",         "{\"a\":}",         "{\"a\":1,}",
	        "{\"a\":[1}", "{\"a\":1} x", "{\"a\":\"\xff\"}", "{\"b\":1 \"a\":2}"};
	static const char *const paths[] = {"D$.",    "D$..", "D$.a[",  "D$.a[x]",
	                                    "D$.a[]", "D$a",  "D$.a..", "D$.a[-1]"};
	char deep[80] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(json_code("D$.a", bad[i], 1 << 10), ERR_PROTO);
		assert_int_equal(json_code("T$.a", bad[i], 1 << 10), ERR_PROTO);
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		assert_int_equal(json_code(paths[i], "{}", 1 << 10), ERR_CONFIG);
	memset(deep, '[', sizeof(deep) - 1);
	assert_int_equal(json_code("D$.a", deep, 1 << 10), ERR_LIMIT);
	assert_int_equal(json_code("T$.a", "{\"a\":1}", 8), ERR_LIMIT);
}

/* A rule of a policy that is written out: place, where, operator, its argument, its class. */
static void rule_by(enum mask_place place, const char *where, enum mask_operator with, const char *by,
                    unsigned class)
{
	struct plan_mask_field *f = &policy.fields[policy.field_count++];

	*f = (struct plan_mask_field){.place = place, .with = with, .by = {.class = class}};
	snprintf(f->where, sizeof f->where, "%s", where);
	assert_int_equal(mask_by_read(with, by, &f->by), 0);
}

static void test_places(void **state)
{
	(void)state;
	rule_by(MASK_COOKIE, "sid", MASK_TOKEN, "", 0);
	rule_by(MASK_COOKIE, "theme", MASK_KEEP, "", 0);
	rule_by(MASK_SEGMENT, "users", MASK_TOKEN, "", 0);
	rule_by(MASK_SEGMENT, "1", MASK_REDACT, "", 0);
	rule_by(MASK_QUERY, "lang", MASK_KEEP, "", 0);
	rule_by(MASK_QUERY, "n", MASK_CHARACTERS, "1", 0);
	rule_by(MASK_HEADER, "x-mail", MASK_TOKEN, "", DETECT_EMAIL);
	head("GET /v/users/b%20b/x?lang=de&n=ab%20c&z=1\ncookie: sid=s1; other=2; theme=dark\nx-mail: "
	     "A@B.org",
	     "GET /%5Bredacted%5D/users/<users|b b>/x?lang=de&n=%2A%2A%20c&z=<query|1>\n"
	     "cookie: sid=<sid|s1>; theme=dark\nx-mail: <email|a@b.org>",
	     7);
	head("GET /users\ncookie: other=2", "GET /%5Bredacted%5D", 2);
	head("200\nset-cookie: sid=s1; Path=/; HttpOnly\nset-cookie: other=1; Path=/\nset-cookie: theme=dark",
	     "200\nset-cookie: sid=<sid|s1>; Path=/; HttpOnly\nset-cookie: theme=dark", 2);
	head("200\nset-cookie: theme=dark; Path=/; user=bob; Expires=Wed, 21 Oct 2015 07:28:00 GMT; bob; "
	     "SAMESITE=lax",
	     "200\nset-cookie: theme=dark; Path=/; Expires=Wed, 21 Oct 2015 07:28:00 GMT; SAMESITE=lax", 2);
	head("200\nset-cookie: theme=dark; Path=/, user=bob; Domain=a,b; Expires=Wed, 21 Oct 2015, bob; "
	     "Secure",
	     "200\nset-cookie: theme=dark; Secure", 3);
	head("GET /\ncookie: theme=dark, user=bob; sid=a,b", "GET /\ncookie: sid=<sid|a,b>", 2);
	head("200\nset-cookie: theme=dark, user=bob; Path=/", "200", 1);
}

/* Operators in JSON: what stands bare, what is quoted, what stays. */
static void test_operators(void **state)
{
	struct buf out;
	uint32_t count;
	bool input;

	(void)state;
	rule_by(MASK_PATH, "$.age", MASK_BUCKET, "10", 0);
	rule_by(MASK_PATH, "$.gone", MASK_NULL, "", 0);
	rule_by(MASK_PATH, "$.say", MASK_CONSTANT, "a \"b\"", 0);
	rule_by(MASK_PATH, "$.mail", MASK_TOKEN, "", DETECT_EMAIL);
	rule_by(MASK_PATH, "$.keep", MASK_KEEP, "", 0);
	rule_by(MASK_PATH, "$.keep.not", MASK_REDACT, "", 0);
	rule_by(MASK_PATH, "$.born", MASK_SHIFT_DATE, "30", 0);
	policy.fields[4].model_input = true;
	strcpy(policy.fields[6].by.subject, "$.id");
	buf_init(&out, 1 << 12);
	assert_int_equal(mask_body(SPAN("{\"age\":37,\"gone\":[1],\"say\":1,\"mail\":\"Bob@X.org\",\"keep\":{"
	                                "\"a\":\"x\","
	                                "\"not\":\"y\"},\"born\":\"2001-02-03\"}"),
	                           &out, &count, &input),
	                 0);
	same(&out, "{\"age\":30,\"gone\":null,\"say\":\"a \\\"b\\\"\",\"mail\":\"<email|bob@x.org>\","
	           "\"keep\":{\"a\":\"x\",\"not\":\"[redacted]\"},\"born\":\"[redacted]\"}");
	assert_int_equal(count, 6);
	assert_false(input);
	buf_reset(&out);
	assert_int_equal(mask_body(SPAN("{\"born\":\"2001-02-03\",\"id\":1}"), &out, &count, &input), 0);
	assert_int_equal(buf_len(&out), strlen("{\"born\":\"2001-02-03\",\"id\":1}"));
	assert_null(memmem(out.base, buf_len(&out), "2001-02-03", 10));
	buf_fini(&out);
}

/* Of one subject are all dates of a document, as many as they are and also in JSON in its strings; another
 * subject in there counts for what is beside it. */
static void test_subjects(void **state)
{
	enum { DATES = 20000 };
	static const char nested[] = "\"{\\\"born\\\":\\\"2001-02-03\\\"}\"",
	                  other[] = "\"{\\\"born\\\":\\\"2001-02-03\\\",\\\"id\\\":8}\"";
	struct buf in, out;
	const char *dates, *other_date;
	uint32_t count;
	bool input;

	(void)state;
	rule_by(MASK_PATH, "$..born", MASK_SHIFT_DATE, "3000", 0);
	strcpy(policy.fields[0].by.subject, "$.id");
	buf_init(&in, 1 << 22);
	buf_init(&out, 1 << 22);
	buf_puts(&in, "{\"list\":[");
	for (unsigned i = 0; i < DATES; i++)
		buf_puts(&in, "{\"born\":\"2001-02-03\"},");
	buf_printf(&in, "%s,%s],\"id\":7}", nested, other);
	assert_int_equal(mask_body(buf_span(&in), &out, &count, &input), 0);
	assert_int_equal(buf_len(&out), buf_len(&in));
	assert_int_equal(count, DATES + 2);
	dates = buf_span(&out).data + strlen("{\"list\":[{\"born\":\"");
	assert_memory_not_equal(dates, "2001-02-03", 10);
	for (unsigned i = 1; i < DATES; i++)
		assert_memory_equal(dates + i * strlen("{\"born\":\"2001-02-03\"},"), dates, 10);
	other_date =
	        buf_span(&out).data + buf_len(&out) - strlen("2001-02-03\\\",\\\"id\\\":8}\"],\"id\":7}");
	assert_memory_not_equal(other_date, dates, 10);
	assert_memory_equal(other_date - strlen("2001-02-03\\\"}\",\"{\\\"born\\\":\\\""), dates, 10);
	buf_fini(&in);
	buf_fini(&out);
}

/* What no rule keeps goes, wherever it is; names and structure stay. */
static void test_allow(void **state)
{
	struct buf out;
	uint32_t count;
	bool input;

	(void)state;
	policy.allow = true;
	rule_by(MASK_PATH, "$.model", MASK_KEEP, "", 0);
	rule_by(MASK_PATH, "$.list[*].n", MASK_KEEP, "", 0);
	rule_by(MASK_PATH, "$.sub", MASK_KEEP, "", 0);
	rule_by(MASK_PATH, "$.sub.x", MASK_TOKEN, "", 0);
	buf_init(&out, 1 << 12);
	assert_int_equal(
	        mask_body(SPAN("{\"model\":\"m\",\"a\":[1,\"x\",[true,null]],\"list\":[{\"n\":5,\"o\":6}],"
	                       "\"sub\":{\"x\":1,\"y\":[\"z\",2]}}"),
	                  &out, &count, &input),
	        0);
	same(&out,
	     "{\"model\":\"m\",\"a\":[\"[redacted]\",\"[redacted]\",[\"[redacted]\",\"[redacted]\"]],"
	     "\"list\":[{\"n\":5,\"o\":\"[redacted]\"}],\"sub\":{\"x\":\"<$.sub.x|1>\",\"y\":[\"z\",2]}}");
	assert_true(input);
	head("POST /a?b=1\nx-who: bob\ncontent-type: text/plain",
	     "POST /a?b=<query|1>\nx-who: [redacted]\ncontent-type: text/plain", 2);
	buf_fini(&out);
}

static void test_covers(void **state)
{
	static const struct {
		const char *first, *later;
		bool covers;
	} table[] = {
	        {"$.a", "$.a.b", true},       {"$.a.b", "$.a", false},     {"$", "$.x", true},
	        {"$.a[*]", "$.a[3].b", true}, {"$.a[3]", "$.a[*]", false}, {"$..b", "$.a.b.c", true},
	        {"$..b", "$.a.c", false},     {"$.b", "$..b", false},      {"$..a.b", "$.x.a.b[0]", true},
	        {"$.a[0]", "$.a[1]", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (mask_path_covers(table[i].first, table[i].later) != table[i].covers)
			fail_msg("%s and %s", table[i].first, table[i].later);
}

static void test_input_masked(void **state)
{
	struct buf out;
	uint32_t count;
	bool input;

	(void)state;
	rules("R$.a D$.b");
	policy.fields[1].model_input = true;
	buf_init(&out, 1 << 10);
	assert_int_equal(mask_body(SPAN("{\"a\":1,\"c\":2}"), &out, &count, &input), 0);
	assert_false(input);
	assert_int_equal(mask_body(SPAN("{\"a\":1,\"b\":2}"), &out, &count, &input), 0);
	assert_true(input);
	buf_fini(&out);
}

static void test_token(void **state)
{
	static const uint8_t other_secret[32] = {9};
	char a[25], b[25];
	struct mask_key *other;

	(void)state;
	mask_token(key, SPAN("query"), SPAN("bob"), a);
	mask_token(key, SPAN("query"), SPAN("bob"), b);
	/* HMAC-SHA-256 by Python's hmac module */
	assert_string_equal(a, "tok_5fzehrrztqcqi6gy7p3n");
	assert_string_equal(a, b);
	mask_token(key, SPAN("$.user"), SPAN("bob"), b);
	assert_string_not_equal(a, b);
	mask_token(key, SPAN("query"), SPAN("alice"), b);
	assert_string_not_equal(a, b);
	assert_int_equal(mask_key_new(other_secret, &other), 0);
	mask_token(other, SPAN("query"), SPAN("bob"), b);
	assert_string_not_equal(a, b);
	mask_key_free(&other);
	mask_key_free(&other);
}

static void test_which_bodies(void **state)
{
	static const struct {
		const char *head;
		bool cannot;
	} table[] = {
	        {"POST /\ncontent-type: application/json", false},
	        {"200\ncontent-type: application/json\ncontent-encoding: identity", false},
	        {"200\ncontent-type: application/json\ncontent-encoding: gzip", false},
	        {"POST /s.GRPCInferenceService/ModelInfer\ncontent-type: application/grpc\ncontent-encoding: "
	         "gzip",
	         true},
	        {"POST /", false},
	        {"POST /\ncontent-type: application/octet-stream\ninference-header-content-length: 9", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		rules("D$.a");
		assert_true(mask_wants_body(&policy)); /* whatever its content-type says */
		assert_int_equal(mask_cannot(&policy, span_of(table[i].head)), table[i].cannot);
		rules("Dx-user");
		assert_false(mask_wants_body(&policy));
		assert_false(mask_cannot(&policy, span_of(table[i].head)));
	}
}

/* A policy's detectors on a body; a find's token is named after its class. */
static const struct {
	enum mask_operator with;
	const char *in, *want;
	uint32_t count;
} find_table[] = {
        {MASK_TOKEN, "{\"a\":\"write to bob@x.org, please\",\"n\":4111111111111111}",
         "{\"a\":\"write to <email|bob@x.org>, please\",\"n\":4111111111111111}", 1},
        {MASK_TOKEN, "[1,[\"bob@x.org\",\"x\"],{\"b\":[2,\"c@x.org d@x.org\"]}]",
         "[1,[\"<email|bob@x.org>\",\"x\"],{\"b\":[2,\"<email|c@x.org> <email|d@x.org>\"]}]", 3},
        {MASK_TOKEN, "{\"a\":\"bob\\u0040x.org \\\"q\\\"\"}", "{\"a\":\"<email|bob@x.org> \\\"q\\\"\"}", 1},
        {MASK_TOKEN, "{ \"bob@x.org\" : 1 }", "{ \"<email|bob@x.org>\" : 1 }", 1},
        {MASK_TOKEN, "{\"ssn\":\"536904399\",\"id\":\"536904399\"}",
         "{\"ssn\":\"<us_ssn|536904399>\",\"id\":\"536904399\"}", 1},
        {MASK_TOKEN, "{\"ssn\":[\"536904399\"]}", "{\"ssn\":[\"<us_ssn|536904399>\"]}", 1},
        {MASK_TOKEN, "\"a@x.org\"", "\"<email|a@x.org>\"", 1},
        {MASK_REDACT, "{\"a\":\"write to bob@x.org!\"}", "{\"a\":\"write to [redacted]!\"}", 1},
        {MASK_DROP, "{\"a\":\"write to bob@x.org!\",\"b\":\"c\"}", "{\"a\":\"[redacted]\",\"b\":\"c\"}", 1},
        {MASK_TOKEN, "{\"secret\":\"a@x.org\",\"b\":\"nothing\"}",
         "{\"secret\":\"<$.secret|a@x.org>\",\"b\":\"nothing\"}", 1},
};

static struct mask_finder *finder(const char *rule_text, enum mask_operator with)
{
	struct mask_finder *f;

	rules(rule_text);
	policy.detect.with = with;
	policy.detect.find.min_score = DETECT_SCORE;
	detect_set_add_name(&policy.detect.find.classes, "email");
	detect_set_add_name(&policy.detect.find.classes, "us_ssn");
	assert_int_equal(mask_finder_new(&policy, SPAN(""), &f), 0);
	return f;
}

static void test_finds(void **state)
{
	struct mask_rules *compiled;
	struct mask_finder *f;
	struct buf out;
	uint32_t count;
	bool input;

	(void)state;
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < sizeof(find_table) / sizeof(*find_table); i++) {
		f = finder("T$.secret", find_table[i].with);
		assert_int_equal(mask_rules_new(&policy, &compiled), 0);
		mask_rules_find(compiled, f);
		buf_reset(&out);
		assert_int_equal(mask_json(compiled, key, span_of(find_table[i].in), &out, &count, &input),
		                 0);
		same(&out, find_table[i].want);
		assert_int_equal(count, find_table[i].count);
		assert_true(input == !strstr(find_table[i].in, "secret"));
		mask_rules_free(&compiled);
		mask_finder_free(&f);
	}
	buf_fini(&out);
}

static enum mask_reading reading(const struct mask_finder *f)
{
	struct mask_rules *compiled;
	struct mask_call call;

	assert_int_equal(mask_rules_new(&policy, &compiled), 0);
	mask_rules_find(compiled, f);
	call = mask_call_of(compiled, SPAN("POST /a.B/C\ncontent-type: application/grpc"), 0);
	mask_rules_free(&compiled);
	return call.how;
}

static void test_finds_in_heads(void **state)
{
	struct mask_finder *f = finder("", MASK_TOKEN);
	struct buf out;
	uint32_t count;

	(void)state;
	buf_init(&out, 1 << 16);
	assert_int_equal(mask_head(&policy, f, key,
	                           SPAN("GET /users/bob@x.org/a?b=1\nhost: bob@x.org\nx-user: bob@x.org, c"),
	                           &out, &count),
	                 0);
	same(&out,
	     "GET /users/<email|bob@x.org>/a?b=<query|1>\nhost: bob@x.org\nx-user: <email|bob@x.org>, c");
	assert_int_equal(count, 3);
	assert_true(mask_wants_body(&policy));
	assert_false(mask_cannot(&policy, SPAN("POST /inference.GRPCInferenceService/ModelInfer\n"
	                                       "content-type: application/grpc")));
	assert_int_equal(reading(f), MASK_BY_GUESS);
	rule("$.a", MASK_DROP);
	assert_int_equal(reading(f), MASK_UNREAD);
	mask_finder_free(&f);
	buf_fini(&out);
}

/* Prose goes as a whole; what is short, or no prose, stays. */
static void test_free_text(void **state)
{
	struct mask_rules *compiled;
	struct mask_finder *f;
	struct buf out;
	uint32_t count;
	bool input;

	(void)state;
	rules("");
	policy.detect.free_text = FREE_TEXT_DROP;
	assert_int_equal(mask_finder_new(&policy, SPAN(""), &f), 0);
	assert_int_equal(mask_rules_new(&policy, &compiled), 0);
	mask_rules_find(compiled, f);
	buf_init(&out, 1 << 16);
	assert_int_equal(
	        mask_json(compiled, key,
	                  SPAN("{\"a\":\"Ada lives in Paris\",\"b\":\"gpt-4 mini\",\"c\":\"1 2 3\"}"), &out,
	                  &count, &input),
	        0);
	same(&out, "{\"a\":\"[redacted]\",\"b\":\"gpt-4 mini\",\"c\":\"1 2 3\"}");
	assert_true(count == 1 && input);
	mask_rules_free(&compiled);
	mask_finder_free(&f);
	buf_fini(&out);
}

/* A gazetteer must be the one that the policy was read with. */
static void test_gazetteer_hash(void **state)
{
	struct mask_finder *f;

	(void)state;
	rules("");
	strcpy(policy.detect.gazetteer_file, "names");
	detect_set_add_name(&policy.detect.find.classes, "gazetteer");
	assert_int_equal(mask_finder_new(&policy, SPAN("Ada\n"), &f), ERR_CONFIG);
	assert_null(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(test_builtin_head),   TEST(test_header_rules),   TEST(test_head_failures),
	        TEST(test_targets),        TEST(test_json),           TEST(test_json_failures),
	        TEST(test_input_masked),   TEST(test_token),          TEST(test_which_bodies),
	        TEST(test_finds),          TEST(test_finds_in_heads), TEST(test_free_text),
	        TEST(test_gazetteer_hash), TEST(test_places),         TEST(test_operators),
	        TEST(test_allow),          TEST(test_covers),         TEST(test_subjects),
	};
	return cmocka_run_group_tests_name("capture_mask", tests, NULL, NULL);
}
