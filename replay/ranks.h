/*
 * ranks.h - two rankings of the same things compared. Pure: no I/O.
 *
 * A ranking is a list of items, each a number that stands for it, from the first place on; scores are values
 * of which the highest is first.
 */
#ifndef REPLAY_RANKS_H
#define REPLAY_RANKS_H

#include <stddef.h>
#include <stdint.h>
#include "proto/base/err.h"

enum { RANKS_TOP = 10, RANKS_MAX = 1024 };

/* Kendall's tau-b of paired scores, ties allowed (Kendall 1945): -1..1, NaN when one side is all ties. At
 * most RANKS_MAX are looked at. */
double ranks_tau_b(const double *a, const double *b, size_t count);
/* Share of the first min(k, longer list) items that both lists have; 1 of two empty ones. Items do not repeat
 * in a list. */
double ranks_overlap(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count, size_t k);
/* Rank-biased overlap, extrapolated (Webber, Moffat and Zobel 2010, equation 32), weight p in (0,1) of a next
 * place: 0..1. Lists are cut to RANKS_MAX. */
double ranks_rbo(const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count, double p);
/* Places, from the first on, of `count` values, the highest first, equal ones in their order; NaN is last. */
void ranks_order(const double *values, size_t count, uint32_t *places_out);

#endif
