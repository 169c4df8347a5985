#include "capture/mask_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/sha.h>

#include "capture/mask_grpc_inside.h"

enum { NESTED_MAX = 32, LABEL_REPEATED = 3, MAP_ENTRY = 7 };

struct mask_schema {
	struct buf text; /* names, each with a NUL behind it */
	struct row *rows;
	struct table *tables;
	struct mask_call *calls; /* by id */
	uint32_t *ids;
	uint32_t table_count, call_count;
};

/* What is read first: names by their place in the text, types by the name that they will have. */
struct draft_message {
	const char *name;
	size_t name_at;
	uint32_t first, count;
	bool is_entry;
};
struct draft_row {
	struct row row;
	size_t name_at, type_at;
	bool repeated;
};
struct draft_call {
	size_t name_at, request_at, response_at;
};
struct draft {
	struct buf text, messages, rows, calls;
	char *why;
};

static int wrong(struct draft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct draft *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(d->why, SCHEMA_WHY_BYTES, format, args);
	va_end(args);
	return ERR_PROTO;
}

static int no_set(struct draft *d)
{
	return wrong(d, "it is no FileDescriptorSet");
}

/* The field of that number, as bytes; the last one, as protobuf has it. */
static int bytes_of(struct draft *d, struct span message, uint32_t number, struct span *out)
{
	struct protobuf_field f;
	int rc;

	*out = SPAN("");
	while ((rc = protobuf_next(&message, &f)) > 0)
		if (f.number == number && f.wire == PROTOBUF_BYTES)
			*out = f.bytes;
	return rc ? no_set(d) : 0;
}

static uint64_t number_of(struct span message, uint32_t number)
{
	struct protobuf_field f;
	uint64_t value = 0;

	while (protobuf_next(&message, &f) > 0)
		if (f.number == number && f.wire == PROTOBUF_VARINT)
			value = f.value;
	return value;
}

/* Call `each` for every field of bytes of that number. */
static int each_of(struct draft *d, struct span message, uint32_t number,
                   int (*each)(struct draft *, struct span, size_t prefix_at, unsigned depth),
                   size_t prefix_at, unsigned depth)
{
	struct protobuf_field f;
	int rc, err = 0;

	while ((rc = protobuf_next(&message, &f)) > 0 && !err)
		if (f.number == number && f.wire == PROTOBUF_BYTES)
			err = each(d, f.bytes, prefix_at, depth);
	return err ? err : rc < 0 ? no_set(d) : 0;
}

/* A name in the text: `prefix`, what parts them, and it. */
static size_t put_name(struct draft *d, size_t prefix_at, const char *between, struct span name)
{
	size_t at = buf_len(&d->text), len = strlen(d->text.base + prefix_at);

	if (!buf_room(&d->text, len + name.len + 2))
		return 0;
	if (len)
		buf_put(&d->text, d->text.base + prefix_at, len);
	buf_puts(&d->text, len ? between : "");
	buf_span_put(&d->text, name);
	buf_put(&d->text, "", 1);
	return at;
}

static bool is_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.data[i] <= ' ' || (unsigned char)name.data[i] >= 0x7f)
			return false;
	return name.len > 0;
}

static int read_field(struct draft *d, struct span field, size_t prefix_at, unsigned depth)
{
	struct draft_row r = {.row.number = (uint32_t)number_of(field, 3),
	                      .row.type = (enum protobuf_type)number_of(field, 5),
	                      .repeated = number_of(field, 4) == LABEL_REPEATED};
	struct span name, type;
	int err = bytes_of(d, field, 1, &name);

	(void)prefix_at;
	(void)depth;
	if (!err)
		err = bytes_of(d, field, 6, &type);
	if (err)
		return err;
	if (!is_name(name) || !r.row.number || number_of(field, 3) >> 29 || !r.row.type ||
	    number_of(field, 5) >= PROTOBUF_TYPES)
		return no_set(d);
	r.name_at = put_name(d, 0, "", name);
	r.type_at = put_name(d, 0, "", type.len ? (struct span){type.data + 1, type.len - 1} : type);
	buf_put(&d->rows, &r, sizeof r);
	return d->text.err ? d->text.err : d->rows.err;
}

static uint32_t count_of(const struct buf *b, size_t each)
{
	return (uint32_t)(buf_len(b) / each);
}

static int read_message(struct draft *d, struct span message, size_t prefix_at, unsigned depth)
{
	struct draft_message m = {.first = count_of(&d->rows, sizeof(struct draft_row))};
	struct span name, options;
	int err = bytes_of(d, message, 1, &name);

	if (!err)
		err = bytes_of(d, message, 7, &options);
	if (err)
		return err;
	if (!is_name(name))
		return no_set(d);
	if (depth == NESTED_MAX)
		return ERR_LIMIT;
	m.is_entry = number_of(options, MAP_ENTRY);
	m.name_at = put_name(d, prefix_at, ".", name);
	if (d->text.err)
		return d->text.err;
	err = each_of(d, message, 2, read_field, 0, 0);
	m.count = count_of(&d->rows, sizeof(struct draft_row)) - m.first;
	buf_put(&d->messages, &m, sizeof m);
	return err ? err : each_of(d, message, 3, read_message, m.name_at, depth + 1);
}

