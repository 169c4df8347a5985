#include "capture/detect/hits.h"

#include <stdlib.h>

struct detect_hit *hits_of(const struct buf *b, size_t *count_out)
{
	*count_out = buf_len(b) / sizeof(struct detect_hit);
	return (struct detect_hit *)(void *)buf_span(b).data;
}

static struct detect_hit join(struct detect_hit a, struct detect_hit b)
{
	bool a_holds = a.start <= b.start && a.end >= b.end, b_holds = b.start <= a.start && b.end >= a.end;
	bool by_b = a_holds == b_holds ? b.score > a.score : b_holds;
	struct detect_hit all = by_b ? b : a;

	all.start = a.start < b.start ? a.start : b.start;
	all.end = a.end > b.end ? a.end : b.end;
	return all;
}

void hits_add(struct buf *b, size_t floor, struct detect_hit hit)
{
	size_t count;
	struct detect_hit *all = hits_of(b, &count);

	for (; count > floor && all[count - 1].end > hit.start && all[count - 1].start < hit.end; count--) {
		hit = join(all[count - 1], hit);
		b->tail -= sizeof hit;
	}
	buf_put(b, &hit, sizeof hit);
}

static int by_start(const void *left, const void *right)
{
	const struct detect_hit *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->end < b->end ? -1 : a->end > b->end;
}

void hits_merge(struct buf *b)
{
	size_t count, kept = 0;
	struct detect_hit *all = hits_of(b, &count);

	if (count)
		qsort(all, count, sizeof *all, by_start);
	for (size_t i = 0; i < count; i++) {
		if (kept && all[kept - 1].end > all[i].start)
			all[kept - 1] = join(all[kept - 1], all[i]);
		else
			all[kept++] = all[i];
	}
	b->tail = b->head + kept * sizeof *all;
}
