#include "capture/where.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/fold.h"
#include "capture/head.h"
#include "capture/ledger.h"
#include "proto/base/clock.h"
#include "proto/base/guess.h"

enum field {
	FIELD_ID,
	FIELD_TIME,
	FIELD_ROUTE,
	FIELD_METHOD,
	FIELD_PATH,
	FIELD_QUERY,
	FIELD_STATUS,
	FIELD_LATENCY,
	FIELD_FIRST_BYTE,
	FIELD_REQUEST_BYTES,
	FIELD_RESPONSE_BYTES,
	FIELD_MASKED,
	FIELD_ERROR,
};

const struct where_field where_fields[] = {
        [FIELD_ID] = {"id", "16 hexadecimal digits, as capture cat prints it", false},
        [FIELD_TIME] = {"time", "when the request began, RFC 3339 in UTC; a beginning of it compares too",
                        false},
        [FIELD_ROUTE] = {"route", "the route's name", false},
        [FIELD_METHOD] = {"method", "of the request", false},
        [FIELD_PATH] = {"path", "of the request, as masked, without its query", false},
        [FIELD_QUERY] = {"query", "of the request, as masked, without '?'", false},
        [FIELD_STATUS] = {"status", "of live's answer", true},
        [FIELD_LATENCY] = {"latency_ms", "from the request's first byte to the answer's last", true},
        [FIELD_FIRST_BYTE] = {"first_byte_ms", "from the request's first byte to the answer's body", true},
        [FIELD_REQUEST_BYTES] = {"request_bytes", "of the request's body, as masked", true},
        [FIELD_RESPONSE_BYTES] = {"response_bytes", "of the answer's body, as masked", true},
        [FIELD_MASKED] = {"masked", "how many values were masked", true},
        [FIELD_ERROR] = {"error", "why the exchange broke, or incomplete", false},
        {0},
};

/* Longer ones first: the first that fits is meant. */
enum operator{ EQUAL, UNEQUAL, AT_MOST, AT_LEAST, LIKE, BELOW, ABOVE, OPERATORS };
static const char *const operators[OPERATORS] = {"==", "!=", "<=", ">=", "=~", "<", ">"};

enum what { COMPARE, AND, OR, NOT };

/* --- compiling --- */

struct parser {
	struct where *w;
	const struct where_field *fields;
	unsigned at, depth;
	struct where_error *error;
};

static int fail(struct parser *p, unsigned at, const char *text)
{
	p->error->at = at;
	snprintf(p->error->text, sizeof p->error->text, "%s", text);
	return ERR_CONFIG;
}

static char look(struct parser *p)
{
	p->at += (unsigned)strspn(p->w->text + p->at, " \t\r\n");
	return p->w->text[p->at];
}

static unsigned word_length(const char *at)
{
	return (unsigned)strspn(at,
	                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/+%*?");
}

static bool take_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	look(p);
	if (word_length(p->w->text + p->at) != len || memcmp(p->w->text + p->at, word, len))
		return false;
	p->at += (unsigned)len;
	return true;
}

static int add(struct parser *p, struct where_step step)
{
	if (p->w->count == WHERE_STEPS_MAX)
		return fail(p, p->at, "the expression has too many parts");
	p->w->steps[p->w->count++] = step;
	return 0;
}

static int unknown_field(struct parser *p, unsigned len)
{
	struct guess guess = {0};
	char word[64], hint[GUESS_HINT_BYTES], text[384];

	if (!len)
		return fail(p, p->at, "a field's name is expected");
	snprintf(word, sizeof word, "%.*s", (int)(len < 63 ? len : 63), p->w->text + p->at);
	for (const struct where_field *f = p->fields; f->name; f++)
		guess_add(&guess, word, f->name);
	guess_hint(&guess, word, hint);
	snprintf(text, sizeof text, "unknown field '%s'; %s", word, hint);
	return fail(p, p->at, text);
}

static int read_field(struct parser *p, struct where_step *out)
{
	const char *at = p->w->text + (look(p), p->at);
	unsigned len = word_length(at);

	for (unsigned i = 0; p->fields[i].name; i++) {
		if (strlen(p->fields[i].name) != len || memcmp(p->fields[i].name, at, len))
			continue;
		out->field = (uint8_t)i;
		p->at += len;
		return 0;
	}
	return unknown_field(p, len);
}

static int read_operator(struct parser *p, struct where_step *out)
{
	char c = look(p);

	for (unsigned i = 0; i < OPERATORS; i++) {
		size_t len = strlen(operators[i]);

		if (strncmp(p->w->text + p->at, operators[i], len))
			continue;
		if (i == LIKE && p->fields[out->field].number)
			return fail(p, p->at, "a number has no pattern");
		out->operator=(uint8_t) i;
		p->at += (unsigned)len;
		return 0;
	}
	return fail(p, p->at, c == '=' ? "did you mean '=='?" : "one of == != < <= > >= =~ is expected");
}

