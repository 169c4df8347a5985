#include "replay/pace.h"

enum { BUCKETS = 256, PER_DOUBLING = 4 };

/* Gaps of one answer: counts by size, four buckets each time it doubles; of each the largest is kept, so that
 * what is told is one that occurred. */
struct gaps {
	uint32_t count[BUCKETS];
	uint64_t largest[BUCKETS];
	uint64_t all;
};

static unsigned bucket_of(uint64_t us)
{
	unsigned log = us ? 63 - (unsigned)__builtin_clzll(us) : 0;
	unsigned part = log >= 2 ? (unsigned)(us >> (log - 2) & 3) : 0;

	return us < PER_DOUBLING ? (unsigned)us : log * PER_DOUBLING + part;
}

static void add_gap(struct gaps *g, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;
	unsigned at = bucket_of(us);

	g->all++;
	g->count[at]++;
	if (us > g->largest[at])
		g->largest[at] = us;
}

/* The nearest rank of 95 %. */
static int64_t high_gap(const struct gaps *g)
{
	uint64_t rank = (g->all * 95 + 99) / 100, seen = 0;

	for (unsigned i = 0; g->all && i < BUCKETS; i++) {
		seen += g->count[i];
		if (seen >= rank)
			return (int64_t)g->largest[i];
	}
	return PACE_NONE;
}

void pace_of_chunks(const struct pace_source *s, struct pace *out)
{
	struct gaps gaps = {.all = 0};

	for (int i = 0; i < PACE_FIGURES; i++)
		out->figures[i] = PACE_NONE;
	for (size_t i = 1; i < s->mark_count; i++)
		add_gap(&gaps, s->marks[i - 1].time_ns, s->marks[i].time_ns);
	out->figures[PACE_chunk_gap] = high_gap(&gaps);
}

void pace_of_pieces(const struct pace_source *s, const size_t *ends, size_t count, uint64_t tokens,
                    struct pace *out)
{
	struct gaps gaps = {.all = 0};
	double per_second;
	uint64_t first = 0, last = 0;
	size_t mark = 0;

	pace_of_chunks(s, out);
	if (s->mark_count < 2 || s->coded)
		return; /* it came at once: whole, or held back */
	for (size_t i = 0; i < count; i++) {
		while (mark + 1 < s->mark_count && s->marks[mark].end < ends[i])
			mark++;
		if (i)
			add_gap(&gaps, last, s->marks[mark].time_ns);
		else
			first = s->marks[mark].time_ns;
		last = s->marks[mark].time_ns;
	}
	if (!count)
		return;
	tokens = tokens ? tokens : count;
	out->figures[PACE_ttft] = first > s->asked_ns ? (int64_t)((first - s->asked_ns) / 1000) : 0;
	out->figures[PACE_token_gap] = high_gap(&gaps);
	per_second = last > first && tokens > 1 ? (double)(tokens - 1) * 1e9 / (double)(last - first) : 0;
	if (per_second > 0 && per_second < 1e12) /* more is not what a model says of itself */
		out->figures[PACE_tokens_per_second] = (int64_t)per_second;
}
