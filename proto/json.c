/*
 * json.c - what is read whole: tokens told at once from the input, skipping and walking on them, and the
 * reader. What is cut, wrong or rare is left to the machine in json_machine.c; both have one outcome.
 */
#include "proto/json_inside.h"

void json_init(struct json_scanner *s, unsigned options)
{
	*s = (struct json_scanner){.options = options, .state = VALUE};
}

static inline at_byte skip_blanks(at_byte at, at_byte end)
{
	while (at < end && is_blank(*at))
		at++;
	return at;
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

	*token_out = json_words[word].token;
	return (size_t)(end - at) >= len && memcmp(at, json_words[word].text, len) == 0 ? at + len : NULL;
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

static inline at_byte whole_open(struct json_scanner *s, at_byte at, enum json_token *token_out)
{
	bool object = *at == '{';

	if (s->depth == JSON_DEPTH_MAX)
		return NULL;
	s->depth++;
	s->objects = s->objects << 1 | object;
	s->state = object ? KEY_OR_END : VALUE_OR_END;
	*token_out = object ? JSON_OBJECT : JSON_ARRAY;
	return at + 1;
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
		return value ? whole_open(s, at, token_out) : NULL;
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
	if (s->state == DONE && s->substate == BETWEEN) {
		at = (size_t)(scan_spaces(from, from + input.len) - from);
		s->offset += at;
	} else if (s->substate == BETWEEN && input.len) {
		end = whole_token(s, from, from + input.len, &start, token_out);
		if (end) {
			moved(s, from, start, end);
			return end - from;
		}
	}
	while (at < input.len && *token_out == JSON_MORE) {
		n = json_step(s, from + at, input.len - at, token_out);
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
		return json_number_end(s, token_out);
	if (s->state != DONE)
		return json_fail(s, ERR_PROTO, "the document is cut short");
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
	struct span rest = {"", r->doc.len - s->offset};
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
	uint64_t n = json_numbers(at, end, start);
	at_byte next, from;

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

void json_skip_numbers(struct json_reader *r)
{
	struct json_scanner *s = &r->scanner;
	at_byte from = (at_byte)r->doc.data + s->offset, at = from, start = at;

	if (s->substate != BETWEEN || s->state != NEXT || s->objects & 1 ||
	    !whole_numbers(&at, (at_byte)r->doc.data + r->doc.len, &start))
		return;
	moved(s, from, start, at);
	r->text = (struct span){(const char *)start, (size_t)(at - start)};
}

size_t json_take_numbers(struct json_reader *r, double out[], size_t max)
{
	struct json_scanner *s = &r->scanner;
	const char *doc = r->doc.data, *end = doc + r->doc.len, *at = doc + s->offset, *start = at, *next;
	size_t n = 0;

	if (s->substate != BETWEEN || s->state != NEXT || s->objects & 1)
		return 0;
	while (n < max && end - at > 2 && *at == ',') {
		const char *from = at + 1 + (at[1] == ' ');

		next = json_decimal(from, end, &out[n]);
		if (!next || next == end || (*next != ',' && *next != ']'))
			break;
		start = from;
		at = next;
		n++;
	}
	if (!n)
		return 0;
	moved(s, (at_byte)doc + s->offset, (at_byte)start, (at_byte)at);
	r->text = (struct span){start, (size_t)(at - start)};
	return n;
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
