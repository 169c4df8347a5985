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
#include <sys/socket.h>
#include "capture/detect/detect.h"
#include "capture/detect/patterns.h"
#include "capture/gates.h"
#include "capture/guard.h"
#include "capture/ledger.h"
#include "capture/operator.h"
#include "capture/where.h"
#include "proto/base/buf.h"

enum {
	NAME_MAX_BYTES = 64,
	TEXT_MAX_BYTES = 256,
	PATH_MAX_BYTES = 1024,
	MASK_FIELDS_MAX = 64,
	MASKS_MAX = 8,
	GATES_MAX = 16,
	IGNORES_MAX = 16,
	OUTPUTS_MAX = 16,
	PATH_RULES_MAX = 16,
	CONTENT_RULES_MAX = 8,
	CONTENT_TERMS_MAX = 32,
	SCHEMA_MAX_BYTES = 16 * 1024,
	LISTEN_MAX = 8,
	CERTIFICATES_MAX = 4,
	ALPN_BYTES = 32,
	LIVE_ENDPOINTS_MAX = 8,
	SLICES_MAX = 4,
	SAFEGUARDS_MAX = 8,
	HEADER_EDITS_MAX = 16,
	REWRITES_MAX = 8,
	RAMP_STAGES_MAX = 8,
	ALLOWS_MAX = 16,
	FAULTS_MAX = 8,
	SANDBOXES_MAX = 8, /* of a plan */
	SANDBOX_TEXT_BYTES = 1024,
	AGAIN_BYTES = 16384,
	ADDRESS_MAX_BYTES = 108 /* sun_path */
};

/* http://HOST:PORT, https://HOST:PORT or unix:PATH, resolved when the plan is read. */
struct plan_endpoint {
	char url[TEXT_MAX_BYTES];
	char authority[TEXT_MAX_BYTES];  /* host:port for Host */
	char host[TEXT_MAX_BYTES];       /* the name, for SNI and verification */
	char address[ADDRESS_MAX_BYTES]; /* numeric, or the path of a unix socket */
	uint16_t port;                   /* 0: a unix socket */
	bool tls;
};

/* Files are opened by the parent and reach workers as descriptors: "tls.L.N.cert", "tls.L.N.key" and
 * "tls.L.client-ca" for listener L; "tls.live.R.ca", ".cert" and ".key" for route R. The shadow holds
 * "trust.R.C" for candidate C of route R. Empty: none. */
struct plan_certificate {
	char certificate_file[PATH_MAX_BYTES], key_file[PATH_MAX_BYTES];
};

struct plan_listen {
	struct plan_endpoint at;
	bool proxy_protocol; /* a PROXY header, version 1 or 2, must come first */
	bool tls;
	uint32_t certificate_count; /* the first is the default, the others by SNI */
	struct plan_certificate certificates[CERTIFICATES_MAX];
	char client_ca_file[PATH_MAX_BYTES]; /* set: a client certificate is required */
	bool tls_1_3_only;
	char alpn[ALPN_BYTES]; /* " h2 http/1.1 ", in order of preference; empty: just these */
};

struct plan_health {
	char path[TEXT_MAX_BYTES];         /* asked with GET */
	bool grpc;                         /* asked by grpc.health.v1 instead; neither: no active checks */
	char grpc_service[TEXT_MAX_BYTES]; /* empty: the server as a whole */
	uint32_t interval_ms, timeout_ms, rise, fall;
	uint32_t max_fails,
	        fail_timeout_ms; /* passive: out for fail_timeout after max_fails in a row; 0: never */
};

/* Which HTTP is spoken to an endpoint. AUTO: over TLS what ALPN (RFC 7301) agrees on, else HTTP/1.1. */
enum plan_http { PLAN_HTTP_AUTO, PLAN_HTTP_1, PLAN_HTTP_2 };

enum balance { BALANCE_ROUND_ROBIN, BALANCE_LEAST_IN_FLIGHT };

