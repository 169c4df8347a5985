/* TensorFlow Serving's answers over gRPC, written as its .proto files say: every dtype, typed and as content.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/grpc.h"
#include "proto/protobuf.h"
#include "replay/compare.h"
#include "replay/tfs_grpc.h"

enum { ROOM = 1 << 20 };

static struct oip_answer got;
static struct buf tensor, message, other;

static int begin(void **state)
{
	(void)state;
	buf_init(&tensor, ROOM);
	buf_init(&message, ROOM);
	buf_init(&other, ROOM);
	return 0;
}

static int done(void **state)
{
	(void)state;
	oip_fini(&got);
	buf_fini(&tensor);
	buf_fini(&message);
	buf_fini(&other);
	return 0;
}

static void put_number(struct buf *b, uint32_t number, uint64_t value)
{
	protobuf_put_varint(b, number << 3 | PROTOBUF_VARINT);
	protobuf_put_varint(b, value);
}

static void put_fixed32(struct buf *b, uint32_t number, float value)
{
	protobuf_put_varint(b, number << 3 | PROTOBUF_FIXED32);
	buf_put(b, &value, sizeof value);
}

/* TensorProto of that dtype with these dimensions, 0 at their end. */
static void begin_tensor(unsigned dtype, const unsigned *dimensions)
{
	struct buf shape, dimension;

	buf_init(&shape, ROOM);
	buf_init(&dimension, ROOM);
	buf_reset(&tensor);
	put_number(&tensor, 1, dtype);
	for (; *dimensions; dimensions++) {
		buf_reset(&dimension);
		put_number(&dimension, 1, *dimensions);
		protobuf_put_bytes(&shape, 2, buf_span(&dimension));
	}
	protobuf_put_bytes(&tensor, 2, buf_span(&shape));
	buf_fini(&shape);
	buf_fini(&dimension);
}

#define SCALAR     ((const unsigned[]){0})
#define SHAPE(...) ((const unsigned[]){__VA_ARGS__, 0})

/* PredictResponse with that tensor as its output "y", and what answered. */
static void as_output(struct buf *to)
{
	struct buf entry;

	buf_init(&entry, ROOM);
	protobuf_put_bytes(&entry, 1, SPAN("y"));
	protobuf_put_bytes(&entry, 2, buf_span(&tensor));
	protobuf_put_bytes(to, 1, buf_span(&entry));
	protobuf_put_bytes(to, 2, SPAN("\x0a\x01m"));
	buf_fini(&entry);
}

static int decode(void)
{
	buf_reset(&message);
	as_output(&message);
	oip_fini(&got);
	return tfs_grpc_read(buf_span(&message), TFS_PREDICT, ROOM, &got);
}

static void holds(const char *datatype, size_t count, const double *values)
{
	const struct oip_tensor *t = &got.tensors[0];

	assert_int_equal(got.count, 1);
	assert_true(span_eq(t->name, SPAN("y")));
	assert_true(span_eq(t->datatype, span_of(datatype)));
	assert_int_equal(t->count, count);
	for (size_t i = 0; i < count; i++)
		if (!(isnan(values[i]) && isnan(t->values[i])))
			assert_true(t->values[i] == values[i]);
}

#define VALUES(...) ((const double[]){__VA_ARGS__})

/* Elements of a packed list of varints. */
static void put_packed(uint32_t field, const uint64_t *values, size_t count)
{
	struct buf packed;

	buf_init(&packed, ROOM);
	for (size_t i = 0; i < count; i++)
		protobuf_put_varint(&packed, values[i]);
	protobuf_put_bytes(&tensor, field, buf_span(&packed));
	buf_fini(&packed);
}

