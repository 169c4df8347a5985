#include "proto/json.h"

#include <stdlib.h>

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

static const struct {
	const char *text;
	enum json_token token;
} words[] = {
        {"true", JSON_TRUE},  {"false", JSON_FALSE},     {"null", JSON_NULL},
        {"NaN", JSON_NUMBER}, {"Infinity", JSON_NUMBER}, {"-Infinity", JSON_NUMBER},
};
enum { WORD_TRUE, WORD_FALSE, WORD_NULL, WORD_NAN, WORD_INFINITY, WORD_MINUS_INFINITY };

void json_init(struct json_scanner *s, unsigned options)
{
	*s = (struct json_scanner){.options = options, .state = VALUE};
}

static int fail(struct json_scanner *s, int err, const char *why)
{
	s->error = why;
	s->err = err;
	return err;
}

static void value_done(struct json_scanner *s)
{
	s->substate = BETWEEN;
	s->state = s->depth ? NEXT : DONE;
}

static int open_container(struct json_scanner *s, bool object, enum json_token *token_out)
{
	if (s->depth == JSON_DEPTH_MAX)
		return fail(s, ERR_LIMIT, "nested too deeply");
	s->stack[s->depth++] = object;
	s->state = object ? KEY_OR_END : VALUE_OR_END;
	s->end = s->offset + 1;
	*token_out = object ? JSON_OBJECT : JSON_ARRAY;
	return 1;
}

static int close_container(struct json_scanner *s, enum json_token *token_out)
{
	bool object = s->stack[--s->depth];

	value_done(s);
	s->start = s->offset;
	s->end = s->offset + 1;
	*token_out = object ? JSON_OBJECT_END : JSON_ARRAY_END;
	return 1;
}

static int begin_string(struct json_scanner *s, bool key)
{
	s->start = s->offset;
	s->substate = STRING;
	s->key = key;
	s->escaped = false;
	s->utf8_left = 0;
	return 1;
}

static int begin_word(struct json_scanner *s, unsigned word, unsigned at)
{
	s->substate = WORD;
	s->word = word;
	s->at = at;
	return 1;
}

static int begin_value(struct json_scanner *s, unsigned char c, enum json_token *token_out)
{
	s->start = s->offset;
	switch (c) {
	case '{':
	case '[':
		return open_container(s, c == '{', token_out);
	case '"':
		return begin_string(s, false);
	case 't':
		return begin_word(s, WORD_TRUE, 1);
	case 'f':
		return begin_word(s, WORD_FALSE, 1);
	case 'n':
		return begin_word(s, WORD_NULL, 1);
	case '-':
		s->substate = MINUS;
		return 1;
	case '0' ... '9':
		s->substate = c == '0' ? ZERO : DIGITS;
		return 1;
	}
	if (s->options & JSON_NONFINITE && (c == 'N' || c == 'I'))
		return begin_word(s, c == 'N' ? WORD_NAN : WORD_INFINITY, 1);
	return fail(s, ERR_PROTO, "a value was expected");
}

static int comma_or_end(struct json_scanner *s, unsigned char c, enum json_token *token_out)
{
	bool object = s->stack[s->depth - 1];

	if (c == (object ? '}' : ']'))
		return close_container(s, token_out);
	if (c != ',')
		return fail(s, ERR_PROTO, "a comma or the end of the container was expected");
	s->state = object ? KEY : VALUE;
	return 1;
}

/* One byte between tokens. */
static int between(struct json_scanner *s, unsigned char c, enum json_token *token_out)
{
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		return 1;
	switch (s->state) {
	case VALUE_OR_END:
		if (c == ']')
			return close_container(s, token_out);
		/* fall through */
	case VALUE:
		return begin_value(s, c, token_out);
	case KEY_OR_END:
		if (c == '}')
			return close_container(s, token_out);
		/* fall through */
	case KEY:
		return c == '"' ? begin_string(s, true) : fail(s, ERR_PROTO, "a key was expected");
	case COLON:
		s->state = VALUE;
		return c == ':' ? 1 : fail(s, ERR_PROTO, "a colon was expected");
	case NEXT:
		return comma_or_end(s, c, token_out);
	}
	return fail(s, ERR_PROTO, "text after the document");
}

