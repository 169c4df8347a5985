/* A hostile answer of TensorFlow Serving over gRPC: each tensor holds what its shape says, and equals itself.
 */
#include <stdint.h>
#include <stdlib.h>

#include "replay/compare.h"
#include "replay/tfs_grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tensor(const struct oip_tensor *t, struct span message)
{
	uint64_t count = 1;

	for (unsigned i = 0; i < t->rank; i++)
		count *= t->shape[i];
	if (t->rank > OIP_RANK_MAX || count != t->count || !t->values == !t->texts)
		abort();
	for (size_t i = 0; t->texts && i < t->count; i++)
		if (t->texts[i].len > message.len + OIP_RANK_MAX + 8)
			abort();
}

static void check_self(struct span message, const char *target)
{
	struct plan_route route = {.protocol = PROTOCOL_TFSERVING};
	struct answer live = {.grpc = true,
	                      .content_type = SPAN("application/grpc"),
	                      .target = span_of(target),
	                      .body = message};
	struct answer candidate = live;
	struct comparison c;

	if (!compare_pair(&route, &live, &candidate, 1 << 22, &c) && (c.diverged || c.where[0]))
		abort();
	comparison_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oip_answer a;
	struct span message;

	if (size < 1 || size > 1 << 14)
		return 0;
	message = (struct span){(const char *)data + 1, size - 1};
	if (!tfs_grpc_read(message, data[0] % 3, 1 << 22, &a))
		for (unsigned i = 0; i < a.count; i++)
			check_tensor(&a.tensors[i], message);
	oip_fini(&a);
	check_self(message, data[0] % 3 == 0   ? "/tensorflow.serving.PredictionService/Predict"
	                    : data[0] % 3 == 1 ? "/tensorflow.serving.PredictionService/Classify"
	                                       : "/tensorflow.serving.PredictionService/Regress");
	return 0;
}
