/*
 * fuzz_mask_body.c - a head, a policy and any bytes: by rules alone, what a body becomes stays the same when
 * it can be read again (what is left of a text may begin like JSON); pieces are told of in order and whole.
 * The first byte picks head and policy.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/mask_body.h"
#include "capture/mask_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const heads[] = {
        "POST /\ncontent-type: application/json",
        "200\ncontent-type: application/x-ndjson",
        "200\ncontent-type: text/event-stream",
        "POST /\ncontent-type: application/x-www-form-urlencoded",
        "POST /\ncontent-type: multipart/form-data; boundary=b",
        "POST /\ncontent-type: text/plain",
        "POST /\ncontent-encoding: gzip",
        "POST /\ncontent-encoding: zstd\ncontent-type: text/event-stream",
};
enum { HEADS = sizeof heads / sizeof *heads, BODY_MAX = 1 << 14 };

static struct plan_mask policy;
static struct mask_key *key;
static struct mask_rules *rules[2]; /* without and with detectors */
static struct mask_finder *finder;

static void setup(void)
{
	static const uint8_t secret[32] = {3};

	policy.fields[0] =
	        (struct plan_mask_field){.place = MASK_PATH, .where = "$..user", .with = MASK_REDACT};
	policy.fields[1] = (struct plan_mask_field){.place = MASK_FORM, .where = "mail", .with = MASK_DROP};
	policy.field_count = 2;
	policy.detect.with = MASK_REDACT;
	policy.detect.find.min_score = 50;
	if (!detect_set_add_name(&policy.detect.find.classes, "email") || mask_key_new(secret, &key) ||
	    mask_finder_new(&policy, SPAN(""), &finder) || mask_rules_new(&policy, &rules[0]) ||
	    mask_rules_new(&policy, &rules[1]))
		abort();
	mask_rules_find(rules[1], finder);
}

struct told {
	size_t brought, masked;
};

static void done(void *arg, size_t brought, size_t masked)
{
	struct told *p = arg;

	if (brought < p->brought || masked < p->masked)
		abort();
	*p = (struct told){brought, masked};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told progress = {0}, again = {0};
	struct buf once, twice;
	struct mask_body form;
	bool input_masked;
	uint32_t count;

	if (!key)
		setup();
	if (size < 1 || size > BODY_MAX)
		return 0;
	if (mask_body_of(span_of(heads[data[0] % HEADS]), &form))
		abort();
	form.limit_bytes = BODY_MAX * 4;
	buf_init(&once, BODY_MAX * 64);
	buf_init(&twice, BODY_MAX * 64);
	const struct mask_rules *with = rules[data[0] / HEADS % 2];
	if (!mask_body(&form, with, key, (struct span){(const char *)data + 1, size - 1}, done, &progress,
	               &once, &count, &input_masked)) {
		if (progress.brought > size - 1 || progress.masked > buf_len(&once))
			abort();
		form.limit_bytes = BODY_MAX * 64;
		if (with == rules[0] && !form.coding[0] &&
		    !mask_body(&form, with, key, buf_span(&once), done, &again, &twice, &count,
		               &input_masked) &&
		    !span_eq(buf_span(&once), buf_span(&twice)))
			abort();
	}
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
