#include "proto/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t limit_bytes)
{
	*b = (struct buf){.limit_bytes = limit_bytes};
}

void buf_fini(struct buf *b)
{
	free(b->base);
	*b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
	b->head = b->tail = 0;
	b->err = 0;
}

static int grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 256;
	char *base;

	while (cap < need)
		cap *= 2;
	base = realloc(b->base, cap);
	if (!base)
		return ERR_NOMEM;
	b->base = base;
	b->cap = cap;
	return 0;
}

char *buf_room(struct buf *b, size_t want)
{
	size_t used = b->tail - b->head;

	if (b->err)
		return NULL;
	if (want > b->limit_bytes || used > b->limit_bytes - want) {
		b->err = ERR_LIMIT;
		return NULL;
	}
	if (b->cap - b->tail >= want)
		return b->base + b->tail;
	if (b->head) {
		memmove(b->base, b->base + b->head, used);
		b->head = 0;
		b->tail = used;
	}
	if (b->cap - b->tail < want)
		b->err = grow(b, used + want);
	return b->err ? NULL : b->base + b->tail;
}

void buf_grown(struct buf *b, size_t n)
{
	b->tail += n;
}

void buf_consume(struct buf *b, size_t n)
{
	b->head += n;
	if (b->head == b->tail)
		b->head = b->tail = 0;
}

void buf_put(struct buf *b, const void *bytes, size_t n)
{
	char *room;

	if (!n)
		return;
	room = buf_room(b, n);
	if (room) {
		memcpy(room, bytes, n);
		b->tail += n;
	}
}

void buf_puts(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

void buf_span_put(struct buf *b, struct span s)
{
	buf_put(b, s.data, s.len);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args, again;
	char *room;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	room = n < 0 ? NULL : buf_room(b, (size_t)n + 1);
	if (room) {
		vsnprintf(room, (size_t)n + 1, format, again);
		b->tail += (size_t)n;
	}
	va_end(again);
	va_end(args);
}

/* The length of the valid UTF-8 sequence at s, or 0 (RFC 3629: no surrogates, no overlong). */
static size_t utf8_len(const unsigned char *s, size_t n)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return n >= 2 && (s[1] & 0xc0) == 0x80 ? 2 : 0;
	if ((s[0] & 0xf0) == 0xe0) {
		if (n < 3 || (s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
			return 0;
		return (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ? 0 : 3;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if (n < 4 || (s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
			return 0;
		return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ? 0 : 4;
	}
	return 0;
}

void buf_json_string(struct buf *b, struct span text)
{
	const unsigned char *s = (const unsigned char *)text.data;
	size_t i = 0;

	buf_puts(b, "\"");
	while (i < text.len && !b->err) {
		size_t n = utf8_len(s + i, text.len - i);

		if (n == 0) {
			buf_puts(b, "\\ufffd");
			n = 1;
		} else if (s[i] == '"' || s[i] == '\\') {
			buf_printf(b, "\\%c", s[i]);
		} else if (s[i] < 0x20 || s[i] == 0x7f) {
			buf_printf(b, "\\u%04x", s[i]);
		} else {
			buf_put(b, s + i, n);
		}
		i += n;
	}
	buf_puts(b, "\"");
}
