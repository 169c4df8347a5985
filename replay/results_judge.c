#include <math.h>
#include <stdio.h>

#include "replay/results_inside.h"
#include "replay/spread.h"

static const double PATH_T_OPT = 20; /* discordant pairs of one path are few */

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

uint64_t results_timeouts(const uint64_t counts[OUTCOMES])
{
	return counts[OUTCOME_CANDIDATE_TIMEOUT - OUTCOME_COMPARED];
}

double results_design_effect(const struct tally *t, double p)
{
	double squares = 0, places = 0, n = (double)t->pairs;

	for (int i = 0; i < SESSIONS_COUNTED; i++) {
		double off = t->sessions[i].diverged - p * t->sessions[i].pairs;

		places += t->sessions[i].pairs > 0;
		squares += off * off;
	}
	return places > 1 && p > 0 && p < 1 ? squares * places / (places - 1) / (n * p * (1 - p))
	                                    : (double)NAN;
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

bool results_controlled(const struct tally *t)
{
	return t->planted_found * 100 >= t->planted * 99;
}

/* Two-sided at 1/2, and none where the baseline differs as often: what is left is below it on average. */
double results_path_log_e(const struct path *p)
{
	if (p->candidate_only <= p->baseline_only)
		return 0;
	return evidence_mcnemar(p->baseline_only, p->candidate_only, PATH_T_OPT);
}

/* --- fairness --- */

static bool in_group(const struct plan_route *route, const struct slice *s)
{
	size_t n = strlen(route->fairness.slice);

	return !strncmp(s->name, route->fairness.slice, n) && s->name[n] == '=' &&
	       s->rows >= route->fairness.min_rows;
}

bool results_parity(const struct results *r, const struct tally *t, struct parity *out)
{
	const struct plan_route *route = tally_route(r, t);
	double largest = t->rows_largest ? (double)t->rows_largest : 1;
	struct spread live = SPREAD_NONE, other = SPREAD_NONE;

	*out = (struct parity){0};
	for (uint32_t i = 0; route->fairness.on && i < t->slice_count; i++)
		out->groups += in_group(route, &t->slices[i]);
	for (uint32_t i = 0; out->groups > 1 && i < t->slice_count; i++) {
		const struct slice *s = &t->slices[i];
		double rows = (double)s->rows, alpha = GATE_ALPHA / (2 * out->groups);

		if (!in_group(route, s))
			continue;
		/* rows of one pair go together, as in gate_row_rate() */
		spread_add(&live, (double)s->live_favoured, rows, largest, alpha, GATE_T_OPT);
		spread_add(&other, (double)s->other_favoured, rows, largest, alpha, GATE_T_OPT);
	}
	out->live = spread_value(&live);
	out->other = spread_value(&other);
	out->live_ci = spread_interval(&live);
	out->other_ci = spread_interval(&other);
	return out->groups > 1;
}

static void parity_change(const struct results *r, const struct tally *t, struct gate_input *in)
{
	struct parity p;

	in->parity_value = NAN;
	in->parity = (struct interval){-1, 1};
	if (!results_parity(r, t, &p))
		return;
	in->parity_value = p.other - p.live;
	in->parity = (struct interval){p.other_ci.low - p.live_ci.high, p.other_ci.high - p.live_ci.low};
}

/* --- load --- */

static struct gate_load load_of(const struct tally *t, const struct sketch *times, uint64_t answered,
                                unsigned endpoints)
{
	double seconds = (double)(t->last_us - t->first_us) / 1e6, rate;

	if (!(seconds > 0) || !times->count || !endpoints)
		return (struct gate_load){0, 0};
	rate = (double)answered / seconds / endpoints;
	return (struct gate_load){rate, rate * (double)times->sum_us / (double)times->count / 1e6};
}

void results_loads(const struct results *r, const struct tally *t, uint64_t seen, struct gate_load *reference,
                   struct gate_load *candidate)
{
	const struct tally *baseline = results_baseline(r, t->route);

	*candidate = load_of(t, &t->other, t->pairs, 1);
	if (baseline && baseline->pairs)
		*reference = load_of(baseline, &baseline->other, baseline->pairs, 1);
	else
		*reference = load_of(t, &t->live, seen, tally_route(r, t)->live.endpoint_count);
}

/* --- gates --- */

/* The same over the pairs of one slice. */
static struct gate_input of_slice(const struct gate_input *all, const struct tally *t, const char *name)
{
	struct gate_input in = *all;

	in.pairs = in.diverged = 0;
	for (uint32_t i = 0; i < t->slice_count; i++)
		if (!strcmp(t->slices[i].name, name)) {
			in.pairs = t->slices[i].pairs;
			in.diverged = t->slices[i].diverged;
		}
	return in;
}

static struct gate_input input_of(const struct results *r, const struct tally *t,
                                  const struct ledger_counts *all)
{
	struct gate_load reference, candidate;
	struct portrait_drift drifted;
	struct gate_input in;
	uint64_t counts[OUTCOMES], aside, seen = results_seen(r, t, all);
	double cap = tally_route(r, t)->weight.path[0] ? tally_route(r, t)->weight.cap : 1;

	results_settled(r, t, all, counts);
	aside = results_group_sum(counts, GROUP_SAMPLED_OUT) + results_group_sum(counts, GROUP_EXCLUDED);
	in = (struct gate_input){
	        .pairs = t->pairs,
	        .diverged = t->diverged,
	        .rows = t->rows,
	        .rows_diverged = t->rows_diverged,
	        .rows_largest = t->session_rows ? t->session_rows : t->rows_largest,
	        .session_largest = t->session_pairs,
	        .weight = t->weight / cap,
	        .weight_diverged = t->weight_diverged / cap,
	        .moved = t->moved,
	        .violations = t->other_violations,
	        .censored = results_timeouts(counts),
	        .compared = counts[0],
	        .failed = failures(counts),
	        .expected = seen > aside ? seen - aside : 0,
	        .candidate = &t->other,
	        .reference = results_reference_latency(r, t),
	        .classes = t->classes,
	        .looked = t->looked,
	        .privacy_new = t->privacy_new,
	        .measures = t->measures,
	        .noise = t->noise,
	        .baseline = results_baseline(r, t->route) != NULL,
	        .slower = &t->slower,
	        .faster = &t->faster,
	};
	parity_change(r, t, &in);
	drifted = portrait_drift(&t->inputs, false, GATE_ALPHA, GATE_T_OPT);
	in.input_drift = drifted.ci;
	in.input_drift_value = drifted.value;
	drifted = portrait_drift(&t->outputs, true, GATE_ALPHA, GATE_T_OPT);
	in.output_drift = drifted.ci;
	in.output_drift_value = drifted.value;
	results_loads(r, t, seen, &reference, &candidate);
	in.load_apart = !r->plan->replay && gate_load_apart(reference, candidate);
	return in;
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

	j->count = gate_list(tally_route(r, t), tally_candidate(r, t)->name, j->gates);
	for (unsigned i = 0; i < j->count; i++) {
		struct gate_input slice;

		if (j->gates[i].slice[0])
			slice = of_slice(&in, t, j->gates[i].slice);
		gate_evaluate(&j->gates[i], j->gates[i].slice[0] ? &slice : &in, &j->results[i]);
	}
	j->verdict = gate_verdict(j->gates, j->results, j->count, &j->decided_by);
	if (results_drilled(r, t)[0])
		j->why = results_drilled(r, t);
	else if (tally_segment(r, tally_number(r, t->route, t->candidate), 0)->left_out)
		j->why = "more versions answered than are kept apart";
	else if (!results_controlled(t) && j->verdict != GATE_FAIL) /* it sees too little: enough to fail */
		j->why = "the comparison misses faults that were planted to be found";
	if (j->why) {
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
		if (j->gates[i].advisory & 1)
			continue;
		at.holds &= gate_keeps(&j->gates[i], &j->results[i]);
		at.failed |= j->results[i].state == GATE_FAIL;
		at.decided &= j->results[i].state != GATE_UNDECIDED;
	}
	at.decided &= !j->why;
	return at;
}

void results_standing(const struct results *r, uint16_t route, uint16_t candidate,
                      struct results_standing *out)
{
	*out = tally_at(r, route, candidate)->standing;
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
	tally_at(r, route, candidate)->share = *s;
}
