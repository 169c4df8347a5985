#include "replay/tfs_grpc.h"

#include <math.h>
#include <stdlib.h>

#include "proto/protobuf.h"
#include "replay/oip_raw.h"

/* Numbers of TensorProto's fields. */
enum {
	DTYPE = 1,
	SHAPE = 2,
	CONTENT = 4,
	FLOATS = 5,
	DOUBLES = 6,
	INTS = 7,
	STRINGS = 8,
	COMPLEXES = 9,
	INT64S = 10,
	BOOLS = 11,
	DOUBLE_COMPLEXES = 12,
	HALVES = 13,
	UINT32S = 16,
	UINT64S = 17,
	FLOAT8S = 18
};

struct dtype {
	unsigned number;
	struct oip_type type;
	unsigned field; /* of its typed list */
	unsigned parts; /* elements that make one value */
};

static const struct dtype dtypes[] = {
        {1, {"FP32", OIP_FLOAT, 4}, FLOATS, 1},       {2, {"FP64", OIP_FLOAT, 8}, DOUBLES, 1},
        {3, {"INT32", OIP_INT, 4}, INTS, 1},          {4, {"UINT8", OIP_UINT, 1}, INTS, 1},
        {5, {"INT16", OIP_INT, 2}, INTS, 1},          {6, {"INT8", OIP_INT, 1}, INTS, 1},
        {7, {"BYTES", OIP_BYTES, 0}, STRINGS, 1},     {8, {"COMPLEX64", OIP_FLOAT, 4}, COMPLEXES, 2},
        {9, {"INT64", OIP_INT64, 8}, INT64S, 1},      {10, {"BOOL", OIP_BOOL, 1}, BOOLS, 1},
        {11, {"QINT8", OIP_INT, 1}, INTS, 1},         {12, {"QUINT8", OIP_UINT, 1}, INTS, 1},
        {13, {"QINT32", OIP_INT, 4}, INTS, 1},        {14, {"BF16", OIP_FLOAT, 2}, HALVES, 1},
        {15, {"QINT16", OIP_INT, 2}, INTS, 1},        {16, {"QUINT16", OIP_UINT, 2}, INTS, 1},
        {17, {"UINT16", OIP_UINT, 2}, INTS, 1},       {18, {"COMPLEX128", OIP_FLOAT, 8}, DOUBLE_COMPLEXES, 2},
        {19, {"FP16", OIP_FLOAT, 2}, HALVES, 1},      {22, {"UINT32", OIP_UINT, 4}, UINT32S, 1},
        {23, {"UINT64", OIP_UINT64, 8}, UINT64S, 1},  {24, {"FP8_E5M2", OIP_FLOAT, 1}, FLOAT8S, 1},
        {25, {"FP8_E4M3", OIP_FLOAT, 1}, FLOAT8S, 1}, {29, {"INT4", OIP_INT, 1}, INTS, 1},
        {30, {"UINT4", OIP_UINT, 1}, INTS, 1},
};

struct reader {
	size_t left_bytes, elements;
	struct oip_answer *out;
};

/* A tensor's message, and what its elements come from. */
struct source {
	const struct dtype *dtype;
	struct span message, content; /* content.data NULL: the typed list */
};

/* The values of one repeated field, packed or not, in their order. */
struct values {
	struct span fields, packed; /* what is still to come; of it, the rest of a packed one */
	const struct dtype *dtype;
	uint64_t bits; /* the last value there was, or none: 0 */
	struct span bytes;
};

static void *take(struct reader *r, size_t count, size_t each)
{
	void *p = count + 1 <= r->left_bytes / each ? calloc(count + 1, each) : NULL;

	if (p)
		r->left_bytes -= (count + 1) * each;
	return p;
}

static unsigned fixed_width(const struct dtype *d)
{
	return d->field == FLOAT8S ? 1 : d->type.kind == OIP_FLOAT && d->field != HALVES ? d->type.width : 0;
}

/* Take one off the packed ones: 1, 0, ERR_PROTO. */
static int unpack(struct values *v)
{
	unsigned width = fixed_width(v->dtype);
	int n = (int)width;

	if (!v->packed.len)
		return 0;
	if (!width)
		n = protobuf_varint(v->packed, &v->bits);
	else if (v->packed.len < width)
		return ERR_PROTO;
	else
		v->bits = oip_little(v->packed.data, width);
	if (n <= 0)
		return ERR_PROTO;
	v->packed = (struct span){v->packed.data + n, v->packed.len - (size_t)n};
	return 1;
}

