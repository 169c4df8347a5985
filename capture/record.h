/*
 * record.h - one captured event of an exchange, as it travels through the rings.
 *
 * A record is a fixed header and at most RECORD_PAYLOAD_MAX payload bytes. An exchange is the fold
 * of its records; per leg the order is HEAD, CHUNK*, TRAILERS?, then exactly one END or ERROR. The
 * request's comes before live's: a live leg that ends behind a request that has not has lost its beginning.
 * Types and legs are append-only: stored captures stay readable.
 *
 * From the masker on a record names the policy that it was masked by, and is never masked again.
 *
 * A HEAD's payload is text, LF between lines, no final LF: first "METHOD TARGET" (request) or
 * "STATUS" (response), then "name: value" a field, names in lower case. Framing and hop-by-hop
 * fields are not in it; Host only where a candidate of the route is told it.
 */
#ifndef CAPTURE_RECORD_H
#define CAPTURE_RECORD_H

#include <stdint.h>
#include "proto/base/span.h"

enum { RECORD_PAYLOAD_MAX = 16 * 1024, CANDIDATES_MAX = 16 };

enum record_type {
	RECORD_HEAD = 1,
	RECORD_CHUNK = 2,
	RECORD_TRAILERS = 3, /* "name: value" lines */
	RECORD_END = 4, /* the leg is complete; payload, once masked: what was found in it, capture/found.h */
	RECORD_ERROR = 5, /* the leg broke; payload is the reason's name, e.g. "live_failed" */
	RECORD_KNOWN = 6, /* before a candidate's raw answer, in no capture: what was found in its request */
};

enum record_leg {
	LEG_CLIENT = 0,
	LEG_LIVE = 1,
	LEG_CANDIDATE = 2, /* + index of the candidate in its route */
};

enum record_flag {
	RECORD_MASKED = 1,       /* never masked again */
	RECORD_INPUT_MASKED = 2, /* on a request's END: a rule changed what the model reads */
	RECORD_DRILLED = 4,      /* of a candidate's answer: it met a fault of ours on its way */
	RECORD_LOOKED = 16,      /* on an END: detectors looked into all of the leg */
	RECORD_CANARY = 8,       /* of no exchange: capture/canary.h */
};

struct record {
	uint64_t id;         /* exchange: worker (8 bits) | respawn epoch (16) | sequence (40) */
	uint64_t time_ns;    /* CLOCK_MONOTONIC */
	uint32_t slot;       /* ledger slot */
	uint32_t generation; /* of the configuration */
	uint16_t route;      /* index in the plan */
	uint8_t type;        /* enum record_type */
	uint8_t leg;         /* enum record_leg */
	uint32_t flags;      /* enum record_flag */
	uint32_t payload_len;
	uint32_t mask_count;  /* values masked in this record */
	uint32_t sample_ppm;  /* the share under which the exchange was chosen: its inclusion probability */
	uint16_t policy;      /* 1 + its number in the plan, or in the capture's header; 0: not masked yet */
	uint16_t user;        /* on a request's END in a replay by users: whose turn it is; else 0 */
	uint16_t reserved[2]; /* 0: no byte of a record is left to chance */
	uint32_t call;        /* of gRPC: which one, as mask_call_id() has it; 0: none */
	/* Of its sampling key: a smaller share can be drawn from it again. On a request's END in a replay by
	 * users: how long is thought before it, in nanoseconds. */
	uint64_t sample_hash;
};

#endif
