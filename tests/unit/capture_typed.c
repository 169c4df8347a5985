/* Messages under rules by the names of descriptors, or by number; descriptors themselves; what check says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "capture/mask_schema.h"
#include "capture/mask_text.h"
#include "tests/lib/message.h"

#define FIELD(name, number, label, type) "2{1\"" name "\" 3=" #number " 4=" #label " 5=" #type "} "
#define INNER(name, number, label, of)   "2{1\"" name "\" 3=" #number " 4=" #label " 5=11 6\"." of "\"} "
#define ENTRY(name, key, value)          "3{1\"" name "\" " FIELD("key", 1, 1, key) value "7{7=1}} "

static const char set[] =
        "1{1\"a.proto\" 2\"a.b\" "
        "4{1\"All\" " FIELD("d", 1, 1, 1) FIELD("f", 2, 1, 2) FIELD("i64", 3, 1, 3) FIELD("u64", 4, 1, 4)
                FIELD("i32", 5, 1, 5) FIELD("x64", 6, 1, 6) FIELD("x32", 7, 1, 7) FIELD("yes", 8, 1, 8) FIELD(
                        "text", 9, 1, 9) FIELD("raw", 12, 1, 12) FIELD("u32", 13, 1, 13)
                        FIELD("kind", 14, 1, 14) FIELD("s32", 17, 1, 17) FIELD("s64", 18, 1, 18) FIELD(
                                "many", 20, 3, 17) FIELD("texts", 21, 3, 9)
                                INNER("in", 22, 1, "a.b.All") INNER("list", 23, 3, "a.b.All") INNER(
                                        "map", 24, 3,
                                        "a.b.All.MapEntry") INNER("by", 25, 3, "a.b.All.ByEntry")
                                        INNER("old", 26, 1, "a.b.All") FIELD("group", 27, 1, 10) FIELD(
                                                "reals", 28, 3,
                                                1) ENTRY("MapEntry", 9, INNER("value", 2, 1, "a.b.All"))
                                                ENTRY("ByEntry", 17,
                                                      FIELD("value", 2, 1,
                                                            9)) "} "
                                                                "4{1\"None\"} 6{1\"S\" 2{1\"M\" "
                                                                "2\".a.b.All\" 3\".a.b.None\"} 2{1\"N\" "
                                                                "2\".a.b.None\" 3\".a.b.All\"}}}";

static struct mask_key *key;
static struct mask_schema *schema;
static struct plan_mask policy;
static struct buf in, want, out;

static int setup(void **state)
{
	static const uint8_t secret[32] = {1, 2, 3};
	char why[SCHEMA_WHY_BYTES];
	struct buf file;

	(void)state;
	assert_int_equal(mask_key_new(secret, &key), 0);
	buf_init(&in, MESSAGE_ROOM);
	buf_init(&want, MESSAGE_ROOM);
	buf_init(&out, MESSAGE_ROOM);
	buf_init(&file, MESSAGE_ROOM);
	message_put(key, set, &file);
	assert_int_equal(mask_schema_new(buf_span(&file), &schema, why), 0);
	buf_fini(&file);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mask_schema_free(&schema);
	mask_key_free(&key);
	buf_fini(&in);
	buf_fini(&want);
	buf_fini(&out);
	return 0;
}

/* "token $.a" "bucket:10 /a.b.S/M$.i64", separated by ';'. */
static void rules(const char *text)
{
	char copy[512], *save = NULL;

	memset(&policy, 0, sizeof policy);
	snprintf(copy, sizeof copy, "%s", text);
	for (char *one = strtok_r(copy, ";", &save); one; one = strtok_r(NULL, ";", &save)) {
		struct plan_mask_field *f = &policy.fields[policy.field_count++];
		char *path = strchr(one, ' '), *by;

		*path++ = '\0';
		by = strchr(one, ':');
		if (by)
			*by++ = '\0';
		f->with = MASK_OPERATORS;
		for (uint32_t i = 0; i < MASK_OPERATORS; i++)
			if (!strcmp(mask_operators[i].name, one))
				f->with = i;
		assert_int_not_equal(f->with, MASK_OPERATORS);
		assert_int_equal(mask_by_read(f->with, by ? by : "", &f->by), 0);
		f->model_input = true;
		snprintf(f->where, sizeof f->where, "%s", path);
	}
}

