/*
 * fuzz_mask.c - a policy and any bytes: what mask_json lets out is, token for token, what a naive second
 * reading of the policy lets out, and nothing else. The first byte picks the policy.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/mask.h"
#include "proto/json.h"

enum { TOKENS_MAX = 1 << 14, RULES_MAX = 6, BODY_MAX = 1 << 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Operator first: Token, Redact, Drop; lower case: the model does not read it. */
static const char *const policies[][RULES_MAX] = {
        {"T$.user", "R$.mail", "D$.gone"},
        {"T$..user", "D$..gone"},
        {"D$.a[*].b", "t$.a[1]", "R$.a[*][0]"},
        {"T$"},
        {"D$..a", "T$.a.b", "r$..b[*]"},
        {"R$[*]", "D$[*].x"},
        {"d$.inputs[*].parameters", "T$.inputs[*].data[*]", "T$..name"},
        {"D$..a..b", "T$..b..a", "R$..a[0]"},
};
enum { POLICIES = sizeof policies / sizeof *policies };

struct step {
	struct span key; /* token; data NULL: an index */
	uint64_t index;
};

struct shape {
	enum json_token type;
	struct span text;
	const struct plan_mask_field *rule; /* put in place of the text */
};

struct oracle {
	const struct plan_mask *policy;
	struct json_reader in;
	struct step steps[JSON_DEPTH_MAX + 1];
	size_t depth, count;
	uint32_t masked;
	bool input_masked;
	struct shape shapes[TOKENS_MAX];
};

static bool matches(const char *pattern, const struct step *at, size_t left)
{
	size_t n;

	if (*pattern == '\0' || left == 0)
		return *pattern == '\0' && left == 0;
	if (*pattern == '[') {
		bool hit = pattern[1] == '*' || strtoull(pattern + 1, NULL, 10) == at->index;

		return !at->key.data && hit && matches(strchr(pattern, ']') + 1, at + 1, left - 1);
	}
	if (pattern[1] == '.')
		return matches(pattern + 1, at, left) || matches(pattern, at + 1, left - 1);
	n = strcspn(pattern + 1, ".[");
	return at->key.data && json_string_eq(at->key, (struct span){pattern + 1, n}) &&
	       matches(pattern + 1 + n, at + 1, left - 1);
}

static const struct plan_mask_field *rule_here(struct oracle *o)
{
	const struct plan_mask_field *first = NULL;

	for (uint32_t i = 0; i < o->policy->field_count; i++) {
		const struct plan_mask_field *f = &o->policy->fields[i];

		if (!matches(f->where + 1, o->steps, o->depth))
			continue;
		first = first ? first : f;
		o->input_masked |= f->model_input;
	}
	o->masked += first != NULL;
	return first;
}

static void push(struct oracle *o, enum json_token type, struct span text, const struct plan_mask_field *rule)
{
	if (o->count == TOKENS_MAX)
		abort();
	o->shapes[o->count++] = (struct shape){type, text, rule};
}

static int value(struct oracle *o, enum json_token first, bool asked);

static int member(struct oracle *o, struct span key)
{
	const struct plan_mask_field *rule;
	enum json_token token;
	int err;

	o->steps[o->depth++] = (struct step){key, 0};
	rule = rule_here(o);
	err = json_next(&o->in, &token);
	if (!err && rule && rule->with == MASK_DROP) {
		err = json_skip(&o->in, token);
	} else if (!err) {
		push(o, JSON_KEY, key, NULL);
		if (rule) {
			uint64_t from = o->in.scanner.start;

			err = json_skip(&o->in, token);
			push(o, token, (struct span){o->in.doc.data + from, o->in.scanner.end - from}, rule);
		} else {
			err = value(o, token, true);
		}
	}
	o->depth--;
	return err;
}

/* `asked`: the policy was asked about this place already. */
static int value(struct oracle *o, enum json_token first, bool asked)
{
	const struct plan_mask_field *rule = asked ? NULL : rule_here(o);
	uint64_t from = o->in.scanner.start, index = 0;
	enum json_token token = JSON_MORE;
	int err = 0;

	if (rule) {
		err = json_skip(&o->in, first);
		push(o, first, (struct span){o->in.doc.data + from, o->in.scanner.end - from}, rule);
		return err;
	}
	push(o, first, o->in.text, NULL);
	if (first != JSON_OBJECT && first != JSON_ARRAY)
		return 0;
	while (!err && !(err = json_next(&o->in, &token)) && token != JSON_OBJECT_END &&
	       token != JSON_ARRAY_END) {
		if (token == JSON_KEY) {
			err = member(o, o->in.text);
			continue;
		}
		o->steps[o->depth++] = (struct step){{NULL, 0}, index++};
		err = value(o, token, false);
		o->depth--;
	}
	if (!err)
		push(o, token, o->in.text, NULL);
	return err;
}

