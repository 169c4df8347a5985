/* The JSON scanner: what it takes, what it refuses, and that feeding it in pieces changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>

#include "proto/json.h"

enum { TOKENS = 256 };
struct seen {
	int token;
	uint64_t start, end;
	bool escaped;
};
struct run {
	struct seen seen[TOKENS];
	size_t count;
	int err;
};

static void note(struct run *run, const struct json_scanner *s, enum json_token token)
{
	assert_true(run->count < TOKENS);
	run->seen[run->count++] = (struct seen){(int)token, s->start, s->end, s->escaped};
}

static int feed_piece(struct run *run, struct json_scanner *s, struct span piece)
{
	enum json_token token;
	long n;

	for (;;) {
		n = json_feed(s, piece, &token);
		if (n < 0)
			return (int)n;
		piece.data += n;
		piece.len -= (size_t)n;
		if (token == JSON_MORE || token == JSON_END) {
			assert_int_equal(piece.len, 0);
			return 0;
		}
		note(run, s, token);
	}
}

static int finish(struct run *run, struct json_scanner *s)
{
	enum json_token token;
	int err;

	for (;;) {
		err = json_finish(s, &token);
		if (err || token == JSON_END)
			return err;
		note(run, s, token);
	}
}

/* Pieces of `first`, then `each` bytes. */
static void scan(struct run *run, struct span doc, size_t first, size_t each, unsigned options)
{
	struct json_scanner s;
	size_t at = 0, n = first;

	memset(run, 0, sizeof(*run));
	json_init(&s, options);
	while (!run->err && at < doc.len) {
		if (n > doc.len - at)
			n = doc.len - at;
		run->err = feed_piece(run, &s, (struct span){doc.data + at, n});
		at += n;
		n = each;
	}
	if (!run->err)
		run->err = finish(run, &s);
	assert_true(run->err == 0 || s.error != NULL);
}

#define BYTES(text)                                                                                          \
	{                                                                                                    \
		text, sizeof(text) - 1                                                                       \
	}

static const struct span accepted[] = {
        BYTES("0"),
        BYTES("-0"),
        BYTES("-0.0e-0"),
        BYTES(" 12.5E+3 "),
        BYTES("1e5"),
        BYTES("true"),
        BYTES("false"),
        BYTES("null"),
        BYTES("\"\""),
        BYTES("[]"),
        BYTES("{}"),
        BYTES(" [ ] "),
        BYTES("{ }"),
        BYTES("\t\r\n1\n"),
        BYTES("[1,2,3]"),
        BYTES("[[],{},[{}]]"),
        BYTES("{\"a\":1,\"b\":[true,null,\"x\"],\"a\":{}}"),
        BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\""),
        BYTES("\"\\ud83d\\ude00\""),
        BYTES("\"\\ud800\""),
        BYTES("\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""),
        BYTES("\"\xed\x9f\xbf\xee\x80\x80\""),
        BYTES("\"\xf4\x8f\xbf\xbf\""),
        BYTES("\"\x7f\""),
        BYTES("{\"\":\"\"}"),
        BYTES("[-1.5e300,0.1]"),
};

