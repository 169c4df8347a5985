/*
 * results_batch.c - the observations of the last batch, in one row of results.db: what a crash may take back.
 *
 * In memory they are those of the open batch, or of the last one that was committed; each is an entry and,
 * behind it, the observation: its fixed part, then its slices as texts with their NULs.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <string.h>

#include "replay/results_inside.h"

enum { BATCH_MAX_BYTES = 256 << 20, OBSERVATION_BYTES = offsetof(struct observation, slices) };

struct entry {
	uint64_t id;
	uint16_t route, candidate;
	uint32_t bytes; /* of the observation */
};

void results_batch_init(struct results *r)
{
	buf_init(&r->observations, BATCH_MAX_BYTES);
}

/* The first slice is the route's name: it is not stored. */
int results_batch_note(struct results *r, const struct results_pair *p, const struct observation *o)
{
	struct entry entry = {p->id, p->route, p->candidate, OBSERVATION_BYTES};
	char *room;

	for (uint32_t i = 1; i < o->slice_count; i++)
		entry.bytes += (uint32_t)strlen(o->slices[i]) + 1;
	room = buf_room(&r->observations, sizeof entry + entry.bytes);
	if (!room) {
		r->observations.err = 0;
		return ERR_NOMEM;
	}
	memcpy(room, &entry, sizeof entry);
	room += sizeof entry;
	memcpy(room, o, OBSERVATION_BYTES);
	room += OBSERVATION_BYTES;
	for (uint32_t i = 1; i < o->slice_count; i++)
		room = stpcpy(room, o->slices[i]) + 1;
	buf_grown(&r->observations, sizeof entry + entry.bytes);
	return 0;
}

/* False: these bytes are none. */
static bool read_observation(const struct results *r, const struct entry *entry, const char *bytes,
                             struct observation *o)
{
	const char *end = bytes + entry->bytes;

	memset(o, 0, sizeof *o);
	memcpy(o, bytes, OBSERVATION_BYTES);
	if (o->slice_count < 1 || o->slice_count > SLICES_MAX + 1)
		return false;
	results_name_route(r, entry->route, o->slices[0]);
	bytes += OBSERVATION_BYTES;
	for (uint32_t i = 1; i < o->slice_count; i++) {
		const char *nul = memchr(bytes, 0, (size_t)(end - bytes));

		if (!nul || nul - bytes >= SLICE_NAME_BYTES)
			return false;
		memcpy(o->slices[i], bytes, (size_t)(nul - bytes));
		bytes = nul + 1;
	}
	return true;
}

int results_batch_store(struct results *r)
{
	struct span all = buf_span(&r->observations);
	sqlite3_stmt *s = r->statements[STATEMENT_OBSERVATIONS];

	sqlite3_bind_blob(s, 1, all.data, (int)all.len, SQLITE_STATIC);
	return results_run(s);
}

int results_batch_load(struct results *r)
{
	sqlite3_stmt *s;
	int step;

	if (sqlite3_prepare_v2(r->db, "SELECT observations FROM last_batch", -1, &s, NULL) != SQLITE_OK)
		return ERR_SYS;
	buf_reset(&r->observations);
	step = sqlite3_step(s);
	if (step == SQLITE_ROW) {
		buf_put(&r->observations, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
		step = SQLITE_DONE;
	}
	sqlite3_finalize(s);
	return step == SQLITE_DONE ? r->observations.err : ERR_SYS;
}

/* The entry at *at, and *at past its observation; false at the end, or at what is no entry. */
static bool next_entry(const struct results *r, size_t *at, struct entry *entry, const char **observation)
{
	struct span all = buf_span(&r->observations);

	if (all.len - *at < sizeof *entry)
		return false;
	memcpy(entry, all.data + *at, sizeof *entry);
	*observation = all.data + *at + sizeof *entry;
	if (entry->bytes < OBSERVATION_BYTES || all.len - *at - sizeof *entry < entry->bytes ||
	    entry->route >= r->plan->route_count ||
	    entry->candidate >= r->plan->routes[entry->route].candidate_count)
		return false;
	*at += sizeof *entry + entry->bytes;
	return true;
}

bool results_batch_forget(struct results *r, uint64_t id, uint16_t route, uint16_t candidate)
{
	const char *observation;
	struct entry entry;
	size_t at = 0, from = 0;

	for (; next_entry(r, &at, &entry, &observation); from = at) {
		char *first = r->observations.base + r->observations.head;

		if (entry.id != id || entry.route != route || entry.candidate != candidate)
			continue;
		memmove(first + from, first + at, buf_len(&r->observations) - at);
		r->observations.tail -= at - from;
		return true;
	}
	return false;
}

void results_batch_count(struct results *r)
{
	const char *observation;
	struct entry entry;
	size_t at = 0;

	while (next_entry(r, &at, &entry, &observation)) {
		struct observation o;

		if (read_observation(r, &entry, observation, &o))
			results_count(tally_at(r, entry.route, entry.candidate), &o);
	}
}
