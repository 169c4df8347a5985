/*
 * coding.h - content codings (RFC 9110 8.4.1): bodies decoded within a bound, and encoded again. Pure: no
 * I/O, no state.
 *
 * What is known: gzip (x-gzip), deflate (RFC 1950), zstd (RFC 8878, windows of at most 8 MiB) and br (RFC
 * 7932).
 */
#ifndef PROTO_CODING_H
#define PROTO_CODING_H

#include "proto/base/buf.h"

bool coding_known(struct span coding);
/* Append what `bytes` decode to. ERR_UNSUPPORTED: that coding is not known; ERR_PROTO: they are damaged, cut
 * or followed by more; ERR_LIMIT: past the buffer's limit, or over 1 MiB and over 256 times what it came
 * from; ERR_NOMEM. */
int coding_decode(struct span coding, struct span bytes, struct buf *out) MUST_CHECK;
/* Append the bytes encoded; the same bytes give the same. ERR_UNSUPPORTED, ERR_LIMIT, ERR_NOMEM. */
int coding_encode(struct span coding, struct span bytes, struct buf *out) MUST_CHECK;

#endif
