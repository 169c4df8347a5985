/*
 * h1_write.c - heads written anew, and chunk lines. A line break never gets out: what a caller made
 * itself is checked; what the parser accepted is copied.
 */
#include "proto/h1_internal.h"

static char *put(char *to, const char *bytes, size_t n)
{
	memcpy(to, bytes, n);
	return to + n;
}

static char *put_field(char *to, struct span name, struct span value)
{
	to = put(to, name.data, name.len);
	to = put(to, ": ", 2);
	if (value.len > 0)
		to = put(to, value.data, value.len);
	return put(to, "\r\n", 2);
}

void h1_write_request(struct buf *b, struct span method, struct span target, struct span host)
{
	if (!is_token(method) || target.len == 0 ||
	    h1_scan_target(target.data, target.data + target.len) != target.data + target.len) {
		b->err = ERR_PROTO;
		return;
	}
	size_t n = method.len + target.len + sizeof("  HTTP/1.1\r\n") - 1;
	char *to = buf_room(b, n);
	if (to != NULL) {
		to = put(to, method.data, method.len);
		*to++ = ' ';
		to = put(to, target.data, target.len);
		put(to, " HTTP/1.1\r\n", 11);
		buf_grown(b, n);
	}
	h1_write_field(b, SPAN("Host"), host);
}

void h1_write_status(struct buf *b, unsigned status)
{
	const char *reason = http_reason(status);
	size_t reason_len = strlen(reason);
	char *to = buf_room(b, 15 + reason_len);

	if (to == NULL)
		return;
	if (status < 100 || status > 999) {
		b->err = ERR_PROTO;
		return;
	}
	to = put(to, "HTTP/1.1 ", 9);
	*to++ = (char)('0' + status / 100);
	*to++ = (char)('0' + status / 10 % 10);
	*to++ = (char)('0' + status % 10);
	*to++ = ' ';
	to = put(to, reason, reason_len);
	put(to, "\r\n", 2);
	buf_grown(b, 15 + reason_len);
}

void h1_write_field(struct buf *b, struct span name, struct span value)
{
	if (!is_token(name) ||
	    (value.len > 0 && h1_scan_text(value.data, value.data + value.len) != value.data + value.len)) {
		b->err = ERR_PROTO;
		return;
	}
	size_t n = name.len + value.len + 4;
	char *to = buf_room(b, n);
	if (to == NULL)
		return;
	put_field(to, name, value);
	buf_grown(b, n);
}

void h1_write_forward(struct buf *b, const struct http_message *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->field_count; i++)
		if (!m->fields[i].hop)
			n += m->fields[i].name.len + m->fields[i].value.len + 4;
	char *to = n > 0 ? buf_room(b, n) : NULL;
	if (to == NULL)
		return;
	for (size_t i = 0; i < m->field_count; i++)
		if (!m->fields[i].hop)
			to = put_field(to, m->fields[i].name, m->fields[i].value);
	buf_grown(b, n);
}

void h1_write_end(struct buf *b, enum http_framing framing, uint64_t content_length)
{
	if (framing == HTTP_LENGTH) {
		char digits[20], *at = digits + sizeof(digits);

		do
			*--at = (char)('0' + content_length % 10);
		while ((content_length /= 10) > 0);
		buf_put(b, "Content-Length: ", 16);
		buf_put(b, at, (size_t)(digits + sizeof(digits) - at));
		buf_put(b, "\r\n\r\n", 4);
	} else if (framing == HTTP_CHUNKED) {
		buf_put(b, "Transfer-Encoding: chunked\r\n\r\n", 30);
	} else {
		buf_put(b, "\r\n", 2);
	}
}

void h1_write_chunk_head(struct buf *b, size_t bytes)
{
	char text[sizeof(bytes) * 2 + 2], *at = text + sizeof(text);

	*--at = '\n';
	*--at = '\r';
	do
		*--at = "0123456789abcdef"[bytes & 15];
	while ((bytes >>= 4) > 0);
	buf_put(b, at, (size_t)(text + sizeof(text) - at));
}
