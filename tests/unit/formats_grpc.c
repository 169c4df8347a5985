/* gRPC's framing at every split, its encodings, timeouts and outcomes; protobuf's fields at every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "proto/grpc.h"
#include "proto/protobuf.h"

enum { LIMIT = 1 << 16 };

static void put_message(struct buf *out, int compressed, struct span bytes)
{
	char prefix[GRPC_PREFIX_BYTES];

	assert_int_equal(grpc_prefix(bytes.len, prefix), 0);
	prefix[0] = (char)compressed;
	buf_put(out, prefix, sizeof prefix);
	buf_span_put(out, bytes);
}

static void put_body(struct buf *out)
{
	static char big[300];

	memset(big, 'x', sizeof big);
	buf_init(out, LIMIT);
	put_message(out, 0, SPAN("one"));
	put_message(out, 0, SPAN(""));
	put_message(out, 1, SPAN("\0\1\2"));
	put_message(out, 0, (struct span){big, sizeof big});
}

/* Whatever comes whole is taken; what came so far waits. */
static void take_all(struct buf *held, unsigned *count, size_t *bytes)
{
	static const size_t lengths[] = {3, 0, 3, 300};
	struct grpc_message m;
	long n;

	while ((n = grpc_next(buf_span(held), LIMIT, &m)) > 0) {
		assert_in_range(*count, 0, 3);
		assert_int_equal(m.bytes.len, lengths[*count]);
		assert_int_equal(m.compressed, *count == 2);
		assert_int_equal(n, GRPC_PREFIX_BYTES + m.bytes.len);
		*bytes += m.bytes.len;
		++*count;
		buf_consume(held, (size_t)n);
	}
	assert_int_equal(n, 0);
}

static void every_split(void **state)
{
	struct buf body, held;

	(void)state;
	put_body(&body);
	for (size_t first = 0; first <= buf_len(&body); first++)
		for (size_t second = first; second <= buf_len(&body); second += 1 + (second - first) / 8) {
			struct span all = buf_span(&body);
			unsigned count = 0;
			size_t bytes = 0;

			buf_init(&held, LIMIT);
			buf_put(&held, all.data, first);
			take_all(&held, &count, &bytes);
			buf_put(&held, all.data + first, second - first);
			take_all(&held, &count, &bytes);
			buf_put(&held, all.data + second, all.len - second);
			take_all(&held, &count, &bytes);
			assert_int_equal(count, 4);
			assert_int_equal(bytes, 306);
			assert_int_equal(buf_len(&held), 0);
			buf_fini(&held);
		}
	buf_fini(&body);
}

static void framing_limits(void **state)
{
	struct grpc_message m;
	char prefix[GRPC_PREFIX_BYTES];

	(void)state;
	assert_int_equal(grpc_next(SPAN("\2"), LIMIT, &m), ERR_PROTO);
	assert_int_equal(grpc_next(SPAN("\xff\0\0\0\0"), LIMIT, &m), ERR_PROTO);
	assert_int_equal(grpc_next(SPAN("\0\0\0\0\4abcd"), 4, &m), 9);
	assert_int_equal(grpc_next(SPAN("\0\0\0\0\5"), 4, &m), ERR_LIMIT);
	assert_int_equal(grpc_next(SPAN("\0\xff\xff\xff\xff"), LIMIT, &m), ERR_LIMIT);
	assert_int_equal(grpc_next(SPAN("\0\xff\xff\xff\xff"), SIZE_MAX, &m), 0);
	assert_int_equal(grpc_prefix(0x01020304, prefix), 0);
	assert_memory_equal(prefix, "\0\1\2\3\4", sizeof prefix);
	assert_int_equal(grpc_prefix((size_t)UINT32_MAX + 1, prefix), ERR_LIMIT);
}

static void deflated(struct span plain, int window, struct buf *out)
{
	z_stream z = {.next_in = (Bytef *)plain.data, .avail_in = (uInt)plain.len};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.avail_out = (uInt)deflateBound(&z, plain.len);
	z.next_out = (Bytef *)buf_room(out, z.avail_out);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_grown(out, z.total_out);
	deflateEnd(&z);
}

static int inflated(struct span bytes, const char *encoding, size_t limit, struct buf *out)
{
	buf_init(out, limit);
	return grpc_inflate(bytes, span_of(encoding), out);
}

