/* Whatever a request is, its features are printable and keep their bounds, and so does what counts them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "replay/auto_slices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct auto_slices slices;
	struct auto_features f;
	unsigned proposed[AUTO_PROPOSED];

	auto_features_of((struct span){(const char *)data, len}, &f);
	if (f.count > AUTO_FEATURES)
		abort();
	for (uint32_t i = 0; i < f.count; i++)
		for (size_t at = 0; at == 0 || f.at[i][at]; at++)
			if (at >= AUTO_FEATURE_BYTES - 1 || f.at[i][at] < ' ' || f.at[i][at] > '~')
				abort();
	auto_count(&slices, &f, auto_half_of(len), len & 1);
	if (slices.count > AUTO_COUNTED || auto_proposed(&slices, proposed) > AUTO_PROPOSED)
		abort();
	return 0;
}
