/*
 * order.h - a quantile of a sample that is kept whole, with an interval that assumes nothing about its shape.
 *
 * For figures that are looked at once, when the sample is complete; what is watched while it grows has
 * hist.h.
 */
#ifndef PROTO_BASE_ORDER_H
#define PROTO_BASE_ORDER_H

#include <stdint.h>

/* Two order statistics bound it with at least 95 %: ranks from the binomial distribution (David and Nagaraja,
 * Order Statistics, 7.1). NULL: too few samples to bound that side. */
struct order_quantile {
	int64_t value;
	const int64_t *low, *high; /* in the caller's samples */
};

/* Of `n` samples, which are sorted; q between 0 and 1, neither of them. All 0 without samples. */
struct order_quantile order_quantile(int64_t *samples, unsigned n, double q);

#endif
