/*
 * mask_body.h - whole bodies by what their head says they are: JSON, lines of JSON, events, forms, texts,
 * each also compressed.
 *
 * A type that is not known here is read as JSON and dropped when it is none: what a policy was not asked
 * about does not pass.
 */
#ifndef CAPTURE_MASK_BODY_H
#define CAPTURE_MASK_BODY_H

#include "capture/mask.h"

enum mask_form { MASK_JSON, MASK_LINES, MASK_EVENTS, MASK_PAIRS, MASK_PARTS, MASK_PLAIN };
enum { MASK_BOUNDARY_MAX = 70, MASK_CODING_MAX = 8 }; /* RFC 2046 5.1.1 */

struct mask_body {
	uint8_t form, boundary_len;
	char boundary[MASK_BOUNDARY_MAX];
	char coding[MASK_CODING_MAX]; /* content-encoding, as proto/coding.h knows it; empty: none */
	size_t limit_bytes;           /* of what a coded body decodes to */
};

/* How the body of that head is read. Sets no limit. ERR_UNSUPPORTED: it is coded in a way that is not known,
 * or more than once, or its parts have no good boundary. */
int mask_body_of(struct span head, struct mask_body *) MUST_CHECK;
/* Append to `out` what a whole body becomes. `due`, with `arg`, is told of each event or line that is done:
 * bytes of the body, bytes of `out`; not of a coded body, which leaves coded as
 * it came. ERR_PROTO: it is not what its head says; ERR_LIMIT: it decodes to more
 * than `out` may hold, or to too much of too little; ERR_NOMEM. */
int mask_body(const struct mask_body *, const struct mask_rules *, struct mask_key *, struct span body,
              void (*due)(void *arg, size_t brought, size_t masked), void *arg, struct buf *out,
              uint32_t *count_out, bool *input_masked_out) MUST_CHECK;

#endif
