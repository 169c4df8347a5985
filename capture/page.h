/*
 * page.h - the control page: one shared memfd of switches that roles read between records, and of gauges.
 *
 * Switches are written by the parent (phase, ready) and by control (paused, sample, log level); everybody
 * else reads. Every gauge has one writer, named beside it; a reader adds up. Gauges outlive their writer:
 * a role that is started again goes on from the values it finds, and sets its own *_open gauges to 0.
 */
#ifndef CAPTURE_PAGE_H
#define CAPTURE_PAGE_H

#include <stdatomic.h>
#include <stdint.h>
#include "capture/ledger.h"
#include "proto/base/err.h"
#include "proto/base/hist.h"

enum { WORKERS_MAX = 16, SAMPLE_ALL_PPM = 1000000, STATUS_CLASSES = 6 };

/* Roles leave in this order when the proxy drains: each exits once its inputs are empty. */
enum phase {
	PHASE_RUN = 0,
	PHASE_WORKERS,
	PHASE_MASKER,
	PHASE_SHADOW,
	PHASE_ANSWERS,
	PHASE_JUDGE,
	PHASE_CONTROL
};

/* Why a worker answered or closed by itself: rejected{rule}. The rules of proto/h1 keep their names. */
#define REJECT_TABLE(X)                                                                                      \
	X(OTHER, "other", "a rule without a counter of its own")                                             \
	X(NO_ROUTE, "no_route", "no route matches")                                                          \
	X(MAX_CONNECTIONS, "max_connections", "the connections of a worker are used up")                     \
	X(MAX_REQUESTS, "max_requests", "the requests in flight of a worker are used up")                    \
	X(HEADER_TIMEOUT, "header_timeout", "a head took too long to arrive")                                \
	X(BODY_RATE, "body_rate", "a body came too slowly")                                                  \
	X(SEND_TIMEOUT, "send_timeout", "the client did not read its answer")                                \
	X(PROXY_PROTOCOL, "proxy_protocol", "no valid PROXY header came first")                              \
	X(TLS_HANDSHAKE, "tls_handshake", "the TLS handshake failed")                                        \
	X(UPGRADE, "upgrade", "the route does not tunnel")                                                   \
	X(DRAINING, "draining", "the proxy is about to leave")                                               \
	X(REQUEST_LINE, "request_line", "the request line is broken")                                        \
	X(METHOD, "method", "the method is no token")                                                        \
	X(METHOD_LENGTH, "method_length", "the method is too long")                                          \
	X(CONNECT, "connect", "CONNECT is not served")                                                       \
	X(ASTERISK_FORM, "asterisk_form", "* with a method other than OPTIONS")                              \
	X(TARGET_FORM, "target_form", "the target is neither a path nor absolute")                           \
	X(TARGET_BYTE, "target_byte", "a byte that a target cannot hold")                                    \
	X(TARGET_AUTHORITY, "target_authority", "the authority of an absolute target is broken")             \
	X(TARGET_WITHOUT_PATH, "target_without_path", "an absolute target has a query and no path")          \
	X(VERSION, "version", "no HTTP version")                                                             \
	X(VERSION_UNSUPPORTED, "version_unsupported", "not HTTP/1.0 or HTTP/1.1")                            \
	X(LINE_LENGTH, "line_length", "the request line is over its limit")                                  \
	X(FIELD_LENGTH, "field_length", "a field is over its limit")                                         \
	X(FIELD_COUNT, "field_count", "more fields than allowed")                                            \
	X(HEAD_LENGTH, "head_length", "the head is over its limit")                                          \
	X(LEADING_CRLF, "leading_crlf", "empty lines before a request")                                      \
	X(LEADING_BLANK, "leading_blank", "a blank before the first field")                                  \
	X(OBS_FOLD, "obs_fold", "a folded field")                                                            \
	X(MISSING_COLON, "missing_colon", "a field without a colon")                                         \
	X(FIELD_NAME, "field_name", "a byte that a field's name cannot hold")                                \
	X(FIELD_VALUE, "field_value", "a byte that a field's value cannot hold")                             \
	X(BARE_CR, "bare_cr", "CR without LF")                                                               \
	X(BARE_LF, "bare_lf", "LF without CR")                                                               \
	X(CONTENT_LENGTH, "content_length", "Content-Length is no number")                                   \
	X(CONTENT_LENGTH_RANGE, "content_length_range", "Content-Length is out of range")                    \
	X(TE_CODING, "te_coding", "a transfer coding other than chunked")                                    \
	X(TE_VALUE, "te_value", "Transfer-Encoding is broken")                                               \
	X(TE_AND_CL, "te_and_cl", "Transfer-Encoding and Content-Length at once")                            \
	X(DUPLICATE_CL, "duplicate_cl", "Content-Length twice")                                              \
	X(DUPLICATE_TE, "duplicate_te", "Transfer-Encoding twice")                                           \
	X(DUPLICATE_SINGLETON, "duplicate_singleton", "a field twice that may be there once")                \
	X(MISSING_HOST, "missing_host", "HTTP/1.1 without Host")                                             \
	X(HOST, "host", "Host is broken")                                                                    \
	X(CHUNK_SIZE, "chunk_size", "a chunk's size is no number")                                           \
	X(CHUNK_SIZE_RANGE, "chunk_size_range", "a chunk's size is out of range")                            \
	X(CHUNK_EXTENSION, "chunk_extension", "a chunk's extension is broken")                               \
	X(CHUNK_EXTENSION_LENGTH, "chunk_extension_length", "chunk extensions are over their limit")         \
	X(CHUNK_LINE_END, "chunk_line_end", "a chunk's size does not end in CR LF")                          \
	X(CHUNK_DATA_END, "chunk_data_end", "a chunk does not end in CR LF")                                 \
	X(TRAILER_BYTES, "trailer_bytes", "the trailers are over their limit")

