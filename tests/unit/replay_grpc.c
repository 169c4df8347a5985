/* Open Inference answers over gRPC: decoded to the values that REST gives, compared message by message. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "capture/head.h"
#include "proto/grpc.h"
#include "proto/json.h"
#include "proto/protobuf.h"
#include "replay/compare.h"
#include "replay/jsondiff.h"
#include "replay/oip_grpc.h"

enum { ROOM = 1 << 20, SLOTS = 24 };

/* What a message is made of; freed after each test. */
static struct buf slots[SLOTS];
static unsigned used;
static struct comparison got;
static struct plan_route route;
static const char *target = "/inference.GRPCInferenceService/ModelInfer";
static struct span encoding;

static int reset(void **state)
{
	(void)state;
	memset(&route, 0, sizeof route);
	target = "/inference.GRPCInferenceService/ModelInfer";
	encoding = SPAN("");
	return 0;
}

static int done(void **state)
{
	(void)state;
	comparison_fini(&got);
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

static void put_shape(struct buf *out, const char *shape)
{
	struct buf dimensions;
	char *end;

	buf_init(&dimensions, ROOM);
	for (const char *at = shape; *at; at = *end ? end + 1 : end)
		protobuf_put_varint(&dimensions, (uint64_t)strtoll(at, &end, 10));
	protobuf_put_bytes(out, 3, buf_span(&dimensions));
	buf_fini(&dimensions);
}

/* A tensor; contents may be empty: none. */
static struct span tensor(const char *name, const char *type, const char *shape, struct span contents)
{
	struct buf *out = slot();

	protobuf_put_bytes(out, 1, span_of(name));
	protobuf_put_bytes(out, 2, span_of(type));
	put_shape(out, shape);
	if (contents.len)
		protobuf_put_bytes(out, 5, contents);
	return buf_span(out);
}

/* An answer with one output, and its raw contents unless they are NULL. */
static struct span response(struct span output, const struct span *raw)
{
	struct buf *out = slot();

	protobuf_put_bytes(out, 1, SPAN("model"));
	protobuf_put_bytes(out, 3, SPAN("id"));
	protobuf_put_bytes(out, 5, output);
	if (raw)
		protobuf_put_bytes(out, 6, *raw);
	return buf_span(out);
}

static struct span packed(unsigned number, struct span elements)
{
	struct buf *out = slot();

	protobuf_put_bytes(out, number, elements);
	return buf_span(out);
}

static void same_text(struct span json, struct span plain)
{
	struct buf text;

	buf_init(&text, ROOM);
	if (json.data[0] == '"')
		json_unescape(json, &text);
	else
		buf_span_put(&text, json);
	assert_true(span_eq(buf_span(&text), plain));
	buf_fini(&text);
}

static void same_answer(const struct oip_answer *rest, const struct oip_answer *grpc)
{
	assert_true(grpc->plain && !rest->plain);
	assert_int_equal(rest->count, grpc->count);
	for (unsigned i = 0; i < rest->count; i++) {
		const struct oip_tensor *a = &rest->tensors[i], *b = &grpc->tensors[i];

		same_text(a->name, b->name);
		same_text(a->datatype, b->datatype);
		assert_int_equal(a->rank, b->rank);
		assert_memory_equal(a->shape, b->shape, a->rank * sizeof a->shape[0]);
		assert_int_equal(a->count, b->count);
		assert_int_equal(!a->values, !b->values);
		for (size_t e = 0; e < a->count; e++) {
			if (!a->values)
				same_text(a->texts[e], b->texts[e]);
			else if (!(isnan(a->values[e]) && isnan(b->values[e])))
				assert_true(a->values[e] == b->values[e]);
		}
	}
}

#define F32(...)                                                                                             \
	(const void *)(const float[]){__VA_ARGS__}, sizeof(float[])                                          \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}
#define F64(...)                                                                                             \
	(const void *)(const double[]){__VA_ARGS__}, sizeof(double[])                                        \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}