struct plan_live {
	uint32_t endpoint_count;
	struct plan_endpoint endpoints[LIVE_ENDPOINTS_MAX];
	uint32_t balance;    /* enum balance */
	uint32_t http;       /* enum plan_http */
	uint32_t timeout_ms; /* of the whole exchange without a byte from live: 504 */
	uint32_t connect_timeout_ms;
	uint32_t try_timeout_ms;      /* end of the request to the head of an answer, each try; 0: none */
	uint32_t total_timeout_ms;    /* end of the request to the end of the answer, all tries; 0: none */
	uint32_t idle_timeout_ms;     /* of a pooled connection */
	uint32_t max_connections;     /* per endpoint and worker, 0: no limit; over it: 503 */
	uint32_t tries;               /* endpoints tried when connecting fails, or a try_timeout passes */
	bool verify;                  /* the name and chain of an https endpoint */
	char ca_file[PATH_MAX_BYTES]; /* empty: the system's */
	struct plan_certificate client;
	struct plan_health health;
};

struct plan_header_edit {
	bool remove;
	char name[NAME_MAX_BYTES]; /* lower case */
	char value[TEXT_MAX_BYTES];
};

struct plan_header_edits {
	uint32_t count;
	struct plan_header_edit edits[HEADER_EDITS_MAX];
};

struct plan_http2 { /* of a client connection that speaks it */
	uint32_t streams, window_bytes, connection_window_bytes;
	uint32_t glitches; /* proto/h2.h */
};

struct plan_limits { /* of each client connection; every one has a counter rejected{rule} */
	uint32_t header_timeout_ms, idle_timeout_ms, send_timeout_ms;
	uint32_t body_min_rate; /* bytes a second, measured over 10 s; 0: none */
	uint32_t line_bytes, field_bytes, fields_bytes, fields;
	uint32_t max_connections; /* per worker; past it accepting stops */
	uint32_t max_requests;    /* per worker, in flight; past it 503 with Retry-After */
	struct plan_http2 http2;
};

struct plan_breaker { /* a candidate that fails is left alone for a while: replay/breaker.h */
	bool on;
	uint32_t failures_ppm, minimum, window_ms, pause_ms, probes;
};

/* What a copy has otherwise than the request it is one of, in a mirror and in a replay: replay/request.h. */
struct plan_rewrite {
	uint32_t path_count, body_count;
	struct plan_path { /* by segments; the first that fits */
		char from[TEXT_MAX_BYTES], to[TEXT_MAX_BYTES];
	} paths[REWRITES_MAX];
	char host[TEXT_MAX_BYTES]; /* empty: the endpoint's */
	bool keep_host;            /* the client's, where it is known */
	struct plan_header_edits headers;
	struct plan_body { /* proto/json_edit.h */
		char path[TEXT_MAX_BYTES], value[TEXT_MAX_BYTES];
	} body[REWRITES_MAX];
};

struct plan_ramp {                                     /* replay/share.h, as the next */
	uint32_t stage_count, stages[RAMP_STAGES_MAX]; /* ppm, rising; none: all at once */
	uint32_t pairs, hold_ms;                       /* in a stage, before it is left */
};

struct plan_stop { /* when a candidate has been seen enough; any of what is set */
	bool on, decided;
	uint32_t after_ms, pairs; /* 0: not by that */
	uint32_t watch_ppm;       /* what it gets from then on */
};

enum fault_kind {
	FAULT_DELAY,
	FAULT_RESET,
	FAULT_HANG,
	FAULT_GARBAGE,
	FAULT_OUTAGE,
	FAULT_SLOW,
	FAULT_KINDS
};

struct plan_fault { /* that the shadow makes up, in a drill: capture/fault.h, replay/drill.h */
	uint32_t kind, share_ppm;
	uint32_t amount;           /* ms of a delay; bytes a second of what is slow */
	uint32_t start_ms, for_ms; /* for 0: without end */
};

struct plan_words { /* NUL-terminated, one behind the other */
	uint32_t count, bytes;
	char text[SANDBOX_TEXT_BYTES];
};

