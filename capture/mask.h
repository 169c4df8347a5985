/*
 * mask.h - the masker: rewrites one leg's records by a policy. Masked or gone: on any failure the
 * caller drops the copy and counts it (mask_failed).
 *
 * Header rules and the built-in ones (credentials and cookies dropped, query values tokenised) act on
 * HEADs. A policy with JSON-path rules must be able to read every body, whatever its content-type says: the
 * body is held until complete (bounded by max_body), rewritten and laid over the same number of chunk
 * records; one that is not JSON is dropped. Of gRPC each message is a body of its own: its last byte stays in
 * the record in which it came, when there is room. Records are never added, removed or re-timed (an emptied
 * one stays, with no payload).
 */
#ifndef CAPTURE_MASK_H
#define CAPTURE_MASK_H

#include "capture/mask_key.h"
#include "capture/plan.h"
#include "proto/base/buf.h"
#include "proto/grpc.h"

/* Moves on when the same policy with the same key makes something else of the same bytes. Captures have it.
 */
enum { MASK_VERSION = 1 };

struct mask_finder; /* mask_text.h */
/* Rewrite a HEAD's or TRAILERS' text form into an empty buf. *count_out: values masked. The finder, if there
 * is one, looks into the path and into fields that nobody on the way needs to read. 0, ERR_LIMIT, ERR_NOMEM;
 * ERR_PROTO: no head, or, where a rule is for segments, a target that origins split in more than one way. */
int mask_head(const struct plan_mask *, const struct mask_finder *, struct mask_key *, struct span head,
              struct buf *out, uint32_t *count_out) MUST_CHECK;
/* A field that the built-in rules drop, by its name: credentials and cookies. */
bool mask_is_credential(struct span name);
/* A field of framing or of one connection, which no copy has. */
bool mask_is_framing(struct span name);
/* True when the policy looks into texts: detectors, or prose that must go. */
bool mask_finds(const struct plan_mask *);
/* True when the policy has JSON-path rules or looks into texts: bodies are held and must be JSON. */
bool mask_wants_body(const struct plan_mask *);
/* True when the policy cannot reach this head's body: binary tensors follow the JSON, it is a
 * gRPC call other than the two that mask_grpc() knows. */
bool mask_cannot(const struct plan_mask *, struct span head);
/* A policy's path rules, read once: borrows the policy, which must stay. ERR_CONFIG: a path cannot be read;
 * ERR_LIMIT, ERR_NOMEM. */
struct mask_rules;
int mask_rules_new(const struct plan_mask *, struct mask_rules **rules_out) MUST_CHECK;
void mask_rules_free(struct mask_rules **);
/* What the rules ask of one place, for bodies that are not JSON. */
struct mask_step {
	struct span name; /* of a member; data NULL: an element */
	uint64_t index;
	bool any; /* any of them */
};
/* The first rule that ends at this place, or NULL; *input_masked is set when one that does has model_input.
 */
const struct plan_mask_field *mask_rules_at(const struct mask_rules *, const struct mask_step *place,
                                            unsigned depth, bool *input_masked);
/* Does a rule lead on from there to elements of it? */
bool mask_rules_inside(const struct mask_rules *, const struct mask_step *place, unsigned depth);
/* Look into strings and member names, too, with what the caller keeps. */
void mask_rules_find(struct mask_rules *, const struct mask_finder *);
/* Does the rule leave no text of so many bytes as it is, and ask for nothing beyond that? */
bool mask_hides(const struct plan_mask_field *, size_t len);
/* A JSON body in which `value` stands wherever a rule hides it. Rules for a list as a whole body are
 * left out beside rules for an object, and so are elements behind the 64th. */
void mask_rules_sample(const struct mask_rules *, struct span value, struct buf *out);
/* Rewrite a whole JSON body. Paths: $.a.b $.a[*].c $.a[3] $..name, at most 31 steps; of two rules for one
 * value the first acts, and a masked value is not looked into. *input_masked_out: a rule with model_input
 * matched, or something was found in a text. ERR_PROTO: not JSON; ERR_LIMIT, ERR_NOMEM. */
int mask_json(const struct mask_rules *, struct mask_key *, struct span body, struct buf *out,
              uint32_t *count_out, bool *input_masked_out) MUST_CHECK;
/* Is the body of this head gRPC: messages, each masked by itself? */
bool mask_by_message(struct span head);
/* Rewrite one gRPC message, prefix included, of an Open Inference ModelInfer or ModelStreamInfer. Paths name
 * the fields as proto/JSON would: $.id, $.parameters.k, $.inputs[*].contents.bytes_contents[*]; a tensor's
 * contents, typed or raw, are also $.inputs[*].data as over REST. Strings and bytes are masked; of a
 * container all that is in it; a dropped element is left empty. A rule for a number that it cannot hold, or
 * that is not to be dropped, and a field that this protocol does not know, are ERR_PROTO; over 65536 fields
 * (elements of one list that its rules treat alike count once) ERR_LIMIT. A compressed one
 * (`encoding`: grpc-encoding) leaves uncompressed. Else as mask_json(). */
int mask_grpc(const struct mask_rules *, struct mask_key *, bool request, struct span encoding,
              const struct grpc_message *, struct buf *out, uint32_t *count_out,
              bool *input_masked_out) MUST_CHECK;
/* The same of a message of any call, under a policy without path rules that looks into texts. ERR_PROTO: it
 * is no protobuf; ERR_UNSUPPORTED: a coding that nobody knows, or a find where none can be masked; ERR_LIMIT,
 * ERR_NOMEM. */
int mask_protobuf(const struct mask_rules *, struct mask_key *, struct span encoding,
                  const struct grpc_message *, struct buf *out, uint32_t *count_out,
                  bool *input_masked_out) MUST_CHECK;
/* The same of an answer's message, of which none can tell what call it answers: as of an Open Inference call
 * when by guess nothing is found in what that leaves, else by guess. Errors of either. */
int mask_answer(const struct mask_rules *, struct mask_key *, struct span encoding,
                const struct grpc_message *, struct buf *out, uint32_t *count_out,
                bool *input_masked_out) MUST_CHECK;
/* Is that a call whose messages only mask_protobuf() can read? Of an answer none can tell: false. */
bool mask_by_guess(const struct plan_mask *, struct span head);
/* May messages be read so? */
bool mask_guesses(const struct plan_mask *);
/* Can that JSON path be read? 0, ERR_CONFIG, or ERR_LIMIT (too many steps); *at_out: the byte of the step
 * that cannot. */
int mask_path_check(const char *path, size_t *at_out) MUST_CHECK;
/* Is all that `later` leads to already in what `first` does? Both can be read. */
bool mask_path_covers(const char *first, const char *later);

#endif
