#include "proto/json_schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/json_pick.h"
#include "proto/pattern.h"

enum { NODES_MAX = 512, PROPERTIES_MAX = 1024, EACH_MAX = 256, VALUES_MAX = 1024, NONE = -1, NEVER = -2 };
enum { NUL = 1, BOOLEAN = 2, NUMBER = 4, INTEGER = 8, STRING = 16, ARRAY = 32, OBJECT = 64, ANY = 127 };

struct node {
	unsigned types;
	int items, additional;    /* a node, NONE: anything goes, NEVER: nothing does */
	int property, properties; /* the first, and how many: each also says whether it must be there */
	int value, values;        /* of enum and const; values NONE: any */
	double minimum, maximum, above, below;
	double least[3], most[3]; /* lengths of strings, arrays, objects */
	struct pattern *pattern;
};
enum { OF_STRING, OF_ARRAY, OF_OBJECT };

struct property {
	struct span name; /* a token */
	int node;
	bool declared, required; /* in `properties`, in `required` */
};

struct json_schema {
	char *text;
	int root, node_count, property_count, value_count;
	struct node nodes[NODES_MAX];
	struct property properties[PROPERTIES_MAX];
	struct span values[VALUES_MAX];
};

struct build {
	struct json_schema *schema;
	char *why; /* of 160 bytes */
};

static int refuse(struct build *b, const char *what, struct span where)
{
	int len = (int)(where.len < 60 ? where.len : 60);

	snprintf(b->why, 160, "%s%s%.*s", what, len ? ": " : "", len, len ? where.data : "");
	return ERR_CONFIG;
}

/* --- reading a schema --- */

static const char *const keywords[] = {"type",
                                       "properties",
                                       "required",
                                       "additionalProperties",
                                       "items",
                                       "enum",
                                       "const",
                                       "minimum",
                                       "maximum",
                                       "exclusiveMinimum",
                                       "exclusiveMaximum",
                                       "minLength",
                                       "maxLength",
                                       "minItems",
                                       "maxItems",
                                       "minProperties",
                                       "maxProperties",
                                       "pattern"};
enum {
	TYPE,
	PROPERTIES,
	REQUIRED,
	ADDITIONAL,
	ITEMS,
	ENUM,
	CONST,
	MINIMUM,
	MAXIMUM,
	ABOVE,
	BELOW,
	MIN_LENGTH,
	MAX_LENGTH,
	MIN_ITEMS,
	MAX_ITEMS,
	MIN_PROPERTIES,
	MAX_PROPERTIES,
	PATTERN,
	KEYWORDS
};

/* Keywords that could refuse a document. */
static const char *const refused[] = {"$ref",
                                      "$dynamicRef",
                                      "allOf",
                                      "anyOf",
                                      "oneOf",
                                      "not",
                                      "if",
                                      "then",
                                      "else",
                                      "dependentSchemas",
                                      "dependentRequired",
                                      "prefixItems",
                                      "contains",
                                      "minContains",
                                      "maxContains",
                                      "patternProperties",
                                      "propertyNames",
                                      "unevaluatedItems",
                                      "unevaluatedProperties",
                                      "multipleOf",
                                      "uniqueItems"};

static int read_schema(struct build *, struct span text, unsigned depth, int *node_out);

static int type_named(struct span token)
{
	static const char *const names[] = {"null",   "boolean", "number", "integer",
	                                    "string", "array",   "object"};

	for (int i = 0; i < 7; i++)
		if (json_string_eq(token, span_of(names[i])))
			return 1 << i;
	return 0;
}

static int read_types(struct build *b, struct node *n, struct span value)
{
	struct json_elements e;
	struct span one;
	int err;

	n->types = 0;
	if (value.data[0] == '"') {
		n->types = (unsigned)type_named(value);
		return n->types ? 0 : refuse(b, "no such type", value);
	}
	json_elements_init(&e, value, 0);
	while ((err = json_elements_next(&e, &one)) > 0) {
		if (!type_named(one))
			return refuse(b, "no such type", one);
		n->types |= (unsigned)type_named(one);
	}
	return err || !n->types ? refuse(b, "type is a name or a list of names", value) : 0;
}

static struct property *property_of(struct json_schema *s, const struct node *n, struct span name)
{
	char plain[256];
	struct buf decoded;

	buf_init(&decoded, sizeof plain);
	json_unescape(name, &decoded);
	for (int i = 0; !decoded.err && i < n->properties; i++)
		if (json_string_eq(s->properties[n->property + i].name, buf_span(&decoded))) {
			buf_fini(&decoded);
			return &s->properties[n->property + i];
		}
	buf_fini(&decoded);
	return NULL;
}

