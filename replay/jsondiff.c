#include "replay/jsondiff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NONE = UINT32_MAX };
static const double EXACT_INTEGERS = 9007199254740992.0; /* 2^53 */

struct node {
	enum json_token type;
	struct span key, text; /* unescaped and without quotes for keys and strings */
	uint32_t child, next, children;
};

struct tree {
	struct node *nodes;
	uint32_t count, cap;
	size_t most;        /* values that its share of the memory has room for */
	struct buf strings; /* reserved once, so that spans into it stay */
};

struct keyed {
	struct span key;
	uint32_t node;
};

struct walk {
	const struct tree *live, *candidate;
	struct tolerance tolerance;
	struct ignore_paths ignore;
	struct jsondiff *out;
	struct path_step steps[JSON_DEPTH_MAX + 1];
	size_t depth;
};

bool tolerance_equal(struct tolerance t, double live, double candidate)
{
	if (isnan(live) || isnan(candidate))
		return isnan(live) && isnan(candidate);
	if (isinf(live) || isinf(candidate))
		return live == candidate;
	return fabs(candidate - live) <= t.abs + t.rel * fabs(live);
}

int jsondiff_string_eq(struct span a, struct span b)
{
	struct buf one, two;
	int result;

	if (span_eq(a, b))
		return 1;
	if ((!a.len || !memchr(a.data, '\\', a.len)) && (!b.len || !memchr(b.data, '\\', b.len)))
		return 0;
	buf_init(&one, a.len);
	buf_init(&two, b.len);
	json_unescape(a, &one);
	json_unescape(b, &two);
	result = one.err ? one.err : two.err ? two.err : span_eq(buf_span(&one), buf_span(&two));
	buf_fini(&one);
	buf_fini(&two);
	return result;
}

/* Does the pattern's first piece ("[3]", "[*]" or ".name") name this step? *rest_out: what follows it. */
static bool piece_matches(const char *pattern, const struct path_step *step, const char **rest_out)
{
	char *end;
	size_t n;

	if (strncmp(pattern, "[*]", 3) == 0) {
		*rest_out = pattern + 3;
		return !step->key.data;
	}
	if (*pattern == '[') {
		if (pattern[1] < '0' || pattern[1] > '9' || step->key.data)
			return false;
		if (strtoull(pattern + 1, &end, 10) != step->index || *end != ']')
			return false;
		*rest_out = end + 1;
		return true;
	}
	if (*pattern != '.')
		return false;
	n = strcspn(pattern + 1, ".[");
	*rest_out = pattern + 1 + n;
	return step->key.data && span_eq(step->key, (struct span){pattern + 1, n});
}

/* As with the stars of a glob only the last ".." is ever tried again, so the work is at most pieces times
 * steps: the pattern may come from a hostile capture. */
static bool path_matches(const char *pattern, const struct path_step *steps, size_t count)
{
	const char *again = NULL, *rest;
	size_t at = 0, again_at = 0;

	while (at < count || *pattern) {
		if (pattern[0] == '.' && pattern[1] == '.') {
			again = ++pattern;
			again_at = at;
		} else if (at < count && piece_matches(pattern, &steps[at], &rest)) {
			pattern = rest;
			at++;
		} else if (again && again_at < count) {
			pattern = again;
			at = ++again_at;
		} else {
			return false;
		}
	}
	return true;
}

bool jsondiff_ignored(struct ignore_paths ignore, const struct path_step *steps, size_t count)
{
	for (size_t i = 0; i < ignore.count; i++)
		if (ignore.paths[i][0] == '$' && path_matches(ignore.paths[i] + 1, steps, count))
			return true;
	return false;
}

/* Text of a key or string token; escaped ones are decoded into the tree's buffer. */
static int tree_text(struct tree *t, const struct json_reader *r, struct span *out)
{
	size_t from;

	*out = (struct span){r->text.data + 1, r->text.len - 2};
	if (!r->scanner.escaped)
		return 0;
	if (!t->strings.base && !buf_room(&t->strings, r->doc.len))
		return t->strings.err;
	from = t->strings.tail;
	json_unescape(r->text, &t->strings);
	*out = (struct span){t->strings.base + from, t->strings.tail - from};
	return t->strings.err;
}

