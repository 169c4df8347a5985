/* Whole and byte by byte, the same items come out; a message that is taken has a head of one line a field. */
#include <stdint.h>
#include <stdlib.h>

#include "capture/gor.h"
#include "capture/head.h"

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
	return hash;
}

static void read_message(const struct gor_item *g)
{
	enum h1_kind kind = g->kind == GOR_REQUEST ? H1_REQUEST : H1_RESPONSE;
	struct buf head, body;

	buf_init(&head, 1 << 16);
	buf_init(&body, 1 << 20);
	if (!gor_message(g->raw, kind, &head, &body) &&
	    (kind == H1_REQUEST ? !head_target(buf_span(&head)).len : !head_status(buf_span(&head))))
		abort();
	buf_fini(&head);
	buf_fini(&body);
}

static uint64_t note(uint64_t hash, int rc, const struct gor_item *g)
{
	if (rc < 0 && !g->why)
		abort();
	if (!rc)
		return hash;
	hash = mix(hash, &rc, sizeof rc);
	hash = mix(hash, &g->number, sizeof g->number);
	if (rc < 0)
		return hash;
	read_message(g);
	hash = mix(hash, g->id.data, g->id.len);
	return mix(hash, g->raw.data, g->raw.len);
}

static uint64_t read_all(const char *data, size_t len, size_t step)
{
	struct gor_item item = {0};
	uint64_t hash = 1;
	struct gor g;

	gor_init(&g);
	for (size_t at = 0; at < len; at += step) {
		struct span part = {data + at, len - at < step ? len - at : step};

		while (part.len) {
			int rc = gor_next(&g, &part, &item);

			hash = note(hash, rc, &item);
		}
	}
	hash = note(hash, gor_end(&g, &item), &item);
	gor_fini(&g);
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	gor_is((struct span){(const char *)data, len});
	if (len && read_all((const char *)data, len, len) != read_all((const char *)data, len, 1))
		abort();
	return 0;
}
