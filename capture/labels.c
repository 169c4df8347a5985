#include "capture/labels.h"

#include <stdlib.h>

#include "proto/base/utf8.h"
#include "proto/json.h"

struct found { /* offsets in `strings`, since that moves while it grows */
	struct label label;
	size_t type_at, type_len, value_at, value_len;
	uint64_t from, to; /* characters */
	unsigned seen;     /* members, a bit each */
};
enum { SEEN_TYPE = 1, SEEN_VALUE = 2, SEEN_START = 4, SEEN_END = 8 };
enum { NEEDED = SEEN_TYPE | SEEN_START | SEEN_END };

struct reading {
	struct labels *l;
	struct json_reader in;
	const char *why;
	size_t text_at, text_len;
	bool has_text, has_spans;
};

void labels_init(struct labels *l)
{
	*l = (struct labels){0};
	buf_init(&l->strings, 2 * LABELS_TEXT_MAX);
	buf_init(&l->found, LABELS_MAX * sizeof(struct found));
	buf_init(&l->offsets, (LABELS_TEXT_MAX + 1) * sizeof(uint32_t));
}

void labels_fini(struct labels *l)
{
	buf_fini(&l->strings);
	buf_fini(&l->found);
	buf_fini(&l->offsets);
}

static int wrong(struct reading *r, const char *why)
{
	r->why = r->why ? r->why : why;
	return ERR_PROTO;
}

static int next(struct reading *r, enum json_token *token)
{
	int err = json_next(&r->in, token);

	return err ? wrong(r, "it is not JSON") : 0;
}

/* A string's place among the strings. */
static int take_string(struct reading *r, enum json_token token, size_t *at_out, size_t *len_out)
{
	struct buf *to = &r->l->strings;

	if (token != JSON_STRING)
		return wrong(r, "full_text, entity_type and entity_value are strings");
	*at_out = buf_len(to);
	json_unescape(r->in.text, to);
	*len_out = buf_len(to) - *at_out;
	return to->err;
}

static int take_position(struct reading *r, enum json_token token, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->in.text.len; i++) {
		char c = r->in.text.data[i];

		if (token != JSON_NUMBER || c < '0' || c > '9' || n > LABELS_TEXT_MAX)
			return wrong(r, "a position is a whole number");
		n = n * 10 + (uint64_t)(c - '0');
	}
	*out = n;
	return 0;
}

static int take_member(struct reading *r, struct found *f, struct span key)
{
	enum json_token token;
	int err = next(r, &token);

	if (err)
		return err;
	if (json_string_eq(key, SPAN("entity_type"))) {
		f->seen |= SEEN_TYPE;
		return take_string(r, token, &f->type_at, &f->type_len);
	}
	if (json_string_eq(key, SPAN("entity_value"))) {
		f->seen |= SEEN_VALUE;
		return take_string(r, token, &f->value_at, &f->value_len);
	}
	if (json_string_eq(key, SPAN("start_position"))) {
		f->seen |= SEEN_START;
		return take_position(r, token, &f->from);
	}
	if (json_string_eq(key, SPAN("end_position"))) {
		f->seen |= SEEN_END;
		return take_position(r, token, &f->to);
	}
	return json_skip(&r->in, token) ? wrong(r, "it is not JSON") : 0;
}

static int take_span(struct reading *r)
{
	struct found f = {0};
	enum json_token token;
	int err;

	while (!(err = next(r, &token)) && token == JSON_KEY && !err) {
		err = take_member(r, &f, r->in.text);
		if (err)
			return err;
	}
	if (err)
		return err;
	if ((f.seen & NEEDED) != NEEDED)
		return wrong(r, "a span has entity_type, start_position and end_position");
	buf_put(&r->l->found, &f, sizeof f);
	return r->l->found.err;
}

