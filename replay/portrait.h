/*
 * portrait.h - distributions of features (features.h) on two sides, counted in bins that were set before
 * either side was counted. Pure: no I/O, no allocation.
 *
 * Of numbers a bin lies between two quantiles of what set them, the outer ones below its least and above its
 * greatest value; of words each frequent one has a bin, and all others one together. Counts are
 * integers: the order of what is counted does not change them.
 */
#ifndef REPLAY_PORTRAIT_H
#define REPLAY_PORTRAIT_H

#include "proto/base/buf.h"
#include "replay/drift.h"
#include "replay/features.h"

enum { PORTRAIT_FEATURES = 8, PORTRAIT_BINS = 18 };
enum portrait_side { PORTRAIT_REFERENCE, PORTRAIT_CURRENT, PORTRAIT_SIDES };

struct portrait_feature {
	char name[FEATURE_BYTES];
	uint32_t word, bins;         /* bins 0: not set yet */
	double edges[PORTRAIT_BINS]; /* of bins: the greatest that is in it; of words: the words */
	double beyond[PORTRAIT_SIDES]
	             [2]; /* sums: by how much numbers lie below the first edge, above the last */
	uint64_t counts[PORTRAIT_SIDES][PORTRAIT_BINS];
};

struct portrait { /* all zero is empty */
	uint32_t count;
	struct portrait_feature at[PORTRAIT_FEATURES];
};

/* Set the bins of a feature by n > 0 values, which are put in order. */
void portrait_set(struct portrait_feature *, double *values, size_t n);
unsigned portrait_bin(const struct portrait_feature *, double value); /* of one that is set */
void portrait_count(struct portrait_feature *, enum portrait_side, double value);
/* The feature of that name and kind, or NULL. */
struct portrait_feature *portrait_find(struct portrait *, const char *name, bool word);

/* Both sides' counts; bins that are empty on both are left out. */
void portrait_table(const struct portrait_feature *, struct drift_table *out);
uint64_t portrait_n(const struct portrait_feature *, enum portrait_side);
/* Of numbers Kolmogorov and Smirnov's distance at the edges of bins, which is never more than the distance
 * itself; of words the greatest difference of a bin's shares. NaN without counts. */
double portrait_distance(const struct portrait_feature *);
/* Wasserstein's distance of order 1, numbers lying evenly in their bins but the outer ones; NaN of words. */
double portrait_wasserstein(const struct portrait_feature *);

/* The greatest distance of a portrait's features, and an interval that may be watched. Of numbers: the
 * current side by the band of quantile.h, the reference by the same (`watched`) or, when it was fixed before,
 * by Dvoretzky, Kiefer and Wolfowitz's inequality with Massart's constant (Annals of Probability 1990). Of
 * words: each share by the sequence of stat.h. Features, sides and bins share alpha. Exchanges are taken to
 * be independent of each other; the two sides need not be. */
struct portrait_drift {
	double value; /* NaN: nothing is counted */
	struct interval ci;
};
struct portrait_drift portrait_drift(const struct portrait *, bool watched, double alpha, double t_opt);
/* Members of a JSON object: each feature with what drift.h has. p-values are of one look, and left out where
 * `paired`: the two sides are then no independent samples. */
void portrait_write(const struct portrait *, bool paired, struct buf *out);

#endif
