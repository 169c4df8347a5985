/*
 * control.h - the role `control`: an HTTP endpoint on the control socket and on control.address.
 *
 *   GET  /livez /readyz /metrics /stats.json /status /config     everywhere
 *   POST /pause /resume /drain /sample?ppm=N[&candidate=NAME] /log?level=NAME     unix socket, or with the
 * token POST /reload /run/stop /run/start[?name=NAME]     a number; what became of it: GET /reload?number=N
 *
 * It also writes out what the other roles log. Each change leaves a line "audit" with the peer's uid, or with
 * "token".
 */
#ifndef PROXY_CONTROL_H
#define PROXY_CONTROL_H

#include "capture/role.h"

role_run control_run;

#endif