/* Well-formed UTF-8 by Unicode table 3-7: only the second byte has a narrower range. */
static int utf8_lead(struct json_scanner *s, unsigned char c)
{
	if (c < 0xc2 || c > 0xf4)
		return fail(s, ERR_PROTO, "invalid UTF-8");
	s->utf8_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	s->utf8_min = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	s->utf8_max = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return 1;
}

static int utf8_next(struct json_scanner *s, unsigned char c)
{
	if (c < s->utf8_min || c > s->utf8_max)
		return fail(s, ERR_PROTO, "invalid UTF-8");
	s->utf8_left--;
	s->utf8_min = 0x80;
	s->utf8_max = 0xbf;
	return 1;
}

static int string_end(struct json_scanner *s, enum json_token *token_out)
{
	s->end = s->offset + 1;
	*token_out = s->key ? JSON_KEY : JSON_STRING;
	if (s->key) {
		s->substate = BETWEEN;
		s->state = COLON;
	} else {
		value_done(s);
	}
	return 1;
}

static long string_step(struct json_scanner *s, const unsigned char *p, size_t len,
                        enum json_token *token_out)
{
	size_t run = 0;

	if (s->utf8_left)
		return utf8_next(s, *p);
	while (run < len && p[run] >= 0x20 && p[run] < 0x80 && p[run] != '"' && p[run] != '\\')
		run++;
	if (run)
		return (long)run;
	if (*p == '"')
		return string_end(s, token_out);
	if (*p < 0x20)
		return fail(s, ERR_PROTO, "a control character in a string");
	if (*p != '\\')
		return utf8_lead(s, *p);
	s->escaped = true;
	s->substate = ESCAPE;
	return 1;
}

static int escape_step(struct json_scanner *s, unsigned char c)
{
	if (!c || !strchr("\"\\/bfnrtu", c))
		return fail(s, ERR_PROTO, "an unknown escape");
	s->substate = c == 'u' ? HEX : STRING;
	s->at = 0;
	return 1;
}

static int hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_step(struct json_scanner *s, unsigned char c)
{
	if (hex_digit(c) < 0)
		return fail(s, ERR_PROTO, "a bad \\u escape");
	if (++s->at == 4)
		s->substate = STRING;
	return 1;
}

static int word_step(struct json_scanner *s, unsigned char c, enum json_token *token_out)
{
	const char *text = words[s->word].text;

	if (c != (unsigned char)text[s->at])
		return fail(s, ERR_PROTO, "an unknown word");
	if (!text[++s->at]) {
		s->end = s->offset + 1;
		*token_out = words[s->word].token;
		value_done(s);
	}
	return 1;
}

static bool number_complete(int substate)
{
	return substate == ZERO || substate == DIGITS || substate == FRACTION || substate == EXPONENT_DIGITS;
}

static int number_end(struct json_scanner *s, enum json_token *token_out)
{
	if (!number_complete(s->substate))
		return fail(s, ERR_PROTO, "an incomplete number");
	s->end = s->offset;
	*token_out = JSON_NUMBER;
	value_done(s);
	return 0;
}

/* The substate after a byte of a number, or BETWEEN when the byte does not continue it. */
static int number_next(int substate, unsigned char c)
{
	bool digit = c >= '0' && c <= '9', e = c == 'e' || c == 'E';

	switch (substate) {
	case MINUS:
		return !digit ? BETWEEN : c == '0' ? ZERO : DIGITS;
	case ZERO:
		return c == '.' ? POINT : e ? EXPONENT : BETWEEN;
	case DIGITS:
		return digit ? DIGITS : c == '.' ? POINT : e ? EXPONENT : BETWEEN;
	case POINT:
		return digit ? FRACTION : BETWEEN;
	case FRACTION:
		return digit ? FRACTION : e ? EXPONENT : BETWEEN;
	case EXPONENT:
		if (c == '+' || c == '-')
			return EXPONENT_SIGN;
		/* fall through */
	default:
		return digit ? EXPONENT_DIGITS : BETWEEN;
	}
}

static long number_step(struct json_scanner *s, const unsigned char *p, size_t len,
                        enum json_token *token_out)
{
	size_t n;
	int next;

	if (s->substate == MINUS && *p == 'I' && s->options & JSON_NONFINITE)
		return begin_word(s, WORD_MINUS_INFINITY, 2);
	for (n = 0; n < len; n++) {
		next = number_next(s->substate, p[n]);
		if (next == BETWEEN)
			break;
		s->substate = next;
	}
	if (n)
		return (long)n;
	return number_end(s, token_out);
}

