/*
 * results_segment.c - which segment of a candidate's figures a pair belongs to.
 *
 * For each model that is asked for, a segment knows who answered: live, candidate, baseline. A side that
 * tells nothing is as it was. Another version of any of them begins a new segment; one that was there before,
 * as in a rolling update or after a roll-back, goes on in its own:
 *
 *     live   1 1 1 1 2 1 2 2 2 2 ...          pairs of version 1 and of version 2 are never in one figure,
 *     segment 1 1 1 1 2 1 2 2 2 2             whatever the order in which they come
 *
 * The current segment decides: the newest, or an older one to which STREAK pairs in a row belonged. What has
 * no version (exchanges that failed, or wait) counts for the segment that was current when the summary was
 * written.
 */
#include <stdio.h>

#include "replay/results_inside.h"

enum { STREAK = 32 };

unsigned results_segments(const struct results *r, unsigned number)
{
	unsigned n = 1;

	while (n < SEGMENTS_MAX && tally_segment(r, number, n)->begun)
		n++;
	return n;
}

static struct versions *combination_of(struct tally *t, const struct version *asked)
{
	for (uint32_t i = 0; i < t->combination_count; i++)
		if (!strcmp(t->combinations[i].asked.text, asked->text))
			return &t->combinations[i];
	return NULL;
}

/* The side whose version is another one, or -1. */
static int other_side(const struct versions *known, const struct versions *told)
{
	for (int i = 0; i < VERSION_SIDES; i++)
		if (known->sides[i].text[0] && told->sides[i].text[0] &&
		    strcmp(known->sides[i].text, told->sides[i].text) != 0)
			return i;
	return -1;
}

static bool learn(struct versions *known, const struct versions *told)
{
	bool more = false;

	for (int i = 0; i < VERSION_SIDES; i++) {
		if (known->sides[i].text[0] || !told->sides[i].text[0])
			continue;
		known->sides[i] = told->sides[i];
		more = true;
	}
	return more;
}

static void add(struct tally *t, const struct versions *told)
{
	if (t->combination_count < COMBINATIONS_MAX)
		t->combinations[t->combination_count++] = *told;
}

static void note_change(struct results *r, const struct tally *t, const struct versions *before,
                        const struct versions *told)
{
	static const char *const sides[] = {"live", "candidate", "baseline"};
	int side = other_side(before, told);

	snprintf(r->changed, sizeof r->changed, "%s on %s: %s %s -> %s", tally_candidate(r, t)->name,
	         tally_route(r, t)->name, sides[side], before->sides[side].text, told->sides[side].text);
}

/* Its figures decide from now on: what the tables say of another one's goes. Their next rows come with the
 * next summary. */
static void make_current(struct results *r, struct tally *first, uint32_t segment)
{
	static const char *const tables[] = {"gate", "slice", "timeline"};

	first->current = segment;
	first->streak = 0;
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		char *sql = sqlite3_mprintf("DELETE FROM %s WHERE route = %Q AND candidate = %Q", tables[i],
		                            tally_route(r, first)->name, tally_candidate(r, first)->name);

		if (sql)
			(void)results_execute(r, sql);
		sqlite3_free(sql);
	}
}

static struct tally *begin(struct results *r, unsigned number, unsigned segment, const struct versions *told)
{
	struct tally *first = &r->tallies[number], *t;

	first->batch = r->batch;
	if (segment == SEGMENTS_MAX) {
		first->left_out++;
		return NULL;
	}
	t = tally_segment(r, number, segment);
	t->route = first->route;
	t->candidate = first->candidate;
	t->segment = segment;
	t->begun = true;
	add(t, told);
	make_current(r, first, segment);
	(void)results_store_asked(r, t); /* a disk that refuses it refuses the batch */
	return t;
}

/* Many pairs in a row belong to a segment that is not the current one: it was rolled back to. */
static void follow(struct results *r, struct tally *first, const struct tally *t)
{
	if (t->segment == first->current) {
		if (first->streak)
			first->batch = r->batch;
		first->streak = 0;
		return;
	}
	first->streak = first->streak_of == t->segment ? first->streak + 1 : 1;
	first->streak_of = t->segment;
	first->batch = r->batch;
	if (first->streak == STREAK)
		make_current(r, first, t->segment);
}

struct tally *results_segment(struct results *r, uint16_t route, uint16_t candidate,
                              const struct versions *told)
{
	unsigned number = tally_number(r, route, candidate), newest = results_segments(r, number) - 1;
	struct tally *first = &r->tallies[number], *t = tally_segment(r, number, newest);
	const struct versions *before = NULL;
	struct versions *known = NULL;
	bool found = false;

	for (unsigned s = newest + 1; s-- > 0 && !found;) {
		struct tally *at = tally_segment(r, number, s);

		known = combination_of(at, &told->asked);
		found = known && other_side(known, told) < 0;
		if (found && before) /* another version took its place in a later segment */
			t = at;
		if (found && learn(known, told))
			at->batch = r->batch;
		if (!found && known && !before)
			before = known;
	}
	if (before && !found) {
		note_change(r, t, before, told);
		return begin(r, number, newest + 1, told);
	}
	if (!combination_of(t, &told->asked))
		add(t, told);
	follow(r, first, t);
	return t;
}

const char *results_changed(struct results *r)
{
	static char text[sizeof r->changed];

	if (!r->changed[0])
		return NULL;
	memcpy(text, r->changed, sizeof text);
	r->changed[0] = '\0';
	return text;
}

void results_settled(const struct results *r, const struct tally *t, const struct ledger_counts *all,
                     uint64_t out[OUTCOMES])
{
	unsigned number = tally_number(r, t->route, t->candidate), n = results_segments(r, number);

	memcpy(out, t->settled, sizeof t->settled);
	if (t->segment != r->tallies[number].current)
		return;
	memcpy(out, all->candidate[t->route][t->candidate], sizeof t->settled);
	for (unsigned s = 0; s < n; s++) {
		const struct tally *other = tally_segment(r, number, s);

		for (int o = 0; other != t && o < OUTCOMES; o++)
			out[o] -= other->settled[o] < out[o] ? other->settled[o] : out[o];
	}
}

uint64_t results_seen(const struct results *r, const struct tally *t, const struct ledger_counts *all)
{
	uint64_t counts[OUTCOMES], seen = 0;

	if (results_segments(r, tally_number(r, t->route, t->candidate)) == 1)
		return all->route_seen[t->route];
	results_settled(r, t, all, counts);
	for (int o = 0; o < OUTCOMES; o++)
		seen += counts[o];
	if (t == tally_at(r, t->route, t->candidate))
		seen += all->candidate_open[t->route][t->candidate];
	return seen;
}
