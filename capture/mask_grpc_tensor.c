/*
 * mask_grpc_tensor.c - what a tensor holds, typed or raw, under rules for any of its forms.
 */
#include "capture/mask_grpc_inside.h"

enum { LENGTH_BYTES = 4 }; /* before an element of raw BYTES */

const struct row walk_contents_rows[] = {
        {1, NUMBERS, "bool_contents", NULL, PROTOBUF_VARINT, NULL},
        {2, NUMBERS, "int_contents", NULL, PROTOBUF_VARINT, NULL},
        {3, NUMBERS, "int64_contents", NULL, PROTOBUF_VARINT, NULL},
        {4, NUMBERS, "uint_contents", NULL, PROTOBUF_VARINT, NULL},
        {5, NUMBERS, "uint64_contents", NULL, PROTOBUF_VARINT, NULL},
        {6, NUMBERS, "fp32_contents", NULL, PROTOBUF_FIXED32, NULL},
        {7, NUMBERS, "fp64_contents", NULL, PROTOBUF_FIXED64, NULL},
        {BYTES_CONTENTS, TEXT, "bytes_contents", NULL, PROTOBUF_BYTES, NULL},
        {0},
};

/* The path leads to a tensor. The rule for its contents, of a typed field of that name, in any form; with
 * `element`, for one of them; *inside_out: a rule leads to parts of it. */
static rule contents_rule(struct walk *w, const char *field, const struct mask_step *element,
                          bool *inside_out)
{
	unsigned depth = w->depth;
	rule hit = NULL;

	for (int form = 0; form < 2; form++) {
		w->depth = depth;
		walk_name(w, form ? "contents" : "data");
		if (form && !element)
			hit = walk_first(hit, walk_rule(w));
		if (form)
			walk_name(w, field);
		if (element)
			w->path[w->depth++] = *element;
		hit = walk_first(hit, walk_rule(w));
		*inside_out |= element && mask_rules_inside(w->rules, w->path, w->depth);
	}
	w->depth = depth;
	return hit;
}

/* Also as it is called when it is raw. */
static rule whole_rule(struct walk *w, const char *field, rule around)
{
	unsigned depth = w->depth;
	struct mask_step tensor_at = w->path[depth - 1], before = w->path[w->root_depth];
	bool inside = false;
	rule hit;

	if (around && around->with != MASK_KEEP)
		return around;
	hit = contents_rule(w, field, NULL, &inside);
	w->depth = w->root_depth;
	walk_name(w, w->raw);
	hit = walk_first(hit, walk_rule(w));
	w->path[w->depth++] = tensor_at;
	hit = walk_first(hit, walk_rule(w));
	w->path[w->root_depth] = before;
	w->depth = depth;
	return walk_over(around, hit);
}

/* What the rules say of a tensor's contents: asked once, for there may be millions of elements. */
struct asked {
	bool known;
	rule all;    /* of every element; */
	rule kept;   /* of those that no other names */
	bool each;   /* which is named by element, not by the list */
	bool some;   /* elements differ: ask for each */
	bool inside; /* a rule leads to parts of an element */
};

static struct asked ask_contents(struct walk *w, const char *field, rule around)
{
	struct mask_step any = {.name = {NULL, 0}, .any = true},
	                 last = {.name = {NULL, 0}, .index = UINT64_MAX};
	struct asked a = {.known = true, .all = whole_rule(w, field, around)};
	bool input_masked = w->input_masked;
	rule one;

	if (a.all && a.all->with != MASK_KEEP)
		return a;
	a.kept = a.all;
	one = contents_rule(w, field, &any, &a.inside);
	a.all = contents_rule(w, field, &last, &a.inside); /* no index is that: only a rule for each is */
	a.each = a.all != NULL;
	a.some = a.all != one;
	if (a.some)
		w->input_masked = input_masked;
	else
		a.all = walk_over(a.kept, a.all);
	return a;
}

static int element_rule(struct walk *w, const struct asked *a, uint64_t index, rule *hit_out)
{
	struct mask_step at = {.name = {NULL, 0}, .index = index};
	bool inside = false;

	*hit_out = a->all;
	if (a->inside)
		return ERR_PROTO;
	if (!a->some)
		return 0;
	*hit_out = walk_over(a->kept, contents_rule(w, "bytes_contents", &at, &inside));
	return ++w->questions > QUESTIONS_MAX ? ERR_LIMIT : 0;
}

int walk_contents(struct walk *w, struct span message, rule around)
{
	struct asked asked[BYTES_CONTENTS + 1] = {0};
	struct protobuf_field f;
	uint64_t index = 0;
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0) {
		const struct row *row = walk_row(walk_contents_rows, &f);
		struct asked *a = row ? &asked[row->number] : NULL;
		rule hit;

		if (!row)
			return ERR_PROTO;
		if (!a->known)
			*a = ask_contents(w, row->name, around);
		if (row->number == BYTES_CONTENTS) {
			rc = element_rule(w, a, index++, &hit);
			walk_value(w, f.number, f.bytes, walk_leaf(w, hit));
		} else {
			rc = walk_numbers(w, &f, walk_leaf(w, a->all), a->each || a->some || a->inside);
		}
		if (rc)
			return rc;
	}
	return rc;
}

static uint32_t little(const char *p)
{
	return (uint32_t)(unsigned char)p[0] | (uint32_t)(unsigned char)p[1] << 8 |
	       (uint32_t)(unsigned char)p[2] << 16 | (uint32_t)(unsigned char)p[3] << 24;
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

static int put_raw_bytes(struct walk *w, const struct protobuf_field *f, rule around)
{
	struct asked asked = ask_contents(w, "bytes_contents", around);
	size_t start = protobuf_open(w->out, f->number, f->bytes.len);
	struct span left = f->bytes;

	for (uint64_t index = 0; left.len; index++) {
		size_t len = left.len >= LENGTH_BYTES ? little(left.data) : SIZE_MAX;
		rule hit;

		if (left.len < LENGTH_BYTES || len > left.len - LENGTH_BYTES ||
		    element_rule(w, &asked, index, &hit))
			return ERR_PROTO;
		put_raw_element(w, (struct span){left.data + LENGTH_BYTES, len}, walk_leaf(w, hit));
		left = (struct span){left.data + LENGTH_BYTES + len, left.len - LENGTH_BYTES - len};
	}
	protobuf_close(w->out, start, f->bytes.len);
	return 0;
}

/* The raw contents of the next tensor. Without its numbers there would be none for those behind it. */
int walk_raw(struct walk *w, const struct protobuf_field *f, rule around)
{
	unsigned index = w->raw_count++;
	bool asked = around && around->with != MASK_KEEP;
	bool kept = (around && !asked) || !mask_rules_allow(w->rules);
	int err = 0;

	if (index >= w->tensor_count)
		return ERR_PROTO;
	walk_name(w, w->list);
	walk_index(w, index);
	if (w->is_bytes[index]) {
		err = put_raw_bytes(w, f, around);
	} else {
		for (const struct row *row = walk_contents_rows; row->number && !asked; row++) {
			struct asked a = ask_contents(w, row->name, NULL);

			asked = (a.all && a.all->with != MASK_KEEP) || a.some || a.inside;
			kept |= a.all != NULL;
		}
		err = asked || !kept ? ERR_PROTO : 0;
		buf_span_put(w->out, f->whole);
	}
	w->depth -= 2;
	return err;
}
