#include "capture/operator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/operator_inside.h"
#include "proto/base/utf8.h"

const struct mask_operator_row mask_operators[MASK_OPERATORS] = {
#define X(name, text, by, usual, finds, sentence) {text, BY_##by, usual, finds, sentence},
        MASK_OPERATOR_TABLE(X)
#undef X
};

static int read_unit(const char *text, struct mask_by *by)
{
	static const struct {
		const char *name;
		double amount;
	} units[] = {
	        {"minute", 60}, {"hour", 3600}, {"day", 86400}, {"month", UNIT_MONTH}, {"year", UNIT_YEAR},
	};

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(units[i].name, text) != 0)
			continue;
		by->amount = units[i].amount;
		return 0;
	}
	return ERR_CONFIG;
}

static int read_number(enum mask_argument kind, const char *text, struct mask_by *by)
{
	char *end;
	double amount = strtod(text, &end);
	bool count = kind != BY_NUMBER;

	if (end == text || *end || !isfinite(amount))
		return ERR_CONFIG;
	if (count ? amount != floor(amount) || fabs(amount) > 10000 : amount <= 0)
		return ERR_CONFIG;
	if (kind == BY_DAYS && amount < 1)
		return ERR_CONFIG;
	by->amount = amount;
	return 0;
}

int mask_by_read(uint32_t with, const char *text, struct mask_by *by)
{
	const struct mask_operator_row *row = &mask_operators[with];

	if (!*text)
		text = row->usual;
	if (!text || strlen(text) >= sizeof by->text || (row->by == BY_NOTHING && *text))
		return ERR_CONFIG;
	snprintf(by->text, sizeof by->text, "%s", text);
	switch (row->by) {
	case BY_NOTHING:
		return 0;
	case BY_TEXT:
		for (const char *p = text; *p; p++)
			if ((unsigned char)*p < ' ')
				return ERR_CONFIG;
		return utf8_valid(text, strlen(text)) && *text ? 0 : ERR_CONFIG;
	case BY_UNIT:
		return read_unit(text, by);
	case BY_NAMES:
		return operator_dictionary(text) ? 0 : ERR_CONFIG;
	default:
		if (with == MASK_TRUNCATE && *text == '-')
			return ERR_CONFIG;
		return read_number(row->by, text, by);
	}
}

static bool hides(char c)
{
	return operator_is_digit(c) || operator_is_letter(c) || c & 0x80;
}

/* A value with no more letters and digits than twice what stays has none of them stay. */
static void put_stars(struct span value, double keep, struct buf *out)
{
	size_t hidden = 0, seen = 0, kept = (size_t)fabs(keep);

	for (size_t i = 0; i < value.len; i++)
		hidden += (value.data[i] & 0xc0) != 0x80 && hides(value.data[i]);
	kept = hidden > 2 * kept ? kept : 0;
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];
		bool stays = keep < 0 ? seen < kept : seen >= hidden - kept;

		if ((c & 0xc0) == 0x80) { /* goes with the byte before */
			if (keep < 0 ? kept && seen <= kept : kept && seen > hidden - kept)
				buf_put(out, &c, 1);
			continue;
		}
		if (!hides(c) || stays)
			buf_put(out, &c, 1);
		else
			buf_puts(out, "*");
		seen += hides(c);
	}
}

/* Characters, not bytes. */
static void put_first(struct span value, size_t most, struct buf *out)
{
	size_t n = 0, seen = 0;

	for (; n < value.len; n++) {
		seen += (value.data[n] & 0xc0) != 0x80;
		if (seen > most)
			break;
	}
	buf_put(out, value.data, n);
}

/* Of a pattern nothing more is known. */
static unsigned class_of(const struct mask_deed *d)
{
	return d->class < DETECT_PATTERN ? d->class : DETECT_NONE;
}

static void put_token(const struct mask_deed *d, struct mask_key *key, struct span value, struct buf *out)
{
	char token[MASK_TOKEN_LEN + 1];

	if (class_of(d))
		mask_class_token(key, d->class, value, token);
	else
		mask_token(key, d->domain, value, token);
	buf_puts(out, token);
}

/* What answers with a text of its own, whatever the value. True: it was such a one. */
static bool put_fixed(const struct mask_deed *d, struct mask_key *key, struct buf *out)
{
	switch (d->with) {
	case MASK_CONSTANT:
		buf_puts(out, d->by->text);
		return true;
	case MASK_TYPE:
		if (d->class >= DETECT_PATTERN)
			buf_printf(out, "[%.*s]", (int)d->domain.len, d->domain.data);
		else
			buf_printf(out, "[%s]",
			           d->class  ? detect_class_name(d->class)
			           : d->bare ? "number"
			                     : "text");
		return true;
	case MASK_BLOCK:
	case MASK_DROP_RECORD:
		mask_ask(key, d->with == MASK_BLOCK ? MASK_ASKED_BLOCK : MASK_ASKED_DROP);
		buf_puts(out, "[redacted]");
		return true;
	case MASK_DROP:
	case MASK_NULL:
		return true;
	default:
		return false;
	}
}

/* False: it cannot be read. */
static bool put_drawn(struct mask_deed *d, struct mask_key *key, struct span value, struct buf *out)
{
	switch (d->with) {
	case MASK_TOKEN:
		put_token(d, key, value, out);
		return true;
	case MASK_CHARACTERS:
		put_stars(value, d->by->amount, out);
		return utf8_valid(value.data, value.len);
	case MASK_TRUNCATE:
		put_first(value, (size_t)d->by->amount, out);
		return utf8_valid(value.data, value.len);
	case MASK_SHAPE:
		return operator_shape(key, class_of(d), d->domain, value, out);
	case MASK_SURROGATE:
		return operator_surrogate(key, d->by->text, value, out);
	case MASK_SHIFT_DATE:
		return operator_shift_date(d, key, value, out);
	case MASK_TRUNCATE_TIME:
		return operator_truncate_time(d, value, out);
	case MASK_BUCKET:
		return operator_bucket(d, value, out);
	case MASK_NOISE:
		return operator_noise(d, key, value, out);
	case MASK_GENERALISE:
		return operator_generalise(d, value, out);
	default:
		return false;
	}
}

/* Of a number they leave a number. */
static bool is_amount(uint32_t with)
{
	return with == MASK_BUCKET || with == MASK_NOISE || with == MASK_SHIFT_DATE ||
	       with == MASK_TRUNCATE_TIME;
}

/* What may be taken for a value of the same class, in an answer that repeats it. */
static bool looks_real(uint32_t with)
{
	return with == MASK_SHAPE || with == MASK_SURROGATE || with == MASK_GENERALISE ||
	       with == MASK_TRUNCATE || with == MASK_CHARACTERS || is_amount(with);
}

static struct span put_since(const struct buf *out, size_t before)
{
	struct span all = buf_span(out);

	return out->err ? SPAN("") : (struct span){all.data + before, all.len - before};
}

void mask_operate(struct mask_deed *d, struct mask_key *key, struct span value, struct buf *out)
{
	size_t before = buf_len(out);
	bool number = d->bare, fixed;

	if (mask_issued(key, d->class, value)) {
		buf_span_put(out, value);
		return;
	}
	fixed = put_fixed(d, key, out);
	d->bare = false;
	if (!fixed && put_drawn(d, key, value, out)) {
		d->bare = number && is_amount(d->with);
	} else if (!fixed) {
		if (!out->err)
			out->tail = out->head + before;
		buf_puts(out, "[redacted]");
	}
	mask_note(key, d->class, value, looks_real(d->with) ? put_since(out, before) : SPAN(""));
}
