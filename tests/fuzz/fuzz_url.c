/*
 * fuzz_url.c - a normalised path is a fixed point, holds no dots or empty segments, and is never longer
 * than the raw one; a path without a disagreeing flag comes back as it was.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>

#include "proto/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static bool has(struct span s, const char *text)
{
	return s.len > 0 && memmem(s.data, s.len, text, strlen(text)) != NULL;
}

static bool ends(struct span s, const char *text)
{
	size_t n = strlen(text);

	return s.len >= n && memcmp(s.data + s.len - n, text, n) == 0;
}

/* exact heap blocks: a byte too far is seen */
static void one(struct span raw)
{
	char *out = malloc(raw.len + 1), *twice = malloc(raw.len + 1);
	struct span path, again;
	unsigned flags, flags_again;

	if (out == NULL || twice == NULL)
		abort();
	if (url_normalise(raw, out, raw.len, &path, &flags) < 0) {
		must(raw.len == 0 || raw.data[0] != '/');
		goto done;
	}
	must(path.len > 0 && path.len <= raw.len && path.data[0] == '/');
	must(!has(path, "//") && !has(path, "/./") && !has(path, "/../"));
	must(!ends(path, "/.") && !ends(path, "/.."));
	if (!(flags & URL_DISAGREE)) {
		size_t raw_len = raw.len;
		const char *query = memchr(raw.data, '?', raw.len);

		if (query != NULL)
			raw_len = (size_t)(query - raw.data);
		must(span_eq(path, (struct span){raw.data, raw_len}));
	}
	must(url_normalise(path, twice, path.len, &again, &flags_again) == 0);
	must(flags & URL_BAD_ESCAPE || span_eq(path, again));
done:
	free(out);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);

	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	one((struct span){copy, size});
	free(copy);
	return 0;
}
