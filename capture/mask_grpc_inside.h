/*
 * mask_grpc_inside.h - what the files share that mask gRPC messages: mask_grpc.c knows the messages,
 * mask_grpc_tensor.c what a tensor holds, mask_grpc_put.c writes a field that a rule hit, or did not.
 */
#ifndef CAPTURE_MASK_GRPC_INSIDE_H
#define CAPTURE_MASK_GRPC_INSIDE_H

#include "capture/mask_inside.h"
#include "proto/protobuf.h"

/* A rule is looked for at most so often in a message: hostile ones hold millions of fields. */
enum { QUESTIONS_MAX = 1 << 16 };
enum { TENSORS_MAX = 64, STEPS_MAX = 16, BYTES_CONTENTS = 8, STRING_PARAM = 3 };
enum kind { TEXT, NUMBER, NUMBERS, MESSAGE, LIST, MAP, CONTENTS, RAW };

struct row {
	uint32_t number;
	enum kind kind;
	const char *name, *alias; /* alias: what another message has in its place; or NULL */
	enum protobuf_wire wire;  /* of a number; packed ones are bytes */
	const struct row *inside;
};

typedef const struct plan_mask_field *rule;

struct walk {
	const struct mask_rules *rules;
	struct mask_key *key;
	struct buf *out;
	struct mask_step path[STEPS_MAX];
	unsigned depth;
	const char *list, *raw; /* names in the message with tensors, at root_depth */
	unsigned root_depth, tensor_count, raw_count;
	bool is_bytes[TENSORS_MAX];
	uint32_t count, questions; /* fields and elements that rules were asked about */
	bool input_masked;
};

static inline void walk_name(struct walk *w, const char *name)
{
	w->path[w->depth++] = (struct mask_step){.name = span_of(name)};
}

static inline void walk_index(struct walk *w, uint64_t index)
{
	w->path[w->depth++] = (struct mask_step){.name = {NULL, 0}, .index = index};
}

static inline rule walk_rule(struct walk *w)
{
	return mask_rules_at(w->rules, w->path, w->depth, &w->input_masked);
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

static inline const struct row *walk_row(const struct row *table, const struct protobuf_field *f)
{
	while (table->number && table->number != f->number)
		table++;
	if (table->number &&
	    (f->wire == table->wire || (table->kind == NUMBERS && f->wire == PROTOBUF_BYTES)))
		return table;
	return NULL;
}

/* What stands for `value`; nothing when the rule drops it. */
void walk_masked(struct walk *, rule hit, struct span value);
/* The value itself: masked by the rule, or, without one, as detectors leave it: a text, or JSON. */
void walk_bytes(struct walk *, struct span value, rule hit);
/* A field of bytes of that. */
void walk_value(struct walk *, uint32_t number, struct span value, rule hit);
void walk_text(struct walk *, const struct protobuf_field *, rule hit);
/* A number of a parameter becomes its string_param. */
void walk_number(struct walk *, const struct protobuf_field *, rule hit);
/* Numbers can go, but hold no token; `inside`: a rule is for some of them. 0 or ERR_PROTO. */
int walk_numbers(struct walk *, const struct protobuf_field *, rule hit, bool inside);

extern const struct row walk_contents_rows[];
/* The path leads to a tensor: its contents. 0, ERR_PROTO (a rule that cannot be followed) or ERR_LIMIT. */
int walk_contents(struct walk *, struct span message, rule around);
/* The raw contents of the next tensor of the message. */
int walk_raw(struct walk *, const struct protobuf_field *, rule around);

#endif