static void typed_numbers(void **state)
{
	static const struct {
		unsigned dtype, field;
		const char *name;
		uint64_t first, second;
		double one, two;
	} cases[] = {
	        {3, 7, "INT32", (uint64_t)-5, 7, -5, 7},
	        {4, 7, "UINT8", 200, 7, 200, 7},
	        {5, 7, "INT16", (uint64_t)-300, 300, -300, 300},
	        {6, 7, "INT8", (uint64_t)-128, 127, -128, 127},
	        {11, 7, "QINT8", (uint64_t)-1, 1, -1, 1},
	        {12, 7, "QUINT8", 255, 0, 255, 0},
	        {13, 7, "QINT32", (uint64_t)-70000, 2, -70000, 2},
	        {14, 13, "BF16", 0x3fc0, 0xc000, 1.5, -2},
	        {15, 7, "QINT16", (uint64_t)-2, 2, -2, 2},
	        {16, 7, "QUINT16", 65535, 2, 65535, 2},
	        {17, 7, "UINT16", 65535, 2, 65535, 2},
	        {19, 13, "FP16", 0x3e00, 0xfc00, 1.5, -INFINITY},
	        {22, 16, "UINT32", 4294967295, 2, 4294967295.0, 2},
	        {29, 7, "INT4", (uint64_t)-8, 7, -8, 7},
	        {30, 7, "UINT4", 15, 0, 15, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const double want[] = {cases[i].one, cases[i].two, cases[i].two, cases[i].two};

		/* packed, its last value repeated to fill the shape */
		begin_tensor(cases[i].dtype, SHAPE(2, 2));
		put_packed(cases[i].field, (const uint64_t[]){cases[i].first, cases[i].second}, 2);
		assert_int_equal(decode(), 0);
		holds(cases[i].name, 4, want);
		assert_int_equal(got.tensors[0].rank, 2);
		/* one by one */
		begin_tensor(cases[i].dtype, SHAPE(2));
		put_number(&tensor, cases[i].field, cases[i].first);
		put_number(&tensor, cases[i].field, cases[i].second);
		assert_int_equal(decode(), 0);
		holds(cases[i].name, 2, want);
		/* nothing: zeroes */
		begin_tensor(cases[i].dtype, SHAPE(2));
		assert_int_equal(decode(), 0);
		holds(cases[i].name, 2, VALUES(0, 0));
	}
}

static void floats(void **state)
{
	const float three[] = {0.5f, -1.25f, NAN};
	const double two[] = {0.1, INFINITY};

	(void)state;
	begin_tensor(1, SHAPE(4));
	protobuf_put_bytes(&tensor, 5, (struct span){(const char *)three, sizeof three});
	assert_int_equal(decode(), 0);
	holds("FP32", 4, VALUES(0.5, -1.25, NAN, NAN));
	begin_tensor(1, SHAPE(2));
	put_fixed32(&tensor, 5, 0.5f);
	put_fixed32(&tensor, 5, 2);
	assert_int_equal(decode(), 0);
	holds("FP32", 2, VALUES(0.5, 2));
	begin_tensor(2, SHAPE(2));
	protobuf_put_bytes(&tensor, 6, (struct span){(const char *)two, sizeof two});
	assert_int_equal(decode(), 0);
	holds("FP64", 2, VALUES(0.1, INFINITY));
	/* a complex number has two parts */
	begin_tensor(8, SHAPE(1));
	protobuf_put_bytes(&tensor, 9, (struct span){(const char *)three, 8});
	assert_int_equal(decode(), 0);
	holds("COMPLEX64", 2, VALUES(0.5, -1.25));
	assert_int_equal(got.tensors[0].rank, 2);
	begin_tensor(18, SHAPE(1));
	protobuf_put_bytes(&tensor, 12, (struct span){(const char *)two, sizeof two});
	assert_int_equal(decode(), 0);
	holds("COMPLEX128", 2, VALUES(0.1, INFINITY));
	/* OCP FP8: 1.75 * 2^15 and 448 are the largest, 0x7f of E4M3 is none */
	begin_tensor(24, SHAPE(4));
	protobuf_put_bytes(&tensor, 18, SPAN("\x7b\x3c\xfc\x01"));
	assert_int_equal(decode(), 0);
	holds("FP8_E5M2", 4, VALUES(57344, 1, -INFINITY, ldexp(1, -16)));
	begin_tensor(25, SHAPE(4));
	protobuf_put_bytes(&tensor, 18, SPAN("\x7e\x38\x7f\x81"));
	assert_int_equal(decode(), 0);
	holds("FP8_E4M3", 4, VALUES(448, 1, NAN, -ldexp(1, -9)));
}

static void complex_repeats(void **state)
{
	const float two[] = {0.5f, -1.25f};

	(void)state;
	begin_tensor(8, SHAPE(3));
	protobuf_put_bytes(&tensor, 9, (struct span){(const char *)two, sizeof two});
	assert_int_equal(decode(), 0);
	holds("COMPLEX64", 6, VALUES(0.5, -1.25, 0.5, -1.25, 0.5, -1.25));
}

static void texts_are(const char *datatype, size_t count, const char *const *texts)
{
	assert_true(span_eq(got.tensors[0].datatype, span_of(datatype)));
	assert_int_equal(got.tensors[0].count, count);
	for (size_t i = 0; i < count; i++)
		assert_true(span_eq(got.tensors[0].texts[i], span_of(texts[i])));
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__})

