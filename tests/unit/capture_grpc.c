/* Path rules on Open Inference messages, field by field; how masked messages lie over their records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "capture/hold.h"
#include "capture/mask.h"
#include "capture/mask_schema.h"
#include "proto/protobuf.h"
#include "tests/lib/message.h"

enum { ROOM = 1 << 20, SLOTS = 32 };

static struct mask_key *key;
static struct plan_mask policy;
static struct buf slots[SLOTS];
static unsigned used;
static const struct mask_call tensors = {.how = MASK_BY_TENSOR};

static int setup(void **state)
{
	static const uint8_t secret[32] = {1, 2, 3};

	(void)state;
	memset(&policy, 0, sizeof policy);
	return mask_key_new(secret, &key);
}

static int teardown(void **state)
{
	(void)state;
	mask_key_free(&key);
	while (used)
		buf_fini(&slots[--used]);
	return 0;
}

static struct buf *slot(void)
{
	assert_in_range(used, 0, SLOTS - 1);
	buf_init(&slots[used], ROOM);
	return &slots[used++];
}

/* "T$.a D$.b": operator first; lower case: the model does not read it. */
static void rules(const char *text)
{
	char copy[256], *save = NULL;

	memset(&policy, 0, sizeof policy);
	snprintf(copy, sizeof copy, "%s", text);
	for (char *one = strtok_r(copy, " ", &save); one; one = strtok_r(NULL, " ", &save)) {
		struct plan_mask_field *f = &policy.fields[policy.field_count++];

		f->with = (*one | 32) == 'd' ? MASK_DROP : (*one | 32) == 't' ? MASK_TOKEN : MASK_REDACT;
		f->model_input = *one < 'a';
		snprintf(f->where, sizeof f->where, "%s", one + 1);
	}
}

static struct span message(const char *text)
{
	struct buf *out = slot();

	message_put(key, text, out);
	return buf_span(out);
}

static int mask_one(bool request, struct span bytes, struct buf *out, uint32_t *count, bool *input)
{
	struct grpc_message m = {false, bytes};
	struct mask_rules *compiled;
	int err = mask_rules_new(&policy, &compiled);

	assert_int_equal(err, 0);
	err = mask_message(compiled, key, &tensors, request, SPAN(""), &m, out, count, input);
	mask_rules_free(&compiled);
	return err;
}

#define REQUEST    "1\"m\" 3\"id\" 4{1\"user\" 2{3\"bob\"}} 4{1\"n\" 2{2=5}} "
#define BYTES_IN   "5{1\"x\" 2\"BYTES\" 3=2 5{8\"al\" 8\"bo\"}}"
#define RAW_IN     "5{1\"x\" 2\"BYTES\" 3=2} 7<02000000616c02000000626f>"
#define NUMBERS_IN "5{1\"y\" 2\"INT32\" 3=2 5{2=7 2=8}}"