static void encodings(void **state)
{
	static const int windows[] = {15 + 16, 15};
	static const char *const called[] = {"gzip", "deflate"};
	static char text[5000];
	struct span plain = {text, sizeof text};
	struct buf small, out;

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)('a' + i * i % 23);
	for (int i = 0; i < 2; i++) {
		buf_init(&small, LIMIT);
		deflated(plain, windows[i], &small);
		assert_int_equal(inflated(buf_span(&small), called[i], sizeof text, &out), 0);
		assert_true(span_eq(buf_span(&out), plain));
		buf_fini(&out);
		assert_int_equal(inflated(buf_span(&small), called[i], sizeof text - 1, &out), ERR_LIMIT);
		buf_fini(&out);
		for (size_t cut = 0; cut < buf_len(&small); cut++) {
			struct span part = {buf_span(&small).data, cut};

			assert_int_equal(inflated(part, called[i], LIMIT, &out), ERR_PROTO);
			buf_fini(&out);
		}
		buf_puts(&small, "more");
		assert_int_equal(inflated(buf_span(&small), called[i], LIMIT, &out), ERR_PROTO);
		buf_fini(&out);
		buf_fini(&small);
	}
	assert_int_equal(inflated(SPAN("x"), "snappy", LIMIT, &out), ERR_UNSUPPORTED);
	assert_int_equal(inflated(SPAN("x"), "", LIMIT, &out), ERR_UNSUPPORTED);
	assert_int_equal(inflated(SPAN("x"), "gzip", LIMIT, &out), ERR_PROTO);
	buf_fini(&out);
}

/* A bomb is refused by its ratio, long before the buffer's limit. */
static void bomb(void **state)
{
	size_t len = 32 << 20;
	char *zeros = calloc(1, len);
	struct buf small, out;

	(void)state;
	assert_non_null(zeros);
	buf_init(&small, len * 2);
	deflated((struct span){zeros, len}, 15 + 16, &small);
	assert_int_equal(inflated(buf_span(&small), "gzip", SIZE_MAX / 2, &out), ERR_LIMIT);
	assert_in_range(buf_len(&out), 1, 4 << 20);
	buf_fini(&out);
	buf_reset(&small);
	deflated((struct span){zeros, 1 << 20}, 15 + 16, &small);
	assert_int_equal(inflated(buf_span(&small), "gzip", 1 << 20, &out), 0);
	assert_int_equal(buf_len(&out), 1 << 20);
	buf_fini(&out);
	buf_fini(&small);
	free(zeros);
}

static void timeouts(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} table[] = {{"1n", 1},
	             {"20u", 20000},
	             {"300m", 300000000},
	             {"4S", 4000000000u},
	             {"5M", 300000000000u},
	             {"99999999H", 99999999 * 3600000000000u},
	             {"0S", 0}};
	static const char *const bad[] = {"", "S", "5", "5s", "123456789S", "-1S", "1 S", "1.5S", "1SS"};
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		assert_int_equal(grpc_timeout(span_of(table[i].text), &ns), 0);
		assert_int_equal(ns, table[i].ns);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(grpc_timeout(span_of(bad[i]), &ns), ERR_PROTO);
}

static void outcomes(void **state)
{
	unsigned status;
	struct buf out;

	(void)state;
	assert_int_equal(grpc_status(SPAN("14"), &status), 0);
	assert_int_equal(status, 14);
	assert_string_equal(grpc_status_name(14), "UNAVAILABLE");
	assert_string_equal(grpc_status_name(0), "OK");
	assert_string_equal(grpc_status_name(17), "");
	assert_int_equal(grpc_status(SPAN(""), &status), ERR_PROTO);
	assert_int_equal(grpc_status(SPAN("-1"), &status), ERR_PROTO);
	assert_int_equal(grpc_status(SPAN("100"), &status), ERR_PROTO);
	assert_string_equal(grpc_status_name(grpc_status_of_http(503)), "UNAVAILABLE");
	assert_string_equal(grpc_status_name(grpc_status_of_http(404)), "UNIMPLEMENTED");
	assert_string_equal(grpc_status_name(grpc_status_of_http(200)), "UNKNOWN");
	buf_init(&out, 100);
	grpc_text(SPAN("a%20b%c3%A9%zz%4"), &out);
	assert_true(span_eq(buf_span(&out), SPAN("a b\xc3\xa9%zz%4")));
	buf_fini(&out);
}