/* Of the call whose requests are All, or, by number, of one that nobody describes. */
static int mask(bool named, const struct mask_finder *finder, uint32_t *count)
{
	struct grpc_message message = {.bytes = buf_span(&in)};
	struct mask_rules *compiled;
	struct mask_call call;
	bool input;
	int err;

	assert_int_equal(mask_rules_new(&policy, &compiled), 0);
	mask_rules_find(compiled, finder);
	assert_int_equal(mask_rules_describe(compiled, named ? schema : NULL), 0);
	call = mask_call_of(compiled, SPAN("POST /a.b.S/M\ncontent-type: application/grpc"), 0);
	assert_int_equal(call.how, named ? MASK_BY_TYPE : MASK_BY_NUMBER);
	buf_reset(&out);
	err = mask_message(compiled, key, &call, true, SPAN(""), &message, &out, count, &input);
	mask_rules_free(&compiled);
	if (!err && *count)
		assert_true(input);
	return err;
}

static const struct {
	const char *rules, *in, *want; /* want NULL: the copy is dropped */
} named_table[] = {
        {"token $.text", "9\"ada\" 12<ff00>", "9\"($.text|ada)\" 12<ff00>"},
        {"token /a.b.S/M$.text", "9\"ada\"", "9\"(/a.b.S/M$.text|ada)\""},
        {"token /a.b.S/N$.text", "9\"ada\"", "9\"ada\""},
        {"redact $.9", "9\"ada\"", "9\"[redacted]\""},
        {"redact $.in.22.text", "22{22{9\"ada\"} 9\"b\"}", "22{22{9\"[redacted]\"} 9\"b\"}"},
        {"redact $..text", "9\"a\" 22{9\"b\" 23{9\"c\"} 24{1\"k\" 2{9\"d\"}}}",
         "9\"[redacted]\" 22{9\"[redacted]\" 23{9\"[redacted]\"} 24{1\"k\" 2{9\"[redacted]\"}}}"},
        {"drop $.in", "9\"a\" 22{9\"b\"}", "9\"a\""},
        {"redact $.in", "22{9\"b\" 3=7 20<0204>}", "22{9\"[redacted]\" 20<0000>}"},
        {"drop $.list", "23{9\"a\"} 23{9\"b\"} 3=1", "3=1"},
        {"drop $.list[1]", "23{9\"a\"} 23{9\"b\"} 23{9\"c\"}", "23{9\"a\"} 23{} 23{9\"c\"}"},
        {"redact $.list[*].text", "23{9\"a\"} 23{9\"b\"}", "23{9\"[redacted]\"} 23{9\"[redacted]\"}"},
        {"redact $.texts[1]", "21\"a\" 3=1 21\"b\" 21\"c\"", "21\"a\" 3=1 21\"[redacted]\" 21\"c\""},
        {"redact $.texts", "21\"a\" 21\"b\"", "21\"[redacted]\" 21\"[redacted]\""},
        {"drop $.texts[0]", "21\"a\" 21\"b\"", "21\"\" 21\"b\""},
        {"redact $.map.home.text", "24{1\"home\" 2{9\"a\"}} 24{2{9\"b\"} 1\"x\"}",
         "24{1\"home\" 2{9\"[redacted]\"}} 24{1\"x\" 2{9\"b\"}}"},
        {"drop $.map.home", "24{1\"home\" 2{9\"a\"}} 24{1\"x\" 2{9\"b\"}}", "24{1\"x\" 2{9\"b\"}}"},
        {"redact $.by.-3", "25{1=5 2\"a\"} 25{1=6 2\"b\"}", "25{1=5 2\"[redacted]\"} 25{1=6 2\"b\"}"},
        {"keep $.in;redact $.in.text;redact $.in.i64", "22{9\"b\" 3=7 5=1}", "22{9\"[redacted]\" 5=1}"},
        /* numbers, each as its type is written */
        {"bucket:10 $.i64;bucket:10 $.i32;bucket:10 $.u64;bucket:10 $.u32", "3=47 5=-47 4=47 13=47",
         "3=40 5=-50 4=40 13=40"},
        {"bucket:10 $.s32;bucket:10 $.s64", "17=93 18=94", "17=99 18=80"}, /* -47 and 47, zigzag */
        {"bucket:10 $.x64;bucket:10 $.x32;bucket:0.5 $.d", "6:8=47 7:4=47 1:8=0x3ff4000000000000",
         "6:8=40 7:4=40 1:8=0x3ff0000000000000"},
        {"bucket:0.5 $.f", "2:4=0x3fa00000", "2:4=0x3f800000"},
        {"constant:9 $.i64;constant:true $.yes;constant:9 $.kind;constant:2.6 $.i32", "3=47 8=0 14=3 5=1",
         "3=9 8=1 14=9 5=3"},
        {"redact $.i64;null $.yes;drop $.d", "3=47 8=1 1:8=7 9\"a\"", "9\"a\""},
        {"bucket:10 $.many", "20<5e02> 20=93", "20<5000> 20=99"},
        {"redact $.many[1]", "20<5e02> 20=93", "20<5e00> 20=93"},
        {"drop $.many[*]", "20<5e02>", "20<0000>"},
        {"drop $.many", "20<5e02> 9\"a\"", "9\"a\""},
        {"constant:1e300 $.f;constant:99999999999 $.i32", "2:4=1 5=1", NULL},
        {"constant:-1 $.u64", "4=1", NULL},
        {"token $.i64", "3=47", NULL},
        {"constant:many $.i64", "3=47", NULL},
        {"mask $.in", "22{3=7}", NULL},
        /* what its type does not say */
        {"redact $.text", "99\"new\"", NULL},
        {"redact $.text", "9=1", NULL},
        {"redact $.text", "12=1", NULL},
        {"redact $.i64", "3\"ada\"", NULL},
        {"redact $.i64", "9<ff>", NULL},
        {"redact $.i64", "24{3=1}", NULL},
        {"redact $.i64", "24{1\"a\" 1\"b\"}", NULL},
        {"redact $.many[0]", "20<80>", NULL},
        {"redact $.reals[0]", "28<00>", NULL},
};
static const struct {
	const char *rules, *in, *want;
} numbered_table[] = {
        {"token /a.b.S/M$.9", "9\"ada\" 3=1", "9\"(/a.b.S/M$.9|ada)\" 3=1"},
        {"redact /a.b.S/M$.1.3", "1{3\"a\" 2\"b\"}", "1{3\"[redacted]\" 2\"b\"}"},
        {"redact /a.b.S/M$.1.3", "1{3\"a\"} 1{3\"b\"}", "1{3\"[redacted]\"} 1{3\"[redacted]\"}"},
        {"redact /a.b.S/M$.1[1].3", "1{3\"a\"} 2\"x\" 1{3\"b\"}", "1{3\"a\"} 2\"x\" 1{3\"[redacted]\"}"},
        {"redact /a.b.S/M$.1[*].3", "1{3\"a\"} 1{3\"b\"}", "1{3\"[redacted]\"} 1{3\"[redacted]\"}"},
        {"drop /a.b.S/M$.1", "1{3\"a\"} 2\"x\"", "2\"x\""},
        {"redact /a.b.S/M$.1;drop /a.b.S/M$.2", "1=7 2:8=7 3=7", "3=7"},
        {"bucket:10 /a.b.S/M$.1", "1=7", NULL},
        {"redact /a.b.S/M$.1.3", "1=7", "1=7"},
        {"redact /a.b.S/M$.1.3", "1\"no message\"", NULL},
        {"redact $.9;drop /a.b.S/M$.4", "9\"ada\"", "9\"[redacted]\""},
};