static const struct {
	char side; /* q: request, p: response */
	const char *rules, *in, *want;
	uint32_t count; /* UINT32_MAX: the copy is dropped */
} table[] = {
        {'q', "T$.nothing", REQUEST BYTES_IN, REQUEST BYTES_IN, 0},
        {'q', "T$.nothing", "", "", 0},
        {'q', "T$.id", "1\"m\" 3\"id\"", "1\"m\" 3\"($.id|id)\"", 1},
        {'q', "D$.id", "1\"m\" 3\"id\"", "1\"m\"", 1},
        {'q', "R$.id T$.id", "3\"id\"", "3\"[redacted]\"", 1},
        {'q', "T$.parameters.user", REQUEST,
         "1\"m\" 3\"id\" 4{1\"user\" 2{3\"($.parameters.user|bob)\"}} 4{1\"n\" 2{2=5}}", 1},
        {'q', "T$.parameters.n", REQUEST,
         "1\"m\" 3\"id\" 4{1\"user\" 2{3\"bob\"}} 4{1\"n\" 2{3\"($.parameters.n|5)\"}}", 1},
        {'q', "D$.parameters.n", REQUEST, "1\"m\" 3\"id\" 4{1\"user\" 2{3\"bob\"}}", 1},
        {'q', "D$.parameters", REQUEST, "1\"m\" 3\"id\"", 2},
        {'q', "R$.parameters", REQUEST,
         "1\"m\" 3\"id\" 4{1\"user\" 2{3\"[redacted]\"}} 4{1\"n\" 2{3\"[redacted]\"}}", 2},
        {'q', "R$.parameters.user.string_param", REQUEST,
         "1\"m\" 3\"id\" 4{1\"user\" 2{3\"[redacted]\"}} 4{1\"n\" 2{2=5}}", 1},
        {'q', "R$..user", "4{2{3\"bob\"} 1\"user\"} 5{1\"x\" 4{1\"user\" 2{1=1}}}",
         "4{1\"user\" 2{3\"[redacted]\"}} 5{1\"x\" 4{1\"user\" 2{3\"[redacted]\"}}}", 2},
        {'q', "R$.inputs[1].name", "5{1\"a\"} 5{1\"b\"} 6{1\"c\"}", "5{1\"a\"} 5{1\"[redacted]\"} 6{1\"c\"}",
         1},
        {'q', "R$.outputs[*].name", "5{1\"a\"} 6{1\"c\"}", "5{1\"a\"} 6{1\"[redacted]\"}", 1},
        /* strings of a tensor, whatever form the policy was written for */
        {'q', "T$.inputs[*].data", BYTES_IN,
         "5{1\"x\" 2\"BYTES\" 3=2 5{8\"($.inputs[*].data|al)\" 8\"($.inputs[*].data|bo)\"}}", 2},
        {'q', "R$.inputs[*].data[1]", BYTES_IN, "5{1\"x\" 2\"BYTES\" 3=2 5{8\"al\" 8\"[redacted]\"}}", 1},
        {'q', "R$.inputs[0].contents", BYTES_IN,
         "5{1\"x\" 2\"BYTES\" 3=2 5{8\"[redacted]\" 8\"[redacted]\"}}", 2},
        {'q', "R$..bytes_contents[0]", BYTES_IN, "5{1\"x\" 2\"BYTES\" 3=2 5{8\"[redacted]\" 8\"bo\"}}", 1},
        {'q', "D$..bytes_contents[*]", BYTES_IN, "5{1\"x\" 2\"BYTES\" 3=2 5{8\"\" 8\"\"}}", 2},
        {'q', "R$.raw_input_contents[0]", BYTES_IN,
         "5{1\"x\" 2\"BYTES\" 3=2 5{8\"[redacted]\" 8\"[redacted]\"}}", 2},
        {'q', "R$.raw_input_contents[1]", BYTES_IN, BYTES_IN, 0},
        {'q', "R$.inputs[*].data[1]", RAW_IN,
         "5{1\"x\" 2\"BYTES\" 3=2} 7<02000000616c0a0000005b72656461637465645d>", 1},
        {'q', "D$.inputs[*].contents.bytes_contents", RAW_IN, "5{1\"x\" 2\"BYTES\" 3=2} 7<0000000000000000>",
         2},
        {'q', "R$..raw_input_contents", RAW_IN,
         "5{1\"x\" 2\"BYTES\" 3=2} 7<0a0000005b72656461637465645d0a0000005b72656461637465645d>", 2},
        {'q', "R$.inputs[*].data[*][0]", BYTES_IN, NULL, UINT32_MAX},
        {'q', "R$.inputs[*].data[1] T$.inputs[*].data[*]", BYTES_IN,
         "5{1\"x\" 2\"BYTES\" 3=2 5{8\"($.inputs[*].data[*]|al)\" 8\"[redacted]\"}}", 2},
        {'q', "T$.inputs[*].data[*] R$.inputs[*].data[1]", BYTES_IN,
         "5{1\"x\" 2\"BYTES\" 3=2 5{8\"($.inputs[*].data[*]|al)\" 8\"($.inputs[*].data[*]|bo)\"}}", 2},
        /* numbers stay numbers; what goes of them is 0 */
        {'q', "D$.inputs[*].data[*]", NUMBERS_IN, "5{1\"y\" 2\"INT32\" 3=2 5{2=0 2=0}}", 2},
        {'q', "R$.inputs[*].contents.bytes_contents", NUMBERS_IN, NUMBERS_IN, 0},
        {'q', "D$.inputs[*].contents.int_contents", NUMBERS_IN, "5{1\"y\" 2\"INT32\" 3=2 5{}}", 2},
        {'q', "T$.inputs[*].data", NUMBERS_IN, NULL, UINT32_MAX},
        {'q', "R$.inputs[*].data", NUMBERS_IN, "5{1\"y\" 2\"INT32\" 3=2 5{2=0 2=0}}", 2},
        {'q', "R$.inputs[*].data[1]", NUMBERS_IN, "5{1\"y\" 2\"INT32\" 3=2 5{2=7 2=0}}", 1},
        {'q', "D$.inputs[*].data[1]", NUMBERS_IN, "5{1\"y\" 2\"INT32\" 3=2 5{2=7 2=0}}", 1},
        {'q', "R$.inputs[*].data[1][1]", NUMBERS_IN, NULL, UINT32_MAX},
        {'q', "R$.inputs[*].shape[0]", NUMBERS_IN, "5{1\"y\" 2\"INT32\" 3=0 5{2=7 2=8}}", 1},
        {'q', "T$", NUMBERS_IN, NULL, UINT32_MAX},
        {'q', "R$.id", "5{1\"y\" 2\"INT32\" 3=1} 7<07000000>", "5{1\"y\" 2\"INT32\" 3=1} 7<07000000>", 0},
        {'q', "D$.inputs[*].data", "5{1\"y\" 2\"INT32\" 3=1} 7<07000000>",
         "5{1\"y\" 2\"INT32\" 3=1} 7<00000000>", 1},
        {'q', "R$.inputs[*].contents.int_contents[1]", "5{1\"y\" 2\"INT16\" 3=2} 7<0700ffff>",
         "5{1\"y\" 2\"INT16\" 3=2} 7<07000000>", 1},
        {'q', "R$.5[0].data", "5{1\"y\" 2\"FP16\" 3=1} 7<0700>", "5{1\"y\" 2\"FP16\" 3=1} 7<0000>", 1},
        {'q', "T$.5[0].data", "5{1\"y\" 2\"INT64\" 3=1} 7<0700000000000000>", NULL, UINT32_MAX},
        {'q', "R$.inputs[*].data", "5{1\"y\" 2\"INT64\" 3=1} 7<07000000>", NULL, UINT32_MAX},
        {'q', "R$.inputs[*].data", "5{1\"y\" 2\"NEW\" 3=1} 7<07000000>", NULL, UINT32_MAX},
        {'q', "R$.3", "3\"id\"", "3\"[redacted]\"", 1},
        {'q', "R/inference.GRPCInferenceService/ModelInfer$.id", "3\"id\"", "3\"id\"", 0},
        {'q', "D$.inputs[0]", BYTES_IN, NULL, UINT32_MAX},
        {'q', "R$.inputs[0]", "5{1\"y\" 2\"z\" 5{8\"a\"}}",
         "5{1\"[redacted]\" 2\"[redacted]\" 5{8\"[redacted]\"}}", 3},
        /* what no rule could be asked about */
        {'q', "R$.id", "9\"new\"", NULL, UINT32_MAX},
        {'q', "R$.id", "3=1", NULL, UINT32_MAX},
        {'q', "R$.id", "5{9\"new\"}", NULL, UINT32_MAX},
        {'q', "R$.id", "5{5{8\"a\"} 5{8\"b\"}}", NULL, UINT32_MAX},
        {'q', "R$.id", "4{1\"a\" 1\"b\" 2{3\"c\"}}", NULL, UINT32_MAX},
        {'q', "R$.id", "7<0000>", NULL, UINT32_MAX},
        {'q', "R$.id", "5{2\"BYTES\"} 7<0300000061>", NULL, UINT32_MAX},
        {'q', "R$.id", "5<2a05>", NULL, UINT32_MAX},
        /* answers, bare and wrapped */
        {'p', "R$.outputs[*].data[0]", "1\"m\" 5{2\"BYTES\" 5{8\"a\" 8\"b\"}}",
         "1\"m\" 5{2\"BYTES\" 5{8\"[redacted]\" 8\"b\"}}", 1},
        {'p', "R$.infer_response.outputs[*].data[0]", "2{5{2\"BYTES\" 5{8\"a\" 8\"b\"}}}",
         "2{5{2\"BYTES\" 5{8\"[redacted]\" 8\"b\"}}}", 1},
        {'p', "R$..raw_output_contents[0]", "2{5{2\"BYTES\"} 6<0100000061>}",
         "2{5{2\"BYTES\"} 6<0a0000005b72656461637465645d>}", 1},
        {'p', "R$.error_message", "1\"no\"", "1\"[redacted]\"", 1},
        {'p', "R$.model_name", "1\"no\"", "1\"[redacted]\"", 1},
        {'p', "R$.model_version", "1\"m\" 2\"v1\"", "1\"m\" 2\"[redacted]\"", 1},
        {'p', "R$.id", "7\"x\"", NULL, UINT32_MAX},
        {'p', "R$.infer_response.outputs[1].data", "2{5{5{8\"a\"}}} 2{5{5{8\"b\"}}}", NULL, UINT32_MAX},
        {'p', "R$..id", "2{1\"m\" 3\"secret\" 9\"new\"}", NULL, UINT32_MAX},
        {'p', "R$..id", "2{1\"m\" 3\"secret\"} 3\"new\"", NULL, UINT32_MAX},
};

