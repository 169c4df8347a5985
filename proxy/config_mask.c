/* Operators of masking policies, and rules that could never act. */
#include <stdlib.h>
#include <string.h>

#include "capture/mask.h"
#include "capture/mask_inside.h"
#include "capture/mask_schema.h"
#include "proto/json_edit.h"
#include "proxy/config_inside.h"

enum { RECOGNISER_OUTPUT = 64 << 10 }; /* of what it says on stderr before it serves */

static const struct mask_operator_row *operator_of(uint32_t with)
{
	return &mask_operators[with < MASK_OPERATORS ? with : MASK_REDACT];
}

static const char *hint_of(enum mask_argument by)
{
	switch (by) {
	case BY_TEXT:
		return "add by: 'the text', of at most 63 bytes without controls";
	case BY_COUNT:
		return "by: 4 is a number of characters";
	case BY_NUMBER:
		return "by: 10 is a number over 0";
	case BY_DAYS:
		return "by: 30 is a number of days";
	case BY_UNIT:
		return "by is year, month, day, hour or minute";
	case BY_NAMES:
		return "by is person, first_name, last_name or city";
	default:
		return "leave 'by' out";
	}
}

static void read_by(struct cfg *c, const struct cfg_node *n, struct plan_mask_field *f)
{
	const struct cfg_node *by = cfg_child(n, "by");
	const char *text = by ? config_text(c, "by", by) : "";

	if (text && mask_by_read(f->with, text, &f->by))
		cfg_fail(c, by ? by : n, hint_of(operator_of(f->with)->by), "'%s' cannot be by '%.80s'",
		         operator_of(f->with)->name, text);
}

static void read_class(struct cfg *c, const struct cfg_node *as, struct plan_mask_field *f)
{
	const char *text = as ? config_text(c, "as", as) : NULL;

	for (unsigned i = 1; text && i < DETECT_CLASSES; i++)
		if (strcmp(text, detect_class_name(i)) == 0)
			f->by.class = i;
	if (text && !f->by.class)
		cfg_fail(c, as, "classes are listed by check --manual, under DETECTORS",
		         "there is no detector '%.80s'", text);
}

static void read_subject(struct cfg *c, const struct cfg_node *subject, struct plan_mask_field *f)
{
	const char *text = subject ? config_text(c, "subject", subject) : NULL;

	if (!text)
		return;
	if (f->with != MASK_SHIFT_DATE || f->place != MASK_PATH || f->where[0] != '$')
		cfg_fail(c, subject, "leave it out, or use with: shift_date and a path",
		         "'subject' is for dates in JSON bodies");
	else if (strlen(text) >= sizeof f->by.subject || json_edit_check(text))
		cfg_fail(c, subject, "a place such as $.user.id or $.items[0].id",
		         "'%.80s' is not a path of one place", text);
	else
		strcpy(f->by.subject, text);
}

static void check_place(struct cfg *c, const struct cfg_node *n, const struct plan_mask_field *f)
{
	bool by_number = f->where[strspn(f->where, "0123456789")] == '\0';

	if (f->place == MASK_HEADER && f->with == MASK_KEEP && mask_is_credential(span_of(f->where)))
		cfg_fail(c, cfg_child(n, "header"),
		         "name single cookies with 'cookie', or leave the rule out",
		         "'%.80s' is a credential: it is always dropped", f->where);
	else if (f->place == MASK_HEADER && mask_is_framing(span_of(f->where)))
		cfg_fail(c, cfg_child(n, "header"), "leave the rule out: a copy has framing of its own",
		         "'%.80s' cannot match: it is not in a copy", f->where);
	else if (f->place == MASK_SEGMENT && by_number && strtoul(f->where, NULL, 10) == 0)
		cfg_fail(c, cfg_child(n, "segment"), "the first segment is 1", "segment '%.80s' cannot match",
		         f->where);
	else if (f->place == MASK_SEGMENT && (f->with == MASK_DROP || strchr(f->where, '/')))
		cfg_fail(c, cfg_child(n, "segment"), "use redact, and one segment",
		         f->with == MASK_DROP ? "a segment cannot be dropped: those behind it would move"
		                              : "a segment holds no '/'");
	else if (f->place == MASK_COOKIE && strpbrk(f->where, "=; \t,\""))
		cfg_fail(c, cfg_child(n, "cookie"), "write its name alone, such as session",
		         "'%.80s' cannot match: no cookie is called that", f->where);
}

void config_mask_operator(struct cfg *c, const struct cfg_node *n, struct plan_mask_field *f)
{
	read_by(c, n, f);
	read_class(c, cfg_child(n, "as"), f);
	read_subject(c, cfg_child(n, "subject"), f);
	check_place(c, n, f);
}

static bool covers(const struct plan_mask_field *first, const struct plan_mask_field *later)
{
	if (first->place != later->place || first->with == MASK_KEEP)
		return first->place == later->place && strcmp(first->where, later->where) == 0;
	return first->place == MASK_PATH ? mask_path_covers(first->where, later->where)
	                                 : strcmp(first->where, later->where) == 0;
}