static void check_row(bool named, const char *rule, const char *from, const char *to)
{
	uint32_t count;
	int err;

	rules(rule);
	buf_reset(&in);
	buf_reset(&want);
	message_put(key, from, &in);
	err = mask(named, NULL, &count);
	if (!to) {
		if (err != ERR_PROTO)
			fail_msg("%s on %s passed: %d", rule, from, err);
		return;
	}
	message_put(key, to, &want);
	if (err || buf_len(&out) != buf_len(&want) + GRPC_PREFIX_BYTES ||
	    memcmp(buf_span(&out).data + GRPC_PREFIX_BYTES, buf_span(&want).data, buf_len(&want)) != 0)
		fail_msg("%s on %s: error %d", rule, from, err);
	assert_int_equal(count > 0, strcmp(from, to) != 0);
}

static void fields_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof named_table / sizeof *named_table; i++)
		check_row(true, named_table[i].rules, named_table[i].in, named_table[i].want);
}

static void fields_by_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof numbered_table / sizeof *numbered_table; i++)
		check_row(false, numbered_table[i].rules, numbered_table[i].in, numbered_table[i].want);
}

/* Lengths at each of three levels, where they begin to need another byte. */
static void lengths_follow(void **state)
{
	(void)state;
	for (unsigned len = 80; len < 140; len++) {
		char from[512], to[512], pad[160];

		memset(pad, 'x', len);
		pad[len] = '\0';
		snprintf(from, sizeof from, "22{22{9\"a\" 21\"%s\"} 21\"y\"} 3=1", pad);
		snprintf(to, sizeof to, "22{22{9\"[redacted]\" 21\"%s\"} 21\"y\"} 3=1", pad);
		check_row(true, "redact $.in.in.text", from, to);
		snprintf(from, sizeof from, "22{22{9\"%s\"} 21\"y\"} 3=1", pad);
		check_row(true, "redact $.in.in.text", from, "22{22{9\"[redacted]\"} 21\"y\"} 3=1");
		check_row(false, "redact /a.b.S/M$.22.22.9", from, "22{22{9\"[redacted]\"} 21\"y\"} 3=1");
	}
}

