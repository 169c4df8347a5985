/*
 * conn.h - one non-blocking stream socket on a loop, plain or TLS, with a buffer each way.
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

#include <stdatomic.h>
#include <stdint.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/socket.h>

#include "proto/base/buf.h"
#include "proto/net/tls.h"

enum {
	CONN_READ_BYTES = 32 * 1024, /* most that one event reads */
	CONN_OUT_LIMIT = 8 << 20,    /* of `out`; owners stop their source long before */
};

enum conn_news {
	CONN_OPENED = 1, /* a connect, or a TLS handshake, finished */
	CONN_INPUT = 2,  /* `in` grew */
	CONN_EOF = 4,    /* the peer will send no more */
	CONN_BROKEN = 8, /* refused, reset or timed out by the kernel; the conn is of no more use */
	CONN_SENT = 16,  /* the kernel took more of a blocked `out` */
};

struct conn;
/* Connects in this process's place; its owner embeds it. */
struct conn_dialer {
	int (*ask)(struct conn_dialer *,
	           struct conn *); /* 0: conn_dialled() follows, not before it returns */
	void (*forget)(struct conn_dialer *, struct conn *); /* it need not follow any more */
};

typedef void conn_turn(void *owner, unsigned news);
/* Asked before each read: false leaves it with the peer, and reading is stopped. */
typedef bool conn_wanted(void *owner);

struct conn {
	int fd; /* -1: closed */
	struct buf in, out;
	struct event readable, writable;
	bool connecting, handshaking, reading, blocked, eof;
	bool held;       /* the owner reads the socket itself: CONN_INPUT says only that there is something */
	bool ended;      /* TLS: the end, or a failure, came behind what was read last */
	struct tls *tls; /* NULL: plain */
	struct tls_context *context;       /* of a connect that will be TLS, until it is open; borrowed */
	const char *host;                  /* ... and the name that its certificate must have; borrowed */
	size_t most;                       /* that one event reads; 0: CONN_READ_BYTES */
	conn_wanted *wanted;               /* NULL: always */
	_Atomic uint64_t *received, *sent; /* byte counters with this one writer, or NULL */
	_Atomic uint64_t *held_bytes;      /* gauge of what such conns hold in buffers, or NULL */
	size_t charged;                    /* ... this one */
	struct conn_dialer *dialer;        /* while it is asked; NULL: nobody is */
	struct event_base *base;
	conn_turn *turn;
	void *owner;
};

void conn_init(struct conn *, struct event_base *, conn_turn *, void *owner);
/* Take a connected, non-blocking socket and read from it. 0, or ERR_SYS (the socket is closed). */
int conn_take(struct conn *, int fd) MUST_CHECK;
/* Start a connect, with TLS when there is a context; CONN_OPENED or CONN_BROKEN follows, and flushing waits
 * for it. Context and host are borrowed until then. 0 or ERR_SYS. */
int conn_connect(struct conn *, const struct sockaddr *, socklen_t, struct tls_context *,
                 const char *host) MUST_CHECK;
/* As conn_connect(), with a socket that the dialer brings. */
int conn_dial(struct conn *, struct conn_dialer *, struct tls_context *, const char *host) MUST_CHECK;
/* To be called by the dialer that was asked: a connecting, non-blocking socket, which is taken, or -1. */
void conn_dialled(struct conn *, int fd);
/* `to`, which holds no socket, goes on with the socket, the TLS and the bytes of `from`, which is closed
 * then.
 */
void conn_move(struct conn *to, struct conn *from);
/* Speak TLS from here on, as the server: CONN_OPENED or CONN_BROKEN follows. 0, ERR_NOMEM or ERR_CONFIG. */
int conn_secure(struct conn *, struct tls_context *) MUST_CHECK;
/* Send no more: close_notify where it is TLS, then FIN; reading goes on. `out` is empty. 0, or ERR_AGAIN: the
 * kernel has no room, call again after CONN_SENT. */
int conn_shut(struct conn *) MUST_CHECK;
/* The peer sees that what was sent may not be whole: TLS without close_notify, TCP with a reset.
 * conn_close() follows. */
void conn_cut(struct conn *);
/* Closes the socket, frees both buffers; may be called at any time, also twice. */
void conn_close(struct conn *);
/* Where the owner puts what is to be sent; valid until the next call on this conn. */
struct buf *conn_out(struct conn *);
/* Send what is in `out`; the rest leaves when the kernel takes it. 0 or ERR_CLOSED. */
int conn_flush(struct conn *) MUST_CHECK;
/* A connect or a handshake is under way. */
static inline bool conn_opening(const struct conn *c)
{
	return c->connecting || c->handshaking;
}
/* Stop or go on reading; cheap when nothing changes. */
void conn_read(struct conn *, bool on);
/* Something arrived that the owner will be told in this turn of the loop; looks at memory only. */
bool conn_has_news(const struct conn *);
/* Give back the memory of empty buffers. */
void conn_rest(struct conn *);

#endif
