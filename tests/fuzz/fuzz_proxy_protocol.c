/*
 * fuzz_proxy_protocol.c - the answer for a prefix is "more" or the answer for the whole; spans given
 * out lie inside the header.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void inside(struct span part, struct span whole)
{
	must(part.data == NULL ||
	     (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

/* From an exact heap block: a byte too far is seen. */
static long parse(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);
	struct proxy_header h;

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	long n = proxy_header_parse((struct span){copy, size}, &h);
	must(n <= (long)size && n <= PROXY_V2_MAX);
	if (n > 0) {
		struct span whole = {copy, (size_t)n};

		must(h.version == 2 || n <= PROXY_V1_MAX);
		inside(h.alpn, whole);
		inside(h.authority, whole);
		inside(h.unique_id, whole);
	}
	free(copy);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	long whole = parse(data, size), answer = 0;
	size_t edge = size < 300 ? size : 300;

	for (size_t len = 0; len < edge; len++) {
		long now = parse(data, len);

		must(answer == 0 || now == answer);
		answer = now;
	}
	must(answer == 0 || whole == answer);
	return 0;
}
