/* What is learned of any bytes is bounded, told by paths that can be read again, and adds up. */
#include <stdint.h>
#include <stdlib.h>

#include "capture/learn.h"

static void hold(const struct learn *l, unsigned i)
{
	const struct learn_place *p = learn_at(l, i);
	uint64_t types = 0;
	struct buf path;
	size_t at;

	for (unsigned t = 0; t < LEARN_TYPES; t++)
		types += p->types[t];
	if (types != p->values || p->documents > p->values || p->texts + p->nested != p->types[LEARN_STRING])
		abort();
	buf_init(&path, TEXT_MAX_BYTES - 1);
	if (learn_path(l, i, &path) && !path.err && span_starts(buf_span(&path), SPAN("path: "))) {
		buf_put(&path, "", 1);
		if (!path.err && mask_path_check(path.base + 6, &at) == ERR_CONFIG)
			abort();
	}
	buf_fini(&path);
}

static void tell(const struct learn *l, unsigned i)
{
	struct mask_step steps[8];
	struct buf path;

	buf_init(&path, 1 << 20);
	if (learn_path(l, i, &path) && memchr(buf_span(&path).data, '\n', buf_len(&path)))
		abort();
	(void)learn_steps(l, i, steps, 8);
	(void)learn_different(learn_at(l, i));
	buf_fini(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t key[16];
	struct span body = {(const char *)data, len};
	struct learn *l, *again;
	struct buf saved;

	if (!learn_load(body, &l)) { /* what it tells can be told, and saved as it came */
		for (unsigned i = 0; i < learn_count(l); i++)
			tell(l, i);
		learn_free(&l);
	}
	if (learn_new(key, &l))
		abort();
	for (unsigned i = 0; i < 2; i++) {
		learn_document(l);
		(void)!learn_json(l, body);
		(void)!learn_value(l, LEARN_HEADER, body, body);
	}
	for (unsigned i = 0; i < learn_count(l); i++)
		hold(l, i);
	buf_init(&saved, LEARN_SAVED_MAX + 64);
	learn_save(l, &saved);
	if (saved.err || learn_load(buf_span(&saved), &again) || learn_count(again) != learn_count(l))
		abort();
	learn_free(&again);
	learn_free(&l);
	buf_fini(&saved);
	return 0;
}
