/*
 * fold.h - reads characters as what they stand for: full-width forms as ASCII, odd blanks and dashes as ' '
 * and
 * '-', invisible ones as nothing. What is no such character stays.
 *
 * Offsets after folding map back to the source by marks, one behind each place where they part.
 */
#ifndef CAPTURE_DETECT_FOLD_H
#define CAPTURE_DETECT_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"

enum { FOLD_SEQUENCE_MAX = 4, FOLD_MARKS_MAX = 1024 };

struct fold {
	uint64_t folded, source;              /* so far */
	unsigned char cut[FOLD_SEQUENCE_MAX]; /* a character that a piece ended in */
	unsigned cut_len;
	unsigned count;
	struct fold_mark { /* behind it the two run alike */
		uint64_t folded, source;
	} marks[FOLD_MARKS_MAX];
};

void fold_init(struct fold *);
/* False: no mark is left; forget some. */
bool fold_room(const struct fold *);
/* Into `out` with `room` for at least FOLD_SEQUENCE_MAX bytes: the bytes written. *took_out: of the text. */
size_t fold_put(struct fold *, struct span text, unsigned char *out, size_t room, size_t *took_out);
/* The text ends: what it cut stays as it is. */
size_t fold_end(struct fold *, unsigned char *out);
/* Where a folded offset is in the source; it must not lie before what was forgotten. */
uint64_t fold_source(const struct fold *, uint64_t folded);
void fold_forget(struct fold *, uint64_t before);

#endif
