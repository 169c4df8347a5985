/*
 * operator_inside.h - the files behind operator.h: operator.c has the table and what is plain,
 * operator_shape.c tokens that look like their value, operator_amount.c times and numbers.
 *
 * Each appends what stands for the value, or returns false, having put nothing: it could not be read.
 */
#ifndef CAPTURE_OPERATOR_INSIDE_H
#define CAPTURE_OPERATOR_INSIDE_H

#include "capture/mask_key.h"
#include "capture/operator.h"

bool operator_shape(struct mask_key *, unsigned class, struct span domain, struct span value,
                    struct buf *out);
bool operator_surrogate(struct mask_key *, const char *dictionary, struct span value, struct buf *out);
bool operator_dictionary(const char *name);

bool operator_shift_date(struct mask_deed *, struct mask_key *, struct span value, struct buf *out);
bool operator_truncate_time(struct mask_deed *, struct span value, struct buf *out);
bool operator_bucket(struct mask_deed *, struct span value, struct buf *out);
bool operator_noise(struct mask_deed *, struct mask_key *, struct span value, struct buf *out);
bool operator_generalise(struct mask_deed *, struct span value, struct buf *out);

static inline bool operator_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool operator_is_letter(char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

#endif
