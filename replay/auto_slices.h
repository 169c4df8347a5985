/*
 * auto_slices.h - slices that nobody declared: one half of the pairs proposes what a request's fields could
 * have to do with divergence, the other half tests it. Pure: no I/O, no allocation.
 *
 * A predicate is a member of the request's JSON body with its value ("$.region=eu", a number past 16 by its
 * octave: "$.age in [32,64)"), or two of them. Which half a pair is in is its id's hash alone, so that what
 * is tested was not chosen by what tests it. Bounded: AUTO_COUNTED predicates; of later ones only that there
 * were some is known. Integers only: the order of pairs matters no further than who comes before that bound.
 */
#ifndef REPLAY_AUTO_SLICES_H
#define REPLAY_AUTO_SLICES_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/span.h"

enum {
	AUTO_FEATURES = 8,
	AUTO_FEATURE_BYTES = 64,
	AUTO_COUNTED = 256,
	AUTO_SLOTS = 2 * AUTO_COUNTED,
	AUTO_PROPOSED = 10,
	AUTO_LEAST = 20 /* pairs in the proposing half: fewer propose nothing */
};

enum auto_half { AUTO_PROPOSES, AUTO_TESTS, AUTO_HALVES };

struct auto_features {
	uint32_t count;
	char at[AUTO_FEATURES][AUTO_FEATURE_BYTES];
};

struct auto_predicate {
	char name[2 * AUTO_FEATURE_BYTES + 4]; /* printable ASCII */
	uint64_t pairs[AUTO_HALVES], diverged[AUTO_HALVES];
};

struct auto_slices { /* all zero is empty */
	uint32_t count;
	uint64_t left_out; /* predicates of pairs that found no room */
	uint64_t pairs[AUTO_HALVES], diverged[AUTO_HALVES];
	struct auto_predicate at[AUTO_COUNTED];
	uint16_t slots[AUTO_SLOTS]; /* private: by hash of the name, index + 1 */
};

/* The first AUTO_FEATURES members with a string, number or truth value, in objects of any depth; none of what
 * is no JSON object, or is too long for its place. */
void auto_features_of(struct span body, struct auto_features *out);
enum auto_half auto_half_of(uint64_t id);
void auto_count(struct auto_slices *, const struct auto_features *, enum auto_half, bool diverged);
/* What the proposing half holds most against: indices, the strongest first. Returns how many. */
unsigned auto_proposed(const struct auto_slices *, unsigned index_out[AUTO_PROPOSED]);
/* Of the other half: the log e-value that pairs of the predicate diverge more often than the rest of it
 * (evidence_more_often() of evidence.h). */
double auto_log_e(const struct auto_slices *, unsigned index, enum auto_half);

#endif
