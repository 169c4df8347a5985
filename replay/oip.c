#include "replay/oip.h"

#include <stdlib.h>

#include "proto/json_pick.h"
#include "replay/jsondiff.h"
#include "replay/oip_raw.h"

/* A name with an escape in it is none that is known. */
static const struct oip_type *type_of(struct span token)
{
	return token.len < 2 ? NULL : oip_type_of((struct span){token.data + 1, token.len - 2});
}

static bool is_numeric(struct span datatype)
{
	const struct oip_type *type = type_of(datatype);

	return type && oip_is_numeric(type);
}

static int expect(struct json_reader *r, enum json_token want)
{
	enum json_token token;
	int err = json_next(r, &token);

	if (err)
		return err;
	return token == want ? 0 : ERR_PROTO;
}

static int read_string(struct json_reader *r, struct span *out)
{
	int err = out->data ? ERR_PROTO : expect(r, JSON_STRING);

	if (!err)
		*out = r->text;
	return err;
}

static int read_dimension(struct span text, uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return ERR_PROTO;
		value = value * 10 + (uint64_t)(text.data[i] - '0');
		if (value > OIP_ELEMENTS_MAX)
			return ERR_LIMIT;
	}
	*out = value;
	return 0;
}

/* Each factor and product stays below 2^22, so nothing overflows. */
static int read_shape(struct json_reader *r, struct oip_tensor *t)
{
	enum json_token token;
	int err = expect(r, JSON_ARRAY);

	t->rank = 0;
	t->count = 1;
	while (!err && !(err = json_next(r, &token)) && token != JSON_ARRAY_END) {
		if (token != JSON_NUMBER)
			return ERR_PROTO;
		if (t->rank == OIP_RANK_MAX)
			return ERR_LIMIT;
		err = read_dimension(r->text, &t->shape[t->rank]);
		if (!err)
			t->count *= t->shape[t->rank++];
		if (t->count > OIP_ELEMENTS_MAX)
			return ERR_LIMIT;
	}
	return err;
}

static int skip_value(struct json_reader *r, struct span *text_out)
{
	enum json_token token;
	size_t from;
	int err = json_next(r, &token);

	if (err)
		return err;
	from = (size_t)r->scanner.start;
	err = json_skip(r, token);
	*text_out = (struct span){r->doc.data + from, (size_t)r->scanner.end - from};
	return err;
}

static int read_element(const struct json_reader *r, enum json_token token, struct oip_tensor *t, size_t at)
{
	if (at >= t->count)
		return ERR_PROTO;
	if (t->texts) {
		if (token == JSON_NULL)
			return ERR_PROTO;
		t->texts[at] = r->text;
		return 0;
	}
	return token == JSON_NUMBER ? json_double(r->text, &t->values[at]) : ERR_PROTO;
}

/* The value that comes next; `room`: its bytes, at most. */
static int read_data(struct json_reader *r, struct oip_tensor *t, size_t room)
{
	enum json_token token;
	size_t seen = 0, depth = 0;
	int err;

	if (t->count > room) /* every element takes a byte: no allocation on a promise */
		return ERR_PROTO;
	if (is_numeric(t->datatype))
		t->values = calloc(t->count + 1, sizeof(*t->values));
	else
		t->texts = calloc(t->count + 1, sizeof(*t->texts));
	if (!t->values && !t->texts)
		return ERR_NOMEM;
	do {
		err = json_next(r, &token);
		if (err)
			return err;
		if (token == JSON_OBJECT)
			return ERR_PROTO;
		if (token == JSON_ARRAY)
			depth++;
		else if (token == JSON_ARRAY_END)
			depth--;
		else
			err = read_element(r, token, t, seen++);
		if (!err && token == JSON_NUMBER && depth && t->values)
			seen += json_take_numbers(r, t->values + seen, t->count - seen);
	} while (!err && depth);
	return !err && seen != t->count ? ERR_PROTO : err;
}

/* Shape and datatype mostly come first; else the data is decoded when they are known. */
static int read_or_skip(struct json_reader *r, struct oip_tensor *t, bool shaped)
{
	size_t at = (size_t)r->scanner.end;

	if (t->data.data)
		return ERR_PROTO;
	if (!shaped || !t->datatype.data)
		return skip_value(r, &t->data);
	t->data = (struct span){r->doc.data + at, r->doc.len - at};
	return read_data(r, t, t->data.len);
}

