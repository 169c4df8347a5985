#include "proto/base/sketch.h"

#include <math.h>

static const double SKETCH_ERROR = 0.01;

/* Bucket 0 holds zero; bucket i > 0 holds (gamma^(i-2), gamma^(i-1)], so that 1 us is in bucket 1. */
static double sketch_ln_gamma(void)
{
	return log((1 + SKETCH_ERROR) / (1 - SKETCH_ERROR));
}

static unsigned sketch_index(uint64_t us)
{
	double at;

	if (us == 0)
		return 0;
	at = 1 + ceil(log((double)us) / sketch_ln_gamma());
	return at < SKETCH_BUCKETS ? (unsigned)at : SKETCH_BUCKETS - 1;
}

static double sketch_edge(unsigned index)
{
	return index ? exp(sketch_ln_gamma() * (index - 1.0)) : 0;
}

static uint32_t add_saturated(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

void sketch_add(struct sketch *s, uint64_t us)
{
	unsigned index = sketch_index(us);

	s->bucket[index] = add_saturated(s->bucket[index], 1);
	s->count++;
	s->sum_us += us;
	if (us > s->max_us)
		s->max_us = us;
}

/* The bucket of the rank-th smallest value, rank from 1. */
static unsigned sketch_bucket_of(const struct sketch *s, uint64_t rank)
{
	uint64_t seen = 0;
	unsigned last = 0;

	for (unsigned i = 0; i < SKETCH_BUCKETS; i++) {
		if (s->bucket[i] == 0)
			continue;
		last = i;
		seen += s->bucket[i];
		if (seen >= rank)
			break;
	}
	return last;
}

uint64_t sketch_quantile(const struct sketch *s, double q)
{
	uint64_t rank, us;
	unsigned index;

	if (s->count == 0)
		return 0;
	rank = 1 + (uint64_t)(fmin(1, fmax(0, q)) * (double)(s->count - 1));
	index = sketch_bucket_of(s, rank);
	us = (uint64_t)llround(sketch_edge(index) * (1 - SKETCH_ERROR));
	return us < s->max_us ? us : s->max_us;
}

void sketch_merge(struct sketch *to, const struct sketch *from)
{
	for (unsigned i = 0; i < SKETCH_BUCKETS; i++)
		to->bucket[i] = add_saturated(to->bucket[i], from->bucket[i]);
	to->count += from->count;
	to->sum_us += from->sum_us;
	if (from->max_us > to->max_us)
		to->max_us = from->max_us;
}

void sketch_rank(const struct sketch *s, uint64_t rank, double *low_us_out, double *high_us_out)
{
	double edge = sketch_edge(sketch_bucket_of(s, rank));

	*low_us_out = edge * (1 - SKETCH_ERROR) / (1 + SKETCH_ERROR);
	*high_us_out = fmin(edge, (double)s->max_us);
}
