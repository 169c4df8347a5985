/*
 * predictions.h - TensorFlow Serving's and KServe v1's answers to :predict as the tensors of oip.h. Pure: no
 * I/O.
 *
 * Sources: TensorFlow Serving, RESTful API (row form "predictions": one output's rows, or an object of named
 * outputs a row; column form "outputs": one output, or an object of them); KServe, V1 protocol
 * ("predictions"). Shapes are told by the nesting, types by the elements: numbers, bare NaN and Infinity are
 * FP64; a tensor that holds anything else, or a whole number that a double does not hold, is compared
 * exactly. {"b64": "..."} is its text. An output without a name has an empty one.
 */
#ifndef REPLAY_PREDICTIONS_H
#define REPLAY_PREDICTIONS_H

#include "replay/oip.h"

/* 0; ERR_PROTO (also of what is no tensor: ragged, or objects within), ERR_LIMIT (tensors, rank, elements,
 * depth) or ERR_NOMEM (also when it would take more than work_bytes). The body must outlive the answer.
 * oip_fini() in every case. */
int predictions_read(struct span body, size_t work_bytes, struct oip_answer *out) MUST_CHECK;
/* The request asked for a prediction: its path ends in ":predict". */
bool predictions_asked(struct span target);

#endif
