/*
 * incident.h - RUN/incidents/NAME: what was known when a safeguard acted, frozen.
 *
 *   records.cap       the masked records of the last INCIDENT_SPAN, as many as there was room for
 *   summary.json      counters, gates and safeguards at that moment
 *   manifest.json     what the run is
 *   config.yaml       the configuration that was in force, when there was a file and it is still the same
 *   postmortem.md     what happened, filled in as far as it is known, to be completed by people
 *
 *   | half: the older records | half: the newer, written to |     full or half a span old: they change places
 *
 * Memory is fixed: at least one half is always whole. A run keeps INCIDENTS_MAX of them, more are logged
 * only. No byte that is not masked ever comes here: the judge sees no other.
 */
#ifndef REPLAY_INCIDENT_H
#define REPLAY_INCIDENT_H

#include "capture/role.h"
#include "proto/base/buf.h"

enum { INCIDENTS_MAX = 16, INCIDENT_SPAN_S = 60, INCIDENT_NAME_BYTES = 96 };

struct incident_half {
	char *bytes;
	size_t used;
	uint64_t since_ns; /* when its first record came; 0: it is empty */
};

struct incidents {
	const struct role_env *env;
	size_t half_bytes;
	struct incident_half halves[2]; /* the first is written to */
	uint64_t left_out;              /* records that found no room in a half of their own */
	unsigned count;
	char names[INCIDENTS_MAX][INCIDENT_NAME_BYTES];
};

/* `bytes` for both halves together; none, when memory is short, keeps no records. Incidents that the run has
 * already are counted. */
void incidents_init(struct incidents *, const struct role_env *, size_t bytes);
void incidents_note(struct incidents *, const struct record *, const char *payload, uint64_t now_ns);
/* Write one down: `what` is a word for its name, `sentence` what happened. 0 with its name, ERR_LIMIT (the
 * run has enough), ERR_SYS (part of it may be there). */
int incidents_freeze(struct incidents *, const char *what, const char *sentence, uint64_t now_ns,
                     char name_out[INCIDENT_NAME_BYTES]) MUST_CHECK;
/* The member "incidents" of summary.json: their names. */
void incidents_summary(const struct incidents *, struct buf *out);
void incidents_fini(struct incidents *);

#endif