/* The next value into bits, or bytes: 1; 0: there is none, and the last one stays; ERR_PROTO. */
static int next_value(struct values *v)
{
	struct protobuf_field f;
	int rc = unpack(v);

	while (!rc && (rc = protobuf_next(&v->fields, &f)) > 0) {
		if (f.number != v->dtype->field) {
			rc = 0;
		} else if (v->dtype->field == STRINGS) {
			v->bytes = f.bytes;
			rc = f.wire == PROTOBUF_BYTES ? 1 : ERR_PROTO;
		} else if (f.wire == PROTOBUF_BYTES) {
			v->packed = f.bytes;
			rc = unpack(v);
		} else {
			v->bits = f.wire == PROTOBUF_VARINT ? f.value
			                                    : oip_little(f.bytes.data, (unsigned)f.bytes.len);
		}
		if (rc || !v->fields.len)
			break;
	}
	return rc;
}

/* E5M2 is the upper half of FP16; E4M3 has no infinity (Micikevicius et al. 2022, FP8 formats). */
static double float8(const struct dtype *d, uint64_t bits)
{
	const struct oip_type half = {"FP16", OIP_FLOAT, 2};
	char two[2] = {0, (char)bits};
	int exponent = (int)(bits >> 3 & 15), mantissa = (int)(bits & 7);
	double value;

	if (d->type.name[5] == '5')
		return oip_raw_number(&half, two);
	value = exponent == 15 && mantissa == 7 ? (double)NAN
	        : exponent                      ? ldexp(8 + mantissa, exponent - 10)
	                                        : ldexp(mantissa, -9);
	return bits & 0x80 ? -value : value;
}

static double number_of(const struct dtype *d, uint64_t bits)
{
	char little[8];

	if (d->field == FLOAT8S)
		return float8(d, bits);
	for (unsigned i = 0; i < sizeof little; i++)
		little[i] = (char)(bits >> 8 * i);
	return oip_raw_number(&d->type, little);
}

static int read_numbers(const struct source *s, struct oip_tensor *t)
{
	struct values v = {.fields = s->message, .dtype = s->dtype};
	unsigned width = s->dtype->type.width;
	int rc = 1;

	if (s->content.data && s->content.len != t->count * width)
		return ERR_PROTO;
	for (size_t i = 0; i < t->count; i++) {
		if (s->content.data)
			v.bits = oip_little(s->content.data + i * width, width);
		else if (rc > 0)
			rc = next_value(&v);
		if (rc < 0)
			return rc;
		t->values[i] = !rc && i >= s->dtype->parts ? t->values[i - s->dtype->parts]
		                                           : number_of(s->dtype, v.bits);
	}
	return 0;
}

static int read_integers(const struct source *s, struct oip_tensor *t)
{
	struct values v = {.fields = s->message, .dtype = s->dtype};
	unsigned width = s->dtype->type.width;
	char *store = t->store;
	int rc = 1;

	if (s->content.data && s->content.len != t->count * width)
		return ERR_PROTO;
	for (size_t i = 0; i < t->count; i++) {
		if (s->content.data)
			v.bits = oip_little(s->content.data + i * width, width);
		else if (rc > 0)
			rc = next_value(&v);
		if (rc < 0)
			return rc;
		t->texts[i] = oip_integer_text(&s->dtype->type, v.bits, &store);
	}
	return 0;
}

/* tensor_content of strings: all lengths, then all bytes. */
static int read_string_content(struct span content, struct oip_tensor *t)
{
	uint64_t length;

	for (size_t i = 0; i < t->count; i++) {
		int n = protobuf_varint(content, &length);

		if (n <= 0 || length > content.len)
			return ERR_PROTO;
		content = (struct span){content.data + n, content.len - (size_t)n};
		t->texts[i].len = length;
	}
	for (size_t i = 0; i < t->count; i++) {
		if (t->texts[i].len > content.len)
			return ERR_PROTO;
		t->texts[i].data = content.data;
		content = (struct span){content.data + t->texts[i].len, content.len - t->texts[i].len};
	}
	return content.len ? ERR_PROTO : 0;
}

static int read_strings(const struct source *s, struct oip_tensor *t)
{
	struct values v = {.fields = s->message, .dtype = s->dtype, .bytes = SPAN("")};
	int rc = 1;

	if (s->content.data)
		return read_string_content(s->content, t);
	for (size_t i = 0; i < t->count; i++) {
		if (rc > 0)
			rc = next_value(&v);
		if (rc < 0)
			return rc;
		t->texts[i] = v.bytes;
	}
	return 0;
}