static void exact(void **state)
{
	(void)state;
	begin_tensor(9, SHAPE(3));
	put_packed(10, (const uint64_t[]){(uint64_t)INT64_MIN, 9007199254740993}, 2);
	assert_int_equal(decode(), 0);
	texts_are("INT64", 3, TEXTS("-9223372036854775808", "9007199254740993", "9007199254740993"));
	begin_tensor(23, SHAPE(1));
	put_packed(17, (const uint64_t[]){UINT64_MAX}, 1);
	assert_int_equal(decode(), 0);
	texts_are("UINT64", 1, TEXTS("18446744073709551615"));
	begin_tensor(10, SHAPE(3));
	put_packed(11, (const uint64_t[]){0, 1}, 2);
	assert_int_equal(decode(), 0);
	texts_are("BOOL", 3, TEXTS("false", "true", "true"));
	begin_tensor(7, SHAPE(3));
	protobuf_put_bytes(&tensor, 8, SPAN(""));
	protobuf_put_bytes(&tensor, 8, SPAN("ab"));
	assert_int_equal(decode(), 0);
	texts_are("BYTES", 3, TEXTS("", "ab", "ab"));
	begin_tensor(7, SHAPE(3)); /* lengths, then bytes */
	protobuf_put_bytes(&tensor, 4, (struct span){"\x01\x00\x02xyz", 6});
	assert_int_equal(decode(), 0);
	texts_are("BYTES", 3, TEXTS("x", "", "yz"));
}

static void contents(void **state)
{
	const float one = 0.5f;

	(void)state;
	begin_tensor(1, SCALAR); /* a scalar */
	protobuf_put_bytes(&tensor, 4, (struct span){(const char *)&one, sizeof one});
	assert_int_equal(decode(), 0);
	holds("FP32", 1, VALUES(0.5));
	begin_tensor(19, SHAPE(2));
	protobuf_put_bytes(&tensor, 4, (struct span){"\x00\x3e\x01\x00", 4});
	assert_int_equal(decode(), 0);
	holds("FP16", 2, VALUES(1.5, ldexp(1, -24)));
	begin_tensor(6, SHAPE(2));
	protobuf_put_bytes(&tensor, 4, SPAN("\xff\x7f"));
	assert_int_equal(decode(), 0);
	holds("INT8", 2, VALUES(-1, 127));
	begin_tensor(9, SHAPE(1));
	protobuf_put_bytes(&tensor, 4, SPAN("\xfe\xff\xff\xff\xff\xff\xff\xff"));
	assert_int_equal(decode(), 0);
	texts_are("INT64", 1, TEXTS("-2"));
	begin_tensor(1, SHAPE(2));
	protobuf_put_bytes(&tensor, 4, (struct span){(const char *)&one, sizeof one});
	assert_int_equal(decode(), ERR_PROTO);
}

static void refused(void **state)
{
	(void)state;
	begin_tensor(20, SHAPE(1)); /* a resource */
	assert_int_equal(decode(), ERR_PROTO);
	begin_tensor(3, SHAPE(1 << 23));
	assert_int_equal(decode(), ERR_LIMIT);
	begin_tensor(3, SHAPE(1 << 20));
	assert_int_equal(decode(), ERR_NOMEM);
	begin_tensor(3, SHAPE(1));
	as_output(&other); /* two of one name */
	as_output(&other);
	oip_fini(&got);
	assert_int_equal(tfs_grpc_read(buf_span(&other), TFS_PREDICT, ROOM, &got), ERR_PROTO);
	begin_tensor(7, SHAPE(2));
	protobuf_put_bytes(&tensor, 4, SPAN("\x01\x05xy"));
	assert_int_equal(decode(), ERR_PROTO);
	begin_tensor(3, SHAPE(3));
	put_packed(7, (const uint64_t[]){300, 2, 3}, 3);
	assert_int_equal(decode(), 0);
	for (size_t n = 0; n < buf_len(&message); n++) { /* cut anywhere: bytes of it, or an error */
		char *cut = malloc(n + 1);

		memcpy(cut, buf_span(&message).data, n);
		oip_fini(&got);
		if (!tfs_grpc_read((struct span){cut, n}, TFS_PREDICT, ROOM, &got) && got.count)
			holds("INT32", 3, VALUES(300, 2, 3));
		oip_fini(&got);
		free(cut);
	}
}

/* --- classifications and regressions --- */

