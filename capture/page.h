/*
 * page.h - the control page: one shared memfd of switches that roles read between records, and of gauges.
 *
 * Switches are written by the parent (phase, ready, raw_state, superseded) and by control (paused*, sample,
 * log level; the parent carries those over to a newer generation), paused by the judge's safeguards too;
 * everybody else reads. Every gauge has one
 * writer, named beside it; a reader adds up. Gauges outlive their writer: a role that is started again goes
 * on from the values it finds, and sets its own *_open gauges to 0.
 */
#ifndef CAPTURE_PAGE_H
#define CAPTURE_PAGE_H

#include <stdatomic.h>
#include <stdint.h>
#include "capture/mask_why.h"
#include "capture/plan.h"
#include "proto/base/err.h"
#include "proto/h1_rules.h"
#include "proto/h2_rules.h"
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

/* Of a worker's raw ring. BROKEN: the worker sheds until the masker has skipped what lies in it (and says
 * OK). RETIRED: it sheds until it is started again, with a new ring. */
enum raw_state { RAW_OK = 0, RAW_BROKEN, RAW_RETIRED };

/* Why a worker answered or closed by itself: rejected{rule}; the rules of proto/h1 follow these. */
#define REJECT_TABLE(X)                                                                                      \
	X(NO_ROUTE, "no_route", "no route matches")                                                          \
	X(PATH_FORM, "path_form", "the path as sent and the path as read pick different routes")             \
	X(SCHEME, "scheme", "an absolute target names another scheme than the listener's")                   \
	X(MAX_REQUESTS, "max_requests", "the requests in flight of a worker are used up")                    \
	X(HEADER_TIMEOUT, "header_timeout", "a head took too long to arrive")                                \
	X(BODY_RATE, "body_rate", "a body came too slowly")                                                  \
	X(SEND_TIMEOUT, "send_timeout", "the client did not read its answer")                                \
	X(MEMORY, "memory", "the buffers of a worker took all that they may")                                \
	X(SLOW_SHARE, "slow_share", "live waited for too many slow clients; this one was the slowest")       \
	X(PROXY_PROTOCOL, "proxy_protocol", "no valid PROXY header came first")                              \
	X(TLS_HANDSHAKE, "tls_handshake", "the TLS handshake failed")

enum reject_rule {
#define X(name, text, meaning) REJECT_##name,
	REJECT_TABLE(X)
#undef X
	        REJECT_H1,                     /* + enum h1_rule */
	REJECT_H2 = REJECT_H1 + H1_RULE_COUNT, /* + enum h2_rule */
	RULES_MAX = REJECT_H2 + H2_RULE_COUNT
};

const char *reject_name(unsigned rule);

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

enum client_protocol { PROTOCOL_HTTP1, PROTOCOL_HTTP2, PROTOCOLS };

/* Was the exchange copied? ADDED_PLAIN counts only exchanges that the same route would have copied, had
 * the sampling hash or `ctl pause` not kept them: so the two differ in nothing but the copying. */
enum added { ADDED_PLAIN, ADDED_COPIED, ADDED_KINDS };

/* The harm switch (replay/harm.h): is shadowing on now, for the sake of measuring? In a block that settles
 * nothing is counted. */
enum harm_block { HARM_NONE, HARM_SETTLES_ON, HARM_ON, HARM_SETTLES_OFF, HARM_OFF };
enum harm_side { HARM_WITHOUT, HARM_WITH, HARM_SIDES };
struct harm_gauges {             /* one writer: the judge */
	_Atomic uint32_t block;  /* enum harm_block; NONE: it measures nothing */
	_Atomic uint64_t groups; /* that the cost is the mean of; 0: it is not known */
	_Atomic int64_t cost_ns, low_ns, high_ns;
};

/* What live gave to the clients of one route. */
struct live_gauges {                      /* one writer: that worker */
	_Atomic uint64_t answers, failed; /* exchanges that ended; those without a whole answer below 500 */
	struct hist times;                /* from the end of the request to that of its answer. ns */
};