static void what_is_grpc(void **state)
{
	struct span service, method;

	(void)state;
	assert_true(grpc_is(SPAN("application/grpc")));
	assert_true(grpc_is(SPAN("Application/GRPC+proto")));
	assert_true(grpc_is(SPAN("application/grpc; charset=utf-8")));
	assert_false(grpc_is(SPAN("application/grpc-web+proto")));
	assert_false(grpc_is(SPAN("application/grp")));
	assert_false(grpc_is(SPAN("")));
	assert_true(grpc_call(SPAN("/inference.GRPCInferenceService/ModelInfer"), &service, &method));
	assert_true(span_eq(service, SPAN("inference.GRPCInferenceService")));
	assert_true(span_eq(method, SPAN("ModelInfer")));
	assert_true(grpc_call(SPAN("/a/b/c"), &service, &method) && span_eq(service, SPAN("b")));
	assert_false(grpc_call(SPAN("/a"), &service, &method));
	assert_false(grpc_call(SPAN("/a/"), &service, &method));
	assert_false(grpc_call(SPAN("a"), &service, &method));
	assert_false(grpc_call(SPAN(""), &service, &method));
}

static void fields(void **state)
{
	/* 1: 150, 2: "testing", 3: 8 bytes, 4: 4 bytes, 1: 2^64-1 */
	static const char bytes[] = "\x08\x96\x01\x12\x07testing\x19"
	                            "12345678\x25"
	                            "abcd\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
	static const size_t ends[] = {0, 3, 12, 21, 26, 37};
	struct protobuf_field f;
	struct span all = {bytes, sizeof bytes - 1}, at = all;

	(void)state;
	assert_int_equal(protobuf_next(&at, &f), 1);
	assert_true(f.number == 1 && f.wire == PROTOBUF_VARINT && f.value == 150 && f.whole.len == 3);
	assert_int_equal(protobuf_next(&at, &f), 1);
	assert_true(f.number == 2 && span_eq(f.bytes, SPAN("testing")));
	assert_int_equal(protobuf_next(&at, &f), 1);
	assert_true(f.number == 3 && span_eq(f.bytes, SPAN("12345678")));
	assert_int_equal(protobuf_next(&at, &f), 1);
	assert_true(f.number == 4 && span_eq(f.bytes, SPAN("abcd")));
	assert_int_equal(protobuf_next(&at, &f), 1);
	assert_true(f.number == 1 && f.value == UINT64_MAX);
	assert_int_equal(protobuf_next(&at, &f), 0);
	for (size_t cut = 0, end = 0; cut <= all.len; cut++) {
		int rc;

		while (end < 5 && ends[end + 1] <= cut)
			end++;
		at = (struct span){bytes, cut};
		while ((rc = protobuf_next(&at, &f)) > 0)
			;
		assert_int_equal(rc, cut == ends[end] ? 0 : ERR_PROTO);
	}
}

static void bad_fields(void **state)
{
	static const struct span bad[] = {
	        {"\x00\x01", 2},  /* number 0 */
	        {"\x0b\x0c", 2},  /* a group */
	        {"\x0e\x01", 2},  /* wire type 6 */
	        {"\x0a\x05x", 3}, /* longer than what holds it */
	        {"\x08\x80", 2},  /* a cut varint */
	        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
	        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11}, /* 2^65 */
	        {"\x80\x80\x80\x80\x10\x01", 6},                      /* number 2^29 */
	};
	struct protobuf_field f;
	struct buf out;
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct span at = bad[i];

		assert_int_equal(protobuf_next(&at, &f), ERR_PROTO);
	}
	buf_init(&out, 64);
	for (unsigned bit = 0; bit < 64; bit++) {
		buf_reset(&out);
		protobuf_put_varint(&out, (uint64_t)1 << bit);
		assert_int_equal(protobuf_varint(buf_span(&out), &value), buf_len(&out));
		assert_int_equal(buf_len(&out), protobuf_varint_len((uint64_t)1 << bit));
		assert_true(value == (uint64_t)1 << bit);
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_split),  cmocka_unit_test(framing_limits),
	        cmocka_unit_test(encodings),    cmocka_unit_test(bomb),
	        cmocka_unit_test(timeouts),     cmocka_unit_test(outcomes),
	        cmocka_unit_test(what_is_grpc), cmocka_unit_test(fields),
	        cmocka_unit_test(bad_fields),
	};

	return cmocka_run_group_tests_name("formats_grpc", tests, NULL, NULL);
}
