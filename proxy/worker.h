/*
 * worker.h - the role `worker`: the live path.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "capture/role.h"

role_run worker_run;

#endif
