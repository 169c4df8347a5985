/*
 * calibration.h - are a classifier's shares what they say? Against labels that came later. Pure: no I/O.
 *
 * Log loss: mean -ln of the share of the true class, in nats, no share below 1e-15 (Good 1952). Brier's score
 * in its first form, mean of sum (share - truth)^2, in 0..2 (Brier 1950). Expected calibration error: over 15
 * bins of confidence of equal width, (low, high], the mean of |right - confidence| by how many lie in each
 * (Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017). It is never below 0: of few rows it is too large.
 */
#ifndef REPLAY_CALIBRATION_H
#define REPLAY_CALIBRATION_H

#include <stdint.h>

enum { CALIBRATION_BINS = 15 };

struct calibration { /* all zero is empty */
	uint64_t n;
	double log_loss, brier; /* sums */
	struct {
		uint64_t n, right;
		double confidence;
	} bins[CALIBRATION_BINS];
};

/* One row's shares of `classes` classes, classes > 0, and the class that was true; one past the last had no
 * share. What it adds to Brier's score. */
double calibration_add(struct calibration *, const float *shares, unsigned classes, uint64_t label);
/* NaN of none. */
double calibration_log_loss(const struct calibration *);
double calibration_brier(const struct calibration *);
double calibration_error(const struct calibration *);

#endif
