#include "capture/crc32c.h"

#include <pthread.h>

enum { SLICES = 8 };
static uint32_t table[SLICES][256]; /* table[k][b]: byte b followed by k zero bytes */

static void fill(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t c = b;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
		table[0][b] = c;
	}
	for (int k = 1; k < SLICES; k++) {
		for (uint32_t b = 0; b < 256; b++)
			table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
	}
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const uint8_t *p = bytes;

	pthread_once(&once, fill);
	crc = ~crc;
	for (; n >= SLICES; n -= SLICES, p += SLICES) {
		crc ^= p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		crc = table[7][crc & 0xff] ^ table[6][crc >> 8 & 0xff] ^ table[5][crc >> 16 & 0xff] ^
		      table[4][crc >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
	}
	for (; n; n--, p++)
		crc = table[0][(crc ^ *p) & 0xff] ^ crc >> 8;
	return ~crc;
}
