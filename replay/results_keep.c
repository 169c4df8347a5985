#include <stdlib.h>

#include "replay/results_inside.h"

enum { DROPS_AT_ONCE = 64, CHECK_SHARE = 32 };
static const uint64_t MAX_BYTES_DEFAULT = 1u << 30;

/* Per candidate: what agreed and each class, times the values of its first slice. */
static const unsigned CLASSES = 1 + DIVERGENCES;

static unsigned strata_each(void)
{
	return CLASSES * SLICES_COUNTED;
}

unsigned results_stratum(const struct results *r, const struct results_pair *p, const struct observation *o)
{
	const struct tally *t = tally_at(r, p->route, p->candidate);
	unsigned class = 0, slice = 0;

	for (unsigned i = DIVERGENCES; i-- > 0;)
		if (o->classes[i])
			class = i + 1;
	for (uint32_t i = 0; o->slice_count > 1 && i < t->slice_count; i++)
		if (!strcmp(t->slices[i].name, o->slices[1]))
			slice = i;
	return ((unsigned)(t - r->tallies) * CLASSES + class) * SLICES_COUNTED + slice;
}

static bool diverged(unsigned stratum)
{
	return stratum / SLICES_COUNTED % CLASSES != 0;
}

/* splitmix64's finaliser: every bit of the id reaches every bit of the priority. */
int64_t results_priority(const struct results *r, uint64_t id)
{
	uint64_t x = id + r->plan->seed + 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (int64_t)((x ^ x >> 31) >> 1);
}

int results_load_strata(struct results *r)
{
	sqlite3_stmt *s;
	int step;

	r->stratum_count = r->tally_count * strata_each();
	r->strata = calloc(r->stratum_count ? r->stratum_count : 1, sizeof *r->strata);
	if (!r->strata)
		return ERR_NOMEM;
	if (sqlite3_prepare_v2(r->db, "SELECT stratum, SUM(bytes), COUNT(*) FROM pair GROUP BY stratum", -1,
	                       &s, NULL) != SQLITE_OK)
		return ERR_SYS;
	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		uint64_t at = (uint64_t)sqlite3_column_int64(s, 0);

		if (at >= r->stratum_count)
			continue;
		r->strata[at].bytes = (uint64_t)sqlite3_column_int64(s, 1);
		r->strata[at].count = (uint64_t)sqlite3_column_int64(s, 2);
	}
	sqlite3_finalize(s);
	return step == SQLITE_DONE ? 0 : ERR_SYS;
}

void results_kept(struct results *r, unsigned stratum, uint64_t bytes)
{
	r->strata[stratum].bytes += bytes;
	r->strata[stratum].count++;
	r->unchecked_bytes += bytes;
}

int results_drop(struct results *r, sqlite3_int64 pair)
{
	int rc = 0;

	for (int i = STATEMENT_DROP_ROWS; !rc && i <= STATEMENT_DROP_PAIR; i++) {
		sqlite3_bind_int64(r->statements[i], 1, pair);
		rc = results_run(r->statements[i]);
	}
	return rc;
}

static int64_t pragma(struct results *r, const char *sql)
{
	sqlite3_stmt *s;
	int64_t value = 0;

	if (sqlite3_prepare_v2(r->db, sql, -1, &s, NULL) != SQLITE_OK)
		return 0;
	if (sqlite3_step(s) == SQLITE_ROW)
		value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return value;
}

/* Pages in use; those on the free list are written again before the file grows. */
static uint64_t used_bytes(struct results *r)
{
	int64_t pages = pragma(r, "PRAGMA page_count") - pragma(r, "PRAGMA freelist_count");

	return pages > 0 ? (uint64_t)pages * (uint64_t)pragma(r, "PRAGMA page_size") : 0;
}

/* The fullest stratum of what agreed; of what diverged only when nothing else is left. -1: nothing is. */
static int fullest(const struct results *r)
{
	int best = -1;

	for (unsigned i = 0; i < r->stratum_count; i++) {
		if (!r->strata[i].count)
			continue;
		if (best < 0 || diverged((unsigned)best) > diverged(i) ||
		    (diverged((unsigned)best) == diverged(i) && r->strata[i].bytes > r->strata[best].bytes))
			best = (int)i;
	}
	return best;
}

/* Drop up to DROPS_AT_ONCE pairs of lowest priority; the bytes they took. */
static int drop_least(struct results *r, unsigned stratum, uint64_t want, uint64_t *freed)
{
	sqlite3_int64 pair[DROPS_AT_ONCE];
	uint64_t bytes[DROPS_AT_ONCE], sum = 0;
	sqlite3_stmt *s = r->statements[STATEMENT_LEAST];
	unsigned n = 0;
	int rc = 0;

	sqlite3_bind_int64(s, 1, stratum);
	while (n < DROPS_AT_ONCE && sum < want && sqlite3_step(s) == SQLITE_ROW) {
		pair[n] = sqlite3_column_int64(s, 0);
		bytes[n] = (uint64_t)sqlite3_column_int64(s, 1);
		sum += bytes[n++];
	}
	sqlite3_reset(s);
	if (!n)
		r->strata[stratum] = (struct stratum){0};
	for (unsigned i = 0; !rc && i < n; i++) {
		rc = results_drop(r, pair[i]);
		r->strata[stratum].count--;
		r->strata[stratum].bytes -=
		        bytes[i] < r->strata[stratum].bytes ? bytes[i] : r->strata[stratum].bytes;
	}
	*freed += sum;
	return rc;
}

/* What a pair frees is an estimate (pages are shared), so it is measured again until the bound is kept. */
int results_bound(struct results *r, bool now)
{
	uint64_t most = r->plan->run_max_bytes ? r->plan->run_max_bytes : MAX_BYTES_DEFAULT;
	uint64_t target = most - most / 6, used;
	int rc = 0;

	if (!now && r->unchecked_bytes < most / CHECK_SHARE)
		return 0;
	r->unchecked_bytes = 0;
	while (!rc && (used = used_bytes(r)) > target) {
		uint64_t freed = 0;
		int at = fullest(r);

		while (!rc && at >= 0 && freed < used - target) {
			rc = drop_least(r, (unsigned)at, used - target - freed, &freed);
			at = fullest(r);
		}
		if (at < 0)
			break;
	}
	return rc;
}
