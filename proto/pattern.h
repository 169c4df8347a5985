/*
 * pattern.h - regular expressions that cost a bounded time: a Thompson automaton, walked once over the text.
 * Pure: no I/O, no allocation, no backtracking.
 *
 *   text of n characters, pattern of m steps --> at most n * m visits, whatever both hold
 *
 * Understood, as in ECMA 262 with the flag u: characters, ., \d \w \s and their opposites, \n \r \t \f \v \0,
 * \xHH, \uHHHH, \u{H}, escaped punctuation, [classes] with ranges, ( ), (?: ), |, * + ? {m} {m,} {m,n} (lazy
 * ones too: whether it matches is the same), ^ $ (of the whole text), \b \B. Refused with words: references
 * back, looking ahead or behind, named groups, properties (\p). Source: Thompson 1968, "Regular expression
 * search algorithm"; Pike's simulation as in Cox 2007.
 */
#ifndef PROTO_PATTERN_H
#define PROTO_PATTERN_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/err.h"
#include "proto/base/span.h"

enum { PATTERN_STEPS_MAX = 512, PATTERN_RANGES_MAX = 256 };

struct pattern_step {
	uint8_t op;       /* private */
	uint16_t to, or ; /* the next steps; of a class its first range and how many */
	uint32_t value;
};

struct pattern {
	uint16_t count, range_count;
	struct pattern_step steps[PATTERN_STEPS_MAX];
	struct {
		uint32_t low, high;
	} ranges[PATTERN_RANGES_MAX];
};

/* NULL, or why not: a constant sentence. */
const char *pattern_compile(struct pattern *, struct span text) MUST_CHECK;
/* Does it match anywhere in `text`? What is no UTF-8 is taken byte by byte as U+FFFD. */
bool pattern_found(const struct pattern *, struct span text);

#endif
