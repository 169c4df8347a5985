/*
 * mask_grpc_inside.h - what the files share that mask gRPC messages: mask_grpc.c walks a message by the table
 * of its type, mask_grpc_tensor.c knows what a tensor holds, mask_grpc_put.c and mask_grpc_number.c write a
 * field that a rule hit, or did not; mask_schema.c makes tables of a FileDescriptorSet.
 */
#ifndef CAPTURE_MASK_GRPC_INSIDE_H
#define CAPTURE_MASK_GRPC_INSIDE_H

#include "capture/mask_inside.h"
#include "proto/protobuf.h"

/* A rule is looked for at most so often in a message: hostile ones hold millions of fields. */
enum { QUESTIONS_MAX = 1 << 16 };
enum { TENSORS_MAX = 64, STEPS_MAX = 64, LEVELS_MAX = 24, DIGITS_MAX = 40 };
/* Numbers of fields, of requests and answers alike. */
enum { TENSOR_NUMBER = 5, DATATYPE_NUMBER = 2, CONTENTS_NUMBER = 5, BYTES_CONTENTS = 8, STRING_PARAM = 3 };
/* One of a thing, or (plural) a list of it. PARAMETER: a number for which a text can stand. */
enum kind { TEXT, TEXTS, NUMBER, NUMBERS, PARAMETER, MESSAGE, LIST, MAP, CONTENTS, RAW };

struct table;
struct row {
	uint32_t number;
	enum kind kind;
	const char *name, *alias; /* alias: what another message has in its place; or NULL */
	enum protobuf_type type;
	const struct table *inside;
};
struct table { /* by number */
	const struct row *rows;
	uint32_t count;
};
#define TABLE(rows)                                                                                          \
	{                                                                                                    \
		rows, sizeof(rows) / sizeof *(rows)                                                          \
	}

typedef const struct plan_mask_field *rule;

/* A number: how many bytes hold it where it is not a varint. OPAQUE: of no type that is known. */
enum number_kind { NUMBER_OPAQUE, NUMBER_SIGNED, NUMBER_UNSIGNED, NUMBER_REAL, NUMBER_TRUTH };
struct number {
	enum number_kind kind;
	unsigned bytes;
};

struct walk {
	const struct mask_rules *rules;
	struct mask_key *key;
	struct buf *out;
	struct span call; /* "SERVICE/METHOD" for rules of one; empty: not known */
	struct mask_step path[STEPS_MAX];
	unsigned depth, level;
	const char *list, *raw; /* names in the message with tensors, at root_depth */
	unsigned root_depth, tensor_count, raw_count;
	const struct tensor_type *types[TENSORS_MAX]; /* NULL: none that is known */
	uint32_t count, questions;                    /* fields and elements that rules were asked about */
	bool input_masked;
};

/* What the rules say of a list: asked once, for there may be millions of elements. */
struct asked {
	bool known;
	rule all;    /* of every element; */
	rule kept;   /* of those that no other names */
	bool each;   /* which is named by element, not by the list */
	bool some;   /* elements differ: ask for each */
	bool inside; /* a rule leads to parts of an element */
	const struct row *row;
	/* The rule for the list, or for one of its elements. */
	rule (*of)(struct walk *, const struct row *, const struct mask_step *element, bool *inside_out);
};

static inline void walk_name(struct walk *w, const char *name, uint32_t number)
{
	w->path[w->depth++] = (struct mask_step){.name = span_of(name), .number = number};
}

static inline void walk_index(struct walk *w, uint64_t index)
{
	w->path[w->depth++] = (struct mask_step){.name = {NULL, 0}, .index = index};
}

static inline rule walk_rule(struct walk *w)
{
	return mask_rules_at(w->rules, w->call, w->path, w->depth, &w->input_masked);
}

/* What is around a field may be masked as a whole; what keeps it whole lets rules for parts of it act. */
static inline rule walk_over(rule around, rule hit)
{
	return !around || (around->with == MASK_KEEP && hit) ? hit : around;
}

/* A value that no rule names stays, or goes where the policy allows. */
static inline rule walk_leaf(struct walk *w, rule hit)
{
	if (hit || !mask_rules_allow(w->rules))
		return hit;
	w->input_masked = true;
	return &mask_unlisted;
}

/* Of two rules the one that was declared first. */
static inline rule walk_first(rule a, rule b)
{
	return !a || (b && b < a) ? b : a;
}

/* The field of that number, if it is written as its type is. */
const struct row *walk_row(const struct table *, const struct protobuf_field *);

static inline uint64_t walk_little(const char *p, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)(unsigned char)p[i] << 8 * i;
	return value;
}

/* What stands for `value`; nothing when the rule drops it. */
void walk_masked(struct walk *, rule hit, struct span value);
/* The value itself: masked by the rule, or, without one, as detectors leave it: a text, or JSON. */
void walk_bytes(struct walk *, struct span value, rule hit);
/* A field of bytes of that. */
void walk_value(struct walk *, uint32_t number, struct span value, rule hit);
/* Bytes of which nothing is known: a message, a text or neither. 0, or what mask_guess() has. */
int walk_unknown(struct walk *, uint32_t number, struct span value);

/* All of one list: `whole` is the rule for it, or for what is around it. */
struct asked walk_ask(struct walk *, const struct row *, rule whole,
                      rule (*of)(struct walk *, const struct row *, const struct mask_step *, bool *));
/* Of one element. 0, ERR_PROTO (a rule that cannot be followed) or ERR_LIMIT. */
int walk_element(struct walk *, const struct asked *, uint64_t index, rule *hit_out);

struct number walk_number_of(enum protobuf_type);
/* Of a field that is one number. */
void walk_number_text(const struct protobuf_field *, enum protobuf_type, char text[DIGITS_MAX]);
/* *bits become what the rule, which is not to keep them, leaves: 0; 1: of no number, and they are 0; or
 * ERR_PROTO: nothing that it does can be a number. */
int walk_mask_number(struct walk *, struct number, uint64_t *bits, rule hit);
int walk_number(struct walk *, const struct protobuf_field *, enum protobuf_type, rule hit);
/* A number of a parameter becomes its string_param. */
void walk_parameter(struct walk *, const struct protobuf_field *, enum protobuf_type, rule hit);
/* A list, packed, or one element of it; *index: of its next. An element that goes is 0. */
int walk_numbers(struct walk *, const struct protobuf_field *, const struct row *, const struct asked *,
                 uint64_t *index);

extern const struct table walk_contents_table;
/* What the datatype of a tensor says of its raw contents; NULL: not known. */
const struct tensor_type *walk_tensor_type(struct span datatype);
/* The path leads to a tensor: its contents. 0, ERR_PROTO (a rule that cannot be followed) or ERR_LIMIT. */
int walk_contents(struct walk *, struct span message, rule around);
/* The raw contents of the next tensor of the message. */
int walk_raw(struct walk *, const struct protobuf_field *, rule around);

#endif