/* A candidate that we start ourselves: replay/sandbox.h. Limits that are 0 are none. */
struct plan_sandbox {
	bool on, gpu;
	uint16_t port; /* that it listens on, on 127.0.0.1 inside; 0: the unix socket that it is told */
	uint32_t user, group;   /* whom root starts it as; 0: nobody */
	uint32_t cpu_percent;   /* 100: one core */
	uint32_t pids, time_ms; /* from each start on */
	uint64_t memory_bytes, output_bytes, tmp_bytes;
	char health[TEXT_MAX_BYTES]; /* answers GET with 2xx once it is ready; empty: it takes connections */
	struct plan_words command, ro, env; /* the folders it reads; NAME=VALUE each */
	uint8_t digest[32];                 /* SHA-256 of its program */
	uint8_t content[32]; /* ... of what `sha256sum` would print of the files that it can read, below `ro`
	                        and named in `command` */
};

struct plan_candidate {
	char name[NAME_MAX_BYTES];
	bool baseline;
	uint32_t sample_ppm; /* share of exchanges, 1000000 = all */
	uint32_t timeout_ms, max_in_flight;
	uint32_t http;               /* enum plan_http */
	double max_tokens;           /* a second; 0: no limit */
	double per_million, per_day; /* what tokens cost; what may be spent from midnight UTC; 0: no limit */
	double max_rate;             /* requests a second; 0: no limit, as of the next two */
	uint64_t max_bytes, max_queue;    /* bytes of requests: a second; waiting for an answer */
	uint32_t warmup_count, warmup_ms; /* the first of a run are sent, not compared */
	struct plan_breaker breaker;
	struct plan_ramp ramp;
	struct plan_rewrite rewrite;
	uint32_t fault_count;
	struct plan_fault faults[FAULTS_MAX];
	bool shares_live;                       /* it is, or may be, on a server that is live */
	bool models_ignored;                    /* it is not asked which models it serves */
	char credential_header[NAME_MAX_BYTES]; /* lower case; its value is in the file, that of
	                                           "credential.R.C" */
	char credential_file[PATH_MAX_BYTES];   /* empty: none */
	struct plan_endpoint endpoint;          /* of a sandbox: made when its generation is */
	struct plan_sandbox sandbox;
	bool verify;                  /* the name and chain of an https endpoint */
	char ca_file[PATH_MAX_BYTES]; /* empty: the system's */
};

#define PROTOCOL_TABLE(X) /* how answers are read; their order is in captures */                             \
	X(AUTO, "auto")                                                                                      \
	X(OPENINFERENCE, "openinference")                                                                    \
	X(JSON, "json")                                                                                      \
	X(BYTES, "bytes")                                                                                    \
	X(OPENAI, "openai")                                                                                  \
	X(ANTHROPIC, "anthropic")                                                                            \
	X(OLLAMA, "ollama")                                                                                  \
	X(TFSERVING, "tfserving")                                                                            \
	X(KSERVE_V1, "kserve-v1")                                                                            \
	X(TGI, "tgi")

enum protocol {
#define X(id, name) PROTOCOL_##id,
	PROTOCOL_TABLE(X)
#undef X
	        PROTOCOLS_KNOWN
};

#define OUTPUT_TABLE(X) /* what an output is compared as; their order is in captures */                      \
	X(AUTO, "auto")                                                                                      \
	X(VALUES, "values")                                                                                  \
	X(CLASSIFICATION, "classification")                                                                  \
	X(REGRESSION, "regression")                                                                          \
	X(RANKING, "ranking")                                                                                \
	X(EMBEDDING, "embedding")                                                                            \
	X(DETECTION, "detection")

enum output_kind {
#define X(id, name) OUTPUT_##id,
	OUTPUT_TABLE(X)
#undef X
	        OUTPUT_KINDS
};

struct plan_output {
	char name[NAME_MAX_BYTES];
	uint32_t kind; /* enum output_kind */
};

struct plan_path_tolerance { /* of the numbers at a JSON path, in place of the route's */
	char path[TEXT_MAX_BYTES];
	double abs, rel;
};

struct plan_array { /* elements of the arrays at a JSON path are no list: */
	char path[TEXT_MAX_BYTES];
	char key[NAME_MAX_BYTES]; /* objects told apart by this member; empty: a set */
};

