/*
 * carry.h - RUN/carry: what a run that goes on, and the next of that name, must not forget: how far each ramp
 * has come, which stop has acted, and what was spent today.
 *
 *   candidate ROUTE NAME stage falls stopped spent_day spent_tokens      a line each, names as in the plan
 *
 * The judge writes it beside each summary; the parent reads it before roles start. What is not as it should
 * be is skipped: a ramp begins anew.
 */
#ifndef CAPTURE_CARRY_H
#define CAPTURE_CARRY_H

#include "capture/page.h"
#include "proto/base/buf.h"

enum { CARRY_MAX_BYTES = 256 * 1024, CARRY_STOPS = 3 /* enum share_stop of replay/share.h */ };

void carry_write(const struct plan *, const struct page *, struct buf *out);
/* Onto a page whose roles have not started. A run that is another starts its ramps anew: then only what was
 * spent is taken. */
void carry_read(const struct plan *, struct page *, struct span text, bool same_run);

#endif
