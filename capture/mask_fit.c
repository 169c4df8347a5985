/*
 * mask_fit.c - whether a rule for a gRPC call can ever act, asked of descriptors before a run begins.
 *
 * The rule is walked over the types, not over a message: each type is looked at once for each step that is
 * due in it, so recursive ones end.
 */
#include <stdlib.h>

#include "capture/mask_grpc_inside.h"
#include "capture/mask_rules_inside.h"
#include "capture/mask_schema.h"

struct fit {
	const struct mask_schema *schema;
	const struct path_rule *rule;
	uint32_t *seen; /* by table: steps that were due in it */
	bool found, number;
	bool unlisted;     /* a list, and a step that leads into what is none */
	unsigned furthest; /* step that was due in a message */
	struct guess near; /* fields of the messages in which that was */
	char wrong[TEXT_MAX_BYTES];
};

static void guess_from(struct fit *f, const struct table *t, unsigned step)
{
	const struct path_step *s = &f->rule->steps[step];

	if (step >= f->rule->count || (s->kind != STEP_MEMBER && s->kind != STEP_DEEP) || step < f->furthest)
		return;
	if (step > f->furthest)
		f->near = (struct guess){0};
	f->furthest = step;
	memcpy(f->wrong, s->name.data, s->name.len);
	f->wrong[s->name.len] = '\0';
	for (uint32_t i = 0; i < t->count; i++)
		guess_add(&f->near, f->wrong, t->rows[i].name);
}

/* The steps that are due behind a member, or, row NULL, behind an element; `any`: whatever it is called. */
static uint32_t behind(const struct path_rule *r, uint32_t due, const struct row *row, bool any)
{
	uint32_t next = due & r->of_kind[STEP_DEEP];

	for (uint32_t left = due & ~(1u << r->count); left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		const struct path_step *s = &r->steps[i];
		bool member = s->kind == STEP_MEMBER || s->kind == STEP_DEEP;

		if (any   ? member
		    : row ? member && (span_eq(s->name, span_of(row->name)) || s->number == row->number)
		          : !member)
			next |= 2u << i;
	}
	return next;
}

static void look(struct fit *f, const struct table *t, uint32_t due);

/* The value of a member, or of an element. */
static void look_at(struct fit *f, const struct row *row, uint32_t due)
{
	bool here = due >> f->rule->count & 1;

	if (row->inside && (row->kind == MESSAGE || row->kind == LIST))
		look(f, row->inside, due);
	f->found |= here;
	if (here && !row->inside && row->type != PROTOBUF_STRING && row->type != PROTOBUF_BINARY)
		f->number |= !mask_numbers(f->rule->field, row->type);
}

static void look(struct fit *f, const struct table *t, uint32_t due)
{
	size_t count, at = mask_schema_place(f->schema, t, &count);

	due &= ~f->seen[at];
	f->seen[at] |= due;
	for (uint32_t left = due; left; left &= left - 1)
		guess_from(f, t, (unsigned)__builtin_ctz(left));
	for (uint32_t i = 0; due && i < t->count; i++) {
		const struct row *row = &t->rows[i];
		uint32_t next = behind(f->rule, due, row, false);

		if (row->kind == MAP) {
			f->found |= next >> f->rule->count & 1;
			look_at(f, &row->inside->rows[1], behind(f->rule, next, NULL, true));
		} else if (row->kind == LIST || row->kind == TEXTS || row->kind == NUMBERS) {
			uint32_t here = next & 1u << f->rule->count;

			f->unlisted |= row->kind == LIST && next & f->rule->of_kind[STEP_MEMBER];
			look_at(f, row, behind(f->rule, next, NULL, false) | here);
		} else {
			look_at(f, row, next);
		}
	}
}

/* Without names a path goes from number to number. */
static enum mask_misfit check_numbers(const struct path_rule *r, unsigned *step_out)
{
	for (unsigned i = 0; i < r->count; i++) {
		*step_out = i;
		if (r->steps[i].kind == STEP_DEEP)
			return MISFIT_DEEP;
		if (r->steps[i].kind == STEP_MEMBER && !r->steps[i].number)
			return MISFIT_NAME;
	}
	return MISFIT_NONE;
}

static enum mask_misfit check_types(const struct mask_schema *s, const struct mask_call *call,
                                    const struct path_rule *r, unsigned *step_out,
                                    char near[GUESS_HINT_BYTES])
{
	struct fit f = {.schema = s, .rule = r};
	size_t count;

	(void)mask_schema_place(s, call->request, &count);
	f.seen = calloc(count, sizeof *f.seen);
	if (!f.seen)
		return MISFIT_NONE;
	look(&f, call->request, 1);
	look(&f, call->response, 1);
	free(f.seen);
	*step_out = f.furthest;
	if (!f.found && f.unlisted)
		strcpy(near, "it is a list: write [*] behind it");
	else if (!f.found && f.near.name)
		guess_hint(&f.near, f.wrong, near);
	return !f.found && r->count ? MISFIT_FIELD : f.number ? MISFIT_NUMBER : MISFIT_NONE;
}

enum mask_misfit mask_schema_check(const struct mask_schema *s, const struct plan_mask_field *field,
                                   size_t *at_out, char near[GUESS_HINT_BYTES])
{
	struct path_rule r = {0};
	const struct mask_call *call;
	enum mask_misfit misfit;
	unsigned step = 0;

	*near = '\0';
	if (path_rule_parse(&r, field, at_out) || !r.call.len || mask_call_is_tensor(r.call))
		return MISFIT_NONE;
	call = mask_schema_call(s, mask_call_named(r.call));
	misfit = call ? check_types(s, call, &r, &step, near) : check_numbers(&r, &step);
	*at_out = r.count && step < r.count && r.steps[step].name.data
	                  ? (size_t)(r.steps[step].name.data - field->where)
	                  : 0;
	return misfit == MISFIT_NAME && s ? MISFIT_CALL : misfit;
}

int mask_rules_describe(struct mask_rules *rules, const struct mask_schema *schema)
{
	rules->schema = schema;
	for (unsigned i = 0; i < rules->count; i++) {
		const struct path_rule *r = &rules->rules[i];
		unsigned step;

		if (r->call.len && !mask_call_is_tensor(r->call) &&
		    !mask_schema_call(schema, mask_call_named(r->call)) && check_numbers(r, &step))
			return ERR_CONFIG;
	}
	return 0;
}
