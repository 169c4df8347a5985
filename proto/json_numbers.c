/*
 * json_numbers.c - lists of numbers, 64 bytes at a time, by sets of bits: bit i speaks of byte i.
 *
 * A block begins at a comma and is told by itself: what begins in it and ends at a comma before the first
 * wrong or rare byte (an exponent, a bracket, a second blank) is good, and the next block begins at the last
 * such comma. The rest is left to whole_number(), one by one; both have one outcome.
 */
#include "proto/json_inside.h"

#if defined(__SSE2__) && !defined(JSON_PORTABLE)

enum { BLOCK = 64, LANE = 16 };

struct block {
	uint64_t comma, digit, zero, point, minus, blank;
};

static inline uint64_t bits(__m128i lane, unsigned at)
{
	return (uint64_t)(unsigned)_mm_movemask_epi8(lane) << at;
}

static inline struct block block_read(at_byte at)
{
	struct block b = {0};

	for (unsigned i = 0; i < BLOCK; i += LANE) {
		__m128i v = _mm_loadu_si128((const __m128i *)(at + i));
		__m128i from_zero = _mm_sub_epi8(v, _mm_set1_epi8('0'));

		b.digit |= bits(_mm_cmpeq_epi8(_mm_min_epu8(from_zero, _mm_set1_epi8(9)), from_zero), i);
		b.zero |= bits(_mm_cmpeq_epi8(v, _mm_set1_epi8('0')), i);
		b.comma |= bits(_mm_cmpeq_epi8(v, _mm_set1_epi8(',')), i);
		b.point |= bits(_mm_cmpeq_epi8(v, _mm_set1_epi8('.')), i);
		b.minus |= bits(_mm_cmpeq_epi8(v, _mm_set1_epi8('-')), i);
		b.blank |= bits(_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')), i);
	}
	return b;
}

/* Bytes that may not follow the one before them: what is wrong with a number shows in it, or at the comma
 * behind it. */
static inline uint64_t block_wrong(const struct block *b)
{
	uint64_t behind = b->comma << 1, first = (behind & ~b->blank) | (behind & b->blank) << 1;
	uint64_t leading_zero = ((first & b->digit) | (first & b->minus) << 1) & b->zero;
	uint64_t after_point = b->digit + (b->point << 1 & b->digit); /* a run of digits carries to its end */

	return ~(b->comma | b->digit | b->point | b->minus | b->blank) | (b->blank & ~behind) |
	       (b->minus & ~first) | (leading_zero << 1 & b->digit) |
	       ((b->point | b->comma) & ~(b->digit << 1 | 1)) | (after_point & ~b->digit & b->point);
}

uint64_t json_numbers(at_byte *at, at_byte end, at_byte *start)
{
	uint64_t n = 0;

	while (end - *at >= BLOCK) {
		struct block b = block_read(*at);
		uint64_t wrong = block_wrong(&b), commas = b.comma & ((wrong & -wrong) - 1), before;
		unsigned last, from;

		if (!(commas & 1) || commas == 1)
			break;
		last = 63 - (unsigned)__builtin_clzll(commas);
		before = commas ^ (uint64_t)1 << last;
		from = 64 - (unsigned)__builtin_clzll(before);
		*start = *at + from + (b.blank >> from & 1);
		*at += last;
		n += (uint64_t)__builtin_popcountll(before);
	}
	return n;
}

#else

uint64_t json_numbers(at_byte *at, at_byte end, at_byte *start)
{
	(void)at, (void)end, (void)start;
	return 0;
}

#endif
