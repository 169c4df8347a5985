/*
 * shadow.h - the role `shadow`: folds masked requests and sends them to candidates and baseline.
 */
#ifndef REPLAY_SHADOW_H
#define REPLAY_SHADOW_H

#include "capture/role.h"

role_run shadow_run;

#endif
