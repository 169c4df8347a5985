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

/* `message`: one gRPC message, not compressed. `stream`: of ModelStreamInfer, whose answers are bare or, as
 * Triton sends them, wrapped with an error_message; *failed_out: there was one, and no outputs. Nothing of
 * the message is borrowed. 0, ERR_PROTO, ERR_LIMIT (tensors, rank, elements), ERR_NOMEM (also when it would
 * take more than work_bytes). oip_fini() in every case. */
int oip_grpc_read(struct span message, bool stream, size_t work_bytes, struct oip_answer *out,
                  bool *failed_out) MUST_CHECK;

#endif
