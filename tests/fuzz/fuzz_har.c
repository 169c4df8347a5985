/* Of any document, entries have heads that a capture can hold: a target, a status, no line that is no field.
 */
#include <stdint.h>
#include <stdlib.h>

#include "capture/har.h"
#include "capture/head.h"

static void check_fields(struct span head)
{
	struct span name, value;
	size_t at = 0, lines = 0, fields = 0;

	for (size_t i = 0; i < head.len; i++)
		lines += head.data[i] == '\n';
	while (head_next(head, &at, &name, &value))
		fields++;
	if (lines != fields)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span document = {(const char *)data, len};
	struct har h;
	int rc;

	har_is(document);
	rc = har_init(&h, document);
	while (!rc && ((rc = har_next(&h)) == 1 || h.why)) {
		if (rc == 1) {
			if (!head_target(buf_span(&h.request_head)).len)
				abort();
			check_fields(buf_span(&h.request_head));
			if (h.answered && !head_status(buf_span(&h.answer_head)))
				abort();
			check_fields(buf_span(&h.answer_head));
		}
		rc = 0;
	}
	har_fini(&h);
	return 0;
}