/* Under a policy that allows, what no rule keeps goes: texts, numbers, and what nobody knows. */
static void what_is_not_kept_goes(void **state)
{
	uint32_t count;

	(void)state;
	for (int named = 0; named < 2; named++) {
		rules("keep /a.b.S/M$.9;keep /a.b.S/M$.22.3");
		policy.allow = true;
		buf_reset(&in);
		buf_reset(&want);
		message_put(key, "9\"a\" 21\"b\" 3=7 22{3=8 9\"c\"} 20<5e>", &in);
		message_put(key,
		            named ? "9\"a\" 21\"[redacted]\" 22{3=8 9\"[redacted]\"} 20<00>"
		                  : "9\"a\" 22{3=8}",
		            &want);
		assert_int_equal(mask(named, NULL, &count), 0);
		assert_int_equal(buf_len(&out), buf_len(&want) + GRPC_PREFIX_BYTES);
		assert_memory_equal(buf_span(&out).data + GRPC_PREFIX_BYTES, buf_span(&want).data,
		                    buf_len(&want));
	}
}

/* Beside rules: in strings, in bytes that hold a message, and in bytes that are neither it is fatal. */
static void texts_are_searched(void **state)
{
	struct mask_finder *finder;
	uint32_t count;

	(void)state;
	for (int named = 0; named < 2; named++) {
		rules("redact /a.b.S/M$.22.9");
		policy.detect.with = MASK_REDACT;
		policy.detect.find.min_score = 50;
		assert_true(detect_set_add_name(&policy.detect.find.classes, "email"));
		assert_int_equal(mask_finder_new(&policy, SPAN(""), &finder), 0);
		buf_reset(&in);
		buf_reset(&want);
		message_put(key,
		            "9\"to a@example.com\" 12{7\"b@example.com\"} 22{9\"x\" 21\"c@example.com\"}",
		            &in);
		message_put(key,
		            "9\"to [redacted]\" 12{7\"[redacted]\"} 22{9\"[redacted]\" 21\"[redacted]\"}",
		            &want);
		assert_int_equal(mask(named, finder, &count), 0);
		assert_int_equal(count, 4);
		assert_memory_equal(buf_span(&out).data + GRPC_PREFIX_BYTES, buf_span(&want).data,
		                    buf_len(&want));
		buf_reset(&in);
		message_put(key, "12<ff6140782e6f726720ff>", &in); /* a@x.org */
		assert_int_equal(mask(named, finder, &count), ERR_PROTO);
		mask_finder_free(&finder);
	}
}

