/* A pair of documents, a line feed between them: what comes out is JSON, and the second time is as the first.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "replay/masked_paths.h"

static const char *const paths[] = {"$.a", "$.b[*].c", "$..d", "$[1]"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *cut = len ? memchr(data, '\n', len) : NULL;
	struct ignore_paths ignore = {paths, sizeof paths / sizeof *paths};
	struct span live, candidate;
	struct buf once, twice;
	uint32_t found[4];

	if (!cut)
		return 0;
	live = (struct span){(const char *)data, (size_t)(cut - data)};
	candidate = (struct span){(const char *)cut + 1, len - live.len - 1};
	buf_init(&once, 65 * (len + 1));
	buf_init(&twice, 65 * 65 * (len + 1));
	if (!masked_paths_align(ignore, live, candidate, &once, found)) {
		if (masked_paths_align(ignore, live, buf_span(&once), &twice, found) ||
		    !span_eq(buf_span(&once), buf_span(&twice)))
			abort();
	}
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