static const struct span refused[] = {
        BYTES(""),
        BYTES("  "),
        BYTES("01"),
        BYTES("-"),
        BYTES("+1"),
        BYTES("1."),
        BYTES(".5"),
        BYTES("1e"),
        BYTES("1e+"),
        BYTES("-01"),
        BYTES("0x1"),
        BYTES("1 2"),
        BYTES("[1,]"),
        BYTES("[,1]"),
        BYTES("[1 2]"),
        BYTES("{\"a\":1,}"),
        BYTES("{,}"),
        BYTES("{\"a\"}"),
        BYTES("{\"a\" 1}"),
        BYTES("{1:2}"),
        BYTES("{\"a\":}"),
        BYTES("[1}"),
        BYTES("{\"a\":1]"),
        BYTES("]"),
        BYTES("}"),
        BYTES("["),
        BYTES("{\"a\""),
        BYTES("[1"),
        BYTES("\""),
        BYTES("\"a"),
        BYTES("\"\n\""),
        BYTES("\"\x01\""),
        BYTES("\"\0\""),
        BYTES("\"\\x\""),
        BYTES("\"\\u12g4\""),
        BYTES("\"\\u12\""),
        BYTES("\"\\\0\""),
        BYTES("tru"),
        BYTES("truex"),
        BYTES("True"),
        BYTES("nul"),
        BYTES("NaN"),
        BYTES("Infinity"),
        BYTES("-Infinity"),
        BYTES("[1]]"),
        BYTES("{}{}"),
        BYTES("\"\x80\""),
        BYTES("\"\xc0\x80\""),
        BYTES("\"\xc1\xbf\""),
        BYTES("\"\xe0\x9f\xbf\""),
        BYTES("\"\xed\xa0\x80\""),
        BYTES("\"\xf0\x8f\xbf\xbf\""),
        BYTES("\"\xf4\x90\x80\x80\""),
        BYTES("\"\xf5\x80\x80\x80\""),
        BYTES("\"\xff\""),
        BYTES("\"\xc3\""),
        BYTES("\"\xe2\x82\""),
        BYTES("\"\xc3(\""),
        BYTES("\xef\xbb\xbf"
              "1"),
        BYTES("'a'"),
        BYTES("[1//x\n]"),
        BYTES("\v1"),
        BYTES("1\0"),
        BYTES("--1"),
};

static void test_accepts_and_refuses(void **state)
{
	struct run run;

	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(*accepted); i++) {
		scan(&run, accepted[i], accepted[i].len, 1, 0);
		if (run.err)
			fail_msg("refused: %.*s", (int)accepted[i].len, accepted[i].data);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		scan(&run, refused[i], refused[i].len, 1, 0);
		if (run.err != ERR_PROTO)
			fail_msg("accepted: %.*s", (int)refused[i].len, refused[i].data);
	}
}

static void same(const struct run *a, const struct run *b)
{
	assert_int_equal(a->err, b->err);
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->seen[i].token, b->seen[i].token);
		assert_int_equal(a->seen[i].start, b->seen[i].start);
		assert_int_equal(a->seen[i].end, b->seen[i].end);
		assert_int_equal(a->seen[i].escaped, b->seen[i].escaped);
	}
}

static void splits(struct span doc, unsigned options)
{
	static struct run whole, pieces;

	scan(&whole, doc, doc.len, 1, options);
	scan(&pieces, doc, 1, 1, options);
	same(&whole, &pieces);
	for (size_t at = 1; at < doc.len; at++) {
		scan(&pieces, doc, at, doc.len, options);
		same(&whole, &pieces);
	}
}

static void test_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(*accepted); i++)
		splits(accepted[i], 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		splits(refused[i], 0);
		splits(refused[i], JSON_NONFINITE);
	}
	splits(SPAN("[NaN,-Infinity,Infinity,-1,-0]"), JSON_NONFINITE);
}

static void test_spans(void **state)
{
	static const struct {
		enum json_token token;
		const char *text;
	} want[] = {
	        {JSON_OBJECT, "{"},     {JSON_KEY, "\"a\\n\""}, {JSON_ARRAY, "["},   {JSON_NUMBER, "-1.50e2"},
	        {JSON_STRING, "\"x\""}, {JSON_ARRAY_END, "]"},  {JSON_KEY, "\"b\""}, {JSON_TRUE, "true"},
	        {JSON_KEY, "\"c\""},    {JSON_FALSE, "false"},  {JSON_KEY, "\"d\""}, {JSON_NULL, "null"},
	        {JSON_OBJECT_END, "}"},
	};
	struct json_reader r;
	enum json_token token;

	(void)state;
	json_reader_init(&r, SPAN(" {\"a\\n\" : [ -1.50e2, \"x\" ],\"b\":true,\"c\":false ,\"d\":null}\n"),
	                 0);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		assert_int_equal(json_next(&r, &token), 0);
		assert_int_equal(token, want[i].token);
		assert_true(span_eq(r.text, span_of(want[i].text)));
		assert_int_equal(r.scanner.escaped, i == 1 || i == 2 || i == 3);
	}
	assert_int_equal(json_next(&r, &token), 0);
	assert_int_equal(token, JSON_END);
}

