/*
 * pause_mark.h - a pause that outlives the proxy and the machine: the file RUN.DIRECTORY/RUN.NAME.paused.
 *
 * It is there while an operator's pause, or that of the harm switch, stands; a proxy that starts and finds it
 * begins paused. Without a directory for runs there is none. Best effort: when it cannot be written, that is
 * said once, and the pause holds all the same.
 */
#ifndef PROXY_PAUSE_MARK_H
#define PROXY_PAUSE_MARK_H

#include <stdbool.h>
#include "capture/plan.h"

struct pause_mark {
	bool known, there, complained;
};

/* Is it there? */
bool pause_mark_found(struct pause_mark *, const struct plan *);
/* Make it so; nothing is done while it is. */
void pause_mark_set(struct pause_mark *, const struct plan *, bool paused);

#endif
