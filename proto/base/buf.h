/*
 * buf.h - a growable byte buffer with a hard limit and a sticky error.
 *
 *   base          head                tail            cap
 *    |  consumed   |  bytes (buf_span) |  free         |
 *
 * A put past `limit_bytes` (or out of memory) sets `err`, drops that put and every later one:
 * encoders check `err` once at the end.
 */
#ifndef PROTO_BASE_BUF_H
#define PROTO_BASE_BUF_H

#include <stdarg.h>
#include "proto/base/err.h"
#include "proto/base/span.h"

struct buf {
	char *base;
	size_t head, tail, cap, limit_bytes;
	int err; /* 0, ERR_LIMIT or ERR_NOMEM */
};

void buf_init(struct buf *, size_t limit_bytes);
void buf_fini(struct buf *);
void buf_reset(struct buf *); /* empties, clears err, keeps the memory */

static inline size_t buf_len(const struct buf *b)
{
	return b->tail - b->head;
}

/* What `n` bytes more would make it hold: the size of the block. */
static inline size_t buf_cap_for(const struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 256;

	while (cap < buf_len(b) + n)
		cap *= 2;
	return cap;
}

/* Memory that a block of `cap` takes when `used` of it were touched: a large one is mapped page by page. */
enum { BUF_MAPPED_BYTES = 128 * 1024, BUF_PAGE_BYTES = 4096 };
static inline size_t buf_memory(size_t cap, size_t used)
{
	return cap < BUF_MAPPED_BYTES ? cap : used + BUF_PAGE_BYTES;
}

/* Never a NULL pointer: that of an empty buffer may not even be offset by 0. */
static inline struct span buf_span(const struct buf *b)
{
	return (struct span){b->base ? b->base + b->head : "", b->tail - b->head};
}

/* The same as buf_room(), for when it takes more than a look. */
char *buf_make_room(struct buf *, size_t want);

/* Room for at least `want` more bytes at the tail: the pointer, or NULL with err set. */
static inline char *buf_room(struct buf *b, size_t want)
{
	if (!b->err && want <= b->cap - b->tail && buf_len(b) + want <= b->limit_bytes)
		return b->base + b->tail;
	return buf_make_room(b, want);
}

/* n bytes were written into buf_room() */
static inline void buf_grown(struct buf *b, size_t n)
{
	b->tail += n;
}

/* Drop n bytes from the front. */
static inline void buf_consume(struct buf *b, size_t n)
{
	b->head += n;
	if (b->head == b->tail)
		b->head = b->tail = 0;
}

static inline void buf_put(struct buf *b, const void *bytes, size_t n)
{
	char *room = n ? buf_room(b, n) : NULL;

	if (room) {
		memcpy(room, bytes, n);
		b->tail += n;
	}
}

static inline void buf_puts(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

static inline void buf_span_put(struct buf *b, struct span s)
{
	buf_put(b, s.data, s.len);
}

void buf_printf(struct buf *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string literal with quotes; escapes controls, quotes, and replaces invalid UTF-8. */
void buf_json_string(struct buf *, struct span text);
/* Text between Markdown, cut after `max` bytes: those of its bytes that are in `markup` become character
 * references, and what would end a line a space. */
void buf_markdown(struct buf *, const char *text, size_t max, const char *markup);

#endif
