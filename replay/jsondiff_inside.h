/*
 * jsondiff_inside.h - what the two ways to compare share: in step, and by trees. Both report alike.
 */
#ifndef REPLAY_JSONDIFF_INSIDE_H
#define REPLAY_JSONDIFF_INSIDE_H

#include "replay/jsondiff.h"

struct jsondiff_walk {
	struct tolerance tolerance;
	struct ignore_paths ignore;
	struct jsondiff *out;
	struct path_step steps[JSON_DEPTH_MAX + 1]; /* of the values being compared */
	size_t depth;
};

/* Count a difference; the first one is named. */
void jsondiff_report(struct jsondiff_walk *, uint32_t *counter, const char *what);
/* Both booleans are one type. */
bool jsondiff_same_type(enum json_token a, enum json_token b);
/* Two number tokens: 1, 0 or an error of json_double(). */
int jsondiff_number_eq(struct tolerance, struct span live, struct span candidate);
/* By bytes, the shorter first: <0, 0, >0. */
int jsondiff_key_order(struct span a, struct span b);
/* Any two documents. 0, ERR_PROTO, ERR_LIMIT, ERR_NOMEM (also when it would take more than work_bytes). */
int jsondiff_tree(struct jsondiff_walk *, struct span live, struct span candidate, size_t work_bytes);

#endif