/* Only the size of the binary data is of interest; other parameters are not ours. */
static int read_parameters(struct json_reader *r, struct oip_tensor *t)
{
	static const char *const names[] = {"binary_data_size"};
	struct span parameters, size;
	uint64_t bytes = 0;
	int err = skip_value(r, &parameters);

	if (err || parameters.data[0] != '{')
		return err;
	err = json_pick(parameters, JSON_NONFINITE, names, 1, &size);
	if (err || !size.len)
		return err;
	for (size_t i = 0; i < size.len; i++) {
		if (size.data[i] < '0' || size.data[i] > '9' || bytes > SIZE_MAX / 16)
			return ERR_PROTO;
		bytes = bytes * 10 + (uint64_t)(size.data[i] - '0');
	}
	t->raw = true;
	t->raw_bytes = bytes;
	return 0;
}

static int read_member(struct json_reader *r, struct oip_tensor *t, bool *shaped)
{
	struct span key = r->text, skipped;

	if (json_string_eq(key, SPAN("name")))
		return read_string(r, &t->name);
	if (json_string_eq(key, SPAN("datatype")))
		return read_string(r, &t->datatype);
	if (json_string_eq(key, SPAN("shape"))) {
		if (*shaped)
			return ERR_PROTO;
		*shaped = true;
		return read_shape(r, t);
	}
	if (json_string_eq(key, SPAN("data")))
		return read_or_skip(r, t, *shaped);
	if (json_string_eq(key, SPAN("parameters")))
		return read_parameters(r, t);
	return skip_value(r, &skipped);
}

/* The object's first token has been read. */
static int read_tensor(struct json_reader *r, struct oip_tensor *t)
{
	enum json_token token;
	bool shaped = false;
	int err;

	while (!(err = json_next(r, &token)) && token == JSON_KEY) {
		err = read_member(r, t, &shaped);
		if (err)
			return err;
	}
	if (err)
		return err;
	return shaped && t->name.data && t->datatype.data && !t->data.data == t->raw ? 0 : ERR_PROTO;
}

static int check_name(const struct oip_answer *a, struct span name)
{
	for (unsigned i = 0; i + 1 < a->count; i++) {
		int same = jsondiff_string_eq(a->tensors[i].name, name);

		if (same)
			return same < 0 ? same : ERR_PROTO;
	}
	return 0;
}

static int read_skipped(struct oip_tensor *t)
{
	struct json_reader r;

	json_reader_init(&r, t->data, JSON_NONFINITE);
	return read_data(&r, t, t->data.len);
}

static int read_outputs(struct json_reader *r, size_t work_bytes, struct oip_answer *out)
{
	size_t elements = 0;
	enum json_token token;
	int err = expect(r, JSON_ARRAY);

	while (!err && !(err = json_next(r, &token)) && token != JSON_ARRAY_END) {
		struct oip_tensor *t = &out->tensors[out->count];

		if (token != JSON_OBJECT)
			return ERR_PROTO;
		if (out->count == OIP_TENSORS_MAX)
			return ERR_LIMIT;
		*t = (struct oip_tensor){0};
		out->count++;
		err = read_tensor(r, t);
		if (!err)
			err = check_name(out, t->name);
		elements += t->count;
		if (!err && elements > OIP_ELEMENTS_MAX)
			err = ERR_LIMIT;
		if (!err && elements > work_bytes / sizeof(*t->texts))
			err = ERR_NOMEM;
		if (!err && !t->values && !t->texts && !t->raw)
			err = read_skipped(t);
	}
	return err;
}

static int read_json(struct span body, size_t work_bytes, struct oip_answer *out)
{
	enum json_token token;
	struct json_reader r;
	struct span skipped;
	bool found = false;
	int err;

	out->count = 0;
	out->plain = false;
	json_reader_init(&r, body, JSON_NONFINITE);
	err = expect(&r, JSON_OBJECT);
	while (!err && !(err = json_next(&r, &token)) && token == JSON_KEY) {
		if (!json_string_eq(r.text, SPAN("outputs"))) {
			err = skip_value(&r, &skipped);
		} else {
			err = found ? ERR_PROTO : read_outputs(&r, work_bytes, out);
			found = true;
		}
	}
	if (!err)
		err = expect(&r, JSON_END);
	return !err && !found ? ERR_PROTO : err;
}

static void raw_numbers(const struct oip_type *type, const char *raw, struct oip_tensor *t)
{
	for (size_t i = 0; i < t->count; i++)
		t->values[i] = oip_raw_number(type, raw + i * type->width);
}