#define BYTES(text) text, sizeof(text) - 1

/* One value in each form; raw and elements are little-endian, as this machine is. */
static const struct {
	const char *type, *shape, *data; /* as REST has it */
	unsigned number;                 /* of the typed field; 0: there is none */
	const void *elements;
	size_t elements_len;
	const void *raw;
	size_t raw_len;
} table[] = {
        {"BOOL", "3", "[true,false,true]", 1, BYTES("\1\0\1"), BYTES("\1\0\1")},
        {"INT8", "2,2", "[[1,-128],[127,0]]", 2, BYTES("\1\x80\xff\xff\xff\xff\xff\xff\xff\xff\1\x7f\0"),
         BYTES("\1\x80\x7f\0")},
        {"INT16", "2", "[-2,300]", 2, BYTES("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1\xac\2"),
         BYTES("\xfe\xff\x2c\1")},
        {"INT32", "1", "[-2147483648]", 2, BYTES("\x80\x80\x80\x80\xf8\xff\xff\xff\xff\1"),
         BYTES("\0\0\0\x80")},
        {"INT64", "2", "[-1,9007199254740993]", 3,
         BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\x81\x80\x80\x80\x80\x80\x80\x10"),
         BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0\0\0\0\x20\0")},
        {"UINT8", "2", "[255,0]", 4, BYTES("\xff\1\0"), BYTES("\xff\0")},
        {"UINT16", "1", "[65535]", 4, BYTES("\xff\xff\3"), BYTES("\xff\xff")},
        {"UINT32", "1", "[4294967295]", 4, BYTES("\xff\xff\xff\xff\xf"), BYTES("\xff\xff\xff\xff")},
        {"UINT64", "1", "[18446744073709551615]", 5, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
         BYTES("\xff\xff\xff\xff\xff\xff\xff\xff")},
        {"FP16", "6", "[1.5,-2,0.000000059604644775390625,65504,NaN,-Infinity]", 0, NULL, 0,
         BYTES("\0\x3e\0\xc0\1\0\xff\x7b\1\x7e\0\xfc")},
        {"BF16", "3", "[1,-0.5,NaN]", 0, NULL, 0, BYTES("\x80\x3f\0\xbf\xc0\x7f")},
        {"FP32", "3", "[0.25,-1e10,Infinity]", 6, F32(0.25f, -1e10f, INFINITY), F32(0.25f, -1e10f, INFINITY)},
        {"FP64", "1,3", "[0.1,0.2,0.7]", 7, F64(0.1, 0.2, 0.7), F64(0.1, 0.2, 0.7)},
        {"BYTES", "2", "[\"a\\n\\u00e9\",\"\"]", 8, BYTES("\x42\4a\n\xc3\xa9\x42\0"),
         BYTES("\4\0\0\0a\n\xc3\xa9\0\0\0\0")},
        {"FP64", "0", "[]", 7, NULL, 0, "", 0},
        {"UINT8", "", "7", 4, BYTES("\7"), BYTES("\7")},
};

static struct span typed(size_t i)
{
	struct span elements = {table[i].elements, table[i].elements_len};

	/* repeated bytes are never packed: the table has their fields */
	return table[i].number == 8 || !elements.len ? elements : packed(table[i].number, elements);
}

static void check_row(size_t i, const struct oip_answer *rest)
{
	struct span raw = {table[i].raw, table[i].raw_len}, message;
	struct oip_answer grpc;
	bool failed;

	message = response(tensor("y\"\xc3\xa9", table[i].type, table[i].shape, SPAN("")), &raw);
	assert_int_equal(oip_grpc_read(message, OIP_GRPC_BARE, ROOM, &grpc, &failed), 0);
	same_answer(rest, &grpc);
	oip_fini(&grpc);
	if (table[i].number) {
		message = response(tensor("y\"\xc3\xa9", table[i].type, table[i].shape, typed(i)), NULL);
		assert_int_equal(oip_grpc_read(message, OIP_GRPC_BARE, ROOM, &grpc, &failed), 0);
		same_answer(rest, &grpc);
		oip_fini(&grpc);
	}
	/* one byte more or less is another tensor */
	raw.len = raw.len ? raw.len - 1 : 1;
	message = response(tensor("y", table[i].type, table[i].shape, SPAN("")), &raw);
	assert_int_equal(oip_grpc_read(message, OIP_GRPC_BARE, ROOM, &grpc, &failed), ERR_PROTO);
	oip_fini(&grpc);
}

static void as_over_rest(void **state)
{
	char body[512];
	struct oip_answer rest;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		snprintf(body, sizeof body,
		         "{\"outputs\":[{\"name\":\"y\\\"\\u00e9\",\"datatype\":\"%s\",\"shape\":[%s],"
		         "\"data\":%s}]}",
		         table[i].type, table[i].shape, table[i].data);
		assert_int_equal(oip_read(span_of(body), ROOM, &rest), 0);
		check_row(i, &rest);
		oip_fini(&rest);
		done(state);
	}
}

