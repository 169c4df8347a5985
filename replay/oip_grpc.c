#include "replay/oip_grpc.h"

#include <stdlib.h>

#include "proto/protobuf.h"
#include "proto/schema/inference.pb-c.h"
#include "replay/oip_raw.h"

typedef Understudy__Inference__TensorContents Contents;
typedef Understudy__Inference__OutputTensor Output;
typedef Understudy__Inference__InferResponse Response;
typedef Understudy__Inference__StreamInferResponse StreamResponse;

/* What unpacking and the tensors may take together; what is freed does not come back. */
struct budget {
	size_t left;
	bool spent;
};

struct reader {
	struct budget budget;
	ProtobufCAllocator allocator;
	const Response *response;
	struct oip_answer *out;
};

static void *take(struct budget *b, size_t bytes)
{
	void *p = bytes <= b->left ? malloc(bytes ? bytes : 1) : NULL;

	if (p)
		b->left -= bytes;
	else
		b->spent = true;
	return p;
}

static void *take_unpacked(void *budget, size_t bytes)
{
	return take(budget, bytes);
}

static void give_unpacked(void *budget, void *p)
{
	(void)budget;
	free(p);
}

static struct span span_from(ProtobufCBinaryData bytes)
{
	return (struct span){bytes.data ? (const char *)bytes.data : "", bytes.len};
}

static int read_shape(const Output *from, struct oip_tensor *t)
{
	if (from->n_shape > OIP_RANK_MAX)
		return ERR_LIMIT;
	t->rank = (unsigned)from->n_shape;
	t->count = 1;
	for (unsigned i = 0; i < t->rank; i++) {
		if (from->shape[i] < 0)
			return ERR_PROTO;
		if (from->shape[i] > OIP_ELEMENTS_MAX)
			return ERR_LIMIT;
		t->shape[i] = (uint64_t)from->shape[i];
		t->count *= t->shape[i];
		if (t->count > OIP_ELEMENTS_MAX)
			return ERR_LIMIT;
	}
	return 0;
}

static double typed_number(const struct oip_type *type, const Contents *c, size_t i)
{
	if (type->kind == OIP_INT)
		return c->int_contents[i];
	if (type->kind == OIP_UINT)
		return c->uint_contents[i];
	return type->width == 4 ? (double)c->fp32_contents[i] : c->fp64_contents[i];
}

/* Elements in the field of the type; none for one that comes raw only. */
static size_t typed_count(const struct oip_type *type, const Contents *c)
{
	switch (type->kind) {
	case OIP_BOOL:
		return c->n_bool_contents;
	case OIP_INT:
		return c->n_int_contents;
	case OIP_INT64:
		return c->n_int64_contents;
	case OIP_UINT:
		return c->n_uint_contents;
	case OIP_UINT64:
		return c->n_uint64_contents;
	case OIP_FLOAT:
		return type->width == 2 ? 0 : type->width == 4 ? c->n_fp32_contents : c->n_fp64_contents;
	case OIP_BYTES:
		return c->n_bytes_contents;
	}
	return 0;
}

static size_t all_typed(const Contents *c)
{
	return c->n_bool_contents + c->n_int_contents + c->n_int64_contents + c->n_uint_contents +
	       c->n_uint64_contents + c->n_fp32_contents + c->n_fp64_contents + c->n_bytes_contents;
}

/* Does what came hold exactly the shape's elements, in one of the two forms? */
static bool fits(const struct oip_type *type, const Contents *typed, const struct span *raw, size_t count)
{
	if (raw)
		return (!typed || !all_typed(typed)) && oip_raw_fits(type, *raw, count);
	if (!typed)
		return count == 0;
	return typed_count(type, typed) == count && all_typed(typed) == count;
}

static void read_numbers(const struct oip_type *type, const Contents *typed, const struct span *raw,
                         struct oip_tensor *t)
{
	for (size_t i = 0; i < t->count; i++)
		t->values[i] = raw ? oip_raw_number(type, raw->data + i * type->width)
		                   : typed_number(type, typed, i);
}

static struct span store_text(char **store, struct span text)
{
	char *to = *store;

	if (text.len)
		memcpy(to, text.data, text.len);
	*store += text.len;
	return (struct span){to, text.len};
}

static uint64_t typed_integer(const struct oip_type *type, const Contents *c, size_t i)
{
	return type->kind == OIP_BOOL    ? (uint64_t)c->bool_contents[i]
	       : type->kind == OIP_INT64 ? (uint64_t)c->int64_contents[i]
	                                 : c->uint64_contents[i];
}

static void read_texts(const struct oip_type *type, const Contents *typed, const struct span *raw,
                       struct oip_tensor *t, char *store)
{
	struct span left = raw ? *raw : SPAN(""), element = SPAN("");

	for (size_t i = 0; i < t->count; i++) {
		if (type->kind != OIP_BYTES) {
			uint64_t bits = raw ? oip_little(raw->data + i * type->width, type->width)
			                    : typed_integer(type, typed, i);

			t->texts[i] = oip_integer_text(type, bits, &store);
			continue;
		}
		if (!raw)
			element = span_from(typed->bytes_contents[i]);
		else if (!oip_raw_bytes(&left, &element)) /* oip_raw_fits() counted them */
			return;
		t->texts[i] = store_text(&store, element);
	}
}

