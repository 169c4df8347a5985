/*
 * jsondiff_array.c - two arrays: as lists, of which it is told when they have only changed the order; as
 * sets; by a member of their elements.
 *
 * Elements find one another by a hash of what they hold, ignored places left out; what a hash says is always
 * looked at, so two values that hash alike are still told apart.
 */
#include "replay/jsondiff_inside.h"

#include <math.h>
#include <stdlib.h>

static uint64_t mix(uint64_t h, uint64_t value)
{
	h = (h ^ value) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static uint64_t hash_bytes(uint64_t h, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.data[i]) * 0x100000001b3u;
	return mix(h, s.len);
}

static uint64_t hash_number(uint64_t h, struct span text)
{
	double value;
	uint64_t bits;

	if (json_double(text, &value))
		return hash_bytes(h, text);
	if (value == 0 || isnan(value))
		value = isnan(value) ? (double)NAN : 0;
	memcpy(&bits, &value, sizeof bits);
	return mix(h, bits);
}

/* Members lie in the order of their keys. Recursion is bounded by JSON_DEPTH_MAX. */
static uint64_t hash_value(struct jsondiff_walk *w, const struct jsondiff_nodes *t,
                           const struct jsondiff_node *n)
{
	uint64_t h = mix(0xcbf29ce484222325u, n->type);
	const struct jsondiff_node *child;
	size_t i = 0;

	if (n->type == JSON_NUMBER)
		return hash_number(h, n->text);
	if (n->type != JSON_OBJECT && n->type != JSON_ARRAY)
		return n->type == JSON_STRING ? hash_bytes(h, n->text) : h;
	for (child = jsondiff_node_at(t, n->child); child; child = jsondiff_node_at(t, child->next), i++) {
		w->steps[w->depth++] = (struct path_step){n->type == JSON_OBJECT ? child->key : SPAN(""), i};
		if (n->type == JSON_ARRAY)
			w->steps[w->depth - 1].key.data = NULL;
		if (!jsondiff_is_ignored(w))
			h = mix(hash_bytes(h, child->key), hash_value(w, t, child));
		w->depth--;
	}
	return h;
}

/* The member of an element that tells it apart; NULL: it has none. */
static const struct jsondiff_node *key_of(const struct jsondiff_nodes *t, const struct jsondiff_node *n,
                                          struct span key)
{
	const struct jsondiff_node *child = n->type == JSON_OBJECT ? jsondiff_node_at(t, n->child) : NULL;

	while (child && !span_eq(child->key, key))
		child = jsondiff_node_at(t, child->next);
	return child;
}

/* Of `array`: each element's hash, of its member `key` if there is one to tell by; sorted when `sorted`.
 * NULL: no memory. */
static struct jsondiff_element *elements_of(struct jsondiff_walk *w, const struct jsondiff_nodes *t,
                                            const struct jsondiff_node *array, const struct path_array *rule)
{
	struct jsondiff_element *out = malloc((array->children + 1) * sizeof *out);
	uint32_t at = array->child;

	for (uint32_t i = 0; out && i < array->children; i++) {
		const struct jsondiff_node *n = &t->nodes[at], *key = NULL;

		if (rule && rule->key.len)
			key = key_of(t, n, rule->key);
		w->steps[w->depth++] = (struct path_step){{NULL, 0}, i};
		out[i] = (struct jsondiff_element){0, at, i, false};
		if (jsondiff_is_ignored(w)) /* it stays where it is */
			out[i].hash = mix(1, i);
		else if (!rule || !rule->key.len || key)
			out[i].hash = hash_value(w, t, key ? key : n);
		w->depth--;
		at = n->next;
	}
	return out;
}