struct plan_content { /* what no text of an answer should hold */
	char name[NAME_MAX_BYTES];
	uint32_t term_count;
	char terms[CONTENT_TERMS_MAX][NAME_MAX_BYTES]; /* whole words, in any case */
	char pattern[TEXT_MAX_BYTES];                  /* proto/pattern.h; empty: none */
};

struct plan_gate {
	uint32_t metric; /* enum gate_metric */
	double limit;    /* in the metric's unit; a share in 0..1 */
	char because[TEXT_MAX_BYTES];
	uint32_t advisory;              /* odd: told, and no part of the verdict */
	uint32_t min_pairs;             /* undecided before so many */
	char candidate[NAME_MAX_BYTES]; /* empty: of each */
	char slice[TEXT_MAX_BYTES];     /* NAME=VALUE; empty: of all pairs */
};

struct plan_fairness { /* demographic parity: who is given the label, in each group of a slice */
	bool on;
	char slice[NAME_MAX_BYTES]; /* the name of one of the route's slices */
	uint32_t label, min_rows;   /* groups of fewer rows are not told */
};

struct plan_weight {               /* what an exchange counts, beside 1 */
	char path[TEXT_MAX_BYTES]; /* "$.a.b" of the request's JSON; empty: none */
	double cap;                /* larger numbers count as this */
};

struct plan_session { /* exchanges that are no independent observations: of one value of a header */
	char header[NAME_MAX_BYTES]; /* lower case; empty: none */
};

struct plan_drift {                     /* replay/portrait.h */
	char reference[PATH_MAX_BYTES]; /* the capture that requests are held against, "reference.R" of route
	                                   R; empty: none */
	bool outputs;                   /* the candidate's answers against live's */
};

struct plan_safeguard {          /* replay/rule.h */
	uint32_t metric, action; /* enum guard_metric, enum guard_action */
	double max, leave;       /* ms, or a share in 0..1 */
	uint32_t window_ms, for_ms, hold_ms;
	uint32_t to_ppm; /* of GUARD_LOWER */
	char because[TEXT_MAX_BYTES];
};

struct plan_slice { /* exchanges grouped by the masked value of a request header */
	char name[NAME_MAX_BYTES];
	char header[NAME_MAX_BYTES]; /* lower case */
};

struct plan_route {
	char name[NAME_MAX_BYTES];
	char path_prefix[TEXT_MAX_BYTES];
	char match_host[TEXT_MAX_BYTES];                                /* lower case; empty: any */
	char match_methods[TEXT_MAX_BYTES];                             /* " GET POST "; empty: any */
	char match_header[NAME_MAX_BYTES], match_value[TEXT_MAX_BYTES]; /* empty header: any */
	uint16_t match_port;                                            /* of the listener; 0: any */
	bool upgrade;      /* Upgrade: websocket is tunnelled, not mirrored */
	uint32_t protocol; /* enum protocol */
	struct plan_live live;
	struct plan_header_edits request_headers, response_headers;
	bool mirror;                  /* no mirror block: nothing is copied */
	bool keep_host;               /* a candidate is told the client's Host: it is copied too */
	char methods[TEXT_MAX_BYTES]; /* " POST PUT " with blanks around each */
	uint32_t sample_ppm;
	char sample_header[NAME_MAX_BYTES]; /* the sampling key; empty: the request id */
	/* capture/consent.h: without it nothing is copied; empty: none is asked */
	char consent_header[NAME_MAX_BYTES]; /* lower case */
	char consent_path[TEXT_MAX_BYTES];   /* of one place, proto/json_edit.h */
	char consent_value[TEXT_MAX_BYTES];  /* what it must say; empty: anything but no, false and 0 */
	uint64_t max_body_bytes;
	uint32_t mask; /* index in masks */
	bool learn;    /* its exchanges are looked at and go nowhere: capture/masker_learn.h */
	double tolerance_abs, tolerance_rel;
	uint32_t ignore_count;
	char ignore[IGNORES_MAX][TEXT_MAX_BYTES]; /* JSON paths */
	uint32_t masked_path_count;               /* of a replay: masked where it was recorded */
	char masked_paths[MASK_FIELDS_MAX][TEXT_MAX_BYTES];
	uint32_t output_count;
	struct plan_output outputs[OUTPUTS_MAX];
	char answer_after[NAME_MAX_BYTES];   /* what begins the line of a text's final answer; empty: none has
	                                        one */
	char version_header[NAME_MAX_BYTES]; /* of answers: says which version answered, too; lower case */
	bool ignore_named_only;              /* compare_default_ignores() are not left out */
	uint32_t path_tolerance_count, array_count, content_count;
	struct plan_path_tolerance path_tolerances[PATH_RULES_MAX];
	struct plan_array arrays[PATH_RULES_MAX];
	struct plan_content content[CONTENT_RULES_MAX];
	char json_schema[SCHEMA_MAX_BYTES]; /* that a language model's text must satisfy; empty: none */
	uint32_t candidate_count;
	struct plan_candidate candidates[CANDIDATES_MAX];
	struct plan_stop stop;
	uint32_t gate_count;
	struct plan_gate gates[GATES_MAX];
	uint32_t safeguard_count;
	struct plan_safeguard safeguards[SAFEGUARDS_MAX];
	uint32_t slice_count;
	struct plan_slice slices[SLICES_MAX];
	bool auto_slices; /* replay/auto_slices.h */
	struct plan_fairness fairness;
	struct plan_drift drift;
	struct plan_weight weight;
	struct plan_session session;
	uint32_t slo_ms; /* what an answer must not take longer than to count as good; 0: nothing is asked */
};