static size_t texts_bytes(const struct oip_type *type, const Contents *typed, const struct span *raw,
                          size_t count)
{
	size_t bytes = 0;

	if (type->kind != OIP_BYTES)
		return type->kind == OIP_BOOL ? 0 : count * OIP_INTEGER_BYTES;
	if (raw)
		return raw->len;
	for (size_t i = 0; i < count; i++)
		bytes += typed->bytes_contents[i].len;
	return bytes;
}

static int read_data(struct reader *r, const Output *from, const struct span *raw, struct oip_tensor *t)
{
	struct span name = span_from(from->name), datatype = span_from(from->datatype);
	const struct oip_type *type = oip_type_of(datatype);
	bool numeric;
	char *at;

	if (!type || !fits(type, from->contents, raw, t->count))
		return ERR_PROTO;
	numeric = oip_is_numeric(type);
	t->store = take(&r->budget, name.len + datatype.len +
	                                    (numeric ? 0 : texts_bytes(type, from->contents, raw, t->count)));
	if (numeric)
		t->values = take(&r->budget, (t->count + 1) * sizeof *t->values);
	else
		t->texts = take(&r->budget, (t->count + 1) * sizeof *t->texts);
	if (!t->store || (!t->values && !t->texts))
		return ERR_NOMEM;
	at = t->store;
	t->name = store_text(&at, name);
	t->datatype = store_text(&at, datatype);
	if (numeric)
		read_numbers(type, from->contents, raw, t);
	else
		read_texts(type, from->contents, raw, t, at);
	return 0;
}

static int read_tensor(struct reader *r, size_t index)
{
	struct oip_tensor *t = &r->out->tensors[r->out->count];
	const Output *from = r->response->outputs[index];
	struct span raw;
	int err;

	*t = (struct oip_tensor){0};
	r->out->count++;
	err = read_shape(from, t);
	if (r->response->n_raw_output_contents)
		raw = span_from(r->response->raw_output_contents[index]);
	if (!err)
		err = read_data(r, from, r->response->n_raw_output_contents ? &raw : NULL, t);
	for (size_t i = 0; !err && i < index; i++)
		if (span_eq(r->out->tensors[i].name, t->name))
			err = ERR_PROTO;
	return err;
}

static int read_response(struct reader *r)
{
	const Response *from = r->response;
	size_t elements = 0;
	int err = 0;

	if (from->n_outputs > OIP_TENSORS_MAX)
		return ERR_LIMIT;
	if (from->n_raw_output_contents && from->n_raw_output_contents != from->n_outputs)
		return ERR_PROTO;
	for (size_t i = 0; !err && i < from->n_outputs; i++) {
		err = read_tensor(r, i);
		elements += r->out->tensors[i].count;
		if (!err && elements > OIP_ELEMENTS_MAX)
			err = ERR_LIMIT;
	}
	return err;
}

/* Could it be an answer itself? All its fields, 1 to 6, are of bytes. */
static bool is_answer(struct span bytes)
{
	struct protobuf_field f;
	int rc;

	while ((rc = protobuf_next(&bytes, &f)) > 0)
		if (f.wire != PROTOBUF_BYTES || f.number > 6)
			return false;
	return rc == 0;
}

/* A wrapped answer has two fields, and the second is an answer; in a bare one they are strings, a model's
 * name and version, and no version is empty or has a tag's bytes. A first string alone is an error or a name.
 */
enum oip_grpc_form oip_grpc_form_of(struct span message)
{
	enum oip_grpc_form form = OIP_GRPC_EITHER;
	struct protobuf_field f;

	while (protobuf_next(&message, &f) > 0) {
		if (f.wire != PROTOBUF_BYTES || f.number > 2 || (f.number == 2 && !is_answer(f.bytes)))
			return OIP_GRPC_BARE;
		if (f.number == 2)
			form = OIP_GRPC_WRAPPED;
	}
	return form;
}

static int read_wrapped(struct reader *r, struct span message, bool *failed_out)
{
	StreamResponse *m = understudy__inference__stream_infer_response__unpack(
	        &r->allocator, message.len, (const uint8_t *)message.data);
	int err = 0;

	if (!m)
		return r->budget.spent ? ERR_NOMEM : ERR_PROTO;
	*failed_out = m->error_message.len > 0;
	r->response = m->infer_response;
	if (r->response && !*failed_out)
		err = read_response(r);
	understudy__inference__stream_infer_response__free_unpacked(m, &r->allocator);
	return err;
}

int oip_grpc_read(struct span message, enum oip_grpc_form form, size_t work_bytes, struct oip_answer *out,
                  bool *failed_out)
{
	struct reader r = {.budget = {work_bytes, false}, .out = out};
	Response *response;
	int err;

	r.allocator = (ProtobufCAllocator){take_unpacked, give_unpacked, &r.budget};
	out->count = 0;
	out->plain = true;
	*failed_out = false;
	if (form == OIP_GRPC_EITHER)
		form = oip_grpc_form_of(message);
	if (form != OIP_GRPC_BARE)
		return read_wrapped(&r, message, failed_out);
	response = understudy__inference__infer_response__unpack(&r.allocator, message.len,
	                                                         (const uint8_t *)message.data);
	if (!response)
		return r.budget.spent ? ERR_NOMEM : ERR_PROTO;
	r.response = response;
	err = read_response(&r);
	understudy__inference__infer_response__free_unpacked(response, &r.allocator);
	return err;
}
