/*
 * gazetteer.h - a policy's list of names and places: words that are found wherever they stand whole.
 *
 * The file has one entry a line: at most GAZETTEER_ENTRY bytes and six words; blank lines and those that
 * begin with '#' are skipped. Letters are the same in either case (letters.h), blanks between words any
 * number up to three. Lookups are by hash, a first word that begins no entry costs one look at a bitmap.
 */
#ifndef CAPTURE_DETECT_GAZETTEER_H
#define CAPTURE_DETECT_GAZETTEER_H

#include "proto/base/err.h"
#include "proto/base/span.h"

enum {
	GAZETTEER_BYTES_MAX = 4 << 20,
	GAZETTEER_ENTRIES_MAX = 1 << 17,
	GAZETTEER_ENTRY = 80,
	GAZETTEER_LEAST = 2 /* bytes of an entry */
};

struct gazetteer;
/* Copies what it needs. ERR_PROTO: a line is too long, too short, has too many words or is not UTF-8;
 * ERR_LIMIT: too many lines or bytes; ERR_NOMEM. *line_out: which, from 1. */
int gazetteer_new(struct span file, struct gazetteer **gazetteer_out, unsigned *line_out) MUST_CHECK;
void gazetteer_free(struct gazetteer **);

#endif
