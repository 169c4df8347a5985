/*
 * draw.h - draws for tests: xorshift64*, so that every run sees the same ones.
 */
#ifndef TESTS_LIB_DRAW_H
#define TESTS_LIB_DRAW_H

#include <stdint.h>

static uint64_t draw_state = 1;

static inline void draw_seed(uint64_t seed)
{
	draw_state = seed;
}

/* Uniform in [0,1). */
static inline double draw(void)
{
	draw_state ^= draw_state >> 12;
	draw_state ^= draw_state << 25;
	draw_state ^= draw_state >> 27;
	return (double)((draw_state * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

#endif
