/*
 * learn.h - what the bodies of a service hold, path by path: types, presence, how many different values,
 * lengths, what detectors find. Never a value.
 *
 * Names of members are told, values are not; a name that detectors find something in, one that a path cannot
 * express, and the names of an object that has over LEARN_NAMES_MAX of them are values, too: all such members
 * count as one. Different values are counted by hashes under a key that is forgotten. Memory is bounded: at
 * most LEARN_PLACES_MAX places; values at further ones are counted as `over`.
 */
#ifndef CAPTURE_LEARN_H
#define CAPTURE_LEARN_H

#include "capture/detect/detect.h"
#include "capture/mask_body.h"
#include "proto/base/distinct.h"

enum { LEARN_PLACES_MAX = 2048, LEARN_NAMES_MAX = 64, LEARN_NAME_BYTES = 64, LEARN_NESTED_MAX = 3 };
enum learn_type {
	LEARN_OBJECT,
	LEARN_ARRAY,
	LEARN_STRING,
	LEARN_NUMBER,
	LEARN_BOOL,
	LEARN_NULL,
	LEARN_TYPES
};
enum learn_kind { LEARN_BODY, LEARN_MEMBER, LEARN_ELEMENT, LEARN_FORM, LEARN_HEADER, LEARN_TEXT };

struct learn_place {
	uint32_t parent;                 /* of a member or an element */
	uint8_t kind;                    /* enum learn_kind */
	bool hidden;                     /* its name, or one above it, is a value: not to be told */
	char name[LEARN_NAME_BYTES + 1]; /* "": any of the names that are values */
	uint64_t documents, values, types[LEARN_TYPES];
	uint64_t texts, nested;                               /* strings, and those that are JSON */
	uint64_t bytes, least, most;                          /* of texts */
	uint64_t prose;                                       /* strings that read like it */
	uint32_t hits[DETECT_CLASSES], whole[DETECT_CLASSES]; /* strings with a find; that are one */
	struct distinct distinct;
	uint64_t told; /* of one that was loaded: how many different ones there were */
	/* private */
	uint64_t last;
	uint32_t names;
};

struct learn;
/* `key`: of the hashes. 0 or ERR_NOMEM. */
int learn_new(const uint8_t key[16], struct learn **learn_out) MUST_CHECK;
void learn_free(struct learn **);
/* A document begins; what follows belongs to it. */
void learn_document(struct learn *);
/* A body of JSON. 0; ERR_PROTO: it is none, what was read of it counts; ERR_LIMIT, ERR_NOMEM. */
int learn_json(struct learn *, struct span body) MUST_CHECK;
/* A field of a form, a header, or (name empty) a text. 0 or ERR_NOMEM. */
int learn_value(struct learn *, enum learn_kind, struct span name, struct span value) MUST_CHECK;

/* A whole message by its head: body and header fields. False: (a part of) the body could not be read. */
bool learn_leg(struct learn *, struct span head, struct span body, size_t limit_bytes);
/* A body that is known to be of that form. 0, ERR_PROTO, ERR_LIMIT, ERR_NOMEM. */
int learn_body(struct learn *, const struct mask_body *, struct span body, size_t limit_bytes) MUST_CHECK;

/* All that is told of it, no name that is a value, and back: what is loaded is told, and learns no more.
 * Values at places beyond LEARN_SAVED_MAX bytes are `over`. ERR_PROTO: it is not what was saved. */
enum { LEARN_SAVED_MAX = 3 << 20 };
void learn_save(const struct learn *, struct buf *out);
int learn_load(struct span saved, struct learn **learn_out) MUST_CHECK;

/* Of texts and numbers, about. */
uint64_t learn_different(const struct learn_place *);
uint64_t learn_documents(const struct learn *);
uint64_t learn_over(const struct learn *);
unsigned learn_count(const struct learn *);
const struct learn_place *learn_at(const struct learn *, unsigned);
/* "$.a[*].b" or "form: name"; false: it is not to be told, or no rule can name it. */
bool learn_path(const struct learn *, unsigned place, struct buf *out);
/* The same as steps, outermost first: how many, 0 when it is no path of a body. */
unsigned learn_steps(const struct learn *, unsigned place, struct mask_step *out, unsigned room);

#endif
