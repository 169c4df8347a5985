/*
 * judge.h - the role `judge`: the only decoder, comparer, counter and writer of results.
 */
#ifndef REPLAY_JUDGE_H
#define REPLAY_JUDGE_H

#include "capture/role.h"

role_run judge_run;

#endif
