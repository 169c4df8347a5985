/*
 * url.c - normalising paths segment by segment: decode, then drop what is empty or dots.
 */
#include "proto/url.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 2.3 */
static bool is_unreserved(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

/* The byte that the "%" at `at` stands for, or -1. */
static int escaped_byte(struct span s, size_t at)
{
	if (s.len - at < 3)
		return -1;
	int high = hex_value(s.data[at + 1]), low = hex_value(s.data[at + 2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Copies a segment with escapes of unreserved bytes undone; returns its new length. */
static size_t decode(struct span segment, char *to, unsigned *flags)
{
	size_t n = 0;

	for (size_t i = 0; i < segment.len; i++) {
		int byte = segment.data[i] == '%' ? escaped_byte(segment, i) : -1;

		to[n++] = segment.data[i];
		if (segment.data[i] != '%')
			continue;
		if (byte < 0) {
			*flags |= URL_BAD_ESCAPE;
		} else if (is_unreserved(byte)) {
			to[n - 1] = (char)byte;
			i += 2;
			*flags |= URL_ESCAPED_UNRESERVED;
		} else if (byte == '/' || byte == '\\') {
			*flags |= URL_ESCAPED_SLASH;
		} else if (byte < 0x20 || byte == 0x7f) {
			*flags |= URL_ESCAPED_CONTROL;
		}
	}
	return n;
}

static bool is_dots(struct span s)
{
	return span_eq(s, SPAN(".")) || span_eq(s, SPAN(".."));
}

/* How many bytes at `at` some origin takes for a slash. */
static size_t separator_len(struct span s, size_t at)
{
	if (s.data[at] == '\\')
		return 1;
	int byte = s.data[at] == '%' ? escaped_byte(s, at) : -1;
	return byte == '/' || byte == '\\' ? 3 : 0;
}

static bool has_hidden_dots(struct span segment)
{
	struct span part = {segment.data, 0};
	bool cut = false; /* the part ended at ";" */

	for (size_t i = 0; i < segment.len;) {
		size_t skip = separator_len(segment, i);

		if (skip > 0) {
			if (is_dots(part))
				return true;
			part = (struct span){segment.data + i + skip, 0};
			cut = false;
			i += skip;
			continue;
		}
		cut |= segment.data[i] == ';';
		part.len += !cut;
		i++;
	}
	return is_dots(part);
}

/* Appends one segment to the `len` bytes of `out`; returns the new length. */
static size_t append(struct span segment, bool last, char *out, size_t len, unsigned *flags)
{
	struct span s = {out + len + 1, decode(segment, out + len + 1, flags)};

	out[len] = '/';
	if (s.len == 0 && last)
		return len + 1;
	if (s.len > 0 && !is_dots(s)) {
		if (has_hidden_dots(s))
			*flags |= URL_HIDDEN_DOTS;
		return len + 1 + s.len;
	}
	*flags |= s.len == 0 ? URL_EMPTY_SEGMENT : URL_DOT_SEGMENT;
	if (s.len == 2)
		while (len > 0 && out[--len] != '/')
			;
	if (last)
		out[len++] = '/';
	return len;
}

/* Neither an escape nor anything that could be an empty or a dot segment. */
static bool is_plain(struct span path)
{
	for (size_t i = 0; i < path.len; i++) {
		char c = path.data[i];

		if (c == '%' || c == '\\')
			return false;
		if (c == '/' && i + 1 < path.len && (path.data[i + 1] == '/' || path.data[i + 1] == '.'))
			return false;
	}
	return true;
}

int url_normalise(struct span target, char *out, size_t cap, struct span *path_out, unsigned *flags_out)
{
	struct span path = target;
	size_t len = 0;

	*flags_out = 0;
	if (target.len == 0 || target.data[0] != '/')
		return ERR_PROTO;
	const char *query = memchr(target.data, '?', target.len);
	if (query != NULL)
		path.len = (size_t)(query - target.data);
	*path_out = path;
	if (is_plain(path))
		return 0;
	if (cap < path.len)
		return ERR_LIMIT;
	for (size_t at = 0; at < path.len;) {
		struct span rest = {path.data + at + 1, path.len - at - 1};
		const char *slash = rest.len > 0 ? memchr(rest.data, '/', rest.len) : NULL;

		if (slash != NULL)
			rest.len = (size_t)(slash - rest.data);
		len = append(rest, slash == NULL, out, len, flags_out);
		at += 1 + rest.len;
	}
	*path_out = (struct span){out, len};
	return 0;
}

int url_decode(struct span text, bool form, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		int byte = (unsigned char)text.data[i];
		char c;

		if (byte == '%') {
			byte = escaped_byte(text, i);
			i += 2;
		} else if (form && byte == '+') {
			byte = ' ';
		}
		if (byte < 0)
			return ERR_PROTO;
		c = (char)byte;
		buf_put(out, &c, 1);
	}
	return 0;
}

void url_encode(struct span text, const char *keep, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		char escape[3] = {'%', digits[c >> 4], digits[c & 15]};

		if (is_unreserved(c) || (c && strchr(keep, c)))
			buf_put(out, &text.data[i], 1);
		else
			buf_put(out, escape, sizeof escape);
	}
}