static int take_spans(struct reading *r, enum json_token token)
{
	int err = 0;

	if (token != JSON_ARRAY || r->has_spans)
		return wrong(r, "spans is one list");
	r->has_spans = true;
	while (!err && !(err = next(r, &token)) && token == JSON_OBJECT)
		err = take_span(r);
	return err ? err : token == JSON_ARRAY_END ? 0 : wrong(r, "spans is a list of objects");
}

static int take_line(struct reading *r)
{
	enum json_token token;
	int err = next(r, &token);

	if (!err && token != JSON_OBJECT)
		return wrong(r, "it is not an object");
	while (!err && !(err = next(r, &token)) && token == JSON_KEY) {
		struct span key = r->in.text;
		bool spans = json_string_eq(key, SPAN("spans")),
		     text = json_string_eq(key, SPAN("full_text"));

		err = next(r, &token);
		if (!err && text && r->has_text)
			err = wrong(r, "full_text stands twice");
		else if (!err && text)
			err = take_string(r, token, &r->text_at, &r->text_len);
		else if (!err && spans)
			err = take_spans(r, token);
		else if (!err && json_skip(&r->in, token))
			err = wrong(r, "it is not JSON");
		r->has_text |= text;
	}
	if (!err)
		err = next(r, &token);
	if (err)
		return err;
	return r->has_text && r->has_spans ? 0 : wrong(r, "full_text and spans are expected");
}

/* Where each character begins, and the end. */
static int index_text(struct labels *l)
{
	for (size_t i = 0; i <= l->text.len; i++) {
		uint32_t at = (uint32_t)i;

		if (i == l->text.len || ((unsigned char)l->text.data[i] & 0xc0) != 0x80)
			buf_put(&l->offsets, &at, sizeof at);
	}
	return l->offsets.err;
}

static int place(struct reading *r, struct found *f)
{
	const struct labels *l = r->l;
	const uint32_t *offsets = (const uint32_t *)(const void *)buf_span(&l->offsets).data;
	size_t count = buf_len(&l->offsets) / sizeof *offsets;
	const char *strings = buf_span(&l->strings).data;
	struct span value = {strings + f->value_at, f->value_len}, here;

	if (f->from >= f->to || f->to >= count)
		return wrong(r, "a position is outside the text");
	f->label = (struct label){{strings + f->type_at, f->type_len}, offsets[f->from], offsets[f->to]};
	here = (struct span){l->text.data + f->label.start, f->label.end - f->label.start};
	if (f->seen & SEEN_VALUE && !span_eq(value, here))
		return wrong(r, "entity_value is not what stands at its position");
	return 0;
}

static int by_start(const void *left, const void *right)
{
	const struct label *a = left, *b = right;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* The labels alone, at the beginning of what was found. */
static int place_all(struct reading *r)
{
	struct labels *l = r->l;
	struct found *found = (struct found *)(void *)buf_span(&l->found).data;
	size_t count = buf_len(&l->found) / sizeof *found;
	int err = index_text(l);

	l->at = (struct label *)(void *)found;
	for (size_t i = 0; !err && i < count; i++) {
		struct found f = found[i];

		err = place(r, &f);
		memcpy(&l->at[i], &f.label, sizeof f.label);
	}
	if (!err) {
		l->count = count;
		if (count)
			qsort(l->at, count, sizeof *l->at, by_start);
	}
	return err;
}

int labels_read(struct labels *l, struct span line, const char **why_out)
{
	struct reading r = {.l = l};
	int err;

	buf_reset(&l->strings);
	buf_reset(&l->found);
	buf_reset(&l->offsets);
	l->count = 0;
	l->text = SPAN("");
	json_reader_init(&r.in, line, 0);
	err = take_line(&r);
	if (!err) {
		l->text = (struct span){buf_span(&l->strings).data + r.text_at, r.text_len};
		err = place_all(&r);
	}
	*why_out = r.why              ? r.why
	           : err == ERR_LIMIT ? "it is longer than 4MiB, or has over 10000 labels"
	                              : NULL;
	return err;
}
