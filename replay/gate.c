#include "replay/gate.h"

#include <math.h>
#include <string.h>

#include "replay/compare.h"
#include "replay/evidence.h"
#include "replay/quantile.h"

static const double APART = 1.5, US_PER_MS = 1000;

const char *gate_state_name(enum gate_state state)
{
	switch (state) {
	case GATE_PASS:
		return "pass";
	case GATE_FAIL:
		return "fail";
	default:
		return "undecided";
	}
}

struct interval gate_row_rate(uint64_t k, uint64_t rows, uint64_t largest)
{
	double unit = (double)(largest ? largest : 1);

	return stat_rate_weighted((double)(k < rows ? k : rows) / unit, (double)rows / unit, GATE_ALPHA,
	                          GATE_T_OPT);
}

static void decide(const struct plan_gate *gate, struct gate_result *r)
{
	bool least = gate_metric_row(gate->metric)->direction == GATE_MIN;

	if (isnan(r->value))
		return;
	if (least ? r->ci.low >= gate->limit : r->ci.high <= gate->limit)
		r->state = GATE_PASS;
	else if (least ? r->ci.high < gate->limit : r->ci.low > gate->limit)
		r->state = GATE_FAIL;
	if (r->state != GATE_UNDECIDED)
		r->needed = 0;
}

/* k of n, in units that are observed together; real counts of those that are carried as weights. */
static void evaluate_rate(double k, double n, double limit, struct gate_result *r)
{
	if (n > 0)
		r->value = k / n;
	r->ci = stat_rate_weighted(k, n, GATE_ALPHA, GATE_T_OPT);
	r->needed = stat_rate_needed((uint64_t)llround(k), (uint64_t)n, limit, GATE_ALPHA, GATE_T_OPT);
	if (n > 0 && limit > 0 && limit < 1)
		r->log_e = stat_rate_log_e(k, n, limit, GATE_T_OPT);
}

static void evaluate_rows(uint64_t k, const struct gate_input *in, double limit, struct gate_result *r)
{
	double largest = in->rows_largest ? (double)in->rows_largest : 1;

	evaluate_rate((double)(k < in->rows ? k : in->rows) / largest, (double)in->rows / largest, limit, r);
}

/* Pairs of one session go together, as rows of one pair do. */
static void evaluate_pairs(uint64_t k, const struct gate_input *in, double limit, struct gate_result *r)
{
	uint64_t largest = in->session_largest ? in->session_largest : 1;

	evaluate_rate((double)k / (double)largest, (double)in->pairs / (double)largest, limit, r);
	if (r->needed < UINT64_MAX / largest)
		r->needed *= largest;
}

static void evaluate_class(enum divergence class, const struct gate_input *in, double limit,
                           struct gate_result *r)
{
	uint64_t k = in->classes ? in->classes[class] : 0;

	if (strcmp(divergence_unit(class), "pair"))
		evaluate_rows(k, in, limit, r);
	else
		evaluate_pairs(k, in, limit, r);
}

static void evaluate_mean(enum measure measure, const struct gate_input *in, struct gate_result *r)
{
	const struct stat_mean *m = in->measures ? &in->measures[measure] : NULL;

	if (!m || !m->n)
		return;
	r->value = m->sum / (double)m->n;
	r->ci = stat_mean_ci(m, GATE_ALPHA);
}

static void evaluate_coverage(const struct gate_input *in, const struct plan_gate *gate,
                              struct gate_result *r)
{
	if (!in->expected)
		return;
	r->value = (double)in->compared / (double)in->expected;
	r->ci = (struct interval){r->value,
	                          INFINITY}; /* what is late may still come: below it is undecided */
	decide(gate, r);
	r->ci.high = r->value;
}

/* Each arm at alpha / 2, so that both hold at once. */
static void evaluate_ratio(const struct gate_input *in, double q, struct gate_result *r)
{
	struct interval candidate, reference;
	uint64_t below;

	r->ci = (struct interval){0, INFINITY};
	if (!in->candidate || !in->reference || !in->candidate->count || !in->reference->count)
		return;
	below = sketch_quantile(in->reference, q);
	if (below)
		r->value = quantile_sketch(in->candidate, in->censored, q) / (double)below;
	candidate = quantile_sketch_ci(in->candidate, in->censored, q, GATE_ALPHA / 2, GATE_T_OPT);
	reference = quantile_sketch_ci(in->reference, 0, q, GATE_ALPHA / 2, GATE_T_OPT);
	if (isfinite(candidate.low) && isfinite(reference.high) && reference.high > 0)
		r->ci.low = candidate.low / reference.high;
	if (isfinite(candidate.high) && isfinite(reference.low) && reference.low > 0)
		r->ci.high = candidate.high / reference.low;
}