/* One safeguard, of one candidate when its figure is one's own (else the first stands for all). */
struct guard_gauges { /* one writer: the judge */
	_Atomic uint32_t tripped;
	_Atomic uint64_t trips;
	_Atomic uint64_t value; /* the bits of a double; NaN: not known */
};

struct worker_gauges {                        /* one writer: that worker */
	_Atomic uint64_t requests;            /* heads that were read whole */
	_Atomic uint64_t protocol[PROTOCOLS]; /* the same by version */
	_Atomic uint64_t live_errors;         /* sum of live_error[] */
	_Atomic uint64_t live_error[LIVE_ERRORS];
	_Atomic uint64_t rejected; /* sum of rejected_rule[] */
	_Atomic uint64_t rejected_rule[RULES_MAX];
	_Atomic uint64_t responses[ORIGINS][STATUS_CLASSES]; /* by status / 100; 0: cut without one */
	_Atomic uint64_t connections, tunnels, in_flight;    /* open now */
	_Atomic uint64_t stalls;     /* turns of a connection for which others waited too long */
	_Atomic uint64_t turn_ns;    /* CPU time of a turn of its loop, mean of the last tick */
	_Atomic uint64_t sheds_open; /* 1: it copies nothing now, for want of time or room */
	_Atomic uint64_t buffered;   /* bytes that clients and live connections hold in buffers now */
	_Atomic uint64_t accepted, upgrades, tls_handshakes;
	_Atomic uint64_t client_bytes_in, client_bytes_out, live_bytes_in, live_bytes_out;
	_Atomic uint64_t live_connects, live_reuses, live_retries, live_ejections, live_cancels;
	/* From the last byte read to the first byte sent on, request and answer together: the time that
	 * we add. ns. */
	struct hist added[ADDED_KINDS];
	/* Whole exchanges, from the head of the request to the end of the answer, begun in a block of the
	 * harm switch. ns. */
	struct hist timed[HARM_SIDES];
};

/* Of a live endpoint, as one worker sees it: left out after failed requests, or by its checks. */
enum endpoint_state { ENDPOINT_UP, ENDPOINT_FAILED, ENDPOINT_ILL, ENDPOINT_STATES };

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
	/* Ramp and stop: replay/share.h */
	_Atomic uint32_t sample_ppm, stage, falls, stopped;
	_Atomic uint64_t saved, stopped_seen;
};
void standing_gate_set(struct standing *, const char *name);
void standing_gate(const struct standing *, char name_out[STANDING_GATE_BYTES + 1]);

/* Faults that an operator has begun in this run, in their order; those of the plan are not among them. One
 * writer: control, which counts a drill when it is whole. */
enum { DRILLS_MAX = 64 };
struct page_drill {
	uint16_t route, candidate;
	struct plan_fault fault;
	uint64_t begun_ns;
	_Atomic uint64_t ended_ns; /* 0: nobody has stopped it */
};

/* What a replay measures at a target, of all that it answered, compared or not. Response is from when a
 * request was due, service and first byte from when its last byte left. */
#define MEASURED_TABLE(X)                                                                                    \
	X(response, "response, from intended time")                                                          \
	X(service, "service, uncorrected")                                                                   \
	X(first_byte, "first byte, from sent")                                                               \
	X(chunk_gap, "between chunks")                                                                       \
	X(lag, "lag, sent late")
enum measured {
#define X(name, meaning) MEASURED_##name,
	MEASURED_TABLE(X)
#undef X
	        MEASURED
};
struct target_gauges { /* one writer: the shadow */
	struct {
		_Atomic uint64_t count, p50_us, p90_us, p99_us, max_us;
	} times[MEASURED];
	/* Whole answers; those with a status below 400; of these, those within the plan's replay_slo_ns. */
	_Atomic uint64_t answered, usable, good;
};

