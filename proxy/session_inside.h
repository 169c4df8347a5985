/*
 * session_inside.h - what the files of a client connection share. session.c has its birth, its wait for what
 * comes before HTTP, and its death; session_h1.c and session_h2.c what happens in between.
 */
#ifndef PROXY_SESSION_INSIDE_H
#define PROXY_SESSION_INSIDE_H

#include "proto/h2.h"
#include "proxy/session.h"

/* A version of HTTP on a connection. Only turn_end() and what calls it may free the session. */
struct session_kind {
	/* The conn has news: input, its end, or room to send. */
	void (*turn)(struct session *, unsigned news);
	/* Send what there is, go on or end. */
	void (*turn_end)(struct session *);
	/* Timeouts, also while the client takes nothing; the common ones were looked at before. */
	void (*tick)(struct session *);
	void (*drain)(struct session *);
	void (*fini)(struct session *);
};

/* HTTP/1.1: one exchange at a time, pipelined ones in order. */
struct session_h1 {
	struct codec *codec; /* NULL between messages */
	struct exchange exchange;
	bool mid_message;      /* the parser holds a part of a message */
	bool rechunk, trailed; /* how the answer is framed */
	uint64_t window_ns;    /* body rate window */
	uint64_t window_bytes;
	size_t charged; /* to the worker's buffers */
};

/* HTTP/2: an exchange a stream. */
struct session_h2 {
	struct h2 *h2;
	struct stream *touched; /* what this turn has to send for */
	struct event later;     /* what one turn of the loop queued is sent together */
	unsigned running;       /* exchanges whose memory is held */
	unsigned hearing;       /* ... of which so many are being heard out */
	size_t granted;         /* of GRANT_BYTES, by their streams */
	bool unfed;             /* bytes that were read wait for another turn */
	uint32_t work;          /* of the worker when this turn began */
	size_t charged;         /* of the worker's gauge of buffers */
	uint64_t midway_ns;     /* since when a head is not whole; 0: none */
	uint64_t noticed_ns;    /* the first GOAWAY of a drain; 0: none */
	uint64_t idle_ns;       /* the end of the last stream */
};

struct session {
	struct worker *worker;
	struct session *prev, *next;
	struct listener *listener;
	struct conn conn;
	const struct session_kind *kind;
	bool chosen;      /* which version it speaks is known */
	bool close_after; /* the connection ends behind what is in `out` */
	bool unread;      /* ... and the client may still be sending: linger */
	bool lingering, dead, reset;
	uint64_t since_ns;    /* when this wait began: idle, head, lingering, blocked send */
	uint64_t discarded;   /* bytes thrown away while lingering */
	const char *given_up; /* the rule by which nothing more can be said to this client, or NULL */
	bool client_tls;
	char address[46];
	union {
		struct session_h1 h1;
		struct session_h2 h2;
	};
};

void session_h1_init(struct session *);
/* From a connection that spoke nothing yet. 0 or ERR_NOMEM. */
int session_h2_init(struct session *);

/* An exchange on behalf of this client. */
void session_exchange(struct session *, struct exchange *, const struct front_ops *, void *front);
bool session_waited(const struct session *, uint32_t limit_ms);
/* Nothing can be said to this client. */
void session_give_up(struct session *, unsigned rule);
/* Send; what the kernel took ends a wait. */
void session_flush(struct session *);
/* The end of a turn: with `done` the connection ends. May free the session. */
void session_settle(struct session *, bool done);

#endif
