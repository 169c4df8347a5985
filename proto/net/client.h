/*
 * client.h - an HTTP client for one endpoint: kept connections of HTTP/1.1, or streams of HTTP/2, a bound in
 * flight, a deadline.
 *
 * Runs on one libevent loop, blocks nothing, resolves nothing. Over the bound a request is refused
 * (ERR_FULL); nothing queues here. Callbacks never run inside client_send().
 */
#ifndef PROTO_NET_CLIENT_H
#define PROTO_NET_CLIENT_H

#include <event2/event.h>
#include <sys/socket.h>

#include "proto/base/span.h"
#include "proto/h1.h"
#include "proto/net/conn.h"
#include "proto/net/tls.h"

enum client_result {
	CLIENT_OK,
	CLIENT_CONNECT, /* no connection: refused, or a TLS handshake failed (a certificate not believed) */
	CLIENT_TIMEOUT, /* the deadline of the whole request, its connect included */
	CLIENT_RESET,   /* the connection, or the stream, ended before the response did */
	CLIENT_PROTOCOL,
	CLIENT_TOO_LARGE,
	CLIENT_CUT,
	CLIENT_MEMORY /* the head of the answer does not fit the budget */
};

struct client_events {                                        /* any may be NULL except done */
	void (*sent)(void *arg);                              /* the last request byte left */
	void (*head)(void *arg, const struct http_message *); /* final response head (1xx are skipped); its
	                                                       spans are valid during the call only */
	void (*body)(void *arg, struct span bytes);
	void (*trailers)(void *arg, const struct http_message *); /* only when there are some */
	void (*done)(void *arg, enum client_result);              /* exactly once; the last call */
};

/* What clients that share it hold: connections, requests, heads of answers. */
struct client_budget {
	size_t bytes, limit_bytes;
};

struct client_limits {
	unsigned max_in_flight, timeout_ms;
	uint64_t max_body_bytes;
	struct client_budget *budget; /* NULL: none. It must outlive the client. */
};

struct client_target {
	struct sockaddr_storage address; /* IPv4, IPv6 or unix */
	socklen_t address_len;
	struct tls_context *tls;    /* to speak HTTP/1.1; both NULL: plain. The client takes references. */
	struct tls_context *tls_h2; /* to speak what ALPN chooses: "h2", or HTTP/1.1 if tls is there too */
	bool h2;                    /* plain: HTTP/2 from the first byte */
	const char *host;           /* that the certificate must name; copied; unused without tls */
	struct conn_dialer
	        *dialer; /* who connects to that address, and outlives it; NULL: the client itself */
};

struct client_how {
	bool is_head;        /* the method is HEAD */
	bool fresh;          /* on a connection that had no request before, though others lie open */
	unsigned timeout_ms; /* 0: the client's, which it cannot exceed */
};

struct client;
/* 0, ERR_NOMEM. */
int client_new(struct event_base *, const struct client_target *, struct client_limits,
               struct client **client_out) MUST_CHECK;
/* Ends all requests with CLIENT_CUT, then frees. */
void client_free(struct client **);
/* Send one whole request, as h1_write_*() wrote it (copied), in the version that the endpoint speaks. A
 * connection that the server closed before any response byte, and that had been used before, is replaced
 * once; so is a stream that was refused unread. 0, ERR_FULL (max_in_flight), ERR_NOMEM (the budget, or the
 * machine).
 */
int client_send(struct client *, struct span request, const struct client_how *, const struct client_events *,
                void *arg) MUST_CHECK;
/* New connections go there (`len` 0: nowhere, and requests end with CLIENT_CONNECT); those to the place
 * before end their request, and are used no more. */
void client_move(struct client *, const struct sockaddr *, socklen_t len);
/* Would a request, sent now and not `fresh`, find an open connection that it may use? */
bool client_warm(const struct client *);
unsigned client_in_flight(const struct client *);
/* Cut every request in flight now (pause, drain): each done() gets CLIENT_CUT. */
void client_cut(struct client *);

#endif
