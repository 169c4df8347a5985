#include "replay/truth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "replay/evidence.h"
#include "replay/gate.h"

static const double MCNEMAR_T_OPT = 100, BRIER_REACH = 2;

static struct truth_group *group_named(struct truth *t, const char *name)
{
	for (unsigned i = 0; i < t->group_count; i++)
		if (!strcmp(t->groups[i].name, name))
			return &t->groups[i];
	if (t->group_count == TRUTH_GROUPS || strlen(name) >= TRUTH_GROUP_BYTES)
		return NULL;
	snprintf(t->groups[t->group_count].name, TRUTH_GROUP_BYTES, "%s", name);
	return &t->groups[t->group_count++];
}

static void add_to_group(struct truth *t, const struct truth_row *row)
{
	size_t n = strlen(t->fairness.slice);
	bool is = row->label == t->fairness.label;
	struct truth_group *g;

	if (!t->fairness.on || !row->slice || strncmp(row->slice, t->fairness.slice, n) != 0 ||
	    row->slice[n] != '=')
		return;
	g = group_named(t, row->slice);
	if (!g) {
		t->left_out++;
		return;
	}
	g->rows[is]++;
	for (int side = 0; side < TRUTH_SIDES; side++)
		g->given[is][side] += row->given[side] == t->fairness.label;
}

static void calibrate(struct truth *t, const struct truth_row *row)
{
	double live, other;

	if (!row->classes || !row->scores)
		return;
	live = calibration_add(&t->calibrated[TRUTH_LIVE], row->scores, row->classes, row->label);
	other = calibration_add(&t->calibrated[TRUTH_CANDIDATE], row->scores + row->classes, row->classes,
	                        row->label);
	t->now.scored++;
	t->now.brier += other - live;
}

static void add_joined(struct truth *t, const struct truth_row *row)
{
	bool live = row->given[TRUTH_LIVE] == row->label, other = row->given[TRUTH_CANDIDATE] == row->label;

	t->joined++;
	t->right[TRUTH_LIVE] += live;
	t->right[TRUTH_CANDIDATE] += other;
	t->live_only += live && !other;
	t->candidate_only += other && !live;
	t->now.joined++;
	t->now.net += other - live;
	add_to_group(t, row);
	calibrate(t, row);
}

void truth_end(struct truth *t)
{
	double change;

	if (!t->now.open)
		return;
	t->pairs++;
	t->diverged += t->now.diverged;
	t->joined_pairs += t->now.joined > 0;
	t->joined_diverged += t->now.joined > 0 && t->now.diverged;
	t->lost += t->now.net < 0;
	t->won += t->now.net > 0;
	if (t->now.joined > t->largest)
		t->largest = t->now.joined;
	if (t->now.scored) {
		change = t->now.brier / (double)t->now.scored;
		stat_mean_add(&t->brier, fmin(1, fmax(0, (change + BRIER_REACH) / (2 * BRIER_REACH))),
		              GATE_ALPHA);
	}
	memset(&t->now, 0, sizeof t->now);
}

void truth_add(struct truth *t, const struct truth_row *row)
{
	if (!row->sampled) {
		t->set_aside++;
		return;
	}
	if (!t->now.open || t->now.pair != row->pair)
		truth_end(t);
	t->now.open = true;
	t->now.pair = row->pair;
	t->now.diverged = row->diverged;
	t->rows++;
	t->late += row->state == TRUTH_LATE;
	t->conflicting += row->state == TRUTH_CONFLICTING;
	if (row->state == TRUTH_JOINED)
		add_joined(t, row);
}

struct interval truth_change(const struct truth *t, double alpha, double t_opt)
{
	double together = t->largest ? (double)t->largest : 1;

	return evidence_mcnemar_change((double)t->live_only / together, (double)t->candidate_only / together,
	                               (double)t->joined / together, alpha, t_opt);
}

double truth_mcnemar(const struct truth *t)
{
	return evidence_mcnemar(t->lost, t->won, MCNEMAR_T_OPT);
}

double truth_unlike_rest(const struct truth *t, double t_opt)
{
	uint64_t rest = t->pairs - t->joined_pairs, diverged = t->diverged - t->joined_diverged;

	return fmax(evidence_more_often(t->joined_diverged, t->joined_pairs, diverged, rest, t_opt),
	            evidence_more_often(diverged, rest, t->joined_diverged, t->joined_pairs, t_opt));
}

struct interval truth_brier_change(const struct truth *t, double alpha)
{
	struct interval ci = t->brier.n ? stat_mean_ci(&t->brier, alpha) : (struct interval){0, 1};

	return (struct interval){(2 * ci.low - 1) * BRIER_REACH, (2 * ci.high - 1) * BRIER_REACH};
}

static bool large(const struct truth *t, const struct truth_group *g)
{
	uint64_t least = t->fairness.min_rows ? t->fairness.min_rows : 1;

	return g->rows[0] >= least && g->rows[1] >= least;
}

unsigned truth_odds(const struct truth *t, enum truth_side side, double alpha, struct truth_odds *out)
{
	struct spread rates[2] = {SPREAD_NONE, SPREAD_NONE};
	double together = t->largest ? (double)t->largest : 1;
	struct interval one, two;
	unsigned groups = 0;

	for (unsigned i = 0; i < t->group_count; i++)
		groups += large(t, &t->groups[i]);
	for (unsigned i = 0; i < t->group_count; i++)
		for (int is = 0; is < 2 && large(t, &t->groups[i]); is++)
			spread_add(&rates[is], (double)t->groups[i].given[is][side],
			           (double)t->groups[i].rows[is], together, alpha / (2 * groups), GATE_T_OPT);
	one = spread_interval(&rates[0]);
	two = spread_interval(&rates[1]);
	out->value = fmax(spread_value(&rates[0]), spread_value(&rates[1]));
	out->ci = (struct interval){fmax(one.low, two.low), fmax(one.high, two.high)};
	return groups;
}
