/*
 * mask_grpc.c - path rules on Open Inference messages over gRPC: one pass over the fields, no schema
 * compiler.
 *
 * Tables say what each field is; what is in none of them is refused, so nothing passes that no rule was asked
 * about. A message is written anew field by field: lengths follow what is in them.
 *
 * A tensor's contents come typed or raw, and a policy is written for one form: a rule for any of
 *   $.inputs[i].data   $.inputs[i].contents.bytes_contents   $.raw_input_contents[i]
 * holds for the others too.
 */
#include <inttypes.h>
#include <stdio.h>

#include "capture/mask.h"
#include "proto/protobuf.h"

/* A rule is looked for at most so often in a message: hostile ones hold millions of fields. */
enum { QUESTIONS_MAX = 1 << 16 };
enum { TENSORS_MAX = 64, STEPS_MAX = 16, LENGTH_BYTES = 4, BYTES_CONTENTS = 8, STRING_PARAM = 3 };
enum kind { TEXT, NUMBER, NUMBERS, MESSAGE, LIST, MAP, CONTENTS, RAW };

struct row {
	uint32_t number;
	enum kind kind;
	const char *name, *alias; /* alias: what another message has in its place; or NULL */
	enum protobuf_wire wire;  /* of a number; packed ones are bytes */
	const struct row *inside;
};

