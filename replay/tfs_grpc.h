/*
 * tfs_grpc.h - what TensorFlow Serving answers over gRPC, as the tensors of oip.h. Pure: no I/O.
 *
 * Sources: tensorflow/serving, apis/predict.proto, classification.proto, regression.proto; tensorflow,
 * framework/tensor.proto, types.proto and tensor.cc. A tensor's elements are tensor_content, little-endian
 * (of strings: their lengths, then they), or the typed list of its dtype, whose last value stands for those
 * that are missing; an empty list is zeroes. A complex number is two elements of a last axis. Int64, uint64
 * and bool become the text that JSON has. Of a classification each example's classes are ordered by label:
 * they mean the same in any order.
 */
#ifndef REPLAY_TFS_GRPC_H
#define REPLAY_TFS_GRPC_H

#include "replay/oip.h"

enum tfs_call { TFS_PREDICT, TFS_CLASSIFY, TFS_REGRESS };

/* `message`: one gRPC message, not compressed; it must outlive the answer. 0; ERR_PROTO (also of a dtype
 * without values, and of examples with differing numbers of classes), ERR_LIMIT (tensors, rank, elements),
 * ERR_NOMEM (also when it would take more than work_bytes). oip_fini() in every case. */
int tfs_grpc_read(struct span message, enum tfs_call, size_t work_bytes, struct oip_answer *out) MUST_CHECK;

#endif
