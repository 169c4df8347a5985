/*
 * h2.h - HTTP/2 (RFC 9113, RFC 7541) for either end of a connection, over libnghttp2. No I/O and no clock:
 *
 *   bytes of the peer -> h2_feed() -> ops: head, data, trailers, end, closed
 *   h2_request, h2_respond, h2_data, h2_trailers, h2_end, h2_reset -> queues -> h2_drain() -> bytes for it
 *
 * A stream begins with the `head` of a request (server) or with h2_request() (client) and is the owner's to
 * name until it hears `closed`: once, last, from inside h2_feed() or h2_drain() only. h2_free() tells
 * nothing. In its ops the owner may call everything here but h2_feed(), h2_drain() and h2_free().
 *
 * Bounds: a head by limits.head, counted while it is read; a body received by two windows, which open again
 * only as the owner consumes; a body to be sent by h2_full(), which the owner asks before it queues; what
 * carries nothing (resets, malformed frames, PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA) by a budget
 * that useful bytes and time refill. Priorities are ignored, and streams served in turn; nothing is pushed.
 */
#ifndef PROTO_H2_H
#define PROTO_H2_H

#include "proto/base/buf.h"
#include "proto/h1.h"
#include "proto/h2_rules.h"
#include "proto/http.h"

enum {
	H2_FIELDS_MAX = 192,          /* of a head that is sent: those received and what is added */
	H2_QUEUE_BYTES = 64 * 1024,   /* queued on a stream: it is full */
	H2_QUEUED_BYTES = 128 * 1024, /* on all streams of a connection */
	H2_QUEUE_LIMIT = 8 << 20,     /* ... and past this the stream is reset */
	H2_WINDOW_BYTES = 64 * 1024,  /* defaults of limits */
	H2_CONNECTION_WINDOW_BYTES = 256 * 1024,
	H2_STREAMS = 128,
	H2_GLITCHES = 2000,
	H2_GLITCHES_A_SECOND = 200,
};

/* RFC 9113 7, those that owners name. */
enum h2_code {
	H2_NO_ERROR = 0,
	H2_PROTOCOL_ERROR = 1,
	H2_INTERNAL_ERROR = 2,
	H2_REFUSED_STREAM = 7, /* nothing of it was processed: it may be sent again */
	H2_CANCEL = 8,
	H2_ENHANCE_YOUR_CALM = 11,
};

enum h2_side { H2_SERVER, H2_CLIENT };

/* What a peer may cost. 0 stands for the default. */
struct h2_limits {
	struct h1_limits head; /* line_bytes is of :path; fields_bytes with 32 B for each (RFC 9113 6.5.2) */
	uint32_t streams;      /* server: open at once */
	uint32_t window;       /* bytes received and not consumed, of a stream; and all streams together: */
	uint32_t connection_window;
	uint32_t glitches;          /* the budget: 1 for a frame that carries nothing, 10 for a reset or a
	                             * malformed frame */
	uint32_t glitches_a_second; /* how fast it refills */
	uint32_t turn;              /* server: heads that one h2_feed() takes, 0: all; 16 pieces of DATA count
	                             * as one */
};

struct h2;
struct h2_kept;

struct h2_stream {
	uint32_t id;
	void *user; /* the owner's, NULL at first */
	struct h2 *h2;
	uint64_t sent; /* bytes of its body that h2_drain() took */
	/* private */
	struct h2_stream *prev, *next;
	struct buf out;
	uint64_t received, unconsumed;
	uint32_t window;          /* to be opened once its head is out; 0: none */
	struct h2_kept *trailers; /* to be sent behind the body */
	enum h2_rule invalid;     /* why its head was cut off */
	bool headed, told, refused, head_request, heard, ended, cut, deferred, ours, thirsty;
};

/* Fields of a head or of trailers to be sent, borrowed until the call that sends them. Names are sent in
 * lower case; those of the connection (RFC 9113 8.2.2) are the caller's to leave out. */
struct h2_fields {
	size_t count;
	bool overflow; /* more than H2_FIELDS_MAX: sending resets the stream */
	struct {
		struct span name, value;
	} list[H2_FIELDS_MAX];
};

static inline void h2_put(struct h2_fields *f, struct span name, struct span value)
{
	if (f->count == H2_FIELDS_MAX) {
		f->overflow = true;
		return;
	}
	f->list[f->count].name = name;
	f->list[f->count++].value = value;
}