static int add_property(struct build *b, struct node *n, struct span name, struct property **out)
{
	struct json_schema *s = b->schema;

	*out = property_of(s, n, name);
	if (*out)
		return 0;
	if (s->property_count == PROPERTIES_MAX || n->properties == EACH_MAX)
		return refuse(b, "it has too many properties", (struct span){NULL, 0});
	if (!n->properties)
		n->property = s->property_count;
	*out = &s->properties[s->property_count++];
	**out = (struct property){.name = name, .node = NONE};
	n->properties++;
	return 0;
}

/* The members of `properties`: named first, so that a node's lie together; then read. */
static int read_properties(struct build *b, struct node *n, struct span value, unsigned depth)
{
	struct json_reader r;
	enum json_token token;
	struct property *p = NULL;
	struct span schemas[EACH_MAX] = {{NULL, 0}};
	int err, count = 0;

	json_reader_init(&r, value, 0);
	if (json_next(&r, &token) || token != JSON_OBJECT)
		return refuse(b, "properties is no object", value);
	while (!(err = json_next(&r, &token)) && token != JSON_OBJECT_END) {
		if (token == JSON_KEY) {
			if (count == EACH_MAX)
				return refuse(b, "it has too many properties", value);
			err = add_property(b, n, r.text, &p);
		} else {
			size_t from = (size_t)r.scanner.start;

			err = json_skip(&r, token);
			schemas[p - &b->schema->properties[n->property]] =
			        (struct span){value.data + from, (size_t)r.scanner.end - from};
			p->declared = true;
			count++;
		}
		if (err)
			return err;
	}
	for (int i = 0; !err && i < n->properties; i++)
		if (schemas[i].len)
			err = read_schema(b, schemas[i], depth, &b->schema->properties[n->property + i].node);
	return err;
}

static int read_required(struct build *b, struct node *n, struct span value)
{
	struct json_elements e;
	struct property *p;
	struct span one;
	int err;

	json_elements_init(&e, value, 0);
	while ((err = json_elements_next(&e, &one)) > 0) {
		if (one.data[0] != '"')
			return refuse(b, "required is a list of names", value);
		err = add_property(b, n, one, &p);
		if (err)
			return err;
		p->required = true;
	}
	return err ? refuse(b, "required is a list of names", value) : 0;
}

static int add_value(struct build *b, struct node *n, struct span value)
{
	struct json_schema *s = b->schema;

	if (value.data[0] == '{' || value.data[0] == '[')
		return refuse(b, "objects and arrays in enum and const are not understood", value);
	if (s->value_count == VALUES_MAX)
		return refuse(b, "it has too many values", (struct span){NULL, 0});
	s->values[s->value_count++] = span_eq(value, SPAN("null")) ? SPAN("") : value;
	n->values++;
	return 0;
}

/* Null is told apart from nothing here alone. */
static bool is_null_const(struct span schema)
{
	struct json_reader r;
	enum json_token token;
	bool found = false;

	json_reader_init(&r, schema, 0);
	(void)!json_next(&r, &token);
	while (!json_next(&r, &token) && token == JSON_KEY) {
		bool named = json_string_eq(r.text, SPAN("const"));

		if (json_next(&r, &token) || json_skip(&r, token))
			break;
		found |= named && token == JSON_NULL;
	}
	return found;
}

static int read_values(struct build *b, struct node *n, struct span all, struct span one)
{
	struct json_elements e;
	struct span value;
	int err = 0;

	n->value = b->schema->value_count;
	n->values = 0;
	if (one.len)
		return add_value(b, n, one);
	json_elements_init(&e, all, 0);
	while ((err = json_elements_next(&e, &value)) > 0) {
		err = add_value(b, n, value);
		if (err)
			return err;
	}
	return err ? refuse(b, "enum is a list of values", all) : 0;
}

static int read_number(struct build *b, struct span value, double *out)
{
	if (value.len && (value.data[0] == '"' || json_double(value, out)))
		return refuse(b, "that is no number", value);
	return 0;
}

static int read_bounds(struct build *b, struct node *n, const struct span m[KEYWORDS])
{
	double *const to[] = {&n->minimum,         &n->maximum,          &n->above,
	                      &n->below,           &n->least[OF_STRING], &n->most[OF_STRING],
	                      &n->least[OF_ARRAY], &n->most[OF_ARRAY],   &n->least[OF_OBJECT],
	                      &n->most[OF_OBJECT]};
	int err = 0;

	for (int i = 0; i < 10 && !err; i++)
		err = read_number(b, m[MINIMUM + i], to[i]);
	return err;
}

