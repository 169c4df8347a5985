/*
 * tap.h - the copy of a live exchange into the worker's raw ring: a memcpy an event, never a wait.
 *
 * Which exchanges are copied is decided at the head, by SipHash-2-4 of the sampling key: shares nest, and
 * what has the same key stays together. When the ring is full the rest of the exchange is shed and its cells
 * are settled; the live bytes go on.
 */
#ifndef PROXY_TAP_H
#define PROXY_TAP_H

#include "capture/role.h"
#include "proto/h1.h"

struct worker;

struct tap {
	struct worker *worker;
	bool on, tunnel;
	bool asked;    /* the whole request is copied */
	bool eligible; /* copied, or kept from it by chance or a switch only */
	bool copied;
	uint8_t block; /* of the harm switch, when it began */
	uint64_t copied_bytes, max_bytes;
	struct record record; /* the fields that all records of this exchange share */
};

void tap_init(struct tap *, struct worker *);
/* An exchange was routed: count it, and take a slot when it is to be copied. */
void tap_begin(struct tap *, uint64_t id, uint16_t route, const struct http_message *request, bool tunnel);
void tap_head(struct tap *, uint8_t leg, const struct http_message *);
void tap_chunk(struct tap *, uint8_t leg, struct span bytes);
void tap_trailers(struct tap *, uint8_t leg, const struct http_message *);
void tap_end(struct tap *, uint8_t leg);
/* The exchange broke: `outcome` names why. Ends the tap. */
void tap_error(struct tap *, uint8_t outcome);

#endif