/* What the shadow says of one candidate. */
struct candidate_gauges {      /* one writer: the shadow */
	_Atomic uint64_t sent; /* copies that were sent, warm-up included */
	_Atomic uint64_t first_ns;
	_Atomic uint64_t queued_bytes_open; /* of requests that wait for an answer */
	_Atomic uint64_t breaker_opened;
	_Atomic uint64_t tokens;                  /* of requests and answers, where a limit asks for them */
	_Atomic uint64_t spent_day, spent_tokens; /* the day (UTC, since 1970), and what it took */
	struct target_gauges measured;            /* in a replay */
	_Atomic uint64_t drilled[FAULT_KINDS];    /* copies that met such a fault of ours */
	_Atomic uint32_t breaker; /* enum breaker_state of replay/breaker.h: closed, open, half open */
};

enum {
	PAUSED_BY_OPERATOR = 1,
	PAUSED_BY_FILE = 2,
	PAUSED_BY_HARM = 4,
	PAUSED_BY_SAFEGUARD = 8,
	/* those that outlive the proxy; a file does so by itself */
	PAUSED_UNTIL_RESUMED = PAUSED_BY_OPERATOR | PAUSED_BY_HARM | PAUSED_BY_SAFEGUARD
};

/* What is known of the walls by the canary (capture/canary.h); GONE: it came back no more. */
enum page_walls { WALLS_UNKNOWN, WALLS_INTACT, WALLS_LEAKED, WALLS_GONE };
struct canary_gauges {
	_Atomic uint64_t sent, sent_ns; /* its round, which is the id of its records (0: none was), and when;
	                                   one writer: worker 0 */
	_Atomic uint64_t again;         /* a round that is lost; one writer: the judge, as of the next */
	_Atomic uint32_t walls;         /* enum page_walls */
};

/* What made a copy of a replay late: it was read late from the capture, or waited for a slot; the sender was
 * busy; the target took no more; connecting, or sending. */
enum late_by { LATE_SOURCE, LATE_CLIENT, LATE_TARGET, LATE_CONNECTION, LATE_BY };

struct replay_gauges {
	/* One writer: the shadow. Sent after the intended time, and of the late ones, over the bound, why. */
	_Atomic uint64_t lag_count, lag_p50_us, lag_p99_us, lag_max_us, late[LATE_BY];
	_Atomic uint64_t planned_ns, actual_ns; /* from the first to the last that was sent */
	_Atomic uint64_t lasted_ns;             /* from the first that was sent to the last answer */
	/* One writer: the player */
	_Atomic uint64_t played;
	_Atomic uint64_t slot_waits; /* requests that waited for others to be answered */
	_Atomic uint64_t saturated;  /* requests a second at which it was stopped for that; 0: it was not */
	_Atomic uint32_t whole;      /* every exchange that could be read was played */
	_Atomic uint32_t
	        ends_early; /* the capture does: the error that its reader gave, negated; 0: it does not */
};

/* What the operator asks of the parent. Control counts `asked` up once `what` and `name` are there, and only
 * while nothing is open (asked == done); the parent settles it with `words` and then `done`. */
enum wish { WISH_RELOAD, WISH_RUN_STOP, WISH_RUN_START };
enum { WISH_NAME_BYTES = 64, WISH_WORDS_BYTES = 8192 };
struct page_wish {
	_Atomic uint32_t asked, done;
	_Atomic uint32_t failed;    /* of what is done: the former generation stayed */
	_Atomic uint32_t waiting;   /* what is asked starts when an older generation has drained */
	_Atomic uint32_t what;      /* enum wish */
	char name[WISH_NAME_BYTES]; /* of the run that WISH_RUN_START opens; empty: the configuration's */
	char words[WISH_WORDS_BYTES];
};

/* Of the listeners, in a drain: nothing is said yet; no connection comes any more, and those in the queue are
 * ours to serve; the sockets are somebody else's too, who will serve what comes. */
enum door { DOOR_OPEN = 0, DOOR_SHUT, DOOR_LEFT };

