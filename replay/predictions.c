#include "replay/predictions.h"

#include <stdlib.h>

#include "proto/json_pick.h"
#include "replay/jsondiff.h"

enum { EXACT_DIGITS = 15 }; /* whole numbers of so many are doubles */

struct builder {
	struct oip_answer *out;
	size_t left_bytes, room[OIP_TENSORS_MAX], elements;
};

/* One value as it is nested: the elements of each open array, and what each level has been found to hold. */
struct nest {
	unsigned depth, rank;
	bool ranked, sized[OIP_RANK_MAX];
	uint64_t count[OIP_RANK_MAX + 1], shape[OIP_RANK_MAX];
};

static int add_element(struct builder *b, struct oip_tensor *t, struct span text)
{
	size_t *room = &b->room[t - b->out->tensors], want = *room ? 2 * *room : 16;
	struct span *more;

	if (++b->elements > OIP_ELEMENTS_MAX)
		return ERR_LIMIT;
	if (t->count == *room) {
		if ((want - *room) * (sizeof *more + sizeof(double)) > b->left_bytes)
			return ERR_NOMEM;
		more = realloc(t->texts, want * sizeof *more);
		if (!more)
			return ERR_NOMEM;
		b->left_bytes -= (want - *room) * (sizeof *more + sizeof(double));
		t->texts = more;
		*room = want;
	}
	t->texts[t->count++] = text;
	return 0;
}

/* A child of the innermost array begins there; `leaf`: an element, all of which lie at one depth. */
static int nest_child(struct nest *n, bool leaf)
{
	if (n->ranked && leaf != (n->depth == n->rank))
		return ERR_PROTO;
	if (leaf && !n->ranked) {
		n->ranked = true;
		n->rank = n->depth;
	}
	n->count[n->depth]++;
	return 0;
}

static int nest_open(struct nest *n)
{
	int err = nest_child(n, false);

	if (!err && n->depth == OIP_RANK_MAX)
		return ERR_LIMIT;
	n->count[++n->depth] = 0;
	return err;
}

static int nest_close(struct nest *n)
{
	uint64_t count = n->count[n->depth];
	unsigned level = --n->depth;

	if (!count && !n->ranked) {
		n->ranked = true;
		n->rank = level + 1;
	}
	if (n->sized[level] && n->shape[level] != count)
		return ERR_PROTO;
	n->sized[level] = true;
	n->shape[level] = count;
	return 0;
}

/* {"b64": "..."}, whose first token has been read: its string. */
static int read_b64(struct json_reader *r, struct span *out)
{
	enum json_token token;
	int err = json_next(r, &token);

	if (!err && (token != JSON_KEY || !json_string_eq(r->text, SPAN("b64"))))
		return ERR_PROTO;
	if (!err)
		err = json_next(r, &token);
	if (!err && token != JSON_STRING)
		return ERR_PROTO;
	*out = r->text;
	if (!err)
		err = json_next(r, &token);
	return !err && token != JSON_OBJECT_END ? ERR_PROTO : err;
}

static int read_token(struct builder *b, struct oip_tensor *t, struct json_reader *r, enum json_token token,
                      struct nest *n)
{
	struct span text = r->text;
	int err = 0;

	if (token == JSON_ARRAY)
		return nest_open(n);
	if (token == JSON_ARRAY_END)
		return nest_close(n);
	if (token == JSON_OBJECT)
		err = read_b64(r, &text);
	if (!err)
		err = nest_child(n, true);
	return err ? err : add_element(b, t, text);
}

static int read_nested(struct builder *b, struct oip_tensor *t, struct span value, struct nest *n)
{
	struct json_reader r;
	enum json_token token;
	int err;

	*n = (struct nest){0};
	json_reader_init(&r, value, JSON_NONFINITE);
	do {
		err = json_next(&r, &token);
		if (!err)
			err = read_token(b, t, &r, token, n);
	} while (!err && n->depth);
	return err;
}

/* A whole output; its shape is that of its nesting. */
static int read_column(struct builder *b, struct oip_tensor *t, struct span value)
{
	struct nest n;
	int err = read_nested(b, t, value, &n);

	t->rank = n.rank;
	memcpy(t->shape, n.shape, sizeof t->shape);
	return err;
}

/* One row of an output: of the same shape as the rows before it. The first axis counts them. */
static int read_row(struct builder *b, struct oip_tensor *t, struct span value)
{
	struct nest n;
	int err = read_nested(b, t, value, &n);

	if (err)
		return err;
	if (n.rank == OIP_RANK_MAX)
		return ERR_LIMIT;
	if (!t->rank) {
		t->rank = n.rank + 1;
		memcpy(t->shape + 1, n.shape, n.rank * sizeof *t->shape);
	}
	if (t->rank != n.rank + 1 || memcmp(t->shape + 1, n.shape, n.rank * sizeof *t->shape) != 0)
		return ERR_PROTO;
	t->shape[0]++;
	return 0;
}