static void test_fields(void **state)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct buf *out = slot();
		uint32_t count;
		bool input;
		int err;

		rules(table[i].rules);
		err = mask_one(table[i].side == 'q', message(table[i].in), out, &count, &input);
		if (!table[i].want) {
			if (err != ERR_PROTO)
				fail_msg("%s on %s passed", table[i].rules, table[i].in);
		} else {
			struct span want = message(table[i].want), got = buf_span(out);

			if (err || got.len != want.len + GRPC_PREFIX_BYTES || got.data[0] ||
			    memcmp(got.data + GRPC_PREFIX_BYTES, want.data, want.len) != 0)
				fail_msg("%s on %s: error %d", table[i].rules, table[i].in, err);
			assert_int_equal((unsigned char)got.data[4] + 256 * (unsigned char)got.data[3],
			                 want.len);
			assert_int_equal(count, table[i].count);
			assert_int_equal(input, count > 0);
		}
		mask_key_free(&key);
		teardown(state);
		setup(state);
	}
}

static uint32_t element_len(struct span left)
{
	return (uint32_t)(unsigned char)left.data[0] | (uint32_t)(unsigned char)left.data[1] << 8;
}

/* Whatever an operator makes of elements, each has its length before it, and there are as many. */
static void test_raw_elements(void **state)
{
	static const char *const values[] = {
	        "",         "a",          "Ada Byron",   "ada@example.com", "4111 1111 1111 1111",
	        "\xff\xfe", "2001-02-03", "+44 20 7946", "J\xc3\xbcrgen"};
	enum { VALUES = sizeof values / sizeof *values };

	(void)state;
	for (uint32_t with = 0; with < MASK_OPERATORS; with++) {
		struct buf raw, in, out;
		struct protobuf_field f;
		struct span left;
		uint32_t count;
		bool input;

		buf_init(&raw, ROOM);
		buf_init(&in, ROOM);
		buf_init(&out, ROOM);
		for (size_t i = 0; i < VALUES; i++) {
			protobuf_put_fixed(&raw, strlen(values[i]), 4);
			buf_puts(&raw, values[i]);
		}
		protobuf_put_bytes(&in, 5,
		                   SPAN("\x12\x05"
		                        "BYTES"));
		protobuf_put_bytes(&in, 7, buf_span(&raw));
		rules("R$.inputs[*].data");
		policy.fields[0].with = with;
		assert_int_equal(mask_by_read(with, with == MASK_CONSTANT ? "x" : "", &policy.fields[0].by),
		                 0);
		assert_int_equal(mask_one(true, buf_span(&in), &out, &count, &input), 0);
		assert_int_equal(count, with == MASK_KEEP ? 0 : VALUES);
		left = (struct span){buf_span(&out).data + GRPC_PREFIX_BYTES,
		                     buf_len(&out) - GRPC_PREFIX_BYTES};
		while (protobuf_next(&left, &f) > 0)
			;
		assert_int_equal(f.number, 7);
		for (size_t i = 0; i < VALUES; i++) {
			size_t len = 4 + element_len(f.bytes);

			assert_in_range(f.bytes.len, len, ROOM);
			f.bytes = (struct span){f.bytes.data + len, f.bytes.len - len};
		}
		assert_int_equal(f.bytes.len, 0);
		buf_fini(&raw);
		buf_fini(&in);
		buf_fini(&out);
	}
}