/* Integers as JSON has them; BYTES behind a zero, as no token of JSON begins (oip_text_eq()). */
static void raw_texts(const struct oip_type *type, struct span raw, struct oip_tensor *t)
{
	char *store = t->store;
	struct span element;

	for (size_t i = 0; i < t->count; i++) {
		if (type->kind != OIP_BYTES) {
			t->texts[i] = oip_integer_text(
			        type, oip_little(raw.data + i * type->width, type->width), &store);
			continue;
		}
		if (!oip_raw_bytes(&raw, &element)) /* oip_raw_fits() counted them */
			return;
		t->texts[i] = (struct span){store, element.len + 1};
		*store++ = '\0';
		if (element.len)
			memcpy(store, element.data, element.len);
		store += element.len;
	}
}

static int read_raw(struct oip_tensor *t, struct span raw, size_t *left)
{
	const struct oip_type *type = type_of(t->datatype);
	size_t elements = (t->count + 1) * sizeof *t->texts, store;

	if (!type || !oip_raw_fits(type, raw, t->count))
		return ERR_PROTO;
	store = oip_is_numeric(type) ? 0 : type->kind == OIP_BYTES ? raw.len : t->count * OIP_INTEGER_BYTES;
	if (elements > *left || store > *left - elements)
		return ERR_NOMEM;
	*left -= elements + store;
	if (oip_is_numeric(type)) {
		t->values = malloc(elements);
		if (!t->values)
			return ERR_NOMEM;
		raw_numbers(type, raw.data, t);
		return 0;
	}
	t->texts = calloc(1, elements);
	t->store = malloc(store + 1);
	if (!t->texts || !t->store)
		return ERR_NOMEM;
	raw_texts(type, raw, t);
	return 0;
}

int oip_read_binary(struct span body, size_t json_bytes, size_t work_bytes, struct oip_answer *out)
{
	struct span tail = SPAN("");
	int err;

	out->count = 0;
	out->plain = false;
	if (json_bytes > body.len)
		return ERR_PROTO;
	if (json_bytes < body.len)
		tail = (struct span){body.data + json_bytes, body.len - json_bytes};
	err = read_json((struct span){body.data, json_bytes}, work_bytes, out);
	for (unsigned i = 0; i < out->count && !err; i++) {
		struct oip_tensor *t = &out->tensors[i];

		if (!t->raw)
			continue;
		if (t->raw_bytes > tail.len)
			return ERR_PROTO;
		err = read_raw(t, (struct span){tail.data, t->raw_bytes}, &work_bytes);
		tail = (struct span){tail.data + t->raw_bytes, tail.len - t->raw_bytes};
	}
	return !err && tail.len ? ERR_PROTO : err;
}

int oip_read(struct span body, size_t work_bytes, struct oip_answer *out)
{
	return oip_read_binary(body, body.len, work_bytes, out);
}

void oip_fini(struct oip_answer *a)
{
	for (unsigned i = 0; i < a->count; i++) {
		free(a->tensors[i].values);
		free(a->tensors[i].texts);
		free(a->tensors[i].store);
	}
	a->count = 0;
}

/* Bytes that came raw, or nothing. */
static struct span raw_text(struct span text)
{
	return text.len && !text.data[0] ? (struct span){text.data + 1, text.len - 1} : (struct span){0};
}

int oip_text_eq(const struct oip_answer *of, struct span a, struct span b)
{
	if (of->plain || !a.len || !b.len)
		return span_eq(a, b);
	if (a.data[0] == '"' && b.data[0] == '"')
		return jsondiff_string_eq(a, b);
	if (a.data[0] == '"' && !b.data[0])
		return json_string_eq(a, raw_text(b));
	if (b.data[0] == '"' && !a.data[0])
		return json_string_eq(b, raw_text(a));
	return span_eq(a, b);
}

bool oip_looks_like(struct span body)
{
	enum json_token token = JSON_MORE;
	struct json_reader r;
	struct span skipped;

	json_reader_init(&r, body, JSON_NONFINITE);
	if (expect(&r, JSON_OBJECT))
		return false;
	while (!json_next(&r, &token) && token == JSON_KEY) {
		if (json_string_eq(r.text, SPAN("outputs")))
			return !expect(&r, JSON_ARRAY) && !json_next(&r, &token) &&
			       (token == JSON_OBJECT || token == JSON_ARRAY_END);
		if (skip_value(&r, &skipped))
			return false;
	}
	return false;
}