static int read_elements(struct reader *r, const struct source *s, struct oip_tensor *t)
{
	enum oip_kind kind = s->dtype->type.kind;

	r->elements += t->count;
	if (r->elements > OIP_ELEMENTS_MAX)
		return ERR_LIMIT;
	t->datatype = span_of(s->dtype->type.name);
	if (oip_is_numeric(&s->dtype->type)) {
		t->values = take(r, t->count, sizeof *t->values);
		return t->values ? read_numbers(s, t) : ERR_NOMEM;
	}
	t->texts = take(r, t->count, sizeof *t->texts);
	if (kind != OIP_BYTES)
		t->store = take(r, t->count, OIP_INTEGER_BYTES);
	if (!t->texts || (kind != OIP_BYTES && !t->store))
		return ERR_NOMEM;
	return kind == OIP_BYTES ? read_strings(s, t) : read_integers(s, t);
}

static int add_axis(struct oip_tensor *t, uint64_t size)
{
	if (t->rank == OIP_RANK_MAX || size > OIP_ELEMENTS_MAX)
		return ERR_LIMIT;
	t->shape[t->rank++] = size;
	t->count *= size;
	return t->count > OIP_ELEMENTS_MAX ? ERR_LIMIT : 0;
}

/* TensorShapeProto: dim = 2, each with a size = 1; unknown_rank = 3. */
static int read_shape(struct span shape, struct oip_tensor *t)
{
	struct protobuf_field f, g;
	int rc, err = 0;

	while (!err && (rc = protobuf_next(&shape, &f)) > 0) {
		uint64_t size = 0;

		if (f.number == 3 && f.value)
			return ERR_PROTO;
		if (f.number != 2 || f.wire != PROTOBUF_BYTES)
			continue;
		while ((rc = protobuf_next(&f.bytes, &g)) > 0)
			if (g.number == 1 && g.wire == PROTOBUF_VARINT)
				size = g.value;
		err = rc < 0 || size > INT64_MAX ? ERR_PROTO : add_axis(t, size);
	}
	return err ? err : rc;
}

static const struct dtype *dtype_of(uint64_t number)
{
	for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
		if (dtypes[i].number == number)
			return &dtypes[i];
	return NULL;
}

static struct oip_tensor *new_tensor(struct reader *r, struct span name)
{
	struct oip_tensor *t;

	if (r->out->count == OIP_TENSORS_MAX)
		return NULL;
	t = &r->out->tensors[r->out->count++];
	*t = (struct oip_tensor){.name = name, .datatype = SPAN(""), .count = 1};
	return t;
}

static int read_tensor(struct reader *r, struct span name, struct span message)
{
	struct oip_tensor *t = new_tensor(r, name);
	struct source s = {.message = message};
	struct protobuf_field f;
	int rc, err = 0;

	if (!t)
		return ERR_LIMIT;
	while (!err && (rc = protobuf_next(&message, &f)) > 0) {
		if (f.number == DTYPE && f.wire == PROTOBUF_VARINT)
			s.dtype = dtype_of(f.value);
		else if (f.number == SHAPE && f.wire == PROTOBUF_BYTES)
			err = read_shape(f.bytes, t);
		else if (f.number == CONTENT && f.wire == PROTOBUF_BYTES && f.bytes.len)
			s.content = f.bytes;
	}
	if (err || rc < 0 || !s.dtype)
		return err ? err : ERR_PROTO;
	if (s.dtype->parts > 1)
		err = add_axis(t, s.dtype->parts);
	return err ? err : read_elements(r, &s, t);
}

/* PredictResponse: outputs = 1, a map of name = 1 to tensor = 2. */
static int read_predict(struct reader *r, struct span message)
{
	struct protobuf_field f, g;
	int rc, err = 0;

	while (!err && (rc = protobuf_next(&message, &f)) > 0) {
		struct span name = SPAN(""), tensor = SPAN("");

		if (f.number != 1)
			continue;
		if (f.wire != PROTOBUF_BYTES)
			return ERR_PROTO;
		while ((rc = protobuf_next(&f.bytes, &g)) > 0)
			if (g.wire == PROTOBUF_BYTES)
				*(g.number == 1 ? &name : &tensor) = g.bytes;
		err = rc < 0 ? rc : read_tensor(r, name, tensor);
	}
	for (unsigned i = 1; !err && i < r->out->count; i++)
		for (unsigned k = 0; k < i; k++)
			if (span_eq(r->out->tensors[i].name, r->out->tensors[k].name))
				err = ERR_PROTO;
	return err ? err : rc;
}

/* The messages with this number: how many, or ERR_PROTO. */
static int count_messages(struct span message, uint32_t number)
{
	struct protobuf_field f;
	int rc, n = 0;

	while ((rc = protobuf_next(&message, &f)) > 0) {
		if (f.number == number && f.wire != PROTOBUF_BYTES)
			return ERR_PROTO;
		n += f.number == number;
	}
	return rc < 0 ? rc : n;
}

/* The next message with this number; count_messages() has seen it. */
static struct span next_message(struct span *left, uint32_t number)
{
	struct protobuf_field f = {.bytes = SPAN("")};

