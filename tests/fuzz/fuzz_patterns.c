/* Any text: what patterns find is in order, within the text and apart, and covers what each finds alone. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/detect/hits.h"
#include "capture/detect/patterns.h"

enum { COUNT = 4, TEXT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const regexes[COUNT] = {"\\bC-\\d{2,4}\\b", "(?i)project\\s+\\w+", "[äöü]+.", "(a+b)+"};
static struct patterns *all, *alone[COUNT];

static struct patterns *compile(unsigned first, unsigned count)
{
	struct detect_pattern wanted[COUNT] = {0};
	char why[PATTERN_WHY_BYTES];
	struct patterns *p;

	for (unsigned i = 0; i < count; i++)
		snprintf(wanted[i].regex, sizeof wanted[i].regex, "%s", regexes[first + i]);
	if (patterns_new(wanted, count, &p, why))
		abort();
	return p;
}

/* A byte for each of the text: was it found? */
static void cover(const struct patterns *p, struct span text, unsigned char *covered)
{
	const struct detect_hit *hit;
	uint64_t last = 0;
	struct buf hits;
	size_t count;

	buf_init(&hits, TEXT_MAX * sizeof *hit);
	patterns_find(p, text, &hits);
	if (hits.err)
		abort();
	hit = hits_of(&hits, &count);
	for (size_t i = 0; i < count; i++) {
		if (hit[i].start < last || hit[i].end <= hit[i].start || hit[i].end > text.len ||
		    hit[i].class < DETECT_PATTERN || hit[i].class >= DETECT_CLASSES_ALL)
			abort();
		last = hit[i].end;
		memset(covered + hit[i].start, 1, hit[i].end - hit[i].start);
	}
	buf_fini(&hits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char together[TEXT_MAX] = {0}, apart[TEXT_MAX] = {0};
	struct span text = {(const char *)data, size};
	const char *lacks;

	if (size > TEXT_MAX || !patterns_engine(&lacks))
		return 0;
	if (!all) {
		all = compile(0, COUNT);
		for (unsigned i = 0; i < COUNT; i++)
			alone[i] = compile(i, 1);
	}
	cover(all, text, together);
	for (unsigned i = 0; i < COUNT; i++)
		cover(alone[i], text, apart);
	if (memcmp(together, apart, size))
		abort();
	return 0;
}
