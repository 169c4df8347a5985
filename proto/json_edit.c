#include "proto/json_edit.h"

#include <stdlib.h>
#include <string.h>

struct place {
	size_t start, end;
	unsigned edit;
};

struct places {
	unsigned edit, count;
	bool first_only;
	struct place at[JSON_EDITS_MAX];
};

/* The step at *path, which moves behind it: a name, or (data NULL) an element's number. False: none left, or
 * it cannot be read. */
static bool next_step(const char **path, struct span *name_out, unsigned long *element_out)
{
	const char *p = *path;
	size_t n;

	if (*p == '.') {
		n = strcspn(p + 1, ".[]");
		*name_out = (struct span){p + 1, n};
		*path = p + 1 + n;
		return n > 0;
	}
	n = *p == '[' ? strspn(p + 1, "0123456789") : 0;
	if (n == 0 || n > 9 || p[1 + n] != ']')
		return false;
	*name_out = (struct span){NULL, 0};
	*element_out = strtoul(p + 1, NULL, 10);
	*path = p + n + 2;
	return true;
}

int json_edit_check(const char *path)
{
	const char *at = path + 1;
	struct span name;
	unsigned long element;
	unsigned steps = 0;

	if (path[0] != '$' || !path[1])
		return ERR_CONFIG;
	while (*at)
		if (!next_step(&at, &name, &element) || ++steps > JSON_EDIT_STEPS)
			return ERR_CONFIG;
	return 0;
}

static int note(struct places *p, size_t start, size_t end)
{
	if (p->first_only && p->count)
		return 0;
	if (p->count == JSON_EDITS_MAX)
		return ERR_LIMIT;
	p->at[p->count++] = (struct place){start, end, p->edit};
	return 0;
}

/* The value whose first token was just read, and the rest of a path that has been checked: one level a
 * step. */
static int find(struct json_reader *r, enum json_token first, const char *path, struct places *p)
{
	size_t start = (size_t)r->scanner.start;
	struct span name = {NULL, 0};
	unsigned long element = 0, at = 0;
	enum json_token token;
	int err;

	if (!*path) {
		err = json_skip(r, first);
		return err ? err : note(p, start, (size_t)r->scanner.end);
	}
	if (!next_step(&path, &name, &element) || first != (name.data ? JSON_OBJECT : JSON_ARRAY))
		return json_skip(r, first);
	while (!(err = json_next(r, &token)) && token != JSON_OBJECT_END && token != JSON_ARRAY_END) {
		bool wanted = name.data ? json_string_eq(r->text, name) : at++ == element;

		if (name.data && (err = json_next(r, &token)))
			break;
		err = wanted ? find(r, token, path, p) : json_skip(r, token);
		if (err)
			break;
	}
	return err;
}

static int find_all(struct span doc, const char *path, struct places *p)
{
	struct json_reader r;
	enum json_token token;
	int err;

	if (json_edit_check(path))
		return ERR_CONFIG;
	json_reader_init(&r, doc, JSON_NONFINITE);
	err = json_next(&r, &token);
	if (!err)
		err = token == JSON_END ? ERR_PROTO : find(&r, token, path + 1, p);
	if (!err)
		err = json_next(&r, &token);
	return err;
}

bool json_is_scalar(struct span text)
{
	struct json_reader r;
	enum json_token token;

	json_reader_init(&r, text, 0);
	if (json_next(&r, &token) || token == JSON_OBJECT || token == JSON_ARRAY || token == JSON_END)
		return false;
	return !json_next(&r, &token) && token == JSON_END;
}

struct span json_at(struct span doc, const char *path)
{
	struct places p = {.first_only = true};

	if (find_all(doc, path, &p) || !p.count)
		return SPAN("");
	return (struct span){doc.data + p.at[0].start, p.at[0].end - p.at[0].start};
}

static int in_order(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->edit < y->edit ? -1 : x->edit > y->edit;
}

int json_edit(struct span doc, const struct json_edit *edits, unsigned count, struct buf *out,
              unsigned *replaced_out)
{
	struct places p = {0};
	size_t done = 0;
	int err = 0;

	*replaced_out = 0;
	for (p.edit = 0; p.edit < count && !err; p.edit++)
		err = find_all(doc, edits[p.edit].path, &p);
	if (err)
		return err;
	qsort(p.at, p.count, sizeof(p.at[0]), in_order);
	for (unsigned i = 0; i < p.count; i++) {
		if (p.at[i].start < done)
			continue;
		buf_put(out, doc.data + done, p.at[i].start - done);
		buf_span_put(out, edits[p.at[i].edit].value);
		done = p.at[i].end;
		++*replaced_out;
	}
	buf_put(out, doc.data + done, doc.len - done);
	return out->err;
}