static void evaluate_shift(const struct gate_input *in, double q, struct gate_result *r)
{
	r->ci = (struct interval){-INFINITY, INFINITY};
	if (!in->slower || !in->faster || in->slower->count + in->faster->count == 0)
		return;
	r->value = quantile_signed(in->faster, in->slower, in->censored, q) / US_PER_MS;
	r->ci = quantile_signed_ci(in->faster, in->slower, in->censored, q, GATE_ALPHA, GATE_T_OPT);
	r->ci.low /= US_PER_MS;
	r->ci.high /= US_PER_MS;
}

struct interval gate_excess(struct gate_noise n)
{
	struct interval change = evidence_mcnemar_change((double)n.candidate_only, (double)n.baseline_only,
	                                                 (double)n.pairs, GATE_ALPHA, GATE_T_OPT);

	return (struct interval){-change.high, -change.low};
}

static void evaluate_excess(const struct gate_input *in, struct gate_result *r)
{
	r->ci = (struct interval){-1, 1};
	if (!in->baseline)
		r->why = "no baseline";
	if (!in->noise.pairs)
		return;
	r->value = ((double)in->noise.candidate_only - (double)in->noise.baseline_only) /
	           (double)in->noise.pairs;
	r->ci = gate_excess(in->noise);
}

bool gate_load_apart(struct gate_load a, struct gate_load b)
{
	double in_flight = fmax(1, a.in_flight) / fmax(1, b.in_flight), rates = a.rate / b.rate;

	return fmax(in_flight, 1 / in_flight) > APART && !(fmax(rates, 1 / rates) <= APART);
}

static bool is_latency(const char *unit)
{
	return !strcmp(unit, "ratio") || !strcmp(unit, "ms");
}

static void evaluate(const struct plan_gate *gate, const struct gate_input *in, struct gate_result *r)
{
	switch ((enum gate_metric)gate->metric) {
	case GATE_CANDIDATE_FAILURE_RATE:
		evaluate_rate((double)in->failed, (double)(in->compared + in->failed), gate->limit, r);
		break;
	case GATE_COVERAGE:
		evaluate_coverage(in, gate, r);
		break;
	case GATE_DIVERGENCE_RATE:
		evaluate_pairs(in->diverged, in, gate->limit, r);
		break;
	case GATE_VALUE_DIVERGENCE_RATE:
		evaluate_rate(in->weight_diverged, in->weight, gate->limit, r);
		if (r->needed && r->needed != UINT64_MAX && in->weight > 0)
			r->needed = (uint64_t)((double)r->needed * (double)in->pairs / in->weight);
		break;
	case GATE_ROW_DIVERGENCE_RATE:
		evaluate_rows(in->rows_diverged, in, gate->limit, r);
		break;
	case GATE_LATENCY_P99_RATIO:
		evaluate_ratio(in, 0.99, r);
		break;
	case GATE_LATENCY_P90_RATIO:
		evaluate_ratio(in, 0.9, r);
		break;
	case GATE_LATENCY_P50_RATIO:
		evaluate_ratio(in, 0.5, r);
		break;
	case GATE_LATENCY_P99_SHIFT:
		evaluate_shift(in, 0.99, r);
		break;
	case GATE_LATENCY_P90_SHIFT:
		evaluate_shift(in, 0.9, r);
		break;
	case GATE_LATENCY_P50_SHIFT:
		evaluate_shift(in, 0.5, r);
		break;
	case GATE_EXCESS_DIVERGENCE:
		evaluate_excess(in, r);
		break;
	case GATE_STATUS_RATE:
		evaluate_class(DIVERGENCE_STATUS, in, gate->limit, r);
		break;
	case GATE_STRUCTURE_RATE:
		evaluate_class(DIVERGENCE_STRUCTURE, in, gate->limit, r);
		break;
	case GATE_LABEL_FLIP_RATE:
		evaluate_class(DIVERGENCE_LABEL_FLIP, in, gate->limit, r);
		break;
	case GATE_VALUE_RATE:
		evaluate_class(DIVERGENCE_VALUE, in, gate->limit, r);
		break;
	case GATE_ANSWER_TEXT_RATE:
		evaluate_class(DIVERGENCE_ANSWER_TEXT, in, gate->limit, r);
		break;
	case GATE_FINISH_REASON_RATE:
		evaluate_class(DIVERGENCE_FINISH_REASON, in, gate->limit, r);
		break;
	case GATE_TOOL_CALLS_RATE:
		evaluate_class(DIVERGENCE_TOOL_CALLS, in, gate->limit, r);
		break;
	case GATE_REFUSAL_RATE:
		evaluate_class(DIVERGENCE_REFUSAL, in, gate->limit, r);
		break;
	case GATE_ANSWER_FLIP_RATE:
		evaluate_class(DIVERGENCE_ANSWER_FLIP, in, gate->limit, r);
		break;
	case GATE_JSON_BROKEN_RATE:
		evaluate_class(DIVERGENCE_JSON_BROKEN, in, gate->limit, r);
		break;
	case GATE_SCHEMA_BROKEN_RATE:
		evaluate_class(DIVERGENCE_SCHEMA_BROKEN, in, gate->limit, r);
		break;
	case GATE_CONTENT_FLAGGED_RATE:
		evaluate_class(DIVERGENCE_CONTENT_FLAGGED, in, gate->limit, r);
		break;
	case GATE_LOGPROB_KL_MEAN:
		evaluate_mean(MEASURE_logprob_kl, in, r);
		break;
	case GATE_JS_MEAN:
		evaluate_mean(MEASURE_js_bits, in, r);
		break;
	case GATE_TV_MEAN:
		evaluate_mean(MEASURE_tv, in, r);
		break;
	case GATE_EDIT_MEAN:
		evaluate_mean(MEASURE_edit_distance, in, r);
		break;
	case GATE_TOKEN_F1_MEAN:
		evaluate_mean(MEASURE_token_f1, in, r);
		break;
	case GATE_PRIVACY_NEW_RATE:
		evaluate_rate((double)in->privacy_new, (double)in->looked, gate->limit, r);
		break;
	case GATE_PARITY_CHANGE:
		r->value = in->parity_value;
		r->ci = in->parity;
		break;
	case GATE_MONOTONICITY_RATE:
		evaluate_rate((double)in->violations, (double)in->moved, gate->limit, r);
		break;
	case GATE_INPUT_DRIFT:
		r->value = in->input_drift_value;
		r->ci = in->input_drift;
		break;
	case GATE_OUTPUT_DRIFT:
		r->value = in->output_drift_value;
		r->ci = in->output_drift;
		break;
	case GATE_METRICS:
		break;
	}
}

