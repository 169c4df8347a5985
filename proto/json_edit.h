/*
 * json_edit.h - other values at a few places of a JSON document; every other byte stays as it is.
 *
 * A path is $.name.name[3].name, at most JSON_EDIT_STEPS steps. A place that is not there stays not there; a
 * member that is there twice is replaced twice, as readers differ in which of the two they take. Pure.
 */
#ifndef PROTO_JSON_EDIT_H
#define PROTO_JSON_EDIT_H

#include "proto/json.h"

enum { JSON_EDIT_STEPS = 16, JSON_EDITS_MAX = 64 };

struct json_edit {
	const char *path;
	struct span value; /* a whole JSON value */
};

/* Can that path be read? 0 or ERR_CONFIG. */
int json_edit_check(const char *path) MUST_CHECK;
/* True when the text is one JSON value that is no object and no array. */
bool json_is_scalar(struct span text);
/* The first value at that path, a span of `doc`; empty when there is none, or `doc` is not JSON. */
struct span json_at(struct span doc, const char *path);
/* Write the edited document. Of two edits for one place, or for a place inside another, the first place in
 * the document counts, then the first edit. 0 with the number of replaced values; ERR_PROTO (not JSON),
 * ERR_LIMIT (nesting, or more than JSON_EDITS_MAX places), or the buffer's error. */
int json_edit(struct span doc, const struct json_edit *, unsigned count, struct buf *out,
              unsigned *replaced_out) MUST_CHECK;

#endif