static int read_value(struct parser *p, struct where_step *out)
{
	char quote = look(p), *end;
	const char *start = p->w->text + p->at, *close;
	unsigned len = word_length(start);

	out->at = (uint16_t)p->at;
	if (quote == '"' || quote == '\'') {
		close = strchr(start + 1, quote);
		if (!close)
			return fail(p, p->at, "the text has no end");
		out->at++;
		len = (unsigned)(close - start - 1);
		p->at += len + 2;
	} else if (!len) {
		return fail(p, p->at, "a value is expected");
	} else {
		p->at += len;
	}
	out->len = (uint16_t)len;
	if (!p->fields[out->field].number)
		return 0;
	out->number = strtod(p->w->text + out->at, &end);
	if (!len || end != p->w->text + out->at + len || !isfinite(out->number))
		return fail(p, out->at, "a number is expected");
	return 0;
}

static int either(struct parser *p);

static int group(struct parser *p)
{
	unsigned open = p->at++;
	int err = either(p);

	if (err)
		return err;
	if (look(p) != ')')
		return p->w->text[p->at] ? fail(p, p->at, "and, or, or ) is expected")
		                         : fail(p, open, "this ( is not closed");
	p->at++;
	return 0;
}

static int one(struct parser *p)
{
	struct where_step step = {.what = COMPARE};
	int err;

	if (p->depth == WHERE_DEPTH_MAX)
		return fail(p, p->at, "the expression is nested too deeply");
	p->depth++;
	if (take_word(p, "not")) {
		err = one(p);
		if (!err)
			err = add(p, (struct where_step){.what = NOT});
	} else if (look(p) == '(') {
		err = group(p);
	} else if (look(p) == '!') {
		err = fail(p, p->at, "did you mean 'not'?");
	} else {
		err = read_field(p, &step);
		if (!err)
			err = read_operator(p, &step);
		if (!err)
			err = read_value(p, &step);
		if (!err)
			err = add(p, step);
	}
	p->depth--;
	return err;
}

static int both(struct parser *p)
{
	int err = one(p);

	while (!err && take_word(p, "and")) {
		err = one(p);
		if (!err)
			err = add(p, (struct where_step){.what = AND});
	}
	return err;
}

static int either(struct parser *p)
{
	int err = both(p);

	while (!err && take_word(p, "or")) {
		err = both(p);
		if (!err)
			err = add(p, (struct where_step){.what = OR});
	}
	return err;
}

int where_compile(const char *expression, const struct where_field *fields, struct where *w,
                  struct where_error *error_out)
{
	struct parser p = {.w = w, .fields = fields, .error = error_out};
	int err;

	*w = (struct where){0};
	*error_out = (struct where_error){0};
	if (strlen(expression) >= sizeof w->text)
		return fail(&p, WHERE_BYTES_MAX - 1, "the expression is too long");
	strcpy(w->text, expression);
	err = either(&p);
	if (!err && look(&p) == '&')
		err = fail(&p, p.at, "did you mean 'and'?");
	else if (!err && look(&p) == '|')
		err = fail(&p, p.at, "did you mean 'or'?");
	else if (!err && look(&p))
		err = fail(&p, p.at, "and, or, or the end is expected");
	if (err)
		w->count = 0;
	return err;
}

static char shown(char c)
{
	return c >= 0x20 && c < 0x7f ? c : '?';
}

void where_explain(const char *expression, const struct where_error *error, struct buf *b)
{
	size_t len = strlen(expression), from = error->at > 60 ? error->at - 60 : 0;

	for (const char *c = error->text; *c; c++)
		buf_put(b, &(char){shown(*c)}, 1);
	buf_puts(b, "\n  ");
	for (size_t i = from; i < len && i < from + 76; i++)
		buf_put(b, &(char){shown(expression[i])}, 1);
	buf_printf(b, "\n%*s^\n", (int)(error->at - from + 2), "");
}

/* --- evaluating --- */

static struct where_value number(double n)
{
	return (struct where_value){.known = true, .number = n};
}

static struct where_value text(struct span s)
{
	return (struct where_value){.known = true, .text = s};
}

static struct where_value time_between(const struct leg *from, const struct leg *to, uint64_t until_ns)
{
	if (!from || !from->begun || !to || !to->ended || until_ns < from->start_ns)
		return (struct where_value){0};
	return number((double)(until_ns - from->start_ns) / 1e6);
}

static struct where_value error_of(const struct leg *request, const struct leg *answer)
{
	uint8_t error = answer && answer->error ? answer->error : request ? request->error : 0;

	if (error)
		return text(span_of(outcome_name(error)));
	if (!request || !request->ended || !answer || !answer->ended)
		return text(SPAN("incomplete"));
	return (struct where_value){0};
}

static struct where_value target_part(struct span head, bool query)
{
	struct span target = head_target(head);
	const char *mark = target.len ? memchr(target.data, '?', target.len) : NULL;
	size_t path = mark ? (size_t)(mark - target.data) : target.len;