void gate_evaluate(const struct plan_gate *gate, const struct gate_input *in, struct gate_result *out)
{
	*out = (struct gate_result){
	        .value = NAN, .ci = {0, 1}, .state = GATE_UNDECIDED, .needed = UINT64_MAX, .log_e = NAN};
	evaluate(gate, in, out);
	if (is_latency(gate_metric_row(gate->metric)->unit) && in->load_apart)
		out->why = "load not matched";
	else if (in->pairs < gate->min_pairs)
		out->why = "fewer than min_pairs";
	if (out->why)
		out->state = GATE_UNDECIDED;
	else if (gate->metric != GATE_COVERAGE)
		decide(gate, out);
	if (in->pairs < gate->min_pairs && out->needed < gate->min_pairs - in->pairs)
		out->needed = gate->min_pairs - in->pairs;
}

bool gate_keeps(const struct plan_gate *gate, const struct gate_result *r)
{
	if (isnan(r->value))
		return true;
	return gate_metric_row(gate->metric)->direction == GATE_MAX ? r->value <= gate->limit
	                                                            : r->value >= gate->limit;
}

/* What the plan says for one candidate goes before what it says for all. */
static bool is_for(const struct plan_gate *g, const char *candidate)
{
	return !g->candidate[0] || !strcmp(g->candidate, candidate);
}

unsigned gate_list(const struct plan_route *route, const char *candidate, struct plan_gate out[GATE_LIST_MAX])
{
	unsigned n = 0;

	for (uint32_t m = 0; m < GATE_METRICS; m++) {
		const struct gate_metric_row *row = gate_metric_row(m);

		if (!row->standing)
			continue;
		out[n] = (struct plan_gate){.metric = m, .limit = row->limit};
		for (uint32_t i = 0; i < route->gate_count; i++)
			if (route->gates[i].metric == m && is_for(&route->gates[i], candidate) &&
			    (route->gates[i].candidate[0] || !out[n].candidate[0]))
				out[n] = route->gates[i];
		n++;
	}
	for (uint32_t i = 0; i < route->gate_count; i++)
		if (route->gates[i].metric < GATE_METRICS && is_for(&route->gates[i], candidate) &&
		    !gate_metric_row(route->gates[i].metric)->standing)
			out[n++] = route->gates[i];
	return n;
}

enum gate_state gate_worse(enum gate_state a, enum gate_state b)
{
	if (a == GATE_FAIL || b == GATE_FAIL)
		return GATE_FAIL;
	return a == GATE_PASS && b == GATE_PASS ? GATE_PASS : GATE_UNDECIDED;
}

enum gate_state gate_verdict(const struct plan_gate *gates, const struct gate_result *results, unsigned count,
                             int *decided_by_out)
{
	enum gate_state verdict = GATE_PASS;
	bool declared = false;

	*decided_by_out = -1;
	for (unsigned i = 0; i < count; i++) {
		enum gate_state worse = gate_worse(verdict, results[i].state);

		if (gates[i].advisory & 1)
			continue;
		if (worse != verdict ||
		    (*decided_by_out >= 0 && worse == GATE_UNDECIDED && results[i].state == GATE_UNDECIDED &&
		     results[i].needed > results[*decided_by_out].needed))
			*decided_by_out = (int)i;
		verdict = worse;
		declared |= !gate_metric_row(gates[i].metric)->standing;
	}
	if (verdict != GATE_FAIL && !declared) {
		*decided_by_out = -1;
		return GATE_UNDECIDED;
	}
	return verdict;
}
