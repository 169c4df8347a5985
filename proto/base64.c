#include "proto/base64.h"

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(char c, bool *plain_seen, bool *url_seen)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	*plain_seen |= c == '+' || c == '/';
	*url_seen |= c == '-' || c == '_';
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

int base64_decode(struct span text, struct base64_form *form_out, struct buf *out)
{
	size_t len = text.len, n = 0;
	bool plain_seen = false, url_seen = false;
	unsigned bits = 0, have = 0;
	char *room;

	while (len && text.len - len < 2 && text.data[len - 1] == '=')
		len--;
	if (len % 4 == 1 || (len < text.len && text.len % 4 != 0))
		return ERR_PROTO;
	room = buf_room(out, len + 1);
	for (size_t i = 0; room && i < len; i++) {
		int value = value_of(text.data[i], &plain_seen, &url_seen);

		if (value < 0)
			return ERR_PROTO;
		bits = (bits << 6 | (unsigned)value) & 0xffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			room[n++] = (char)(bits >> have);
		}
	}
	if ((plain_seen && url_seen) || bits & ((1u << have) - 1))
		return ERR_PROTO;
	*form_out = (struct base64_form){url_seen, text.len % 4 == 0};
	if (room)
		buf_grown(out, n);
	return 0;
}

void base64_encode(struct span bytes, struct base64_form form, struct buf *out)
{
	const char *digits = form.url ? url : plain;

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
		unsigned bits = 0;
		char group[4] = "====";

		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (j < n ? (unsigned char)bytes.data[i + j] : 0);
		for (size_t j = 0; j <= n; j++)
			group[j] = digits[bits >> (18 - 6 * j) & 63];
		buf_put(out, group, form.padded ? 4 : n + 1);
	}
}
