/*
 * mask_schema.h - the types and calls of a FileDescriptorSet, which is what `protoc --include_imports
 * --descriptor_set_out` writes: names and numbers for rules, without generated code. Pure.
 *
 * Source: google/protobuf/descriptor.proto. Each type becomes a table of its fields. Groups and extensions
 * are left out: a message that has one is refused like any with a field that nobody knows.
 */
#ifndef CAPTURE_MASK_SCHEMA_H
#define CAPTURE_MASK_SCHEMA_H

#include "capture/mask.h"
#include "proto/base/guess.h"

enum { SCHEMA_BYTES_MAX = 4 << 20, SCHEMA_WHY_BYTES = 160 };

struct mask_schema;
/* Copies what it needs. ERR_PROTO: it is none, or lacks what it imports: `why` says which; ERR_LIMIT: over
 * SCHEMA_BYTES_MAX, or messages 32 deep; ERR_NOMEM. */
int mask_schema_new(struct span file, struct mask_schema **schema_out, char why[SCHEMA_WHY_BYTES]) MUST_CHECK;
/* Of a policy, from the bytes of its file; NULL where it has none. ERR_CONFIG: they are not those that the
 * policy was read with, or none that can be read. */
int mask_schema_open(const struct plan_mask *, struct span file, struct mask_schema **schema_out) MUST_CHECK;
void mask_schema_free(struct mask_schema **);
/* The call of that id, or NULL; also without a schema. */
const struct mask_call *mask_schema_call(const struct mask_schema *, uint32_t id);
/* The number of a table, and how many there are. */
size_t mask_schema_place(const struct mask_schema *, const struct table *, size_t *count_out);

/* Let rules use its names; it must stay. NULL: there is none. ERR_CONFIG: of a rule's call nothing is known,
 * and the rule has names. */
struct mask_rules;
int mask_rules_describe(struct mask_rules *, const struct mask_schema *) MUST_CHECK;

/* Why a rule for a call cannot act. */
enum mask_misfit {
	MISFIT_NONE,
	MISFIT_CALL,   /* descriptors have no such call */
	MISFIT_NAME,   /* a name, and nothing that knows names */
	MISFIT_DEEP,   /* the same of ..3: nobody knows what is a message */
	MISFIT_FIELD,  /* no message there has that field; or there is no list, no message */
	MISFIT_NUMBER, /* it leads to a number, which the operator cannot leave one */
};
/* *at_out: the byte of the path; `near`: what was meant, perhaps, or empty. Of the Open Inference Protocol's
 * calls and of rules for none: MISFIT_NONE. */
enum mask_misfit mask_schema_check(const struct mask_schema *, const struct plan_mask_field *, size_t *at_out,
                                   char near[GUESS_HINT_BYTES]);

#endif
