#include "proto/protobuf.h"

enum { VARINT_BYTES_MAX = 10, NUMBER_MAX = (1 << 29) - 1 };

int protobuf_varint(struct span bytes, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < bytes.len; i++) {
		uint64_t seven = bytes.data[i] & 0x7f;

		if (i == VARINT_BYTES_MAX - 1 && (unsigned char)bytes.data[i] > 1)
			return ERR_PROTO;
		*out |= seven << (7 * i);
		if (!(bytes.data[i] & 0x80))
			return (int)i + 1;
	}
	return 0;
}

static bool take_varint(struct span *from, uint64_t *out)
{
	int n = protobuf_varint(*from, out);

	if (n <= 0)
		return false;
	*from = (struct span){from->data + n, from->len - (size_t)n};
	return true;
}

static bool take_bytes(struct span *from, uint64_t len, struct span *out)
{
	if (len > from->len)
		return false;
	*out = (struct span){from->data, (size_t)len};
	*from = (struct span){from->data + len, from->len - (size_t)len};
	return true;
}

static bool take_content(struct span *from, struct protobuf_field *f)
{
	const char *start = from->data;
	uint64_t len;

	switch (f->wire) {
	case PROTOBUF_VARINT:
		if (!take_varint(from, &f->value))
			return false;
		f->bytes = (struct span){start, (size_t)(from->data - start)};
		return true;
	case PROTOBUF_FIXED64:
		return take_bytes(from, 8, &f->bytes);
	case PROTOBUF_FIXED32:
		return take_bytes(from, 4, &f->bytes);
	case PROTOBUF_BYTES:
		return take_varint(from, &len) && take_bytes(from, len, &f->bytes);
	}
	return false;
}

int protobuf_next(struct span *message, struct protobuf_field *out)
{
	const char *start = message->data;
	uint64_t tag;

	if (!message->len)
		return 0;
	*out = (struct protobuf_field){0};
	if (!take_varint(message, &tag) || tag >> 3 == 0 || tag >> 3 > NUMBER_MAX)
		return ERR_PROTO;
	out->number = (uint32_t)(tag >> 3);
	out->wire = (enum protobuf_wire)(tag & 7);
	if (!take_content(message, out))
		return ERR_PROTO;
	out->whole = (struct span){start, (size_t)(message->data - start)};
	return 1;
}

size_t protobuf_varint_len(uint64_t value)
{
	size_t n = 1;

	while (value >>= 7)
		n++;
	return n;
}

enum protobuf_wire protobuf_wire_of(enum protobuf_type type)
{
	switch (type) {
	case PROTOBUF_DOUBLE:
	case PROTOBUF_UFIXED64:
	case PROTOBUF_SFIXED64:
		return PROTOBUF_FIXED64;
	case PROTOBUF_FLOAT:
	case PROTOBUF_UFIXED32:
	case PROTOBUF_SFIXED32:
		return PROTOBUF_FIXED32;
	case PROTOBUF_STRING:
	case PROTOBUF_BINARY:
	case PROTOBUF_MESSAGE:
		return PROTOBUF_BYTES;
	default:
		return PROTOBUF_VARINT;
	}
}

void protobuf_put_varint(struct buf *out, uint64_t value)
{
	char bytes[VARINT_BYTES_MAX];
	size_t n = 0;

	do {
		bytes[n++] = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		value >>= 7;
	} while (value);
	buf_put(out, bytes, n);
}

void protobuf_put_fixed(struct buf *out, uint64_t bits, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		char byte = (char)(bits >> 8 * i);

		buf_put(out, &byte, 1);
	}
}

void protobuf_put_bytes(struct buf *out, uint32_t number, struct span bytes)
{
	protobuf_put_varint(out, (uint64_t)number << 3 | PROTOBUF_BYTES);
	protobuf_put_varint(out, bytes.len);
	buf_span_put(out, bytes);
}

size_t protobuf_open(struct buf *out, uint32_t number, size_t hint)
{
	protobuf_put_varint(out, (uint64_t)number << 3 | PROTOBUF_BYTES);
	protobuf_put_varint(out, hint);
	return buf_len(out);
}

void protobuf_close(struct buf *out, size_t start, size_t hint)
{
	size_t had = protobuf_varint_len(hint), len = buf_len(out) - start, need = protobuf_varint_len(len);
	char *at;

	if (out->err || (need > had && !buf_room(out, need - had)))
		return;
	at = out->base + out->head + start;
	memmove(at - had + need, at, len);
	out->tail = out->tail - had + need;
	for (size_t i = 0; i < need; i++, len >>= 7)
		at[(ptrdiff_t)(i - had)] = (char)((len & 0x7f) | (len > 0x7f ? 0x80 : 0));
}
