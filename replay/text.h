/*
 * text.h - how far two texts are apart, as measures in 0..1. Pure: no I/O.
 *
 * Both are taken of bytes of UTF-8. Measures never say whether texts are equal: bytes do.
 */
#ifndef REPLAY_TEXT_H
#define REPLAY_TEXT_H

#include "proto/base/err.h"
#include "proto/base/span.h"

/* What texts may be apart between their common ends to be measured: the work grows with its square. */
enum { TEXT_EDIT_MAX = 16384, TEXT_TOKENS_MAX = 2048 };

/* Levenshtein distance / length of the longer, 0 of two empty ones. By bit vectors (Myers 1999, blocks as in
 * Hyyro 2003). 0, ERR_LIMIT (TEXT_EDIT_MAX), ERR_NOMEM (also when it takes more than work_bytes). */
int text_edit_distance(struct span a, struct span b, size_t work_bytes, double *out) MUST_CHECK;
/* F1 over the multisets of tokens (Rajpurkar et al. 2016, SQuAD): ASCII lower case, ASCII punctuation and the
 * articles a, an, the left out, split at blanks. 1 of two without tokens, 0 when one has none. 0, ERR_NOMEM
 * (also when it takes more than work_bytes). */
int text_token_f1(struct span a, struct span b, size_t work_bytes, double *out) MUST_CHECK;
/* F1 over the longest common subsequence of tokens (ROUGE-L, Lin 2004), letters and digits in ASCII lower
 * case: 1 of two without tokens. 0, ERR_LIMIT (TEXT_EDIT_MAX), ERR_NOMEM (also when it takes more than
 * work_bytes). */
int text_rouge_l(struct span a, struct span b, size_t work_bytes, double *out) MUST_CHECK;
/* chrF (Popovic 2015; character n-grams of 1 to 6, beta 2, blanks left out, precision and recall averaged
 * over the lengths that both have, as in sacreBLEU), live as the reference. As text_rouge_l(). */
int text_chrf(struct span live, struct span candidate, size_t work_bytes, double *out) MUST_CHECK;
/* Tokens before the first that differs / those of the longer: 1 when none does. */
double text_same_start(struct span a, struct span b);
/* Bytes of the shorter / of the longer. */
double text_length_ratio(struct span a, struct span b);

#endif
