/*
 * conn_h2.h - a connection and its HTTP/2 codec, for who asks over it: the live path and the client for
 * candidates.
 */
#ifndef PROTO_NET_CONN_H2_H
#define PROTO_NET_CONN_H2_H

#include "proto/h2.h"
#include "proto/net/conn.h"

/* What the codec has to say leaves as far as the kernel takes it. 0; the codec's failure (ERR_PROTO,
 * ERR_LIMIT, ERR_NOMEM); or ERR_CLOSED: the peer takes nothing more, as after conn_h2_mute(). */
int conn_h2_send(struct conn *, struct h2 *) MUST_CHECK;
/* What waits is dropped. A peer that ends a connection may say why, close and so reset what we still send:
 * its answers are read on. */
void conn_h2_mute(struct conn *);

#endif
