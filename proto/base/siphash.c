#include "proto/base/siphash.h"

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

/* Little-endian, n <= 8 bytes. */
static uint64_t word(const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	uint64_t w = 0;

	while (n--)
		w = w << 8 | at[n];
	return w;
}

static void rounds(uint64_t v[4], int count)
{
	while (count--) {
		v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
		v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
	}
}

static void take(uint64_t v[4], uint64_t w)
{
	v[3] ^= w;
	rounds(v, 2);
	v[0] ^= w;
}

uint64_t siphash(const uint8_t key[16], struct span text)
{
	uint64_t k0 = word(key, 8), k1 = word(key + 8, 8);
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
	                 k1 ^ 0x7465646279746573u};
	size_t at = 0;

	for (; at + 8 <= text.len; at += 8)
		take(v, word(text.data + at, 8));
	take(v, word(text.data + at, text.len - at) | (uint64_t)text.len << 56);
	v[2] ^= 0xff;
	rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
