/*
 * drift.h - how far a sample has moved from a reference. Pure: no I/O, no allocation. One look each: none of
 * these may be watched.
 */
#ifndef REPLAY_DRIFT_H
#define REPLAY_DRIFT_H

#include "replay/quantile.h"

enum { DRIFT_BINS_MAX = 64 };

/* The same things counted in both, bin by bin. */
struct drift_table {
	unsigned bins;
	double reference[DRIFT_BINS_MAX], current[DRIFT_BINS_MAX];
};

/* Bins between the reference's quantiles, at most `bins`, fewer where values repeat; the outer ones are open.
 */
void drift_bin(struct sample reference, struct sample current, unsigned bins, struct drift_table *out);

/* Population stability index, sum (q - p) ln(q / p) in nats; an empty share counts as 1e-4. It grows with
 * bins and shrinks with numbers: what no drift gives on average is (bins - 1) (1/n + 1/m) (Yurdakul 2018). */
double drift_psi(const struct drift_table *);
double drift_psi_expected(const struct drift_table *);
/* Jensen-Shannon divergence in bits (Lin 1991). */
double drift_js_bits(const struct drift_table *);
/* Pearson's chi-square of two samples, and its p-value by the upper incomplete gamma function. */
double drift_chi_square(const struct drift_table *, double *p_out);
/* Kolmogorov and Smirnov's greatest distance between two distribution functions, with the asymptotic p-value.
 */
double drift_ks(struct sample, struct sample, double *p_out);
/* That p-value of a distance between n and m values; NaN without them. */
double drift_ks_p(double distance, uint64_t n, uint64_t m);
/* The area between the two: Wasserstein's distance of order 1, in the unit of the values. */
double drift_wasserstein(struct sample, struct sample);

#endif