static int read_pattern(struct build *b, struct node *n, struct span value)
{
	struct buf text;
	const char *why;

	if (value.data[0] != '"')
		return refuse(b, "pattern is no string", value);
	n->pattern = malloc(sizeof *n->pattern);
	if (!n->pattern)
		return ERR_NOMEM;
	buf_init(&text, value.len);
	json_unescape(value, &text);
	why = text.err ? "out of memory" : pattern_compile(n->pattern, buf_span(&text));
	buf_fini(&text);
	return why ? refuse(b, why, value) : 0;
}

/* true and false are schemas, too. */
static int read_part(struct build *b, struct span value, unsigned depth, int *node_out)
{
	if (span_eq(value, SPAN("true")))
		*node_out = NONE;
	else if (span_eq(value, SPAN("false")))
		*node_out = NEVER;
	else
		return read_schema(b, value, depth, node_out);
	return 0;
}

static int read_members(struct build *b, struct node *n, const struct span m[KEYWORDS], unsigned depth)
{
	int err = read_bounds(b, n, m);

	if (!err && m[TYPE].len)
		err = read_types(b, n, m[TYPE]);
	if (!err && (m[ENUM].len || m[CONST].len))
		err = read_values(b, n, m[ENUM], m[CONST]);
	if (!err && m[PATTERN].len)
		err = read_pattern(b, n, m[PATTERN]);
	/* all of a node's properties lie together: none of another may come between */
	if (!err && m[REQUIRED].len)
		err = read_required(b, n, m[REQUIRED]);
	if (!err && m[PROPERTIES].len)
		err = read_properties(b, n, m[PROPERTIES], depth);
	if (!err && m[ADDITIONAL].len)
		err = read_part(b, m[ADDITIONAL], depth, &n->additional);
	if (!err && m[ITEMS].len)
		err = read_part(b, m[ITEMS], depth, &n->items);
	return err;
}

static int read_schema(struct build *b, struct span text, unsigned depth, int *node_out)
{
	struct span m[KEYWORDS], other[sizeof refused / sizeof *refused];
	struct node *n;

	if (span_eq(text, SPAN("true")) || span_eq(text, SPAN("false")))
		return read_part(b, text, depth, node_out);
	if (depth == JSON_DEPTH_MAX / 2 || b->schema->node_count == NODES_MAX)
		return refuse(b, "it has too many parts", (struct span){NULL, 0});
	if (json_pick(text, 0, keywords, KEYWORDS, m) ||
	    json_pick(text, 0, refused, sizeof refused / sizeof *refused, other))
		return refuse(b, "a schema is an object", text);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (other[i].len)
			return refuse(b, "this keyword is not understood", span_of(refused[i]));
	if (is_null_const(text))
		m[CONST] = SPAN("null");
	*node_out = b->schema->node_count++;
	n = &b->schema->nodes[*node_out];
	*n = (struct node){.types = ANY,
	                   .items = NONE,
	                   .additional = NONE,
	                   .values = NONE,
	                   .minimum = -INFINITY,
	                   .maximum = INFINITY,
	                   .above = -INFINITY,
	                   .below = INFINITY,
	                   .most = {INFINITY, INFINITY, INFINITY}};
	return read_members(b, n, m, depth + 1);
}

int json_schema_new(struct span text, struct json_schema **out, char why[160])
{
	struct json_schema *s = calloc(1, sizeof *s);
	struct build b = {s, why};
	int err = ERR_NOMEM;

	snprintf(why, 160, "out of memory");
	*out = NULL;
	if (!s || !(s->text = malloc(text.len + 1)))
		goto out;
	memcpy(s->text, text.data, text.len);
	while (text.len && strchr(" \t\r\n", text.data[text.len - 1]))
		text.len--;
	err = read_schema(&b, (struct span){s->text, text.len}, 0, &s->root);
	if (err && err != ERR_NOMEM && err != ERR_CONFIG)
		err = refuse(&b, "it is no JSON", (struct span){NULL, 0});
out:
	if (err)
		json_schema_free(&s);
	else
		why[0] = '\0';
	*out = s;
	return err;
}

void json_schema_free(struct json_schema **handle)
{
	struct json_schema *s = *handle;

	if (!s)
		return;
	for (int i = 0; i < s->node_count; i++)
		free(s->nodes[i].pattern);
	free(s->text);
	free(s);
	*handle = NULL;
}

/* --- checking a document --- */

struct check {
	const struct json_schema *schema;
	struct json_reader reader;
	struct buf text; /* of a string */
};

static int check_value(struct check *, int node, enum json_token token);

static bool within(const struct node *n, int of, double count)
{
	return count >= n->least[of] && count <= n->most[of];
}