static int read_method(struct draft *d, struct span method, size_t service_at, unsigned depth)
{
	struct span name, request, response;
	struct draft_call c;
	int err = bytes_of(d, method, 1, &name);

	(void)depth;
	if (!err)
		err = bytes_of(d, method, 2, &request);
	if (!err)
		err = bytes_of(d, method, 3, &response);
	if (err)
		return err;
	if (!is_name(name) || !request.len || !response.len)
		return no_set(d);
	c.name_at = put_name(d, service_at, "/", name);
	c.request_at = put_name(d, 0, "", (struct span){request.data + 1, request.len - 1});
	c.response_at = put_name(d, 0, "", (struct span){response.data + 1, response.len - 1});
	buf_put(&d->calls, &c, sizeof c);
	return d->text.err ? d->text.err : d->calls.err;
}

static int read_service(struct draft *d, struct span service, size_t prefix_at, unsigned depth)
{
	struct span name;
	size_t at;
	int err = bytes_of(d, service, 1, &name);

	if (err)
		return err;
	if (!is_name(name))
		return no_set(d);
	at = put_name(d, prefix_at, ".", name);
	return d->text.err ? d->text.err : each_of(d, service, 2, read_method, at, depth);
}

static int read_file(struct draft *d, struct span file, size_t prefix_at, unsigned depth)
{
	struct span package;
	size_t at;
	int err = bytes_of(d, file, 2, &package);

	if (err)
		return err;
	at = put_name(d, prefix_at, "", package);
	if (d->text.err)
		return d->text.err;
	err = each_of(d, file, 4, read_message, at, depth);
	return err ? err : each_of(d, file, 6, read_service, at, depth);
}

