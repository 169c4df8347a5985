#include <math.h>
#include <stdio.h>

#include "replay/results_inside.h"

uint64_t results_group_sum(const uint64_t counts[OUTCOMES], enum outcome_group group)
{
	uint64_t sum = 0;

	for (int i = 0; i < OUTCOMES; i++)
		if (outcome_group((uint8_t)(OUTCOME_COMPARED + i)) == group)
			sum += counts[i];
	return sum;
}

const struct sketch *results_reference_latency(const struct results *r, const struct tally *t)
{
	const struct tally *baseline = results_baseline(r, t->route);

	return baseline && baseline->pairs ? &baseline->other : &t->live;
}

static uint64_t failures(const uint64_t counts[OUTCOMES])
{
	uint64_t sum = 0;

	for (int o = OUTCOME_CANDIDATE_CONNECT; o <= OUTCOME_CANDIDATE_TOO_LARGE; o++)
		sum += counts[o - OUTCOME_COMPARED];
	return sum;
}

const char *results_drilled(const struct results *r, const struct tally *t)
{
	const struct tally *baseline = results_baseline(r, t->route);

	return t->drill[0] || !baseline ? t->drill : baseline->drill;
}

void results_drill(struct results *r, uint16_t route, uint16_t candidate, struct span text,
                   const uint64_t drilled[FAULT_KINDS])
{
	struct tally *t = tally_at(r, route, candidate);

	snprintf(t->drill, sizeof t->drill, "%.*s", (int)text.len, text.data);
	memcpy(t->drilled, drilled, sizeof t->drilled);
}

static struct gate_input input_of(const struct results *r, const struct tally *t,
                                  const struct ledger_counts *all)
{
	const uint64_t *counts = all->candidate[t->route][t->candidate];
	uint64_t aside =
	        results_group_sum(counts, GROUP_SAMPLED_OUT) + results_group_sum(counts, GROUP_EXCLUDED);
	uint64_t seen = all->route_seen[t->route];

	return (struct gate_input){
	        .pairs = t->pairs,
	        .diverged = t->diverged,
	        .rows = t->rows,
	        .rows_diverged = t->rows_diverged,
	        .rows_largest = t->rows_largest,
	        .compared = counts[0],
	        .failed = failures(counts),
	        .expected = seen > aside ? seen - aside : 0,
	        .candidate = &t->other,
	        .reference = results_reference_latency(r, t),
	};
}

double results_figure(const struct results *r, const struct ledger_counts *all, uint16_t route,
                      uint16_t candidate, const char *metric)
{
	struct gate_input in = input_of(r, tally_at(r, route, candidate), all);
	int found = gate_metric_by_name(span_of(metric));
	struct plan_gate gate = {.metric = (uint32_t)found};
	struct gate_result result;

	if (found == -1)
		return NAN;
	gate_evaluate(&gate, &in, &result);
	return result.value;
}

void results_judge(const struct results *r, const struct tally *t, const struct ledger_counts *all,
                   struct judgement *j)
{
	struct gate_input in = input_of(r, t, all);

	j->count = gate_list(tally_route(r, t), j->gates);
	for (unsigned i = 0; i < j->count; i++)
		gate_evaluate(&j->gates[i], &in, &j->results[i]);
	j->verdict = gate_verdict(j->gates, j->results, j->count, &j->decided_by);
	if (results_drilled(r, t)[0]) {
		j->verdict = GATE_UNDECIDED;
		j->decided_by = -1;
	}
}

struct results_standing results_standing_of(const struct tally *t, const struct judgement *j)
{
	static const uint32_t states[] = {STANDING_UNDECIDED, STANDING_PASS, STANDING_FAIL};
	struct results_standing at = {.pairs = t->pairs,
	                              .diverged = t->diverged,
	                              .state = states[j->verdict],
	                              .gate = "",
	                              .holds = true,
	                              .decided = j->count > 0};

	if (j->decided_by >= 0) {
		at.gate = gate_metric_row(j->gates[j->decided_by].metric)->name;
		at.needed = j->results[j->decided_by].needed;
	}
	for (unsigned i = 0; i < j->count; i++) {
		at.holds &= gate_keeps(&j->gates[i], &j->results[i]);
		at.failed |= j->results[i].state == GATE_FAIL;
		at.decided &= j->results[i].state != GATE_UNDECIDED;
	}
	return at;
}

void results_standing(const struct results *r, uint16_t route, uint16_t candidate,
                      struct results_standing *out)
{
	*out = r->tallies[r->first_tally[route] + candidate].standing;
	if (!out->gate)
		out->gate = "";
}

void results_pairs(const struct results *r, uint16_t route, uint16_t candidate, uint64_t *pairs,
                   uint64_t *diverged)
{
	const struct tally *t = tally_at(r, route, candidate);

	*pairs = t->pairs;
	*diverged = t->diverged;
}

void results_share(struct results *r, uint16_t route, uint16_t candidate, const struct results_share *s)
{
	r->tallies[r->first_tally[route] + candidate].share = *s;
}
