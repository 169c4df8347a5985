/*
 * json_pick.h - single members and elements of a JSON document, each as its source text. Pure, no
 * allocation.
 *
 * What is picked is read as strictly as what is skipped, so a picked text is itself a document. Null is told
 * apart from nothing nowhere: both are empty.
 */
#ifndef PROTO_JSON_PICK_H
#define PROTO_JSON_PICK_H

#include "proto/json.h"

/* The members of `object` with these names, the last of each name. 0; ERR_PROTO (also when it is no object)
 * or ERR_LIMIT, as the whole document is read. `out` has `count` places, empty for what is not there. */
int json_pick(struct span object, unsigned options, const char *const names[], size_t count,
              struct span out[]) MUST_CHECK;

/* The elements of an array, one by one. */
struct json_elements {
	struct json_reader reader;
	bool begun;
};
void json_elements_init(struct json_elements *, struct span array, unsigned options);
/* 1 with an element; 0 behind the last; ERR_PROTO (also when it is no array), ERR_LIMIT. */
int json_elements_next(struct json_elements *, struct span *element_out) MUST_CHECK;

/* The first document of several that follow one another, blanks between them: 1, and `left` is what follows
 * it; 0: only blanks are left; ERR_PROTO (also when it is no object or array), ERR_LIMIT. */
int json_document_next(struct span *left, unsigned options, struct span *document_out) MUST_CHECK;

#endif
