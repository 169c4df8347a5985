/*
 * spread.h - how far the rates of several groups lie apart: the largest less the smallest, with an interval.
 * Pure: no I/O, no allocation.
 *
 * Demographic parity difference (Dwork et al. 2012) of the rate at which a label is given; equalised odds
 * difference (Hardt, Price and Srebro 2016) of the rates at which it is given where it is true, and where it
 * is not: the larger of the two.
 */
#ifndef REPLAY_SPREAD_H
#define REPLAY_SPREAD_H

#include "replay/stat.h"

struct spread { /* SPREAD_NONE is empty */
	unsigned groups;
	double low, high;                /* of the rates */
	struct interval lowest, highest; /* of the ends of their intervals: least and greatest of each end */
};
#define SPREAD_NONE ((struct spread){0, 1, 0, {1, 1}, {0, 0}})

/* A group's k of n > 0, observed `together` at a time (rows of one pair: stat_rate_weighted()). alpha: the
 * level of this one interval; that of the spread is their sum. */
void spread_add(struct spread *, double k, double n, double together, double alpha, double t_opt);
double spread_value(const struct spread *); /* NaN of fewer than two groups, and then [0,1]: */
struct interval spread_interval(const struct spread *);

#endif
