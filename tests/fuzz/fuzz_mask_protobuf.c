/*
 * fuzz_mask_protobuf.c - any bytes as a message of a call that nobody knows: what leaves is a protobuf as
 * long as what came is, can be masked again, or refused.
 */
#include <stdint.h>
#include <stdlib.h>

#include "capture/mask.h"
#include "capture/mask_text.h"

enum { MESSAGE_MAX = 1 << 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct plan_mask policy;
static struct mask_key *key;
static struct mask_rules *rules;
static struct mask_finder *finder;

static void setup(void)
{
	static const uint8_t secret[32] = {3};

	policy.detect.with = MASK_REDACT;
	policy.detect.find.min_score = 50;
	if (!detect_set_add_name(&policy.detect.find.classes, "email") || mask_key_new(secret, &key) ||
	    mask_finder_new(&policy, SPAN(""), &finder) || mask_rules_new(&policy, &rules))
		abort();
	mask_rules_find(rules, finder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct grpc_message message = {.bytes = {(const char *)data, size}}, again;
	struct buf once, twice;
	bool input_masked;
	uint32_t count;
	int err;

	if (!key)
		setup();
	if (size > MESSAGE_MAX)
		return 0;
	buf_init(&once, MESSAGE_MAX * 64);
	buf_init(&twice, MESSAGE_MAX * 64);
	if (!mask_protobuf(rules, key, SPAN(""), &message, &once, &count, &input_masked)) {
		if ((count > 0) != input_masked ||
		    (!count &&
		     !span_eq(
		             (struct span){once.base + GRPC_PREFIX_BYTES, buf_len(&once) - GRPC_PREFIX_BYTES},
		             message.bytes) &&
		     buf_len(&once) > size + GRPC_PREFIX_BYTES))
			abort();
		if (grpc_next(buf_span(&once), SIZE_MAX, &again) != (long)buf_len(&once) || again.compressed)
			abort();
		err = mask_protobuf(rules, key, SPAN(""), &again, &twice, &count, &input_masked);
		if (err && err != ERR_UNSUPPORTED)
			abort();
	}
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