/* A value is masked once, by the first rule, and is not looked into. */
static void check_reach(struct cfg *c, const struct cfg_node *n, const struct plan_mask *m)
{
	for (uint32_t later = 1; later < m->field_count; later++) {
		const struct cfg_node *at = config_item(n, "fields", later);

		for (uint32_t first = 0; first < later; first++) {
			if (!covers(&m->fields[first], &m->fields[later]))
				continue;
			cfg_fail(c, at, "take one of them away",
			         "'%.80s' cannot match: '%.80s' above masks all of it",
			         m->fields[later].where, m->fields[first].where);
			break;
		}
	}
}

void config_recogniser_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_recogniser *r = at;

	r->sandbox.output_bytes = RECOGNISER_OUTPUT;
	config_sandbox_program(c, n, &r->sandbox, "recogniser");
}

/* One goes with the other. */
static void check_recogniser(struct cfg *c, const struct cfg_node *n, const struct plan_mask *m)
{
	const struct cfg_node *free_text = cfg_child(n, "free_text"), *own = cfg_child(n, "recogniser");
	bool wanted = m->detect.free_text == FREE_TEXT_RECOGNISE;

	if (wanted && !own)
		cfg_fail(c, free_text, "add recogniser: {command: [python3, ner.py], ro: [models]}",
		         "'free_text: recogniser' and there is none");
	if (!wanted && own)
		cfg_fail(c, own->key, "add free_text: recogniser", "nobody asks the recogniser");
}

static bool is_class(const char *name)
{
	struct detect_set set = {{0, 0}};

	return detect_set_add_name(&set, name);
}

void config_pattern_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct detect_pattern *p = at;
	const struct cfg_node *name = cfg_child(n, "name"), *regex = cfg_child(n, "regex");
	char why[PATTERN_WHY_BYTES];
	struct patterns *compiled;
	const char *lacks;

	if (!p->name[0] || !p->regex[0])
		return;
	if (is_class(p->name))
		cfg_fail(c, name, "choose another name", "'%.60s' is the name of a detector", p->name);
	if (!patterns_engine(&lacks))
		cfg_fail(c, n->key ? n->key : n, lacks, "patterns are not supported here");
	else if (patterns_new(p, 1, &compiled, why))
		cfg_fail(c, regex, "PCRE without look-around and back references; it must not match nothing",
		         "pattern '%.60s': %s", p->name, why);
	else
		patterns_free(&compiled);
}

/* Names differ, and all of them fit together. */
static void check_patterns(struct cfg *c, const struct cfg_node *n, const struct plan_detect *d)
{
	char why[PATTERN_WHY_BYTES];
	struct patterns *all;

	for (uint32_t i = 1; i < d->pattern_count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(d->patterns[i].name, d->patterns[j].name))
				cfg_fail(c, config_item(n, "patterns", i), "choose another name",
				         "there are two patterns '%.60s'", d->patterns[i].name);
	if (!d->pattern_count || cfg_errors(c))
		return;
	if (patterns_new(d->patterns, d->pattern_count, &all, why))
		cfg_fail(c, cfg_child(n, "patterns"), "make them simpler, or fewer",
		         "all patterns together: %s", why);
	patterns_free(&all);
}

static void tell_misfit(struct cfg *c, const struct cfg_node *n, const struct plan_mask_field *f,
                        enum mask_misfit misfit, size_t at, const char *near)
{
	switch (misfit) {
	case MISFIT_CALL:
		cfg_fail(c, n, "SERVICE with its package, as in /notes.Notes/Put; or numbers alone",
		         "'%.80s' cannot match: the descriptors have no such call", f->where);
		return;
	case MISFIT_NAME:
		cfg_fail(c, n, "add descriptors: FILE, or use numbers, as in $.1.3",
		         "'%.80s' cannot match: nothing says which field '%.40s' is", f->where,
		         f->where + at);
		return;
	case MISFIT_DEEP:
		cfg_fail(c, n, "add descriptors: FILE, or write all of the way, as in $.1.3",
		         "'%.80s' cannot match: without descriptors no message is told from a text",
		         f->where);
		return;
	case MISFIT_FIELD:
		cfg_fail(c, n, near[0] ? near : "name a field, or an element [*] of a list",
		         "'%.80s' cannot match from byte %zu, '%.40s'", f->where, at + 1, f->where + at);
		return;
	case MISFIT_NUMBER:
		cfg_fail(c, n, "shape, bucket, noise, constant, redact, null and drop can",
		         "'%s' cannot stand for a number, which '%.80s' is", operator_of(f->with)->name,
		         f->where);
		return;
	case MISFIT_NONE:
		return;
	}
}

/* Paths for gRPC calls, by names that descriptors have, or by number. */
static void check_calls(struct cfg *c, const struct cfg_node *n, struct plan_mask *m)
{
	const struct cfg_node *file = cfg_child(n, "descriptors");
	struct mask_schema *schema = NULL;
	char near[GUESS_HINT_BYTES];
	enum mask_misfit misfit;
	size_t at;

	if (file && m->descriptors_file[0])
		schema = config_check_descriptors(c, file, m);
	for (uint32_t i = 0; (schema || !file) && i < m->field_count; i++) {
		const struct plan_mask_field *f = &m->fields[i];
		const struct cfg_node *item = config_item(n, "fields", i);

		if (f->place != MASK_PATH)
			continue;
		misfit = mask_schema_check(schema, f, &at, near);
		tell_misfit(c, cfg_child(item, "path"), f, misfit, at, near);
	}
	mask_schema_free(&schema);
}

