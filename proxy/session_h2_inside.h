/*
 * session_h2_inside.h - what the files of a client connection of HTTP/2 share: session_h2.c has the
 * connection and its turns, session_h2_stream.c a stream and the front that its exchange sees.
 */
#ifndef PROXY_SESSION_H2_INSIDE_H
#define PROXY_SESSION_H2_INSIDE_H

#include "proxy/session_inside.h"

struct stream {
	struct session *session;
	struct h2_stream *h2; /* NULL: closed */
	struct stream *next;  /* touched, or spare */
	struct exchange exchange;
	bool touched, grpc, hearing;
	uint64_t touched_ns;
	size_t owed;      /* received, and not told to be consumed */
	uint32_t granted; /* of the session's */
	uint64_t window_ns, window_bytes;
	uint64_t sent, sent_ns; /* progress of the answer, as last seen */
};

/* NULL: out of memory. */
struct stream *session_stream_new(struct session *, struct h2_stream *);
void session_stream_free(struct stream *);
/* Is it still being heard out? */
void session_stream_hear(struct stream *);
/* The turn of the connection has something to send for it. */
void session_stream_touch(struct stream *);
/* The turn ends once more, soon. */
void session_h2_later(struct session *);

extern const struct front_ops session_stream_front;

#endif