/* A value that grows past 127 bytes, and one that shrinks below: lengths around it follow, at each level. */
static void test_lengths(void **state)
{
	for (size_t len = 90; len < 170; len++) {
		struct buf *in = slot(), *out = slot(), *text = slot();
		struct span got;
		uint32_t count;
		bool input;

		buf_puts(text, "4{1\"k\" 2{3\"a\"}} 5{1\"");
		for (size_t i = 0; i < len; i++)
			buf_puts(text, "x");
		buf_put(text, "\" 5{8\"secret\"}}", 16);
		message_put(key, buf_span(text).data, in);
		rules("r$.inputs[0].name t$..data t$.parameters.k");
		assert_int_equal(mask_one(true, buf_span(in), out, &count, &input), 0);
		assert_int_equal(count, 3);
		assert_false(input);
		got = buf_span(out);
		got = (struct span){got.data + GRPC_PREFIX_BYTES, got.len - GRPC_PREFIX_BYTES};
		assert_true(span_eq(got, message("4{1\"k\" 2{3\"($.parameters.k|a)\"}} "
		                                 "5{1\"[redacted]\" 5{8\"($..data|secret)\"}}")));
		teardown(state);
		setup(state);
	}
}

static int mask_code(struct span bytes, struct buf *out)
{
	uint32_t count;
	bool input;

	buf_reset(out);
	return mask_one(true, bytes, out, &count, &input);
}