	while (protobuf_next(left, &f) > 0)
		if (f.number == number)
			return f.bytes;
	return SPAN("");
}

struct class
{
	struct span label;
	double score;
};

static int by_label(const void *a, const void *b)
{
	const struct class *x = a, *y = b;
	size_t n = x->label.len < y->label.len ? x->label.len : y->label.len;
	int order = n ? memcmp(x->label.data, y->label.data, n) : 0;

	if (!order)
		order = (x->label.len > y->label.len) - (x->label.len < y->label.len);
	return order ? order : (x->score < y->score) - (x->score > y->score);
}

/* Class: label = 1, score = 2. Regression: value = 1. */
static int read_class(struct span message, struct class *out)
{
	const struct oip_type fp32 = {"FP32", OIP_FLOAT, 4};
	struct protobuf_field f;
	int rc;

	*out = (struct class){SPAN(""), 0};
	while ((rc = protobuf_next(&message, &f)) > 0) {
		if (f.wire == PROTOBUF_BYTES && f.number == 1)
			out->label = f.bytes;
		else if (f.wire == PROTOBUF_FIXED32 && f.number <= 2)
			out->score = oip_raw_number(&fp32, f.bytes.data);
	}
	return rc;
}

static int read_example(struct span example, size_t width, struct class *classes, struct span *labels,
                        double *scores)
{
	int err = count_messages(example, 1) == (int)width ? 0 : ERR_PROTO;

	for (size_t i = 0; i < width && !err; i++)
		err = read_class(next_message(&example, 1), &classes[i]);
	if (err)
		return err;
	qsort(classes, width, sizeof *classes, by_label);
	for (size_t i = 0; i < width; i++) {
		labels[i] = classes[i].label;
		scores[i] = classes[i].score;
	}
	return 0;
}

/* A result's examples, each with so many classes, as two tensors. */
static int shape_classes(struct reader *r, uint64_t examples, uint64_t width)
{
	struct oip_tensor *labels = new_tensor(r, SPAN("classes")), *scores = new_tensor(r, SPAN("scores"));
	int err = add_axis(labels, examples);

	if (!err)
		err = add_axis(labels, width);
	if (err)
		return err;
	labels->datatype = SPAN("BYTES");
	*scores = *labels;
	scores->name = SPAN("scores");
	scores->datatype = SPAN("FP32");
	labels->texts = take(r, labels->count, sizeof *labels->texts);
	scores->values = take(r, scores->count, sizeof *scores->values);
	return labels->texts && scores->values ? 0 : ERR_NOMEM;
}

/* ClassificationResult: classifications = 1, each with classes = 1. */
static int read_classifications(struct reader *r, struct span result)
{
	int examples = count_messages(result, 1), width = 0, err;
	struct span left = result;
	struct class *classes;

	if (examples > 0)
		width = count_messages(next_message(&left, 1), 1);
	if (examples < 0 || width < 0)
		return ERR_PROTO;
	err = shape_classes(r, (uint64_t)examples, (uint64_t)width);
	classes = err ? NULL : take(r, (size_t)width, sizeof *classes);
	if (!classes)
		return err ? err : ERR_NOMEM;
	for (size_t i = 0; i < (size_t)examples && !err; i++)
		err = read_example(next_message(&result, 1), (size_t)width, classes,
		                   r->out->tensors[0].texts + i * (size_t)width,
		                   r->out->tensors[1].values + i * (size_t)width);
	free(classes);
	return err;
}

/* RegressionResult: regressions = 1. */
static int read_regressions(struct reader *r, struct span result)
{
	struct oip_tensor *t = new_tensor(r, SPAN("values"));
	int examples = count_messages(result, 1), err;
	struct class one;

	if (examples < 0)
		return ERR_PROTO;
	err = add_axis(t, (uint64_t)examples);
	t->datatype = SPAN("FP32");
	t->values = err ? NULL : take(r, t->count, sizeof *t->values);
	if (!err && !t->values)
		err = ERR_NOMEM;
	for (size_t i = 0; i < (size_t)examples && !err; i++) {
		err = read_class(next_message(&result, 1), &one);
		t->values[i] = one.score;
	}
	return err;
}

int tfs_grpc_read(struct span message, enum tfs_call call, size_t work_bytes, struct oip_answer *out)
{
	struct reader r = {.left_bytes = work_bytes, .out = out};
	int results;

	out->count = 0;
	out->plain = true;
	if (call == TFS_PREDICT)
		return read_predict(&r, message);
	results = count_messages(message, 1);
	if (results != 1)
		return results < 0 ? results : ERR_PROTO;
	message = next_message(&message, 1);
	return call == TFS_CLASSIFY ? read_classifications(&r, message) : read_regressions(&r, message);
}