/* The output of that name, made when `make`; 0, ERR_PROTO, ERR_LIMIT, ERR_NOMEM. */
static int named(struct oip_answer *a, struct span name, bool make, struct oip_tensor **out)
{
	for (unsigned i = 0; i < a->count; i++) {
		int same = jsondiff_string_eq(a->tensors[i].name, name);

		*out = &a->tensors[i];
		if (same)
			return same < 0 ? same : 0;
	}
	if (!make)
		return ERR_PROTO;
	if (a->count == OIP_TENSORS_MAX)
		return ERR_LIMIT;
	*out = &a->tensors[a->count++];
	(*out)->name = name;
	return 0;
}

/* An object of outputs: whole ones, or the given row of each. Each comes once. */
static int read_named(struct builder *b, struct span object, bool column, uint64_t row)
{
	struct json_reader r;
	enum json_token token;
	struct oip_tensor *t;
	unsigned seen = 0;
	int err;

	json_reader_init(&r, object, JSON_NONFINITE);
	err = json_next(&r, &token);
	while (!err && !(err = json_next(&r, &token)) && token == JSON_KEY) {
		struct span value;
		unsigned had = b->out->count;

		err = named(b->out, r.text, column || !row, &t);
		if (!err && (column ? had == b->out->count : t->shape[0] != row))
			err = ERR_PROTO;
		if (!err)
			err = json_next(&r, &token);
		if (err)
			return err;
		value.data = object.data + r.scanner.start;
		err = json_skip(&r, token);
		value.len = (size_t)(object.data + r.scanner.end - value.data);
		if (!err)
			err = column ? read_column(b, t, value) : read_row(b, t, value);
		seen++;
	}
	return !err && seen != b->out->count ? ERR_PROTO : err;
}

static int read_unnamed(struct builder *b, struct span value)
{
	b->out->count = 1;
	b->out->tensors[0].name = SPAN("");
	return read_column(b, &b->out->tensors[0], value);
}

static bool is_object(struct span value)
{
	static const char *const b64[] = {"b64"};
	struct span text;

	return value.len && value.data[0] == '{' && !json_pick(value, JSON_NONFINITE, b64, 1, &text) &&
	       !text.len;
}

static int read_rows(struct builder *b, struct span rows)
{
	struct json_elements e;
	struct span row;
	uint64_t at = 0;
	int err;

	json_elements_init(&e, rows, JSON_NONFINITE);
	err = rows.data[0] == '[' ? json_elements_next(&e, &row) : 0;
	if (err < 0)
		return err;
	if (!err || !is_object(row))
		return read_unnamed(b, rows);
	do {
		err = is_object(row) ? read_named(b, row, false, at++) : ERR_PROTO;
		if (!err)
			err = json_elements_next(&e, &row);
	} while (err > 0);
	return err;
}

static bool is_double(struct span text)
{
	size_t digits = 0;

	if (!text.len || !strchr("-0123456789NI", text.data[0]))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (strchr(".eENI", text.data[i]))
			return true;
		digits += text.data[i] != '-';
	}
	return digits <= EXACT_DIGITS;
}

/* Its type, now that all elements are there. */
static int settle(struct oip_tensor *t)
{
	int err = 0;

	t->datatype = SPAN("BYTES");
	for (size_t i = 0; i < t->count; i++)
		if (!is_double(t->texts[i]))
			return 0;
	t->datatype = SPAN("FP64");
	t->values = calloc(t->count + 1, sizeof *t->values);
	if (!t->values)
		return ERR_NOMEM;
	for (size_t i = 0; i < t->count && !err; i++)
		err = json_double(t->texts[i], &t->values[i]);
	free(t->texts);
	t->texts = NULL;
	return err;
}

int predictions_read(struct span body, size_t work_bytes, struct oip_answer *out)
{
	static const char *const names[] = {"predictions", "outputs"};
	struct builder b = {.out = out, .left_bytes = work_bytes};
	struct span m[2];
	int err;

	*out = (struct oip_answer){0};
	err = json_pick(body, JSON_NONFINITE, names, 2, m);
	if (err)
		return err;
	if (m[0].len)
		err = read_rows(&b, m[0]);
	else if (!m[1].len)
		err = ERR_PROTO;
	else
		err = is_object(m[1]) ? read_named(&b, m[1], true, 0) : read_unnamed(&b, m[1]);
	for (unsigned i = 0; i < out->count && !err; i++)
		err = settle(&out->tensors[i]);
	return err;
}

bool predictions_asked(struct span target)
{
	const struct span verb = SPAN(":predict");
	const char *query = memchr(target.data ? target.data : "", '?', target.len);
	size_t len = query ? (size_t)(query - target.data) : target.len;

	return len >= verb.len && memcmp(target.data + len - verb.len, verb.data, verb.len) == 0;
}
