/*
 * server.h - a small HTTP/1.1 server for an operator's endpoint: one handler, short answers, all bounded.
 *
 * Runs on one libevent loop and blocks nothing. Requests are read by proto/h1, one at a time on a
 * connection; the handler answers at once, from memory. GET and HEAD are served everywhere, POST on
 * listeners that allow changes and to who shows the token; without a token anything else is 405. A listener
 * over its bound stops accepting until a connection has left. A head or body that is not whole in request_ms,
 * an answer that is not read in request_ms, and a connection idle for idle_ms are closed.
 */
#ifndef PROTO_NET_SERVER_H
#define PROTO_NET_SERVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"

struct server_request {
	struct span method;      /* GET (HEAD too) or POST */
	struct span path, query; /* "/sample" and "ppm=1"; as sent, nothing is decoded */
	struct span body;
	bool by_token; /* a change that is allowed because the token was shown */
	int64_t uid;   /* of the peer on a unix socket; -1 elsewhere */
};

struct server_reply {
	unsigned status;          /* 200 unless set */
	const char *content_type; /* text/plain unless set; a constant */
	struct buf body;          /* dropped for 500 when it is over its limit */
};

typedef void server_handler(void *arg, const struct server_request *, struct server_reply *);

struct server_limits {
	unsigned connections; /* of one listener */
	unsigned idle_ms, request_ms;
	size_t head_bytes, body_bytes, reply_bytes;
};

struct server;

/* 0, ERR_NOMEM. The base outlives the server. */
int server_new(struct event_base *, struct server_limits, server_handler *, void *arg,
               struct server **server_out) MUST_CHECK;
/* Serve a listening, non-blocking socket, which stays the caller's. 0, ERR_NOMEM, ERR_SYS. */
int server_listen(struct server *, int fd, bool changes) MUST_CHECK;
/* From now on listeners that allow no changes serve POST with "authorization: Bearer TOKEN" (RFC 6750 2.1),
 * compared in constant time; other POSTs there are 403. The token stays the caller's. 0, ERR_SYS. */
int server_trust(struct server *, struct span token) MUST_CHECK;
/* Accept nobody any more; who is connected is served on. */
void server_deafen(struct server *);
/* Close all connections; accepts NULL, sets NULL. Not from the handler. */
void server_free(struct server **);

/* The value of a key in a query ("a=1&b=2"), percent-encoding decoded, into `out`. 0, ERR_CLOSED (not
 * there), ERR_LIMIT (longer than size - 1), ERR_PROTO (a broken escape or NUL). */
int server_query(struct span query, const char *key, char *out, size_t size) MUST_CHECK;

#endif
