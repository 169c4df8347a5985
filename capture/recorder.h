/*
 * recorder.h - the role `recorder`: masked records to capture files.
 */
#ifndef CAPTURE_RECORDER_H
#define CAPTURE_RECORDER_H

#include "capture/role.h"

role_run recorder_run;

#endif