static int by_name(const void *a, const void *b)
{
	const struct draft_message *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int by_number(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int by_id(const void *a, const void *b)
{
	const struct mask_call *x = a, *y = b;
	uint32_t p = mask_call_named(x->name), q = mask_call_named(y->name);

	return (p > q) - (p < q);
}

/* The message of that name; NULL: it was not in the file. */
static const struct draft_message *find(const struct draft *d, const char *name)
{
	struct draft_message key = {.name = name};

	return bsearch(&key, d->messages.base, count_of(&d->messages, sizeof key), sizeof key, by_name);
}

static const struct table *table_of(const struct mask_schema *s, const struct draft *d,
                                    const struct draft_message *m)
{
	return &s->tables[m - (const struct draft_message *)(const void *)d->messages.base];
}

static int make_row(struct mask_schema *s, struct draft *d, const struct draft_row *from, struct row *row)
{
	const struct draft_message *inside;

	*row = from->row;
	row->name = s->text.base + from->name_at;
	if (row->type == PROTOBUF_STRING || row->type == PROTOBUF_BINARY) {
		row->kind = from->repeated ? TEXTS : TEXT;
	} else if (row->type == PROTOBUF_MESSAGE) {
		inside = find(d, s->text.base + from->type_at);
		if (!inside)
			return wrong(d, "it lacks %.80s: write it with --include_imports",
			             s->text.base + from->type_at);
		row->kind = !from->repeated ? MESSAGE : inside->is_entry ? MAP : LIST;
		row->inside = table_of(s, d, inside);
	} else {
		row->kind = from->repeated ? NUMBERS : NUMBER;
	}
	return 0;
}

/* A key that is no message, and a value. */
static bool is_entry(const struct table *t)
{
	return t->count == 2 && t->rows[0].number == 1 && t->rows[1].number == 2 &&
	       (t->rows[0].kind == TEXT || t->rows[0].kind == NUMBER) &&
	       (t->rows[1].kind == TEXT || t->rows[1].kind == NUMBER || t->rows[1].kind == MESSAGE);
}

static int make_table(struct mask_schema *s, struct draft *d, const struct draft_message *m, struct table *t)
{
	const struct draft_row *from = (const struct draft_row *)(const void *)buf_span(&d->rows).data;
	struct row *rows = s->rows + m->first;

	from += m->first;
	for (uint32_t i = 0; i < m->count; i++) {
		int err = make_row(s, d, &from[i], &rows[t->count]);

		if (err)
			return err;
		t->count += from[i].row.type != PROTOBUF_GROUP;
	}
	qsort(rows, t->count, sizeof *rows, by_number);
	for (uint32_t i = 1; i < t->count; i++)
		if (rows[i].number == rows[i - 1].number)
			return no_set(d);
	t->rows = rows;
	return m->is_entry && !is_entry(t) ? no_set(d) : 0;
}

static int make_calls(struct mask_schema *s, struct draft *d)
{
	const struct draft_call *from = (const struct draft_call *)(const void *)d->calls.base;

	for (uint32_t i = 0; i < s->call_count; i++) {
		const struct draft_message *request = find(d, s->text.base + from[i].request_at),
		                           *response = find(d, s->text.base + from[i].response_at);

		if (!request || !response)
			return wrong(d, "it lacks a type of %.80s: write it with --include_imports",
			             s->text.base + from[i].name_at);
		s->calls[i] = (struct mask_call){MASK_BY_TYPE, span_of(s->text.base + from[i].name_at),
		                                 table_of(s, d, request), table_of(s, d, response)};
	}
	qsort(s->calls, s->call_count, sizeof *s->calls, by_id);
	for (uint32_t i = 0; i < s->call_count; i++) {
		s->ids[i] = mask_call_named(s->calls[i].name);
		if (i && s->ids[i] == s->ids[i - 1])
			return wrong(d, "it has %.80s twice", s->calls[i].name.data);
	}
	return 0;
}

static int make(struct mask_schema *s, struct draft *d)
{
	struct draft_message *messages = (struct draft_message *)(void *)d->messages.base;
	int err = 0;

	s->text = d->text;
	buf_init(&d->text, 0);
	s->table_count = count_of(&d->messages, sizeof *messages);
	s->call_count = count_of(&d->calls, sizeof(struct draft_call));
	if (!s->table_count)
		return no_set(d);
	s->rows = calloc(buf_len(&d->rows) / sizeof(struct draft_row) + 1, sizeof *s->rows);
	s->tables = calloc(s->table_count, sizeof *s->tables);
	s->calls = calloc(s->call_count + 1, sizeof *s->calls);
	s->ids = calloc(s->call_count + 1, sizeof *s->ids);
	if (!s->rows || !s->tables || !s->calls || !s->ids)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < s->table_count; i++)
		messages[i].name = s->text.base + messages[i].name_at;
	qsort(messages, s->table_count, sizeof *messages, by_name);
	for (uint32_t i = 1; i < s->table_count; i++)
		if (!by_name(&messages[i], &messages[i - 1]))
			return wrong(d, "it has %.80s twice", messages[i].name);
	for (uint32_t i = 0; !err && i < s->table_count; i++)
		err = make_table(s, d, &messages[i], &s->tables[i]);
	return err ? err : make_calls(s, d);
}

int mask_schema_new(struct span file, struct mask_schema **schema_out, char why[SCHEMA_WHY_BYTES])
{
	struct mask_schema *s = calloc(1, sizeof *s);
	size_t limit = 16 * file.len + 256;
	struct draft d = {.why = why};
	int err = s ? 0 : ERR_NOMEM;

	*why = '\0';
	buf_init(&d.text, limit);
	buf_init(&d.messages, 32 * limit);
	buf_init(&d.rows, 32 * limit);
	buf_init(&d.calls, 32 * limit);
	buf_put(&d.text, "", 1);
	if (!err)
		err = file.len > SCHEMA_BYTES_MAX ? ERR_LIMIT : d.text.err;
	if (!err)
		err = each_of(&d, file, 1, read_file, 0, 0);
	if (!err)
		err = d.text.err ? d.text.err : d.messages.err;
	if (!err)
		err = make(s, &d);
	buf_fini(&d.text);
	buf_fini(&d.messages);
	buf_fini(&d.rows);
	buf_fini(&d.calls);
	if (err)
		mask_schema_free(&s);
	*schema_out = s;
	return err;
}

int mask_schema_open(const struct plan_mask *policy, struct span file, struct mask_schema **schema_out)
{
	char why[SCHEMA_WHY_BYTES];
	uint8_t hash[32];
	int err;

	*schema_out = NULL;
	if (!policy->descriptors_file[0])
		return 0;
	SHA256((const unsigned char *)file.data, file.len, hash);
	if (memcmp(hash, policy->descriptors_hash, sizeof hash) != 0)
		return ERR_CONFIG;
	err = mask_schema_new(file, schema_out, why);
	return err == ERR_PROTO ? ERR_CONFIG : err;
}

void mask_schema_free(struct mask_schema **schema)
{
	struct mask_schema *s = *schema;

	if (!s)
		return;
	buf_fini(&s->text);
	free(s->rows);
	free(s->tables);
	free(s->calls);
	free(s->ids);
	free(s);
	*schema = NULL;
}

const struct mask_call *mask_schema_call(const struct mask_schema *s, uint32_t id)
{
	uint32_t low = 0, high = s ? s->call_count : 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return s && low < s->call_count && s->ids[low] == id ? &s->calls[low] : NULL;
}

size_t mask_schema_place(const struct mask_schema *s, const struct table *t, size_t *count_out)
{
	*count_out = s->table_count;
	return (size_t)(t - s->tables);
}
