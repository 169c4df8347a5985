/*
 * client_codec.h - what clients lend to a response while it is read, and what they charge to their budget.
 * client.c alone includes it.
 *
 * Parsers that no response needs wait for the next one, a few for all clients of the process.
 */
#ifndef PROTO_NET_CLIENT_CODEC_H
#define PROTO_NET_CLIENT_CODEC_H

#include "proto/net/client.h"

struct client_codec { /* a parser with its storage */
	struct h1_parser parser;
	char head[H1_HEAD_MAX];
};

/* False: it does not fit. A budget of NULL holds everything. */
bool client_charge(struct client_budget *, size_t bytes) MUST_CHECK;
void client_discharge(struct client_budget *, size_t bytes);
/* Charged while it is lent. NULL: it does not fit, or out of memory. */
struct client_codec *client_codec_take(struct client_budget *, bool head_request);
/* Sets NULL; may be NULL already. `whole`: it stands behind a message. */
void client_codec_give_back(struct client_budget *, struct client_codec **, bool whole);

#endif