/* Elements are as many as fit when one answer holds for all; else, and fields, are counted. */
static void test_many(void **state)
{
	struct buf *elements = slot(), *in = slot(), *out = slot();

	(void)state;
	for (int i = 0; i < 70000; i++)
		protobuf_put_bytes(elements, 8, SPAN(""));
	protobuf_put_varint(in, 5 << 3 | PROTOBUF_BYTES);
	protobuf_put_varint(in, buf_len(elements) + 4);
	protobuf_put_varint(in, 5 << 3 | PROTOBUF_BYTES);
	protobuf_put_varint(in, buf_len(elements));
	buf_span_put(in, buf_span(elements));
	rules("R$.id");
	assert_int_equal(mask_code(buf_span(in), out), 0);
	rules("D$..data[*]");
	assert_int_equal(mask_code(buf_span(in), out), 0);
	rules("D$..data[3]");
	assert_int_equal(mask_code(buf_span(in), out), ERR_LIMIT);
	buf_reset(in);
	for (int i = 0; i < 70000; i++)
		protobuf_put_bytes(in, 4, SPAN(""));
	assert_int_equal(mask_code(buf_span(in), out), ERR_LIMIT);
}

static void test_compressed(void **state)
{
	struct span plain = message(REQUEST);
	struct buf *small = slot(), *out = slot();
	uLongf len = compressBound(plain.len);
	struct mask_rules *compiled;
	struct grpc_message m;
	uint32_t count;
	bool input;

	(void)state;
	assert_int_equal(compress((Bytef *)buf_room(small, len), &len, (const Bytef *)plain.data, plain.len),
	                 Z_OK);
	m = (struct grpc_message){true, {buf_span(small).data, len}};
	rules("T$.id");
	assert_int_equal(mask_rules_new(&policy, &compiled), 0);
	assert_int_equal(
	        mask_message(compiled, key, &tensors, true, SPAN("deflate"), &m, out, &count, &input), 0);
	assert_int_equal(count, 1);
	assert_int_equal(buf_span(out).data[0], 0);
	buf_reset(out);
	assert_int_equal(mask_message(compiled, key, &tensors, true, SPAN("snappy"), &m, out, &count, &input),
	                 ERR_UNSUPPORTED);
	assert_int_equal(mask_message(compiled, key, &tensors, true, SPAN(""), &m, out, &count, &input),
	                 ERR_UNSUPPORTED);
	m.bytes.len--;
	assert_int_equal(
	        mask_message(compiled, key, &tensors, true, SPAN("deflate"), &m, out, &count, &input),
	        ERR_PROTO);
	mask_rules_free(&compiled);
}