static void test_nonfinite(void **state)
{
	struct run run;

	(void)state;
	scan(&run, SPAN("[NaN,Infinity,-Infinity]"), 24, 1, JSON_NONFINITE);
	assert_int_equal(run.err, 0);
	assert_int_equal(run.count, 5);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(run.seen[i].token, JSON_NUMBER);
	scan(&run, SPAN("-Inf"), 4, 1, JSON_NONFINITE);
	assert_int_equal(run.err, ERR_PROTO);
	scan(&run, SPAN("nan"), 3, 1, JSON_NONFINITE);
	assert_int_equal(run.err, ERR_PROTO);
}

static void test_depth(void **state)
{
	char doc[2 * JSON_DEPTH_MAX + 2];
	static struct run run;

	(void)state;
	memset(doc, '[', JSON_DEPTH_MAX);
	memset(doc + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	scan(&run, (struct span){doc, 2 * JSON_DEPTH_MAX}, 7, 7, 0);
	assert_int_equal(run.err, 0);
	memset(doc, '[', JSON_DEPTH_MAX + 1);
	memset(doc + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	scan(&run, (struct span){doc, sizeof(doc)}, 7, 7, 0);
	assert_int_equal(run.err, ERR_LIMIT);
}

static void test_error_sticks(void **state)
{
	struct json_scanner s;
	enum json_token token;

	(void)state;
	json_init(&s, 0);
	assert_int_equal(json_feed(&s, SPAN("?"), &token), ERR_PROTO);
	assert_int_equal(json_feed(&s, SPAN("1"), &token), ERR_PROTO);
	assert_int_equal(json_finish(&s, &token), ERR_PROTO);
}

static void test_unescape(void **state)
{
	static const struct {
		struct span token, plain;
	} table[] = {
	        {BYTES("\"\""), BYTES("")},
	        {BYTES("\"plain\""), BYTES("plain")},
	        {BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), BYTES("\"\\/\b\f\n\r\t")},
	        {BYTES("\"a\\u0041\\u00E9\\u20acz\""), BYTES("aA\xc3\xa9\xe2\x82\xacz")},
	        {BYTES("\"\\ud83d\\uDE00\""), BYTES("\xf0\x9f\x98\x80")},
	        {BYTES("\"\\udbff\\udfff\""), BYTES("\xf4\x8f\xbf\xbf")},
	        {BYTES("\"\\ud83dx\""), BYTES("\xef\xbf\xbdx")},
	        {BYTES("\"\\ude00\""), BYTES("\xef\xbf\xbd")},
	        {BYTES("\"\\ud83d\\u0041\""), BYTES("\xef\xbf\xbd"
	                                            "A")},
	        {BYTES("\"\\ud83d\\ud83d\\ude00\""), BYTES("\xef\xbf\xbd\xf0\x9f\x98\x80")},
	        {BYTES("\"\\u0000\""), BYTES("\0")},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		buf_reset(&out);
		json_unescape(table[i].token, &out);
		assert_int_equal(out.err, 0);
		assert_true(span_eq(buf_span(&out), table[i].plain));
		assert_true(json_string_eq(table[i].token, table[i].plain));
		assert_false(json_string_eq(table[i].token, SPAN("other")));
	}
	assert_false(json_string_eq(SPAN("\"ab\""), SPAN("a")));
	assert_false(json_string_eq(SPAN("\"a\""), SPAN("ab")));
	buf_fini(&out);
}

static void test_double(void **state)
{
	static const double values[] = {0.0,
	                                -0.0,
	                                1.0,
	                                0.1,
	                                1.0 / 3,
	                                5e-324,
	                                2.2250738585072014e-308,
	                                1.7976931348623157e308,
	                                9007199254740993.0,
	                                -123456.789};
	static const char *const bad[] = {"", "1 ", " 1", "01", "0x10", "1e", "nan", "inf", "\"1\"", "-"};
	char text[400], big[128];
	double got;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		for (int digits = 17; digits < 300; digits += 141) {
			snprintf(text, sizeof(text), "%.*e", digits, values[i]);
			assert_int_equal(json_double(span_of(text), &got), 0);
			assert_memory_equal(&got, &values[i], sizeof(got));
		}
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(json_double(span_of(bad[i]), &got), ERR_PROTO);
	assert_int_equal(json_double(SPAN("NaN"), &got), 0);
	assert_true(isnan(got));
	assert_int_equal(json_double(SPAN("-Infinity"), &got), 0);
	assert_true(isinf(got) && got < 0);
	memset(big, '1', sizeof(big));
	assert_int_equal(json_double((struct span){big, 63}, &got), 0);
	assert_int_equal(json_double((struct span){big, 64}, &got), 0);
}

/* Short decimals are read another way than long ones. */
static void test_decimals(void **state)
{
	static const char *const bad[] = {"-", ".5", "-.5", "1.", "00", "-01", "1.5.2", "1-", "0.1 ", "--1"};
	uint64_t seed = 1;
	char text[64];
	double got, want;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t digits = seed >> 11 >> i % 50;

		if (i % 3 == 0)
			snprintf(text, sizeof text, "%s%llu", i & 1 ? "-" : "", (unsigned long long)digits);
		else
			snprintf(text, sizeof text, "%s%llu.%0*llu", i & 1 ? "-" : "",
			         (unsigned long long)(digits >> i % 37), i % 19,
			         (unsigned long long)seed % 997);
		want = strtod(text, NULL);
		assert_int_equal(json_double(span_of(text), &got), 0);
		assert_memory_equal(&got, &want, sizeof got);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(json_double(span_of(bad[i]), &got), ERR_PROTO);
}

/* A byte that ends a run of plain text is seen wherever it stands among those looked at together. */
static void test_wide(void **state)
{
	static const struct span marks[] = {
	        BYTES("\""),       BYTES("\\n"),  BYTES("\\u00e9"),         BYTES("\\x"),
	        BYTES("\x1f"),     BYTES("\0"),   BYTES("\xc3\xa9"),        BYTES("\xc3"),
	        BYTES("\xed\xa0"), BYTES("\x7f"), BYTES("\xf0\x9f\x98\x80")};
	char doc[64];

	(void)state;
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		for (size_t at = 2; at < 44; at++) {
			memset(doc, 'x', sizeof doc);
			memcpy(doc, "[\"", 2);
			memcpy(doc + at, marks[i].data, marks[i].len);
			memcpy(doc + 50, "\", 1.5 ]", 9);
			splits((struct span){doc, 59}, 0);
		}
	}
}

