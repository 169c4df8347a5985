/*
 * dial.h - connections for a process that may not make any: the shadow asks for a candidate by its place in
 * the plan, the dialer answers with a socket that connects there.
 *
 *   shadow --- dial_ask ---> dialer          one message each, on a pair of SOCK_SEQPACKET sockets
 *          <-- dial_answer -                 with the socket, or why there is none
 *
 * A dialer that starts again says so (ticket 0) and is asked anew for what it had not answered. A ticket is
 * never used twice, so what a shadow that died had asked for is known as stale, and closed.
 */
#ifndef REPLAY_DIAL_H
#define REPLAY_DIAL_H

#include "capture/plan.h"
#include "proto/net/conn.h"

struct dial_ask {
	uint64_t ticket;
	uint32_t route, candidate;
};

struct dial_answer {
	uint64_t ticket; /* 0: a new dialer */
	int64_t error;   /* errno; 0: a socket comes with it */
};

struct dial;
/* `fd` stays the caller's. 0 or ERR_NOMEM. */
int dial_new(struct event_base *, int fd, struct dial **) MUST_CHECK;
/* When no conn waits any more. */
void dial_free(struct dial **);
/* Connects to that candidate; part of the dial. */
struct conn_dialer *dial_to(struct dial *, unsigned route, unsigned candidate);

#endif
