/* Labels lie in their text, in order, on characters; reading the same line again says the same. */
#include <stdint.h>
#include <stdlib.h>

#include "capture/labels.h"
#include "proto/base/utf8.h"

static bool starts_character(struct span text, size_t at)
{
	return at == text.len || ((unsigned char)text.data[at] & 0xc0) != 0x80;
}

static void hold(const struct labels *l)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct label *a = &l->at[i];

		if (a->start >= a->end || a->end > l->text.len || (i && a->start < l->at[i - 1].start))
			abort();
		if (!starts_character(l->text, a->start) || !starts_character(l->text, a->end))
			abort();
		if (!utf8_valid(a->type.data, a->type.len))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span line = {(const char *)data, len};
	const char *why, *again;
	struct labels l;
	size_t count;
	int err;

	labels_init(&l);
	err = labels_read(&l, line, &why);
	count = err ? 0 : l.count;
	if (!err)
		hold(&l);
	if (err != ERR_NOMEM && err && !why)
		abort();
	if (labels_read(&l, line, &again) != err || (!err && l.count != count) || why != again)
		abort();
	labels_fini(&l);
	return 0;
}
