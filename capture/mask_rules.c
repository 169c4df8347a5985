/*
 * mask_rules.c - path rules: read once per policy, asked for one place, and a body that they would mask.
 */
#include <stdio.h>
#include <stdlib.h>

#include "capture/mask_rules_inside.h"
#include "proto/json.h"

enum { SAMPLE_INDEX_MAX = 64 };

static bool parse_bracket(struct span *text, struct path_step *step)
{
	const char *end = memchr(text->data, ']', text->len);
	struct span inside = {text->data + 1, 0};

	if (!end)
		return false;
	inside.len = (size_t)(end - inside.data);
	*text = (struct span){end + 1, text->len - inside.len - 2};
	if (!inside.len || inside.len > 9)
		return false;
	step->kind = STEP_INDEX;
	if (span_eq(inside, SPAN("*"))) {
		step->kind = STEP_EACH;
		return true;
	}
	for (size_t i = 0; i < inside.len; i++) {
		if (inside.data[i] < '0' || inside.data[i] > '9')
			return false;
		step->index = step->index * 10 + (uint64_t)(inside.data[i] - '0');
	}
	return true;
}

/* A name that is a number without zeros before it. */
static uint32_t number_of(struct span name)
{
	uint32_t number = 0;

	if (name.len > 9 || !name.len || *name.data == '0')
		return 0;
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] < '0' || name.data[i] > '9')
			return 0;
		number = number * 10 + (uint32_t)(name.data[i] - '0');
	}
	return number;
}

static bool parse_member(struct span *text, struct path_step *step)
{
	size_t dots = span_starts(*text, SPAN("..")) ? 2 : 1, end = dots;

	while (end < text->len && text->data[end] != '.' && text->data[end] != '[')
		end++;
	step->kind = dots == 2 ? STEP_DEEP : STEP_MEMBER;
	step->name = (struct span){text->data + dots, end - dots};
	step->number = number_of(step->name);
	*text = (struct span){text->data + end, text->len - end};
	return step->name.len > 0;
}

/* "/SERVICE/METHOD" before the path, if it is there. */
static bool parse_call(struct span *text, struct span *call_out)
{
	const char *end = memchr(text->data, '$', text->len);
	struct span call = {text->data + 1, end ? (size_t)(end - text->data) - 1 : 0}, service, method;

	if (!span_starts(*text, SPAN("/")))
		return true;
	if (!end || !call.len || !grpc_call((struct span){text->data, call.len + 1}, &service, &method) ||
	    service.len + 1 + method.len != call.len)
		return false;
	*text = (struct span){end, text->len - call.len - 1};
	*call_out = call;
	return true;
}

int path_rule_parse(struct path_rule *rule, const struct plan_mask_field *field, size_t *at_out)
{
	struct span text = span_of(field->where);
	struct path_step *step;
	bool ok = parse_call(&text, &rule->call) && span_starts(text, SPAN("$"));

	rule->field = field;
	*at_out = 0;
	if (ok)
		text = (struct span){text.data + 1, text.len - 1};
	while (ok && text.len) {
		*at_out = (size_t)(text.data - field->where);
		if (rule->count == PATH_STEPS_MAX)
			return ERR_LIMIT;
		step = &rule->steps[rule->count++];
		ok = text.data[0] == '['   ? parse_bracket(&text, step)
		     : text.data[0] == '.' ? parse_member(&text, step)
		                           : false;
	}
	for (unsigned i = 0; i < rule->count; i++)
		rule->of_kind[rule->steps[i].kind] |= 1u << i;
	return ok ? 0 : ERR_CONFIG;
}

int mask_path_check(const char *path, size_t *at_out)
{
	struct plan_mask_field field = {0};
	struct path_rule parsed = {0};
	size_t len = strlen(path);

	*at_out = 0;
	if (len >= sizeof(field.where))
		return ERR_LIMIT;
	memcpy(field.where, path, len);
	return path_rule_parse(&parsed, &field, at_out);
}

static bool step_covers(const struct path_step *first, const struct path_step *later)
{
	bool member = later->kind == STEP_MEMBER || later->kind == STEP_DEEP;

	if (first->kind == STEP_EACH)
		return later->kind == STEP_EACH || later->kind == STEP_INDEX;
	if (first->kind == STEP_INDEX)
		return later->kind == STEP_INDEX && first->index == later->index;
	return member && span_eq(first->name, later->name) &&
	       (first->kind == STEP_DEEP || later->kind == STEP_MEMBER);
}

