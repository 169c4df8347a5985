/*
 * mask_grpc.c - path rules on gRPC messages: one pass over the fields, by the table of their type.
 *
 * Tables say what each field is; what is in none of them is refused, so nothing passes that no rule was asked
 * about. Those of the Open Inference Protocol are here, others come of descriptors (mask_schema.h). Where
 * there is none, rules that name the call by number say what is inside what. A message is written anew field
 * by field: lengths follow what is in them.
 *
 * A tensor's contents come typed or raw, and a policy is written for one form: a rule for any of
 *   $.inputs[i].data   $.inputs[i].contents.bytes_contents   $.raw_input_contents[i]
 * holds for the others too.
 */
#include "capture/mask_grpc_inside.h"
#include "capture/mask_schema.h"
#include "proto/base/utf8.h"

enum { KEY_NUMBER = 1, VALUE_NUMBER = 2, WRAPPED_NUMBER = 2 };

static const struct row parameter_rows[] = {
        {1, PARAMETER, "bool_param", NULL, PROTOBUF_BOOL, NULL},
        {2, PARAMETER, "int64_param", NULL, PROTOBUF_INT64, NULL},
        {STRING_PARAM, TEXT, "string_param", NULL, PROTOBUF_STRING, NULL},
        {4, PARAMETER, "double_param", NULL, PROTOBUF_DOUBLE, NULL},
        {5, PARAMETER, "uint64_param", NULL, PROTOBUF_UINT64, NULL},
};
static const struct table parameter = TABLE(parameter_rows);
static const struct row parameters_rows[] = {
        {KEY_NUMBER, TEXT, "key", NULL, PROTOBUF_STRING, NULL},
        {VALUE_NUMBER, MESSAGE, "value", NULL, PROTOBUF_MESSAGE, &parameter},
};
static const struct table parameters = TABLE(parameters_rows);
static const struct row tensor_rows[] = {
        {1, TEXT, "name", NULL, PROTOBUF_STRING, NULL},
        {DATATYPE_NUMBER, TEXT, "datatype", NULL, PROTOBUF_STRING, NULL},
        {3, NUMBERS, "shape", NULL, PROTOBUF_INT64, NULL},
        {4, MAP, "parameters", NULL, PROTOBUF_MESSAGE, &parameters},
        {CONTENTS_NUMBER, CONTENTS, "contents", NULL, PROTOBUF_MESSAGE, &walk_contents_table},
};
static const struct table tensor = TABLE(tensor_rows);
static const struct row requested_rows[] = {
        {1, TEXT, "name", NULL, PROTOBUF_STRING, NULL},
        {2, MAP, "parameters", NULL, PROTOBUF_MESSAGE, &parameters},
};
static const struct table requested = TABLE(requested_rows);
static const struct row request_rows[] = {
        {1, TEXT, "model_name", NULL, PROTOBUF_STRING, NULL},
        {2, TEXT, "model_version", NULL, PROTOBUF_STRING, NULL},
        {3, TEXT, "id", NULL, PROTOBUF_STRING, NULL},
        {4, MAP, "parameters", NULL, PROTOBUF_MESSAGE, &parameters},
        {TENSOR_NUMBER, LIST, "inputs", NULL, PROTOBUF_MESSAGE, &tensor},
        {6, LIST, "outputs", NULL, PROTOBUF_MESSAGE, &requested},
        {7, RAW, "raw_input_contents", NULL, PROTOBUF_BINARY, NULL},
};
static const struct table request = TABLE(request_rows);
static const struct row response_rows[] = {
        {1, TEXT, "model_name", NULL, PROTOBUF_STRING, NULL},
        {2, TEXT, "model_version", NULL, PROTOBUF_STRING, NULL},
        {3, TEXT, "id", NULL, PROTOBUF_STRING, NULL},
        {4, MAP, "parameters", NULL, PROTOBUF_MESSAGE, &parameters},
        {TENSOR_NUMBER, LIST, "outputs", NULL, PROTOBUF_MESSAGE, &tensor},
        {6, RAW, "raw_output_contents", NULL, PROTOBUF_BINARY, NULL},
};
static const struct table response = TABLE(response_rows);
/* Of an answer with two strings and nothing else none can tell whether it is wrapped. */
static const struct row wrapped_rows[] = {
        {1, TEXT, "error_message", "model_name", PROTOBUF_STRING, NULL},
        {WRAPPED_NUMBER, MESSAGE, "infer_response", "model_version", PROTOBUF_MESSAGE, &response},
};
static const struct table wrapped = TABLE(wrapped_rows);

