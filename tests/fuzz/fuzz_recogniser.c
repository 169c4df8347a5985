/* An answer of any bytes about any text: its spans are characters of the text, or it is none; and what is
 * asked is one line of JSON. The first byte says how much is text. */
#include <stdint.h>
#include <stdlib.h>

#include "capture/detect/hits.h"
#include "capture/recogniser.h"
#include "proto/base/utf8.h"
#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold_question(struct span text)
{
	struct json_reader json;
	enum json_token token = JSON_MORE;
	struct span all;
	struct buf out;

	buf_init(&out, 1 << 20);
	recogniser_question(7, text, &out);
	all = buf_span(&out);
	if (out.err || memchr(all.data, '\n', all.len) != all.data + all.len - 1)
		abort();
	json_reader_init(&json, all, 0);
	while (token != JSON_END)
		if (json_next(&json, &token))
			abort();
	buf_fini(&out);
}

/* Does a character begin there? Bytes that are none of any are each one. */
static bool begins(struct span text, size_t at)
{
	size_t i = 0;

	while (i < at) {
		size_t n = utf8_len((const unsigned char *)text.data + i, text.len - i);

		i += n ? n : 1;
	}
	return i == at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t count, most = size ? size - 1 : 0, len = size && data[0] < most ? data[0] : most;
	struct span text = {(const char *)data + 1, len}, line = {(const char *)data + 1 + len, most - len};
	struct detect_hit *hit;
	struct buf hits;
	int err;

	if (!size)
		return 0;
	hold_question(text);
	buf_init(&hits, 1 << 20);
	err = recogniser_answer(line, 7, text, &hits);
	hit = hits_of(&hits, &count);
	if (err && count)
		abort();
	for (size_t i = 0; i < count; i++)
		if (hit[i].start >= hit[i].end || hit[i].end > len || !begins(text, hit[i].start) ||
		    !begins(text, hit[i].end) || !hit[i].class || hit[i].class >= DETECT_CLASSES)
			abort();
	buf_fini(&hits);
	return 0;
}
