/*
 * session.h - one client connection speaking HTTP/1.1: one exchange at a time, pipelined ones in order.
 */
#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

#include "proxy/exchange.h"

/* Take an accepted socket. `address`: the client's, as text. 0, ERR_NOMEM or ERR_SYS (the socket is closed).
 */
int session_new(struct listener *, int fd, const char *address) MUST_CHECK;
/* Timeouts; may free the session. */
void session_tick(struct session *);
/* The worker drains: an idle session closes, others after their answer. May free the session. */
void session_drain(struct session *);
struct session *session_next(struct session *);

#endif
