/*
 * fuzz_grpc.c - a hostile gRPC body: messages are told the same whatever the split, protobuf fields cover
 * their message without a gap and are written as they were read, what inflates stays within its bounds.
 * Input: a byte that places the split, the body.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/grpc.h"
#include "proto/protobuf.h"

enum { LIMIT = 1 << 12, INFLATED_MAX = 1 << 16, DEPTH_MAX = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct span message, unsigned depth)
{
	struct protobuf_field f;
	const char *at = message.data;
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0) {
		if (f.whole.data != at || f.number == 0)
			abort();
		at += f.whole.len;
		if (f.wire == PROTOBUF_BYTES && depth < DEPTH_MAX)
			walk(f.bytes, depth + 1);
	}
	if (rc == 0 && (message.len || at != message.data))
		abort();
}

/* What a field holds can be written and read again. */
static void rewrite(struct span message)
{
	struct protobuf_field f, again;
	struct buf out;

	buf_init(&out, LIMIT * 2);
	while (protobuf_next(&message, &f) > 0) {
		struct span written;

		if (f.wire != PROTOBUF_BYTES)
			continue;
		buf_reset(&out);
		protobuf_put_bytes(&out, f.number, f.bytes);
		written = buf_span(&out);
		if (protobuf_next(&written, &again) != 1 || again.number != f.number ||
		    !span_eq(again.bytes, f.bytes) || written.len)
			abort();
	}
	buf_fini(&out);
}

static void inflate_both(struct span bytes)
{
	struct buf out;

	buf_init(&out, INFLATED_MAX);
	if (!grpc_inflate(bytes, SPAN("gzip"), &out))
		walk(buf_span(&out), 0);
	if (buf_len(&out) > INFLATED_MAX)
		abort();
	buf_fini(&out);
}

/* The messages at the front, and how it ended. */
static long messages(struct buf *held, unsigned *count)
{
	struct grpc_message m;
	long n;

	while ((n = grpc_next(buf_span(held), LIMIT, &m)) > 0) {
		if ((size_t)n != GRPC_PREFIX_BYTES + m.bytes.len || m.bytes.len > LIMIT)
			abort();
		++*count;
		if (m.compressed)
			inflate_both(m.bytes);
		walk(m.bytes, 0);
		rewrite(m.bytes);
		buf_consume(held, (size_t)n);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned whole = 0, parts = 0;
	struct buf held;
	uint64_t ns;
	unsigned status;
	size_t split, rest;
	long end, again;

	if (size < 1 || size > LIMIT)
		return 0;
	split = (size - 1) * data[0] / 255;
	struct span body = {(const char *)data + 1, size - 1};
	buf_init(&held, LIMIT);
	buf_span_put(&held, body);
	end = messages(&held, &whole);
	rest = buf_len(&held);
	buf_reset(&held);
	buf_put(&held, body.data, split);
	again = messages(&held, &parts);
	if (again == 0) {
		buf_put(&held, body.data + split, body.len - split);
		if (messages(&held, &parts) != end || parts != whole || buf_len(&held) != rest)
			abort();
	} else if (again != end || parts != whole) {
		abort();
	}
	if (!grpc_timeout(body, &ns) && (body.len < 2 || body.len > 9))
		abort();
	if (!grpc_status(body, &status) && status > 99)
		abort();
	buf_reset(&held);
	grpc_text(body, &held);
	if (buf_len(&held) > body.len)
		abort();
	buf_fini(&held);
	return 0;
}