/* Walking reads what json_next() reads, and finds the way to every number. */
static void walk_as_read(struct span doc, size_t limit)
{
	struct json_trail walked = {{0}}, read = {{0}};
	struct json_reader a, b;
	enum json_token token;
	int err = 0;

	json_reader_init(&a, doc, JSON_NONFINITE);
	json_reader_init(&b, doc, JSON_NONFINITE);
	size_t n = json_walk(&a, limit, &walked);
	assert_int_equal(n, a.scanner.offset);
	assert_true(a.scanner.offset <= limit);
	while (!err && b.scanner.offset < a.scanner.offset) {
		err = json_next(&b, &token);
		if (!err)
			json_trail_note(&read, &b.scanner, token);
	}
	assert_int_equal(err, 0);
	assert_int_equal(a.scanner.offset, b.scanner.offset);
	assert_int_equal(a.scanner.end, b.scanner.end);
	assert_int_equal(a.scanner.state, b.scanner.state);
	assert_int_equal(a.scanner.objects, b.scanner.objects);
	assert_memory_equal(&walked, &read, (size_t)a.scanner.depth * sizeof *read.at);
	assert_true(span_eq(a.text, b.text));
}

static void test_walk(void **state)
{
	static const struct span docs[] = {
	        BYTES("{\"a\":[1, 2,-3.5e1,[4,5],{\"b\":6}],\"c\":{\"d\":[[7,8 , 9]]},\"e\":10}"),
	        BYTES("[1,2,NaN,3,\"x\\u0041\",[],{},[{\"k\":[0,0,0]}],null,true]"),
	        BYTES("[1,2,]"),
	        BYTES("1,2"),
	        BYTES("{\"a\":1,2}"),
	        BYTES("[01,2]"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(docs) / sizeof(*docs); i++)
		for (size_t limit = 0; limit <= docs[i].len; limit++)
			walk_as_read(docs[i], limit);
}

/* Skipping ends where reading does, with the same outcome. */
static void skip_as_read(struct span doc)
{
	struct json_reader skips, reads;
	enum json_token token;
	int err, skipped;

	json_reader_init(&skips, doc, 0);
	json_reader_init(&reads, doc, 0);
	assert_int_equal(json_next(&skips, &token), 0);
	assert_int_equal(json_next(&reads, &token), 0);
	skipped = json_skip(&skips, JSON_ARRAY);
	do
		err = json_next(&reads, &token);
	while (!err && reads.scanner.depth);
	assert_int_equal(skipped, err);
	if (!err)
		assert_int_equal(skips.scanner.offset, reads.scanner.offset);
}

/* Lists of numbers are told many bytes at a time: each byte that may be wrong, wherever it stands. */
static void test_lists(void **state)
{
	static const char *const lists[] = {
	        "[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5]",
	        "[0.25, -1.5, 10, 0, -0.125, 1e3, 0.0625, 7, 8, -9, 0.5, 123456789.25, 4, 2, -0, 6.5, 1, "
	        "0.75]",
	        "[12345678901234567890123456789012345678901234567890123456789012345678901234567890.5,1, "
	        "2,3,4]",
	        "[0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01,0.01] "
	        " ",
	};
	static const char bytes[] = "0,. -e]+[1\"\t";
	char doc[128];

	(void)state;
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		size_t len = strlen(lists[i]);

		for (size_t at = 1; at < len; at++) {
			for (size_t b = 0; b < sizeof bytes; b++) {
				memcpy(doc, lists[i], len);
				doc[at] = bytes[b];
				for (size_t second = at + 1; second < len; second += 1 + b) {
					char was = doc[second];

					doc[second] = bytes[(b + second) % sizeof bytes];
					walk_as_read((struct span){doc, len}, len);
					skip_as_read((struct span){doc, len});
					doc[second] = was;
				}
				walk_as_read((struct span){doc, len}, len);
				skip_as_read((struct span){doc, len});
			}
		}
	}
}