struct page {
	_Atomic uint32_t version, phase, generation;
	_Atomic uint32_t superseded; /* set by the parent: a newer generation answers operators */
	_Atomic uint32_t turns;      /* how often the parent was asked (SIGUSR1) for a new capture file */
	_Atomic uint32_t door;       /* enum door; set by the parent when it drains */
	_Atomic uint32_t paused;     /* PAUSED_*; not 0: nothing is shadowed */
	_Atomic uint32_t carried;    /* ramps and stops on this page are those of an earlier start */
	_Atomic uint32_t ready;      /* every role is up */
	_Atomic uint32_t lame;       /* about to drain: serving, but no longer ready */
	_Atomic uint32_t log_level;  /* enum log_level */
	_Atomic uint64_t run_id;     /* random, set once by the parent; 0: no run is open */
	_Atomic uint64_t started_ns; /* CLOCK_MONOTONIC, set with ready */
	_Atomic uint32_t paused_candidates[ROUTES_MAX]; /* a bit each; by an operator */
	_Atomic uint64_t paused_at_ns, last_candidate_byte_ns;
	_Atomic uint32_t raw_state[WORKERS_MAX];                 /* enum raw_state */
	_Atomic uint32_t sample_ppm[ROUTES_MAX][CANDIDATES_MAX]; /* the operator's; never raises the plan's */
	_Atomic uint64_t log_shed;        /* lines that found their log ring full; any role adds */
	_Atomic uint32_t results_failing; /* 1: pairs cannot be stored; one writer: the judge */
	/* Copies and answers that could not be masked, and why; one writer each: masker, answer masker */
	_Atomic uint64_t mask_dropped[2][MASK_WHYS];
	_Atomic uint32_t capture_failing; /* 1: nothing can be captured; one writer: the recorder */
	struct standing standings[ROUTES_MAX][CANDIDATES_MAX];
	struct candidate_gauges candidates[ROUTES_MAX][CANDIDATES_MAX];
	struct worker_gauges workers[WORKERS_MAX];
	/* enum endpoint_state; one writer: that worker */
	_Atomic uint8_t endpoints[WORKERS_MAX][ROUTES_MAX][LIVE_ENDPOINTS_MAX];
	/* What safeguards ask for; one writer: the judge. 0 and SAMPLE_ALL_PPM: nothing. */
	_Atomic uint32_t guard_sheds[ROUTES_MAX];  /* nothing is copied */
	_Atomic uint32_t guard_pauses[ROUTES_MAX]; /* a bit for each candidate */
	_Atomic uint32_t guard_ppm[ROUTES_MAX][CANDIDATES_MAX];
	_Atomic uint32_t guard_stop; /* the run is to be sealed: control asks for it */
	struct guard_gauges guards[ROUTES_MAX][SAFEGUARDS_MAX][CANDIDATES_MAX];
	struct live_gauges live[WORKERS_MAX][ROUTES_MAX];
	struct canary_gauges canary;
	struct harm_gauges harm;
	struct replay_gauges replay;
	_Atomic uint32_t drill_count;
	struct page_drill drills[DRILLS_MAX];
	struct page_wish wish;
};

/* A size-sealed memfd; nothing is paused, all is sampled, the log level is info. 0 or ERR_SYS. */
int page_create(int *memfd_out) MUST_CHECK;
int page_map(int memfd, struct page **page_out) MUST_CHECK; /* 0, ERR_SYS, ERR_PROTO; never unmapped */

/* How many drills there are: never more than there is room for, whatever stands on the page. */
uint32_t page_drills(const struct page *);
/* Has that candidate met faults of ours in this run, or is it to? */
bool page_drilled(const struct page *, const struct plan *, uint16_t route, unsigned candidate);
/* Is nothing to be sent to that candidate now? */
bool page_paused(const struct page *, uint16_t route, unsigned candidate);
/* The share that a candidate gets: the least of what is configured, what the operator left, and what its
 * ramp, its stop and the safeguards allow. */
uint32_t page_sample_ppm(const struct page *, uint16_t route, unsigned candidate, uint32_t configured_ppm);

#endif