static void what_is_too_much_is_refused(void **state)
{
	uint32_t count;

	(void)state;
	for (int named = 0; named < 2; named++) {
		for (unsigned depth = 1; depth < 40; depth++) {
			rules(named ? "redact $..text"
			            : "drop /a.b.S/M$.22.22.22.22.22.22.22.22.22.22.22.22.22.22.22.22"
			              ".22.22.22.22.22.22.22.22.22.22.22.22.22.1.1");
			buf_reset(&in);
			for (unsigned i = 0; i < depth; i++) {
				struct buf around;

				buf_init(&around, MESSAGE_ROOM);
				protobuf_put_bytes(&around, 22, buf_span(&in));
				buf_fini(&in);
				in = around;
			}
			assert_int_equal(mask(named, NULL, &count), depth < 24 ? 0 : ERR_LIMIT);
		}
		rules(named ? "redact $.texts[*]" : "redact /a.b.S/M$.21[*]");
		buf_reset(&in);
		for (unsigned i = 0; i < 70000; i++)
			protobuf_put_bytes(&in, 21, SPAN("a"));
		assert_int_equal(mask(named, NULL, &count), ERR_LIMIT);
	}
}

/* Cut anywhere, or with any byte another, a set is refused or one that can be used. */
static void broken_sets(void **state)
{
	char why[SCHEMA_WHY_BYTES];
	struct mask_schema *other;
	struct buf file;
	unsigned refused = 0;

	(void)state;
	buf_init(&file, MESSAGE_ROOM);
	message_put(key, set, &file);
	for (size_t cut = 0; cut < buf_len(&file); cut++) {
		int err = mask_schema_new((struct span){buf_span(&file).data, cut}, &other, why);

		assert_int_equal(err, ERR_PROTO);
		assert_null(other);
		assert_true(*why);
	}
	for (size_t i = 0; i < buf_len(&file); i++) {
		for (int bit = 0; bit < 8; bit++) {
			file.base[file.head + i] ^= (char)(1 << bit);
			refused += mask_schema_new(buf_span(&file), &other, why) != 0;
			mask_schema_free(&other);
			file.base[file.head + i] ^= (char)(1 << bit);
		}
	}
	assert_in_range(refused, 1000, 8 * buf_len(&file) - 1);
	buf_fini(&file);
}

static const struct {
	const char *set, *why;
} wrong_sets[] = {
        {"", "it is no FileDescriptorSet"},
        {"1{4{1\"A\" 2{1\"x\" 3=1 4=1 5=11 6\".b.B\"}}}", "it lacks b.B: write it with --include_imports"},
        {"1{2\"p\" 4{1\"A\"} 6{1\"S\" 2{1\"M\" 2\".p.A\" 3\".p.B\"}}}",
         "it lacks a type of p.S/M: write it with --include_imports"},
        {"1{4{1\"A\"}} 1{4{1\"A\"}}", "it has A twice"},
        {"1{4{1\"A\"} 6{1\"S\" 2{1\"M\" 2\".A\" 3\".A\"} 2{1\"M\" 2\".A\" 3\".A\"}}}", "it has S/M twice"},
        {"1{4{1\"A\" 2{1\"x\" 3=1 4=1 5=9} 2{1\"y\" 3=1 4=1 5=9}}}", "it is no FileDescriptorSet"},
        {"1{4{1\"A\" 2{1\"x\" 3=0 4=1 5=9}}}", "it is no FileDescriptorSet"},
        {"1{4{1\"A\" 2{1\"x\" 3=1 4=1 5=19}}}", "it is no FileDescriptorSet"},
        {"1{4{1\"A\" 7{7=1} 2{1\"key\" 3=1 4=1 5=9}}}", "it is no FileDescriptorSet"},
};

