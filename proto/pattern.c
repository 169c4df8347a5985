#include "proto/pattern.h"

#include "proto/base/utf8.h"

enum { NONE = UINT16_MAX, DEPTH_MAX = 16, COPIES_MAX = 256 };
enum { OP_CHAR, OP_ANY, OP_CLASS, OP_NOT_CLASS, OP_SPLIT, OP_START, OP_END, OP_EDGE, OP_NO_EDGE, OP_MATCH };
static const uint32_t LAST = 0x10ffff, BROKEN = 0xfffd;

struct parse {
	struct pattern *out;
	struct span text;
	size_t at;
	unsigned depth;
	const char *why; /* the first that was wrong */
};

static void wrong(struct parse *p, const char *why)
{
	if (!p->why)
		p->why = why;
}

/* --- characters --- */

static uint32_t decode(struct span s, size_t at, size_t *len_out)
{
	const unsigned char *b = (const unsigned char *)s.data + at;
	size_t n = utf8_len(b, s.len - at);
	uint32_t c;

	*len_out = n ? n : 1;
	if (n < 2)
		return n ? b[0] : BROKEN;
	c = b[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (b[i] & 0x3fu);
	return c;
}

static bool more(const struct parse *p)
{
	return !p->why && p->at < p->text.len;
}

static bool next_is(const struct parse *p, const char *text)
{
	return span_starts((struct span){p->text.data + p->at, p->text.len - p->at}, span_of(text));
}

static bool take(struct parse *p, const char *text)
{
	if (p->why || !next_is(p, text))
		return false;
	p->at += strlen(text);
	return true;
}

static uint32_t take_char(struct parse *p)
{
	size_t len;
	uint32_t c = decode(p->text, p->at, &len);

	p->at += len;
	return c;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t take_hex(struct parse *p, unsigned digits)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < digits; i++) {
		int d = p->at < p->text.len ? hex_digit(p->text.data[p->at]) : -1;

		if (d < 0) {
			wrong(p, "an escape lacks hexadecimal digits");
			return 0;
		}
		p->at++;
		value = value << 4 | (uint32_t)d;
	}
	return value;
}

static uint32_t take_unicode(struct parse *p)
{
	uint32_t value = 0;

	if (!take(p, "{"))
		return take_hex(p, 4);
	while (more(p) && !next_is(p, "}") && value <= LAST)
		value = value << 4 | take_hex(p, 1);
	if (!take(p, "}") || value > LAST)
		wrong(p, "\\u{...} is no character");
	return value;
}

/* --- steps --- */

static uint16_t emit(struct parse *p, uint8_t op, uint16_t to, uint16_t or, uint32_t value)
{
	struct pattern *out = p->out;

	if (out->count == PATTERN_STEPS_MAX) {
		wrong(p, "it has too many steps");
		return 0;
	}
	out->steps[out->count] = (struct pattern_step){op, to, or, value};
	return out->count++;
}

/* A step that goes on to the next one, and to another once it is told. */
static uint16_t emit_split(struct parse *p)
{
	return emit(p, OP_SPLIT, (uint16_t)(p->out->count + 1), NONE, 0);
}

static void add_range(struct parse *p, uint32_t low, uint32_t high)
{
	struct pattern *out = p->out;

	if (low > high)
		wrong(p, "a range of a class is the wrong way round");
	if (out->range_count == PATTERN_RANGES_MAX) {
		wrong(p, "its classes have too many ranges");
		return;
	}
	out->ranges[out->range_count].low = low;
	out->ranges[out->range_count++].high = high;
}

