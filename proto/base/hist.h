/*
 * hist.h - a histogram of nanoseconds in shared memory: one writer, any number of readers, no lock.
 *
 * Values below 64 have a bucket each; above, each power of two is split into 32 equal parts, so a
 * bucket is at most 3.2 % wide (the layout of HdrHistogram). A reader sees each bucket whole; the
 * buckets may be a few values apart from one another, never torn.
 */
#ifndef PROTO_BASE_HIST_H
#define PROTO_BASE_HIST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { HIST_BUCKETS = 1024 }; /* the last one holds everything from 67 s */

struct hist {
	_Atomic uint64_t sum_ns, buckets[HIST_BUCKETS];
};

struct hist_view { /* plain: the sum of any number of histograms */
	uint64_t count, sum_ns, buckets[HIST_BUCKETS];
};

void hist_add(struct hist *, uint64_t ns); /* by its one writer */
void hist_read(const struct hist *, struct hist_view *add_to);

/* The bucket of a value, and the bounds of a bucket: low <= value < high. */
unsigned hist_bucket(uint64_t ns);
void hist_bounds(unsigned bucket, uint64_t *low_out, uint64_t *high_out);

/* The middle of the q-quantile's bucket; 0 when empty. */
uint64_t hist_quantile(const struct hist_view *, double q);
/* How many values are below `ns`, a power of two or less than 64 (exact there). */
uint64_t hist_below(const struct hist_view *, uint64_t ns);

struct hist_range {
	bool known; /* false: too few values to say anything */
	double low, high;
};
/* An interval that holds the q-quantile at every time at once with probability 1 - alpha: it may be
 * watched. Howard and Ramdas, Sequential estimation of quantiles, Bernoulli 2022 (arXiv 1906.09712),
 * theorem 1, widened to the edges of buckets. ns. */
struct hist_range hist_quantile_range(const struct hist_view *, double q, double alpha);
/* The q-quantile of `with` minus that of `without`, by the union of two such intervals. ns. */
struct hist_range hist_difference(const struct hist_view *with, const struct hist_view *without, double q,
                                  double alpha);

#endif