static int by_hash(const void *a, const void *b)
{
	const struct jsondiff_element *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static struct path_step step_of(const struct jsondiff_element *e)
{
	return (struct path_step){{NULL, 0}, e->index};
}

/* --- lists --- */

static int diff_list(struct jsondiff_sides *w, const struct jsondiff_node *live,
                     const struct jsondiff_node *candidate)
{
	const struct jsondiff_node *a = jsondiff_node_at(w->live, live->child);
	const struct jsondiff_node *b = jsondiff_node_at(w->candidate, candidate->child);
	int err = 0;

	for (size_t i = 0; !err && (a || b); i++) {
		err = jsondiff_child(w, (struct path_step){{NULL, 0}, i}, a, b);
		a = a ? jsondiff_node_at(w->live, a->next) : NULL;
		b = b ? jsondiff_node_at(w->candidate, b->next) : NULL;
	}
	return err;
}

/* Count differences without telling them: how many there are, in *differences_out. */
static int diff_quietly(struct jsondiff_sides *w, const struct jsondiff_node *live,
                        const struct jsondiff_node *candidate, const struct jsondiff_element *a,
                        const struct jsondiff_element *b, uint64_t *differences_out)
{
	uint64_t before = w->base->silent;
	int err = 0;

	w->base->quiet = true;
	if (!a)
		err = diff_list(w, live, candidate);
	for (uint32_t i = 0; a && i < live->children && !err; i++)
		err = jsondiff_child(w, step_of(&a[i]), &w->live->nodes[a[i].node],
		                     &w->candidate->nodes[b[i].node]);
	w->base->quiet = false;
	*differences_out = w->base->silent - before;
	return err;
}

/* Do the same elements lie in another order, and is that to be seen? 1, 0 or an error. */
static int only_order(struct jsondiff_sides *w, const struct jsondiff_node *live,
                      const struct jsondiff_node *candidate)
{
	struct jsondiff_element *a = elements_of(w->base, w->live, live, NULL);
	struct jsondiff_element *b = elements_of(w->base, w->candidate, candidate, NULL);
	uint64_t differences = 0;
	uint32_t n = live->children, i = 0;
	int err = a && b ? 0 : ERR_NOMEM;

	while (!err && i < n && a[i].hash == b[i].hash)
		i++;
	if (err || i == n)
		goto out;
	qsort(a, n, sizeof *a, by_hash);
	qsort(b, n, sizeof *b, by_hash);
	for (i = 0; i < n && a[i].hash == b[i].hash;)
		i++;
	if (i == n)
		err = diff_quietly(w, live, candidate, NULL, NULL, &differences);
	if (err || !differences)
		goto out;
	err = diff_quietly(w, live, candidate, a, b, &differences);
	if (!err)
		err = differences == 0;
out:
	free(a);
	free(b);
	return err;
}

/* --- sets, and elements with a key --- */

static double value_of(const struct jsondiff_nodes *t, const struct jsondiff_element *e)
{
	double value;

	return e->taken || t->nodes[e->node].type != JSON_NUMBER ||
	                       json_double(t->nodes[e->node].text, &value)
	               ? NAN
	               : value;
}

struct number {
	double value;
	uint32_t at;
};

static int by_value(const void *a, const void *b)
{
	const struct number *x = a, *y = b;

	return x->value < y->value ? -1 : x->value > y->value;
}

/* The numbers that found no equal one, in ascending order. NULL: no memory. */
static struct number *numbers_left(const struct jsondiff_nodes *t, const struct jsondiff_element *e,
                                   uint32_t n, uint32_t *count_out)
{
	struct number *out = malloc((n + 1) * sizeof *out);

	*count_out = 0;
	for (uint32_t i = 0; out && i < n; i++) {
		double value = value_of(t, &e[i]);

		if (!isnan(value))
			out[(*count_out)++] = (struct number){value, i};
	}
	if (out)
		qsort(out, *count_out, sizeof *out, by_value);
	return out;
}

/* Numbers within tolerance of each other: both in ascending order, the least first. */
static int take_near(struct jsondiff_sides *w, struct jsondiff_element *a, uint32_t live,
                     struct jsondiff_element *b, uint32_t candidate)
{
	uint32_t n, m, i = 0, k = 0;
	struct number *x = numbers_left(w->live, a, live, &n);
	struct number *y = numbers_left(w->candidate, b, candidate, &m);
	int err = x && y ? 0 : ERR_NOMEM;

	while (!err && i < n && k < m) {
		struct tolerance within;

		w->base->steps[w->base->depth++] = step_of(&a[x[i].at]);
		within = jsondiff_tolerance(w->base);
		w->base->depth--;
		if (tolerance_equal(within, x[i].value, y[k].value))
			a[x[i++].at].taken = b[y[k++].at].taken = true;
		else if (x[i].value < y[k].value)
			i++;
		else
			k++;
	}
	free(x);
	free(y);
	return err;
}

/* Elements of one hash are held against one another, in the order they came. */
static int take_alike(struct jsondiff_sides *w, struct jsondiff_element *a, uint32_t live,
                      struct jsondiff_element *b, uint32_t candidate)
{
	uint32_t i = 0, k = 0;
	int err = 0;

	while (!err && i < live && k < candidate) {
		if (a[i].hash != b[k].hash) {
			if (a[i].hash < b[k].hash)
				i++;
			else
				k++;
			continue;
		}
		err = jsondiff_child(w, step_of(&a[i]), &w->live->nodes[a[i].node],
		                     &w->candidate->nodes[b[k].node]);
		a[i++].taken = b[k++].taken = true;
	}
	return err;
}

static int tell_alone(struct jsondiff_sides *w, const struct jsondiff_element *e, uint32_t count, bool live)
{
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++)
		if (!e[i].taken)
			err = jsondiff_child(w, step_of(&e[i]), live ? &w->live->nodes[e[i].node] : NULL,
			                     live ? NULL : &w->candidate->nodes[e[i].node]);
	return err;
}

static int by_index(const void *a, const void *b)
{
	const struct jsondiff_element *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static int diff_matched(struct jsondiff_sides *w, const struct path_array *rule,
                        const struct jsondiff_node *live, const struct jsondiff_node *candidate)
{
	uint32_t n = live->children, m = candidate->children;
	struct jsondiff_element *a = elements_of(w->base, w->live, live, rule);
	struct jsondiff_element *b = elements_of(w->base, w->candidate, candidate, rule);
	int err = a && b ? 0 : ERR_NOMEM;

	if (err)
		goto out;
	qsort(a, n, sizeof *a, by_hash);
	qsort(b, m, sizeof *b, by_hash);
	err = take_alike(w, a, n, b, m);
	if (!err && !rule->key.len)
		err = take_near(w, a, n, b, m);
	qsort(a, n, sizeof *a, by_index);
	qsort(b, m, sizeof *b, by_index);
	if (!err)
		err = tell_alone(w, a, n, true);
	if (!err)
		err = tell_alone(w, b, m, false);
out:
	free(a);
	free(b);
	return err;
}

int jsondiff_arrays(struct jsondiff_sides *w, const struct jsondiff_node *live,
                    const struct jsondiff_node *candidate)
{
	const struct path_array *rule = jsondiff_array_rule(w->base);
	int order = 0;

	if (rule)
		return diff_matched(w, rule, live, candidate);
	if (!w->base->quiet && live->children == candidate->children && live->children > 1)
		order = only_order(w, live, candidate);
	if (order < 0)
		return order;
	if (!order)
		return diff_list(w, live, candidate);
	jsondiff_report(w->base, &w->base->out->order, "order differs");
	return 0;
}
