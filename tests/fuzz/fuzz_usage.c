/* Whole and byte by byte, the same tokens are read. */
#include <stdint.h>
#include <stdlib.h>

#include "replay/usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct usage whole = {0}, bytes = {0};

	usage_feed(&whole, (struct span){(const char *)data, len});
	for (size_t i = 0; i < len; i++)
		usage_feed(&bytes, (struct span){(const char *)data + i, 1});
	if (usage_tokens(&whole, 10) != usage_tokens(&bytes, 10) || whole.told != bytes.told)
		abort();
	return 0;
}