/* \d, \w, \s and their opposites: their ranges. False: it is none of them. */
static bool add_named(struct parse *p, char name)
{
	static const struct {
		char name;
		unsigned count;
		uint32_t ends[20];
	} known[] = {{'d', 1, {'0', '9'}},
	             {'w', 4, {'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}},
	             {'s',
	              9,
	              {'\t', '\r', ' ', ' ', 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029,
	               0x202f, 0x202f, 0x205f, 0x205f, 0x3000, 0x3000}}};

	for (unsigned k = 0; k < 3; k++) {
		uint32_t from = 0;

		if (known[k].name != (name | 32))
			continue;
		for (unsigned i = 0; i < known[k].count; i++) {
			uint32_t low = known[k].ends[2 * i], high = known[k].ends[2 * i + 1];

			if (name & 32)
				add_range(p, low, high);
			else if (low > from)
				add_range(p, from, low - 1);
			from = high + 1;
		}
		if (!(name & 32))
			add_range(p, from, LAST);
		return true;
	}
	return false;
}

/* Behind a backslash, of one character. */
static uint32_t take_escape(struct parse *p)
{
	static const char names[] = "nrtfv0", means[] = "\n\r\t\f\v\0";
	uint32_t c;
	const char *known;

	if (!more(p)) {
		wrong(p, "it ends in a backslash");
		return 0;
	}
	c = take_char(p);
	known = c && c < 0x80 ? strchr(names, (int)c) : NULL;
	if (known)
		return (uint32_t)means[known - names];
	if (c == 'x')
		return take_hex(p, 2);
	if (c == 'u')
		return take_unicode(p);
	if (c >= '1' && c <= '9')
		wrong(p, "references back (\\1) are not understood");
	else if (c == 'p' || c == 'P')
		wrong(p, "properties (\\p) are not understood");
	else if (c < 0x80 && ((c | 32) >= 'a' && (c | 32) <= 'z'))
		wrong(p, "an escape is not understood");
	return c;
}

static void parse_class(struct parse *p)
{
	uint8_t op = take(p, "^") ? OP_NOT_CLASS : OP_CLASS;
	uint16_t first = p->out->range_count;

	while (more(p) && !next_is(p, "]")) {
		uint32_t low, high;

		if (next_is(p, "\\") && p->at + 1 < p->text.len && add_named(p, p->text.data[p->at + 1])) {
			p->at += 2;
			continue;
		}
		low = high = take(p, "\\") ? take(p, "b") ? '\b' : take_escape(p) : take_char(p);
		if (next_is(p, "-") && !next_is(p, "-]")) {
			p->at++;
			high = !more(p) ? 0 : take(p, "\\") ? take_escape(p) : take_char(p);
		}
		add_range(p, low, high);
	}
	if (!take(p, "]"))
		wrong(p, "a class is not closed");
	emit(p, op, first, (uint16_t)(p->out->range_count - first), 0);
}

static void parse_choice(struct parse *p);

static void parse_group(struct parse *p)
{
	if (next_is(p, "?=") || next_is(p, "?!") || next_is(p, "?<=") || next_is(p, "?<!"))
		wrong(p, "looking ahead or behind is not understood");
	else if (next_is(p, "?<"))
		wrong(p, "named groups are not understood");
	else if (next_is(p, "?") && !take(p, "?:"))
		wrong(p, "a group is not understood");
	if (++p->depth > DEPTH_MAX)
		wrong(p, "its groups are too deep");
	parse_choice(p);
	p->depth--;
	if (!take(p, ")"))
		wrong(p, "a group is not closed");
}

static void parse_backslash(struct parse *p)
{
	uint16_t first = p->out->range_count;

	if (take(p, "b"))
		emit(p, OP_EDGE, 0, 0, 0);
	else if (take(p, "B"))
		emit(p, OP_NO_EDGE, 0, 0, 0);
	else if (more(p) && add_named(p, p->text.data[p->at])) {
		p->at++;
		emit(p, OP_CLASS, first, (uint16_t)(p->out->range_count - first), 0);
	} else {
		emit(p, OP_CHAR, 0, 0, take_escape(p));
	}
}

static void parse_atom(struct parse *p)
{
	if (take(p, "("))
		parse_group(p);
	else if (take(p, "["))
		parse_class(p);
	else if (take(p, "\\"))
		parse_backslash(p);
	else if (take(p, "."))
		emit(p, OP_ANY, 0, 0, 0);
	else if (take(p, "^"))
		emit(p, OP_START, 0, 0, 0);
	else if (take(p, "$"))
		emit(p, OP_END, 0, 0, 0);
	else if (next_is(p, "*") || next_is(p, "+") || next_is(p, "?"))
		wrong(p, "nothing is repeated");
	else
		emit(p, OP_CHAR, 0, 0, take_char(p));
}

static unsigned take_number(struct parse *p)
{
	unsigned n = 0;

	if (!more(p) || p->text.data[p->at] < '0' || p->text.data[p->at] > '9')
		wrong(p, "a count of repetitions is not understood");
	while (more(p) && p->text.data[p->at] >= '0' && p->text.data[p->at] <= '9' && n <= COPIES_MAX)
		n = n * 10 + (unsigned)(p->text.data[p->at++] - '0');
	if (n > COPIES_MAX)
		wrong(p, "it repeats too often");
	return n;
}

/* True with how often: most UINT_MAX is for ever. */
static bool parse_counts(struct parse *p, unsigned *least, unsigned *most)
{
	bool given = true;

	*least = *most = 1;
	if (take(p, "*")) {
		*least = 0;
		*most = UINT32_MAX;
	} else if (take(p, "+")) {
		*most = UINT32_MAX;
	} else if (take(p, "?")) {
		*least = 0;
	} else if (take(p, "{")) {
		*least = *most = take_number(p);
		if (take(p, ","))
			*most = next_is(p, "}") ? UINT32_MAX : take_number(p);
		if (!take(p, "}") || *most < *least)
			wrong(p, "a count of repetitions is not understood");
	} else {
		given = false;
	}
	if (given)
		(void)take(p, "?");
	return given;
}

/* The atom again, each copy behind the one before. */
static void parse_copy(struct parse *p, size_t from)
{
	size_t behind = p->at;

	p->at = from;
	parse_atom(p);
	p->at = behind;
}

static void parse_term(struct parse *p)
{
	uint16_t splits[COPIES_MAX + 1], last = emit_split(p), first = last;
	size_t from = p->at;
	unsigned least, most, n = 0;

	parse_atom(p);
	if (p->why || !parse_counts(p, &least, &most) || p->why)
		return;
	if (least == 0)
		splits[n++] = first;
	for (unsigned i = 1; i < (most == UINT32_MAX ? least : most) && !p->why; i++) {
		last = emit_split(p);
		if (i >= least)
			splits[n++] = last;
		parse_copy(p, from);
	}
	if (most == UINT32_MAX) {
		uint16_t back = emit_split(p);

		p->out->steps[back].or = last;
	}
	for (unsigned i = 0; i < n; i++)
		p->out->steps[splits[i]].or = p->out->count;
	if (most == 0)
		p->out->steps[first].to = p->out->count;
}

static void parse_choice(struct parse *p)
{
	uint16_t start = emit_split(p), ends = NONE;

	while (!p->why) {
		while (more(p) && !next_is(p, "|") && !next_is(p, ")"))
			parse_term(p);
		if (!take(p, "|"))
			break;
		ends = emit(p, OP_SPLIT, ends, NONE, 0); /* its `to` is the end before it, for now */
		p->out->steps[start].or = p->out->count;
		start = emit_split(p);
	}
	while (!p->why && ends != NONE) {
		uint16_t before = p->out->steps[ends].to;

		p->out->steps[ends].to = p->out->count;
		ends = before;
	}
}

const char *pattern_compile(struct pattern *out, struct span text)
{
	struct parse p = {.out = out, .text = text};

	out->count = out->range_count = 0;
	parse_choice(&p);
	if (p.at < text.len)
		wrong(&p, "a bracket closes nothing");
	emit(&p, OP_MATCH, 0, 0, 0);
	return p.why;
}

/* --- walking --- */

struct walk {
	const struct pattern *pattern;
	uint32_t mark; /* of the position: a step is visited once at each */
	uint32_t seen[PATTERN_STEPS_MAX];
	uint16_t now[PATTERN_STEPS_MAX], next[PATTERN_STEPS_MAX];
	unsigned now_count, next_count;
	bool at_start, at_end, at_edge;
};

static bool is_word(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c < 0x80 && (c | 32) >= 'a' && (c | 32) <= 'z') || c == '_';
}

/* May the walk stand behind this step without a character? */
static bool holds(const struct walk *w, uint8_t op)
{
	return op == OP_START ? w->at_start : op == OP_END ? w->at_end : (op == OP_EDGE) == w->at_edge;
}

/* All steps that need a character and are reached from `from` without one. True: the end is. */
static bool reach(struct walk *w, uint16_t from)
{
	uint16_t stack[2 * PATTERN_STEPS_MAX];
	unsigned n = 0;

	stack[n++] = from;
	while (n) {
		uint16_t at = stack[--n];
		const struct pattern_step *s;

		if (at == NONE || w->seen[at] == w->mark)
			continue;
		w->seen[at] = w->mark;
		s = &w->pattern->steps[at];
		if (s->op == OP_MATCH)
			return true;
		if (s->op == OP_SPLIT) {
			stack[n++] = s->to;
			stack[n++] = s->or ;
		} else if (s->op < OP_SPLIT) {
			w->next[w->next_count++] = at;
		} else if (holds(w, s->op)) {
			stack[n++] = (uint16_t)(at + 1);
		}
	}
	return false;
}

static bool in_class(const struct pattern *p, const struct pattern_step *s, uint32_t c)
{
	for (unsigned i = 0; i < s->or ; i++)
		if (c >= p->ranges[s->to + i].low && c <= p->ranges[s->to + i].high)
			return true;
	return false;
}

static bool takes(const struct pattern *p, const struct pattern_step *s, uint32_t c)
{
	switch (s->op) {
	case OP_CHAR:
		return c == s->value;
	case OP_ANY:
		return c != '\n' && c != '\r' && c != 0x2028 && c != 0x2029;
	default:
		return in_class(p, s, c) == (s->op == OP_CLASS);
	}
}

bool pattern_found(const struct pattern *p, struct span text)
{
	struct walk w;
	uint32_t before = 0, c = 0;

	w.pattern = p;
	w.mark = 0;
	w.now_count = w.next_count = 0;
	memset(w.seen, 0, sizeof *w.seen * p->count);
	for (size_t at = 0, len = 0;; at += len) {
		bool end = at >= text.len;

		w.mark++;
		w.at_start = at == 0;
		w.at_end = end;
		memcpy(w.now, w.next, sizeof *w.now * w.next_count);
		w.now_count = w.next_count;
		w.next_count = 0;
		uint32_t following = end ? 0 : decode(text, at, &len);
		w.at_edge = is_word(before) != is_word(following);
		for (unsigned i = 0; i < w.now_count; i++)
			if (takes(p, &p->steps[w.now[i]], c) && reach(&w, (uint16_t)(w.now[i] + 1)))
				return true;
		if (reach(&w, 0))
			return true;
		if (end)
			return false;
		before = c = following;
	}
}
