/*
 * json_schema.h - is a JSON document valid by a schema? A bounded part of JSON Schema, draft 2020-12.
 *
 * Understood: type, properties, required, additionalProperties, minProperties, maxProperties, items,
 * minItems, maxItems, enum and const (of values that are no object or array), minimum, maximum,
 * exclusiveMinimum, exclusiveMaximum, minLength, maxLength (characters), pattern (pattern.h), and true or
 * false for a schema. Other keywords that could refuse a document ($ref, anyOf, ...) make the schema refused
 * with words, so that nothing is silently let through; annotations are skipped. A document is read once, and
 * its strings are decoded one at a time.
 */
#ifndef PROTO_JSON_SCHEMA_H
#define PROTO_JSON_SCHEMA_H

#include "proto/base/buf.h"

struct json_schema;

/* 0, ERR_CONFIG (a sentence in `why`), ERR_NOMEM. The text is copied. */
int json_schema_new(struct span text, struct json_schema **out, char why[160]) MUST_CHECK;
void json_schema_free(struct json_schema **);
/* 1: valid; 0: not, or no JSON; ERR_NOMEM (also of a string longer than limit_bytes). */
int json_schema_valid(const struct json_schema *, struct span document, size_t limit_bytes) MUST_CHECK;

#endif
