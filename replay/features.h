/*
 * features.h - what a body is like: its size, and of a JSON document its numbers and words by path. Pure: no
 * I/O, no allocation.
 *
 * Elements of arrays have one path, "$.inputs[*].data[*]", and their numbers one value: the mean, so that a
 * body is one observation. Of words (strings, true, false) the first of its path counts. Bounded: the first
 * FEATURES_MAX paths, the first FEATURES_TOKENS tokens. What is no JSON document has its size alone.
 */
#ifndef REPLAY_FEATURES_H
#define REPLAY_FEATURES_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/span.h"

enum { FEATURES_MAX = 12, FEATURE_BYTES = 64, FEATURES_TOKENS = 1 << 16 };

struct feature {
	char name[FEATURE_BYTES]; /* printable ASCII; "(bytes)" is the first */
	bool word;
	double value; /* finite; of a word 52 bits of its hash, a whole number that is not 0 */
};

/* How many. */
unsigned features_of(struct span body, struct feature out[FEATURES_MAX]);
double feature_word(struct span text);

#endif
