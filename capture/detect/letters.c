#include "capture/detect/letters.h"

#include <stddef.h>

unsigned letter_small_pair(unsigned char lead, unsigned char next)
{
	static const struct {
		uint16_t first, last;
		uint8_t add, step; /* step 2: capitals and small ones alternate */
	} rows[] = {
	        {0x0c0, 0x0d6, 32, 1}, {0x0d8, 0x0de, 32, 1}, {0x100, 0x12e, 1, 2},  {0x132, 0x136, 1, 2},
	        {0x139, 0x147, 1, 2},  {0x14a, 0x176, 1, 2},  {0x179, 0x17d, 1, 2},  {0x1a0, 0x1a4, 1, 2},
	        {0x1af, 0x1af, 1, 1},  {0x1cd, 0x1db, 1, 2},  {0x1de, 0x1ee, 1, 2},  {0x1f8, 0x21e, 1, 2},
	        {0x222, 0x232, 1, 2},  {0x386, 0x386, 38, 1}, {0x388, 0x38a, 37, 1}, {0x38c, 0x38c, 64, 1},
	        {0x38e, 0x38f, 63, 1}, {0x391, 0x3a1, 32, 1}, {0x3a3, 0x3ab, 32, 1}, {0x3c2, 0x3c2, 1, 1},
	        {0x400, 0x40f, 80, 1}, {0x410, 0x42f, 32, 1}, {0x460, 0x480, 1, 2},  {0x48a, 0x4be, 1, 2},
	        {0x4c1, 0x4cd, 1, 2},  {0x4d0, 0x52e, 1, 2},  {0x531, 0x556, 48, 1},
	};
	unsigned c = (lead & 0x1fu) << 6 | (next & 0x3fu);

	if (c == 0x178)
		return 0xff;
	for (size_t i = 0; i < sizeof rows / sizeof *rows && c >= rows[i].first; i++)
		if (c <= rows[i].last)
			return (c - rows[i].first) % rows[i].step ? c : c + rows[i].add;
	return c;
}
