/*
 * stat.h - statistics that stay valid while being watched. Pure: no I/O, no allocation.
 *
 * Rates: beta-binomial confidence sequence, Howard, Ramdas, McAuliffe, Sekhon, Annals of Statistics
 * 2021 (arXiv 1810.08240). Bounded means: predictable empirical-Bernstein, Waudby-Smith and Ramdas
 * (arXiv 2010.09686).
 */
#ifndef REPLAY_STAT_H
#define REPLAY_STAT_H

#include <stdbool.h>
#include <stdint.h>

struct interval {
	double low, high;
};

/* Log e-value of k of n against rate p in (0,1), tightest at t_opt; real counts, so that a rate can be
 * carried forward. Outside the confidence sequence of level alpha when it is log(1 / alpha) or more. */
double stat_rate_log_e(double k, double n, double p, double t_opt);

/* The same carried along against one p: one logarithm a pair. */
struct stat_watch {
	double p, hits, misses; /* with the mixture's own */
	double log_e, highest;  /* now; ever, from 0: exp(-highest) is the always-valid p-value */
};
void stat_watch_init(struct stat_watch *, double p, double t_opt);
void stat_watch_add(struct stat_watch *, bool hit);

/* The confidence sequence at level alpha; n = 0 gives [0,1]. */
struct interval stat_rate(uint64_t k, uint64_t n, double alpha, double t_opt);
/* The same for observations that weigh w_i in (0,1] each, the weight known before the answer: n = sum w_i and
 * k = sum w_i x_i, x_i in [0,1]. Valid because E exp(l w x) <= (E exp(l x))^w (Jensen) and a bounded x is
 * sub-Bernoulli (Howard et al. 2021, section 3): weighted sums keep the mixture a supermartingale. */
struct interval stat_rate_weighted(double k, double n, double alpha, double t_opt);
/* How many more pairs at the present rate until the upper bound is <= limit or the lower > limit;
 * 0 when decided already, UINT64_MAX when not within 10 million. */
uint64_t stat_rate_needed(uint64_t k, uint64_t n, double limit, double alpha, double t_opt);
/* How many pairs in all, before the first, when `rate` of them is expected: at the expected count, so that
 * about one run in two takes longer. 0: the limit is 1 or more and cannot be broken. UINT64_MAX as above. */
uint64_t stat_rate_plan(double rate, double limit, double alpha, double t_opt);
/* The same so that at least `chance` in (0,1) of runs are decided by then: an n at which the counts of a
 * binomial (n, rate) leave the limit on the right side with that chance. Runs decided earlier come on top. */
uint64_t stat_rate_plan_sure(double rate, double limit, double chance, double alpha, double t_opt);

/* A running mean of x in [0,1] with its confidence sequence; O(1) a step. */
struct stat_mean {
	uint64_t n;
	double sum;    /* plain sum, for the mean */
	double s2_sum; /* sum (x - mu~)^2 */
	double lam_sum, lam_x_sum, lam_1x_sum, v_psi_low, v_psi_high;
};
void stat_mean_add(struct stat_mean *, double x, double alpha);
struct interval stat_mean_ci(const struct stat_mean *, double alpha);

/* How like its predecessor each value is: the lag-1 autocorrelation (Box and Jenkins 1970). Far above 2 /
 * sqrt(n), intervals of neighbouring values as so many observations are too narrow. O(1) a step. */
struct stat_lag {
	uint64_t n;
	double first, last; /* sums are of x - first, so that a large mean costs no digits */
	double sum, squares, products;
};
void stat_lag_add(struct stat_lag *, double x);
double stat_lag_one(const struct stat_lag *); /* NaN for fewer than 2 values and when all are equal */

#endif