static bool steps_cover(const struct path_step *first, unsigned count, const struct path_step *later,
                        unsigned later_count)
{
	if (!count || !later_count)
		return !count;
	if (first->kind == STEP_DEEP && steps_cover(first, count, later + 1, later_count - 1))
		return true;
	return step_covers(first, later) && steps_cover(first + 1, count - 1, later + 1, later_count - 1);
}

bool mask_path_covers(const char *first, const char *later)
{
	struct plan_mask_field fields[2] = {0};
	struct path_rule rules[2] = {0};
	size_t at;

	snprintf(fields[0].where, sizeof fields[0].where, "%s", first);
	snprintf(fields[1].where, sizeof fields[1].where, "%s", later);
	if (path_rule_parse(&rules[0], &fields[0], &at) || path_rule_parse(&rules[1], &fields[1], &at))
		return false;
	if (rules[0].call.len && !span_eq(rules[0].call, rules[1].call))
		return false;
	return steps_cover(rules[0].steps, rules[0].count, rules[1].steps, rules[1].count);
}

int mask_rules_new(const struct plan_mask *policy, struct mask_rules **rules_out)
{
	struct mask_rules *r = calloc(1, sizeof(*r) + policy->field_count * sizeof(*r->rules));
	size_t at;
	int err = r ? 0 : ERR_NOMEM;

	if (r)
		r->policy = policy;
	for (uint32_t i = 0; !err && i < policy->field_count; i++)
		if (policy->fields[i].place == MASK_PATH)
			err = path_rule_parse(&r->rules[r->count++], &policy->fields[i], &at);
	if (err)
		mask_rules_free(&r);
	*rules_out = r;
	return err;
}

bool mask_rules_allow(const struct mask_rules *rules)
{
	return rules->policy->allow;
}

void mask_rules_find(struct mask_rules *rules, const struct mask_finder *finder)
{
	rules->finder = finder;
}

const struct mask_finder *mask_rules_finder(const struct mask_rules *rules)
{
	return rules->finder;
}

void mask_rules_free(struct mask_rules **rules)
{
	free(*rules);
	*rules = NULL;
}

static bool step_is(const struct path_step *step, const struct mask_step *at)
{
	if (step->kind == STEP_MEMBER || step->kind == STEP_DEEP)
		return at->name.data &&
		       (span_eq(at->name, step->name) || (at->number && at->number == step->number));
	return !at->name.data && (step->kind == STEP_EACH || at->any || step->index == at->index);
}

/* What is due behind that place: bit i as in mask_json.c. 0: nothing, or the rule is of another call. */
static uint32_t due_at(const struct path_rule *r, struct span call, const struct mask_step *place,
                       unsigned depth)
{
	uint32_t due = !r->call.len || span_eq(r->call, call);

	for (unsigned i = 0; i < depth && due; i++) {
		uint32_t next = due & (place[i].maybe ? UINT32_MAX : r->of_kind[STEP_DEEP]);

		for (uint32_t left = due & ~(1u << r->count); left; left &= left - 1) {
			unsigned step = (unsigned)__builtin_ctz(left);

			if (step_is(&r->steps[step], &place[i]))
				next |= 2u << step;
		}
		due = next;
	}
	return due;
}

const struct plan_mask_field *mask_rules_at(const struct mask_rules *rules, struct span call,
                                            const struct mask_step *place, unsigned depth, bool *input_masked)
{
	const struct plan_mask_field *hit = NULL;

	for (unsigned i = 0; i < rules->count; i++) {
		const struct path_rule *r = &rules->rules[i];

		if (!(due_at(r, call, place, depth) >> r->count & 1))
			continue;
		hit = hit ? hit : r->field;
		*input_masked |= hit->with != MASK_KEEP && r->field->model_input;
	}
	return hit;
}

bool mask_rules_inside(const struct mask_rules *rules, struct span call, const struct mask_step *place,
                       unsigned depth)
{
	for (unsigned i = 0; i < rules->count; i++) {
		const struct path_rule *r = &rules->rules[i];

		if (due_at(r, call, place, depth) & (r->of_kind[STEP_INDEX] | r->of_kind[STEP_EACH]))
			return true;
	}
	return false;
}

bool mask_rules_below(const struct mask_rules *rules, struct span call, const struct mask_step *place,
                      unsigned depth)
{
	for (unsigned i = 0; i < rules->count; i++) {
		const struct path_rule *r = &rules->rules[i];

		if (due_at(r, call, place, depth) & (r->of_kind[STEP_MEMBER] | r->of_kind[STEP_DEEP]))
			return true;
	}
	return false;
}