void config_mask_check(struct cfg *c, const struct cfg_node *n, struct plan_mask *m)
{
	const struct cfg_node *detected = cfg_child(n, "detected"), *mode = cfg_child(n, "mode");
	bool keeps = false;

	if (!operator_of(m->detect.with)->finds || mask_by_read(m->detect.with, "", &m->detect.by))
		cfg_fail(c, detected, "token, redact, drop, type, mask, shape and generalise can",
		         "'%s' cannot stand for what was found in a text", operator_of(m->detect.with)->name);
	for (uint32_t i = 0; i < m->field_count; i++)
		keeps |= m->fields[i].with == MASK_KEEP;
	if (m->allow && !keeps)
		cfg_warn(c, mode, "add fields with: keep",
		         "'mode: allow' and no field is kept: every value of a "
		         "body is redacted");
	check_reach(c, n, m);
	check_patterns(c, n, &m->detect);
	check_recogniser(c, n, m);
	check_calls(c, n, m);
}

/* --- the headline --- */

/* Where each request of a protocol has what its model reads: one of these. */
static const struct {
	enum protocol protocol;
	const char *path;
} inputs[] = {
        {PROTOCOL_OPENINFERENCE, "$.inputs[*].data"},
        {PROTOCOL_OPENAI, "$.messages[*].content"},
        {PROTOCOL_OPENAI, "$.prompt"},
        {PROTOCOL_OPENAI, "$.input"},
        {PROTOCOL_ANTHROPIC, "$.messages[*].content"},
        {PROTOCOL_OLLAMA, "$.messages[*].content"},
        {PROTOCOL_OLLAMA, "$.prompt"},
        {PROTOCOL_TFSERVING, "$.instances"},
        {PROTOCOL_TFSERVING, "$.inputs"},
        {PROTOCOL_KSERVE_V1, "$.instances"},
        {PROTOCOL_KSERVE_V1, "$.inputs"},
        {PROTOCOL_TGI, "$.inputs"},
        {PROTOCOL_TGI, "$.text_input"},
};

/* Does the rule stand for all of an input, or for each element of it? */
static bool is_input(const struct plan_route *r, const struct plan_mask_field *f)
{
	char elements[64];

	for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
		snprintf(elements, sizeof elements, "%s[*]", inputs[i].path);
		if ((r->protocol == PROTOCOL_AUTO || r->protocol == inputs[i].protocol) &&
		    f->place == MASK_PATH &&
		    (mask_path_covers(f->where, inputs[i].path) || mask_path_covers(f->where, elements)))
			return true;
	}
	return false;
}

/* What of a policy masks the input of every request, or NULL. */
static const char *empties(const struct plan_route *r, const struct plan_mask *m)
{
	bool kept = false;

	for (uint32_t i = 0; i < m->field_count; i++) {
		const struct plan_mask_field *f = &m->fields[i];

		kept |= f->with == MASK_KEEP;
		if (f->with != MASK_KEEP && f->model_input && is_input(r, f))
			return f->where;
	}
	return m->allow && !kept ? "mode: allow" : NULL;
}

/* A pair whose model input was masked can only be compared with a baseline that read the same. */
void config_headline_check(struct cfg *c, const struct cfg_node *n, const struct plan_route *r)
{
	const struct plan_mask *m = &config_plan(c)->masks[r->mask];
	const struct cfg_node *named = cfg_child(cfg_child(n, "mirror"), "mask");
	bool baseline = false;

	for (uint32_t i = 0; i < r->candidate_count; i++)
		baseline |= r->candidates[i].baseline;
	if (!r->mirror || r->candidate_count == 0 || baseline)
		return;
	if (empties(r, m)) {
		cfg_fail(c, named,
		         "add a candidate with role: baseline, or say model_input: no if the model does not "
		         "read it",
		         "the mask '%s' masks what the model reads ('%.80s'): no pair would be compared",
		         m->name, empties(r, m));
		return;
	}
	if (mask_finds(m) && named)
		cfg_warn(c, named, "add a candidate with role: baseline",
		         "the mask '%s' changes what the model reads where a detector finds something: such "
		         "pairs "
		         "are not compared",
		         m->name);
	for (uint32_t i = 0; i < m->field_count; i++) {
		if (m->fields[i].place == MASK_HEADER || m->fields[i].place == MASK_QUERY ||
		    !m->fields[i].model_input)
			continue;
		cfg_warn(c, named,
		         "add a candidate with role: baseline, or say model_input: no if the model does not "
		         "read it",
		         "the mask '%s' changes what the model reads ('%.80s'): where it does, no pair is "
		         "compared",
		         m->name, m->fields[i].where);
		return;
	}
}
