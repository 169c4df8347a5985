/*
 * dialer.h - the role that connects to candidates, to nobody else, and hands the sockets to the shadow
 * (dial.h). It reads and writes none of them.
 */
#ifndef REPLAY_DIALER_H
#define REPLAY_DIALER_H

#include "capture/role.h"

int dialer_run(struct role_env *);

#endif
