/*
 * jsondiff_tree.c - two documents read into flat trees and compared by a merge of their sorted keys: for
 * objects whose members do not come in the same order.
 */
#include "replay/jsondiff_inside.h"

#include <stdlib.h>

enum { NONE = JSONDIFF_NONE };

struct keyed {
	struct span key;
	uint32_t node;
};

/* Text of a key or string token; escaped ones are decoded into the tree's buffer. */
static int tree_text(struct jsondiff_nodes *t, const struct json_reader *r, struct span *out)
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

static int tree_add(struct jsondiff_nodes *t, struct jsondiff_node node, uint32_t *index_out)
{
	if (t->count >= t->most)
		return ERR_NOMEM;
	if (t->count == t->cap) {
		uint32_t cap = t->cap ? t->cap * 2 : 64;
		struct jsondiff_node *nodes;

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
static int tree_sort(struct jsondiff_nodes *t, uint32_t object)
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
static int tree_value(struct jsondiff_nodes *t, const struct json_reader *r, enum json_token token,
                      struct span key, struct level *levels, int *depth)
{
	struct jsondiff_node node = {.type = token, .key = key, .text = r->text, .child = NONE, .next = NONE};
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

/* A value takes its node and, while its object is sorted or its array compared, a place in the order; all
 * strings at most the text. */
enum { PER_VALUE = sizeof(struct jsondiff_node) + sizeof(struct keyed) + sizeof(struct jsondiff_element) };

static int tree_read(struct jsondiff_nodes *t, struct span doc, size_t work_bytes)
{
	struct level levels[JSON_DEPTH_MAX + 1];
	struct span key = {NULL, 0};
	struct json_reader reader;
	enum json_token token = JSON_MORE;
	int depth = 0, err;

	*t = (struct jsondiff_nodes){0};
	if (work_bytes > doc.len)
		t->most = (work_bytes - doc.len) / PER_VALUE;
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

static void tree_fini(struct jsondiff_nodes *t)
{
	free(t->nodes);
	buf_fini(&t->strings);
}

int jsondiff_child(struct jsondiff_sides *w, struct path_step step, const struct jsondiff_node *live,
                   const struct jsondiff_node *candidate)
{
	int err = 0;

	w->base->steps[w->base->depth++] = step;
	if (jsondiff_is_ignored(w->base))
		goto out;
	if (!candidate)
		jsondiff_report(w->base, &w->base->out->missing, "missing");
	else if (!live)
		jsondiff_report(w->base, &w->base->out->extra, "extra");
	else
		err = jsondiff_values(w, live, candidate);
out:
	w->base->depth--;
	return err;
}

static int diff_object(struct jsondiff_sides *w, const struct jsondiff_node *live,
                       const struct jsondiff_node *candidate)
{
	const struct jsondiff_node *a = jsondiff_node_at(w->live, live->child);
	const struct jsondiff_node *b = jsondiff_node_at(w->candidate, candidate->child);
	int err = 0;

	while (!err && (a || b)) {
		int order = !a ? 1 : !b ? -1 : jsondiff_key_order(a->key, b->key);

		err = jsondiff_child(w, (struct path_step){order <= 0 ? a->key : b->key, 0},
		                     order <= 0 ? a : NULL, order >= 0 ? b : NULL);
		if (order <= 0)
			a = jsondiff_node_at(w->live, a->next);
		if (order >= 0)
			b = jsondiff_node_at(w->candidate, b->next);
	}
	return err;
}

/* Recursion is bounded by JSON_DEPTH_MAX. */
int jsondiff_values(struct jsondiff_sides *w, const struct jsondiff_node *live,
                    const struct jsondiff_node *candidate)
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
		return jsondiff_arrays(w, live, candidate);
	case JSON_NUMBER:
		equal = jsondiff_number_eq(jsondiff_tolerance(w->base), live->text, candidate->text);
		break;
	default:
		equal = span_eq(live->text, candidate->text) && live->type == candidate->type;
	}
	if (!equal)
		jsondiff_report(w->base, &w->base->out->value, "value differs");
	return equal < 0 ? equal : 0;
}

int jsondiff_tree(struct jsondiff_walk *base, struct span live, struct span candidate, size_t work_bytes)
{
	struct jsondiff_nodes a, b = {0};
	struct jsondiff_sides w = {&a, &b, base};
	int err = tree_read(&a, live, work_bytes / 2);

	if (!err)
		err = tree_read(&b, candidate, work_bytes / 2);
	if (!err)
		err = jsondiff_values(&w, a.nodes, b.nodes);
	tree_fini(&a);
	tree_fini(&b);
	return err;
}
