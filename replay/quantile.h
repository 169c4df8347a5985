/*
 * quantile.h - quantiles whose intervals stay valid while being watched. Pure: no I/O, no allocation.
 *
 * Howard and Ramdas, "Sequential estimation of quantiles", Bernoulli 2022 (arXiv 1906.09712): one quantile by
 * the Bernoulli mixture of stat.h, all at once by a stitched band around the empirical distribution, and the
 * product test that two arms have one quantile in common. No assumption on the distribution; ties, and a
 * value of "longer than" at the top (a timeout), are fine.
 */
#ifndef REPLAY_QUANTILE_H
#define REPLAY_QUANTILE_H

#include "proto/base/sketch.h"
#include "replay/stat.h"

struct sample { /* borrowed, ascending */
	const double *at;
	uint64_t n;
};

/* Order statistics from 1: the quantile is at or above the low-th and at or below the high-th value. 0 and
 * n + 1 stand for no bound. */
struct ranks {
	uint64_t low, high;
};

/* The q-quantile, q in (0,1), tightest at t_opt. */
struct ranks quantile_ranks(uint64_t n, double q, double alpha, double t_opt);
/* Half the height of the band around the empirical distribution that holds for every quantile and every
 * n >= n_min at once (Theorem 2, A = 0.85); infinite before n_min. */
double quantile_band(uint64_t n, double alpha, double n_min);
struct ranks quantile_band_ranks(uint64_t n, double q, double alpha, double n_min);

/* The value at q as sketch_quantile() picks it; NaN when empty. */
double quantile_value(struct sample, double q);
/* Its values; infinite where there is no bound. */
struct interval quantile_interval(struct sample, struct ranks);
struct interval quantile_ci(struct sample, double q, double alpha, double t_opt);
/* The same of microseconds in a sketch and of `beyond` values that are known to be above all of them (a
 * timeout is censored so), widened by the sketch's error; low is 0 where there is no bound. */
struct interval quantile_sketch_ci(const struct sketch *, uint64_t beyond, double q, double alpha,
                                   double t_opt);
/* Infinite where it lies beyond; NaN of none. */
double quantile_sketch(const struct sketch *, uint64_t beyond, double q);

/* Of differences in two sketches: those below 0 by their size in `below`, the others in `rest`. us; NaN when
 * both are empty; an end is infinite where there is no bound, or it lies beyond. */
double quantile_signed(const struct sketch *below, const struct sketch *rest, uint64_t beyond, double q);
struct interval quantile_signed_ci(const struct sketch *below, const struct sketch *rest, uint64_t beyond,
                                   double q, double alpha, double t_opt);

/* Candidate's q-quantile less live's: each arm at alpha / 2, so that both hold at once. */
struct interval quantile_shift(struct sample live, struct sample candidate, double q, double alpha,
                               double t_opt);
/* Log e-value against "the two arms have the same q-quantile" (section 4): the least, over all values that
 * the quantile could have, of the arms' e-values multiplied. 0 when an arm is empty. Linear in both. */
double quantile_equal_log_e(struct sample, struct sample, double q, double t_opt);

#endif
