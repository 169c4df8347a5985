/*
 * agreement.h - how far two measurements of the same thing are apart: bias, spread, extremes. Pure: no I/O.
 *
 * d = candidate - live. Limits of agreement are mean d +- 1.96 standard deviations (Bland and Altman, Lancet
 * 1986). Pairs with a value that is not finite are counted apart.
 */
#ifndef REPLAY_AGREEMENT_H
#define REPLAY_AGREEMENT_H

#include <stdint.h>

struct agreement {
	uint64_t n, not_finite;
	double mean, squares;             /* of d; squares of what it is from its mean */
	double abs_max, rel_max, ulp_max; /* |d|; |d| / |live|, of live != 0; in ULP of the type */
};

/* Distance in units in the last place between two values of a binary floating type with so many bits of
 * significand, hidden one included, and this least exponent (11 and -14 of FP16, 8 and -126 of BF16, 24 and
 * -126 of FP32, 53 and -1022 of FP64): representable values between them (Goldberg 1991).
 * Both are rounded to the type: text may say more digits than it has. */
double agreement_ulp(double a, double b, int bits, int least_exponent);
/* bits 0: an integer type, without ULP. */
void agreement_add(struct agreement *, double live, double candidate, int bits, int least_exponent);
/* What `more` holds is added (Chan, Golub and LeVeque 1983). */
void agreement_merge(struct agreement *, const struct agreement *more);
/* NaN of fewer than two. */
double agreement_sd(const struct agreement *);

#endif
