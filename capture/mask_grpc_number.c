/*
 * mask_grpc_number.c - numbers under rules: what an operator leaves of one is written as its type has it, or
 * nothing is.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/mask_grpc_inside.h"

static const double EXACT_MAX = 9007199254740992.0; /* 2^53 */

struct number walk_number_of(enum protobuf_type type)
{
	switch (type) {
	case PROTOBUF_DOUBLE:
		return (struct number){NUMBER_REAL, 8};
	case PROTOBUF_FLOAT:
		return (struct number){NUMBER_REAL, 4};
	case PROTOBUF_BOOL:
		return (struct number){NUMBER_TRUTH, 1};
	case PROTOBUF_UINT64:
	case PROTOBUF_UFIXED64:
		return (struct number){NUMBER_UNSIGNED, 8};
	case PROTOBUF_UINT32:
	case PROTOBUF_UFIXED32:
		return (struct number){NUMBER_UNSIGNED, 4};
	case PROTOBUF_INT32:
	case PROTOBUF_SINT32:
	case PROTOBUF_SFIXED32:
	case PROTOBUF_ENUM:
		return (struct number){NUMBER_SIGNED, 4};
	case PROTOBUF_INT64:
	case PROTOBUF_SINT64:
	case PROTOBUF_SFIXED64:
		return (struct number){NUMBER_SIGNED, 8};
	default:
		return (struct number){NUMBER_OPAQUE, 8};
	}
}

static void number_text(struct number n, uint64_t bits, char text[DIGITS_MAX])
{
	float narrow;
	double real;
	uint32_t low = (uint32_t)bits;

	memcpy(&narrow, &low, sizeof narrow);
	memcpy(&real, &bits, sizeof real);
	if (n.kind == NUMBER_REAL && n.bytes == 4)
		snprintf(text, DIGITS_MAX, "%.9g", (double)narrow);
	else if (n.kind == NUMBER_REAL)
		snprintf(text, DIGITS_MAX, "%.17g", real);
	else if (n.kind == NUMBER_TRUTH)
		snprintf(text, DIGITS_MAX, "%s", bits ? "true" : "false");
	else if (n.kind == NUMBER_SIGNED)
		snprintf(text, DIGITS_MAX, "%" PRId64, (int64_t)bits);
	else
		snprintf(text, DIGITS_MAX, "%" PRIu64, bits);
}

static bool read_real(const char *text, struct number n, uint64_t *bits_out)
{
	char *end;
	double real = strtod(text, &end);
	float narrow = (float)real;
	uint32_t low;

	if (end == text || *end || !isfinite(real))
		return false;
	*bits_out = 0;
	if (n.bytes == 4) {
		memcpy(&low, &narrow, sizeof low);
		*bits_out = low;
	} else {
		memcpy(bits_out, &real, sizeof real);
	}
	return isfinite(narrow) || n.bytes == 8;
}

/* A fraction is rounded. */
static bool read_whole(const char *text, struct number n, uint64_t *bits_out)
{
	bool negative = *text == '-';
	uint64_t most = UINT64_MAX >> (64 - 8 * n.bytes + (n.kind == NUMBER_SIGNED)), value;
	char *end;
	double real;

	errno = 0;
	value = strtoull(text + negative, &end, 10);
	if (*end && end != text + negative) {
		real = fabs(strtod(text, &end));
		value = real < EXACT_MAX ? (uint64_t)llround(real) : UINT64_MAX;
	}
	if (errno || *end || end == text + negative || strchr("+- ", text[negative]))
		return false;
	if (value > most + (negative && n.kind == NUMBER_SIGNED) ||
	    (negative && value && n.kind != NUMBER_SIGNED))
		return false;
	*bits_out = negative ? -value : value;
	return true;
}

static bool number_read(struct number n, struct span from, uint64_t *bits_out)
{
	char text[DIGITS_MAX];

	if (!from.len || from.len >= sizeof text || memchr(from.data, '\0', from.len))
		return false;
	memcpy(text, from.data, from.len);
	text[from.len] = '\0';
	if (n.kind == NUMBER_REAL)
		return read_real(text, n, bits_out);
	if (n.kind == NUMBER_TRUTH && (!strcmp(text, "true") || !strcmp(text, "false"))) {
		*bits_out = *text == 't';
		return true;
	}
	if (n.kind == NUMBER_TRUTH)
		return read_whole(text, n, bits_out) && *bits_out <= 1;
	return n.kind != NUMBER_OPAQUE && read_whole(text, n, bits_out);
}

/* Can what the rule puts be such a number, or none? Of one that is not known it can only be taken away. */
static bool can_be(const struct plan_mask_field *rule, struct number n)
{
	uint64_t bits;

	switch (rule->with) {
	case MASK_DROP:
	case MASK_NULL:
	case MASK_REDACT:
		return true;
	case MASK_TOKEN:
	case MASK_TYPE:
	case MASK_CHARACTERS:
	case MASK_SURROGATE:
		return false;
	case MASK_CONSTANT:
		return number_read(n, span_of(rule->by.text), &bits);
	default:
		return n.kind != NUMBER_OPAQUE;
	}
}

bool mask_numbers(const struct plan_mask_field *rule, enum protobuf_type type)
{
	return can_be(rule, walk_number_of(type));
}

int walk_mask_number(struct walk *w, struct number n, uint64_t *bits, rule hit)
{
	char text[DIGITS_MAX];
	struct buf put;
	bool bare = true, read;

	if (!can_be(hit, n))
		return ERR_PROTO;
	buf_init(&put, MASK_BY_BYTES + DIGITS_MAX);
	number_text(n, *bits, text);
	w->count++;
	mask_field(hit, w->key, (struct span){NULL, 0}, span_of(text), &bare, &put);
	read = number_read(n, buf_span(&put), bits);
	if (put.err == ERR_NOMEM)
		w->out->err = ERR_NOMEM;
	buf_fini(&put);
	if (!read)
		*bits = 0;
	return !read;
}

