/*
 * gate.h - gates as people write them on a command line.
 */
#ifndef TOOLS_GATE_H
#define TOOLS_GATE_H

#include "capture/plan.h"

/* "divergence_rate<=2%": a metric, its direction, a limit with or without a per cent sign. 0, or ERR_CONFIG,
 * said on stderr. */
int gate_read(const char *text, struct plan_gate *out) MUST_CHECK;
/* Print the gate table of the run `name` (run_find()); the exit status of `understudy gate`. */
int gate_print(const char *name);

#endif