static int read_code(struct span message, size_t work)
{
	struct oip_answer answer;
	bool failed;
	int err = oip_grpc_read(message, OIP_GRPC_BARE, work, &answer, &failed);

	oip_fini(&answer);
	return err;
}

static void refused(void **state)
{
	struct span raw = SPAN("12345678"), contents = packed(7, raw);
	struct buf *two = slot();

	(void)state;
	assert_int_equal(read_code(response(tensor("y", "FP64", "1", contents), NULL), ROOM), 0);
	assert_int_equal(read_code(response(tensor("y", "FP64", "2", contents), NULL), ROOM), ERR_PROTO);
	assert_int_equal(read_code(response(tensor("y", "FP32", "1", contents), NULL), ROOM), ERR_PROTO);
	done(state);
	contents = packed(7, raw);
	assert_int_equal(read_code(response(tensor("y", "FP64", "1", contents), &raw), ROOM), ERR_PROTO);
	assert_int_equal(read_code(response(tensor("y", "FP64", "-1", contents), NULL), ROOM), ERR_PROTO);
	assert_int_equal(read_code(response(tensor("y", "FP65", "1", SPAN("")), &raw), ROOM), ERR_PROTO);
	done(state);
	assert_int_equal(read_code(response(tensor("y", "FP64", "4194304,2", SPAN("")), &raw), ROOM),
	                 ERR_LIMIT);
	assert_int_equal(
	        read_code(response(tensor("y", "FP64", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", SPAN("")), &raw),
	                  ROOM),
	        ERR_LIMIT);
	done(state);
	two = slot();
	protobuf_put_bytes(two, 5, tensor("y", "FP64", "0", SPAN("")));
	protobuf_put_bytes(two, 5, tensor("z", "FP64", "0", SPAN("")));
	assert_int_equal(read_code(buf_span(two), ROOM), 0);
	protobuf_put_bytes(two, 5, tensor("y", "FP64", "0", SPAN("")));
	assert_int_equal(read_code(buf_span(two), ROOM), ERR_PROTO);
	assert_int_equal(read_code(SPAN("\x2a\5x"), ROOM), ERR_PROTO);
	assert_int_equal(read_code(SPAN(""), ROOM), 0);
}

/* Two bytes make a tensor of a hundred: no more than was allowed is taken. */
static void bounded(void **state)
{
	struct buf *many = slot();

	(void)state;
	for (int i = 0; i < 10000; i++)
		protobuf_put_bytes(many, 5, SPAN(""));
	assert_int_equal(read_code(buf_span(many), 100000), ERR_NOMEM);
	assert_int_equal(read_code(buf_span(many), SIZE_MAX), ERR_LIMIT);
}

static void every_cut(void **state)
{
	static const double values[] = {0.1, 0.9};
	struct span whole = response(
	        tensor("p", "FP64", "1,2", packed(7, (struct span){(const char *)values, sizeof values})),
	        NULL);

	(void)state;
	assert_int_equal(read_code(whole, ROOM), 0);
	for (size_t cut = 1; cut < whole.len; cut++) {
		char *part = malloc(cut); /* its end is the sanitizer's */
		int err;

		assert_non_null(part);
		memcpy(part, whole.data, cut);
		err = read_code((struct span){part, cut}, ROOM);
		assert_true(err == ERR_PROTO || cut == 7 || cut == 11); /* between two fields */
		free(part);
	}
}

/* Probabilities of two classes, `row` after row. */
static struct span labels(const char *text)
{
	double values[32];
	char shape[32];
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++) {
		values[2 * i] = text[i] == 'a' ? 0.75 : 0.25;
		values[2 * i + 1] = 1 - values[2 * i];
	}
	snprintf(shape, sizeof shape, "%zu,2", n);
	return response(tensor("p", "FP64", shape,
	                       packed(7, (struct span){(const char *)values, n * 2 * sizeof *values})),
	                NULL);
}

static void put_message(struct buf *out, struct span message)
{
	char prefix[GRPC_PREFIX_BYTES];

	assert_int_equal(grpc_prefix(message.len, prefix), 0);
	buf_put(out, prefix, sizeof prefix);
	buf_span_put(out, message);
}

static struct span body(const char *first, const char *second)
{
	struct buf *out;
	struct span a = labels(first), b = second ? labels(second) : a;

	out = slot();
	put_message(out, a);
	if (second)
		put_message(out, b);
	return buf_span(out);
}

static int compare(unsigned live_status, struct span live, unsigned candidate_status, struct span candidate)
{
	struct answer a = {.status = live_status,
	                   .content_type = SPAN("application/grpc"),
	                   .body = live,
	                   .grpc = true,
	                   .encoding = encoding,
	                   .target = span_of(target)};
	struct answer b = a;

	b.status = candidate_status;
	b.body = candidate;
	comparison_fini(&got);
	return compare_pair(&route, &a, &b, ROOM, &got);
}

static void counted(unsigned rows, unsigned diverged, unsigned flips)
{
	assert_int_equal(got.row_count, rows);
	assert_int_equal(got.rows_diverged, diverged);
	assert_int_equal(got.counts[DIVERGENCE_LABEL_FLIP], flips);
	assert_int_equal(got.diverged, diverged > 0);
}

static void unary(void **state)
{
	for (uint32_t protocol = PROTOCOL_AUTO; protocol <= PROTOCOL_OPENINFERENCE; protocol++) {
		route.protocol = protocol;
		assert_int_equal(compare(0, body("aba", NULL), 0, body("aba", NULL)), 0);
		counted(3, 0, 0);
		assert_true(got.rows[2].has_measures && got.rows[2].tv == 0);
		done(state);
		assert_int_equal(compare(0, body("aba", NULL), 0, body("abb", NULL)), 0);
		counted(3, 1, 1);
		assert_true(got.rows[2].flipped && got.rows[2].live_label == 0);
		assert_true(got.rows[2].tv == 0.5);
		assert_string_equal(got.where, "outputs[0] row 2: 0 -> 1");
		done(state);
	}
	assert_int_equal(compare(0, body("a", NULL), 0, SPAN("\0\0\0\0\2\x2a\5")), ERR_PROTO);
	assert_int_equal(compare(0, body("a", NULL), 0, SPAN("\0\0\0\0\2x")), ERR_PROTO);
}

static void streams(void **state)
{
	target = "/p/inference.GRPCInferenceService/ModelStreamInfer";
	assert_int_equal(compare(0, body("ab", "ba"), 0, body("ab", "bb")), 0);
	counted(4, 1, 1);
	assert_true(got.rows[3].flipped);
	assert_string_equal(got.where, "message 1: outputs[0] row 1: 0 -> 1");
	done(state);
	assert_int_equal(compare(0, body("ab", "ba"), 0, body("ab", NULL)), 0);
	counted(4, 4, 0);
	assert_int_equal(got.counts[DIVERGENCE_STRUCTURE], 1);
	assert_string_equal(got.where, "message 1: missing");
	done(state);
	assert_int_equal(compare(0, body("ab", NULL), 0, body("ab", "b")), 0);
	counted(2, 2, 0);
	assert_string_equal(got.where, "message 1: extra");
}

/* Triton wraps each answer; the values are the same. */
static void wrapped(void **state)
{
	struct buf *a, *b = slot(), *failed = slot(), *bodies[2];
	struct span bare = labels("ab");

	(void)state;
	target = "/inference.GRPCInferenceService/ModelStreamInfer";
	protobuf_put_bytes(b, 2, labels("aa"));
	protobuf_put_bytes(failed, 1, SPAN("no such model"));
	a = bodies[0] = slot();
	bodies[1] = slot();
	put_message(a, bare);
	put_message(bodies[1], buf_span(b));
	assert_int_equal(compare(0, buf_span(bodies[0]), 0, buf_span(bodies[1])), 0);
	counted(2, 1, 1);
	buf_reset(bodies[1]);
	put_message(bodies[1], buf_span(failed));
	assert_int_equal(compare(0, buf_span(bodies[0]), 0, buf_span(bodies[1])), 0);
	assert_int_equal(got.counts[DIVERGENCE_STATUS], 1);
	assert_string_equal(got.where, "error_message of the candidate alone");
	assert_int_equal(compare(0, buf_span(bodies[1]), 0, buf_span(bodies[1])), 0);
	counted(1, 0, 0);
}

/* What one message leaves open, a model's name or an error, the others of its stream tell. */
static void one_form(void **state)
{
	struct buf *name = slot(), *version = slot(), *wrap = slot(), *bare = slot(), *wrapped_ = slot();
	struct span all[3];

	(void)state;
	target = "/inference.GRPCInferenceService/ModelStreamInfer";
	protobuf_put_bytes(name, 1, SPAN("m"));
	protobuf_put_bytes(version, 1, SPAN("m"));
	protobuf_put_bytes(version, 2, SPAN("01")); /* also field 6, the number 49 */
	all[0] = buf_span(name);
	all[1] = buf_span(version);
	all[2] = labels("ab");
	for (unsigned i = 0; i < 3; i++) {
		buf_reset(wrap);
		protobuf_put_bytes(wrap, 2, all[i]);
		put_message(bare, all[i]);
		put_message(wrapped_, buf_span(wrap));
	}
	assert_int_equal(oip_grpc_form_of(all[0]), OIP_GRPC_EITHER);
	assert_int_equal(oip_grpc_form_of(all[1]), OIP_GRPC_BARE);
	assert_int_equal(compare(0, buf_span(bare), 0, buf_span(wrapped_)), 0);
	counted(2, 0, 0);
	assert_false(got.diverged);
	assert_int_equal(compare(0, buf_span(wrapped_), 0, buf_span(bare)), 0);
	assert_false(got.diverged);
}

static void outcomes(void **state)
{
	struct answer page = {.content_type = SPAN("text/html"), .body = SPAN("<p>"), .grpc = true};
	struct answer live = {.status = 14, .content_type = SPAN("application/grpc"), .grpc = true};

	assert_int_equal(compare(0, body("ab", NULL), 14, SPAN("")), 0);
	counted(2, 2, 0);
	assert_int_equal(got.counts[DIVERGENCE_STATUS], 1);
	assert_string_equal(got.where, "grpc-status 0 OK -> 14 UNAVAILABLE");
	assert_int_equal(compare(5, SPAN(""), 5, SPAN("")), 0);
	counted(1, 0, 0);
	assert_int_equal(compare(5, SPAN(""), 0, SPAN("\2")), 0);
	counted(1, 1, 0);
	assert_int_equal(compare(5, SPAN("\2"), 0, SPAN("")), 0);
	counted(1, 1, 0);
	done(state);
	/* a page that a balancer sent stands for its status */
	page.status = head_grpc_status(SPAN("503\ncontent-type: text/html"), SPAN(""));
	assert_int_equal(compare_pair(&route, &live, &page, ROOM, &got), 0);
	counted(1, 0, 0);
	assert_int_equal(head_grpc_status(SPAN("200\ngrpc-status: 5"), SPAN("")), 5);
	assert_int_equal(head_grpc_status(SPAN("200\na: b"), SPAN("x: y\ngrpc-status: 0")), 0);
	assert_int_equal(head_grpc_status(SPAN("200"), SPAN("")), 2);
}

static void other_calls(void **state)
{
	target = "/helloworld.Greeter/SayHello";
	assert_int_equal(
	        compare(0, SPAN("\0\0\0\0\3one\0\0\0\0\3two"), 0, SPAN("\0\0\0\0\3one\0\0\0\0\3twx")), 0);
	counted(2, 1, 0);
	assert_string_equal(got.where, "message 1: bytes differ from offset 2");
	target = "/inference.GRPCInferenceService/ModelInfer";
	route.protocol = PROTOCOL_BYTES;
	assert_int_equal(compare(0, body("a", NULL), 0, body("b", NULL)), 0);
	counted(1, 1, 0);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
	done(state);
}

/* A stream longer than there are rows: the last row stands for the rest. */
static void long_streams(void **state)
{
	struct buf *a = slot(), *b = slot();

	(void)state;
	target = "/helloworld.Greeter/SayMuch";
	for (int i = 0; i < COMPARE_ROWS_MAX + 10; i++) {
		put_message(a, SPAN("same"));
		put_message(b, i == COMPARE_ROWS_MAX + 5 ? SPAN("samE") : SPAN("same"));
	}
	assert_int_equal(compare(0, buf_span(a), 0, buf_span(a)), 0);
	counted(COMPARE_ROWS_MAX, 0, 0);
	assert_int_equal(compare(0, buf_span(a), 0, buf_span(b)), 0);
	counted(COMPARE_ROWS_MAX, 1, 0);
	assert_true(got.rows[COMPARE_ROWS_MAX - 1].diverged);
	assert_string_equal(got.where, "message 4101: bytes differ from offset 3");
}

static void compressed(void **state)
{
	struct span plain = labels("ab");
	struct buf *small = slot();
	uLongf len = compressBound(plain.len);
	char *prefix, *room = buf_room(small, len + GRPC_PREFIX_BYTES);

	(void)state;
	prefix = room;
	assert_int_equal(
	        compress((Bytef *)room + GRPC_PREFIX_BYTES, &len, (const Bytef *)plain.data, plain.len),
	        Z_OK);
	assert_int_equal(grpc_prefix(len, prefix), 0);
	prefix[0] = 1;
	buf_grown(small, len + GRPC_PREFIX_BYTES);
	encoding = SPAN("deflate");
	assert_int_equal(compare(0, buf_span(small), 0, body("aa", NULL)), 0);
	counted(2, 1, 1);
	encoding = SPAN("snappy");
	assert_int_equal(compare(0, buf_span(small), 0, body("aa", NULL)), ERR_PROTO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, done)
	const struct CMUnitTest tests[] = {
	        TEST(as_over_rest), TEST(refused),      TEST(bounded),    TEST(every_cut),
	        TEST(unary),        TEST(streams),      TEST(wrapped),    TEST(outcomes),
	        TEST(other_calls),  TEST(long_streams), TEST(compressed), TEST(one_form),
	};

	return cmocka_run_group_tests_name("replay_grpc", tests, NULL, NULL);
}
