/*
 * numbers.h - a number as people write it: groups of digits. For the matchers of cards and telephones.
 */
#ifndef CAPTURE_DETECT_NUMBERS_H
#define CAPTURE_DETECT_NUMBERS_H

#include "capture/detect/inside.h"

enum { DIGITS_MAX = 24, GROUPS_MAX = 19 };
enum { WIDE = 'w', WIDE_DASH = 'd', WIDE_SLASH = 's' };

/* Groups of digits with one separator between two: a blank, '-', '.', '/', or a parenthesis with or without a
 * blank; WIDE for two blanks, WIDE_DASH and WIDE_SLASH for one with a blank on either side. */
struct number {
	size_t start;
	unsigned groups, count;
	unsigned len[GROUPS_MAX];
	char separator[GROUPS_MAX]; /* behind the group; 0: none that joins */
	size_t end[GROUPS_MAX];     /* of the group */
	unsigned upto[GROUPS_MAX];  /* digits to the end of the group */
	char digits[DIGITS_MAX + 1];
	bool plus, parenthesis;
};

/* telephones.c: the number at the anchor, of seven digits or more; it is cut where it cannot go on. */
void match_telephone(struct view *, struct number *);

#endif