struct h2_ops {
	/* A request (server) or a response (client; interim when status / 100 == 1). Its framing is
	 * HTTP_NO_BODY when `end` follows at once, HTTP_LENGTH, or HTTP_CHUNKED when the length is unknown;
	 * crumbs of Cookie are joined (RFC 9113 8.2.3), :authority is `host` and an equal Host dropped.
	 * Borrowed, as all that is told, until the op returns. */
	void (*head)(void *owner, struct h2_stream *, const struct http_message *);
	/* Server: a request that breaks a rule with a status. As far as it was read; nothing else of it will
	 * be told but `closed`. The owner answers (h2_respond) or resets. */
	void (*refuse)(void *owner, struct h2_stream *, const struct http_message *, enum h2_rule);
	void (*data)(void *owner, struct h2_stream *, struct span); /* to be consumed: h2_consumed() */
	void (*trailers)(void *owner, struct h2_stream *, const struct http_message *);
	void (*end)(void *owner, struct h2_stream *); /* the peer's message is whole */
	/* The stream is gone; 0 (H2_NO_ERROR) when both messages were whole or the peer wants no more of
	 * ours. H2_REFUSED_STREAM: it may be sent again elsewhere. */
	void (*closed)(void *owner, struct h2_stream *, uint32_t code);
	/* A rule without a status was broken: for counting. What follows from it is done already. */
	void (*broken)(void *owner, enum h2_rule);
	/* Half of that is gone, after h2_full() said yes. */
	void (*room)(void *owner, struct h2_stream *);
	/* The peer takes no streams above `last` any more; those it has not seen are closed with
	 * H2_REFUSED_STREAM. May be NULL. */
	void (*goaway)(void *owner, uint32_t last, uint32_t code);
};

/* What a client says first. */
struct span h2_preface(void);

/* Settings (and a client's preface) wait for h2_drain(). NULL: out of memory. */
struct h2 *h2_new(enum h2_side, const struct h2_limits *, const struct h2_ops *, void *owner);
void h2_free(struct h2 **); /* accepts NULL, sets NULL */

/* Takes all of `input`, or what limits.turn allows: see h2_unfed(). 0, or the connection is over: ERR_PROTO,
 * ERR_LIMIT, ERR_NOMEM, from then on; `broken` was told why and h2_drain() has a GOAWAY. `now_ns` is of
 * CLOCK_MONOTONIC. */
int h2_feed(struct h2 *, struct span input, uint64_t now_ns) MUST_CHECK;
/* The last h2_feed() stopped early: it is due again, in another turn, with these last bytes of its input
 * (which may be none) and what came behind them. */
bool h2_unfed(const struct h2 *, size_t *bytes_out);
/* From inside an op: this h2_feed() is to stop before another head is whole. */
void h2_enough(struct h2 *);
/* Appends frames to `out` while it holds less than `up_to` bytes and there are some. 0 or ERR_NOMEM. */
int h2_drain(struct h2 *, struct buf *out, size_t up_to) MUST_CHECK;
/* Neither side will say anything more: close when all is sent. */
bool h2_over(const struct h2 *);
/* h2_drain() has something to give. */
bool h2_pending(const struct h2 *);
/* A head has begun and is not whole, or the peer's preface or settings are not there yet. */
bool h2_midway(const struct h2 *);
/* Begin to end: GOAWAY that names no last stream yet (RFC 9113 6.8); with `final` the one that does, after
 * which new streams are ignored and h2_over() follows the last open one. Each at most once. */
void h2_shutdown(struct h2 *, bool final);
/* End at once: GOAWAY with this code. */
void h2_terminate(struct h2 *, enum h2_code);
unsigned h2_streams(const struct h2 *); /* open ones, in either direction */
size_t h2_queued(const struct h2 *);    /* bytes of all bodies that wait to be sent */
/* Walks the open streams: NULL gives the first, the last gives NULL. */
struct h2_stream *h2_next(const struct h2 *, const struct h2_stream *);

/* Client: how many requests the peer takes at once, as far as it has said. */
unsigned h2_streams_max(const struct h2 *);
/* Client: how many requests more the peer takes now; 0 after its GOAWAY, or ours. */
unsigned h2_room(const struct h2 *);
struct h2_request {
	struct span method, scheme, authority, path;
	const struct h2_fields *fields;
	uint32_t window; /* of this stream, when it is more than limits.window */
	bool end;        /* no body follows */
};
/* NULL: no room, or out of memory. */
struct h2_stream *h2_request(struct h2 *, const struct h2_request *, void *user);

/* Server: 1xx as often as wanted, then one other. `end`: no body follows. An answer that ends before its
 * request resets the rest with NO_ERROR by itself (RFC 9113 8.1). */
void h2_respond(struct h2_stream *, unsigned status, const struct h2_fields *, bool end);

/* Either side, after its head. Nothing may follow h2_end(). Without memory the stream is reset. */
void h2_data(struct h2_stream *, struct span);
void h2_trailers(struct h2_stream *, const struct h2_fields *); /* h2_end() still follows */
void h2_end(struct h2_stream *);
/* The body breaks off behind what is queued: INTERNAL_ERROR. */
void h2_cut(struct h2_stream *);
/* At once; not counted against the peer. `closed` follows from the next h2_drain(). */
void h2_reset(struct h2_stream *, enum h2_code);
/* Queue no more, `room` will be told: H2_QUEUE_BYTES wait; or H2_QUEUED_BYTES on all streams do, and some on
 * this one or its window is shut; or twice as much. */
bool h2_full(struct h2_stream *);
size_t h2_waiting(const struct h2_stream *); /* bytes queued */
/* Of what `data` told, the owner holds `bytes` less: the peer may send as much more. */
void h2_consumed(struct h2_stream *, size_t bytes);

#endif