static void test_skip(void **state)
{
	struct json_reader r;
	enum json_token token;

	(void)state;
	json_reader_init(&r, SPAN("[{\"a\":[1,[2]],\"b\":{}},\"s\",[[]],7]"), 0);
	assert_int_equal(json_next(&r, &token), 0);
	for (int i = 0; i < 4; i++) {
		static const enum json_token first[] = {JSON_OBJECT, JSON_STRING, JSON_ARRAY, JSON_NUMBER};
		assert_int_equal(json_next(&r, &token), 0);
		assert_int_equal(token, first[i]);
		assert_int_equal(json_skip(&r, token), 0);
	}
	assert_int_equal(json_next(&r, &token), 0);
	assert_int_equal(token, JSON_ARRAY_END);
	json_reader_init(&r, SPAN("[1,"), 0);
	assert_int_equal(json_next(&r, &token), 0);
	assert_int_equal(json_skip(&r, token), ERR_PROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_accepts_and_refuses),
	        cmocka_unit_test(test_pieces),
	        cmocka_unit_test(test_spans),
	        cmocka_unit_test(test_nonfinite),
	        cmocka_unit_test(test_depth),
	        cmocka_unit_test(test_error_sticks),
	        cmocka_unit_test(test_unescape),
	        cmocka_unit_test(test_double),
	        cmocka_unit_test(test_decimals),
	        cmocka_unit_test(test_wide),
	        cmocka_unit_test(test_walk),
	        cmocka_unit_test(test_lists),
	        cmocka_unit_test(test_skip),
	};
	return cmocka_run_group_tests_name("formats_json", tests, NULL, NULL);
}
