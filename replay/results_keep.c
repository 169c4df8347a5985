/*
 * results_keep.c - which pairs stay when the run grows past its bound.
 *
 *   n = stratum (16 bits) | band of its priority (7) | sequence (40)
 *
 * Pairs of one candidate, class and slice are a stratum; those of the lowest priorities go first, whole bands
 * at a time, each some 16 % of what its stratum holds. Under n a band lies in one piece and grows at its end:
 * storing touches few pages, dropping frees whole ones, and neither needs an index. Pairs of a band that no
 * stratum of their candidate has dropped are a fair sample of all its pairs (`sampled` of the view pair).
 */
#include <stdlib.h>
#include <string.h>

#include "replay/results_inside.h"

enum {
	CHECK_SHARE = 32,
	AGREED_SHARE = 16,
	DROPS_A_TURN = 16 * 1024,
	BAND_BITS = 7,
	SEQUENCE_BITS = 40,
	BANDS = 1 << BAND_BITS
};
static const unsigned NO_STRATUM = UINT32_MAX;
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
	for (uint32_t i = 0; o->slice_count && i < t->slice_count; i++)
		if (!strcmp(t->slices[i].name, o->slices[0]))
			slice = i;
	return (tally_number(r, p->route, p->candidate) * CLASSES + class) * SLICES_COUNTED + slice;
}

static bool diverged(unsigned stratum)
{
	return stratum / SLICES_COUNTED % CLASSES != 0;
}

/* splitmix64's finaliser: every bit of the id reaches every bit of the priority, the low 63 bits. */
static uint64_t priority(const struct results *r, uint64_t id)
{
	uint64_t x = id + r->plan->seed + 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (x ^ x >> 31) >> 1;
}

/* Quarters of an octave between the priority and the highest there is: a band has 2^-1/4 of the one below. */
static unsigned band(uint64_t priority)
{
	static const uint64_t quarters[] = {0xd744fccad69d6af4u, 0xb504f333f9de6484u, 0x9837f0518db8a96fu};
	uint64_t above = (INT64_MAX - priority) << 1 | 1;
	unsigned octave = (unsigned)__builtin_clzll(above), at = 4 * octave;

	above <<= octave;
	for (unsigned i = 0; i < 3; i++)
		at += above < quarters[i];
	return at < BANDS ? at : BANDS - 1;
}

static int64_t first_of(unsigned stratum, unsigned band)
{
	return (int64_t)(((uint64_t)stratum << BAND_BITS | band) << SEQUENCE_BITS);
}

int64_t results_place(struct results *r, unsigned stratum, uint64_t id)
{
	unsigned in = band(priority(r, id));

	return in < r->strata[stratum].least ? 0 : first_of(stratum, in) + (int64_t)r->sequence++;
}

int results_load_strata(struct results *r)
{
	sqlite3_stmt *s;
	int step;

	r->stratum_count = r->tally_count * strata_each();
	r->condemned = NO_STRATUM;
	r->strata = calloc(r->stratum_count ? r->stratum_count : 1, sizeof *r->strata);
	r->strata_before = calloc(r->stratum_count ? r->stratum_count : 1, sizeof *r->strata);
	if (!r->strata || !r->strata_before)
		return ERR_NOMEM;
	if (sqlite3_prepare_v2(r->db,
	                       "SELECT stratum, SUM(bytes), SUM(count), SUM(band) FROM (SELECT n >> 47 AS"
	                       " stratum, bytes, 1 AS count, 0 AS band FROM stored_pair UNION ALL"
	                       " SELECT stratum, 0, 0, band FROM least_kept) GROUP BY stratum",
	                       -1, &s, NULL) != SQLITE_OK)
		return ERR_SYS;
	while ((step = sqlite3_step(s)) == SQLITE_ROW) {
		uint64_t at = (uint64_t)sqlite3_column_int64(s, 0);

		if (at < r->stratum_count)
			r->strata[at] = (struct stratum){(uint64_t)sqlite3_column_int64(s, 1),
			                                 (uint64_t)sqlite3_column_int64(s, 2),
			                                 (unsigned)sqlite3_column_int(s, 3)};
	}
	sqlite3_finalize(s);
	return step == SQLITE_DONE ? 0 : ERR_SYS;
}

void results_mark_strata(struct results *r)
{
	memcpy(r->strata_before, r->strata, r->stratum_count * sizeof *r->strata);
	r->condemned_before = r->condemned;
}

void results_reset_strata(struct results *r)
{
	memcpy(r->strata, r->strata_before, r->stratum_count * sizeof *r->strata);
	r->condemned = r->condemned_before;
}

void results_kept(struct results *r, unsigned stratum, uint64_t bytes)
{
	r->strata[stratum].bytes += bytes;
	r->strata[stratum].count++;
	r->unchecked_bytes += bytes;
}