static void test_which_calls(void **state)
{
	static const struct {
		const char *head, *name;
		enum mask_reading how;
	} heads[] = {
	        {"POST /inference.GRPCInferenceService/ModelInfer\ncontent-type: application/grpc", "",
	         MASK_BY_TENSOR},
	        {"POST /x/GRPCInferenceService/ModelStreamInfer\ncontent-type: application/grpc+proto", "",
	         MASK_BY_TENSOR},
	        {"POST /inference.GRPCInferenceService/ModelReady\ncontent-type: application/grpc", "",
	         MASK_UNREAD},
	        {"POST /helloworld.Greeter/ModelInfer\ncontent-type: application/grpc", "", MASK_UNREAD},
	        {"POST /x\ncontent-type: application/grpc", "", MASK_UNREAD},
	        {"POST /helloworld.Greeter/SayHello\ncontent-type: application/grpc",
	         "helloworld.Greeter/SayHello", MASK_BY_NUMBER},
	        {"POST /below/helloworld.Greeter/SayHello\ncontent-type: application/grpc",
	         "helloworld.Greeter/SayHello", MASK_BY_NUMBER},
	        {"POST /helloworld.Greeter/SayHello\ncontent-type: application/json", "", MASK_BY_BODY},
	};
	struct mask_rules *compiled;

	(void)state;
	rules("D$.a D/helloworld.Greeter/SayHello$.1");
	assert_int_equal(mask_rules_new(&policy, &compiled), 0);
	assert_int_equal(mask_rules_describe(compiled, NULL), 0);
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		struct span head = span_of(heads[i].head),
		            answer = SPAN("200\ncontent-type: application/grpc");
		uint32_t id = mask_call_id((struct span){head.data + 5, strcspn(head.data + 5, "\n")});
		struct mask_call call = mask_call_of(compiled, head, 0);

		assert_int_equal(call.how, heads[i].how);
		assert_true(span_eq(call.name, span_of(heads[i].name)));
		if (call.how == MASK_BY_BODY)
			continue;
		call = mask_call_of(compiled, answer, id);
		assert_int_equal(call.how, heads[i].how);
		assert_true(span_eq(call.name, span_of(heads[i].name)));
	}
	mask_rules_free(&compiled);
}

struct laid {
	size_t lengths[8];
	uint64_t times[8];
	unsigned count;
	struct buf bytes;
};

static void lay(void *arg, struct record *r, const void *payload)
{
	struct laid *l = arg;

	l->times[l->count] = r->time_ns;
	l->lengths[l->count++] = r->payload_len;
	buf_put(&l->bytes, payload, r->payload_len);
}

static void bring(struct hold *h, uint64_t time_ns, size_t len)
{
	static char zeros[RECORD_PAYLOAD_MAX];
	struct record r = {.type = RECORD_CHUNK, .time_ns = time_ns, .payload_len = (uint32_t)len};

	assert_int_equal(hold_add(h, &r, zeros), 0);
}

/* Each message ends in the record in which it ended. */
static void test_hold(void **state)
{
	static char masked[3 * RECORD_PAYLOAD_MAX];
	struct laid l = {.count = 0};
	struct hold h;

	(void)state;
	buf_init(&l.bytes, sizeof masked);
	for (size_t i = 0; i < sizeof masked; i++)
		masked[i] = (char)i;
	hold_init(&h, ROOM);
	for (uint64_t t = 1; t <= 4; t++)
		bring(&h, t, 10);
	hold_due(&h, 15, 100); /* ends in the 2nd */
	hold_due(&h, 18, 130);
	hold_due(&h, 20, 131);
	hold_due(&h, 40, 200); /* in the 4th */
	assert_int_equal(hold_release(&h, (struct span){masked, 200}, lay, &l), 0);
	assert_int_equal(l.count, 4);
	for (unsigned i = 0; i < 4; i++) {
		static const size_t want[] = {0, 131, 0, 69};

		assert_int_equal(l.lengths[i], want[i]);
		assert_int_equal(l.times[i], i + 1);
	}
	assert_true(span_eq(buf_span(&l.bytes), (struct span){masked, 200}));
	/* what has no room goes before; what has none at all is refused */
	l.count = 0;
	buf_reset(&l.bytes);
	for (uint64_t t = 1; t <= 3; t++)
		bring(&h, t, 10);
	hold_due(&h, 10, 5);
	hold_due(&h, 30, 2 * RECORD_PAYLOAD_MAX);
	assert_int_equal(hold_release(&h, (struct span){masked, 3 * RECORD_PAYLOAD_MAX + 1}, lay, &l),
	                 ERR_PROTO);
	assert_int_equal(l.count, 0);
	assert_int_equal(hold_release(&h, (struct span){masked, 2 * RECORD_PAYLOAD_MAX}, lay, &l), 0);
	assert_int_equal(l.lengths[0], 5);
	assert_int_equal(l.lengths[1], RECORD_PAYLOAD_MAX - 5);
	assert_int_equal(l.lengths[2], RECORD_PAYLOAD_MAX);
	assert_true(span_eq(buf_span(&l.bytes), (struct span){masked, 2 * RECORD_PAYLOAD_MAX}));
	hold_fini(&h);
	buf_fini(&l.bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(test_fields),      TEST(test_lengths), TEST(test_compressed),   TEST(test_many),
	        TEST(test_which_calls), TEST(test_hold),    TEST(test_raw_elements),
	};

	return cmocka_run_group_tests_name("capture_grpc", tests, NULL, NULL);
}
