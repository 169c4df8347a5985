/*
 * jsondiff_tree.c - two documents read into flat trees and compared by a merge of their sorted keys: for
 * objects whose members do not come in the same order.
 */
#include "replay/jsondiff_inside.h"

#include <stdlib.h>

enum { NONE = UINT32_MAX };

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
	struct jsondiff_walk *base;
};

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
	int order = jsondiff_key_order(x->key, y->key);

	return order ? order : x->node < y->node ? -1 : x->node > y->node;
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

static int diff_value(struct walk *w, const struct node *live, const struct node *candidate);

/* One child position; either side may be absent. */
static int diff_child(struct walk *w, struct path_step step, const struct node *live,
                      const struct node *candidate)
{
	int err = 0;

	w->base->steps[w->base->depth++] = step;
	if (jsondiff_ignored(w->base->ignore, w->base->steps, w->base->depth))
		goto out;
	if (!candidate)
		jsondiff_report(w->base, &w->base->out->missing, "missing");
	else if (!live)
		jsondiff_report(w->base, &w->base->out->extra, "extra");
	else
		err = diff_value(w, live, candidate);
out:
	w->base->depth--;
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
		int order = !a ? 1 : !b ? -1 : jsondiff_key_order(a->key, b->key);

		err = diff_child(w, (struct path_step){order <= 0 ? a->key : b->key, 0},
		                 order <= 0 ? a : NULL, order >= 0 ? b : NULL);
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

/* Recursion is bounded by JSON_DEPTH_MAX. */
static int diff_value(struct walk *w, const struct node *live, const struct node *candidate)
{
	int equal;

	if (!jsondiff_same_type(live->type, candidate->type)) {
		jsondiff_report(w->base, &w->base->out->type, "type differs");
		return 0;
	}
	switch (live->type) {
	case JSON_OBJECT:
		return diff_object(w, live, candidate);
	case JSON_ARRAY:
		return diff_array(w, live, candidate);
	case JSON_NUMBER:
		equal = jsondiff_number_eq(w->base->tolerance, live->text, candidate->text);
		break;
	default:
		equal = span_eq(live->text, candidate->text);
	}
	if (!equal)
		jsondiff_report(w->base, &w->base->out->value, "value differs");
	return equal < 0 ? equal : 0;
}

int jsondiff_tree(struct jsondiff_walk *base, struct span live, struct span candidate, size_t work_bytes)
{
	struct tree a, b = {0};
	struct walk w = {&a, &b, base};
	int err = tree_read(&a, live, work_bytes / 2);

	if (!err)
		err = tree_read(&b, candidate, work_bytes / 2);
	if (!err)
		err = diff_value(&w, a.nodes, b.nodes);
	tree_fini(&a);
	tree_fini(&b);
	return err;
}