static const struct row contents[] = {
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
static const struct row parameter[] = {
        {1, NUMBER, "bool_param", NULL, PROTOBUF_VARINT, NULL},
        {2, NUMBER, "int64_param", NULL, PROTOBUF_VARINT, NULL},
        {STRING_PARAM, TEXT, "string_param", NULL, PROTOBUF_BYTES, NULL},
        {4, NUMBER, "double_param", NULL, PROTOBUF_FIXED64, NULL},
        {5, NUMBER, "uint64_param", NULL, PROTOBUF_VARINT, NULL},
        {0},
};
static const struct row tensor[] = {
        {1, TEXT, "name", NULL, PROTOBUF_BYTES, NULL},
        {2, TEXT, "datatype", NULL, PROTOBUF_BYTES, NULL},
        {3, NUMBERS, "shape", NULL, PROTOBUF_VARINT, NULL},
        {4, MAP, "parameters", NULL, PROTOBUF_BYTES, parameter},
        {5, CONTENTS, "contents", NULL, PROTOBUF_BYTES, contents},
        {0},
};
static const struct row requested[] = {
        {1, TEXT, "name", NULL, PROTOBUF_BYTES, NULL},
        {2, MAP, "parameters", NULL, PROTOBUF_BYTES, parameter},
        {0},
};
static const struct row request[] = {
        {1, TEXT, "model_name", NULL, PROTOBUF_BYTES, NULL},
        {2, TEXT, "model_version", NULL, PROTOBUF_BYTES, NULL},
        {3, TEXT, "id", NULL, PROTOBUF_BYTES, NULL},
        {4, MAP, "parameters", NULL, PROTOBUF_BYTES, parameter},
        {5, LIST, "inputs", NULL, PROTOBUF_BYTES, tensor},
        {6, LIST, "outputs", NULL, PROTOBUF_BYTES, requested},
        {7, RAW, "raw_input_contents", NULL, PROTOBUF_BYTES, NULL},
        {0},
};
static const struct row response[] = {
        {1, TEXT, "model_name", NULL, PROTOBUF_BYTES, NULL},
        {2, TEXT, "model_version", NULL, PROTOBUF_BYTES, NULL},
        {3, TEXT, "id", NULL, PROTOBUF_BYTES, NULL},
        {4, MAP, "parameters", NULL, PROTOBUF_BYTES, parameter},
        {5, LIST, "outputs", NULL, PROTOBUF_BYTES, tensor},
        {6, RAW, "raw_output_contents", NULL, PROTOBUF_BYTES, NULL},
        {0},
};
/* Of an answer with two strings and nothing else none can tell whether it is wrapped. */
static const struct row wrapped[] = {
        {1, TEXT, "error_message", "model_name", PROTOBUF_BYTES, NULL},
        {2, MESSAGE, "infer_response", "model_version", PROTOBUF_BYTES, response},
        {0},
};
enum { TENSOR_NUMBER = 5, DATATYPE_NUMBER = 2 }; /* of request and response alike */
enum { WRAPPED_NUMBER = 2 };

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

static void push_name(struct walk *w, const char *name)
{
	w->path[w->depth++] = (struct mask_step){.name = span_of(name)};
}

static void push_index(struct walk *w, uint64_t index)
{
	w->path[w->depth++] = (struct mask_step){.name = {NULL, 0}, .index = index};
}

static rule rule_here(struct walk *w)
{
	return mask_rules_at(w->rules, w->path, w->depth, &w->input_masked);
}

/* Of two rules the one that was declared first. */
static rule first_of(rule a, rule b)
{
	return !a || (b && b < a) ? b : a;
}

/* The rule for a member of that name; what is around it may be masked as a whole. */
static rule rule_of_row(struct walk *w, const struct row *row, rule around)
{
	rule hit;

	push_name(w, row->name);
	hit = rule_here(w);
	if (row->alias) {
		w->path[w->depth - 1].name = span_of(row->alias);
		hit = first_of(hit, rule_here(w));
	}
	w->depth--;
	return around ? around : hit;
}

static const struct row *row_of(const struct row *table, const struct protobuf_field *f)
{
	while (table->number && table->number != f->number)
		table++;
	if (table->number &&
	    (f->wire == table->wire || (table->kind == NUMBERS && f->wire == PROTOBUF_BYTES)))
		return table;
	return NULL;
}

/* A field of bytes that are not known yet: its place, for close_field(). Its length takes what `hint` would.
 */
static size_t open_field(struct walk *w, uint32_t number, size_t hint)
{
	protobuf_put_varint(w->out, (uint64_t)number << 3 | PROTOBUF_BYTES);
	protobuf_put_varint(w->out, hint);
	return buf_len(w->out);
}

static void close_field(struct walk *w, size_t start, size_t hint)
{
	size_t had = protobuf_varint_len(hint), len = buf_len(w->out) - start,
	       need = protobuf_varint_len(len);
	char *at;

	if (w->out->err || (need > had && !buf_room(w->out, need - had)))
		return;
	at = w->out->base + w->out->head + start;
	memmove(at - had + need, at, len);
	w->out->tail = w->out->tail - had + need;
	for (size_t i = 0; i < need; i++, len >>= 7)
		at[(ptrdiff_t)(i - had)] = (char)((len & 0x7f) | (len > 0x7f ? 0x80 : 0));
}

static void put_masked(struct walk *w, rule hit, struct span value)
{
	char token[25];

	w->count++;
	if (hit->with == MASK_TOKEN) {
		mask_token(w->key, span_of(hit->where), value, token);
		buf_puts(w->out, token);
	} else if (hit->with == MASK_REDACT) {
		buf_puts(w->out, "[redacted]");
	}
}

static void put_value(struct walk *w, uint32_t number, struct span value, rule hit)
{
	size_t start = open_field(w, number, value.len);

	if (hit)
		put_masked(w, hit, value);
	else
		buf_span_put(w->out, value);
	close_field(w, start, value.len);
}

static void put_text(struct walk *w, const struct protobuf_field *f, rule hit)
{
	if (hit && hit->with == MASK_DROP)
		w->count++;
	else
		put_value(w, f->number, f->bytes, hit);
}

/* A number of a parameter becomes its string_param. */
static void put_number(struct walk *w, const struct protobuf_field *f, rule hit)
{
	char text[32];
	double value;

	if (!hit) {
		buf_span_put(w->out, f->whole);
		return;
	}
	if (hit->with == MASK_DROP) {
		w->count++;
		return;
	}
	if (f->wire == PROTOBUF_FIXED64) {
		memcpy(&value, f->bytes.data, sizeof value);
		snprintf(text, sizeof text, "%.17g", value);
	} else if (f->number == 1) {
		snprintf(text, sizeof text, "%s", f->value ? "true" : "false");
	} else if (f->number == 2) {
		snprintf(text, sizeof text, "%" PRId64, (int64_t)f->value);
	} else {
		snprintf(text, sizeof text, "%" PRIu64, f->value);
	}
	put_value(w, STRING_PARAM, span_of(text), hit);
}

/* Numbers can go, but hold no token; `inside`: a rule is for some of them. */
static int put_numbers(struct walk *w, const struct protobuf_field *f, rule hit, bool inside)
{
	if (inside || (hit && hit->with != MASK_DROP))
		return ERR_PROTO;
	if (hit)
		w->count++;
	else
		buf_span_put(w->out, f->whole);
	return 0;
}

/* The path leads to a tensor. The rule for its contents, of a typed field of that name, in any form; with
 * `element`, for one of them; *inside_out: a rule leads to parts of it. */
static rule contents_rule(struct walk *w, const char *field, const struct mask_step *element,
                          bool *inside_out)
{
	unsigned depth = w->depth;
	rule hit = NULL;

	for (int form = 0; form < 2; form++) {
		w->depth = depth;
		push_name(w, form ? "contents" : "data");
		if (form && !element)
			hit = first_of(hit, rule_here(w));
		if (form)
			push_name(w, field);
		if (element)
			w->path[w->depth++] = *element;
		hit = first_of(hit, rule_here(w));
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

	if (around)
		return around;
	hit = contents_rule(w, field, NULL, &inside);
	w->depth = w->root_depth;
	push_name(w, w->raw);
	hit = first_of(hit, rule_here(w));
	w->path[w->depth++] = tensor_at;
	hit = first_of(hit, rule_here(w));
	w->path[w->root_depth] = before;
	w->depth = depth;
	return hit;
}

/* What the rules say of a tensor's contents: asked once, for there may be millions of elements. */
struct asked {
	bool known;
	rule all;    /* of every element; */
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

	if (a.all)
		return a;
	one = contents_rule(w, field, &any, &a.inside);
	a.all = contents_rule(w, field, &last, &a.inside); /* no index is that: only a rule for each is */
	a.each = a.all != NULL;
	a.some = a.all != one;
	if (a.some)
		w->input_masked = input_masked;
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
	*hit_out = contents_rule(w, "bytes_contents", &at, &inside);
	return ++w->questions > QUESTIONS_MAX ? ERR_LIMIT : 0;
}

static int put_contents(struct walk *w, struct span message, rule around)
{
	struct asked asked[BYTES_CONTENTS + 1] = {0};
	struct protobuf_field f;
	uint64_t index = 0;
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0) {
		const struct row *row = row_of(contents, &f);
		struct asked *a = row ? &asked[row->number] : NULL;
		rule hit;

		if (!row)
			return ERR_PROTO;
		if (!a->known)
			*a = ask_contents(w, row->name, around);
		if (row->number == BYTES_CONTENTS) {
			rc = element_rule(w, a, index++, &hit);
			put_value(w, f.number, f.bytes, hit);
		} else {
			rc = put_numbers(w, &f, a->all, a->each || a->some || a->inside);
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
	if (hit)
		put_masked(w, hit, value);
	else
		buf_span_put(w->out, value);
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
	size_t start = open_field(w, f->number, f->bytes.len);
	struct span left = f->bytes;

	for (uint64_t index = 0; left.len; index++) {
		size_t len = left.len >= LENGTH_BYTES ? little(left.data) : SIZE_MAX;
		rule hit;

		if (left.len < LENGTH_BYTES || len > left.len - LENGTH_BYTES ||
		    element_rule(w, &asked, index, &hit))
			return ERR_PROTO;
		put_raw_element(w, (struct span){left.data + LENGTH_BYTES, len}, hit);
		left = (struct span){left.data + LENGTH_BYTES + len, left.len - LENGTH_BYTES - len};
	}
	close_field(w, start, f->bytes.len);
	return 0;
}

/* The raw contents of the next tensor. Without its numbers there would be none for those behind it. */
static int put_raw(struct walk *w, const struct protobuf_field *f, rule around)
{
	unsigned index = w->raw_count++;
	bool asked = around != NULL;
	int err = 0;

	if (index >= w->tensor_count)
		return ERR_PROTO;
	push_name(w, w->list);
	push_index(w, index);
	if (w->is_bytes[index]) {
		err = put_raw_bytes(w, f, around);
	} else {
		for (const struct row *row = contents; row->number && !asked; row++) {
			struct asked a = ask_contents(w, row->name, NULL);

			asked = a.all || a.some || a.inside;
		}
		err = asked ? ERR_PROTO : 0;
		buf_span_put(w->out, f->whole);
	}
	w->depth -= 2;
	return err;
}

static int put_message(struct walk *, const struct row *table, struct span message, rule around);

static int put_inside(struct walk *w, const struct protobuf_field *f, const struct row *row, rule around)
{
	size_t start = open_field(w, f->number, f->bytes.len);
	int err = row->kind == CONTENTS ? put_contents(w, f->bytes, around)
	                                : put_message(w, row->inside, f->bytes, around);

	close_field(w, start, f->bytes.len);
	return err;
}

/* An element cannot go: those behind it would have other places. */
static int put_element(struct walk *w, const struct protobuf_field *f, const struct row *row, uint64_t index,
                       rule around)
{
	rule hit = rule_of_row(w, row, around);
	int err;

	push_name(w, row->name);
	push_index(w, index);
	hit = hit ? hit : rule_here(w);
	err = hit && hit->with == MASK_DROP ? ERR_PROTO : put_inside(w, f, row, hit);
	w->depth -= 2;
	return err;
}

/* Key and value of a map's entry, each at most once. */
static int read_entry(struct span entry, struct span *key_out, struct protobuf_field *value_out)
{
	struct protobuf_field f;
	unsigned seen = 0;
	int rc;

	*key_out = SPAN("");
	*value_out = (struct protobuf_field){0};
	while ((rc = protobuf_next(&entry, &f)) > 0) {
		if (f.wire != PROTOBUF_BYTES || f.number > 2 || seen & 1u << f.number)
			return ERR_PROTO;
		seen |= 1u << f.number;
		if (f.number == 1)
			*key_out = f.bytes;
		else
			*value_out = f;
	}
	return rc;
}

static int put_entry(struct walk *w, const struct protobuf_field *f, const struct row *row, rule around)
{
	rule hit = rule_of_row(w, row, around);
	struct protobuf_field value;
	struct span key;
	size_t start;
	int err = read_entry(f->bytes, &key, &value);

	if (err)
		return err;
	push_name(w, row->name);
	w->path[w->depth++] = (struct mask_step){.name = key};
	hit = hit ? hit : rule_here(w);
	if (hit && hit->with == MASK_DROP) {
		w->count++;
	} else {
		start = open_field(w, f->number, f->bytes.len);
		protobuf_put_bytes(w->out, 1, key);
		if (value.number)
			err = put_inside(w, &value, row, hit);
		close_field(w, start, f->bytes.len);
	}
	w->depth -= 2;
	return err;
}

static int put_field(struct walk *w, const struct protobuf_field *f, const struct row *row, uint64_t index,
                     rule around)
{
	rule hit;
	int err = 0;

	switch (row->kind) {
	case TEXT:
		put_text(w, f, rule_of_row(w, row, around));
		return 0;
	case NUMBER:
		put_number(w, f, rule_of_row(w, row, around));
		return 0;
	case NUMBERS:
		hit = rule_of_row(w, row, around);
		push_name(w, row->name);
		w->path[w->depth++] = (struct mask_step){.name = {NULL, 0}, .any = true};
		err = put_numbers(w, f, hit, !hit && rule_here(w));
		w->depth -= 2;
		return err;
	case MESSAGE:
		hit = rule_of_row(w, row, around);
		push_name(w, row->name);
		err = put_inside(w, f, row, hit);
		w->depth--;
		return err;
	case LIST:
		return put_element(w, f, row, index, around);
	case MAP:
		return put_entry(w, f, row, around);
	case CONTENTS:
		return put_inside(w, f, row, around);
	case RAW:
		return put_raw(w, f, around);
	}
	return ERR_PROTO;
}

/* Which tensors hold BYTES, before their raw contents are met. */
static int read_types(struct walk *w, struct span message)
{
	struct protobuf_field f, inside;
	int rc;

	w->tensor_count = w->raw_count = 0;
	while ((rc = protobuf_next(&message, &f)) > 0) {
		struct span left = f.bytes;

		if (f.number != TENSOR_NUMBER || f.wire != PROTOBUF_BYTES)
			continue;
		if (w->tensor_count == TENSORS_MAX)
			return ERR_LIMIT;
		w->is_bytes[w->tensor_count] = false;
		while (protobuf_next(&left, &inside) > 0)
			if (inside.number == DATATYPE_NUMBER)
				w->is_bytes[w->tensor_count] = span_eq(inside.bytes, SPAN("BYTES"));
		w->tensor_count++;
	}
	return rc;
}

static int put_message(struct walk *w, const struct row *table, struct span message, rule around)
{
	uint64_t seen[BYTES_CONTENTS + 1] = {0}; /* by number: of lists, elements that went before */
	struct protobuf_field f;
	int rc = 0;

	if (table == request || table == response) {
		w->root_depth = w->depth;
		w->list = table == request ? "inputs" : "outputs";
		w->raw = table == request ? "raw_input_contents" : "raw_output_contents";
		rc = read_types(w, message);
	}
	while (!rc && (rc = protobuf_next(&message, &f)) > 0) {
		const struct row *row = row_of(table, &f);

		if (++w->questions > QUESTIONS_MAX)
			return ERR_LIMIT;
		/* what comes twice is merged by who reads it: no tensor has two contents, no answer two
		 * insides */
		if (!row || ((row->kind == CONTENTS || row->kind == MESSAGE) && seen[f.number]))
			return ERR_PROTO;
		rc = put_field(w, &f, row, seen[f.number]++, around);
	}
	return rc;
}

static bool is_wrapped(struct span message)
{
	struct protobuf_field f, inside;
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0) {
		struct span left = f.bytes;

		if (!row_of(wrapped, &f))
			return false;
		while (f.number == WRAPPED_NUMBER && (rc = protobuf_next(&left, &inside)) != 0)
			if (rc < 0 || !row_of(response, &inside))
				return false;
	}
	return rc == 0;
}

static bool has_control(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] < ' ')
			return true;
	return false;
}

