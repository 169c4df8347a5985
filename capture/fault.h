/*
 * fault.h - a fault of a drill as people write it, in a configuration and on a command line alike. Pure.
 *
 *   KIND [AMOUNT] [SHARE%] [from TIME] [for TIME]       delay 200ms 20% from 10s for 1m
 *
 * Times count from the beginning of the run, or of the drill that an operator asks for. Left out: of all
 * copies, at once, until it is stopped.
 */
#ifndef CAPTURE_FAULT_H
#define CAPTURE_FAULT_H

#include "capture/plan.h"
#include "proto/base/buf.h"

enum { FAULT_TEXT_BYTES = 96 };

/* "delay", "hang" and so on. */
const char *fault_name(uint32_t kind);
/* 0 with a fault, or ERR_CONFIG and what is wrong with it (a sentence without its end). */
int fault_read(struct span text, struct plan_fault *out, const char **why) MUST_CHECK;
/* The same fault again, as short as it can be written. */
void fault_write(const struct plan_fault *, char out[FAULT_TEXT_BYTES]);
/* Does it last at that time after its beginning? */
bool fault_lasts(const struct plan_fault *, uint64_t after_ns);
/* Is it to happen to that exchange? The same seed, exchange and `number` (of the fault) give the same. */
bool fault_draws(const struct plan_fault *, uint64_t seed, uint64_t id, uint32_t number);

#endif
