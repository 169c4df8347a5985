/*
 * shadow_inside.h - what the files of the shadow share: shadow.c has its turns and what is sent,
 * shadow_answer.c what comes back of it, shadow_clients.c how it begins.
 *
 * One shadow a process.
 */
#ifndef REPLAY_SHADOW_INSIDE_H
#define REPLAY_SHADOW_INSIDE_H

#include <event2/event.h>

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
	bool headed, broken;
};

extern struct shadow shadow;

/* Kept from one to the next. NULL: out of memory. */
struct flight *shadow_flight(void);
void shadow_give_back(struct flight *);
/* Its cell has that outcome, and what still comes is dropped. */
void shadow_settle(struct flight *, uint8_t outcome);
/* A flight's: what comes of it leaves as records, and its end settles its cell or leaves that to the reader.
 */
extern const struct client_events shadow_events;

/* One for each candidate, with what its requests have of their own. 0, or an error. */
int shadow_make_clients(void);

#endif
