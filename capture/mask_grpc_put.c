/*
 * mask_grpc_put.c - fields of a masked message written anew.
 */
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
		if (w->path[i - 1].name.len)
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

int walk_unknown(struct walk *w, uint32_t number, struct span value)
{
	struct mask_work inside = {.rules = w->rules, .key = w->key, .out = w->out};
	size_t start = protobuf_open(w->out, number, value.len);
	int err = mask_guess(&inside, value, w->level);

	protobuf_close(w->out, start, value.len);
	w->count += inside.count;
	w->input_masked |= inside.input_masked;
	return err == ERR_UNSUPPORTED ? ERR_PROTO : err;
}

struct asked walk_ask(struct walk *w, const struct row *row, rule whole,
                      rule (*of)(struct walk *, const struct row *, const struct mask_step *, bool *))
{
	struct mask_step any = {.name = {NULL, 0}, .any = true},
	                 last = {.name = {NULL, 0}, .index = UINT64_MAX};
	struct asked a = {.known = true, .all = whole, .row = row, .of = of};
	bool input_masked = w->input_masked;
	rule one;

	if (a.all && a.all->with != MASK_KEEP)
		return a;
	a.kept = a.all;
	one = of(w, row, &any, &a.inside);
	a.all = of(w, row, &last, &a.inside); /* no index is that: only a rule for each is */
	a.each = a.all != NULL;
	a.some = a.all != one;
	if (a.some)
		w->input_masked = input_masked;
	else
		a.all = walk_over(a.kept, a.all);
	return a;
}

int walk_element(struct walk *w, const struct asked *a, uint64_t index, rule *hit_out)
{
	struct mask_step at = {.name = {NULL, 0}, .index = index};
	bool inside = false;

	*hit_out = a->all;
	if (a->inside)
		return ERR_PROTO;
	if (!a->some)
		return 0;
	*hit_out = walk_over(a->kept, a->of(w, a->row, &at, &inside));
	return ++w->questions > QUESTIONS_MAX ? ERR_LIMIT : 0;
}
