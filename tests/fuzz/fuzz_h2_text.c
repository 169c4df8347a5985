/*
 * fuzz_h2_text.c - any bytes where a request that we wrote is expected: what is told lies within them, and
 * the reading ends.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/h2_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span all;

static void within(struct span s)
{
	if (s.len && (s.data < all.data || s.data + s.len > all.data + all.len))
		abort();
}

static void fields_within(const struct h2_fields *f)
{
	for (size_t i = 0; i < f->count; i++) {
		within(f->list[i].name);
		within(f->list[i].value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct h2_fields fields;
	struct h2_request r;
	struct h2_text t;
	struct span piece;
	size_t told = 0;

	all = (struct span){(const char *)data, size};
	if (!h2_text_open(&t, all, &r, &fields))
		return 0;
	within(r.method);
	within(r.path);
	within(r.authority);
	fields_within(&fields);
	while ((piece = h2_text_data(&t)).len) {
		within(piece);
		told += piece.len;
	}
	if (told > size)
		abort();
	h2_text_trailers(&t, &fields);
	fields_within(&fields);
	return 0;
}
