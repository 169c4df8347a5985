#include "proto/json_pick.h"

/* The value that has begun with `first`, to its end. */
static int take_value(struct json_reader *r, enum json_token first, struct span *out)
{
	size_t from = (size_t)r->scanner.start;
	int err = json_skip(r, first);

	*out = first == JSON_NULL ? SPAN("")
	                          : (struct span){r->doc.data + from, (size_t)r->scanner.end - from};
	return err;
}

static size_t place_of(struct span key, const char *const names[], size_t count)
{
	size_t i = 0;

	while (i < count && !json_string_eq(key, span_of(names[i])))
		i++;
	return i;
}

int json_pick(struct span object, unsigned options, const char *const names[], size_t count,
              struct span out[])
{
	struct json_reader r;
	enum json_token token;
	struct span value;
	size_t at;
	int err;

	for (size_t i = 0; i < count; i++)
		out[i] = SPAN("");
	json_reader_init(&r, object, options);
	err = json_next(&r, &token);
	if (!err && token != JSON_OBJECT)
		return ERR_PROTO;
	while (!err && !(err = json_next(&r, &token)) && token == JSON_KEY) {
		at = place_of(r.text, names, count);
		err = json_next(&r, &token);
		if (!err)
			err = take_value(&r, token, &value);
		if (!err && at < count)
			out[at] = value;
	}
	if (!err)
		err = json_next(&r, &token);
	return !err && token != JSON_END ? ERR_PROTO : err;
}

void json_elements_init(struct json_elements *e, struct span array, unsigned options)
{
	json_reader_init(&e->reader, array, options);
	e->begun = false;
}

int json_elements_next(struct json_elements *e, struct span *element_out)
{
	enum json_token token;
	int err = 0;

	if (!e->begun) {
		err = json_next(&e->reader, &token);
		if (!err && token != JSON_ARRAY)
			return ERR_PROTO;
		e->begun = true;
	}
	if (!err)
		err = json_next(&e->reader, &token);
	if (err || token == JSON_ARRAY_END)
		return err;
	err = take_value(&e->reader, token, element_out);
	return err ? err : 1;
}

static bool blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

int json_document_next(struct span *left, unsigned options, struct span *document_out)
{
	struct json_scanner s;
	enum json_token token;
	size_t from = 0, at;
	long n;

	while (from < left->len && blank(left->data[from]))
		from++;
	at = from;
	json_init(&s, options);
	do {
		if (at == left->len)
			return at == from ? 0 : ERR_PROTO;
		n = json_feed(&s, (struct span){left->data + at, left->len - at}, &token);
		if (n < 0)
			return (int)n;
		at += (size_t)n;
		if (token != JSON_MORE && !s.depth && token != JSON_OBJECT_END && token != JSON_ARRAY_END)
			return ERR_PROTO;
	} while (token == JSON_MORE || s.depth);
	*document_out = (struct span){left->data + from, at - from};
	*left = (struct span){left->data + at, left->len - at};
	return 1;
}
