/*
 * jsondiff.h - path-wise difference of two JSON documents: missing, extra, type, value, order. Pure: no I/O.
 *
 * Object keys in any order, arrays by index unless a rule says else, strings after unescaping. Numbers are
 * equal within abs + rel * |live|, NaN equals NaN. An ignored path hides its whole subtree. Documents of one
 * shape are read in step, and once where their bytes are the same; others into flat trees of at most
 * JSONDIFF_NODES_MAX values. The outcome is the same.
 */
#ifndef REPLAY_JSONDIFF_H
#define REPLAY_JSONDIFF_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/err.h"
#include "proto/base/span.h"
#include "proto/json.h"

enum { JSONDIFF_NODES_MAX = 1 << 20, JSONDIFF_WHERE_MAX = 160 };

struct tolerance {
	double abs, rel;
};

/* Paths "$.a.b[*].c", "$.a[3]", "$..name" and "$..name[*].c"; others match nothing. Borrowed. */
struct ignore_paths {
	const char *const *paths;
	size_t count;
};

/* Of the numbers at a path, in place of the tolerance of all; the last that fits counts. */
struct path_tolerance {
	const char *path;
	struct tolerance within;
};

/* The array at a path is a set, or its elements are told apart by a member of theirs. In a set each element
 * of one side is held against an equal one of the other, and what numbers are left against the nearest. */
struct path_array {
	const char *path;
	struct span key; /* empty: a set */
};

struct jsondiff_rules { /* all borrowed */
	struct tolerance tolerance;
	struct ignore_paths ignore;
	const struct path_tolerance *tolerances;
	const struct path_array *arrays;
	size_t tolerance_count, array_count;
};

/* One step of a path: a key, or an index when key.data is NULL. */
struct path_step {
	struct span key;
	size_t index;
};

/* Where two documents differ, each place once, elements of any index as "[*]": the first few. */
enum { JSONDIFF_PATHS_MAX = 8, JSONDIFF_PATH_BYTES = 80 };
struct jsondiff_paths {
	uint32_t count;
	char at[JSONDIFF_PATHS_MAX][JSONDIFF_PATH_BYTES];
};

struct jsondiff {
	uint32_t missing, extra, type, value; /* seen from live: missing is absent in the candidate */
	uint32_t order; /* arrays whose elements are all there, elsewhere: their values are not told then */
	char where[JSONDIFF_WHERE_MAX]; /* the first difference, members by key: "$.a[3]: type differs"; never
	                                   a value */
	struct jsondiff_paths paths;
};

/* 0 (also when they differ), ERR_PROTO, ERR_LIMIT, ERR_NOMEM (also when it would take more than work_bytes).
 */
int jsondiff_by(struct span live, struct span candidate, const struct jsondiff_rules *, size_t work_bytes,
                struct jsondiff *out) MUST_CHECK;
/* The same with nothing but a tolerance and what is ignored. */
int jsondiff(struct span live, struct span candidate, struct tolerance, struct ignore_paths,
             size_t work_bytes, struct jsondiff *out) MUST_CHECK;
/* Is exactly this path named by the pattern, or by one of the patterns? */
bool jsondiff_path_is(const char *pattern, const struct path_step *steps, size_t count);
bool jsondiff_ignored(struct ignore_paths, const struct path_step *steps, size_t count);
/* |candidate - live| <= abs + rel * |live|; NaN equals NaN, an infinity only itself. */
bool tolerance_equal(struct tolerance, double live, double candidate);
/* Two string tokens with quotes, equal after unescaping: 1, 0 or ERR_NOMEM. */
int jsondiff_string_eq(struct span a, struct span b) MUST_CHECK;

#endif
