#include "replay/oip.h"

#include <stdlib.h>

#include "proto/json.h"
#include "replay/jsondiff.h"

/* Types whose values a double holds exactly. */
static const char *const NUMERIC_TYPES[] = {"INT8",   "INT16", "INT32", "UINT8", "UINT16",
                                            "UINT32", "FP16",  "BF16",  "FP32",  "FP64"};

static bool is_numeric(struct span datatype)
{
	for (size_t i = 0; i < sizeof(NUMERIC_TYPES) / sizeof(NUMERIC_TYPES[0]); i++)
		if (json_string_eq(datatype, span_of(NUMERIC_TYPES[i])))
			return true;
	return false;
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
	return shaped && t->name.data && t->datatype.data && t->data.data ? 0 : ERR_PROTO;
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
		out->count++;
		err = read_tensor(r, t);
		if (!err)
			err = check_name(out, t->name);
		elements += t->count;
		if (!err && elements > OIP_ELEMENTS_MAX)
			err = ERR_LIMIT;
		if (!err && elements > work_bytes / sizeof(*t->texts))
			err = ERR_NOMEM;
		if (!err && !t->values && !t->texts)
			err = read_skipped(t);
	}
	return err;
}

int oip_read(struct span body, size_t work_bytes, struct oip_answer *out)
{
	enum json_token token;
	struct json_reader r;
	struct span skipped;
	bool found = false;
	int err;

	*out = (struct oip_answer){0};
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

void oip_fini(struct oip_answer *a)
{
	for (unsigned i = 0; i < a->count; i++) {
		free(a->tensors[i].values);
		free(a->tensors[i].texts);
		free(a->tensors[i].store);
	}
	a->count = 0;
}

int oip_text_eq(const struct oip_answer *of, struct span a, struct span b)
{
	if (!of->plain && a.len && b.len && a.data[0] == '"' && b.data[0] == '"')
		return jsondiff_string_eq(a, b);
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
