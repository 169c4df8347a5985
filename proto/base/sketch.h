/*
 * sketch.h - quantiles of microseconds in fixed memory: DDSketch (Masson, Rim, Lee, VLDB 2019, arXiv
 * 1908.10693), relative error 1 %. Pure.
 *
 * A bucket holds the values of (edge(i-1), edge(i)], edges 1.01 / 0.99 apart. State and merge are integers
 * only, so that the order of merging changes nothing. Bucket counts saturate.
 */
#ifndef PROTO_BASE_SKETCH_H
#define PROTO_BASE_SKETCH_H

#include <stdint.h>

enum { SKETCH_BUCKETS = 2048 };

struct sketch { /* all zero is empty */
	uint64_t count, sum_us, max_us;
	uint32_t bucket[SKETCH_BUCKETS];
};

void sketch_add(struct sketch *, uint64_t us);
void sketch_merge(struct sketch *to, const struct sketch *from);
uint64_t sketch_quantile(const struct sketch *, double q); /* us, within 1 %; 0 when empty */
/* Bounds of the rank-th smallest value, rank from 1 to count: low < value <= high (0 and 0 for zero). */
void sketch_rank(const struct sketch *, uint64_t rank, double *low_us_out, double *high_us_out);

#endif
