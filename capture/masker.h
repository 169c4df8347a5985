/*
 * masker.h - the roles `masker` and `answers` (the answer masker).
 */
#ifndef CAPTURE_MASKER_H
#define CAPTURE_MASKER_H

#include "capture/role.h"

role_run masker_run, answers_run;

#endif
