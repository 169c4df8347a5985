/*
 * results_batch.c - the observations of the last batch, in one row of results.db: what a crash may take back.
 *
 * In memory they are those of the open batch, or of the last one that was committed; each is an entry and,
 * behind it, the observation: its fixed part, then its slices, paths and features as texts with their NULs,
 * then its outputs.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "replay/results_inside.h"

enum {
	BATCH_MAX_BYTES = 256 << 20,
	OBSERVATION_BYTES = offsetof(struct observation, slices),
	PACK_LEVEL = 1
};

struct entry {
	uint64_t id;
	int64_t n; /* the stored pair, or 0 */
	uint16_t route, candidate;
	uint32_t bytes; /* of the observation */
};

void results_batch_init(struct results *r)
{
	r->sequence = 1;
	buf_init(&r->observations, BATCH_MAX_BYTES);
}

static uint32_t versions_bytes(const struct versions *v)
{
	size_t n = strlen(v->asked.text) + 1;

	for (int i = 0; i < VERSION_SIDES; i++)
		n += strlen(v->sides[i].text) + 1;
	return (uint32_t)n;
}

static void put_versions(char **room, const struct versions *v)
{
	*room = stpcpy(*room, v->asked.text) + 1;
	for (int i = 0; i < VERSION_SIDES; i++)
		*room = stpcpy(*room, v->sides[i].text) + 1;
}

int results_batch_note(struct results *r, const struct results_pair *p, int64_t n,
                       const struct observation *o)
{
	struct entry entry = {p->id, n, p->route, p->candidate, OBSERVATION_BYTES};
	char *room;

	for (uint32_t i = 0; i < o->slice_count; i++)
		entry.bytes += (uint32_t)strlen(o->slices[i]) + 1;
	for (uint32_t i = 0; i < o->path_count; i++)
		entry.bytes += (uint32_t)strlen(o->paths[i]) + 1;
	for (uint32_t i = 0; i < o->feature_count; i++)
		entry.bytes += (uint32_t)strlen(o->features.at[i]) + 1;
	entry.bytes += versions_bytes(&o->versions);
	entry.bytes += o->output_count * (uint32_t)sizeof *o->outputs;
	room = buf_room(&r->observations, sizeof entry + entry.bytes);
	if (!room) {
		r->observations.err = 0;
		return ERR_NOMEM;
	}
	memcpy(room, &entry, sizeof entry);
	room += sizeof entry;
	memcpy(room, o, OBSERVATION_BYTES);
	room += OBSERVATION_BYTES;
	for (uint32_t i = 0; i < o->slice_count; i++)
		room = stpcpy(room, o->slices[i]) + 1;
	for (uint32_t i = 0; i < o->path_count; i++)
		room = stpcpy(room, o->paths[i]) + 1;
	for (uint32_t i = 0; i < o->feature_count; i++)
		room = stpcpy(room, o->features.at[i]) + 1;
	put_versions(&room, &o->versions);
	memcpy(room, o->outputs, o->output_count * sizeof *o->outputs);
	buf_grown(&r->observations, sizeof entry + entry.bytes);
	return 0;
}

/* A text before `end` of at most `size` bytes with its NUL; what follows it, or NULL. */
static const char *read_text(const char *bytes, const char *end, char *out, size_t size)
{
	const char *nul = bytes ? memchr(bytes, 0, (size_t)(end - bytes)) : NULL;

	if (!nul || (size_t)(nul - bytes) >= size)
		return NULL;
	memcpy(out, bytes, (size_t)(nul - bytes) + 1);
	return nul + 1;
}

/* False: these bytes are none. */
static bool read_observation(const struct entry *entry, const char *bytes, struct observation *o)
{
	const char *end = bytes + entry->bytes;

	memcpy(o, bytes, OBSERVATION_BYTES);
	if (o->slice_count > SLICES_MAX || o->path_count > RESULTS_PATHS_MAX ||
	    o->feature_count > AUTO_FEATURES || o->output_count > FEATURES_MAX)
		return false;
	bytes += OBSERVATION_BYTES;
	for (uint32_t i = 0; i < o->slice_count; i++)
		bytes = read_text(bytes, end, o->slices[i], SLICE_NAME_BYTES);
	for (uint32_t i = 0; i < o->path_count; i++)
		bytes = read_text(bytes, end, o->paths[i], RESULTS_PATH_BYTES);
	o->features.count = o->feature_count;
	for (uint32_t i = 0; i < o->feature_count; i++)
		bytes = read_text(bytes, end, o->features.at[i], AUTO_FEATURE_BYTES);
	bytes = read_text(bytes, end, o->versions.asked.text, VERSION_BYTES);
	for (int i = 0; i < VERSION_SIDES; i++)
		bytes = read_text(bytes, end, o->versions.sides[i].text, VERSION_BYTES);
	if (!bytes || (size_t)(end - bytes) != o->output_count * sizeof *o->outputs)
		return false;
	memcpy(o->outputs, bytes, o->output_count * sizeof *o->outputs);
	return true;
}

int results_batch_store(struct results *r)
{
	struct span all = buf_span(&r->observations);
	sqlite3_stmt *s = r->statements[STATEMENT_OBSERVATIONS];
	size_t room = ZSTD_compressBound(all.len), n;
	char *packed = malloc(room);
	int rc = ERR_NOMEM;

	n = packed ? ZSTD_compress(packed, room, all.data, all.len, PACK_LEVEL) : 0;
	if (packed && !ZSTD_isError(n)) {
		sqlite3_bind_int64(s, 1, (sqlite3_int64)r->sequence);
		sqlite3_bind_blob(s, 2, packed, (int)n, SQLITE_STATIC);
		rc = results_run(s);
	}
	free(packed);
	return rc;
}

/* 0, ERR_SYS (it is none of ours), ERR_NOMEM. */
static int unpack(struct buf *to, const void *packed, size_t len)
{
	unsigned long long n = len ? ZSTD_getFrameContentSize(packed, len) : 0;
	char *room;

	if (n > BATCH_MAX_BYTES)
		return ERR_SYS;
	if (n == 0)
		return 0;
	room = buf_room(to, (size_t)n);
	if (!room)
		return ERR_NOMEM;
	if (ZSTD_decompress(room, (size_t)n, packed, len) != n)
		return ERR_SYS;
	buf_grown(to, (size_t)n);
	return 0;
}

int results_batch_load(struct results *r)
{
	sqlite3_stmt *s;
	int step, rc = 0;

	if (sqlite3_prepare_v2(r->db, "SELECT sequence, observations FROM last_batch", -1, &s, NULL) !=
	    SQLITE_OK)
		return ERR_SYS;
	buf_reset(&r->observations);
	step = sqlite3_step(s);
	if (step == SQLITE_ROW) {
		r->sequence = (uint64_t)sqlite3_column_int64(s, 0);
		rc = unpack(&r->observations, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
		step = SQLITE_DONE;
	}
	sqlite3_finalize(s);
	return step == SQLITE_DONE ? rc : ERR_SYS;
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

bool results_batch_forget(struct results *r, uint64_t id, uint16_t route, uint16_t candidate, int64_t *n_out)
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
		*n_out = entry.n;
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
		struct tally *t = NULL;

		if (read_observation(&entry, observation, &o))
			t = results_segment(r, entry.route, entry.candidate, &o.versions);
		if (!t)
			continue;
		results_count(r, t, &o);
		t->batch = r->batch;
	}
}
