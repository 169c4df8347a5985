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
#include "capture/mask_grpc_inside.h"

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
        {5, CONTENTS, "contents", NULL, PROTOBUF_BYTES, walk_contents_rows},
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

/* The rule for a member of that name; what is around it may be masked as a whole. */
static rule rule_of_row(struct walk *w, const struct row *row, rule around)
{
	rule hit;

	walk_name(w, row->name);
	hit = walk_rule(w);
	if (row->alias) {
		w->path[w->depth - 1].name = span_of(row->alias);
		hit = walk_first(hit, walk_rule(w));
	}
	w->depth--;
	return walk_over(around, hit);
}

static int put_message(struct walk *, const struct row *table, struct span message, rule around);

static int put_inside(struct walk *w, const struct protobuf_field *f, const struct row *row, rule around)
{
	size_t start = protobuf_open(w->out, f->number, f->bytes.len);
	int err = row->kind == CONTENTS ? walk_contents(w, f->bytes, around)
	                                : put_message(w, row->inside, f->bytes, around);

	protobuf_close(w->out, start, f->bytes.len);
	return err;
}

/* An element cannot go: those behind it would have other places. */
static int put_element(struct walk *w, const struct protobuf_field *f, const struct row *row, uint64_t index,
                       rule around)
{
	rule hit = rule_of_row(w, row, around);
	int err;

	walk_name(w, row->name);
	walk_index(w, index);
	hit = walk_over(hit, walk_rule(w));
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
	walk_name(w, row->name);
	w->path[w->depth++] = (struct mask_step){.name = key};
	hit = walk_over(hit, walk_rule(w));
	if (hit && hit->with == MASK_DROP) {
		w->count++;
	} else {
		start = protobuf_open(w->out, f->number, f->bytes.len);
		walk_value(w, 1, key, NULL);
		if (value.number)
			err = put_inside(w, &value, row, hit);
		protobuf_close(w->out, start, f->bytes.len);
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
		walk_text(w, f, walk_leaf(w, rule_of_row(w, row, around)));
		return 0;
	case NUMBER:
		walk_number(w, f, walk_leaf(w, rule_of_row(w, row, around)));
		return 0;
	case NUMBERS:
		hit = rule_of_row(w, row, around);
		walk_name(w, row->name);
		w->path[w->depth++] = (struct mask_step){.name = {NULL, 0}, .any = true};
		err = walk_numbers(w, f, hit, !hit && walk_leaf(w, walk_rule(w)));
		w->depth -= 2;
		return err;
	case MESSAGE:
		hit = rule_of_row(w, row, around);
		walk_name(w, row->name);
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
		return walk_raw(w, f, around);
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
		const struct row *row = walk_row(table, &f);

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

		if (!walk_row(wrapped, &f))
			return false;
		while (f.number == WRAPPED_NUMBER && (rc = protobuf_next(&left, &inside)) != 0)
			if (rc < 0 || !walk_row(response, &inside))
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
		err = put_message(w, table, message, walk_rule(w));
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
