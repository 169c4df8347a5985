/*
 * oip.h - the outputs of an Open Inference Protocol v2 REST answer as tensors (over gRPC: oip_grpc.h). Pure:
 * no I/O.
 *
 * Source: kserve/open-inference-protocol, specification/protocol/inference_rest.md. Data is row-major,
 * nested or flat, and holds exactly product(shape) elements. Bare NaN and Infinity are accepted. Members
 * other than "outputs", and of an output other than name, shape, datatype, data and binary_data_size, are
 * skipped.
 */
#ifndef REPLAY_OIP_H
#define REPLAY_OIP_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/err.h"
#include "proto/base/span.h"

enum { OIP_TENSORS_MAX = 64, OIP_RANK_MAX = 16, OIP_ELEMENTS_MAX = 4 << 20 };

struct oip_tensor {
	struct span name, datatype; /* string tokens with quotes, borrowed from the body; or plain */
	struct span data;           /* source text of the data; none over gRPC */
	unsigned rank;
	uint64_t shape[OIP_RANK_MAX];
	size_t count;
	double *values; /* numeric types; NULL for exact ones */
	struct span
	        *texts; /* BOOL, BYTES, INT64, UINT64 and unknown types: element tokens; BYTES may be plain */
	bool raw;       /* private: its data lies behind the JSON, */
	size_t raw_bytes; /* so many bytes */
	char *store;      /* what the spans point to when that is not the body; else NULL */
};

struct oip_answer {
	unsigned count;
	bool plain; /* names, types and BYTES are their bytes, not JSON strings */
	struct oip_tensor tensors[OIP_TENSORS_MAX];
};

/* 0, ERR_PROTO, ERR_LIMIT (tensors, rank, elements of all tensors, depth) or ERR_NOMEM (also when it would
 * take more than work_bytes). The body must outlive the answer. oip_fini() in every case. */
int oip_read(struct span body, size_t work_bytes, struct oip_answer *out) MUST_CHECK;
void oip_fini(struct oip_answer *);
/* With the binary tensor data extension (extension_binary_data.md): the JSON is the first json_bytes of the
 * body, as Inference-Header-Content-Length says, and the data of outputs with a binary_data_size lies behind
 * it in their order. As oip_read(). */
int oip_read_binary(struct span body, size_t json_bytes, size_t work_bytes,
                    struct oip_answer *out) MUST_CHECK;
/* Two names, types or elements of answers of this kind, by what they mean: 1, 0 or ERR_NOMEM. */
int oip_text_eq(const struct oip_answer *, struct span a, struct span b) MUST_CHECK;
/* A JSON object whose "outputs" is an array that is empty or begins with an object. */
bool oip_looks_like(struct span body);

#endif
