/*
 * oip_grpc.h - the outputs of an Open Inference Protocol v2 answer over gRPC as the same tensors as over
 * REST.
 *
 * Source: kserve/open-inference-protocol, specification/protocol/open_inference_grpc.proto. Contents are
 * typed (repeated fields) or raw (little-endian, BYTES with a 4-byte length before each element), row-major,
 * exactly product(shape) elements. FP16 and BF16 come raw only. INT64, UINT64 and BOOL become the text that
 * JSON has. The generated code of protobuf-c stays behind this.
 */
#ifndef REPLAY_OIP_GRPC_H
#define REPLAY_OIP_GRPC_H

#include "replay/oip.h"

/* Answers of ModelStreamInfer are bare, as MLServer's and those of ModelInfer, or, as Triton sends them,
 * wrapped with an error_message. One message may not tell: all of a stream have the form of one that does. */
enum oip_grpc_form { OIP_GRPC_BARE, OIP_GRPC_WRAPPED, OIP_GRPC_EITHER };
enum oip_grpc_form oip_grpc_form_of(struct span message);

/* `message`: one gRPC message, not compressed, of that form; one of EITHER that does not tell is an error's.
 * *failed_out: there was an error_message, and no outputs. Nothing of the message is borrowed. 0, ERR_PROTO,
 * ERR_LIMIT (tensors, rank, elements), ERR_NOMEM (also when it would take more than work_bytes). oip_fini()
 * in every case. */
int oip_grpc_read(struct span message, enum oip_grpc_form, size_t work_bytes, struct oip_answer *out,
                  bool *failed_out) MUST_CHECK;

#endif
