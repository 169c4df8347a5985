/* Whatever a body is, its features keep their bounds and are the same again, and bins count them all. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "replay/portrait.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span body = {(const char *)data, len};
	struct feature f[FEATURES_MAX], again[FEATURES_MAX];
	unsigned n = features_of(body, f);
	struct portrait_feature bins = {.word = len & 1};
	double values[FEATURES_MAX], distance;

	if (n < 1 || n > FEATURES_MAX || features_of(body, again) != n)
		abort();
	for (unsigned i = 0; i < n; i++) {
		size_t name = strnlen(f[i].name, FEATURE_BYTES);

		if (!name || name == FEATURE_BYTES || !isfinite(f[i].value) || f[i].value != again[i].value)
			abort();
		for (size_t at = 0; at < name; at++)
			if (f[i].name[at] <= ' ' || f[i].name[at] > '~')
				abort();
		values[i] = f[i].value;
	}
	portrait_set(&bins, values, n);
	for (unsigned i = 0; i < n; i++) {
		portrait_count(&bins, PORTRAIT_REFERENCE, f[i].value);
		portrait_count(&bins, PORTRAIT_CURRENT, f[n - 1 - i].value);
	}
	distance = portrait_distance(&bins);
	if (bins.bins > PORTRAIT_BINS || portrait_n(&bins, PORTRAIT_CURRENT) != n || fabs(distance) > 1e-9)
		abort();
	return 0;
}