const struct row *walk_row(const struct table *table, const struct protobuf_field *f)
{
	uint32_t low = 0, high = table->count;
	const struct row *row;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->rows[middle].number < f->number)
			low = middle + 1;
		else
			high = middle;
	}
	row = low < table->count && table->rows[low].number == f->number ? &table->rows[low] : NULL;
	if (row &&
	    (f->wire == protobuf_wire_of(row->type) || (row->kind == NUMBERS && f->wire == PROTOBUF_BYTES)))
		return row;
	return NULL;
}

/* The rule for a member of that name; what is around it may be masked as a whole. */
static rule rule_of_row(struct walk *w, const struct row *row, rule around)
{
	rule hit;

	walk_name(w, row->name, row->number);
	hit = walk_rule(w);
	if (row->alias) {
		w->path[w->depth - 1].name = span_of(row->alias);
		hit = walk_first(hit, walk_rule(w));
	}
	w->depth--;
	return walk_over(around, hit);
}

/* The rule for a list, or for one of its elements. */
static rule list_rule(struct walk *w, const struct row *row, const struct mask_step *element,
                      bool *inside_out)
{
	rule hit;

	walk_name(w, row->name, row->number);
	if (element)
		w->path[w->depth++] = *element;
	hit = walk_rule(w);
	*inside_out |= element && mask_rules_inside(w->rules, w->call, w->path, w->depth);
	w->depth -= element ? 2 : 1;
	return hit;
}

static int put_message(struct walk *, const struct table *, struct span message, rule around);

static int put_inside(struct walk *w, const struct protobuf_field *f, const struct row *row, rule around)
{
	size_t start = protobuf_open(w->out, f->number, f->bytes.len);
	int err = row->kind == CONTENTS ? walk_contents(w, f->bytes, around)
	                                : put_message(w, row->inside, f->bytes, around);

	protobuf_close(w->out, start, f->bytes.len);
	return err;
}

static int put_text(struct walk *w, const struct protobuf_field *f, const struct row *row, rule hit)
{
	bool masked = hit && hit->with != MASK_KEEP;

	if (!masked && row->type == PROTOBUF_STRING && !utf8_valid(f->bytes.data, f->bytes.len))
		return ERR_PROTO;
	if (!hit && row->type == PROTOBUF_BINARY && mask_rules_finder(w->rules))
		return walk_unknown(w, f->number, f->bytes);
	walk_value(w, f->number, f->bytes, hit);
	return 0;
}

/* What is one of its kind: no place of its own is lost with it. */
static int put_one(struct walk *w, const struct protobuf_field *f, const struct row *row, rule hit)
{
	if (hit && hit->with == MASK_DROP && row->kind != CONTENTS && row->inside != &response) {
		w->count++;
		return 0;
	}
	switch (row->kind) {
	case TEXT:
		return put_text(w, f, row, walk_leaf(w, hit));
	case NUMBER:
		return walk_number(w, f, row->type, walk_leaf(w, hit));
	case PARAMETER:
		walk_parameter(w, f, row->type, walk_leaf(w, hit));
		return 0;
	default:
		return put_inside(w, f, row, hit);
	}
}

/* A tensor cannot go: those behind it would have other places. What else is dropped is left empty. */
static int put_element(struct walk *w, const struct protobuf_field *f, const struct row *row, uint64_t index,
                       rule around)
{
	rule hit = rule_of_row(w, row, around);
	bool drops = hit && hit->with == MASK_DROP;
	int err;

	if (drops && row->inside != &tensor) {
		w->count++;
		return 0;
	}
	walk_name(w, row->name, row->number);
	walk_index(w, index);
	hit = walk_over(hit, walk_rule(w));
	drops = hit && hit->with == MASK_DROP;
	err = drops && row->inside == &tensor ? ERR_PROTO : put_inside(w, f, row, hit);
	w->depth -= 2;
	return err;
}

static int put_texts(struct walk *w, const struct protobuf_field *f, const struct row *row, uint64_t index,
                     rule around)
{
	rule whole = rule_of_row(w, row, around), hit;
	struct asked asked = walk_ask(w, row, whole, list_rule);
	int err;

	if (whole && whole->with == MASK_DROP) {
		w->count++;
		return 0;
	}
	err = walk_element(w, &asked, index, &hit);
	walk_name(w, row->name, row->number);
	if (!err)
		err = put_text(w, f, row, walk_leaf(w, hit));
	w->depth--;
	return err;
}