enum mask_place { MASK_PATH, MASK_HEADER, MASK_QUERY, MASK_FORM, MASK_COOKIE, MASK_SEGMENT };
struct plan_mask_field {
	uint32_t place;             /* enum mask_place */
	char where[TEXT_MAX_BYTES]; /* "$.a.b[*].c", the same behind "/SERVICE/METHOD", a lower-case header
	                               name, or a decoded name; of a segment the one before it, or its number
	                               from 1 on */
	uint32_t with;              /* enum mask_operator */
	bool model_input;           /* masking it changes what the model reads (default true) */
	uint32_t line;              /* of the file that it was read from; 0: none */
	struct mask_by by;
};

/* KEEP: nothing beyond what is found in it. DROP: prose is redacted; DROP_RECORD: its copy is dropped.
 * RECOGNISE: a process beside the masker is asked: capture/recogniser.h. */
enum free_text { FREE_TEXT_KEEP, FREE_TEXT_DROP, FREE_TEXT_DROP_RECORD, FREE_TEXT_RECOGNISE };

struct plan_detect { /* what is found in texts, and what becomes of it */
	struct detect_policy find;
	uint32_t with;      /* enum mask_operator: of what was found; drop: of all of its text */
	uint32_t least_ppm; /* the score, as find.min_score */
	struct mask_by by;  /* of `with`; its class stays NONE: each find has its own */
	uint32_t free_text; /* enum free_text */
	uint32_t line;      /* of `detectors` in the file; 0: none */
	char gazetteer_file[PATH_MAX_BYTES]; /* empty: none; its descriptor is "gazetteer.M" of mask M */
	uint8_t gazetteer_hash[32];          /* SHA-256 */
	uint32_t pattern_count;
	struct detect_pattern patterns[DETECT_PATTERNS];
};

struct plan_recogniser {
	struct plan_sandbox sandbox;
	uint32_t deadline_ms; /* for all texts of a body */
};

struct plan_mask {
	char name[NAME_MAX_BYTES];
	uint8_t hash[32];            /* SHA-256 of the rules */
	char tenant[NAME_MAX_BYTES]; /* whose tokens these are; with an epoch over 0 or a name the key is
	                                derived */
	uint32_t epoch;
	bool allow; /* only fields that a rule keeps stay clear; else: all but what rules and detectors name
	             */
	uint32_t field_count;
	struct plan_mask_field fields[MASK_FIELDS_MAX];
	struct plan_detect detect;
	struct plan_recogniser recogniser;
	char descriptors_file[PATH_MAX_BYTES]; /* empty: none; its descriptor is "descriptors.M" of mask M */
	uint8_t descriptors_hash[32];          /* SHA-256 */
};

