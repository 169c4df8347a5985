/*
 * check_inside.h - what the validators share.
 */
#ifndef CAPTURE_DETECT_CHECK_INSIDE_H
#define CAPTURE_DETECT_CHECK_INSIDE_H

#include <string.h>

#include "capture/detect/check.h"

#define NUMBER2(at) (((at)[0] - '0') * 10 + (at)[1] - '0')

/* The sum of digits by weights of one digit each, as many as there are weights. */
int check_weighted(const char *digits, const char *weights);
unsigned check_mod(const char *digits, size_t n, unsigned m);
/* At most 9 digits. */
int check_number(const char *digits, size_t n);
bool check_all_same(const char *digits);
/* YYMMDD of either century. */
bool check_two_digit_date(const char *yymmdd);

#endif
