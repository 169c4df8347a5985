/*
 * distinct.h - how many different values there were, in fixed memory: HyperLogLog (Flajolet, Fusy, Gandouet,
 * Meunier, 2007), relative error about 3 %. Pure.
 *
 * Fed with hashes of 64 uniform bits; under a key that nobody else has, a sketch tells nothing of the values.
 */
#ifndef PROTO_BASE_DISTINCT_H
#define PROTO_BASE_DISTINCT_H

#include <stdint.h>

enum { DISTINCT_BITS = 10, DISTINCT_REGISTERS = 1 << DISTINCT_BITS };

struct distinct { /* all zero is empty */
	uint8_t rank[DISTINCT_REGISTERS];
};

void distinct_add(struct distinct *, uint64_t hash);
double distinct_count(const struct distinct *);

#endif
