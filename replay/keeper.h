/*
 * keeper.h - the role that starts one sandbox of a proxy (sandbox.h), watches it and starts it again.
 *
 *   started -> ready -> ended -> a pause of 0.1 s, doubled up to 30 s while it does not last -> started ...
 *
 * It serves every generation that has this sandbox, and ends with the last that holds it. What the candidate
 * prints until it is ready is logged; from then on it could hold what it was asked, and is counted. A replay
 * begins once it is ready, and not at all when it ends before that.
 */
#ifndef REPLAY_KEEPER_H
#define REPLAY_KEEPER_H

#include "capture/role.h"

int keeper_run(struct role_env *);
/* The same for a recogniser (capture/recogniser.h): of one generation, until who asks it has left. It is
 * ready once it has answered a first question, and started again when the masker says that it is late or
 * speaks nonsense. */
int keeper_recogniser_run(struct role_env *);

#endif
