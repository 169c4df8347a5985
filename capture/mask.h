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
#include "proto/protobuf.h"

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
/* True when the policy cannot reach this head's body: binary tensors follow the JSON, or gRPC's messages are
 * coded as one. */
bool mask_cannot(const struct plan_mask *, struct span head);
/* A policy's path rules, read once: borrows the policy, which must stay. ERR_CONFIG: a path cannot be read;
 * ERR_LIMIT, ERR_NOMEM. */
struct mask_rules;
int mask_rules_new(const struct plan_mask *, struct mask_rules **rules_out) MUST_CHECK;
void mask_rules_free(struct mask_rules **);
/* What the rules ask of one place, for bodies that are not JSON. */
struct mask_step {
	struct span name; /* of a member; data NULL: an element */
	uint32_t number;  /* of a field of protobuf, as which it may be named, too; 0: none */
	uint64_t index;
	bool any;   /* any of them */
	bool maybe; /* a path may leave it out */
};
/* The first rule that ends at this place, of those for that call ("SERVICE/METHOD") and those for any, or
 * NULL; *input_masked is set when one that does has model_input. */
const struct plan_mask_field *mask_rules_at(const struct mask_rules *, struct span call,
                                            const struct mask_step *place, unsigned depth,
                                            bool *input_masked);
/* Does a rule lead on from there to elements of it; to members? */
bool mask_rules_inside(const struct mask_rules *, struct span call, const struct mask_step *place,
                       unsigned depth);
bool mask_rules_below(const struct mask_rules *, struct span call, const struct mask_step *place,
                      unsigned depth);
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

/* How the messages of a gRPC call are read: they are none; as ModelInfer and ModelStreamInfer of the Open
 * Inference Protocol; by the types that descriptors give; by the numbers of which rules for that call speak;
 * by looking into texts alone; not at all. */
enum mask_reading { MASK_BY_BODY, MASK_BY_TENSOR, MASK_BY_TYPE, MASK_BY_NUMBER, MASK_BY_GUESS, MASK_UNREAD };
struct table; /* of a type's fields */
struct mask_call {
	enum mask_reading how;
	struct span name;                       /* "SERVICE/METHOD"; empty: no rule names it */
	const struct table *request, *response; /* MASK_BY_TYPE */
};
/* What records say of a request's call, so that its answers can be read; 0: it is none. */
uint32_t mask_call_id(struct span target);
/* The call of a request's head, or, of an answer's, the one of that id. Borrows the rules and the head. */
struct mask_call mask_call_of(const struct mask_rules *, struct span head, uint32_t id);
/* Rewrite one gRPC message, prefix included, that is not to be read MASK_BY_BODY or not at all. Paths name
 * the fields as their .proto does, or by number: $.user.name, $.1.2; elements of what is repeated
 * $.users[*].name, where there are no names $.3.1 or $.3[0].1; values of a map $.labels.KEY. A tensor's
 * contents, typed or raw, are also $.inputs[*].data as over REST. Of a container all that is in it is masked.
 * What a rule drops is not there any more, an element of a list is left empty or 0. A number becomes what its
 * operator leaves of it, 0 when that is none; of an operator that only knows texts ERR_PROTO, but a parameter
 * of the Open Inference Protocol becomes its string_param. ERR_PROTO also: no such message, a field that its
 * type does not have, a rule that leads into what is no message, a string that is no UTF-8; ERR_UNSUPPORTED:
 * a coding that nobody knows, or a find where none can be masked; ERR_LIMIT: over 24 messages deep, over
 * 65536 fields (elements of one list of numbers that its rules treat alike count once). A compressed one
 * (`encoding`: grpc-encoding) leaves uncompressed. Else as mask_json(). */
int mask_message(const struct mask_rules *, struct mask_key *, const struct mask_call *, bool request,
                 struct span encoding, const struct grpc_message *, struct buf *out, uint32_t *count_out,
                 bool *input_masked_out) MUST_CHECK;
/* The same MASK_BY_GUESS, of any call. */
int mask_protobuf(const struct mask_rules *, struct mask_key *, struct span encoding,
                  const struct grpc_message *, struct buf *out, uint32_t *count_out,
                  bool *input_masked_out) MUST_CHECK;
/* Can an operator leave a number of that type (enum protobuf_type) a number, or nothing? */
bool mask_numbers(const struct plan_mask_field *, enum protobuf_type);
/* Can that path, of JSON or behind a call ("/SERVICE/METHOD$.1.3"), be read? 0, ERR_CONFIG, or ERR_LIMIT (too
 * many steps); *at_out: the byte of the step that cannot. */
int mask_path_check(const char *path, size_t *at_out) MUST_CHECK;
/* Is all that `later` leads to already in what `first` does? Both can be read. */
bool mask_path_covers(const char *first, const char *later);

#endif
