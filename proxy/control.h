/*
 * control.h - the role `control`: a line protocol on the control socket (status, pause, resume, drain).
 */
#ifndef PROXY_CONTROL_H
#define PROXY_CONTROL_H

#include "capture/role.h"

role_run control_run;

#endif
