/*
 * fuzz_detect.c - any text: what is found whole, in pieces, byte by byte and without AVX2 is the same, in
 * order, within the text. The first two bytes say where it is cut.
 */
#include <stdint.h>
#include <stdlib.h>

#include "capture/detect/detect.h"
#include "capture/detect/gazetteer.h"

enum { HITS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hits {
	unsigned count;
	struct detect_hit at[HITS_MAX];
} want, got;

static struct detectors *detectors, *portable;
static struct detect *pieces;

static void found(void *arg, const struct detect_hit *hit)
{
	struct hits *h = arg;

	if (hit->start >= hit->end || (h->count && h->at[h->count - 1].end > hit->start) ||
	    hit->class == DETECT_NONE || hit->class >= DETECT_CLASSES || hit->score < DETECT_SCORE)
		abort();
	if (h->count == HITS_MAX)
		abort();
	h->at[h->count++] = *hit;
}

static void compare(void)
{
	if (want.count != got.count)
		abort();
	for (unsigned i = 0; i < want.count; i++)
		if (want.at[i].start != got.at[i].start || want.at[i].end != got.at[i].end ||
		    want.at[i].class != got.at[i].class || want.at[i].score != got.at[i].score)
			abort();
	got.count = 0;
}

static void feed(struct span text, size_t step)
{
	detect_begin(pieces, SPAN("value"), found, &got);
	for (size_t i = 0; i < text.len; i += step)
		detect_feed(pieces, (struct span){text.data + i, text.len - i < step ? text.len - i : step});
	detect_end(pieces);
	compare();
}

static int prepare(void)
{
	static struct detect_policy policy = {.min_score = DETECT_SCORE};
	struct gazetteer *g;
	unsigned line;

	detect_set_add_name(&policy.classes, "all");
	if (gazetteer_new(SPAN("Ada Lovelace\nBerlin\nJean-Luc\n"), &g, &line) ||
	    detectors_new(&policy, g, &detectors) || detectors_new(&policy, g, &portable))
		return 1;
	detectors_portable(portable);
	return detect_new(detectors, &pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = {(const char *)data + 2, size - 2};

	if (size < 2 || size > HITS_MAX || (!detectors && prepare()))
		return 0;
	want.count = got.count = 0;
	detect_text(detectors, SPAN("value"), text, found, &want);
	for (unsigned i = 0; i < want.count; i++)
		if (want.at[i].end > text.len)
			abort();
	detect_text(portable, SPAN("value"), text, found, &got);
	compare();
	feed(text, 1);
	feed(text, 1 + data[0]);
	feed(text, 1 + (size_t)(data[0] << 8 | data[1]));
	return 0;
}