/* The pairs from n to before `end`. */
static int drop_range(struct results *r, int64_t n, int64_t end)
{
	int rc = 0;

	for (int i = STATEMENT_DROP_ROWS; !rc && i <= STATEMENT_DROP_PAIRS; i++) {
		sqlite3_bind_int64(r->statements[i], 1, n);
		sqlite3_bind_int64(r->statements[i], 2, end);
		rc = results_run(r->statements[i]);
	}
	return rc;
}

int results_drop(struct results *r, int64_t n)
{
	return drop_range(r, n, n + 1);
}

/* A row of a statement over the pairs from n to before `end`; false: it has none. */
static bool look(sqlite3_stmt *s, int64_t n, int64_t end, int64_t *first, int64_t *second)
{
	bool found;

	sqlite3_bind_int64(s, 1, n);
	sqlite3_bind_int64(s, 2, end);
	found = sqlite3_step(s) == SQLITE_ROW;
	if (found) {
		*first = sqlite3_column_int64(s, 0);
		*second = sqlite3_column_int64(s, 1);
	}
	sqlite3_reset(s);
	return found;
}

/* The n of the pair `skip` pairs behind the first in that range; `end` when there is none. */
static int64_t pair_behind(struct results *r, int64_t n, int64_t end, unsigned skip)
{
	sqlite3_stmt *s = r->statements[STATEMENT_NEXT_PAIR];
	int64_t none;

	sqlite3_bind_int(s, 3, (int)skip);
	return look(s, n, end, &n, &none) ? n : end;
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

static uint64_t most_bytes(const struct results *r)
{
	return r->plan->run_max_bytes ? r->plan->run_max_bytes : MAX_BYTES_DEFAULT;
}

/* The fullest stratum of what agreed, while that takes more than its share, which labels need for a fair
 * sample; then of what diverged, and of what agreed when nothing else is left. -1: nothing is. */
static int fullest(const struct results *r)
{
	int best[2] = {-1, -1};
	uint64_t agreed = 0;

	for (unsigned i = 0; i < r->stratum_count; i++) {
		int *of = &best[diverged(i)];

		if (!r->strata[i].count)
			continue;
		agreed += diverged(i) ? 0 : r->strata[i].bytes;
		if (*of < 0 || r->strata[i].bytes > r->strata[*of].bytes)
			*of = (int)i;
	}
	return best[0] >= 0 && (agreed > most_bytes(r) / AGREED_SHARE || best[1] < 0) ? best[0] : best[1];
}

/* The lowest band of the fullest stratum is to go; arrivals in it are stored no more. ERR_AGAIN: nothing is
 * left. */
static int condemn(struct results *r)
{
	sqlite3_stmt *s = r->statements[STATEMENT_LEAST];
	int at;

	while ((at = fullest(r)) >= 0) {
		int64_t from = first_of((unsigned)at, 0), end = first_of((unsigned)at + 1, 0);
		int64_t n = pair_behind(r, from, end, 0);

		if (n == end) {
			r->strata[at].bytes = r->strata[at].count = 0;
			continue;
		}
		r->condemned = (unsigned)at;
		r->strata[at].least = (unsigned)(n >> SEQUENCE_BITS) % BANDS + 1;
		sqlite3_bind_int64(s, 1, at);
		sqlite3_bind_int64(s, 2, r->strata[at].least);
		sqlite3_bind_int64(s, 3, at / (int)strata_each());
		return results_run(s);
	}
	return ERR_AGAIN;
}

/* Drop at most DROPS_A_TURN pairs of what is condemned; nothing is any more when there were fewer. */
static int drop_condemned(struct results *r)
{
	struct stratum *t = &r->strata[r->condemned];
	int64_t from = first_of(r->condemned, 0), end = first_of(r->condemned, t->least), last, bytes, count;
	int rc;

	last = pair_behind(r, from, end, DROPS_A_TURN);
	if (!look(r->statements[STATEMENT_SUM_PAIRS], from, last, &bytes, &count))
		return ERR_SYS;
	rc = drop_range(r, from, last);
	t->bytes -= (uint64_t)bytes < t->bytes ? (uint64_t)bytes : t->bytes;
	t->count -= (uint64_t)count < t->count ? (uint64_t)count : t->count;
	if (last == end)
		r->condemned = NO_STRATUM;
	return rc;
}

/* A part a turn, so that no commit takes long; all that is needed once the bound itself is near. */
int results_bound(struct results *r, bool now)
{
	uint64_t most = most_bytes(r);
	bool again = true;
	int rc = 0;

	if (!now && r->unchecked_bytes < most / CHECK_SHARE)
		return 0;
	r->unchecked_bytes = 0;
	while (!rc && again) {
		uint64_t used = used_bytes(r);

		if (r->condemned == NO_STRATUM && used <= most - most / 6)
			return 0;
		if (r->condemned == NO_STRATUM)
			rc = condemn(r);
		if (!rc)
			rc = drop_condemned(r);
		again = r->condemned == NO_STRATUM || used > most - most / 12;
	}
	return rc == ERR_AGAIN ? 0 : rc;
}
