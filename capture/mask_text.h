/*
 * mask_text.h - the detectors of a policy, and what becomes of a decoded text in which they find something.
 */
#ifndef CAPTURE_MASK_TEXT_H
#define CAPTURE_MASK_TEXT_H

#include "capture/mask.h"

enum { MASK_ENCODED_LEAST = 16 }; /* what is shorter is not taken for base64 */

/* Borrows the policy. A policy without detectors and with prose kept: NULL. `gazetteer`: the file's bytes,
 * empty when the policy has none. ERR_CONFIG: they are not those that the policy was read with, or not a
 * gazetteer; ERR_LIMIT, ERR_NOMEM. */
struct mask_finder;
struct recogniser;
int mask_finder_new(const struct plan_mask *, struct span gazetteer,
                    struct mask_finder **finder_out) MUST_CHECK;
void mask_finder_free(struct mask_finder **);

/* Ask it, too, about free text (borrowed); a policy that wants one and has none masks no body. */
void mask_finder_ask(struct mask_finder *, struct recogniser *);
bool mask_finder_asks(const struct mask_finder *);

/* LOOK_ALL: a text of a body, for which `free_text` of the policy holds as a whole. LOOK_FOUND: one of a
 * head, a name, or one that was looked at before: no recogniser, no drop_record. */
enum mask_look { LOOK_FOUND, LOOK_ALL };

/* The number of finds. 0: nothing was put out, the text may stay. Else `out` has the text with each find
 * masked, or, where *whole_out, the text must go as a whole. `name`: of the value. Errors stick to out and
 * key. */
uint32_t mask_text(const struct mask_finder *, struct mask_key *, enum mask_look, struct span name,
                   struct span text, struct buf *out, bool *whole_out);

/* Is it so short and plain that mask_text_deep() finds nothing in it? True without a finder. */
bool mask_text_plain(const struct mask_finder *, struct span text);

/* Would anything be found in it? False without a finder. */
bool mask_holds(const struct mask_finder *, struct span text);

/* The same for a text that may be another in base64, or a data URI. */
uint32_t mask_text_deep(const struct mask_finder *, struct mask_key *, enum mask_look, struct span name,
                        struct span text, struct buf *out, bool *whole_out);
/* The same for a text that was put together from pieces: where each ends, and where it ends in `out`. A find
 * is in the piece that it begins in. */
struct mask_cut {
	size_t end, masked_end;
};
uint32_t mask_text_cut(const struct mask_finder *, struct mask_key *, struct span name, struct span text,
                       struct buf *out, struct mask_cut *cuts, size_t cut_count);

#endif
