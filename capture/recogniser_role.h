/*
 * recogniser_role.h - a recogniser as the roles masker and answers have it: two pipes, an eventfd by which
 * its keeper is told to start it anew, and gauges that say whether it serves.
 */
#ifndef CAPTURE_RECOGNISER_ROLE_H
#define CAPTURE_RECOGNISER_ROLE_H

#include "capture/recogniser.h"
#include "capture/role.h"

/* That of a policy, by its place in the plan; NULL: it has none. "recognise.ROLE.to.M", ".from.M", ".kick.M"
 * and
 * ".look.M" are held. 0 or ERR_*. */
int recogniser_of_role(const struct role_env *, unsigned mask, struct recogniser **recogniser_out) MUST_CHECK;

#endif
