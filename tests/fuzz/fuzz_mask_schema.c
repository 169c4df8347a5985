/*
 * fuzz_mask_schema.c - any bytes as descriptors, and any message under rules by their names or by number:
 * what leaves is whole, and nothing in it is left to be masked. The first byte picks rules, the next two are
 * the length of the descriptors.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/mask_schema.h"

enum { INPUT_MAX = 1 << 12, RULES_MAX = 3, POLICIES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const policies[POLICIES][RULES_MAX] = {
        {"R$..name"},
        {"R$.user.name", "D$.list[1]"},
        {"D$..1"},
        {"R$"},
        {"R/a.S/M$.1.1", "R/a.S/M$.2[0].3"},
        {"R/a.S/M$.1", "D/a.S/M$.3.3"},
        {"R$.map.k.name", "R$..list[*]"},
        {"R/a.S/M$.user.name"},
};

static void policy_fill(struct plan_mask *policy, const char *const *rules)
{
	*policy = (struct plan_mask){0};
	for (size_t i = 0; i < RULES_MAX && rules[i]; i++) {
		struct plan_mask_field *f = &policy->fields[policy->field_count++];

		f->with = rules[i][0] == 'D' ? MASK_DROP : MASK_REDACT;
		f->model_input = true;
		snprintf(f->where, sizeof f->where, "%s", rules[i] + 1);
	}
}

static void mask_twice(const struct mask_rules *rules, struct mask_key *key, struct span bytes)
{
	const struct mask_call call =
	        mask_call_of(rules, SPAN("POST /a.S/M\ncontent-type: application/grpc"), 0);
	struct grpc_message message = {.bytes = bytes}, again;
	struct buf once, twice;
	uint32_t count;
	bool input;

	if (call.how == MASK_UNREAD)
		return;
	buf_init(&once, INPUT_MAX * 64);
	buf_init(&twice, INPUT_MAX * 128);
	if (!mask_message(rules, key, &call, true, SPAN(""), &message, &once, &count, &input)) {
		if (grpc_next(buf_span(&once), SIZE_MAX, &again) != (long)buf_len(&once) ||
		    again.compressed || (count && !input))
			abort();
		if (mask_message(rules, key, &call, true, SPAN(""), &again, &twice, &count, &input) ||
		    !span_eq(buf_span(&once), buf_span(&twice)))
			abort();
	}
	buf_fini(&once);
	buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32] = {1};
	static struct mask_key *key;
	static struct plan_mask policy;
	char why[SCHEMA_WHY_BYTES], near[GUESS_HINT_BYTES];
	struct mask_schema *schema = NULL;
	struct mask_rules *rules;
	size_t len, at;

	if (size < 3 || size > INPUT_MAX || (!key && mask_key_new(secret, &key)))
		return 0;
	len = (size_t)data[1] | (size_t)data[2] << 8;
	if (len > size - 3)
		return 0;
	policy_fill(&policy, policies[data[0] % POLICIES]);
	if (mask_rules_new(&policy, &rules))
		abort();
	if (mask_schema_new((struct span){(const char *)data + 3, len}, &schema, why) && schema)
		abort();
	for (uint32_t i = 0; i < policy.field_count; i++)
		(void)mask_schema_check(schema, &policy.fields[i], &at, near);
	if (!mask_rules_describe(rules, schema))
		mask_twice(rules, key, (struct span){(const char *)data + 3 + len, size - 3 - len});
	mask_rules_free(&rules);
	mask_schema_free(&schema);
	return 0;
}
