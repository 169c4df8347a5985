#include "proto/base/hist.h"

#include <math.h>

enum { SPLIT_BITS = 5, SMALL = 2 << SPLIT_BITS };

unsigned hist_bucket(uint64_t ns)
{
	unsigned top, index;

	if (ns < SMALL)
		return (unsigned)ns;
	top = 63 - (unsigned)__builtin_clzll(ns);
	index = ((top - SPLIT_BITS) << SPLIT_BITS) + (unsigned)(ns >> (top - SPLIT_BITS));
	return index < HIST_BUCKETS ? index : HIST_BUCKETS - 1;
}

static uint64_t edge(unsigned bucket)
{
	unsigned shift = (bucket >> SPLIT_BITS) - 1;

	if (bucket < SMALL)
		return bucket;
	return (uint64_t)((1u << SPLIT_BITS) + (bucket & ((1u << SPLIT_BITS) - 1))) << shift;
}

void hist_bounds(unsigned bucket, uint64_t *low_out, uint64_t *high_out)
{
	*low_out = edge(bucket);
	*high_out = bucket + 1 < HIST_BUCKETS ? edge(bucket + 1) : UINT64_MAX;
}

static void grow(_Atomic uint64_t *at, uint64_t by)
{
	atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + by, memory_order_relaxed);
}

void hist_add(struct hist *h, uint64_t ns)
{
	grow(&h->sum_ns, ns);
	grow(&h->buckets[hist_bucket(ns)], 1);
}

void hist_read(const struct hist *h, struct hist_view *to)
{
	to->sum_ns += atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		uint64_t n = atomic_load_explicit(&h->buckets[i], memory_order_relaxed);

		to->buckets[i] += n;
		to->count += n;
	}
}

/* The bucket of the rank-th smallest value, rank from 1. */
static unsigned bucket_of_rank(const struct hist_view *v, uint64_t rank)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += v->buckets[i];
		if (seen >= rank)
			return i;
	}
	return HIST_BUCKETS - 1;
}

uint64_t hist_quantile(const struct hist_view *v, double q)
{
	uint64_t low, high;

	if (!v->count)
		return 0;
	hist_bounds(bucket_of_rank(v, 1 + (uint64_t)(q * (double)(v->count - 1))), &low, &high);
	return high == UINT64_MAX ? low : low + (high - low) / 2;
}

uint64_t hist_below(const struct hist_view *v, uint64_t ns)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < hist_bucket(ns); i++)
		n += v->buckets[i];
	return n;
}

struct hist_range hist_quantile_range(const struct hist_view *v, double q, double alpha)
{
	double n = (double)v->count, l, far, below, above;
	struct hist_range out = {false, 0, 0};
	uint64_t low, high;

	if (v->count < 2)
		return out;
	l = (1.4 * log(log(2.1 * n)) + log(10 / alpha)) / n;
	far = 1.5 * sqrt(q * (1 - q) * l) + 0.8 * l;
	below = floor(n * (q - far));
	above = ceil(n * (q + far)) + 1;
	if (below < 1 || above > n)
		return out;
	out.known = true;
	hist_bounds(bucket_of_rank(v, (uint64_t)below), &low, &high);
	out.low = (double)low;
	hist_bounds(bucket_of_rank(v, (uint64_t)above), &low, &high);
	out.high = high == UINT64_MAX ? INFINITY : (double)high;
	return out;
}

struct hist_range hist_difference(const struct hist_view *with, const struct hist_view *without, double q,
                                  double alpha)
{
	struct hist_range a = hist_quantile_range(with, q, alpha / 2);
	struct hist_range b = hist_quantile_range(without, q, alpha / 2);

	return (struct hist_range){a.known && b.known && isfinite(a.high) && isfinite(b.high), a.low - b.high,
	                           a.high - b.low};
}
