/*
 * fuzz_json_schema.c - a hostile schema and a hostile document: either is refused, or validity is the same
 * twice, and what is valid is JSON. Input: length of the schema (2 bytes), the schema, the document.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/json_pick.h"
#include "proto/json_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_json(struct span s)
{
	struct json_reader r;
	enum json_token token;

	json_reader_init(&r, s, 0);
	return !json_next(&r, &token) && token != JSON_END && !json_skip(&r, token) &&
	       !json_next(&r, &token) && token == JSON_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_schema *s;
	struct span schema, document;
	char why[160];
	size_t n;
	int valid;

	if (size < 2 || size > 1 << 13)
		return 0;
	n = (size_t)(data[0] | data[1] << 8);
	n = n < size - 2 ? n : size - 2;
	schema = (struct span){(const char *)data + 2, n};
	document = (struct span){(const char *)data + 2 + n, size - 2 - n};
	if (json_schema_new(schema, &s, why)) {
		if (s || !why[0])
			abort();
		return 0;
	}
	valid = json_schema_valid(s, document, SIZE_MAX);
	if (valid != json_schema_valid(s, document, SIZE_MAX) || (valid == 1 && !is_json(document)))
		abort();
	json_schema_free(&s);
	return 0;
}