static void wrong_sets_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrong_sets / sizeof *wrong_sets; i++) {
		char why[SCHEMA_WHY_BYTES];
		struct mask_schema *other;

		buf_reset(&in);
		message_put(key, wrong_sets[i].set, &in);
		assert_int_equal(mask_schema_new(buf_span(&in), &other, why), ERR_PROTO);
		assert_string_equal(why, wrong_sets[i].why);
	}
}

static const struct {
	const char *rule;
	enum mask_misfit named, numbered;
	size_t at;
	const char *near;
} fits[] = {
        {"token $.nobody", MISFIT_NONE, MISFIT_NONE, 0, ""},
        {"token /x.GRPCInferenceService/ModelInfer$.id", MISFIT_NONE, MISFIT_NONE, 0, ""},
        {"token /a.b.S/M$.text", MISFIT_NONE, MISFIT_NAME, 0, ""},
        {"token /a.b.S/N$.text", MISFIT_NONE, MISFIT_NAME, 0, ""},
        {"token /a.b.S/M$.list[*].in.map.any.text", MISFIT_NONE, MISFIT_NAME, 0, ""},
        {"token /a.b.S/M$..text", MISFIT_NONE, MISFIT_DEEP, 0, ""},
        {"drop /a.b.S/M$.22.23[1].9", MISFIT_NONE, MISFIT_NONE, 0, ""},
        {"token /a.b.S/M$.in.txet", MISFIT_FIELD, MISFIT_NAME, 13, "did you mean 'text'?"},
        {"token /a.b.S/M$.list.text", MISFIT_FIELD, MISFIT_NAME, 10, "it is a list: write [*] behind it"},
        {"token /a.b.S/M$.in[0].text", MISFIT_FIELD, MISFIT_NAME, 10, NULL},
        {"token /a.b.S/M$..nobody", MISFIT_NONE, MISFIT_DEEP, 0, ""}, /* a key of a map may be that */
        {"token /a.b.S/M$.i64", MISFIT_NUMBER, MISFIT_NAME, 0, ""},
        {"token /a.b.S/M$.many[0]", MISFIT_NUMBER, MISFIT_NAME, 0, ""},
        {"constant:x /a.b.S/M$.i64", MISFIT_NUMBER, MISFIT_NAME, 0, ""},
        {"constant:7 /a.b.S/M$.i64", MISFIT_NONE, MISFIT_NAME, 0, ""},
        {"token /a.b.S/X$.text", MISFIT_CALL, MISFIT_NAME, 0, ""},
        {"token /a.b.S/X$.9", MISFIT_NONE, MISFIT_NONE, 0, ""},
};

static void rules_that_cannot_act(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
		char near[GUESS_HINT_BYTES];
		size_t at;

		rules(fits[i].rule);
		if (mask_schema_check(schema, &policy.fields[0], &at, near) != fits[i].named)
			fail_msg("%s: not as it should be", fits[i].rule);
		if (fits[i].named == MISFIT_FIELD)
			assert_int_equal(at, fits[i].at);
		if (fits[i].near)
			assert_string_equal(near, fits[i].near);
		if (mask_schema_check(NULL, &policy.fields[0], &at, near) != fits[i].numbered)
			fail_msg("%s: not as it should be by number", fits[i].rule);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(fields_by_name),        TEST(fields_by_number),    TEST(lengths_follow),
	        TEST(what_is_not_kept_goes), TEST(texts_are_searched),  TEST(what_is_too_much_is_refused),
	        TEST(broken_sets),           TEST(wrong_sets_are_told), TEST(rules_that_cannot_act),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