static int oracle_run(struct oracle *o, const struct plan_mask *policy, struct span body)
{
	enum json_token token;
	int err;

	o->policy = policy;
	o->depth = o->count = 0;
	o->masked = 0;
	o->input_masked = false;
	json_reader_init(&o->in, body, JSON_NONFINITE);
	err = json_next(&o->in, &token);
	if (!err)
		err = value(o, token, false);
	if (!err)
		err = json_next(&o->in, &token);
	return err;
}

/* The text that stands for a masked value. */
static void stand_in(struct mask_key *key, const struct shape *s, struct buf *out)
{
	struct buf plain;
	char token[25];

	buf_init(&plain, BODY_MAX);
	buf_reset(out);
	if (s->rule->with == MASK_REDACT)
		buf_puts(out, "\"[redacted]\"");
	if (s->rule->with == MASK_DROP)
		buf_puts(out, "null");
	if (s->rule->with == MASK_TOKEN) {
		if (s->type == JSON_STRING)
			json_unescape(s->text, &plain);
		mask_token(key, span_of(s->rule->where), s->type == JSON_STRING ? buf_span(&plain) : s->text,
		           token);
		buf_printf(out, "\"%s\"", token);
	}
	buf_fini(&plain);
}

static void compare(const struct oracle *o, struct mask_key *key, struct span out)
{
	struct json_reader r;
	enum json_token token;
	struct buf want;

	buf_init(&want, BODY_MAX);
	json_reader_init(&r, out, JSON_NONFINITE);
	for (size_t i = 0; i < o->count; i++) {
		const struct shape *s = &o->shapes[i];

		if (json_next(&r, &token))
			abort();
		if (s->rule)
			stand_in(key, s, &want);
		if (!span_eq(r.text, s->rule ? buf_span(&want) : s->text))
			abort();
	}
	if (json_next(&r, &token) || token != JSON_END)
		abort();
	buf_fini(&want);
}

static void policy_fill(struct plan_mask *policy, const char *const *rules)
{
	*policy = (struct plan_mask){0};
	for (size_t i = 0; i < RULES_MAX && rules[i]; i++) {
		struct plan_mask_field *f = &policy->fields[policy->field_count++];
		char op = rules[i][0];

		f->model_input = op < 'a';
		f->with = (op | 32) == 't' ? MASK_TOKEN : (op | 32) == 'd' ? MASK_DROP : MASK_REDACT;
		snprintf(f->where, sizeof f->where, "%s", rules[i] + 1);
	}
}

/* A string that may hold JSON, which this second reading does not look into (fuzz_mask_body does). */
static bool holds_json(struct span body)
{
	struct json_reader in;
	enum json_token token = JSON_MORE;
	bool holds = false;

	json_reader_init(&in, body, JSON_NONFINITE);
	while (!holds && token != JSON_END && !json_next(&in, &token)) {
		struct buf text;

		buf_init(&text, BODY_MAX);
		if (token == JSON_STRING)
			json_unescape(in.text, &text);
		for (size_t i = 0; i < buf_len(&text) && !holds; i++) {
			holds = text.base[i] == '{' || text.base[i] == '[';
			if (!text.base[i] || !strchr(" \t\r\n", text.base[i]))
				break;
		}
		buf_fini(&text);
	}
	return holds;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32] = {1};
	static struct mask_key *key;
	static struct plan_mask policy;
	struct mask_rules *rules;
	static struct oracle o;
	bool input_masked;
	uint32_t count;
	struct buf out;
	int err, expected;

	if (size < 1 || size > BODY_MAX || (!key && mask_key_new(secret, &key)))
		return 0;
	struct span body = {(const char *)data + 1, size - 1};
	if (holds_json(body))
		return 0;
	policy_fill(&policy, policies[data[0] % POLICIES]);
	if (mask_rules_new(&policy, &rules))
		abort();
	buf_init(&out, BODY_MAX * 32);
	expected = oracle_run(&o, &policy, body);
	err = mask_json(rules, key, body, &out, &count, &input_masked);
	if (!err != !expected)
		abort();
	if (!err) {
		if (count != o.masked || input_masked != o.input_masked)
			abort();
		compare(&o, key, buf_span(&out));
	}
	mask_rules_free(&rules);
	buf_fini(&out);
	return 0;
}
