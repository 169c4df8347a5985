/*
 * json_inside.h - what the scanner's files share: its states, the classes of bytes, the machine. Scans go 16
 * bytes at a time where SSE2 is, and one by one elsewhere (or with -DJSON_PORTABLE) and at the end. Both ways
 * answer alike; no byte outside [at, end) is read.
 */
#ifndef PROTO_JSON_INSIDE_H
#define PROTO_JSON_INSIDE_H

#if defined(__SSE2__) && !defined(JSON_PORTABLE)
#include <emmintrin.h>
#endif

#include "proto/json.h"

typedef const unsigned char *at_byte;

enum state { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, NEXT, DONE };
enum substate {
	BETWEEN,
	STRING,
	ESCAPE,
	HEX,
	WORD,
	MINUS,
	ZERO,
	DIGITS,
	POINT,
	FRACTION,
	EXPONENT,
	EXPONENT_SIGN,
	EXPONENT_DIGITS,
};
enum { WORD_TRUE, WORD_FALSE, WORD_NULL, WORD_NAN, WORD_INFINITY, WORD_MINUS_INFINITY };
struct json_word {
	const char *text;
	enum json_token token;
};
extern const struct json_word json_words[];

/* A plain decimal that begins at `at`: its end, or NULL when it is another number, or none. */
const char *json_decimal(const char *at, const char *end, double *value_out);
/* What is wrong, a constant; sticks. Returns `err`. */
int json_fail(struct json_scanner *, int err, const char *why);
/* At least one byte, `len` > 0: the bytes consumed, or an error; a token may be complete. */
long json_step(struct json_scanner *, at_byte, size_t len, enum json_token *token_out);
/* Numbers of an array, each behind a comma at *at and at most a space, as far as they can be told in bulk:
 * how many; *at is then at the comma behind the last one, which begins at *start. May find fewer than there
 * are. */
uint64_t json_numbers(at_byte *at, at_byte end, at_byte *start);
/* The number under way ends before this byte or here. 0 or ERR_PROTO. */
int json_number_end(struct json_scanner *, enum json_token *token_out);

static inline bool is_blank(unsigned char c)
{
	return c <= ' ' && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
}

static inline bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static inline int hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline bool is_escape(unsigned char c)
{
	return c && strchr("\"\\/bfnrtu", c);
}

/* Well-formed UTF-8 by Unicode table 3-7: only the second byte has a narrower range. The bytes that follow
 * a lead byte; 0: it is none. */
static inline unsigned utf8_more(unsigned char lead, unsigned *min_out, unsigned *max_out)
{
	*min_out = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	*max_out = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

/* The first byte that is no space. */
static inline at_byte scan_spaces(at_byte at, at_byte end)
{
#if defined(__SSE2__) && !defined(JSON_PORTABLE)
	const __m128i space = _mm_set1_epi8(' ');

	while (end - at >= 16 &&
	       _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)at), space)) == 0xffff)
		at += 16;
#endif
	while (at < end && *at == ' ')
		at++;
	return at;
}

/* The first byte that is not plain text of a string: a quote, a backslash, a control or not ASCII. */
static inline at_byte scan_plain(at_byte at, at_byte end)
{
#if defined(__SSE2__) && !defined(JSON_PORTABLE)
	const __m128i low = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');

	for (; end - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		/* signed: bytes from 0x80 on are below 0x20 too */
		__m128i stop = _mm_or_si128(_mm_cmplt_epi8(v, low),
		                            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
		int mask = _mm_movemask_epi8(stop);

		if (mask)
			return at + __builtin_ctz((unsigned)mask);
	}
#endif
	while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
		at++;
	return at;
}

#endif
