/*
 * letters.h - small letters for capital ones, as simple case folding has them (Unicode 15, CaseFolding.txt):
 * of Latin, Greek, Cyrillic and Armenian as living languages are written in them, in sequences of two bytes.
 */
#ifndef CAPTURE_DETECT_LETTERS_H
#define CAPTURE_DETECT_LETTERS_H

#include <stdint.h>

/* Of one byte of ASCII. */
static inline unsigned char letter_small(unsigned char c)
{
	return (unsigned char)(c - 'A') < 26 ? c | 32 : c;
}

/* Do they begin a sequence of two bytes? */
static inline int letter_is_pair(unsigned char lead, unsigned char next)
{
	return lead >= 0xc2 && lead <= 0xdf && (next & 0xc0) == 0x80;
}

/* Of such a sequence: a code point from U+0080 to U+07FF. */
unsigned letter_small_pair(unsigned char lead, unsigned char next);

#endif
