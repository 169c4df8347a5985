/*
 * cfg.h - a YAML file read through a schema table: one row a key, every error in one pass.
 *
 * cfg_parse() turns libyaml's events into nodes that carry line and column; cfg_fill() walks a
 * table of rows over them into a plain struct. Scalars are typed by the table, never guessed.
 * Anchors, aliases, tags and second documents are refused; size, depth and node count are limited.
 * ${VAR}, ${VAR:-default}, ${VAR:?message} and $$ are replaced in scalar values after parsing, so
 * that a value never adds structure.
 */
#ifndef PROTO_BASE_CFG_H
#define PROTO_BASE_CFG_H

#include <stdio.h>
#include "proto/base/err.h"
#include "proto/base/span.h"

enum { CFG_FILE_MAX = 1 << 20, CFG_DEPTH_MAX = 16, CFG_NODES_MAX = 20000, CFG_ERRORS_MAX = 20 };

enum cfg_kind { CFG_NODE_SCALAR, CFG_NODE_MAPPING, CFG_NODE_LIST };

struct cfg_node {
	enum cfg_kind kind;
	unsigned line, column;      /* from 1; columns count characters */
	const char *text;           /* scalar, after substitution */
	const struct cfg_node *key; /* in a mapping */
	struct cfg_node *first, *next;
	unsigned count; /* children */
};

enum cfg_type {               /* the field it fills */
	        CFG_STRING,   /* char[size] */
	        CFG_DURATION, /* uint32_t ms */
	        CFG_SIZE,     /* uint64_t bytes, or uint32_t by the row's size */
	        CFG_SHARE,    /* uint32_t ppm, written in percent */
	        CFG_RATE,     /* double in 0..1, written in percent */
	        CFG_INTEGER,  /* uint32_t, or uint16_t by the row's size */
	        CFG_DOUBLE,   /* double */
	        CFG_BOOL,     /* bool */
	        CFG_ENUM,     /* uint32_t index in names; bool when the size is 1; nothing when 0 */
	        CFG_WORDS,    /* list of scalars, char[size] as " A B " */
	        CFG_STRINGS,  /* list of scalars, char[capacity][size] */
	        CFG_MAPPING,  /* rows, relative to offset */
	        CFG_LIST,     /* list of mappings, an array of items of `size` bytes */
	        CFG_NAMED, /* mapping of NAME: mapping, the same array; item = hook's business for its name */
	        CFG_EACH,  /* list of single values: the hook reads each into the field */
	        CFG_PAIRS, /* mapping of NAME: single value: the hook reads each into the field */
	        CFG_HOOK,  /* the hook reads the node, a single value, into the field */
	        CFG_LATER, /* the hook of the mapping around it reads it */
	        CFG_UNSUPPORTED, /* kept for a later version, refused by this one */
};

struct cfg;
/* `at`: the field, or the item of a list. Called after the field is filled, and only when the key
 * is there. For CFG_LIST, CFG_NAMED, CFG_STRINGS, CFG_WORDS, CFG_EACH and CFG_PAIRS once an item. */
typedef void cfg_hook(struct cfg *, const struct cfg_node *, void *at);

struct cfg_row { /* a table ends with a row without name */
	const char *name;
	enum cfg_type type;
	size_t offset, size;
	const char *min, *max;    /* as written in a file; NULL: none */
	const char *value;        /* the default, as written in a file; NULL: all zero. A hook's: only told */
	bool required;            /* and, for a list, not empty */
	const char *const *names; /* CFG_ENUM, NULL at the end */
	const char *const *unsupported; /* CFG_ENUM: values kept for a later version */
	const struct cfg_row *rows;
	size_t count_offset;      /* uint32_t, lists */
	unsigned capacity, taken; /* items that there may be; that are there already */
	cfg_hook *hook;
	const char *sentence;
};

#define CFG_FIELD(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define CFG_ITEMS(type, member, counter)                                                                     \
	.offset = offsetof(type, member), .size = sizeof(((type *)0)->member[0]),                            \
	.count_offset = offsetof(type, counter),                                                             \
	.capacity = sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0])

/* `file` names the text in messages; file and text must outlive the cfg. Wrong YAML is an error
 * noted in the cfg, not a failure. 0 or ERR_NOMEM. */
int cfg_parse(const char *file, struct span text, void *user, struct cfg **cfg_out) MUST_CHECK;
void cfg_free(struct cfg **);
void *cfg_user(const struct cfg *);
const struct cfg_node *cfg_root(const struct cfg *); /* NULL: no usable document */

/* Fill `target` (zeroed by the caller) from the root; defaults where a key is missing. */
void cfg_fill(struct cfg *, const struct cfg_row *rows, void *target);
/* Defaults only, into `base`. */
void cfg_defaults(const struct cfg_row *rows, void *base);
/* One scalar by a row's type and bounds; a message is noted when it is wrong. */
bool cfg_scalar(struct cfg *, const struct cfg_row *, const struct cfg_node *, void *at);

/* The value under a key of a mapping, or NULL. */
const struct cfg_node *cfg_child(const struct cfg_node *, const char *key);
/* Note an error or a warning at a node (NULL: the first line); hint may be NULL. */
void cfg_fail(struct cfg *, const struct cfg_node *, const char *hint, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
void cfg_warn(struct cfg *, const struct cfg_node *, const char *hint, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* The number of errors so far. */
unsigned cfg_errors(const struct cfg *);
/* Print what was noted in the order of the file:
 *   FILE:LINE:COL: error: MESSAGE
 *       the line
 *       ^
 *       hint: ... */
void cfg_report(struct cfg *, FILE *);

#endif
