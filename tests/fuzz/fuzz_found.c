/*
 * fuzz_found.c - any two byte strings as tables of what was found: what is valid has bounded counts, and no
 * table adds to itself.
 */
#include <stdint.h>
#include <stdlib.h>

#include "capture/found.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t first = size ? data[0] * (size - 1) / 255 : 0;
	struct span one = {(const char *)data + 1, first},
	            two = {one.data + first, size ? size - 1 - first : 0};
	uint64_t counts[DETECT_CLASSES_ALL] = {0};

	if (!size)
		return 0;
	found_count(two, counts);
	for (unsigned class = 0; class < DETECT_CLASSES_ALL; class ++)
		if (counts[class] &&
		    (class == DETECT_NONE || !found_valid(two) || counts[class] > size * UINT32_MAX))
			abort();
	(void)found_issued(two, DETECT_EMAIL, 1);
	if (found_adds(two, two) || (found_adds(one, two) && (!found_valid(one) || !found_valid(two))))
		abort();
	return 0;
}
