/*
 * slow.h - live connections that wait for clients, and which of them are taken back.
 *
 * A client that sends its body by drops, or takes no more of its answer, holds a live connection. Those that
 * live waits for are listed at the tick and their clients' pace is measured. While an endpoint has three
 * quarters of its max_connections open and half of them wait so, the slowest clients are ended and counted as
 * rejected{slow_share}, at most SLOW_ENDS_A_TICK a tick: the others still find a connection.
 */
#ifndef PROXY_SLOW_H
#define PROXY_SLOW_H

#include <stdint.h>

struct exchange;
struct worker;

enum { SLOW_WINDOW_MS = 500, SLOW_ENDS_A_TICK = 128 };

struct slow { /* in an exchange; all 0: not listed */
	struct exchange *next, **at;
	uint64_t since_ns, bytes; /* when this window began, and what had passed by then */
	uint64_t pace;            /* bytes a second in the last window; UINT64_MAX: none so far */
};

/* Each tick of an exchange: list it, measure it, or take it off the list. */
void slow_look(struct exchange *, uint64_t now_ns);
void slow_forget(struct exchange *);
/* After the exchanges' tick. May end exchanges, and the fronts that hold them. */
void slow_tick(struct worker *);

#endif
