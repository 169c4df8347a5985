/*
 * jsondiff_inside.h - what the two ways to compare share: in step (jsondiff.c), and by trees
 * (jsondiff_tree.c, jsondiff_array.c). Both report alike.
 */
#ifndef REPLAY_JSONDIFF_INSIDE_H
#define REPLAY_JSONDIFF_INSIDE_H

#include "replay/jsondiff.h"

struct jsondiff_walk {
	const struct jsondiff_rules *rules;
	struct jsondiff *out;
	struct path_step steps[JSON_DEPTH_MAX + 1]; /* of the values being compared */
	size_t depth;
	bool quiet; /* differences are counted in `silent`, and told nowhere */
	uint64_t silent;
};

/* What the number at the walk's path may be apart. */
struct tolerance jsondiff_tolerance(const struct jsondiff_walk *);
/* The rule of the array at the walk's path; NULL: it is a list. */
const struct path_array *jsondiff_array_rule(const struct jsondiff_walk *);
bool jsondiff_is_ignored(const struct jsondiff_walk *);

/* Count a difference; the first one is named. */
void jsondiff_report(struct jsondiff_walk *, uint32_t *counter, const char *what);
/* Both booleans are one type. */
bool jsondiff_same_type(enum json_token a, enum json_token b);
/* Two number tokens: 1, 0 or an error of json_double(). */
int jsondiff_number_eq(struct tolerance, struct span live, struct span candidate);
/* By bytes, the shorter first: <0, 0, >0. */
int jsondiff_key_order(struct span a, struct span b);
/* --- by trees --- */

enum { JSONDIFF_NONE = UINT32_MAX };

struct jsondiff_node {
	enum json_token type;
	struct span key, text; /* unescaped and without quotes for keys and strings */
	uint32_t child, next, children;
};

struct jsondiff_nodes {
	struct jsondiff_node *nodes;
	uint32_t count, cap;
	size_t most;        /* values that its share of the memory has room for */
	struct buf strings; /* reserved once, so that spans into it stay */
};

struct jsondiff_sides {
	const struct jsondiff_nodes *live, *candidate;
	struct jsondiff_walk *base;
};

/* What an element takes while its array is compared in another order than that of the list. */
struct jsondiff_element {
	uint64_t hash;
	uint32_t node, index;
	bool taken;
};

static inline const struct jsondiff_node *jsondiff_node_at(const struct jsondiff_nodes *t, uint32_t index)
{
	return index == JSONDIFF_NONE ? NULL : &t->nodes[index];
}

/* Two values at the walk's path; one child position, of which either side may be absent; two arrays. 0 or an
 * error. */
int jsondiff_values(struct jsondiff_sides *, const struct jsondiff_node *live,
                    const struct jsondiff_node *candidate) MUST_CHECK;
int jsondiff_child(struct jsondiff_sides *, struct path_step, const struct jsondiff_node *live,
                   const struct jsondiff_node *candidate) MUST_CHECK;
int jsondiff_arrays(struct jsondiff_sides *, const struct jsondiff_node *live,
                    const struct jsondiff_node *candidate) MUST_CHECK;

/* Any two documents. 0, ERR_PROTO, ERR_LIMIT, ERR_NOMEM (also when it would take more than work_bytes). */
int jsondiff_tree(struct jsondiff_walk *, struct span live, struct span candidate, size_t work_bytes);

#endif
