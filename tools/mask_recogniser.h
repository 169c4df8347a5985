/*
 * mask_recogniser.h - a policy's recogniser for a command: started here, as whoever runs it, in no sandbox.
 */
#ifndef TOOLS_MASK_RECOGNISER_H
#define TOOLS_MASK_RECOGNISER_H

#include "capture/plan.h"
#include "capture/recogniser.h"

/* It is started when it is first asked, and again when it was late or has died, unless it never answered a
 * first question. One at a time: the former is ended. 0 or ERR_NOMEM. */
int mask_recogniser_new(const struct plan_recogniser *, struct recogniser **recogniser_out) MUST_CHECK;
void mask_recogniser_free(struct recogniser **);

#endif
