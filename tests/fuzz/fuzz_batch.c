/* What an output line tells lies in it; a body that is written as a request comes back the same from lines.h,
 * but for its line ends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/batch.h"
#include "capture/lines.h"

static void must_be_inside(struct span whole, struct span part)
{
	if (part.len && (part.data < whole.data || part.data + part.len > whole.data + whole.len))
		abort();
}

static void write_and_read(struct span body)
{
	struct lines_request q;
	struct lines lines;
	struct span text;
	struct buf b;

	buf_init(&b, body.len + 256);
	if (!batch_request(SPAN("id"), SPAN("POST"), SPAN("/v1/x"), body, &b) &&
	    buf_len(&b) < LINES_BYTES_MAX) {
		text = buf_span(&b);
		if (memchr(text.data, '\n', text.len) != text.data + text.len - 1)
			abort();
		lines_init(&lines);
		if (lines_next(&lines, &text, &q) != 1 || text.len || strcmp(q.target, "/v1/x") ||
		    q.body.len > body.len)
			abort();
		lines_fini(&lines);
	}
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span line = {(const char *)data, len};
	struct batch_answer a;

	if (!batch_answer(line, &a)) {
		must_be_inside(line, a.id);
		must_be_inside(line, a.body);
		if (a.status > 999 || (!a.status && a.body.len))
			abort();
	}
	write_and_read(line);
	return 0;
}
