/*
 * traceparent.h - the traceparent field of a request on its way to the next hop (W3C Trace Context, version
 * 00). Pure: one value in, one out.
 */
#ifndef PROTO_TRACEPARENT_H
#define PROTO_TRACEPARENT_H

#include <stdint.h>
#include "proto/base/span.h"

enum { TRACEPARENT_BYTES = 55 };

/* The id of a span of ours: unique among those of one salt as `id` is, unlike those of another salt
 * (splitmix64 by S. Vigna: one to one). Never 0. */
uint64_t traceparent_span(uint64_t id, uint64_t salt);
/* What we send on for `value`: its trace, the parent `span_id` (not 0), and those flags that version 00 knows
 * (sampled, random trace id). A later version is read as far as 00 goes, and becomes 00. False: the value is
 * not valid; then neither it nor tracestate may travel on (sections 3.2.2.5 and 3.3.1). */
bool traceparent_next(struct span value, uint64_t span_id, char out[TRACEPARENT_BYTES]);

#endif
