#include "proto/base/distinct.h"

#include <math.h>

void distinct_add(struct distinct *d, uint64_t hash)
{
	uint8_t *rank = &d->rank[hash >> (64 - DISTINCT_BITS)];
	uint64_t rest = hash << DISTINCT_BITS | 1u << (DISTINCT_BITS - 1);
	uint8_t zeros = (uint8_t)(__builtin_clzll(rest) + 1);

	if (zeros > *rank)
		*rank = zeros;
}

/* With linear counting (Whang, Vander-Zanden, Taylor, 1990) as long as registers are empty and it is small.
 */
double distinct_count(const struct distinct *d)
{
	const double m = DISTINCT_REGISTERS, alpha = 0.7213 / (1 + 1.079 / m);
	double sum = 0, raw;
	unsigned empty = 0;

	for (unsigned i = 0; i < DISTINCT_REGISTERS; i++) {
		sum += ldexp(1, -d->rank[i]);
		empty += d->rank[i] == 0;
	}
	raw = alpha * m * m / sum;
	return raw <= 2.5 * m && empty ? m * log(m / empty) : raw;
}
