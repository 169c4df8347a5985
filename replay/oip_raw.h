/*
 * oip_raw.h - elements of Open Inference tensors as raw bytes, and what each datatype is. Pure: no I/O.
 *
 * Little-endian, row-major, without padding; FP16 is IEEE 754 binary16, BF16 the upper half of FP32; each
 * element of BYTES comes behind its length in four bytes. So lie gRPC's raw contents and the binary tensor
 * data of REST.
 */
#ifndef REPLAY_OIP_RAW_H
#define REPLAY_OIP_RAW_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/span.h"

enum { OIP_INTEGER_BYTES = 21 }; /* of an integer's text, at most */
enum oip_kind { OIP_BOOL, OIP_INT, OIP_INT64, OIP_UINT, OIP_UINT64, OIP_FLOAT, OIP_BYTES };

struct oip_type {
	const char *name;
	enum oip_kind kind;
	unsigned width; /* of a raw element; 0: its length comes first */
};

/* NULL: no datatype of that name. */
const struct oip_type *oip_type_of(struct span datatype);
/* A double holds every value of the type. */
static inline bool oip_is_numeric(const struct oip_type *t)
{
	return t->kind == OIP_INT || t->kind == OIP_UINT || t->kind == OIP_FLOAT;
}
/* Do these bytes hold exactly `count` elements? */
bool oip_raw_fits(const struct oip_type *, struct span raw, size_t count);
uint64_t oip_little(const char *, unsigned width);
double oip_raw_number(const struct oip_type *, const char *at);
/* Take the next element of BYTES off the front; false: it is cut. */
bool oip_raw_bytes(struct span *raw, struct span *out);
/* The text that JSON has of a BOOL, INT64 or UINT64; at *store, which moves behind it. */
struct span oip_integer_text(const struct oip_type *, uint64_t bits, char **store);

#endif
