/*
 * h1_chunk.c - the lines between chunks (RFC 9112 7.1), byte by byte. Extensions are checked and
 * dropped. Data bytes never come here.
 */
#include "proto/h1_internal.h"

enum {
	CHUNK_DIGITS_MAX = 16,
	CHUNK_EXTENSION_MAX = 256,
	MESSAGE_EXTENSION_MAX = 4096,
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int size_byte(struct h1_parser *p, char c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		if (++p->digits > CHUNK_DIGITS_MAX || p->left > INT64_MAX >> 4)
			return REJECT(p, chunk_size_range);
		p->left = p->left << 4 | (uint64_t)digit;
		p->state = S_SIZE;
		return 0;
	}
	if (p->state == S_SIZE_FIRST || (c != ';' && c != '\r'))
		return REJECT(p, chunk_size);
	p->state = c == ';' ? S_EXT_START : S_SIZE_LF;
	return 0;
}

/* The state after `c` within *( ";" name [ "=" ( token / quoted ) ] ), or -1. */
static int extension_next(int state, char c)
{
	bool name = state == S_EXT_NAME, end = name || state == S_EXT_TOKEN || state == S_EXT_CLOSED;

	if (state == S_EXT_ESCAPE)
		return is_class(c, C_TEXT) ? S_EXT_QUOTED : -1;
	if (state == S_EXT_QUOTED) {
		if (c == '"')
			return S_EXT_CLOSED;
		return c == '\\' ? S_EXT_ESCAPE : is_class(c, C_TEXT) ? S_EXT_QUOTED : -1;
	}
	if (end && c == '\r')
		return S_SIZE_LF;
	if (end && c == ';')
		return S_EXT_START;
	if (name && c == '=')
		return S_EXT_VALUE;
	if (state == S_EXT_START && is_blank(c))
		return S_EXT_START;
	if (state == S_EXT_VALUE && c == '"')
		return S_EXT_QUOTED;
	if (state == S_EXT_CLOSED || !is_class(c, C_TCHAR))
		return -1;
	return state == S_EXT_START || name ? S_EXT_NAME : S_EXT_TOKEN;
}

static int extension_byte(struct h1_parser *p, char c)
{
	int next = extension_next(p->state, c);

	if (next < 0)
		return REJECT(p, chunk_extension);
	if (++p->chunk_extension_bytes > CHUNK_EXTENSION_MAX || ++p->extension_bytes > MESSAGE_EXTENSION_MAX)
		return REJECT(p, chunk_extension_bytes);
	p->state = next;
	return 0;
}

static int size_line_end(struct h1_parser *p, char c)
{
	if (c != '\n')
		return REJECT(p, chunk_line_end);
	if (p->left > p->limits.body_bytes - p->body_bytes)
		return REJECT(p, body_bytes);
	p->body_bytes += p->left;
	p->state = p->left > 0 ? S_CHUNK_DATA : S_TRAILER;
	return 0;
}

void h1_begin_chunks(struct h1_parser *p)
{
	p->state = S_SIZE_FIRST;
	p->digits = 0;
	p->chunk_extension_bytes = 0;
}

int h1_chunk_byte(struct h1_parser *p, char c)
{
	switch (p->state) {
	case S_SIZE_FIRST:
	case S_SIZE:
		return size_byte(p, c);
	case S_SIZE_LF:
		return size_line_end(p, c);
	case S_DATA_CR:
		p->state = S_DATA_LF;
		return c == '\r' ? 0 : REJECT(p, chunk_data_end);
	case S_DATA_LF:
		h1_begin_chunks(p);
		return c == '\n' ? 0 : REJECT(p, chunk_data_end);
	default:
		return extension_byte(p, c);
	}
}
