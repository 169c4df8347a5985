/*
 * player.h - the role `player`: a capture replayed through the same shadow, answers and judge.
 */
#ifndef REPLAY_PLAYER_H
#define REPLAY_PLAYER_H

#include "capture/role.h"

role_run player_run;

#endif
