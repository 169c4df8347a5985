/*
 * message.h - protobuf messages as text, for tests: NUMBER"string" NUMBER{message} NUMBER=varint NUMBER<hex>,
 * blanks between; NUMBER:8 and NUMBER:4 have a fixed number behind another '='. A "string" may hold
 * (RULE|value), which is written as its token.
 */
#ifndef TESTS_LIB_MESSAGE_H
#define TESTS_LIB_MESSAGE_H

#include <stdlib.h>

#include "capture/mask_key.h"
#include "proto/protobuf.h"

enum { MESSAGE_ROOM = 1 << 20 };

static const char *message_string(struct mask_key *key, const char *at, struct buf *out)
{
	char token[MASK_TOKEN_LEN + 1];

	for (; *at != '"'; at++) {
		const char *bar = *at == '(' ? strchr(at, '|') : NULL, *end = bar ? strchr(bar, ')') : NULL;

		if (!end) {
			buf_put(out, at, 1);
			continue;
		}
		mask_token(key, (struct span){at + 1, (size_t)(bar - at - 1)},
		           (struct span){bar + 1, (size_t)(end - bar - 1)}, token);
		buf_puts(out, token);
		at = end;
	}
	return at + 1;
}

static const char *message_hex(const char *at, struct buf *out)
{
	for (; *at != '>'; at += 2) {
		char pair[3] = {at[0], at[1], 0}, byte = (char)strtoul(pair, NULL, 16);

		buf_put(out, &byte, 1);
	}
	return at + 1;
}

/* The text up to its end, or to a closing brace. */
static const char *message_put(struct mask_key *key, const char *at, struct buf *out)
{
	while (*at && *at != '}') {
		struct buf inside;
		char *end;
		uint32_t number = (uint32_t)strtoul(at, &end, 10);

		at = end + 1;
		if (*end == '=') {
			protobuf_put_varint(out, (uint64_t)number << 3);
			protobuf_put_varint(out, (uint64_t)strtoll(at, &end, 10));
			at = end;
		} else if (*end == ':') {
			unsigned bytes = (unsigned)(*at - '0');

			protobuf_put_varint(out, (uint64_t)number << 3 |
			                                 (bytes == 8 ? PROTOBUF_FIXED64 : PROTOBUF_FIXED32));
			protobuf_put_fixed(out, (uint64_t)strtoll(at + 2, &end, 0), bytes);
			at = end;
		} else {
			buf_init(&inside, MESSAGE_ROOM);
			at = *end == '"'   ? message_string(key, at, &inside)
			     : *end == '<' ? message_hex(at, &inside)
			                   : message_put(key, at, &inside) + 1;
			protobuf_put_bytes(out, number, buf_span(&inside));
			buf_fini(&inside);
		}
		at += strspn(at, " ");
	}
	return at;
}

#endif
