/*
 * mask_join.h - documents of one stream, and what their pieces say together: in an answer that comes token by
 * token an entity begins in one event and ends in a later one.
 *
 * Pieces are the strings at one place of successive documents whose member is one that models stream text in
 * (content, text, arguments and the like); where documents number their choices or blocks by a member whose
 * name ends in "index", those of one number belong together. What is found stands, masked, in the piece that
 * it begins in.
 */
#ifndef CAPTURE_MASK_JOIN_H
#define CAPTURE_MASK_JOIN_H

#include "capture/mask_inside.h"

struct mask_doc {
	struct span text; /* data NULL: an event without data */
	size_t end;       /* of its event or line, in the body */
	bool plain;       /* no JSON */
	size_t edits;     /* of it: they follow those of the one before */
};

struct mask_edit { /* bytes start to end of its document become these */
	size_t start, end;
	size_t at, len; /* in `masked` */
	uint64_t key;
	size_t doc;
	bool changed;
};

struct mask_join {
	struct mask_doc *docs;
	size_t doc_count;
	struct buf edits, masked; /* struct mask_edit, in the documents' order */
};

/* Is it the name of a member that models stream text in? As it stands in the document, with quotes. */
bool mask_join_streams(struct span key);
/* Look through all documents; `limit_bytes` bounds each of the buffers. 0, ERR_LIMIT, ERR_NOMEM. */
int mask_join(struct mask_join *, struct mask_work *, struct mask_doc *docs, size_t count,
              size_t limit_bytes) MUST_CHECK;
/* The n-th document with its edits: a span of it or of `out`. */
struct span mask_join_text(const struct mask_join *, size_t doc, struct buf *out);
void mask_join_fini(struct mask_join *);

#endif
