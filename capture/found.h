/*
 * found.h - what was found in a leg: how often each class, and which values, without the values.
 *
 *   | salt (8) | check (8) | class (1), issued: +128 | hash (8) | times (4) | ... an entry each
 *
 * The table is the payload of a leg's END from the masker on, and a field of that record in captures.
 * Integers are little-endian. A hash is keyed (SipHash-2-4, by the mask key) and salted by the exchange: who
 * has not the key can tell no value, and nobody that two exchanges hold the same one. `check` is the hash of
 * the salt alone: tables with the same pair were made with the same key and can be compared. An entry with
 * the hash 0 stands for further values of its class, which are counted and not told apart: FOUND_VALUES_MAX
 * are. `issued` is what an operator put in place of a value where that looks like one; it was found nowhere
 * and its times are 0.
 */
#ifndef CAPTURE_FOUND_H
#define CAPTURE_FOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/detect/classes.h"
#include "proto/base/buf.h"

enum {
	FOUND_VALUES_MAX = 128,
	FOUND_HEAD_BYTES = 16,
	FOUND_ENTRY_BYTES = 13,
	FOUND_BYTES_MAX = FOUND_HEAD_BYTES + FOUND_ENTRY_BYTES * (FOUND_VALUES_MAX + DETECT_CLASSES_ALL)
};

struct found {
	uint64_t salt, check;
	struct span known; /* the table of the request whose answer this is; empty: of none */
	struct buf table;  /* empty: nothing was found */
};

void found_init(struct found *, uint64_t salt, uint64_t check);
void found_fini(struct found *);
/* Count a value; of the same one `times` more. Errors stick to the table. */
void found_add(struct found *, unsigned class, uint64_t hash, uint32_t times, bool issued);

/* As it is now, and back to that. */
struct found_mark {
	uint32_t len;
	char bytes[FOUND_BYTES_MAX];
};
void found_keep(const struct found *, struct found_mark *);
void found_back(struct found *, const struct found_mark *);

/* For tables that come from elsewhere. Empty is one; what is not valid holds nothing. */
bool found_valid(struct span table);
uint64_t found_salt(struct span table), found_check(struct span table);
bool found_issued(struct span table, unsigned class, uint64_t hash);
/* Add the times of each class. */
void found_count(struct span table, uint64_t counts[DETECT_CLASSES_ALL]);
/* Does the answer hold a class that its request does not, or, where both can be compared and all of the
 * request's are told apart, a value that it does not? */
bool found_adds(struct span asked, struct span answered);

#endif
