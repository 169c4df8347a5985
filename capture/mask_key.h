/*
 * mask_key.h - the secret of a policy: HMAC-SHA-256 (RFC 2104) with a kept context, keys of tenants and
 * epochs by HKDF (RFC 5869), and the tokens that it makes.
 *
 * The class of a value is the domain of its token, so the same address is the same token wherever it stands.
 */
#ifndef CAPTURE_MASK_KEY_H
#define CAPTURE_MASK_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

enum { MASK_TOKEN_LEN = 24 };

struct mask_key;
int mask_key_new(const uint8_t key[32], struct mask_key **key_out) MUST_CHECK;
void mask_key_free(struct mask_key **);
/* The key of one tenant in one epoch: HKDF-SHA-256 of the root, info "mask" || 0 || tenant || 0 || epoch. 0
 * or ERR_NOMEM. */
int mask_key_derive(const uint8_t root[32], struct span tenant, uint32_t epoch, uint8_t out[32]) MUST_CHECK;
/* The key of a policy's tenant and epoch; the root itself where it has neither. 0 or ERR_NOMEM. */
int mask_key_of(const uint8_t root[32], struct span tenant, uint32_t epoch,
                struct mask_key **key_out) MUST_CHECK;

/* HMAC(key, domain || 0 || value); zeros once it has failed, which sticks: mask_result(). */
void mask_digest(struct mask_key *, struct span domain, struct span value, uint8_t out[32]);
/* The token of a value: "tok_" and 20 lower-case base32 characters of that digest, 100 bits. */
void mask_token(struct mask_key *, struct span domain, struct span value, char out[MASK_TOKEN_LEN + 1]);
/* Append the value of a class as it is meant: the same telephone, account or address however it is written.
 */
void mask_canonical(unsigned class, struct span value, struct buf *out);
/* The token of a value of a class: of its canonical form. */
void mask_class_token(struct mask_key *, unsigned class, struct span value, char out[MASK_TOKEN_LEN + 1]);
/* What was written may leave: 0, the buffer's error, or ERR_NOMEM once a token could not be made. */
int mask_result(const struct mask_key *, const struct buf *out) MUST_CHECK;

struct found; /* capture/found.h */
struct found_mark;
/* Where values are noted from now on, whose salt is that of their hashes; NULL: nowhere. */
void mask_note_in(struct mask_key *, struct found *);
/* What proves that tables with that salt were made with this key. */
uint64_t mask_check(const struct mask_key *, uint64_t salt);
/* Note a value of a class; `put` is what an operator put in its place, empty where that cannot be taken for a
 * value. What fails sticks to the table. */
void mask_note(struct mask_key *, unsigned class, struct span value, struct span put);
/* Take back what an attempt noted that failed: nothing without notes. */
void mask_notes_keep(const struct mask_key *, struct found_mark *);
void mask_notes_back(struct mask_key *, const struct found_mark *);
/* Is this what an operator put in place of a value of the request whose answer is being masked? It stays. */
bool mask_issued(struct mask_key *, unsigned class, struct span value);

/* What values asked for beside being masked, since the last look: that no candidate gets the exchange; that
 * nobody does. */
enum mask_asked { MASK_ASKED_BLOCK = 1, MASK_ASKED_DROP = 2 };
void mask_ask(struct mask_key *, enum mask_asked);
unsigned mask_asked(struct mask_key *);

#endif