/* Key and value of a map's entry, each at most once; number 0: it is not there. */
static int read_entry(const struct table *table, struct span entry, struct protobuf_field fields[2])
{
	struct protobuf_field f;
	int rc;

	fields[0] = fields[1] = (struct protobuf_field){0};
	while ((rc = protobuf_next(&entry, &f)) > 0) {
		if (f.number > VALUE_NUMBER || !walk_row(table, &f) || fields[f.number - 1].number)
			return ERR_PROTO;
		fields[f.number - 1] = f;
	}
	return rc;
}

/* A key as JSON would have it. */
static struct span key_text(const struct protobuf_field *key, enum protobuf_type type, char room[DIGITS_MAX])
{
	if (type == PROTOBUF_STRING)
		return key->number ? key->bytes : SPAN("");
	walk_number_text(key, type, room);
	return span_of(room);
}

static int put_key(struct walk *w, const struct protobuf_field *key, const struct row *row)
{
	struct protobuf_field text = {.number = KEY_NUMBER, .bytes = key->number ? key->bytes : SPAN("")};

	if (row->type == PROTOBUF_STRING)
		return put_text(w, &text, row, NULL);
	buf_span_put(w->out, key->number ? key->whole : SPAN(""));
	return 0;
}

static int put_entry(struct walk *w, const struct protobuf_field *f, const struct row *row, rule around)
{
	rule hit = rule_of_row(w, row, around);
	const struct row *rows = row->inside->rows;
	struct protobuf_field fields[2];
	char room[DIGITS_MAX];
	size_t start;
	int err = read_entry(row->inside, f->bytes, fields);

	if (err)
		return err;
	walk_name(w, row->name, row->number);
	w->path[w->depth++] = (struct mask_step){.name = key_text(&fields[0], rows[0].type, room)};
	hit = walk_over(hit, walk_rule(w));
	if (hit && hit->with == MASK_DROP) {
		w->count++;
	} else {
		start = protobuf_open(w->out, f->number, f->bytes.len);
		err = put_key(w, &fields[0], &rows[0]);
		if (!err && fields[1].number)
			err = put_one(w, &fields[1], &rows[1], hit);
		protobuf_close(w->out, start, f->bytes.len);
	}
	w->depth -= 2;
	return err;
}

static int put_field(struct walk *w, const struct protobuf_field *f, const struct row *row, uint64_t *index,
                     rule around)
{
	struct asked asked;
	int err;

	switch (row->kind) {
	case TEXTS:
		return put_texts(w, f, row, (*index)++, around);
	case NUMBERS:
		asked = walk_ask(w, row, rule_of_row(w, row, around), list_rule);
		return walk_numbers(w, f, row, &asked, index);
	case LIST:
		return put_element(w, f, row, (*index)++, around);
	case MAP:
		return put_entry(w, f, row, around);
	case CONTENTS:
		return put_inside(w, f, row, around);
	case RAW:
		return walk_raw(w, f, around);
	default:
		around = rule_of_row(w, row, around);
		walk_name(w, row->name, row->number);
		err = put_one(w, f, row, around);
		w->depth--;
		return err;
	}
}

/* A field of which only the number is known: a message where a rule leads on into it. */
static int put_unnamed(struct walk *w, const struct protobuf_field *f, uint64_t index, rule around)
{
	size_t start;
	rule hit;
	int err = 0;

	walk_name(w, "", f->number);
	w->path[w->depth++] = (struct mask_step){.name = {NULL, 0}, .index = index, .maybe = true};
	hit = walk_over(around, walk_rule(w));
	if (f->wire == PROTOBUF_BYTES && (!hit || hit->with == MASK_KEEP) &&
	    mask_rules_below(w->rules, w->call, w->path, w->depth)) {
		start = protobuf_open(w->out, f->number, f->bytes.len);
		err = put_message(w, NULL, f->bytes, hit);
		protobuf_close(w->out, start, f->bytes.len);
	} else if (!hit && mask_rules_allow(w->rules)) {
		w->input_masked = true;
		w->count++;
	} else if (f->wire != PROTOBUF_BYTES) {
		err = walk_number(w, f, PROTOBUF_TYPES, hit);
	} else if (hit && hit->with == MASK_DROP) {
		w->count++;
	} else if (hit || !mask_rules_finder(w->rules)) {
		walk_value(w, f->number, f->bytes, hit);
	} else {
		err = walk_unknown(w, f->number, f->bytes);
	}
	w->depth -= 2;
	return err;
}

/* What the tensors hold, before their raw contents are met. */
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
		w->types[w->tensor_count] = NULL;
		while (protobuf_next(&left, &inside) > 0)
			if (inside.number == DATATYPE_NUMBER)
				w->types[w->tensor_count] = walk_tensor_type(inside.bytes);
		w->tensor_count++;
	}
	return rc;
}

