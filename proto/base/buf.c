#include "proto/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/utf8.h"

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

static int grow(struct buf *b, size_t want)
{
	size_t cap = buf_cap_for(b, want);
	char *base = realloc(b->base, cap);

	if (!base)
		return ERR_NOMEM;
	b->base = base;
	b->cap = cap;
	return 0;
}

char *buf_make_room(struct buf *b, size_t want)
{
	size_t used = b->tail - b->head;

	if (b->err)
		return NULL;
	if (want > b->limit_bytes || used > b->limit_bytes - want) {
		b->err = ERR_LIMIT;
		return NULL;
	}
	if (b->head) {
		memmove(b->base, b->base + b->head, used);
		b->head = 0;
		b->tail = used;
	}
	if (b->cap - b->tail < want)
		b->err = grow(b, want);
	return b->err ? NULL : b->base + b->tail;
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

void buf_markdown(struct buf *b, const char *text, size_t max, const char *markup)
{
	for (size_t n = 0; *text && n < max; text++, n++) {
		if (strchr(markup, *text))
			buf_printf(b, "&#%d;", *text);
		else
			buf_put(b, (unsigned char)*text < 0x20 ? " " : text, 1);
	}
}