static long step(struct json_scanner *s, const unsigned char *p, size_t len, enum json_token *token_out)
{
	switch (s->substate) {
	case BETWEEN:
		return between(s, *p, token_out);
	case STRING:
		return string_step(s, p, len, token_out);
	case ESCAPE:
		return escape_step(s, *p);
	case HEX:
		return hex_step(s, *p);
	case WORD:
		return word_step(s, *p, token_out);
	default:
		return number_step(s, p, len, token_out);
	}
}

long json_feed(struct json_scanner *s, struct span input, enum json_token *token_out)
{
	size_t at = 0;
	long n;

	*token_out = JSON_MORE;
	if (s->err)
		return s->err;
	while (at < input.len && *token_out == JSON_MORE) {
		n = step(s, (const unsigned char *)input.data + at, input.len - at, token_out);
		if (n < 0)
			return n;
		at += (size_t)n;
		s->offset += (size_t)n;
	}
	if (*token_out == JSON_MORE && s->state == DONE)
		*token_out = JSON_END;
	return (long)at;
}

int json_finish(struct json_scanner *s, enum json_token *token_out)
{
	*token_out = JSON_MORE;
	if (s->err)
		return s->err;
	if (s->substate >= MINUS && !s->depth)
		return number_end(s, token_out);
	if (s->state != DONE)
		return fail(s, ERR_PROTO, "the document is cut short");
	*token_out = JSON_END;
	return 0;
}

void json_reader_init(struct json_reader *r, struct span doc, unsigned options)
{
	*r = (struct json_reader){.doc = doc};
	json_init(&r->scanner, options);
}

int json_next(struct json_reader *r, enum json_token *token_out)
{
	struct span rest = {NULL, r->doc.len - r->at};
	long n;
	int err;

	if (rest.len)
		rest.data = r->doc.data + r->at;
	n = json_feed(&r->scanner, rest, token_out);
	if (n < 0)
		return (int)n;
	r->at += (size_t)n;
	if (*token_out == JSON_MORE) {
		err = json_finish(&r->scanner, token_out);
		if (err)
			return err;
	}
	if (*token_out == JSON_END)
		r->text = (struct span){NULL, 0};
	else
		r->text = (struct span){r->doc.data + r->scanner.start, r->scanner.end - r->scanner.start};
	return 0;
}

int json_skip(struct json_reader *r, enum json_token first)
{
	int outside = r->scanner.depth - 1, err = 0;
	enum json_token token;

	if (first != JSON_OBJECT && first != JSON_ARRAY)
		return 0;
	while (!err && r->scanner.depth > outside)
		err = json_next(r, &token);
	return err;
}

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

	while (rest.len) {
		n = decode(&rest, bytes);
		if (plain.len < n || memcmp(plain.data, bytes, n) != 0)
			return false;
		plain.data += n;
		plain.len -= n;
	}
	return plain.len == 0;
}

static bool is_number(struct span text)
{
	struct json_reader r;
	enum json_token token;

	json_reader_init(&r, text, JSON_NONFINITE);
	return json_next(&r, &token) == 0 && token == JSON_NUMBER && r.text.len == text.len;
}

/* A plain decimal whose digits and power of ten are exact doubles: one division rounds it as strtod does
 * (Clinger 1990, "How to read floating point numbers accurately"). False: not of that kind, or no number. */
static bool short_decimal(struct span text, double *value_out)
{
	static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
	                                1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	const char *p = text.data, *end = p + text.len, *first, *point = NULL;
	bool negative = p < end && *p == '-';
	uint64_t digits = 0;

	p += negative;
	if (end - p > 16) /* with the point: digits stay below 10^16, checked against 2^53 below */
		return false;
	for (first = p; p < end; p++) {
		if (*p == '.' && !point && p > first)
			point = p + 1;
		else if (*p >= '0' && *p <= '9')
			digits = digits * 10 + (uint64_t)(*p - '0');
		else
			return false;
	}
	if (first == end || point == end || digits > (uint64_t)1 << 53 ||
	    (*first == '0' && end - first > 1 && point != first + 2))
		return false;
	*value_out = point ? (double)digits / powers[end - point] : (double)digits;
	if (negative)
		*value_out = -*value_out;
	return true;
}

int json_double(struct span number_token, double *value_out)
{
	char small[64], *text = small;

	if (short_decimal(number_token, value_out))
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
