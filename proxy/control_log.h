/*
 * control_log.h - the lines of all roles, from their log rings to one descriptor, without ever waiting.
 *
 * A role may be hostile: only a whole line that log.h could have written passes, anything else is dropped
 * and counted. When the descriptor takes no more, lines stay where they are: here up to a bound, then in
 * the rings, and full rings shed.
 */
#ifndef PROXY_CONTROL_LOG_H
#define PROXY_CONTROL_LOG_H

#include "capture/role.h"
#include "proto/base/log.h"

enum { LOG_RINGS_MAX = 40, LOG_HELD_BYTES = 64 * 1024 };

struct control_log {
	struct page *page;
	int fd; /* where lines go, such as stderr */
	struct ring *rings[LOG_RINGS_MAX];
	unsigned ring_count;
	size_t held_len;
	char held[LOG_HELD_BYTES];
	char line[RECORD_PAYLOAD_MAX];
};

/* Attach every ring "ring.log.*" of the role but its own. */
void control_log_init(struct control_log *, const struct role_env *, int fd);
/* Move lines on until the rings are empty or the descriptor is full. */
void control_log_drain(struct control_log *);
/* Text of control's own, whole lines; a log_sink. Dropped and counted when there is no room. */
void control_log_put(void *control_log, struct span text);

#endif
