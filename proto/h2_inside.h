/*
 * h2_inside.h - what the files of the HTTP/2 codec share. Only proto/h2*.c include it, and only they meet
 * libnghttp2.
 */
#ifndef PROTO_H2_INSIDE_H
#define PROTO_H2_INSIDE_H

#include <nghttp2/nghttp2.h>

#include "proto/h2.h"
#include "proto/http_inside.h"

enum {
	H2_RESET_GLITCHES = 10,  /* what a reset or a malformed frame costs */
	H2_MESSAGE_BYTES = 1024, /* what a whole answer is worth beside its body */
	H2_SPARE_STREAMS = 8,    /* kept for the next ones, with queues of at most: */
	H2_SPARE_BYTES = 4 * 1024,
	H2_HEAD_PIECES = 16, /* what a head takes of a turn, in pieces of DATA */
};

/* A head while it is read: lent to a connection from its first byte to its last. */
struct h2_head {
	struct h2_head *next; /* among the spare */
	struct http_message message;
	struct span scheme, authority;
	int32_t of; /* its stream */
	bool trailers;
	enum h2_rule rule; /* the first that was broken; the rest is only counted */
	uint32_t repeated; /* bit per enum http_name */
	size_t bytes;      /* as RFC 9113 6.5.2 counts them */
	size_t used;       /* of text */
	char text[H1_HEAD_MAX];
};

struct h2 {
	nghttp2_session *session;
	enum h2_side side;
	struct h2_limits limits;
	const struct h2_ops *ops;
	void *owner;
	struct h2_stream *first, *spare;
	unsigned open, spares, thirsty;
	unsigned continued; /* CONTINUATION frames in a row */
	size_t queued;
	struct h2_head *head; /* NULL: none is being read */
	struct buf *out;      /* inside h2_drain() */
	size_t up_to;
	unsigned pieces; /* of this h2_feed() so far */
	size_t unfed;
	bool paused;
	uint64_t budget, refilled_ns, now_ns; /* 1 / 256 of a glitch */
	int failure;
	enum h2_rule why; /* a callback's own reason to fail */
	bool settled;     /* the peer's settings came */
	bool gone;        /* the peer said GOAWAY */
	bool noticed, finished, ended;
};

/* Begin, fill and judge a head. False: out of memory. */
bool h2_head_begin(struct h2 *, bool trailers);
/* False: so far over its limit that the connection ends. */
bool h2_head_add(struct h2 *, struct span name, struct span value);
/* All fields are there; `end`: no body follows. Its rule says whether it may be told. */
void h2_head_finish(struct h2_head *, enum h2_side, const struct h2_stream *, bool end);
void h2_head_give(struct h2 *);

/* The connection ends for this reason. */
void h2_fail(struct h2 *, enum h2_rule, int err);
/* Takes from the budget. False, and the connection ends, when it is used up. */
bool h2_spend(struct h2 *, unsigned glitches);
/* Bytes of use passed, or a message came to its end. */
void h2_earn(struct h2 *, uint64_t bytes);

/* Some of a turn's share was used: 0, or NGHTTP2_ERR_PAUSE when that was the last. */
int h2_used(struct h2 *, unsigned pieces);

struct h2_stream *h2_stream_new(struct h2 *, uint32_t id);
void h2_stream_free(struct h2_stream *);
/* The callbacks of each half. */
void h2_use_receiving(nghttp2_session_callbacks *);
void h2_use_sending(nghttp2_session_callbacks *);

#endif