	if (!query)
		return text((struct span){target.data, path});
	return mark ? text((struct span){mark + 1, target.len - path - 1}) : (struct where_value){0};
}

static struct where_value status_of(const struct leg *answer)
{
	unsigned status = answer && answer->begun ? head_status(buf_span(&answer->head)) : 0;

	return status ? number(status) : (struct where_value){0};
}

static struct where_value body_of(const struct leg *l)
{
	return l && l->begun ? number((double)buf_len(&l->body)) : (struct where_value){0};
}

static struct where_value request_part(enum field field, const struct leg *request)
{
	if (!request || !request->begun)
		return (struct where_value){0};
	return field == FIELD_METHOD ? text(head_method(buf_span(&request->head)))
	                             : target_part(buf_span(&request->head), field == FIELD_QUERY);
}

struct look {
	const struct exchange *x;
	const struct where_facts *facts;
	char room[32]; /* for what is not in the exchange as text */
};

static struct where_value value_of(void *arg, unsigned field)
{
	struct look *l = arg;
	const struct exchange *x = l->x;
	const struct where_facts *facts = l->facts;
	char *room = l->room;
	const struct leg *request = x->legs[LEG_CLIENT], *answer = x->legs[LEG_LIVE];

	switch (field) {
	case FIELD_ID:
		snprintf(room, sizeof l->room, "%016" PRIx64, x->id);
		return text(span_of(room));
	case FIELD_TIME:
		if (!request || !request->begun)
			return (struct where_value){0};
		clock_rfc3339(facts->wall_ns, room);
		return text(span_of(room));
	case FIELD_ROUTE:
		return text(facts->route);
	case FIELD_METHOD:
	case FIELD_PATH:
	case FIELD_QUERY:
		return request_part(field, request);
	case FIELD_STATUS:
		return status_of(answer);
	case FIELD_LATENCY:
		return time_between(request, answer, answer ? answer->end_ns : 0);
	case FIELD_FIRST_BYTE:
		return time_between(request, answer, answer ? answer->first_ns : 0);
	case FIELD_REQUEST_BYTES:
		return body_of(request);
	case FIELD_RESPONSE_BYTES:
		return body_of(answer);
	case FIELD_MASKED:
		return number((double)(request ? request->mask_count : 0) +
		              (answer ? answer->mask_count : 0));
	default:
		return error_of(request, answer);
	}
}

/* Goes back to the last * only: at most pattern times text steps. */
static bool matches(struct span pattern, struct span s)
{
	size_t p = 0, at = 0, star = SIZE_MAX, from = 0;

	while (at < s.len) {
		if (p < pattern.len && pattern.data[p] == '*') {
			star = p++;
			from = at;
		} else if (p < pattern.len && (pattern.data[p] == '?' || pattern.data[p] == s.data[at])) {
			p++;
			at++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			at = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.data[p] == '*')
		p++;
	return p == pattern.len;
}

static int order(struct span x, struct span y)
{
	size_t least = x.len < y.len ? x.len : y.len;
	int by_bytes = least ? memcmp(x.data, y.data, least) : 0;

	return by_bytes ? by_bytes : (x.len > y.len) - (x.len < y.len);
}

static bool compare(const struct where *w, const struct where_field *fields, const struct where_step *s,
                    const struct where_value *v)
{
	struct span want = {w->text + s->at, s->len};
	int sign;

	if (!v->known)
		return false;
	if (s->operator== LIKE)
		return matches(want, v->text);
	sign = fields[s->field].number ? (v->number > s->number) - (v->number < s->number)
	                               : order(v->text, want);
	switch (s->operator) {
	case EQUAL:
		return sign == 0;
	case UNEQUAL:
		return sign != 0;
	case AT_MOST:
		return sign <= 0;
	case AT_LEAST:
		return sign >= 0;
	case BELOW:
		return sign < 0;
	default:
		return sign > 0;
	}
}

bool where_holds_of(const struct where *w, const struct where_field *fields,
                    struct where_value (*value)(void *arg, unsigned field), void *arg)
{
	uint64_t bits = 1; /* a stack, its top is bit 0; of WHERE_STEPS_MAX steps half may push */

	for (unsigned i = 0; i < w->count; i++) {
		const struct where_step *s = &w->steps[i];
		struct where_value v;

		if (s->what == NOT) {
			bits ^= 1;
		} else if (s->what == COMPARE) {
			v = value(arg, s->field);
			bits = bits << 1 | compare(w, fields, s, &v);
		} else {
			uint64_t top = bits & 1;

			bits >>= 1;
			bits = s->what == AND ? bits & (~UINT64_C(1) | top) : bits | top;
		}
	}
	return bits & 1;
}

bool where_holds(const struct where *w, const struct exchange *x, const struct where_facts *facts)
{
	struct look look = {.x = x, .facts = facts};

	return where_holds_of(w, where_fields, value_of, &look);
}
