/*
 * fuzz_mask_grpc.c - a policy and any Open Inference message: what mask_message lets out masks to itself
 * again, and protobuf-c finds no string in an answer's tensors that the policy names. The first byte picks
 * policy and side.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/mask.h"
#include "proto/protobuf.h"
#include "replay/oip_grpc.h"

enum { BODY_MAX = 1 << 12, RULES_MAX = 4, POLICIES = 8, TENSORS_POLICIES = 4, DROPPING = 4, WHOLE = 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of an answer the first ones mask every element of every tensor. */
static const char *const policies[POLICIES][RULES_MAX] = {
        {"R$..data"},
        {"R$..bytes_contents[*]"},
        {"R$..raw_output_contents"},
        {"R$..outputs[*].contents", "R$.id"},
        {"D$..parameters", "R$..name"},
        {"R$.inputs[*].data[1]", "R$.parameters.k", "D$..string_param"},
        {"D$.inputs[*].contents", "R$..raw_input_contents[0]"},
        {"R$"},
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

static void check_tensors(struct span message)
{
	struct oip_answer answer;
	bool failed;
	int err = oip_grpc_read(message, OIP_GRPC_EITHER, 1 << 20, &answer, &failed);

	for (unsigned i = 0; !err && i < answer.count; i++) {
		const struct oip_tensor *t = &answer.tensors[i];

		if (!span_eq(t->datatype, SPAN("BYTES")))
			continue;
		for (size_t e = 0; e < t->count; e++)
			if (!span_eq(t->texts[e], SPAN("[redacted]")))
				abort();
	}
	oip_fini(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mask_call tensors = {.how = MASK_BY_TENSOR};
	static const uint8_t secret[32] = {1};
	static struct mask_key *key;
	static struct plan_mask policy;
	struct mask_rules *rules;
	struct grpc_message message, again;
	struct buf out, twice;
	bool request, input;
	unsigned which;
	uint32_t count;
	int err;

	if (size < 1 || size > BODY_MAX || (!key && mask_key_new(secret, &key)))
		return 0;
	which = data[0] % POLICIES;
	request = data[0] / POLICIES % 2;
	message = (struct grpc_message){data[0] / POLICIES / 2 % 2, {(const char *)data + 1, size - 1}};
	policy_fill(&policy, policies[which]);
	if (mask_rules_new(&policy, &rules))
		abort();
	buf_init(&out, BODY_MAX * 32);
	buf_init(&twice, BODY_MAX * 64);
	err = mask_message(rules, key, &tensors, request, SPAN("gzip"), &message, &out, &count, &input);
	if (!err) {
		if (grpc_next(buf_span(&out), SIZE_MAX, &again) != (long)buf_len(&out) || again.compressed)
			abort();
		if (count && !input)
			abort();
		if (!request && which < TENSORS_POLICIES)
			check_tensors(again.bytes);
		/* an answer that lost a field may look wrapped where it did not; raw contents whose datatype
		 * is masked cannot be read */
		if ((request || which != DROPPING) && which != WHOLE &&
		    (mask_message(rules, key, &tensors, request, SPAN(""), &again, &twice, &count, &input) ||
		     !span_eq(buf_span(&out), buf_span(&twice))))
			abort();
	}
	mask_rules_free(&rules);
	buf_fini(&out);
	buf_fini(&twice);
	return 0;
}