static int tree_add(struct tree *t, struct node node, uint32_t *index_out)
{
	if (t->count >= t->most)
		return ERR_NOMEM;
	if (t->count == t->cap) {
		uint32_t cap = t->cap ? t->cap * 2 : 64;
		struct node *nodes;

		if (t->count >= JSONDIFF_NODES_MAX)
			return ERR_LIMIT;
		nodes = realloc(t->nodes, cap * sizeof(*nodes));
		if (!nodes)
			return ERR_NOMEM;
		t->nodes = nodes;
		t->cap = cap;
	}
	*index_out = t->count;
	t->nodes[t->count++] = node;
	return 0;
}

/* Equal keys stay in document order. */
static int keyed_order(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	size_t n = x->key.len < y->key.len ? x->key.len : y->key.len;
	int order = n ? memcmp(x->key.data, y->key.data, n) : 0;

	if (order)
		return order;
	if (x->key.len != y->key.len)
		return x->key.len < y->key.len ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

/* Relink an object's members in key order, so that two objects are compared by one merge. */
static int tree_sort(struct tree *t, uint32_t object)
{
	uint32_t n = t->nodes[object].children, at = t->nodes[object].child;
	struct keyed *members;

	if (n < 2)
		return 0;
	members = malloc(n * sizeof(*members));
	if (!members)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++, at = t->nodes[at].next)
		members[i] = (struct keyed){t->nodes[at].key, at};
	qsort(members, n, sizeof(*members), keyed_order);
	t->nodes[object].child = members[0].node;
	for (uint32_t i = 0; i < n; i++)
		t->nodes[members[i].node].next = i + 1 < n ? members[i + 1].node : NONE;
	free(members);
	return 0;
}

struct level {
	uint32_t node, last;
};

/* Append a value to its container; a container opens a level. */
static int tree_value(struct tree *t, const struct json_reader *r, enum json_token token, struct span key,
                      struct level *levels, int *depth)
{
	struct node node = {.type = token, .key = key, .text = r->text, .child = NONE, .next = NONE};
	struct level *up = *depth ? &levels[*depth - 1] : NULL;
	uint32_t index;
	int err = token == JSON_STRING ? tree_text(t, r, &node.text) : 0;

	if (!err)
		err = tree_add(t, node, &index);
	if (err)
		return err;
	if (up) {
		if (up->last == NONE)
			t->nodes[up->node].child = index;
		else
			t->nodes[up->last].next = index;
		up->last = index;
		t->nodes[up->node].children++;
	}
	if (token == JSON_OBJECT || token == JSON_ARRAY)
		levels[(*depth)++] = (struct level){index, NONE};
	return 0;
}

/* A value takes its node and, while its object is sorted, a place in the order; all strings at most the text.
 */
static int tree_read(struct tree *t, struct span doc, size_t work_bytes)
{
	struct level levels[JSON_DEPTH_MAX + 1];
	struct span key = {NULL, 0};
	struct json_reader reader;
	enum json_token token = JSON_MORE;
	int depth = 0, err;

	*t = (struct tree){0};
	if (work_bytes > doc.len)
		t->most = (work_bytes - doc.len) / (sizeof(struct node) + sizeof(struct keyed));
	buf_init(&t->strings, doc.len);
	json_reader_init(&reader, doc, JSON_NONFINITE);
	while (!(err = json_next(&reader, &token)) && token != JSON_END) {
		if (token == JSON_KEY) {
			err = tree_text(t, &reader, &key);
		} else if (token == JSON_OBJECT_END) {
			err = tree_sort(t, levels[--depth].node);
		} else if (token == JSON_ARRAY_END) {
			depth--;
		} else {
			err = tree_value(t, &reader, token, key, levels, &depth);
			key = (struct span){NULL, 0};
		}
		if (err)
			break;
	}
	return err;
}

static void tree_fini(struct tree *t)
{
	free(t->nodes);
	buf_fini(&t->strings);
}

static void path_write(const struct walk *w, char *out, size_t size)
{
	size_t at = (size_t)snprintf(out, size, "$");

	for (size_t i = 0; i < w->depth && at < size; i++) {
		const struct path_step *s = &w->steps[i];

		if (s->key.data)
			at += (size_t)snprintf(out + at, size - at, ".%.*s",
			                       (int)(s->key.len < 64 ? s->key.len : 64), s->key.data);
		else
			at += (size_t)snprintf(out + at, size - at, "[%zu]", s->index);
	}
	for (; *out; out++)
		if (*out < ' ' || *out > '~')
			*out = '?';
}

static void report(struct walk *w, uint32_t *counter, const char *what)
{
	char path[JSONDIFF_WHERE_MAX - 32];

	(*counter)++;
	if (w->out->where[0])
		return;
	path_write(w, path, sizeof(path));
	snprintf(w->out->where, sizeof(w->out->where), "%s: %s", path, what);
}