/* How many elements of each list of a message went before, by the number of its field. */
enum { SEEN_MAX = 128 };
struct seen {
	uint32_t number;
	uint64_t index;
};

static bool is_list(const struct row *row)
{
	return !row || row->kind == TEXTS || row->kind == NUMBERS || row->kind == LIST;
}

/* What comes twice is merged by who reads it: no tensor has two contents, no answer two insides. */
static bool is_single(const struct row *row)
{
	return row && (row->kind == CONTENTS || row->inside == &response);
}

/* NULL: it has more lists than are kept apart. */
static uint64_t *seen_index(struct seen seen[SEEN_MAX], uint32_t number)
{
	uint32_t at = number % SEEN_MAX;

	for (uint32_t i = 0; i < SEEN_MAX; i++, at = (at + 1) % SEEN_MAX) {
		if (!seen[at].number)
			seen[at].number = number;
		if (seen[at].number == number)
			return &seen[at].index;
	}
	return NULL;
}

static int put_any(struct walk *w, const struct protobuf_field *f, const struct table *table,
                   struct seen seen[SEEN_MAX], rule around)
{
	const struct row *row = table ? walk_row(table, f) : NULL;
	uint64_t none = 0, *index = &none;

	if (table && !row)
		return ERR_PROTO;
	if (is_list(row) || is_single(row))
		index = seen_index(seen, f->number);
	if (++w->questions > QUESTIONS_MAX || !index)
		return ERR_LIMIT;
	if (is_single(row) && (*index)++)
		return ERR_PROTO;
	return row ? put_field(w, f, row, index, around) : put_unnamed(w, f, (*index)++, around);
}

/* table NULL: fields have no names. */
static int put_message(struct walk *w, const struct table *table, struct span message, rule around)
{
	struct seen seen[SEEN_MAX] = {0};
	struct protobuf_field f;
	int rc = 0;

	if (++w->level > LEVELS_MAX)
		return ERR_LIMIT;
	if (table == &request || table == &response) {
		w->root_depth = w->depth;
		w->list = table == &request ? "inputs" : "outputs";
		w->raw = table == &request ? "raw_input_contents" : "raw_output_contents";
		rc = read_types(w, message);
	}
	while (!rc && (rc = protobuf_next(&message, &f)) > 0)
		rc = put_any(w, &f, table, seen, around);
	w->level--;
	return rc;
}

static bool is_wrapped(struct span message)
{
	struct protobuf_field f, inside;
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0) {
		struct span left = f.bytes;

		if (!walk_row(&wrapped, &f))
			return false;
		while (f.number == WRAPPED_NUMBER && (rc = protobuf_next(&left, &inside)) != 0)
			if (rc < 0 || !walk_row(&response, &inside))
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

/* Behind a prefix of its own. */
static int put_frame(struct walk *w, const struct table *table, struct span message)
{
	size_t start = buf_len(w->out);
	char prefix[GRPC_PREFIX_BYTES] = {0};
	int err;

	buf_put(w->out, prefix, sizeof prefix);
	err = put_message(w, table, message, walk_rule(w));
	if (!err)
		err = mask_result(w->key, w->out);
	if (!err)
		err = grpc_prefix(buf_len(w->out) - start - sizeof prefix, prefix);
	if (!err)
		memcpy(w->out->base + w->out->head + start, prefix, sizeof prefix);
	return err;
}

static int put_bare(struct walk *w, bool is_request, struct span message)
{
	const struct table *table = is_request ? &request : is_wrapped(message) ? &wrapped : &response;
	int err = table == &response ? check_bare(message) : 0;

	return err ? err : put_frame(w, table, message);
}

int mask_message(const struct mask_rules *rules, struct mask_key *key, const struct mask_call *call,
                 bool is_request, struct span encoding, const struct grpc_message *message, struct buf *out,
                 uint32_t *count_out, bool *input_masked_out)
{
	struct walk w = {.rules = rules, .key = key, .out = out, .call = call->name};
	struct span bytes = message->bytes;
	struct buf plain;
	int err = 0;

	if (call->how == MASK_BY_GUESS)
		return mask_protobuf(rules, key, encoding, message, out, count_out, input_masked_out);
	buf_init(&plain, out->limit_bytes);
	if (message->compressed) {
		err = grpc_inflate(bytes, encoding, &plain);
		bytes = buf_span(&plain);
	}
	if (!err && call->how == MASK_BY_TENSOR)
		err = put_bare(&w, is_request, bytes);
	else if (!err)
		err = put_frame(&w, is_request ? call->request : call->response, bytes);
	buf_fini(&plain);
	*count_out = w.count;
	*input_masked_out = w.input_masked;
	return err;
}
