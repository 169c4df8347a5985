/* What was edited is JSON as before, has the values that were asked for, and is left alone the second time.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/json_edit.h"

enum { EDITS = 4 };
static const struct json_edit edits[EDITS] = {
        {"$.a", SPAN("\"x\"")}, {"$.a.b", SPAN("1")}, {"$.b[1].a", SPAN("null")}, {"$[0]", SPAN("-1e5")}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span doc = {(const char *)data, len}, at;
	struct buf once, twice;
	unsigned replaced, again;

	buf_init(&once, len + 16 * JSON_EDITS_MAX + 16);
	buf_init(&twice, 2 * len + 32 * JSON_EDITS_MAX + 32);
	if (!json_edit(doc, edits, EDITS, &once, &replaced)) {
		if (json_edit(buf_span(&once), edits, EDITS, &twice, &again) || again != replaced ||
		    !span_eq(buf_span(&once), buf_span(&twice)))
			abort();
		if (!replaced && !span_eq(doc, buf_span(&once)))
			abort();
		at = json_at(buf_span(&once), "$.a");
		if (at.len && !span_eq(at, edits[0].value))
			abort();
	}
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
