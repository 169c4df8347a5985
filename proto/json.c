#include "proto/json.h"

#include <stdlib.h>

#if defined(__SSE2__) && !defined(JSON_PORTABLE)
#include <emmintrin.h>
#endif

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
	s->depth++;
	s->objects = s->objects << 1 | object;
	s->state = object ? KEY_OR_END : VALUE_OR_END;
	s->end = s->offset + 1;
	*token_out = object ? JSON_OBJECT : JSON_ARRAY;
	return 1;
}

static int close_container(struct json_scanner *s, enum json_token *token_out)
{
	bool object = s->objects & 1;

	s->depth--;
	s->objects >>= 1;
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
	bool object = s->objects & 1;

	if (c == (object ? '}' : ']'))
		return close_container(s, token_out);
	if (c != ',')
		return fail(s, ERR_PROTO, "a comma or the end of the container was expected");
	s->state = object ? KEY : VALUE;
	return 1;
}

static inline bool is_blank(unsigned char c)
{
	return c <= ' ' && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
}

/* One byte between tokens. */
static int between(struct json_scanner *s, unsigned char c, enum json_token *token_out)
{
	if (is_blank(c))
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

/* Well-formed UTF-8 by Unicode table 3-7: only the second byte has a narrower range. The bytes that follow
 * a lead byte; 0: it is none. */
static unsigned utf8_more(unsigned char lead, unsigned *min_out, unsigned *max_out)
{
	*min_out = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	*max_out = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

static int utf8_lead(struct json_scanner *s, unsigned char c)
{
	s->utf8_left = utf8_more(c, &s->utf8_min, &s->utf8_max);
	return s->utf8_left ? 1 : fail(s, ERR_PROTO, "invalid UTF-8");
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

static long string_step(struct json_scanner *s, const unsigned char *p, size_t len,
                        enum json_token *token_out)
{
	at_byte stop;

	if (s->utf8_left)
		return utf8_next(s, *p);
	stop = scan_plain(p, p + len);
	if (stop != p)
		return stop - p;
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

static inline bool is_escape(unsigned char c)
{
	return c && strchr("\"\\/bfnrtu", c);
}

static int escape_step(struct json_scanner *s, unsigned char c)
{
	if (!is_escape(c))
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

static inline at_byte skip_blanks(at_byte at, at_byte end)
{
	while (at < end && is_blank(*at))
		at++;
	return at;
}

static inline bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static inline at_byte skip_digits(at_byte at, at_byte end)
{
	while (at < end && is_digit(*at))
		at++;
	return at;
}

/*
 * Tokens that lie whole in the input. Each of these returns where the token ends, or NULL when it is cut,
 * wrong or none of the common kind: then nothing was changed, and the machine above reads it.
 */
static inline at_byte whole_fraction(at_byte at, at_byte end)
{
	at_byte from;

	if (*at == '.') {
		from = at + 1;
		at = skip_digits(from, end);
		if (at == from)
			return NULL;
	}
	if (at < end && (*at | 0x20) == 'e') {
		at++;
		at += at < end && (*at == '+' || *at == '-');
		from = at;
		at = skip_digits(from, end);
		if (at == from)
			return NULL;
	}
	return at < end ? at : NULL;
}

/* The branches are meant: what is added to `at` by a comparison would have to wait for the byte. */
static inline at_byte whole_number(at_byte at, at_byte end)
{
	if (!is_digit(*at)) {
		if (*at != '-' || end - at < 2 || !is_digit(at[1]))
			return NULL;
		at++;
	}
	at = *at == '0' ? at + 1 : skip_digits(at + 1, end);
	if (at == end)
		return NULL;
	return *at == '.' || (*at | 0x20) == 'e' ? whole_fraction(at, end) : at;
}

static at_byte whole_escape(at_byte at, at_byte end)
{
	if (end - at < 2 || !is_escape(at[1]))
		return NULL;
	if (at[1] != 'u')
		return at + 2;
	if (end - at < 6)
		return NULL;
	for (size_t i = 2; i < 6; i++)
		if (hex_digit(at[i]) < 0)
			return NULL;
	return at + 6;
}

static at_byte whole_utf8(at_byte at, at_byte end)
{
	unsigned min, max, more = utf8_more(*at, &min, &max);

	if (!more || end - at <= (long)more || at[1] < min || at[1] > max)
		return NULL;
	for (unsigned i = 2; i <= more; i++)
		if ((at[i] & 0xc0) != 0x80)
			return NULL;
	return at + more + 1;
}

/* `at` is behind the opening quote. */
static inline at_byte whole_string(at_byte at, at_byte end, bool *escaped_out)
{
	*escaped_out = false;
	for (at = scan_plain(at, end); at && at < end; at = at ? scan_plain(at, end) : NULL) {
		if (*at == '"')
			return at + 1;
		if (*at < 0x20)
			return NULL;
		if (*at == '\\')
			*escaped_out = true;
		at = *at == '\\' ? whole_escape(at, end) : whole_utf8(at, end);
	}
	return NULL;
}

static inline at_byte whole_word(at_byte at, at_byte end, enum json_token *token_out)
{
	unsigned word = *at == 't' ? WORD_TRUE : *at == 'f' ? WORD_FALSE : WORD_NULL;
	size_t len = word == WORD_FALSE ? 5 : 4;

	*token_out = words[word].token;
	return (size_t)(end - at) >= len && memcmp(at, words[word].text, len) == 0 ? at + len : NULL;
}

/* The comma or colon that is due; what must follow it is *state. */
static inline at_byte whole_separator(const struct json_scanner *s, at_byte at, at_byte end, int *state)
{
	at = skip_blanks(at, end);
	if (at < end && *state == NEXT && *at == ',') {
		*state = s->objects & 1 ? KEY : VALUE;
		at = skip_blanks(at + 1, end);
	} else if (at < end && *state == COLON && *at == ':') {
		*state = VALUE;
		at = skip_blanks(at + 1, end);
	}
	return at;
}

static inline bool may_close(const struct json_scanner *s, int state, bool object)
{
	return state == NEXT ? object == (s->objects & 1) : state == (object ? KEY_OR_END : VALUE_OR_END);
}

/* One token: where it starts is *start_out; `s` has moved on but for its offsets. */
static inline __attribute__((always_inline)) at_byte
whole_token(struct json_scanner *s, at_byte at, at_byte end, at_byte *start_out, enum json_token *token_out)
{
	int state = s->state;
	enum json_token token;
	bool value, escaped;

	at = whole_separator(s, at, end, &state);
	if (at == end)
		return NULL;
	value = state == VALUE || state == VALUE_OR_END;
	*start_out = at;
	switch (*at) {
	case '-':
	case '0' ... '9':
		token = JSON_NUMBER;
		at = value ? whole_number(at, end) : NULL;
		break;
	case '"':
		token = value ? JSON_STRING : JSON_KEY;
		at = value || state == KEY || state == KEY_OR_END ? whole_string(at + 1, end, &escaped)
		                                                  : NULL;
		if (at)
			s->escaped = escaped;
		break;
	case '{':
	case '[':
		if (!value || s->depth == JSON_DEPTH_MAX)
			return NULL;
		token = *at == '{' ? JSON_OBJECT : JSON_ARRAY;
		s->depth++;
		s->objects = s->objects << 1 | (token == JSON_OBJECT);
		s->state = token == JSON_OBJECT ? KEY_OR_END : VALUE_OR_END;
		*token_out = token;
		return at + 1;
	case '}':
	case ']':
		if (!may_close(s, state, *at == '}'))
			return NULL;
		token = *at == '}' ? JSON_OBJECT_END : JSON_ARRAY_END;
		s->depth--;
		s->objects >>= 1;
		at++;
		break;
	case 't':
	case 'f':
	case 'n':
		at = value ? whole_word(at, end, &token) : NULL;
		break;
	default:
		return NULL;
	}
	if (!at)
		return NULL;
	s->state = token == JSON_KEY ? COLON : s->depth ? NEXT : DONE;
	*token_out = token;
	return at;
}

static void moved(struct json_scanner *s, at_byte from, at_byte start, at_byte end)
{
	s->start = s->offset + (uint64_t)(start - from);
	s->offset += (uint64_t)(end - from);
	s->end = s->offset;
}

long json_feed(struct json_scanner *s, struct span input, enum json_token *token_out)
{
	at_byte from = (at_byte)input.data, start, end;
	size_t at = 0;
	long n;

	*token_out = JSON_MORE;
	if (s->err)
		return s->err;
	if (s->substate == BETWEEN && input.len) {
		end = whole_token(s, from, from + input.len, &start, token_out);
		if (end) {
			moved(s, from, start, end);
			return end - from;
		}
	}
	while (at < input.len && *token_out == JSON_MORE) {
		n = step(s, from + at, input.len - at, token_out);
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
	r->doc = doc;
	r->text = (struct span){NULL, 0};
	json_init(&r->scanner, options);
}

int json_next(struct json_reader *r, enum json_token *token_out)
{
	struct json_scanner *s = &r->scanner;
	struct span rest = {NULL, r->doc.len - s->offset};
	long n;
	int err;

	if (rest.len)
		rest.data = r->doc.data + s->offset;
	n = json_feed(s, rest, token_out);
	if (n < 0)
		return (int)n;
	if (*token_out == JSON_MORE) {
		err = json_finish(s, token_out);
		if (err)
			return err;
	}
	if (*token_out == JSON_END)
		r->text = (struct span){NULL, 0};
	else
		r->text = (struct span){r->doc.data + s->start, s->end - s->start};
	return 0;
}

static inline __attribute__((always_inline)) void note(struct json_trail *trail, const struct json_scanner *s,
                                                       uint64_t start, enum json_token token)
{
	bool opens = token == JSON_OBJECT || token == JSON_ARRAY;
	int parents = s->depth - opens;

	if (token == JSON_KEY)
		trail->at[parents - 1] = start;
	else if (token != JSON_OBJECT_END && token != JSON_ARRAY_END && parents && !(s->objects >> opens & 1))
		trail->at[parents - 1]++;
	if (opens)
		trail->at[parents] = 0;
}

void json_trail_note(struct json_trail *trail, const struct json_scanner *s, enum json_token token)
{
	note(trail, s, s->start, token);
}

/* Numbers that follow one in an array, each behind a comma and at most a space: how many. */
static inline uint64_t whole_numbers(at_byte *at, at_byte end, at_byte *start)
{
	at_byte next, from;
	uint64_t n = 0;

	for (; end - *at > 2 && **at == ','; n++) {
		from = *at + 1;
		if (!is_digit(*from) && *from == ' ')
			from++;
		next = whole_number(from, end);
		if (!next)
			break;
		*start = from;
		*at = next;
	}
	return n;
}

/* Whole tokens within `limit` until that many containers are open, or as far as they go: the bytes consumed.
 * The copy of the scanner stays in registers. */
static inline __attribute__((always_inline)) size_t run(struct json_reader *r, size_t limit, int outside,
                                                        struct json_trail *trail)
{
	struct json_scanner s = r->scanner;
	at_byte doc = (at_byte)r->doc.data, from = doc + s.offset, at = from, last = from, start, next;
	enum json_token token;

	while (s.depth > outside && (next = whole_token(&s, at, doc + limit, &start, &token))) {
		at = next;
		last = start;
		if (trail)
			note(trail, &s, (uint64_t)(start - doc), token);
		if (token == JSON_NUMBER && s.state == NEXT && !(s.objects & 1)) {
			uint64_t n = whole_numbers(&at, doc + limit, &last);

			if (trail)
				trail->at[s.depth - 1] += n;
		}
	}
	if (at == from)
		return 0;
	moved(&s, from, last, at);
	r->scanner = s;
	r->text = (struct span){(const char *)last, (size_t)(at - last)};
	return (size_t)(at - from);
}

size_t json_walk(struct json_reader *r, size_t limit, struct json_trail *trail)
{
	bool ready = !r->scanner.err && r->scanner.substate == BETWEEN && r->scanner.offset < limit;

	return ready ? run(r, limit, -1, trail) : 0;
}

int json_skip(struct json_reader *r, enum json_token first)
{
	int outside = r->scanner.depth - 1, err = 0;
	enum json_token token;

	if (first != JSON_OBJECT && first != JSON_ARRAY)
		return 0;
	run(r, r->doc.len, outside, NULL);
	while (!err && r->scanner.depth > outside) {
		err = json_next(r, &token);
		if (!err)
			run(r, r->doc.len, outside, NULL);
	}
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

int json_double(struct span number_token, double *value_out)
{
	char small[64], *text = small;

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
