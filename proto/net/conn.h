/*
 * conn.h - one non-blocking stream socket on a loop, with a buffer each way.
 *
 *   socket -> in (bytes the owner has not consumed)     out (bytes the kernel has not taken) -> socket
 *
 * The owner is told once an event what happened; it consumes `in`, puts into `out` and calls
 * conn_flush() at the end of its turn: one recv and one send a message. While reading is stopped the
 * kernel's window holds the peer back. A conn with both buffers empty holds no buffer memory.
 * The owner may close a conn, or free what holds it, in its own turn.
 */
#ifndef PROTO_NET_CONN_H
#define PROTO_NET_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/socket.h>

#include "proto/base/buf.h"

enum {
	CONN_READ_BYTES = 32 * 1024, /* most that one event reads */
	CONN_OUT_LIMIT = 8 << 20,    /* of `out`; owners stop their source long before */
};

enum conn_news {
	CONN_OPENED = 1, /* a connect finished */
	CONN_INPUT = 2,  /* `in` grew */
	CONN_EOF = 4,    /* the peer will send no more */
	CONN_BROKEN = 8, /* refused, reset or timed out by the kernel; the conn is of no more use */
	CONN_SENT = 16,  /* the kernel took more of a blocked `out` */
};

typedef void conn_turn(void *owner, unsigned news);

struct conn {
	int fd; /* -1: closed */
	struct buf in, out;
	struct event readable, writable;
	bool connecting, reading, blocked, eof;
	struct event_base *base;
	conn_turn *turn;
	void *owner;
};

void conn_init(struct conn *, struct event_base *, conn_turn *, void *owner);
/* Take a connected, non-blocking socket and read from it. 0, or ERR_SYS (the socket is closed). */
int conn_take(struct conn *, int fd) MUST_CHECK;
/* Start a connect; CONN_OPENED or CONN_BROKEN follows, and flushing waits for it. 0 or ERR_SYS. */
int conn_connect(struct conn *, const struct sockaddr *, socklen_t) MUST_CHECK;
/* Closes the socket, frees both buffers; may be called at any time, also twice. */
void conn_close(struct conn *);
/* Where the owner puts what is to be sent; valid until the next call on this conn. */
struct buf *conn_out(struct conn *);
/* Send what is in `out`; the rest leaves when the kernel takes it. 0 or ERR_CLOSED. */
int conn_flush(struct conn *) MUST_CHECK;
/* Stop or go on reading; cheap when nothing changes. */
void conn_read(struct conn *, bool on);
/* Something arrived that the owner will be told in this turn of the loop. */
bool conn_has_news(const struct conn *);
/* Give back the memory of empty buffers. */
void conn_rest(struct conn *);

#endif
