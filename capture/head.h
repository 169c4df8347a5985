/*
 * head.h - the text form of a HEAD's payload (record.h): written from a parsed message, read without copying.
 *
 * Fields that are not forwarded are not in it; names are in lower case.
 */
#ifndef CAPTURE_HEAD_H
#define CAPTURE_HEAD_H

#include "proto/base/buf.h"
#include "proto/h1.h"

/* "METHOD TARGET", or "STATUS", and the fields. Errors stick in the buf. */
void head_put(struct buf *, const struct http_message *, enum h1_kind);
/* The fields alone, each "LF name: value": of trailers, but for the first LF. */
void head_put_fields(struct buf *, const struct http_message *);

/* Of a HEAD's text form. Empty span when absent. */
struct span head_method(struct span head);
struct span head_target(struct span head);
unsigned head_status(struct span head); /* 0 when it is no response */
struct span head_field(struct span head, struct span lower_name);
/* Iterate fields: true while there is one; *at starts at 0. */
bool head_next(struct span head, size_t *at, struct span *name_out, struct span *value_out);
/* Of trailers, which have no first line. */
struct span head_trailer(struct span trailers, struct span lower_name);
/* The outcome of a gRPC call: grpc-status of its trailers, or of the head (there are no more), else what the
 * HTTP status stands for. */
unsigned head_grpc_status(struct span head, struct span trailers);

#endif
