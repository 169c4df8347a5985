/*
 * grpc.h - what gRPC puts on top of HTTP/2: messages with their length before them, their encoding, the
 * outcome of a call. Pure: no I/O, no state.
 *
 * Source: grpc/grpc, doc/PROTOCOL-HTTP2.md and doc/http-grpc-status-mapping.md. A body is
 *
 *   compressed (1 byte, 0 or 1) | length (4 bytes, big-endian) | message | compressed | length | ...
 *
 * grpc-web is another format, and none of this.
 */
#ifndef PROTO_GRPC_H
#define PROTO_GRPC_H

#include <stdint.h>
#include "proto/base/buf.h"

enum { GRPC_PREFIX_BYTES = 5 };

struct grpc_message {
	bool compressed;
	struct span bytes; /* borrowed */
};

/* application/grpc, also with +FORMAT or parameters behind it. */
bool grpc_is(struct span content_type);
/* Cut ".../SERVICE/METHOD": false when it is none. */
bool grpc_call(struct span target, struct span *service_out, struct span *method_out);
/* The message that `input` begins with: its bytes, prefix included; 0 while it is not whole; ERR_PROTO (no
 * such flag), ERR_LIMIT (longer than limit_bytes, known from the prefix on). */
long grpc_next(struct span input, size_t limit_bytes, struct grpc_message *out) MUST_CHECK;
/* The prefix of an uncompressed message of so many bytes, or more than a prefix can tell: ERR_LIMIT. */
int grpc_prefix(size_t len, char out[GRPC_PREFIX_BYTES]) MUST_CHECK;
/* Append a compressed message as it was before; `encoding` is the value of grpc-encoding (gzip or deflate;
 * any other is ERR_UNSUPPORTED). ERR_PROTO: it is damaged, cut or followed by more; ERR_LIMIT: past the
 * buffer's limit, or over 1 MiB and over 256 times what it came from; ERR_NOMEM. */
int grpc_inflate(struct span bytes, struct span encoding, struct buf *out) MUST_CHECK;
/* The value of grpc-timeout: 1 to 8 digits and a unit of HMSmun. ERR_PROTO. */
int grpc_timeout(struct span text, uint64_t *ns_out) MUST_CHECK;
/* The value of grpc-status, 0 to 99: below all of HTTP's. ERR_PROTO. */
int grpc_status(struct span text, unsigned *status_out) MUST_CHECK;
/* What the status of an HTTP answer without grpc-status stands for; never 0. */
unsigned grpc_status_of_http(unsigned http_status);
const char *grpc_status_name(unsigned status); /* "UNAVAILABLE"; "" when it has none */
/* Append the value of grpc-message with its percent encoding undone; a broken escape stays as it is. */
void grpc_text(struct span value, struct buf *out);

#endif