struct plan_withdrawn {               /* capture/withdrawn.h */
	char file[PATH_MAX_BYTES];    /* empty: none; its descriptor is "withdrawn" */
	char subject[NAME_MAX_BYTES]; /* the header that says whose exchange it is, lower case */
};

struct plan_harm { /* replay/harm.h */
	bool on;
	uint32_t max_us, block_ms, off_ppm;
};

/* Requests that may wait in a replay for a target that takes no more. */
enum { REPLAY_QUEUE_MAX = 4096 };

enum progress { PROGRESS_AUTO, PROGRESS_JSON, PROGRESS_QUIET };

enum arrivals { ARRIVALS_RECORDED, ARRIVALS_CONSTANT, ARRIVALS_POISSON, ARRIVALS_BURST };
enum profile { PROFILE_FLAT, PROFILE_RAMP, PROFILE_STEP, PROFILE_SINE };

struct plan_schedule {       /* replay/schedule.h */
	uint32_t arrivals;   /* enum arrivals */
	double rate;         /* requests a second, unless as recorded */
	double cv;           /* of the gaps of ARRIVALS_BURST */
	uint32_t profile;    /* enum profile: how the rate goes on to rate_to */
	double rate_to;      /* at its end, or of a sine at its highest */
	uint64_t period_ns;  /* in which it gets there; of a sine */
	uint32_t copies;     /* of each exchange; 0: as 1 */
	uint64_t max_gap_ns; /* 0: gaps stay */
	uint32_t loops;      /* passes over the capture */
	uint64_t most;       /* requests in all; 0: all there are */
	bool till_saturated; /* it ends when targets give too few good answers */
};

/* A closed loop (replay/users.h): so many ask, each in the order of what it has to ask. */
struct plan_users {
	uint32_t count;               /* 0: requests leave by the schedule */
	char session[NAME_MAX_BYTES]; /* header, or $.member of the body, of equal value in what one user
	                                 asks; empty: they take turns */
	bool think_fixed;             /* else as recorded, at most max_gap_ns */
	uint64_t think_ns;
};

struct plan_choice { /* which of the capture's exchanges are played */
	struct where where;
	uint32_t sample_ppm;
	/* replay/effects.h */
	bool allow_all;
	uint32_t foreign_routes; /* a bit for each that no mirror recorded */
	uint32_t allow_count;
	struct plan_allow {
		char method[16], prefix[TEXT_MAX_BYTES];
	} allow[ALLOWS_MAX];
	uint64_t from_ns, until_ns; /* recorded so long behind the first; until 0: to the end */
};

struct plan_move { /* of a replay: one number of each request moved, and what must not follow from it */
	char path[TEXT_MAX_BYTES], score[TEXT_MAX_BYTES]; /* of the request, of the answer; empty: none */
	double step;
	bool falls; /* the score must not rise, else not fall */
};

struct plan_input { /* the capture that a replay reads */
	char path[PATH_MAX_BYTES];
	uint64_t bytes;
	uint8_t hash[32]; /* SHA-256 */
	struct {          /* of each route: what masked it when it was recorded */
		char policy[NAME_MAX_BYTES];
		uint8_t hash[32];
	} routes[ROUTES_MAX];
};

