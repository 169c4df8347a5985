/*
 * proxy_protocol.h - the line or block that a load balancer puts before a connection's own bytes
 * (HAProxy, "The PROXY protocol", versions 1 and 2). Pure: bytes in, addresses out.
 *
 * The caller gathers bytes and asks again with all of them until there is an answer; the answer does
 * not depend on how they were cut.
 */
#ifndef PROTO_PROXY_PROTOCOL_H
#define PROTO_PROXY_PROTOCOL_H

#include <stdint.h>
#include "proto/base/err.h"
#include "proto/base/span.h"

enum {
	PROXY_V1_MAX = 107,  /* bytes, line end included */
	PROXY_V2_MAX = 4096, /* bytes, our limit: room for TLS details; the format would allow 65551 */
	PROXY_ID_MAX = 128,
};

enum proxy_family {
	PROXY_NONE, /* LOCAL, UNKNOWN or unspecified: the connection's own addresses hold */
	PROXY_IP4,  /* 4 bytes of each address */
	PROXY_IP6,  /* 16 bytes */
	PROXY_UNIX, /* no addresses given out */
};

struct proxy_header {
	unsigned version; /* 1 or 2 */
	bool local;       /* v2 LOCAL: the balancer speaks for itself, such as a health check */
	enum proxy_family family;
	uint8_t source[16], destination[16]; /* network order */
	uint16_t source_port, destination_port;
	/* v2 extras, spans of the input, data NULL when absent */
	struct span alpn, authority, unique_id;
	bool tls; /* the client came over TLS */
};

/* Returns the bytes of the header (> 0), 0 when more are needed, or: ERR_PROTO for anything that is not
 * a header (a wrong CRC32C too), ERR_LIMIT for a longer one, ERR_UNSUPPORTED for datagrams. */
long proxy_header_parse(struct span input, struct proxy_header *header_out) MUST_CHECK;

#endif
