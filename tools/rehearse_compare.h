/*
 * rehearse_compare.h - two answers byte by byte, and quantiles of paired times with their intervals.
 */
#ifndef TOOLS_REHEARSE_COMPARE_H
#define TOOLS_REHEARSE_COMPARE_H

#include "tools/reach.h"

enum { IGNORED_MAX = 128, DIFFERENCE_MAX = 1024 };

struct ignored { /* header fields that may differ; names borrowed */
	const char *names[IGNORED_MAX];
	unsigned count;
};

/* Once each, in any case of letters; past the bound nothing is added. */
void ignore_field(struct ignored *, const char *name);
/* Are status, fields and body the same? Fields of one name in their order, names among each other in any. If
 * not, `why_out` says where they part, in printable ASCII. */
bool compare_answers(const struct ignored *, const struct reach_answer *direct,
                     const struct reach_answer *through, char why_out[DIFFERENCE_MAX]);

/* A sample quantile with its distribution-free interval of at least 95 %: two order statistics whose ranks
 * come from the binomial distribution (David and Nagaraja, Order Statistics, 7.1). NULL: too few samples to
 * bound that side. Sorts the samples and points into them. */
struct quantile {
	int64_t value;
	const int64_t *low, *high;
};
struct quantile quantile_of(int64_t *samples, unsigned n, double q);

#endif
