/*
 * boxes.h - two lists of detected boxes matched. Pure: no I/O.
 *
 * Greedy as in PASCAL VOC (Everingham et al. 2010): live's boxes by falling score, each with the candidate's
 * box of its class that overlaps it most, by at least BOXES_IOU, and is still free. The order of boxes means
 * nothing.
 */
#ifndef REPLAY_BOXES_H
#define REPLAY_BOXES_H

#include <stddef.h>
#include "proto/base/err.h"

#define BOXES_IOU 0.5
enum { BOXES_MAX = 1024, BOXES_WIDTH = 6 };

/* Each box is BOXES_WIDTH numbers: x1, y1, x2, y2 (any corner first), score, class. */
struct boxes_match {
	size_t matched, live_alone, candidate_alone;
	double mean_iou; /* of the matched; 0 without */
	double f1;       /* 2 matched / all; 1 of two empty lists */
};

/* Intersection over union of two boxes, 0 of empty ones (Jaccard 1912). */
double boxes_iou(const double *a, const double *b);
/* 0, ERR_LIMIT (BOXES_MAX on a side). */
int boxes_match(const double *live, size_t live_count, const double *candidate, size_t candidate_count,
                struct boxes_match *out) MUST_CHECK;

#endif
