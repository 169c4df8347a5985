/*
 * labels.h - labelled texts, one a line as JSON, in the format of Presidio's research sets. Pure.
 *
 *   {"full_text": "I am Anna", "spans": [{"entity_type": "PERSON", "entity_value": "Anna",
 *    "start_position": 5, "end_position": 9}], ...}
 *
 * Positions count characters of Unicode, as Python does; here they become bytes of UTF-8. A label whose
 * entity_value is not what stands there is an error: positions that are off would make any score worthless.
 */
#ifndef CAPTURE_LABELS_H
#define CAPTURE_LABELS_H

#include <stdint.h>

#include "proto/base/buf.h"

enum { LABELS_TEXT_MAX = 4 << 20, LABELS_MAX = 10000 };

struct label {
	struct span type;  /* entity_type */
	size_t start, end; /* bytes of the text */
};

struct labels {
	struct span text; /* as the next, valid until the next line is read */
	struct label *at; /* by start */
	size_t count;
	/* private */
	struct buf strings, found, offsets;
};

void labels_init(struct labels *);
void labels_fini(struct labels *);
/* One line. 0; ERR_PROTO or ERR_LIMIT with *why_out, a constant; ERR_NOMEM. */
int labels_read(struct labels *, struct span line, const char **why_out) MUST_CHECK;

#endif
