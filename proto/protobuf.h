/*
 * protobuf.h - the fields of a protobuf message, one after the other. Pure, no allocation, no schema.
 *
 * Source: the encoding guide of protocol buffers. Groups (wire types 3 and 4) are refused: proto3 has none.
 */
#ifndef PROTO_PROTOBUF_H
#define PROTO_PROTOBUF_H

#include <stdint.h>
#include "proto/base/buf.h"

enum protobuf_wire { PROTOBUF_VARINT = 0, PROTOBUF_FIXED64 = 1, PROTOBUF_BYTES = 2, PROTOBUF_FIXED32 = 5 };

/* What a field is declared as: FieldDescriptorProto.Type of descriptor.proto. */
enum protobuf_type {
	PROTOBUF_DOUBLE = 1,
	PROTOBUF_FLOAT,
	PROTOBUF_INT64,
	PROTOBUF_UINT64,
	PROTOBUF_INT32,
	PROTOBUF_UFIXED64,
	PROTOBUF_UFIXED32,
	PROTOBUF_BOOL,
	PROTOBUF_STRING,
	PROTOBUF_GROUP,
	PROTOBUF_MESSAGE,
	PROTOBUF_BINARY,
	PROTOBUF_UINT32,
	PROTOBUF_ENUM,
	PROTOBUF_SFIXED32,
	PROTOBUF_SFIXED64,
	PROTOBUF_SINT32,
	PROTOBUF_SINT64,
	PROTOBUF_TYPES
};

struct protobuf_field {
	uint32_t number;
	enum protobuf_wire wire;
	uint64_t value;    /* of a varint */
	struct span bytes; /* the content, of PROTOBUF_BYTES without its length */
	struct span whole; /* tag included */
};

/* Take the next field off the front of *message: 1, 0 at its end, ERR_PROTO. */
int protobuf_next(struct span *message, struct protobuf_field *out) MUST_CHECK;
/* The varint that `bytes` begins with: its length, 0 when it is cut, ERR_PROTO (over 64 bits). */
int protobuf_varint(struct span bytes, uint64_t *out) MUST_CHECK;
size_t protobuf_varint_len(uint64_t value);
/* How a value of that type, none of them packed, is written. */
enum protobuf_wire protobuf_wire_of(enum protobuf_type);
/* Append: a varint; the low `bytes` of a number, the least first; a field of bytes. Errors stick in the buf.
 */
void protobuf_put_varint(struct buf *, uint64_t value);
void protobuf_put_fixed(struct buf *, uint64_t bits, unsigned bytes);
void protobuf_put_bytes(struct buf *, uint32_t number, struct span bytes);
/* Append a field of bytes that are not known yet: its place, for protobuf_close() behind them. Its length
 * takes what `hint` would. */
size_t protobuf_open(struct buf *, uint32_t number, size_t hint);
void protobuf_close(struct buf *, size_t start, size_t hint);

#endif
