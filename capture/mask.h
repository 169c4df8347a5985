/*
 * mask.h - the masker: rewrites one leg's records by a policy. Masked or gone: on any failure the
 * caller drops the copy and counts it (mask_failed).
 *
 * Header rules and the built-in ones (credentials and cookies dropped, query values tokenised) act on
 * HEADs. A policy with JSON-path rules must be able to read every body, whatever its content-type says: the
 * body is held until complete (bounded by max_body), rewritten and laid over the same number of chunk
 * records; one that is not JSON is dropped. Records are never added, removed or re-timed (an emptied one
 * stays, with no payload).
 */
#ifndef CAPTURE_MASK_H
#define CAPTURE_MASK_H

#include "capture/plan.h"
#include "proto/base/buf.h"

struct mask_key; /* HMAC-SHA-256 with a kept context */
int mask_key_new(const uint8_t key[32], struct mask_key **key_out) MUST_CHECK;
void mask_key_free(struct mask_key **);

/* Rewrite a HEAD's or TRAILERS' text form. *count_out: values masked. 0, ERR_LIMIT, ERR_NOMEM, ERR_PROTO. */
int mask_head(const struct plan_mask *, struct mask_key *, struct span head, struct buf *out,
              uint32_t *count_out) MUST_CHECK;
/* A field that the built-in rules drop, by its name: credentials and cookies. */
bool mask_is_credential(struct span name);
/* True when the policy has JSON-path rules: bodies are held and must be JSON. */
bool mask_wants_body(const struct plan_mask *);
/* True when path rules cannot reach this head's body: it is encoded, or binary tensors follow the JSON. */
bool mask_cannot(const struct plan_mask *, struct span head);
/* A policy's path rules, read once: borrows the policy, which must stay. ERR_CONFIG: a path cannot be read;
 * ERR_LIMIT, ERR_NOMEM. */
struct mask_rules;
int mask_rules_new(const struct plan_mask *, struct mask_rules **rules_out) MUST_CHECK;
void mask_rules_free(struct mask_rules **);
/* Rewrite a whole JSON body. Paths: $.a.b $.a[*].c $.a[3] $..name, at most 31 steps; of two rules for one
 * value the first acts, and a masked value is not looked into. *input_masked_out: a rule with model_input
 * matched. ERR_PROTO: not JSON; ERR_LIMIT, ERR_NOMEM. */
int mask_json(const struct mask_rules *, struct mask_key *, struct span body, struct buf *out,
              uint32_t *count_out, bool *input_masked_out) MUST_CHECK;
/* Can that JSON path be read? 0, ERR_CONFIG, or ERR_LIMIT (too many steps); *at_out: the byte of the step
 * that cannot. */
int mask_path_check(const char *path, size_t *at_out) MUST_CHECK;
/* The token of a value: "tok_" and 20 lower-case base32 characters of HMAC-SHA-256(key, field class || 0 ||
 * value). */
void mask_token(struct mask_key *, struct span field_class, struct span value, char out[25]);
/* What was written may leave: 0, the buffer's error, or ERR_NOMEM once a token could not be made. */
int mask_result(const struct mask_key *, const struct buf *out) MUST_CHECK;

#endif
