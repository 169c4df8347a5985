/*
 * siphash.h - SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012): a keyed hash of 64
 * bits.
 */
#ifndef PROTO_BASE_SIPHASH_H
#define PROTO_BASE_SIPHASH_H

#include <stdint.h>
#include "proto/base/span.h"

uint64_t siphash(const uint8_t key[16], struct span text);

#endif
