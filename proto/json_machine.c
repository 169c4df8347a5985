/*
 * json_machine.c - the scanner byte by byte, so that it can be left and taken up anywhere. It alone says what
 * is wrong.
 */
#include "proto/json_inside.h"

const struct json_word json_words[] = {
        {"true", JSON_TRUE},  {"false", JSON_FALSE},     {"null", JSON_NULL},
        {"NaN", JSON_NUMBER}, {"Infinity", JSON_NUMBER}, {"-Infinity", JSON_NUMBER},
};

int json_fail(struct json_scanner *s, int err, const char *why)
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
		return json_fail(s, ERR_LIMIT, "nested too deeply");
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
	return json_fail(s, ERR_PROTO, "a value was expected");
}

static int comma_or_end(struct json_scanner *s, unsigned char c, enum json_token *token_out)
{
	bool object = s->objects & 1;

	if (c == (object ? '}' : ']'))
		return close_container(s, token_out);
	if (c != ',')
		return json_fail(s, ERR_PROTO, "a comma or the end of the container was expected");
	s->state = object ? KEY : VALUE;
	return 1;
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
		return c == '"' ? begin_string(s, true) : json_fail(s, ERR_PROTO, "a key was expected");
	case COLON:
		s->state = VALUE;
		return c == ':' ? 1 : json_fail(s, ERR_PROTO, "a colon was expected");
	case NEXT:
		return comma_or_end(s, c, token_out);
	}
	return json_fail(s, ERR_PROTO, "text after the document");
}

static int utf8_lead(struct json_scanner *s, unsigned char c)
{
	s->utf8_left = utf8_more(c, &s->utf8_min, &s->utf8_max);
	return s->utf8_left ? 1 : json_fail(s, ERR_PROTO, "invalid UTF-8");
}

static int utf8_next(struct json_scanner *s, unsigned char c)
{
	if (c < s->utf8_min || c > s->utf8_max)
		return json_fail(s, ERR_PROTO, "invalid UTF-8");
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
	at_byte stop;

	if (s->utf8_left)
		return utf8_next(s, *p);
	stop = scan_plain(p, p + len);
	if (stop != p)
		return stop - p;
	if (*p == '"')
		return string_end(s, token_out);
	if (*p < 0x20)
		return json_fail(s, ERR_PROTO, "a control character in a string");
	if (*p != '\\')
		return utf8_lead(s, *p);
	s->escaped = true;
	s->substate = ESCAPE;
	return 1;
}

static int escape_step(struct json_scanner *s, unsigned char c)
{
	if (!is_escape(c))
		return json_fail(s, ERR_PROTO, "an unknown escape");
	s->substate = c == 'u' ? HEX : STRING;
	s->at = 0;
	return 1;
}

static int hex_step(struct json_scanner *s, unsigned char c)
{
	if (hex_digit(c) < 0)
		return json_fail(s, ERR_PROTO, "a bad \\u escape");
	if (++s->at == 4)
		s->substate = STRING;
	return 1;
}

static int word_step(struct json_scanner *s, unsigned char c, enum json_token *token_out)
{
	const char *text = json_words[s->word].text;

	if (c != (unsigned char)text[s->at])
		return json_fail(s, ERR_PROTO, "an unknown word");
	if (!text[++s->at]) {
		s->end = s->offset + 1;
		*token_out = json_words[s->word].token;
		value_done(s);
	}
	return 1;
}

static bool number_complete(int substate)
{
	return substate == ZERO || substate == DIGITS || substate == FRACTION || substate == EXPONENT_DIGITS;
}

int json_number_end(struct json_scanner *s, enum json_token *token_out)
{
	if (!number_complete(s->substate))
		return json_fail(s, ERR_PROTO, "an incomplete number");
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
	return json_number_end(s, token_out);
}

long json_step(struct json_scanner *s, const unsigned char *p, size_t len, enum json_token *token_out)
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
