/*
 * patterns.h - patterns that a policy brings along, searched by Hyperscan (or Vectorscan): all of them at
 * once, in time that depends on the text's length alone, whatever they are.
 *
 * The engine is optional: without its header a build refuses patterns, and its library is loaded only where
 * there are some, before a role is confined. Syntax: hyperscan.github.io, "Compiling Patterns"; no
 * look-around, no back references. Bytes that are no UTF-8 are read as '?'.
 */
#ifndef CAPTURE_DETECT_PATTERNS_H
#define CAPTURE_DETECT_PATTERNS_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/detect/detect.h"
#include "proto/base/buf.h"

enum { PATTERN_NAME_BYTES = 64, PATTERN_WHY_BYTES = 200 };

struct detect_pattern {
	char name[PATTERN_NAME_BYTES];
	char regex[256];
};

/* The engine is at hand, loaded now if it was not; else *why_out, a constant, says what to install. */
bool patterns_engine(const char **why_out);

struct patterns;
/* At most DETECT_PATTERNS of them; nothing is borrowed. ERR_CONFIG: one cannot be compiled, `why` says so;
 * ERR_UNSUPPORTED: no engine; ERR_NOMEM. */
int patterns_new(const struct detect_pattern *, unsigned count, struct patterns **patterns_out,
                 char why[PATTERN_WHY_BYTES]) MUST_CHECK;
void patterns_free(struct patterns **);
/* Append a struct detect_hit for each match, of class DETECT_PATTERN + its place, in order; matches that
 * overlap become one. Errors stick to the buf. */
void patterns_find(const struct patterns *, struct span text, struct buf *hits);

#endif
