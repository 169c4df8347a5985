/* Whole and byte by byte, the same requests come out; none could break a request's first line. */
#include <stdint.h>
#include <stdlib.h>

#include "capture/lines.h"

static uint64_t mix(uint64_t hash, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3u;
	return hash;
}

static uint64_t note(uint64_t hash, int rc, const struct lines_request *q)
{
	if (rc == 1 && (strpbrk(q->target, " \r\n") || strpbrk(q->method, " \r\n")))
		abort();
	if (rc < 0 && !q->why)
		abort();
	if (rc == 1) {
		hash = mix(hash, q->method, strlen(q->method));
		hash = mix(hash, q->target, strlen(q->target));
		hash = mix(hash, q->body.data, q->body.len);
	}
	if (rc) {
		hash = mix(hash, (const char *)&rc, sizeof rc);
		hash = mix(hash, (const char *)&q->number, sizeof q->number);
	}
	return hash;
}

static uint64_t read_all(const char *data, size_t len, size_t step)
{
	struct lines_request q;
	uint64_t hash = 1;
	struct lines l;

	lines_init(&l);
	for (size_t at = 0; at < len; at += step) {
		struct span part = {data + at, len - at < step ? len - at : step};

		while (part.len) {
			int rc = lines_next(&l, &part, &q);

			hash = note(hash, rc, &q);
		}
	}
	hash = note(hash, lines_end(&l, &q), &q);
	lines_fini(&l);
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len && read_all((const char *)data, len, len) != read_all((const char *)data, len, 1))
		abort();
	return 0;
}
