/*
 * plan.h - what a run does, as every role sees it: plain data in one sealed memfd.
 *
 * The configuration reader (proxy/config.c) fills it once; roles map it read-only. Strings are
 * NUL-terminated. Secrets are not in it. An exchange is handled under the plan whose generation it
 * carries.
 */
#ifndef CAPTURE_PLAN_H
#define CAPTURE_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/ledger.h"

enum {
	NAME_MAX_BYTES = 64,
	TEXT_MAX_BYTES = 256,
	PATH_MAX_BYTES = 1024,
	MASK_FIELDS_MAX = 64,
	MASKS_MAX = 8,
	GATES_MAX = 8,
	IGNORES_MAX = 16,
	LISTEN_MAX = 8
};

struct plan_endpoint { /* http://HOST:PORT, resolved when the plan is read */
	char url[TEXT_MAX_BYTES];
	char authority[TEXT_MAX_BYTES]; /* host:port for Host */
	char address[64];               /* numeric */
	uint16_t port;
};

struct plan_candidate {
	char name[NAME_MAX_BYTES];
	bool baseline;
	uint32_t sample_ppm; /* share of exchanges, 1000000 = all */
	uint32_t timeout_ms, max_in_flight;
	struct plan_endpoint endpoint;
};

enum protocol { PROTOCOL_AUTO, PROTOCOL_OPENINFERENCE, PROTOCOL_JSON, PROTOCOL_BYTES };

enum gate_metric { /* order of replay/gate.c's table */
	           GATE_CANDIDATE_FAILURE_RATE,
	           GATE_COVERAGE,
	           GATE_DIVERGENCE_RATE,
	           GATE_ROW_DIVERGENCE_RATE,
	           GATE_LATENCY_P99_RATIO,
};

struct plan_gate {
	uint32_t metric; /* enum gate_metric */
	double limit;    /* a rate in 0..1, or a ratio */
	char because[TEXT_MAX_BYTES];
};

struct plan_route {
	char name[NAME_MAX_BYTES];
	char path_prefix[TEXT_MAX_BYTES];
	uint32_t protocol; /* enum protocol */
	struct plan_endpoint live;
	uint32_t live_timeout_ms;
	bool mirror;                  /* no mirror block: nothing is copied */
	char methods[TEXT_MAX_BYTES]; /* " POST PUT " with blanks around each */
	uint32_t sample_ppm;
	uint64_t max_body_bytes;
	uint32_t mask; /* index in masks */
	double tolerance_abs, tolerance_rel;
	uint32_t ignore_count;
	char ignore[IGNORES_MAX][TEXT_MAX_BYTES]; /* JSON paths */
	uint32_t candidate_count;
	struct plan_candidate candidates[CANDIDATES_MAX];
	uint32_t gate_count;
	struct plan_gate gates[GATES_MAX];
};

enum mask_operator { MASK_DROP, MASK_TOKEN, MASK_REDACT };

struct plan_mask_field {
	bool header;                /* else a JSON path */
	char where[TEXT_MAX_BYTES]; /* lower-case header name, or "$.a.b[*].c" */
	uint32_t with;              /* enum mask_operator */
	bool model_input;           /* masking it changes what the model reads (default true) */
};

struct plan_mask {
	char name[NAME_MAX_BYTES];
	uint8_t hash[32]; /* SHA-256 of the rules */
	uint32_t field_count;
	struct plan_mask_field fields[MASK_FIELDS_MAX];
};

struct plan {
	uint32_t version, generation;
	char run_name[NAME_MAX_BYTES], run_directory[PATH_MAX_BYTES], hypothesis[TEXT_MAX_BYTES];
	char owner[NAME_MAX_BYTES], ticket[NAME_MAX_BYTES];
	char control_socket[PATH_MAX_BYTES];
	char mask_key_file[PATH_MAX_BYTES]; /* empty: a key that lives in memory only */
	uint64_t memory_bytes, capture_segment_bytes;
	uint32_t workers, drain_timeout_ms, slots_each;
	bool capture;
	bool replay;         /* a capture is played; there is no live path */
	double replay_speed; /* 1 = as recorded, 0 = as fast as the targets take it */
	uint32_t listen_count;
	struct plan_endpoint listen[LISTEN_MAX];
	uint32_t route_count;
	struct plan_route routes[ROUTES_MAX];
	uint32_t mask_count;
	struct plan_mask masks[MASKS_MAX]; /* 0 is the built-in policy */
	uint8_t config_hash[32], gates_hash[32];
};

/* A sealed memfd holding a copy. 0 or ERR_SYS. */
int plan_publish(const struct plan *, int *memfd_out) MUST_CHECK;
/* 0, ERR_SYS or ERR_PROTO (wrong size or version). Never unmapped. */
int plan_map(int memfd, const struct plan **plan_out) MUST_CHECK;

#endif