static int diff_value(struct walk *w, const struct node *live, const struct node *candidate);

/* One child position; either side may be absent. */
static int diff_child(struct walk *w, struct path_step step, const struct node *live,
                      const struct node *candidate)
{
	int err = 0;

	w->steps[w->depth++] = step;
	if (jsondiff_ignored(w->ignore, w->steps, w->depth))
		goto out;
	if (!candidate)
		report(w, &w->out->missing, "missing");
	else if (!live)
		report(w, &w->out->extra, "extra");
	else
		err = diff_value(w, live, candidate);
out:
	w->depth--;
	return err;
}

static const struct node *node_at(const struct tree *t, uint32_t index)
{
	return index == NONE ? NULL : &t->nodes[index];
}

static int diff_object(struct walk *w, const struct node *live, const struct node *candidate)
{
	const struct node *a = node_at(w->live, live->child), *b = node_at(w->candidate, candidate->child);
	int err = 0;

	while (!err && (a || b)) {
		struct keyed x = {a ? a->key : SPAN(""), 0}, y = {b ? b->key : SPAN(""), 0};
		int order = !a ? 1 : !b ? -1 : keyed_order(&x, &y);

		err = diff_child(w, (struct path_step){order <= 0 ? x.key : y.key, 0}, order <= 0 ? a : NULL,
		                 order >= 0 ? b : NULL);
		if (order <= 0)
			a = node_at(w->live, a->next);
		if (order >= 0)
			b = node_at(w->candidate, b->next);
	}
	return err;
}

static int diff_array(struct walk *w, const struct node *live, const struct node *candidate)
{
	const struct node *a = node_at(w->live, live->child), *b = node_at(w->candidate, candidate->child);
	int err = 0;

	for (size_t i = 0; !err && (a || b); i++) {
		err = diff_child(w, (struct path_step){{NULL, 0}, i}, a, b);
		a = a ? node_at(w->live, a->next) : NULL;
		b = b ? node_at(w->candidate, b->next) : NULL;
	}
	return err;
}

static bool is_integer(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != '-' && (text.data[i] < '0' || text.data[i] > '9'))
			return false;
	return true;
}

/* Integers a double cannot hold are told apart by their text. */
static int diff_number(struct walk *w, const struct node *live, const struct node *candidate)
{
	double a, b;
	bool equal;
	int err;

	if (span_eq(live->text, candidate->text))
		return 0;
	err = json_double(live->text, &a);
	if (!err)
		err = json_double(candidate->text, &b);
	if (err)
		return err;
	equal = tolerance_equal(w->tolerance, a, b);
	if (equal && a == b && fabs(a) >= EXACT_INTEGERS && w->tolerance.abs == 0 && w->tolerance.rel == 0)
		equal = !is_integer(live->text) || !is_integer(candidate->text);
	if (!equal)
		report(w, &w->out->value, "value differs");
	return 0;
}

static bool same_type(enum json_token a, enum json_token b)
{
	bool boolean = (a == JSON_TRUE || a == JSON_FALSE) && (b == JSON_TRUE || b == JSON_FALSE);

	return a == b || boolean;
}

/* Recursion is bounded by JSON_DEPTH_MAX. */
static int diff_value(struct walk *w, const struct node *live, const struct node *candidate)
{
	if (!same_type(live->type, candidate->type)) {
		report(w, &w->out->type, "type differs");
		return 0;
	}
	switch (live->type) {
	case JSON_OBJECT:
		return diff_object(w, live, candidate);
	case JSON_ARRAY:
		return diff_array(w, live, candidate);
	case JSON_NUMBER:
		return diff_number(w, live, candidate);
	default:
		if (!span_eq(live->text, candidate->text))
			report(w, &w->out->value, "value differs");
		return 0;
	}
}

int jsondiff(struct span live, struct span candidate, struct tolerance tolerance, struct ignore_paths ignore,
             size_t work_bytes, struct jsondiff *out)
{
	struct tree a, b = {0};
	struct walk w = {.live = &a, .candidate = &b, .tolerance = tolerance, .ignore = ignore, .out = out};
	int err;

	*out = (struct jsondiff){0};
	err = tree_read(&a, live, work_bytes / 2);
	if (!err)
		err = tree_read(&b, candidate, work_bytes / 2);
	if (!err)
		err = diff_value(&w, a.nodes, b.nodes);
	tree_fini(&a);
	tree_fini(&b);
	return err;
}
