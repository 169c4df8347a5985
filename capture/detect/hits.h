/*
 * hits.h - a list of hits (struct detect_hit in a buf) that keeps itself in order and without overlaps.
 */
#ifndef CAPTURE_DETECT_HITS_H
#define CAPTURE_DETECT_HITS_H

#include "capture/detect/detect.h"
#include "proto/base/buf.h"

/* Those from the `from`-th on. */
struct detect_hit *hits_of(const struct buf *, size_t *count_out);
/* Append one. What overlaps it, back to the `floor`-th, becomes one with it: the larger names it when it
 * holds the other, else the surer. Hits must come by rising start or by rising end. Errors stick to the buf.
 */
void hits_add(struct buf *, size_t floor, struct detect_hit);
/* Lists that follow each other, each in order, become one. */
void hits_merge(struct buf *);

#endif
