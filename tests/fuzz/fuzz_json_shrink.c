/* Whatever is asked about is JSON and not longer than before; what comes out has the property, also when it
 * was asked for no more. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/json_shrink.h"

struct question {
	unsigned asked, seed;
	size_t least;
	uint64_t smallest; /* of what had it */
};

static uint64_t hash_of(struct span s)
{
	uint64_t hash = 1;

	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ (unsigned char)s.data[i]) * 0x100000001b3u;
	return hash;
}

static void must_be_json(struct span doc)
{
	struct json_reader in;
	enum json_token token = JSON_MORE;

	json_reader_init(&in, doc, JSON_NONFINITE);
	while (token != JSON_END)
		if (json_next(&in, &token))
			abort();
}

/* Yes to the whole, then by a hash: to anything that a caller could ask. */
static int answer(void *arg, struct span doc)
{
	struct question *q = arg;

	must_be_json(doc);
	if (q->asked == 300)
		return ERR_LIMIT;
	if (q->asked++ && (hash_of(doc) + q->seed) % 3)
		return 0;
	if (doc.len > q->least)
		abort();
	q->least = doc.len;
	q->smallest = hash_of(doc);
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct question q = {.seed = len ? data[0] : 0, .least = len};
	struct buf out;
	int rc;

	buf_init(&out, len + 1);
	rc = json_shrink((struct span){(const char *)data, len}, answer, &q, &out);
	if (rc == 0 || (rc == ERR_LIMIT && q.asked)) {
		if (buf_len(&out) != q.least || hash_of(buf_span(&out)) != q.smallest)
			abort();
	}
	buf_fini(&out);
	return 0;
}
