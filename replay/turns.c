#include "replay/turns.h"

#include <string.h>

#include "proto/base/siphash.h"

/* Fisher and Yates, with 16 of a hash's bits a step: off by 1 in 4000 for 16 candidates, which no one can
 * measure. */
void turns_draw(uint64_t seed, uint64_t id, unsigned count, uint8_t order[CANDIDATES_MAX])
{
	uint8_t key[16] = "turns";
	uint64_t bits = 0;

	memcpy(key + 8, &seed, sizeof seed);
	for (unsigned i = 0; i < count; i++)
		order[i] = (uint8_t)i;
	for (unsigned i = count; i > 1; i--) {
		unsigned step = count - i, pick;
		uint64_t text[2] = {id, step / 4};
		uint8_t taken;

		if (step % 4 == 0)
			bits = siphash(key, (struct span){(const char *)text, sizeof text});
		pick = (unsigned)((bits & 0xffff) * i >> 16);
		bits >>= 16;
		taken = order[i - 1];
		order[i - 1] = order[pick];
		order[pick] = taken;
	}
}
