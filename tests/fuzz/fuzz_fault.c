/*
 * fuzz_fault.c - what can be read as a fault can be written, and comes back the same from what was written,
 * which is its own shortest form.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), text[FAULT_TEXT_BYTES], twice[FAULT_TEXT_BYTES];
	struct plan_fault fault, again;
	const char *why = NULL;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (fault_read((struct span){copy, size}, &fault, &why)) {
		if (!why)
			abort();
	} else {
		fault_write(&fault, text);
		if (fault_read(span_of(text), &again, &why) || memcmp(&fault, &again, sizeof fault))
			abort();
		fault_write(&again, twice);
		if (strcmp(text, twice))
			abort();
	}
	free(copy);
	return 0;
}
