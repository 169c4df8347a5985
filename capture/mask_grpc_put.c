/*
 * mask_grpc_put.c - fields of a masked message written anew.
 */
#include <inttypes.h>
#include <stdio.h>

#include "capture/mask_grpc_inside.h"
#include "proto/base/utf8.h"

void walk_masked(struct walk *w, rule hit, struct span value)
{
	bool bare = false;

	w->count++;
	mask_field(hit, w->key, (struct span){NULL, 0}, value, &bare, w->out);
}

/* What the value is called: the last name on the way to it. */
static struct span called(const struct walk *w)
{
	for (unsigned i = w->depth; i > 0; i--)
		if (w->path[i - 1].name.data)
			return w->path[i - 1].name;
	return SPAN("content");
}

void walk_bytes(struct walk *w, struct span value, rule hit)
{
	struct mask_work inside = {.rules = w->rules, .key = w->key, .out = w->out};
	int err = 0;

	if (hit && hit->with != MASK_KEEP)
		walk_masked(w, hit, value);
	else if (hit || !mask_rules_finder(w->rules) || !utf8_valid(value.data, value.len))
		buf_span_put(w->out, value);
	else
		err = mask_either(&inside, called(w), value);
	if (err && !w->out->err)
		w->out->err = err == ERR_NOMEM ? ERR_NOMEM : ERR_LIMIT;
	w->count += inside.count;
	w->input_masked |= inside.input_masked;
}

void walk_value(struct walk *w, uint32_t number, struct span value, rule hit)
{
	size_t start = protobuf_open(w->out, number, value.len);

	walk_bytes(w, value, hit);
	protobuf_close(w->out, start, value.len);
}

void walk_text(struct walk *w, const struct protobuf_field *f, rule hit)
{
	if (hit && hit->with == MASK_DROP)
		w->count++;
	else
		walk_value(w, f->number, f->bytes, hit);
}

void walk_number(struct walk *w, const struct protobuf_field *f, rule hit)
{
	char text[32];
	double value;

	if (!hit || hit->with == MASK_KEEP) {
		buf_span_put(w->out, f->whole);
		return;
	}
	if (hit->with == MASK_DROP) {
		w->count++;
		return;
	}
	if (f->wire == PROTOBUF_FIXED64) {
		memcpy(&value, f->bytes.data, sizeof value);
		snprintf(text, sizeof text, "%.17g", value);
	} else if (f->number == 1) {
		snprintf(text, sizeof text, "%s", f->value ? "true" : "false");
	} else if (f->number == 2) {
		snprintf(text, sizeof text, "%" PRId64, (int64_t)f->value);
	} else {
		snprintf(text, sizeof text, "%" PRIu64, f->value);
	}
	walk_value(w, STRING_PARAM, span_of(text), hit);
}

int walk_numbers(struct walk *w, const struct protobuf_field *f, rule hit, bool inside)
{
	bool stays = !hit || hit->with == MASK_KEEP;

	if (inside || (!stays && hit->with != MASK_DROP))
		return ERR_PROTO;
	if (!stays)
		w->count++;
	else
		buf_span_put(w->out, f->whole);
	return 0;
}
