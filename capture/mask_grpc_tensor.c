/*
 * mask_grpc_tensor.c - what a tensor holds, typed or raw, under rules for any of its forms.
 */
#include "capture/mask_grpc_inside.h"

enum { LENGTH_BYTES = 4 }; /* before an element of raw BYTES */

static const struct row contents[] = {
        {1, NUMBERS, "bool_contents", NULL, PROTOBUF_BOOL, NULL},
        {2, NUMBERS, "int_contents", NULL, PROTOBUF_INT32, NULL},
        {3, NUMBERS, "int64_contents", NULL, PROTOBUF_INT64, NULL},
        {4, NUMBERS, "uint_contents", NULL, PROTOBUF_UINT32, NULL},
        {5, NUMBERS, "uint64_contents", NULL, PROTOBUF_UINT64, NULL},
        {6, NUMBERS, "fp32_contents", NULL, PROTOBUF_FLOAT, NULL},
        {7, NUMBERS, "fp64_contents", NULL, PROTOBUF_DOUBLE, NULL},
        {BYTES_CONTENTS, TEXTS, "bytes_contents", NULL, PROTOBUF_BINARY, NULL},
};
const struct table walk_contents_table = TABLE(contents);

/* An element of raw contents; which of the typed ones would hold it. */
static const struct tensor_type {
	const char *name;
	struct number number; /* of BYTES none */
	unsigned typed;
} types[] = {
        {"BOOL", {NUMBER_TRUTH, 1}, 1},      {"INT8", {NUMBER_SIGNED, 1}, 2},
        {"INT16", {NUMBER_SIGNED, 2}, 2},    {"INT32", {NUMBER_SIGNED, 4}, 2},
        {"INT64", {NUMBER_SIGNED, 8}, 3},    {"UINT8", {NUMBER_UNSIGNED, 1}, 4},
        {"UINT16", {NUMBER_UNSIGNED, 2}, 4}, {"UINT32", {NUMBER_UNSIGNED, 4}, 4},
        {"UINT64", {NUMBER_UNSIGNED, 8}, 5}, {"FP16", {NUMBER_OPAQUE, 2}, 6},
        {"BF16", {NUMBER_OPAQUE, 2}, 6},     {"FP32", {NUMBER_REAL, 4}, 6},
        {"FP64", {NUMBER_REAL, 8}, 7},       {"BYTES", {NUMBER_OPAQUE, 0}, BYTES_CONTENTS},
};

const struct tensor_type *walk_tensor_type(struct span datatype)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (span_eq(datatype, span_of(types[i].name)))
			return &types[i];
	return NULL;
}

/* The path leads to a tensor. The rule for its contents, of a typed field of that name, in any form; with
 * `element`, for one of them; *inside_out: a rule leads to parts of it. */
static rule contents_rule(struct walk *w, const struct row *field, const struct mask_step *element,
                          bool *inside_out)
{
	unsigned depth = w->depth;
	rule hit = NULL;

	for (int form = 0; form < 2; form++) {
		w->depth = depth;
		walk_name(w, form ? "contents" : "data", form ? CONTENTS_NUMBER : 0);
		if (form && !element)
			hit = walk_first(hit, walk_rule(w));
		if (form)
			walk_name(w, field->name, field->number);
		if (element)
			w->path[w->depth++] = *element;
		hit = walk_first(hit, walk_rule(w));
		*inside_out |= element && mask_rules_inside(w->rules, w->call, w->path, w->depth);
	}
	w->depth = depth;
	return hit;
}

/* Also as it is called when it is raw. */
static rule whole_rule(struct walk *w, const struct row *field, rule around)
{
	unsigned depth = w->depth;
	struct mask_step tensor_at = w->path[depth - 1], before = w->path[w->root_depth];
	bool inside = false;
	rule hit;

	if (around && around->with != MASK_KEEP)
		return around;
	hit = contents_rule(w, field, NULL, &inside);
	w->depth = w->root_depth;
	walk_name(w, w->raw, 0);
	hit = walk_first(hit, walk_rule(w));
	w->path[w->depth++] = tensor_at;
	hit = walk_first(hit, walk_rule(w));
	w->path[w->root_depth] = before;
	w->depth = depth;
	return walk_over(around, hit);
}

static struct asked ask_contents(struct walk *w, const struct row *field, rule around)
{
	return walk_ask(w, field, whole_rule(w, field, around), contents_rule);
}

