#define _GNU_SOURCE
#include "proto/h2_text.h"

static void skip(struct span *s, size_t n)
{
	s->data += n;
	s->len -= n;
}

/* Up to CR LF, which goes too. False: there is none. */
static bool take_line(struct span *text, struct span *line_out)
{
	const char *end = text->len ? memmem(text->data, text->len, "\r\n", 2) : NULL;

	if (!end)
		return false;
	*line_out = (struct span){text->data, (size_t)(end - text->data)};
	skip(text, line_out->len + 2);
	return true;
}

static struct span take_word(struct span *line)
{
	const char *blank = line->len ? memchr(line->data, ' ', line->len) : NULL;
	struct span word = {line->data, blank ? (size_t)(blank - line->data) : line->len};

	skip(line, blank ? word.len + 1 : word.len);
	return word;
}

/* "name: value"; false at the empty line and where the text ends. */
static bool take_field(struct span *text, struct span *name_out, struct span *value_out)
{
	struct span line;
	const char *colon;

	if (!take_line(text, &line) || !line.len)
		return false;
	colon = memchr(line.data, ':', line.len);
	*name_out = (struct span){line.data, colon ? (size_t)(colon - line.data) : line.len};
	skip(&line, name_out->len);
	skip(&line, line.len < 2 ? line.len : 2);
	*value_out = line;
	return true;
}

bool h2_text_open(struct h2_text *t, struct span text, struct h2_request *r, struct h2_fields *fields)
{
	struct span line, name, value;

	*r = (struct h2_request){.fields = fields, .end = true};
	h2_fields_reset(fields);
	*t = (struct h2_text){.rest = text};
	if (!take_line(&t->rest, &line))
		return false;
	r->method = take_word(&line);
	r->path = take_word(&line);
	while (take_field(&t->rest, &name, &value)) {
		if (span_eq_nocase(name, SPAN("transfer-encoding"))) {
			t->chunked = true;
			r->end = false;
		} else if (span_eq_nocase(name, SPAN("host"))) {
			r->authority = value;
		} else if (!span_eq_nocase(name, SPAN("connection"))) {
			if (span_eq_nocase(name, SPAN("content-length")))
				r->end &= span_eq(value, SPAN("0"));
			h2_put(fields, name, value);
		}
	}
	return r->method.len && r->path.len;
}

static size_t hex(struct span digits)
{
	size_t n = 0;

	for (size_t i = 0; i < digits.len; i++) {
		unsigned char c = (unsigned char)digits.data[i];

		n = n * 16 + (c <= '9' ? (c - '0') & 15u : ((c | 0x20u) - 'a' + 10u) & 15u);
	}
	return n;
}

struct span h2_text_data(struct h2_text *t)
{
	struct span bytes = t->rest, rest = t->rest, line;
	size_t n;

	if (!t->chunked) {
		skip(&t->rest, t->rest.len);
		return bytes;
	}
	n = take_line(&rest, &line) ? hex(line) : 0;
	if (!n || rest.len < 2 || n > rest.len - 2)
		return (struct span){"", 0};
	bytes = (struct span){rest.data, n};
	skip(&rest, n + 2);
	t->rest = rest;
	return bytes;
}

void h2_text_trailers(struct h2_text *t, struct h2_fields *fields)
{
	struct span name, value;

	h2_fields_reset(fields);
	if (!t->chunked || !take_line(&t->rest, &name)) /* the last chunk's size */
		return;
	while (take_field(&t->rest, &name, &value))
		h2_put(fields, name, value);
}
