/*
 * audit.h - RUN/audit.log: what operators changed, a JSON line each, chained by hash.
 *
 * Control puts a change into its log ring; the judge, who alone writes to the run directory, appends it with
 * one more member, "prev": SHA-256 of the line before (without its line end) in hex, 64 zeros in the first.
 * What was written is never written again: a line that a crash cut short is ended, and is a link as it is.
 * Past AUDIT_MAX_BYTES nothing is added and an error is logged once.
 */
#ifndef REPLAY_AUDIT_H
#define REPLAY_AUDIT_H

#include "capture/role.h"
#include "proto/base/log.h"

enum { AUDIT_MAX_BYTES = 64 << 20, AUDIT_HASH_BYTES = 32 };

struct audit {
	struct ring *ring; /* NULL: there is no control, or its ring is broken */
	int directory, fd; /* fd -1: nothing was changed yet */
	bool full;
	uint64_t bytes;
	uint8_t prev[AUDIT_HASH_BYTES];
	char payload[RECORD_PAYLOAD_MAX];
};

/* Listen to the ring "ring.log.control.0" and go on in the file that "run" may hold already. 0, or ERR_SYS.
 */
int audit_open(struct audit *, const struct role_env *) MUST_CHECK;
/* Append one line that log.h wrote; on the disk when it returns. 0, ERR_LIMIT (the file is full), ERR_SYS. */
int audit_append(struct audit *, struct span line) MUST_CHECK;
/* A change that the judge itself made: logged, and appended. */
void audit_say(struct audit *, const struct log_pair *, unsigned count);
/* Append what came; does not wait. What cannot be written is logged. */
void audit_take(struct audit *);
void audit_close(struct audit *);

#endif