enum reject_rule {
#define X(name, text, meaning) REJECT_##name,
	REJECT_TABLE(X)
#undef X
	        RULES_MAX
};

const char *reject_name(unsigned rule); /* "other" when there is none */
/* The rule of that name (as h1_parser.reject_rule gives it), or REJECT_OTHER. */
enum reject_rule reject_by_name(const char *name);

/* Why live gave no whole answer. */
#define LIVE_ERROR_TABLE(X)                                                                                  \
	X(CONNECT, "connect", "no endpoint could be connected to")                                           \
	X(TIMEOUT, "timeout", "the answer did not come in time")                                             \
	X(RESET, "reset", "the connection broke before the answer was whole")                                \
	X(PROTOCOL, "protocol", "the answer breaks HTTP")                                                    \
	X(UNAVAILABLE, "unavailable", "every endpoint is out or at its limit")

enum live_error {
#define X(name, text, meaning) LIVE_ERROR_##name,
	LIVE_ERROR_TABLE(X)
#undef X
	        LIVE_ERRORS
};

const char *live_error_name(unsigned error);

/* Who answered: the live endpoint's answer was passed on, or we made one. */
enum origin { ORIGIN_LIVE, ORIGIN_OURS, ORIGINS };

/* Was the exchange copied? ADDED_PLAIN counts only exchanges that the same route would have copied, had
 * the sampling hash or `ctl pause` not kept them: so the two differ in nothing but the copying. */
enum added { ADDED_PLAIN, ADDED_COPIED, ADDED_KINDS };

struct worker_gauges {                /* one writer: that worker */
	_Atomic uint64_t requests;    /* heads that were read whole */
	_Atomic uint64_t live_errors; /* sum of live_error[] */
	_Atomic uint64_t live_error[LIVE_ERRORS];
	_Atomic uint64_t rejected; /* sum of rejected_rule[] */
	_Atomic uint64_t rejected_rule[RULES_MAX];
	_Atomic uint64_t responses[ORIGINS][STATUS_CLASSES]; /* by status / 100; 0: cut without one */
	_Atomic uint64_t connections, tunnels, in_flight;    /* open now */
	_Atomic uint64_t accepted, upgrades, tls_handshakes;
	_Atomic uint64_t client_bytes_in, client_bytes_out, live_bytes_in, live_bytes_out;
	_Atomic uint64_t live_connects, live_reuses, live_retries, live_ejections;
	/* From the last byte read to the first byte sent on, request and answer together: the time that
	 * we add. ns. */
	struct hist added[ADDED_KINDS];
};

/* Add to a gauge of one's own; a negative `by` wraps as it should. */
static inline void gauge_add(_Atomic uint64_t *gauge, uint64_t by)
{
	atomic_store_explicit(gauge, atomic_load_explicit(gauge, memory_order_relaxed) + by,
	                      memory_order_relaxed);
}
void gauges_reject(struct worker_gauges *, enum reject_rule);
void gauges_live_error(struct worker_gauges *, enum live_error);
void gauges_response(struct worker_gauges *, enum origin, unsigned status);

/* What the judge says of one candidate, at least once a second. */
enum standing_state { STANDING_NONE, STANDING_UNDECIDED, STANDING_PASS, STANDING_FAIL };
enum { STANDING_GATE_WORDS = 4, STANDING_GATE_BYTES = 8 * STANDING_GATE_WORDS };
struct standing { /* one writer: the judge */
	_Atomic uint64_t pairs, diverged;
	_Atomic uint64_t needed; /* more pairs until decided; UINT64_MAX: cannot be told */
	_Atomic uint32_t state;  /* enum standing_state; NONE: a baseline, or nothing published yet */
	_Atomic uint64_t gate[STANDING_GATE_WORDS]; /* name of the gate that decides, or is waited for */
};
void standing_gate_set(struct standing *, const char *name);
void standing_gate(const struct standing *, char name_out[STANDING_GATE_BYTES + 1]);

enum { PAUSED_BY_OPERATOR = 1, PAUSED_BY_FILE = 2 };

struct page {
	_Atomic uint32_t version, phase, generation;
	_Atomic uint32_t paused;     /* PAUSED_*; not 0: nothing is shadowed */
	_Atomic uint32_t ready;      /* every role is up */
	_Atomic uint32_t log_level;  /* enum log_level */
	_Atomic uint64_t run_id;     /* random, set once by the parent */
	_Atomic uint64_t started_ns; /* CLOCK_MONOTONIC, set with ready */
	_Atomic uint64_t paused_at_ns, last_candidate_byte_ns;
	_Atomic uint32_t sample_ppm[ROUTES_MAX][CANDIDATES_MAX]; /* the operator's; never raises the plan's */
	_Atomic uint64_t log_shed; /* lines that found their log ring full; any role adds */
	struct standing standings[ROUTES_MAX][CANDIDATES_MAX];
	struct worker_gauges workers[WORKERS_MAX];
};

/* A size-sealed memfd; nothing is paused, all is sampled, the log level is info. 0 or ERR_SYS. */
int page_create(int *memfd_out) MUST_CHECK;
int page_map(int memfd, struct page **page_out) MUST_CHECK; /* 0, ERR_SYS, ERR_PROTO; never unmapped */

/* The share that a candidate gets: the least of what is configured and what the operator left. */
uint32_t page_sample_ppm(const struct page *, uint16_t route, unsigned candidate, uint32_t configured_ppm);

#endif