/* 1: one of them; 0; or all are: 1. */
static bool is_value(const struct check *c, const struct node *n, enum json_token token, double number)
{
	struct span text = token == JSON_NULL ? SPAN("") : c->reader.text;
	double value;

	for (int i = 0; i < n->values; i++) {
		struct span want = c->schema->values[n->value + i];

		if (token == JSON_STRING && want.data[0] == '"' && json_string_eq(want, buf_span(&c->text)))
			return true;
		if (token == JSON_NUMBER && want.data[0] != '"' && !json_double(want, &value) &&
		    value == number)
			return true;
		if (token != JSON_STRING && token != JSON_NUMBER && span_eq(text, want))
			return true;
	}
	return n->values == NONE;
}

static double characters(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += (s.data[i] & 0xc0) != 0x80;
	return (double)n;
}

static int check_string(struct check *c, const struct node *n)
{
	struct span text;

	buf_reset(&c->text);
	json_unescape(c->reader.text, &c->text);
	if (c->text.err)
		return ERR_NOMEM;
	text = buf_span(&c->text);
	return n->types & STRING && within(n, OF_STRING, characters(text)) &&
	       is_value(c, n, JSON_STRING, 0) && (!n->pattern || pattern_found(n->pattern, text));
}

static int check_number(struct check *c, const struct node *n)
{
	double value;
	bool whole;
	int err = json_double(c->reader.text, &value);

	if (err)
		return err;
	whole = isfinite(value) && value == floor(value);
	return (n->types & NUMBER || (n->types & INTEGER && whole)) && value >= n->minimum &&
	       value <= n->maximum && value > n->above && value < n->below &&
	       is_value(c, n, JSON_NUMBER, value);
}

static int check_array(struct check *c, const struct node *n)
{
	enum json_token token;
	double count = 0;
	int valid = n->types & ARRAY && n->values == NONE;

	while (valid > 0) {
		if (json_next(&c->reader, &token))
			return 0;
		if (token == JSON_ARRAY_END)
			return within(n, OF_ARRAY, count);
		count++;
		valid = check_value(c, n->items, token);
	}
	return valid;
}

/* The member that is read next: its property's number or `properties`, in *at_out. */
static int find_member(struct check *c, const struct node *n, int *at_out)
{
	buf_reset(&c->text);
	json_unescape(c->reader.text, &c->text);
	if (c->text.err)
		return ERR_NOMEM;
	for (*at_out = 0; *at_out < n->properties; ++*at_out)
		if (json_string_eq(c->schema->properties[n->property + *at_out].name, buf_span(&c->text)))
			break;
	return 0;
}

static int check_object(struct check *c, const struct node *n)
{
	const struct property *property = &c->schema->properties[n->property];
	bool seen[EACH_MAX] = {false};
	enum json_token token;
	double count = 0;
	int at = 0, valid = n->types & OBJECT && n->values == NONE;

	while (valid > 0) {
		if (json_next(&c->reader, &token))
			return 0;
		if (token == JSON_OBJECT_END)
			break;
		count++;
		valid = find_member(c, n, &at);
		if (valid || json_next(&c->reader, &token))
			return valid < 0 ? valid : 0;
		if (at < n->properties)
			seen[at] = true;
		valid = check_value(
		        c, at < n->properties && property[at].declared ? property[at].node : n->additional,
		        token);
	}
	for (at = 0; valid > 0 && at < n->properties; at++)
		if (property[at].required && !seen[at])
			return 0;
	return valid > 0 ? within(n, OF_OBJECT, count) : valid;
}

/* Recursion is bounded by JSON_DEPTH_MAX. 1, 0 or ERR_NOMEM. */
static int check_value(struct check *c, int node, enum json_token token)
{
	const struct node *n;

	if (node == NEVER)
		return 0;
	if (node == NONE)
		return json_skip(&c->reader, token) == 0;
	n = &c->schema->nodes[node];
	switch (token) {
	case JSON_OBJECT:
		return check_object(c, n);
	case JSON_ARRAY:
		return check_array(c, n);
	case JSON_STRING:
		return check_string(c, n);
	case JSON_NUMBER:
		return check_number(c, n);
	case JSON_TRUE:
	case JSON_FALSE:
		return n->types & BOOLEAN && is_value(c, n, token, 0);
	default:
		return n->types & NUL && is_value(c, n, token, 0);
	}
}

int json_schema_valid(const struct json_schema *s, struct span document, size_t limit_bytes)
{
	struct check c = {.schema = s};
	enum json_token token;
	int valid;

	buf_init(&c.text, limit_bytes < document.len ? limit_bytes : document.len);
	json_reader_init(&c.reader, document, 0);
	valid = !json_next(&c.reader, &token) && token != JSON_END;
	if (valid)
		valid = check_value(&c, s->root, token);
	if (valid > 0)
		valid = !json_next(&c.reader, &token) && token == JSON_END;
	buf_fini(&c.text);
	return valid;
}
