/* Bodies of each kind: what a policy leaves of them byte for byte, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/mask_body.h"
#include "capture/mask_text.h"
#include "proto/coding.h"

static struct mask_key *key;
static struct plan_mask policy;
static struct mask_rules *rules;
static struct mask_finder *finder;

/* Rules: "T$.a Rform:b", operator first; `detect`: e-mail addresses and cards are looked for, too. */
static void begin(const char *text, bool detect)
{
	static const uint8_t secret[32] = {1, 2, 3};
	char copy[512], *save = NULL;

	memset(&policy, 0, sizeof policy);
	snprintf(copy, sizeof copy, "%s", text);
	for (char *at = strtok_r(copy, " ", &save); at; at = strtok_r(NULL, " ", &save)) {
		struct plan_mask_field *f = &policy.fields[policy.field_count];
		const char *name = at + 1;

		policy.allow |= *at == '!';
		policy.field_count += *at != '!';
		f->with = *at == 'T'   ? MASK_TOKEN
		          : *at == 'K' ? MASK_KEEP
		          : *at == 'R' ? MASK_REDACT
		                       : MASK_DROP;
		f->place = MASK_PATH;
		if (strncmp(name, "form:", 5) == 0) {
			f->place = MASK_FORM;
			name += 5;
		}
		snprintf(f->where, sizeof f->where, "%s", name);
	}
	policy.detect.with = MASK_REDACT;
	policy.detect.find.min_score = 50;
	if (detect) {
		assert_true(detect_set_add_name(&policy.detect.find.classes, "email"));
		assert_true(detect_set_add_name(&policy.detect.find.classes, "payment"));
	}
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

/* `want` with each <class|value> written out as its token. */
static void expand(const char *want, struct buf *out)
{
	char token[25];

	for (const char *at = want; *at; at++) {
		const char *bar = *at == '<' ? strchr(at, '|') : NULL, *last = bar ? strchr(bar, '>') : NULL;

		if (!last) {
			buf_put(out, at, 1);
			continue;
		}
		mask_token(key, (struct span){at + 1, (size_t)(bar - at - 1)},
		           (struct span){bar + 1, (size_t)(last - bar - 1)}, token);
		buf_puts(out, token);
		at = last;
	}
}

static void run(const char *rule_text, bool detect, const char *type, const char *in, const char *want)
{
	char head[256];
	struct mask_body form;
	struct buf out, expected;
	uint32_t count;
	bool input_masked;
	int err;

	begin(rule_text, detect);
	snprintf(head, sizeof head, "POST /x\ncontent-type: %s", type);
	assert_int_equal(mask_body_of(span_of(head), &form), 0);
	buf_init(&out, 1 << 16);
	buf_init(&expected, 1 << 16);
	err = mask_body(&form, rules, key, span_of(in), NULL, NULL, &out, &count, &input_masked);
	if (!want) {
		if (err != ERR_PROTO)
			fail_msg("%s was not refused: %d, %.*s", in, err, (int)buf_len(&out), out.base);
	} else {
		expand(want, &expected);
		if (err || !span_eq(buf_span(&out), buf_span(&expected)))
			fail_msg("%d\ngot  %.*s\nwant %.*s", err, (int)buf_len(&out), buf_span(&out).data,
			         (int)buf_len(&expected), buf_span(&expected).data);
		assert_int_equal(count > 0, strcmp(in, want) != 0);
	}
	buf_fini(&out);
	buf_fini(&expected);
	end();
}

static void form(const char *rule_text, bool detect, const char *in, const char *want)
{
	run(rule_text, detect, "application/x-www-form-urlencoded; charset=utf-8", in, want);
}

static void test_forms(void **state)
{
	(void)state;
	form("T$.user", false, "a=1&user=bob&c", "a=1&user=<$.user|bob>&c");
	form("Tform:user", false, "user=b%6Fb+x&b=%41", "user=<user|bob x>&b=%41");
	form("Tform:user", false, "us%65r=bob", "us%65r=<user|bob>");
	form("D$..user", false, "user=bob&a=1&user=x", "a=1");
	form("D$.user", false, "a=1&user=bob&c=2&", "a=1&c=2&");
	form("R$.user T$.user", false, "user=bob", "user=%5Bredacted%5D");
	form("", true, "q=mail+a.b%40example.com+now&z=%7e", "q=mail%20%5Bredacted%5D%20now&z=%7e");
	form("", true, "a%40example.com=1", "%5Bredacted%5D=1");
	form("T$.user.mail", false, "user=%7B%22mail%22%3A%22x%22%7D",
	     "user=%7B%22mail%22%3A%22<$.user.mail|x>%22%7D");
	form("T$..mail", false, "{\"mail\":\"x\"}", "{\"mail\":\"<$..mail|x>\"}");
	form("T$.a", false, "", "");
	form("T$.a", false, "b=%4", NULL);
	form("T$.a", false, "b=%ff", NULL);
	form("T$.a", false, "{\"a\":", NULL);
	form("T$.a", false, "b=%7B%22a%22", "b=%7B%22a%22");
	form("", true, "b=%5Bto+a@example.com", "b=%5Bto%20%5Bredacted%5D");
}

static void test_texts(void **state)
{
	(void)state;
	run("", true, "text/plain", "to a@example.com.\n", "to [redacted].\n");
	run("", true, "TEXT/Plain;charset=utf-8", "none here", "none here");
	run("T$.a", true, "text/plain", "{\"a\":\"b\"}", "{\"a\":\"<$.a|b>\"}");
	run("T$.a", true, "text/plain", "{not json", NULL);
	run("T$.a", false, "text/plain", "a text", NULL);
	run("", true, "text/plain", "\xff", NULL);
	run("T$.a", true, "application/octet-stream", "a text", NULL);
}

static void test_lines(void **state)
{
	static const char ollama[] = "{\"message\":{\"content\":\"to 4111 11\"},\"done\":false}\n"
	                             "{\"message\":{\"content\":\"11 1111\"}}\n\n"
	                             "{\"message\":{\"content\":\" 1111 ok\"},\"done\":true}\r\n";

	(void)state;
	run("T$.a", false, "application/x-ndjson", "{\"a\":1}\n\n{\"b\":[1.0]} \r\n{\"a\":2}",
	    "{\"a\":\"<$.a|1>\"}\n\n{\"b\":[1.0]} \r\n{\"a\":\"<$.a|2>\"}");
	run("", true, "application/x-ndjson", ollama,
	    "{\"message\":{\"content\":\"to [redacted]\"},\"done\":false}\n"
	    "{\"message\":{\"content\":\"\"}}\n\n"
	    "{\"message\":{\"content\":\" ok\"},\"done\":true}\r\n");
	run("", true, "application/x-ndjson", "{\"a\":1}\ntext\n", NULL);
	run("T$.a", false, "application/jsonl", "{\"a\":1}\n{\"a\"\n", NULL);
}

static void events(const char *rule_text, bool detect, const char *in, const char *want)
{
	run(rule_text, detect, "text/event-stream", in, want);
}

static void test_events(void **state)
{
	(void)state;
	events("T$.a", false, "event: x\nid: 7\nretry: 10\ndata: {\"a\":1}\n\ndata: [DONE]\n\n",
	       "event: x\nid: 7\nretry: 10\ndata: {\"a\":\"<$.a|1>\"}\n\ndata: [DONE]\n\n");
	events("T$.a", false, "data:{\"b\":2}\r\n\r\ndata:{\"a\":1}\r\r",
	       "data:{\"b\":2}\r\n\r\ndata:{\"a\":\"<$.a|1>\"}\r\r");
	events("T$.a", false, "data: {\"a\":\ndata: 1}\n\n", "data: {\"a\":\ndata: \"<$.a|1>\"}\n\n");
	events("T$.a", false, "data: {\"a\":1}", "data: {\"a\":\"<$.a|1>\"}");
	events("T$.a", true, ": to a@example.com\nother: b\nid: a@example.com\ndata: hi\n\n",
	       ":\nid: [redacted]\ndata: hi\n\n");
	events("T$.a", false,
	       "\xef\xbb\xbf"
	       "data: {\"a\":1}\n\n",
	       "\xef\xbb\xbf"
	       "data: {\"a\":\"<$.a|1>\"}\n\n");
	events("T$.a", false, "data: hi\n\n", NULL);
	events("T$.a", false, "data:\n\n", "data:\n\n");
	events("T$.a", true, "data: [hi\n\n", "data: [hi\n\n");
	events("T$.a", false, "data: [hi\n\n", NULL);
	events("T$.a", true, "data: {\"a\":1\n\n", NULL);
}

/* Deltas of two choices, one after the other: an address of each, and digits that are none together. */
static void test_joined(void **state)
{
	(void)state;
	events("", true,
	       "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"I am ann\"}}]}\n\n"
	       "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"4111 1111\"},\"index\":1}]}\n\n"
	       "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"@exam\"}}]}\n\n"
	       "data: {\"id\":\"c\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\" 1111 1111\"}}]}\n\n"
	       "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ple.com "
	       "\\u00e9\"}}]}\n\n"
	       "data: [DONE]\n\n",
	       "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"I am "
	       "[redacted]\"}}]}\n\n"
	       "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"[redacted]\"},\"index\":1}]}\n\n"
	       "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n"
	       "data: {\"id\":\"c\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"\"}}]}\n\n"
	       "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" \xc3\xa9\"}}]}\n\n"
	       "data: [DONE]\n\n");
	events("", true,
	       "event: content_block_delta\ndata: "
	       "{\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"4111111\"}}\n\n"
	       "event: content_block_delta\ndata: {\"index\":1,\"delta\":{\"text\":\"0\"}}\n\n"
	       "event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"text\":\"111111111\"}}\n\n",
	       "event: content_block_delta\ndata: "
	       "{\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"[redacted]\"}}\n\n"
	       "event: content_block_delta\ndata: {\"index\":1,\"delta\":{\"text\":\"0\"}}\n\n"
	       "event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"text\":\"\"}}\n\n");
	events("", true,
	       "data: {\"model_name\":\"m\",\"text_output\":\"4111 1111\"}\n\n"
	       "data: {\"model_name\":\"m\",\"text_output\":\" 1111 1111\"}\n\n",
	       "data: {\"model_name\":\"m\",\"text_output\":\"[redacted]\"}\n\n"
	       "data: {\"model_name\":\"m\",\"text_output\":\"\"}\n\n");
	events("", true, "data: a@exa\n\ndata: mple.com\n\n", "data: [redacted]\n\ndata: \n\n");
}

static void parts(const char *rule_text, bool detect, const char *in, const char *want)
{
	run(rule_text, detect, "multipart/form-data; boundary=\"b:1\"", in, want);
}

#define PART(name, more, value)                                                                              \
	"--b:1\r\nContent-Disposition: form-data; name=\"" name "\"" more "\r\n\r\n" value "\r\n"

static void test_parts(void **state)
{
	(void)state;
	parts("T$.user Dform:gone", false,
	      "pre\r\n" PART("user", "", "bob") PART("gone", "", "x")
	              PART("a", "", "--b:\r\n1") "--b:1--\r\nepi",
	      PART("user", "", "<$.user|bob>") PART("a", "", "--b:\r\n1") "--b:1--\r\n");
	parts("T$..mail", false,
	      PART("a", "\r\nContent-Type: application/json", "{\"mail\":\"x\"}") "--b:1--",
	      PART("a", "\r\nContent-Type: application/json", "{\"mail\":\"<$..mail|x>\"}") "--b:1--\r\n");
	parts("", true, PART("a", "; filename=\"a@example.com\"", "4111 1111 1111 1111") "--b:1--\r\n",
	      PART("a", "; filename=\"[redacted]\"", "[redacted]") "--b:1--\r\n");
	parts("D$.file", false, PART("a", "", "1") PART("file", "", "\xff\xd8") "--b:1--\r\n",
	      PART("a", "", "1") "--b:1--\r\n");
	parts("T$.a", false, PART("file", "", "\xff\xd8") "--b:1--\r\n", NULL);
	parts("T$.a", false, PART("a", "", "1"), NULL);
	parts("T$.a", false, PART("\\a", "", "1") "--b:1--\r\n", NULL);
	parts("T$.a", false, PART("b", "; name*=utf-8''a", "1") "--b:1--\r\n", NULL);
	parts("T$.a", false, "--b:1\r\n\r\nx\r\n--b:1--\r\n", NULL);
	parts("T$.a", false, "", NULL);
	parts("! Kform:a", false,
	      PART("a", "; filename=\"bob.png\"\r\nX-By: bob\r\nContent-Type: text/plain; by=bob", "1")
	              PART("b", "", "2") "--b:1--\r\n",
	      PART("a", "\r\nContent-Type: text/plain", "1") PART("b", "", "[redacted]") "--b:1--\r\n");
}

static void test_nested(void **state)
{
	(void)state;
	run("T$.f.a D$..gone", false, "application/json",
	    "{\"f\":\"{\\\"a\\\":1,\\\"b\\\":[{\\\"gone\\\":2}]}\",\"g\":\"{\\\"a\\\":1}\"}",
	    "{\"f\":\"{\\\"a\\\":\\\"<$.f.a|1>\\\",\\\"b\\\":[{}]}\",\"g\":\"{\\\"a\\\":1}\"}");
	run("T$..a", false, "application/json", "[\" [{\\\"a\\\":\\\"x\\\"}]\",\"[x\"]",
	    "[\" [{\\\"a\\\":\\\"<$..a|x>\\\"}]\",\"[x\"]");
	run("", true, "application/json", "{\"f\":\"{\\\"a\\\":\\\"b\\\\u0040example.com\\\"}\"}",
	    "{\"f\":\"{\\\"a\\\":\\\"[redacted]\\\"}\"}");
}

static void test_encoded(void **state)
{
	(void)state;
	run("", true, "application/json", "[\"dG8gYUBleGFtcGxlLmNvbQ==\",\"dG8gYUBleGFtcGxlLmNvbQ\"]",
	    "[\"dG8gW3JlZGFjdGVkXQ==\",\"dG8gW3JlZGFjdGVkXQ\"]");
	run("", true, "application/json", "[\"data:text/plain;base64,dG8gYUBleGFtcGxlLmNvbQ==\"]",
	    "[\"data:text/plain;base64,dG8gW3JlZGFjdGVkXQ==\"]");
	run("", true, "application/json", "[\"data:,to%20a%40example.com\",\"iVBORw0KGgoAAAANSUhEUg==\"]",
	    "[\"data:,to%20%5Bredacted%5D\",\"iVBORw0KGgoAAAANSUhEUg==\"]");
}

/* Coded bodies leave coded as they came; a bomb, a cut one and one of another coding are refused. */
static void test_codings(void **state)
{
	static const char *const codings[] = {"gzip", "deflate", "zstd", "br"};
	static char bomb[4 << 20], spaces[70000];
	const struct span in = SPAN("{\"a\":\"bob\",\"b\":2}");

	(void)state;
	memset(bomb, ' ', sizeof bomb);
	memset(spaces, ' ', sizeof spaces);
	for (unsigned i = 0; i < sizeof codings / sizeof *codings; i++) {
		struct span coding = span_of(codings[i]), tries[4];
		struct buf coded, out, plain, want;
		struct mask_body b;
		bool input_masked;
		uint32_t count;
		char head[64];

		begin("T$.a", false);
		buf_init(&coded, 5 << 20);
		buf_init(&out, 1 << 16);
		buf_init(&plain, 1 << 16);
		buf_init(&want, 1 << 16);
		snprintf(head, sizeof head, "200\ncontent-encoding: %s", codings[i]);
		assert_int_equal(mask_body_of(span_of(head), &b), 0);
		b.limit_bytes = 1 << 16;
		assert_int_equal(coding_encode(coding, in, &coded), 0);
		assert_int_equal(
		        mask_body(&b, rules, key, buf_span(&coded), NULL, NULL, &out, &count, &input_masked),
		        0);
		assert_int_equal(coding_decode(coding, buf_span(&out), &plain), 0);
		expand("{\"a\":\"<$.a|bob>\",\"b\":2}", &want);
		assert_true(span_eq(buf_span(&plain), buf_span(&want)) && count == 1);
		tries[0] = (struct span){coded.base, buf_len(&coded) - 1};
		buf_put(&coded, "x", 1);
		tries[1] = buf_span(&coded);
		tries[2] = in;
		tries[3] = SPAN("");
		for (unsigned j = 0; j < 4; j++) {
			buf_reset(&out);
			assert_int_equal(
			        mask_body(&b, rules, key, tries[j], NULL, NULL, &out, &count, &input_masked),
			        ERR_PROTO);
		}
		buf_reset(&coded);
		assert_int_equal(coding_encode(coding, (struct span){spaces, sizeof spaces}, &coded), 0);
		assert_int_equal(
		        mask_body(&b, rules, key, buf_span(&coded), NULL, NULL, &out, &count, &input_masked),
		        ERR_LIMIT);
		buf_reset(&coded);
		b.limit_bytes = sizeof bomb;
		assert_int_equal(coding_encode(coding, (struct span){bomb, sizeof bomb}, &coded), 0);
		assert_int_equal(
		        mask_body(&b, rules, key, buf_span(&coded), NULL, NULL, &out, &count, &input_masked),
		        ERR_LIMIT);
		buf_fini(&coded);
		buf_fini(&out);
		buf_fini(&plain);
		buf_fini(&want);
		end();
	}
}

static void test_heads(void **state)
{
	struct mask_body b;

	(void)state;
	assert_int_equal(mask_body_of(SPAN("POST /\ncontent-type: multipart/form-data"), &b),
	                 ERR_UNSUPPORTED);
	assert_int_equal(mask_body_of(SPAN("POST /\ncontent-encoding: compress"), &b), ERR_UNSUPPORTED);
	assert_int_equal(mask_body_of(SPAN("POST /\ncontent-type: text/plain\ncontent-type: text/csv"), &b),
	                 0);
	assert_int_equal(b.form, MASK_JSON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_forms),   cmocka_unit_test(test_texts),  cmocka_unit_test(test_lines),
	        cmocka_unit_test(test_events),  cmocka_unit_test(test_joined), cmocka_unit_test(test_parts),
	        cmocka_unit_test(test_heads),   cmocka_unit_test(test_nested), cmocka_unit_test(test_encoded),
	        cmocka_unit_test(test_codings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