struct plan {
	uint32_t version, generation;
	char run_name[NAME_MAX_BYTES], run_directory[PATH_MAX_BYTES], hypothesis[TEXT_MAX_BYTES];
	char owner[NAME_MAX_BYTES], ticket[NAME_MAX_BYTES];
	char control_socket[PATH_MAX_BYTES];
	char config_file[PATH_MAX_BYTES];        /* that it was read from; empty: none */
	struct plan_endpoint control_address;    /* of the control endpoint over TCP; no address: none */
	char control_token_file[PATH_MAX_BYTES]; /* who shows its line there may change things; empty: nobody
	                                          */
	char mask_key_file[PATH_MAX_BYTES];      /* empty: a key that lives in memory only */
	uint64_t memory_bytes, capture_segment_bytes;
	uint64_t run_max_bytes; /* of results.db; 0: 1 GiB */
	uint64_t seed;          /* of sampling */
	uint32_t workers, drain_timeout_ms, lame_duck_ms, slots_each;
	uint32_t user_id, group_id; /* of the roles when the parent is root; 0: root's */
	bool capture;
	uint64_t continues;  /* id of the run that this one goes on from; 0: none */
	bool run_closed;     /* no run is open: traffic is forwarded, nothing is copied or counted as seen */
	bool replay;         /* a capture is played; there is no live path */
	double replay_speed; /* 1 = as recorded, 0 = as fast as the targets take it */
	uint64_t replay_max_lag_ns; /* p99; past it a run that keeps time is void */
	uint64_t replay_spin_ns;    /* before a time that is to be met, at most */
	bool replay_drop_late;      /* what a target cannot take in time is dropped, else sent late */
	bool replay_uncompared;     /* answers are timed and counted, nobody looks into them */
	struct plan_users replay_users;
	uint64_t replay_slo_ns;   /* an answer that took longer is no good one; 0: it may */
	uint32_t replay_progress; /* enum progress */
	/* Of a run that goes on where another stopped: that run, and its journal. Empty: of one's own. */
	char replay_resumes[PATH_MAX_BYTES], replay_journal[PATH_MAX_BYTES];
	struct plan_input replay_input;
	char replay_again[AGAIN_BYTES]; /* JSON: the words that start this replay once more; empty: no room */
	char replay_repeats[NAME_MAX_BYTES]; /* the id of the run that this one repeats; empty: none */
	struct plan_choice replay_choice;
	struct plan_schedule replay_schedule;
	struct plan_move replay_move;
	uint32_t listen_count;
	struct plan_listen listen[LISTEN_MAX];
	struct plan_limits limits;
	struct plan_harm harm;
	struct plan_withdrawn withdrawn;
	uint32_t canary_ms; /* how often it walks; 0: never */
	uint32_t resolve_every_ms;
	bool forwarded; /* on the way to live: X-Forwarded-*, Forwarded, x-request-id, our span in traceparent
	                 */
	uint32_t route_count;
	struct plan_route routes[ROUTES_MAX];
	uint32_t mask_count;
	struct plan_mask masks[MASKS_MAX]; /* 0 is the built-in policy */
	uint8_t config_hash[32], gates_hash[32];
};

/* All that a gate of a route is, as it goes into gates_hash. */
void plan_gate_write(const char *route, const struct plan_gate *, struct buf *out);
/* False: there is no room for it. */
bool plan_words_add(struct plan_words *, const char *word) MUST_CHECK;
/* The first word, or the one behind `word`; NULL: there is none. */
const char *plan_words_next(const struct plan_words *, const char *word);
/* The n-th candidate of a plan that is a sandbox, in the order of the plan; NULL: there is none. */
struct plan_candidate *plan_sandboxed(const struct plan *, unsigned n, unsigned *route_out,
                                      unsigned *candidate_out);

/* The n-th recogniser of a plan's routes: whose policy it is, and whether it serves the answer masker (else
 * the masker). NULL: there is none. */
const struct plan_recogniser *plan_recogniser(const struct plan *, unsigned n, unsigned *mask_out,
                                              bool *answers_out);

/* How many figures a safeguard watches: one, or one a candidate. */
unsigned plan_guarded(const struct plan_route *, const struct plan_safeguard *);

/* Where it listens: IPv4, IPv6 or unix. 0, or ERR_CONFIG (an address that is none). */
int plan_address(const struct plan_endpoint *, struct sockaddr_storage *address_out,
                 socklen_t *len_out) MUST_CHECK;
/* Writes only where they differ: most of a plan is room for more, and room that nobody wrote takes no memory.
 * `from` NULL: the plan with nothing in it. */
void plan_copy(struct plan *to, const struct plan *from);
/* A sealed memfd holding a copy. 0 or ERR_SYS. */
int plan_publish(const struct plan *, int *memfd_out) MUST_CHECK;
/* 0, ERR_SYS or ERR_PROTO (wrong size or version). Never unmapped. */
int plan_map(int memfd, const struct plan **plan_out) MUST_CHECK;

#endif
