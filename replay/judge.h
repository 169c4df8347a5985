/*
 * judge.h - the role `judge`: the only decoder, comparer, counter and writer of results.
 */
#ifndef REPLAY_JUDGE_H
#define REPLAY_JUDGE_H

#include "capture/role.h"

/* How the reason of a run begins that is partial because its capture is torn or damaged. */
#define REPLAY_ENDS_EARLY "the capture ends early"

role_run judge_run;

#endif
