#include "replay/gate.h"

#include <math.h>

#include "replay/quantile.h"

static const struct gate_metric_row table[GATE_METRICS] = {
#define X(id, name, unit, direction, standing, limit, meaning)                                               \
	[GATE_##id] = {name, unit, meaning, GATE_##direction, standing, limit},
        GATE_TABLE(X)
#undef X
};

const struct gate_metric_row *gate_metric_row(uint32_t metric)
{
	return &table[metric];
}

int gate_metric_by_name(struct span name)
{
	for (int i = 0; i < GATE_METRICS; i++)
		if (span_eq(name, span_of(table[i].name)))
			return i;
	return -1;
}

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

static void decide(struct gate_result *r, double limit)
{
	if (isnan(r->value))
		return;
	if (r->ci.high <= limit)
		r->state = GATE_PASS;
	else if (r->ci.low > limit)
		r->state = GATE_FAIL;
	if (r->state != GATE_UNDECIDED)
		r->needed = 0;
}

static void evaluate_rate(uint64_t k, uint64_t n, double limit, struct gate_result *r)
{
	if (n)
		r->value = (double)k / (double)n;
	r->ci = stat_rate(k, n, GATE_ALPHA, GATE_T_OPT);
	r->needed = stat_rate_needed(k, n, limit, GATE_ALPHA, GATE_T_OPT);
	decide(r, limit);
}

static void evaluate_row_rate(const struct gate_input *in, double limit, struct gate_result *r)
{
	uint64_t n = in->rows_largest ? in->rows / in->rows_largest : 0;

	r->ci = gate_row_rate(in->rows_diverged, in->rows, in->rows_largest);
	if (in->rows) {
		r->value = (double)in->rows_diverged / (double)in->rows;
		r->needed = stat_rate_needed((uint64_t)llround(r->value * (double)n), n, limit, GATE_ALPHA,
		                             GATE_T_OPT);
	}
	decide(r, limit);
}

static void evaluate_coverage(const struct gate_input *in, double limit, struct gate_result *r)
{
	if (!in->expected)
		return;
	r->value = (double)in->compared / (double)in->expected;
	r->ci = (struct interval){r->value, r->value};
	if (r->value >= limit) {
		r->state = GATE_PASS;
		r->needed = 0;
	}
}

/* Each arm at alpha / 2, so that both hold at once. */
static void evaluate_ratio(const struct gate_input *in, double limit, struct gate_result *r)
{
	struct interval candidate, reference;
	uint64_t below;

	r->ci = (struct interval){0, INFINITY};
	if (!in->candidate || !in->reference || !in->candidate->count || !in->reference->count)
		return;
	below = sketch_quantile(in->reference, 0.99);
	if (below)
		r->value = (double)sketch_quantile(in->candidate, 0.99) / (double)below;
	candidate = quantile_sketch_ci(in->candidate, 0.99, GATE_ALPHA / 2, GATE_T_OPT);
	reference = quantile_sketch_ci(in->reference, 0.99, GATE_ALPHA / 2, GATE_T_OPT);
	if (isfinite(candidate.low) && isfinite(reference.high) && reference.high > 0)
		r->ci.low = candidate.low / reference.high;
	if (isfinite(candidate.high) && isfinite(reference.low) && reference.low > 0)
		r->ci.high = candidate.high / reference.low;
	decide(r, limit);
}

void gate_evaluate(const struct plan_gate *gate, const struct gate_input *in, struct gate_result *out)
{
	*out = (struct gate_result){
	        .value = NAN, .ci = {0, 1}, .state = GATE_UNDECIDED, .needed = UINT64_MAX};
	switch (gate->metric) {
	case GATE_CANDIDATE_FAILURE_RATE:
		evaluate_rate(in->failed, in->compared + in->failed, gate->limit, out);
		break;
	case GATE_COVERAGE:
		evaluate_coverage(in, gate->limit, out);
		break;
	case GATE_DIVERGENCE_RATE:
		evaluate_rate(in->diverged, in->pairs, gate->limit, out);
		break;
	case GATE_ROW_DIVERGENCE_RATE:
		evaluate_row_rate(in, gate->limit, out);
		break;
	case GATE_LATENCY_P99_RATIO:
		evaluate_ratio(in, gate->limit, out);
		break;
	}
}

bool gate_keeps(const struct plan_gate *gate, const struct gate_result *r)
{
	if (isnan(r->value))
		return true;
	return table[gate->metric].direction == GATE_MAX ? r->value <= gate->limit : r->value >= gate->limit;
}

unsigned gate_list(const struct plan_route *route, struct plan_gate out[GATE_LIST_MAX])
{
	unsigned n = 0;

	for (uint32_t m = 0; m < GATE_METRICS; m++) {
		if (!table[m].standing)
			continue;
		out[n] = (struct plan_gate){.metric = m, .limit = table[m].limit};
		for (uint32_t i = 0; i < route->gate_count; i++)
			if (route->gates[i].metric == m)
				out[n] = route->gates[i];
		n++;
	}
	for (uint32_t i = 0; i < route->gate_count; i++)
		if (route->gates[i].metric < GATE_METRICS && !table[route->gates[i].metric].standing)
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

		if (worse != verdict ||
		    (*decided_by_out >= 0 && worse == GATE_UNDECIDED && results[i].state == GATE_UNDECIDED &&
		     results[i].needed > results[*decided_by_out].needed))
			*decided_by_out = (int)i;
		verdict = worse;
		declared |= !table[gates[i].metric].standing;
	}
	if (verdict != GATE_FAIL && !declared) {
		*decided_by_out = -1;
		return GATE_UNDECIDED;
	}
	return verdict;
}
