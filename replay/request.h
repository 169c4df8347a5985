/*
 * request.h - the request that a candidate gets: the masked one, as the candidate's `rewrite` table says.
 *
 * The same for a mirror and a replay. Host is the endpoint's unless the table keeps or sets it. Credentials
 * of clients are never in it, whatever the masks say: the candidate's own comes from its configuration. The
 * field understudy-shadow: RUN/CANDIDATE marks it; a request that carries one is never copied.
 */
#ifndef REPLAY_REQUEST_H
#define REPLAY_REQUEST_H

#include "capture/fold.h"
#include "capture/plan.h"

/* The field of a capture that says which two requests differ in one number ("17 0", and the moved "17 1");
 * nobody is sent it. */
#define REQUEST_MOVED "understudy-moved"

struct request_to {
	const struct plan_candidate *plan;
	char mark[32 + NAME_MAX_BYTES];
	uint64_t salt;         /* of the ids of its spans: others than live's, and than another run's */
	struct buf credential; /* the field's value; empty: none */
	struct span model; /* JSON; what $.model becomes when the table says nothing of it; empty: as it is */
};

/* `credential`: what the candidate's credential file holds, at most one line; copied. 0, or ERR_CONFIG: it
 * cannot be a field's value. */
int request_to_init(struct request_to *, const struct plan_candidate *, uint64_t run_id,
                    struct span credential) MUST_CHECK;
/* The whole request in HTTP/1.1. A valid traceparent keeps its trace and gets a span of its own, made from
 * the exchange's id; one that is not valid goes, and tracestate with it. A body that is encoded, or no JSON,
 * goes as it is. Errors stick in the buf.
 */
void request_write(struct buf *, const struct leg *request, uint64_t id, const struct request_to *);

#endif
