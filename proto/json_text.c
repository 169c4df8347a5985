/*
 * json_text.c - what string and number tokens stand for.
 */
#include <stdlib.h>

#include "proto/json_inside.h"

/* Four hex digits at `at`, or -1. */
static long hex4(struct span s, size_t at)
{
	long value = 0;

	if (s.len < at + 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		int digit = hex_digit((unsigned char)s.data[i]);
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static size_t utf8_put(unsigned long c, char out[4])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(lead[n] | c);
	return n;
}

/* \uXXXX at the start of `s`, and the low half of a pair behind it. Sets the source bytes used. */
static size_t decode_unicode(struct span s, char out[4], size_t *used_out)
{
	long high = hex4(s, 2), low = -1;

	*used_out = s.len < 6 ? s.len : 6;
	if (high >= 0xd800 && high < 0xdc00 && s.len >= 12 && s.data[6] == '\\' && s.data[7] == 'u')
		low = hex4(s, 8);
	if (low >= 0xdc00 && low < 0xe000) {
		*used_out = 12;
		return utf8_put(0x10000 + ((unsigned long)(high - 0xd800) << 10) +
		                        (unsigned long)(low - 0xdc00),
		                out);
	}
	if (high < 0 || (high >= 0xd800 && high < 0xe000))
		high = 0xfffd;
	return utf8_put((unsigned long)high, out);
}

/* Decode what comes first in `*rest` (never empty) and step over it: 1 to 4 bytes. */
static size_t decode(struct span *rest, char out[4])
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *named;
	size_t used = 1, n = 1;

	out[0] = rest->data[0];
	if (out[0] == '\\' && rest->len >= 2) {
		if (rest->data[1] == 'u') {
			n = decode_unicode(*rest, out, &used);
		} else {
			named = memchr(from, rest->data[1], 5);
			out[0] = named ? to[named - from] : rest->data[1];
			used = 2;
		}
	}
	rest->data += used;
	rest->len -= used;
	return n;
}

static struct span unquote(struct span token)
{
	if (token.len < 2)
		return (struct span){NULL, 0};
	return (struct span){token.data + 1, token.len - 2};
}

void json_unescape(struct span string_token, struct buf *out)
{
	struct span rest = unquote(string_token);
	const char *slash;
	char bytes[4];
	size_t n;

	while (rest.len) {
		slash = memchr(rest.data, '\\', rest.len);
		n = slash ? (size_t)(slash - rest.data) : rest.len;
		buf_put(out, rest.data, n);
		rest.data += n;
		rest.len -= n;
		if (rest.len) {
			n = decode(&rest, bytes);
			buf_put(out, bytes, n);
		}
	}
}

bool json_string_eq(struct span string_token, struct span plain)
{
	struct span rest = unquote(string_token);
	char bytes[4];
	size_t n;

	while (rest.len >= plain.len && rest.len) {
		n = decode(&rest, bytes);
		if (plain.len < n || memcmp(plain.data, bytes, n) != 0)
			return false;
		plain.data += n;
		plain.len -= n;
	}
	return plain.len == 0 && rest.len == 0;
}

static bool is_number(struct span text)
{
	struct json_reader r;
	enum json_token token;

	json_reader_init(&r, text, JSON_NONFINITE);
	return json_next(&r, &token) == 0 && token == JSON_NUMBER && r.text.len == text.len;
}

/* Digits as long as `value` stays an integer a double holds; NULL past that or when there is none. */
static const char *decimal_digits(const char *at, const char *end, uint64_t *value)
{
	const char *from = at;

	for (; at < end && is_digit((unsigned char)*at); at++) {
		*value = *value * 10 + (uint64_t)(*at - '0');
		if (*value > 1ull << 53)
			return NULL;
	}
	return at > from ? at : NULL;
}

/* Plain decimals: their digits and the power of ten are doubles, so that one division is rounded right
 * (Clinger 1990, "How to read floating point numbers accurately"). */
const char *json_decimal(const char *at, const char *end, double *value_out)
{
	static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
	                                1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	bool negative = at < end && *at == '-';
	const char *from = at += negative;
	uint64_t digits = 0;
	size_t places = 0;

	at = decimal_digits(at, end, &digits);
	if (!at || (*from == '0' && at > from + 1))
		return NULL;
	if (at < end && *at == '.') {
		from = at + 1;
		at = decimal_digits(from, end, &digits);
		places = at ? (size_t)(at - from) : 0;
	}
	if (!at || places >= sizeof(powers) / sizeof(*powers))
		return NULL;
	*value_out = (double)digits / powers[places];
	if (negative)
		*value_out = -*value_out;
	return at;
}

int json_double(struct span number_token, double *value_out)
{
	char small[64], *text = small;

	const char *end = number_token.data + number_token.len;

	if (number_token.len && json_decimal(number_token.data, end, value_out) == end)
		return 0;
	if (!is_number(number_token))
		return ERR_PROTO;
	if (number_token.len >= sizeof(small)) {
		text = malloc(number_token.len + 1);
		if (!text)
			return ERR_NOMEM;
	}
	memcpy(text, number_token.data, number_token.len);
	text[number_token.len] = '\0';
	*value_out = strtod(text, NULL);
	if (text != small)
		free(text);
	return 0;
}