static void put_class(struct buf *to, const char *label, float score)
{
	struct buf class;

	buf_init(&class, ROOM);
	protobuf_put_bytes(&class, 1, span_of(label));
	put_fixed32(&class, 2, score);
	protobuf_put_bytes(to, 1, buf_span(&class));
	buf_fini(&class);
}

static void put_result(struct buf *to, struct span example)
{
	struct buf result;

	buf_init(&result, ROOM);
	protobuf_put_bytes(&result, 1, example);
	protobuf_put_bytes(&result, 1, example);
	protobuf_put_bytes(to, 1, buf_span(&result));
	buf_fini(&result);
}

static void classified(void **state)
{
	(void)state;
	put_class(&tensor, "dog", 0.75f);
	put_class(&tensor, "cat", 0.25f);
	put_result(&message, buf_span(&tensor));
	assert_int_equal(tfs_grpc_read(buf_span(&message), TFS_CLASSIFY, ROOM, &got), 0);
	assert_int_equal(got.count, 2);
	texts_are("BYTES", 4, TEXTS("cat", "dog", "cat", "dog"));
	assert_true(got.tensors[1].values[0] == 0.25 && got.tensors[1].values[3] == 0.75);
	oip_fini(&got);
	buf_reset(&message);
	buf_reset(&tensor);
	put_fixed32(&tensor, 1, 1.5f);
	put_result(&message, buf_span(&tensor));
	assert_int_equal(tfs_grpc_read(buf_span(&message), TFS_REGRESS, ROOM, &got), 0);
	assert_true(got.count == 1 && got.tensors[0].count == 2 && got.tensors[0].values[1] == 1.5);
}

/* --- pairs --- */

static void frame(struct buf *to, struct span m)
{
	char prefix[GRPC_PREFIX_BYTES];

	assert_int_equal(grpc_prefix(m.len, prefix), 0);
	buf_put(to, prefix, sizeof prefix);
	buf_span_put(to, m);
}

static void compare(const char *target, struct span live, struct span candidate, struct comparison *out)
{
	struct plan_route route = {0};
	struct buf a, b;
	struct answer one = {
	        .grpc = true, .content_type = SPAN("application/grpc"), .target = span_of(target)};
	struct answer two = one;

	buf_init(&a, ROOM);
	buf_init(&b, ROOM);
	frame(&a, live);
	frame(&b, candidate);
	one.body = buf_span(&a);
	two.body = buf_span(&b);
	assert_int_equal(compare_pair(&route, &one, &two, ROOM, out), 0);
	buf_fini(&a);
	buf_fini(&b);
}

/* Classes in another order are the same answer; typed and as content, too. */
static void pairs(void **state)
{
	struct comparison c;

	(void)state;
	put_class(&tensor, "dog", 0.75f);
	put_class(&tensor, "cat", 0.25f);
	put_result(&message, buf_span(&tensor));
	buf_reset(&tensor);
	put_class(&tensor, "cat", 0.25f);
	put_class(&tensor, "dog", 0.75f);
	put_result(&other, buf_span(&tensor));
	compare("/tensorflow.serving.PredictionService/Classify", buf_span(&message), buf_span(&other), &c);
	assert_true(!c.diverged && c.row_count == 2 && c.read_as == PROTOCOL_TFSERVING);
	comparison_fini(&c);
	buf_reset(&tensor);
	buf_reset(&other);
	put_class(&tensor, "cat", 0.75f);
	put_class(&tensor, "dog", 0.25f);
	put_result(&other, buf_span(&tensor));
	compare("/tensorflow.serving.PredictionService/Classify", buf_span(&message), buf_span(&other), &c);
	assert_int_equal(c.counts[DIVERGENCE_LABEL_FLIP], 2);
	comparison_fini(&c);
	begin_tensor(6, SHAPE(3));
	put_packed(7, (const uint64_t[]){(uint64_t)-1, 5}, 2);
	buf_reset(&message);
	as_output(&message);
	begin_tensor(6, SHAPE(3));
	protobuf_put_bytes(&tensor, 4, SPAN("\xff\x05\x05"));
	buf_reset(&other);
	as_output(&other);
	compare("/tensorflow.serving.PredictionService/Predict", buf_span(&message), buf_span(&other), &c);
	assert_true(!c.diverged && c.row_count == 3);
	comparison_fini(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, done)
	const struct CMUnitTest tests[] = {
	        TEST(typed_numbers), TEST(floats),  TEST(complex_repeats), TEST(exact),
	        TEST(contents),      TEST(refused), TEST(classified),      TEST(pairs),
	};

	return cmocka_run_group_tests_name("replay_tfs_grpc", tests, NULL, NULL);
}
