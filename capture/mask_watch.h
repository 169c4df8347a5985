/*
 * mask_watch.h - a witness of masking: what was masked, where, and which rule or detector did it.
 *
 * It hangs on the mask key, which all code that masks has at hand; the roles have none and pay a look at a
 * NULL pointer. Readers of bodies keep `place`, the path of the value in hand, only for a witness. Sights are
 * gathered until they are forgotten: an attempt to read a text as JSON that fails takes its own back. Values
 * are kept only where that was asked for.
 */
#ifndef CAPTURE_MASK_WATCH_H
#define CAPTURE_MASK_WATCH_H

#include "capture/mask.h"

enum { WATCH_BYTES_MAX = 16 << 20 };

struct mask_sight {
	const struct plan_mask_field *rule; /* NULL: a detector, or what is always masked */
	uint64_t document;                  /* of a stream, from 1; 0: there is one */
	size_t start, end;                  /* in the decoded text, of a find; 0 and its length of a rule */
	size_t place_at, place_len;         /* in `text` */
	size_t value_at, value_len;         /* the same */
	uint32_t with;                      /* enum mask_operator */
	uint8_t class, score;               /* enum detect_class of a find, else DETECT_NONE */
	bool prose;                         /* free text that goes as a whole */
};

struct mask_watch {
	struct buf place, sights, text; /* sights: struct mask_sight */
	uint64_t document;
	bool values; /* keep what was masked */
};

void mask_watch_init(struct mask_watch *, bool values);
void mask_watch_fini(struct mask_watch *);
void mask_watch_forget(struct mask_watch *); /* what was seen so far */
/* The sights and their number; valid until the next one. */
const struct mask_sight *mask_watch_sights(const struct mask_watch *, size_t *count_out);
struct span mask_watch_text(const struct mask_watch *, size_t at, size_t len);
/* 0, or ERR_LIMIT, ERR_NOMEM: sights were lost. */
int mask_watch_error(const struct mask_watch *) MUST_CHECK;

/* Hang it on a key; NULL: nobody watches. The watch must outlive the key or be taken off. */
void mask_key_watch(struct mask_key *, struct mask_watch *);
struct mask_watch *mask_key_watched(const struct mask_key *);

/* For readers; nothing without a watch. The place is `kind`, and behind a blank `name` when it is not empty.
 */
void mask_watch_at(struct mask_key *, const char *kind, struct span name);
void mask_watch_rule(struct mask_key *, const struct plan_mask_field *, uint32_t with, struct span value);
void mask_watch_find(struct mask_key *, uint32_t with, uint8_t class, uint8_t score, struct span text,
                     size_t start, size_t end);
void mask_watch_prose(struct mask_key *, struct span text);
/* Go back to an earlier number of sights. */
size_t mask_watch_mark(const struct mask_key *);
void mask_watch_back(struct mask_key *, size_t mark);

#endif
