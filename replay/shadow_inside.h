/*
 * shadow_inside.h - what the files of the shadow share: shadow.c has its turns and what is sent,
 * shadow_answer.c what comes back of it, shadow_clients.c how it begins, shadow_pace.c the times of a replay,
 * shadow_measure.c what it measures.
 *
 * One shadow a process.
 */
#ifndef REPLAY_SHADOW_INSIDE_H
#define REPLAY_SHADOW_INSIDE_H

#include <event2/event.h>
#include <sys/queue.h>

#include "capture/fold.h"
#include "capture/names.h"
#include "capture/role.h"
#include "capture/sandbox_gauges.h"
#include "proto/net/client.h"
#include "replay/admission.h"
#include "replay/catalogue.h"
#include "replay/dial.h"
#include "replay/drill.h"
#include "replay/request.h"
#include "replay/usage.h"

struct shadow {
	const struct role_env *env;
	struct event_base *base;
	struct event *tick, *wake;
	struct role_pace pace;
	bool asleep, signalled;
	uint64_t turn_ns;              /* when this turn began */
	unsigned read, sent, answered; /* in this turn: records, requests; and since the last one: answers */
	struct ring *in, *out;
	struct fold *fold;
	struct client_budget
	        held; /* by requests in flight: half of the role's budget, the fold has the other */
	struct client *clients[ROUTES_MAX][CANDIDATES_MAX];
	struct drill drills[ROUTES_MAX][CANDIDATES_MAX];
	struct admission admissions[ROUTES_MAX][CANDIDATES_MAX];
	sandbox_looks looks;
	struct request_to to[ROUTES_MAX][CANDIDATES_MAX];
	struct catalogue catalogues[ROUTES_MAX][CANDIDATES_MAX];
	struct record asked_for;   /* the end of a request that waits until its candidates have said what they
	                              serve; nothing is read meanwhile. id 0: none */
	const struct names *names; /* NULL: every address is a number */
	struct name_place places[ROUTES_MAX][CANDIDATES_MAX];
	struct dial *dial; /* it may not connect itself */
	unsigned in_flight;
	uint64_t swept_ns;
	bool was_paused[ROUTES_MAX][CANDIDATES_MAX];
	struct flight *spare;     /* chained by next */
	struct buf request, head; /* emptied for each */
	char payload[RECORD_PAYLOAD_MAX];
};

struct flight { /* one candidate's answer to one request */
	struct flight *next;
	struct record record;
	struct admission_pass pass;
	struct usage usage;
	uint64_t sent_ns;
	uint64_t due_ns;            /* in a replay that keeps time; else 0 */
	uint64_t first_ns, last_ns; /* in a replay: when bytes of the answer's body came */
	uint8_t late_by;            /* enum late_by, if it turns out to be */
	bool headed, broken;
	bool was_sent; /* sent again on another connection, it is not sent twice */
	bool usable;   /* by its status */
};

struct together {          /* what the copies of an exchange have in common */
	struct span model; /* that it names */
	bool fresh;        /* each goes on a connection of its own that had no request before */
	/* Of a replay: when it is to be sent, was read, and was taken up; it stood in a target's queue. */
	uint64_t due_ns, read_ns, taken_ns;
	bool queued;
	uint16_t user; /* of a closed loop: whose turn it is */
};

extern struct shadow shadow;

/* Kept from one to the next. NULL: out of memory. */
struct flight *shadow_flight(void);
void shadow_give_back(struct flight *);
/* Its cell has that outcome, and what still comes is dropped. */
void shadow_settle(struct flight *, uint8_t outcome);
/* Who masks the answer has to know what was found in its request. Before the answer's first record. */
void shadow_tell_found(struct flight *, const struct leg *request);
/* A flight's: what comes of it leaves as records, and its end settles its cell or leaves that to the reader.
 */
extern const struct client_events shadow_events;

/* Send a copy, or settle its cell: false. */
bool shadow_send(struct exchange *, const struct record *end, unsigned candidate, const struct together *);
/* Why nothing goes to that candidate now; 0: it may. */
uint8_t shadow_held_back(uint16_t route, unsigned candidate);
/* There is a baseline, and not every side has an open connection that it may use. */
bool shadow_any_is_cold(const struct exchange *);

/* --- of a replay --- */

int shadow_pace_begin(void); /* 0, ERR_NOMEM, ERR_SYS */
/* The request that ends there is whole; it is kept until each target has its copy, or will not get one.
 * 0, ERR_NOMEM. */
int shadow_pace_add(struct exchange *, const struct record *end);
bool shadow_pace_turn(void);                  /* send what is due; true: more of it is */
bool shadow_pace_idle(void);                  /* nothing waits */
void shadow_pace_done(const struct flight *); /* that has been answered, or will not be */

/* Of what a replay sends; all of them do nothing in a mirror. */
int shadow_measure_begin(void); /* 0, ERR_NOMEM */
void shadow_measure_mark(struct flight *, const struct together *);
void shadow_measure_sent(struct flight *); /* its last byte has left */
void shadow_measure_bytes(struct flight *, uint64_t now_ns);
void shadow_measure_answered(struct flight *, uint64_t now_ns); /* it is whole */
void shadow_measure_publish(uint64_t now_ns);                   /* now and then, for player and judge */

/* One for each candidate, with what its requests have of their own. 0, or an error. */
int shadow_make_clients(void);

#endif
