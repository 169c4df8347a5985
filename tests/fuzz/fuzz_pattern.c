/*
 * fuzz_pattern.c - a hostile pattern over a hostile text: it is refused or walks to an end, twice alike, and
 * what it finds at the end of a text it finds with the text's beginning cut off or not at all. Input: length
 * of the pattern (1 byte), the pattern, the text.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pattern p, starred;
	struct span pattern, text;
	char group[300];
	size_t n;

	if (size < 1 || size > 1 << 12)
		return 0;
	n = data[0] < size - 1 ? data[0] : size - 1;
	pattern = (struct span){(const char *)data + 1, n};
	text = (struct span){(const char *)data + 1 + n, size - 1 - n};
	if (pattern_compile(&p, pattern))
		return 0;
	if (p.count > PATTERN_STEPS_MAX || p.range_count > PATTERN_RANGES_MAX)
		abort();
	if (pattern_found(&p, text) != pattern_found(&p, text))
		abort();
	memcpy(group, "(?:", 3);
	memcpy(group + 3, pattern.data, n);
	memcpy(group + 3 + n, ")?", 2);
	if (!pattern_compile(&starred, (struct span){group, n + 5}) && !pattern_found(&starred, text))
		abort();
	return 0;
}
