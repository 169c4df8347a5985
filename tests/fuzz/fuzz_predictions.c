/* A hostile answer to :predict: each tensor holds what its shape says, and it never diverges from itself. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "replay/compare.h"
#include "replay/predictions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tensor(const struct oip_tensor *t)
{
	uint64_t count = 1;

	for (unsigned i = 0; i < t->rank; i++)
		count *= t->shape[i];
	if (t->rank > OIP_RANK_MAX || count != t->count || (t->values && t->texts))
		abort();
}

static void check_self(struct span body, struct span same)
{
	struct plan_route route = {.protocol = PROTOCOL_TFSERVING};
	struct answer live = {.status = 200, .body = body}, candidate = {.status = 200, .body = same};
	struct comparison c;

	if (!compare_pair(&route, &live, &candidate, SIZE_MAX, &c) && (c.diverged || c.where[0]))
		abort();
	comparison_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span body = {(const char *)data, size};
	struct oip_answer a;
	struct buf other;

	if (size > 1 << 14)
		return 0;
	if (!predictions_read(body, SIZE_MAX, &a))
		for (unsigned i = 0; i < a.count; i++)
			check_tensor(&a.tensors[i]);
	oip_fini(&a);
	buf_init(&other, size + 1);
	buf_puts(&other, " "); /* other bytes of the same meaning */
	buf_span_put(&other, body);
	check_self(body, buf_span(&other));
	buf_fini(&other);
	return 0;
}