/* The next value of that type in what is packed; false: it is cut. */
static bool take(struct span *from, enum protobuf_type type, uint64_t *bits_out)
{
	enum protobuf_wire wire = protobuf_wire_of(type);
	size_t n = wire == PROTOBUF_FIXED32 ? 4 : 8;
	int len;

	if (wire == PROTOBUF_VARINT) {
		len = protobuf_varint(*from, bits_out);
		if (len <= 0)
			return false;
		n = (size_t)len;
	} else if (from->len < n) {
		return false;
	} else {
		*bits_out = walk_little(from->data, (unsigned)n);
	}
	*from = (struct span){from->data + n, from->len - n};
	return true;
}

/* As it is meant, not as it is written; and back. */
static uint64_t meant(enum protobuf_type type, uint64_t bits)
{
	switch (type) {
	case PROTOBUF_SINT32:
	case PROTOBUF_SINT64:
		return bits >> 1 ^ -(bits & 1);
	case PROTOBUF_INT32:
	case PROTOBUF_ENUM:
	case PROTOBUF_SFIXED32:
		return (uint64_t)(int64_t)(int32_t)bits;
	case PROTOBUF_UINT32:
		return (uint32_t)bits;
	case PROTOBUF_BOOL:
		return bits != 0;
	default:
		return bits;
	}
}

static void put_number(struct buf *out, enum protobuf_type type, uint64_t bits)
{
	if (type == PROTOBUF_SINT32 || type == PROTOBUF_SINT64)
		bits = bits << 1 ^ -(bits >> 63);
	switch (protobuf_wire_of(type)) {
	case PROTOBUF_FIXED64:
		protobuf_put_fixed(out, bits, 8);
		return;
	case PROTOBUF_FIXED32:
		protobuf_put_fixed(out, bits, 4);
		return;
	default:
		protobuf_put_varint(out, bits);
	}
}

/* The bits of a field that is one number. */
static uint64_t bits_of(const struct protobuf_field *f, enum protobuf_type type)
{
	return meant(type, f->wire == PROTOBUF_VARINT ? f->value
	                                              : walk_little(f->bytes.data, (unsigned)f->bytes.len));
}

void walk_number_text(const struct protobuf_field *f, enum protobuf_type type, char text[DIGITS_MAX])
{
	number_text(walk_number_of(type), bits_of(f, type), text);
}

int walk_number(struct walk *w, const struct protobuf_field *f, enum protobuf_type type, rule hit)
{
	uint64_t bits;
	int rc;

	if (!hit || hit->with == MASK_KEEP) {
		buf_span_put(w->out, f->whole);
		return 0;
	}
	bits = bits_of(f, type);
	rc = walk_mask_number(w, walk_number_of(type), &bits, hit);
	if (rc)
		return rc < 0 ? rc : 0;
	protobuf_put_varint(w->out, (uint64_t)f->number << 3 | f->wire);
	put_number(w->out, type, bits);
	return 0;
}

/* A parameter is a number or a text. */
void walk_parameter(struct walk *w, const struct protobuf_field *f, enum protobuf_type type, rule hit)
{
	char text[DIGITS_MAX];

	if (hit && hit->with == MASK_DROP) {
		w->count++;
	} else if (hit && hit->with != MASK_KEEP) {
		walk_number_text(f, type, text);
		walk_value(w, STRING_PARAM, span_of(text), hit);
	} else {
		buf_span_put(w->out, f->whole);
	}
}

static int put_element(struct walk *w, struct span *left, const struct row *row, const struct asked *a,
                       uint64_t index)
{
	const char *from = left->data;
	uint64_t bits;
	rule hit;
	int rc;

	if (!take(left, row->type, &bits))
		return ERR_PROTO;
	rc = walk_element(w, a, index, &hit);
	hit = walk_leaf(w, hit);
	if (rc || !hit || hit->with == MASK_KEEP) {
		buf_put(w->out, from, (size_t)(left->data - from));
		return rc;
	}
	bits = meant(row->type, bits);
	rc = walk_mask_number(w, walk_number_of(row->type), &bits, hit);
	put_number(w->out, row->type, bits);
	return rc < 0 ? rc : 0;
}

/* In the form in which it came: readers take both. */
static int put_elements(struct walk *w, const struct protobuf_field *f, const struct row *row,
                        const struct asked *a, uint64_t *index)
{
	struct span left = f->bytes;
	size_t start = 0;
	int err = 0;

	if (f->wire == PROTOBUF_BYTES)
		start = protobuf_open(w->out, f->number, f->bytes.len);
	else
		protobuf_put_varint(w->out, (uint64_t)f->number << 3 | f->wire);
	while (!err && left.len)
		err = put_element(w, &left, row, a, (*index)++);
	if (f->wire == PROTOBUF_BYTES)
		protobuf_close(w->out, start, f->bytes.len);
	return err;
}

int walk_numbers(struct walk *w, const struct protobuf_field *f, const struct row *row, const struct asked *a,
                 uint64_t *index)
{
	rule all = walk_leaf(w, a->all);

	if (a->inside)
		return ERR_PROTO;
	if (!a->some && (!all || all->with == MASK_KEEP)) {
		buf_span_put(w->out, f->whole);
		return 0;
	}
	if (!a->some && !a->each && all->with == MASK_DROP) {
		w->count++;
		return 0;
	}
	return put_elements(w, f, row, a, index);
}