int walk_contents(struct walk *w, struct span message, rule around)
{
	struct asked asked[BYTES_CONTENTS + 1] = {0};
	struct protobuf_field f;
	uint64_t index = 0;
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0) {
		const struct row *row = walk_row(&walk_contents_table, &f);
		struct asked *a = row ? &asked[row->number] : NULL;
		rule hit;

		if (!row)
			return ERR_PROTO;
		if (!a->known)
			*a = ask_contents(w, row, around);
		if (row->number == BYTES_CONTENTS) {
			rc = walk_element(w, a, index++, &hit);
			walk_value(w, f.number, f.bytes, walk_leaf(w, hit));
		} else {
			rc = walk_numbers(w, &f, row, a, &index);
		}
		if (rc)
			return rc;
	}
	return rc;
}

/* One element of raw BYTES: its length, then it. */
static void put_raw_element(struct walk *w, struct span value, rule hit)
{
	size_t start = buf_len(w->out), len;
	char prefix[LENGTH_BYTES] = {0}, *at;

	buf_put(w->out, prefix, sizeof prefix);
	walk_bytes(w, value, hit);
	if (w->out->err)
		return;
	len = buf_len(w->out) - start - LENGTH_BYTES;
	at = w->out->base + w->out->head + start;
	for (unsigned i = 0; i < LENGTH_BYTES; i++)
		at[i] = (char)(len >> 8 * i);
}

static int put_raw_bytes(struct walk *w, struct span left, const struct asked *asked)
{
	for (uint64_t index = 0; left.len; index++) {
		size_t len = left.len >= LENGTH_BYTES ? walk_little(left.data, LENGTH_BYTES) : SIZE_MAX;
		rule hit;

		if (left.len < LENGTH_BYTES || len > left.len - LENGTH_BYTES ||
		    walk_element(w, asked, index, &hit))
			return ERR_PROTO;
		put_raw_element(w, (struct span){left.data + LENGTH_BYTES, len}, walk_leaf(w, hit));
		left = (struct span){left.data + LENGTH_BYTES + len, left.len - LENGTH_BYTES - len};
	}
	return 0;
}

static uint64_t wide(struct number n, uint64_t bits)
{
	unsigned spare = 64 - 8 * n.bytes;

	return n.kind == NUMBER_SIGNED ? (uint64_t)((int64_t)(bits << spare) >> spare) : bits;
}

/* Without its numbers there would be none for the tensors behind it: what goes is 0. */
static int put_raw_numbers(struct walk *w, struct span left, struct number n, const struct asked *asked)
{
	rule hit = walk_leaf(w, asked->all);
	int rc = 0;

	if (left.len % n.bytes || asked->inside)
		return ERR_PROTO;
	if (!asked->some && (!hit || hit->with == MASK_KEEP)) {
		buf_span_put(w->out, left);
		return 0;
	}
	for (uint64_t index = 0; left.len && rc >= 0; index++) {
		uint64_t bits = wide(n, walk_little(left.data, n.bytes));

		rc = walk_element(w, asked, index, &hit);
		hit = walk_leaf(w, hit);
		if (!rc && hit && hit->with != MASK_KEEP)
			rc = walk_mask_number(w, n, &bits, hit);
		protobuf_put_fixed(w->out, bits, n.bytes);
		left = (struct span){left.data + n.bytes, left.len - n.bytes};
	}
	return rc < 0 ? rc : 0;
}

/* Of a datatype that is not known, numbers stay when no rule is for any of them. */
static int put_raw_unknown(struct walk *w, struct span bytes, rule around)
{
	bool asked = around && around->with != MASK_KEEP;
	bool kept = (around && !asked) || !mask_rules_allow(w->rules);

	for (unsigned i = 0; i < walk_contents_table.count && !asked; i++) {
		struct asked a = ask_contents(w, &contents[i], NULL);

		asked = (a.all && a.all->with != MASK_KEEP) || a.some || a.inside;
		kept |= a.all != NULL;
	}
	buf_span_put(w->out, bytes);
	return asked || !kept ? ERR_PROTO : 0;
}

/* The raw contents of the next tensor. */
int walk_raw(struct walk *w, const struct protobuf_field *f, rule around)
{
	unsigned index = w->raw_count++;
	size_t start = protobuf_open(w->out, f->number, f->bytes.len);
	const struct tensor_type *type;
	struct asked asked;
	int err;

	if (index >= w->tensor_count)
		return ERR_PROTO;
	type = w->types[index];
	walk_name(w, w->list, TENSOR_NUMBER);
	walk_index(w, index);
	if (type)
		asked = ask_contents(w, &contents[type->typed - 1], around);
	if (!type)
		err = put_raw_unknown(w, f->bytes, around);
	else if (type->number.bytes)
		err = put_raw_numbers(w, f->bytes, type->number, &asked);
	else
		err = put_raw_bytes(w, f->bytes, &asked);
	protobuf_close(w->out, start, f->bytes.len);
	w->depth -= 2;
	return err;
}
