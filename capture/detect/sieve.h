/*
 * sieve.h - the prefilter: 64 bytes of text in, a bit for each place where a matcher should look.
 *
 * Anchors depend on the bytes fed so far and on nothing else, so blocks may come one by one. The bytes are
 * sorted by AVX2 where the processor has it, by a loop elsewhere; what follows is the same code on words, so
 * both say the same.
 */
#ifndef CAPTURE_DETECT_SIEVE_H
#define CAPTURE_DETECT_SIEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIEVE_BLOCK = 64, SIEVE_LONG = 20 };

/* Bit i: byte i of the block is one. */
struct sieve_bytes {
	uint64_t digit, letter, at, colon, equals, dash, underscore, s, high;
};

struct sieve_anchors {
	uint64_t number; /* the first digit of a run of letters and digits */
	uint64_t at;     /* @ */
	uint64_t pair;   /* : or = */
	uint64_t longs;  /* the SIEVE_LONGth of a run of letters, digits, '-' and '_' */
	uint64_t dashes; /* the fifth dash in a row */
	uint64_t ss;     /* the second s of two */
	uint64_t word;   /* the first of a run of letters, digits and bytes over 127 */
};

struct sieve {                   /* what a block leaves for the next; all zero at first */
	bool letters_only;       /* the word under way has no digit so far */
	uint64_t alnum, word, s; /* of the block before, as the next */
	uint64_t run1, run2, run4, run8, run16, run20;
	uint64_t dash1, dash2, dash4, dash5;
};

typedef void sieve_sort(const unsigned char block[SIEVE_BLOCK], struct sieve_bytes *);
sieve_sort sieve_sort_portable, sieve_sort_avx2;
/* The quickest that this processor has. */
sieve_sort *sieve_best(void);
/* Can this processor run sieve_sort_avx2()? */
bool sieve_has_avx2(void);

void sieve_next(struct sieve *, const struct sieve_bytes *, struct sieve_anchors *out);

/* Is there a byte over 127 that fold.h may change? Tells too much, never too little. */
bool sieve_foldable(const unsigned char *text, size_t len);

#endif