const struct plan_mask_field *mask_rules_form(const struct mask_rules *rules, struct span name,
                                              bool *input_masked)
{
	struct mask_step place = {.name = name};
	bool by_path = false;
	const struct plan_mask_field *hit = mask_rules_at(rules, SPAN(""), &place, 1, &by_path);

	for (uint32_t i = 0; i < rules->policy->field_count; i++) {
		const struct plan_mask_field *f = &rules->policy->fields[i];

		if (f->place != MASK_FORM || !span_eq(span_of(f->where), name))
			continue;
		by_path |= f->model_input;
		hit = !hit || f < hit ? f : hit;
	}
	if (!hit && rules->policy->allow)
		hit = &mask_unlisted;
	*input_masked |= hit && hit->with != MASK_KEEP && (by_path || hit->model_input);
	return hit;
}

static void put_sample(const struct path_rule *r, unsigned step, struct span value, struct buf *out)
{
	const struct path_step *s = &r->steps[step];
	bool member = step < r->count && (s->kind == STEP_MEMBER || s->kind == STEP_DEEP);

	if (step == r->count) {
		buf_json_string(out, value);
		return;
	}
	buf_puts(out, member ? "{" : "[");
	if (member) {
		buf_json_string(out, s->name);
		buf_puts(out, ":");
	}
	for (uint64_t i = 0; s->kind == STEP_INDEX && i < s->index; i++)
		buf_puts(out, "null,");
	put_sample(r, step + 1, value, out);
	buf_puts(out, member ? "}" : "]");
}

static bool in_an_object(const struct path_rule *r)
{
	return r->count && (r->steps[0].kind == STEP_MEMBER || r->steps[0].kind == STEP_DEEP);
}

static bool is_near(const struct path_rule *r)
{
	bool near = true;

	for (unsigned i = 0; i < r->count; i++)
		near &= r->steps[i].kind != STEP_INDEX || r->steps[i].index < SAMPLE_INDEX_MAX;
	return near;
}

bool mask_hides(const struct plan_mask_field *rule, size_t len)
{
	switch (rule->with) {
	case MASK_KEEP:
	case MASK_BLOCK:
	case MASK_DROP_RECORD:
		return false;
	case MASK_TRUNCATE:
	case MASK_CHARACTERS:
		return rule->by.amount < (double)len && -rule->by.amount < (double)len;
	default:
		return true;
	}
}

/* Is a value there hidden, and does nothing around or beside it in the sample ask for more than that? */
static bool is_hidden(const struct mask_rules *rules, const struct path_rule *r, size_t len)
{
	struct mask_step place[PATH_STEPS_MAX] = {{.index = 0}};
	bool input_masked;

	for (unsigned depth = 0; depth <= r->count; depth++) {
		const struct path_step *s = depth ? &r->steps[depth - 1] : NULL;
		uint64_t index = s && s->kind == STEP_INDEX ? s->index : 0;

		if (s && (s->kind == STEP_MEMBER || s->kind == STEP_DEEP))
			place[depth - 1].name = s->name;
		for (uint64_t i = 0; i <= index; i++) {
			const struct plan_mask_field *hit;

			if (s)
				place[depth - 1].index = i;
			hit = mask_rules_at(rules, SPAN(""), place, depth, &input_masked);
			if (hit && hit->with == MASK_KEEP && (depth < r->count || i < index))
				continue;
			if (hit && !mask_hides(hit, len))
				return false;
		}
	}
	return true;
}

void mask_rules_sample(const struct mask_rules *rules, struct span value, struct buf *out)
{
	const struct path_rule *alone = NULL;
	const char *before = "{";

	for (unsigned i = 0; i < rules->count; i++) {
		const struct path_rule *r = &rules->rules[i];

		if (r->call.len || !is_near(r) || !is_hidden(rules, r, value.len))
			continue;
		if (!in_an_object(r)) {
			alone = alone ? alone : r;
			continue;
		}
		buf_puts(out, before);
		buf_json_string(out, r->steps[0].name);
		buf_puts(out, ":");
		put_sample(r, 1, value, out);
		before = ",";
	}
	if (*before == ',')
		buf_puts(out, "}");
	else if (alone)
		put_sample(alone, 0, value, out);
	else
		buf_puts(out, "{}");
}
