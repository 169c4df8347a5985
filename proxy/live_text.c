#define _GNU_SOURCE
#include "proxy/live_text.h"

#include "proxy/forward.h"

void live_text_head(struct live *l, struct buf *out, const struct forward_request *r)
{
	l->chunked = r->framing == HTTP_CHUNKED;
	forward_request(out, r);
}

void live_text_data(struct live *l, struct buf *out, struct span bytes)
{
	if (l->chunked)
		h1_write_chunk_head(out, bytes.len);
	buf_span_put(out, bytes);
	if (l->chunked)
		buf_put(out, "\r\n", 2);
}

void live_text_trailers(struct live *l, struct buf *out, const struct http_message *m)
{
	if (!l->chunked)
		return;
	forward_trailers(out, m);
	l->trailed = true;
}

void live_text_end(struct live *l, struct buf *out)
{
	if (l->chunked)
		buf_puts(out, l->trailed ? "\r\n" : "0\r\n\r\n");
}

/* Up to CR LF, which goes too; all of it when there is none. */
static struct span take_line(struct span *text)
{
	const char *end = memmem(text->data, text->len, "\r\n", 2);
	struct span line = {text->data, end ? (size_t)(end - text->data) : text->len};
	size_t gone = end ? line.len + 2 : line.len;

	text->data += gone;
	text->len -= gone;
	return line;
}

static struct span take_word(struct span *line)
{
	const char *blank = memchr(line->data, ' ', line->len);
	struct span word = {line->data, blank ? (size_t)(blank - line->data) : line->len};
	size_t gone = blank ? word.len + 1 : word.len;

	line->data += gone;
	line->len -= gone;
	return word;
}

/* "name: value" */
static bool take_field(struct span line, struct span *name_out, struct span *value_out)
{
	const char *colon = memchr(line.data, ':', line.len);
	size_t n = colon ? (size_t)(colon - line.data) : 0;

	if (!colon || line.len < n + 2)
		return false;
	*name_out = (struct span){line.data, n};
	*value_out = (struct span){line.data + n + 2, line.len - n - 2};
	return true;
}

/* Fields of one connection, and the length that framing says. */
static void put_field(struct h2_request *r, struct h2_fields *fields, struct span name, struct span value)
{
	bool sized = span_eq_nocase(name, SPAN("content-length"));

	if (span_eq_nocase(name, SPAN("transfer-encoding"))) {
		r->end = false;
	} else if (span_eq_nocase(name, SPAN("host"))) {
		r->authority = value;
	} else if (!span_eq_nocase(name, SPAN("connection"))) {
		r->end &= !sized || span_eq(value, SPAN("0"));
		h2_put(fields, name, value);
	}
}

bool live_text_read_head(struct span *text, struct h2_request *r, struct h2_fields *fields)
{
	struct span line = take_line(text), name, value;

	*r = (struct h2_request){.fields = fields, .end = true};
	r->method = take_word(&line);
	r->path = take_word(&line);
	while ((line = take_line(text)).len && take_field(line, &name, &value))
		put_field(r, fields, name, value);
	return r->method.len && r->path.len && !line.len;
}

static size_t hex(struct span digits)
{
	size_t n = 0;

	for (size_t i = 0; i < digits.len; i++) {
		unsigned char c = (unsigned char)digits.data[i];

		n = n * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return n;
}

struct span live_text_read_data(const struct live *l, struct span *text)
{
	struct span bytes = *text, rest = *text;

	if (l->chunked) {
		size_t n = rest.len ? hex(take_line(&rest)) : 0;

		if (!n || n + 2 > rest.len)
			return (struct span){rest.data, 0};
		bytes = (struct span){rest.data, n};
		rest.data += n + 2;
		rest.len -= n + 2;
		*text = rest;
		return bytes;
	}
	*text = (struct span){text->data + text->len, 0};
	return bytes;
}

void live_text_read_trailers(const struct live *l, struct span *text, struct h2_fields *fields)
{
	struct span line, name, value;

	if (!l->chunked || !text->len)
		return;
	take_line(text); /* the last chunk's size */
	while ((line = take_line(text)).len && take_field(line, &name, &value))
		h2_put(fields, name, value);
}
