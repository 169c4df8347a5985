/*
 * client_inside.h - what client.c and the versions of HTTP under it share: requests, and who holds which
 * connection.
 *
 * A slot is a request. In HTTP/1.1 it has a connection of its own (client.c); in HTTP/2 it is a stream of one
 * that others share (client_h2.c), and its own stays closed.
 */
#ifndef PROTO_NET_CLIENT_INSIDE_H
#define PROTO_NET_CLIENT_INSIDE_H

#include <sys/queue.h>

#include "proto/h2_text.h"
#include "proto/net/client.h"
#include "proto/net/client_codec.h"
#include "proto/net/conn.h"

enum {
	CLIENT_OUT_BYTES = CONN_READ_BYTES, /* most of a request that waits in the connection */
	CLIENT_TLS_BYTES = 48 * 1024        /* what OpenSSL takes for a connection */
};

struct client_h2;

struct slot {
	TAILQ_ENTRY(slot) link;    /* in spare, idle or busy */
	STAILQ_ENTRY(slot) kicked; /* while `waiting` */
	struct client *client;
	struct conn conn;
	struct client_codec *codec; /* NULL: nothing of a response came yet */
	bool used_before;
	unsigned moves; /* of the client, when it was opened */
	/* in HTTP/2 */
	struct client_h2 *on; /* NULL: not there */
	LIST_ENTRY(slot) leg;
	struct h2_stream *stream; /* NULL: waits for the connection */
	struct h2_text text;      /* of the request: what the stream was not given */
	struct span piece;        /* ... and was, in part */
	uint64_t reads;           /* of the connection, when it began ... */
	bool reused;              /* ... and that it had been of use before */
	bool fed, heard_end;      /* all of the request was given to the stream; the response ended */
	/* the request, while serial is not 0 */
	uint64_t serial, deadline_ns, body_bytes;
	char *request;
	size_t request_len, handed; /* handed: bytes of it that the connection was given */
	bool waiting, is_head, fresh, replaced, sent_reported, response_began, head_reported;
	unsigned informational, unseen; /* unseen: tries that nobody acted on */
	struct client_events events;
	void *arg;
};

TAILQ_HEAD(slot_list, slot);

struct client {
	struct event_base *base;
	struct client_target target;
	struct client_limits limits;
	struct event timer, kick;
	struct slot_list spare, idle, busy;
	LIST_HEAD(, client_h2) shared; /* connections of HTTP/2 */
	uint64_t h1_until_ns;          /* ALPN chose HTTP/1.1 */
	unsigned streams;              /* that one of them takes, as it last said; 0: not known */
	STAILQ_HEAD(, slot) kicked;    /* to be sent, or to be told that connecting failed at once */
	unsigned moves, slots, in_flight;
	unsigned depth; /* how many of our frames are on the stack */
	uint64_t serial;
	bool timer_runs, closing;
	char host[];
};

/* Starts to connect to the client's target, itself or by its dialer. 0 or an error: the conn stays closed. */
int client_connect(const struct client *, struct conn *, struct tls_context *) MUST_CHECK;
/* While callbacks run: the client may be gone after leave. */
void client_enter(struct client *);
void client_leave(struct client *);
void client_finish(struct slot *, enum client_result, bool keep);
/* What the response brings; each may end the request. */
void client_told_head(struct slot *, const struct http_message *);
void client_told_body(struct slot *, struct span);
void client_told_trailers(struct slot *, const struct http_message *);
/* The whole request has left. */
void client_told_sent(struct slot *);
/* It is to be sent from the beginning: on a connection of its own, in HTTP/1.1, or on whatever there is. */
void client_send_alone(struct slot *);
void client_send_again(struct slot *);
/* This connection, just opened, is for HTTP/1.1 and for this request. */
void client_adopt(struct slot *, struct conn *);

/* HTTP/2: is it spoken there, as far as is known? */
bool client_h2_spoken(const struct client *);
/* Is there a connection with room for a stream? */
bool client_h2_warm(const struct client *);
/* The request becomes a stream. 0, or ERR_SYS (no connection), ERR_NOMEM. Calls nobody back. */
int client_h2_join(struct slot *) MUST_CHECK;
/* The request is over. */
void client_h2_part(struct slot *);
/* Closes all connections: no request is there any more. */
void client_h2_free_all(struct client *);

#endif