/* A wrapped answer that is not known as a whole must not pass as a bare one with a strange version. */
static int check_bare(struct span message)
{
	struct protobuf_field f;
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0)
		if (f.number == WRAPPED_NUMBER && has_control(f.bytes))
			return ERR_PROTO;
	return rc;
}

static int put_frame(struct walk *w, bool is_request, struct span message)
{
	size_t start = buf_len(w->out);
	char prefix[GRPC_PREFIX_BYTES] = {0};
	const struct row *table = is_request ? request : is_wrapped(message) ? wrapped : response;
	int err = table == response ? check_bare(message) : 0;

	buf_put(w->out, prefix, sizeof prefix);
	if (!err)
		err = put_message(w, table, message, rule_here(w));
	if (!err)
		err = mask_result(w->key, w->out);
	if (!err)
		err = grpc_prefix(buf_len(w->out) - start - sizeof prefix, prefix);
	if (!err)
		memcpy(w->out->base + w->out->head + start, prefix, sizeof prefix);
	return err;
}

int mask_grpc(const struct mask_rules *rules, struct mask_key *key, bool is_request, struct span encoding,
              const struct grpc_message *message, struct buf *out, uint32_t *count_out,
              bool *input_masked_out)
{
	struct walk w = {.rules = rules, .key = key, .out = out};
	struct buf plain;
	int err = 0;

	buf_init(&plain, out->limit_bytes);
	if (message->compressed)
		err = grpc_inflate(message->bytes, encoding, &plain);
	if (err == ERR_UNSUPPORTED)
		err = ERR_PROTO;
	if (!err)
		err = put_frame(&w, is_request, message->compressed ? buf_span(&plain) : message->bytes);
	buf_fini(&plain);
	*count_out = w.count;
	*input_masked_out = w.input_masked;
	return err;
}
