/*
 * results_json_latency.c - in summary.json, the times of a candidate: latency, streams, throughput.
 */
#include <math.h>

#include "replay/quantile.h"
#include "replay/results_inside.h"

/* Of these and of `beyond` that were not waited for, which have no figure. */
static void put_quantiles(struct buf *b, const char *key, const struct sketch *s, uint64_t beyond)
{
	buf_printf(b, "\"%s\":{", key);
	put_double(b, "p50", quantile_sketch(s, beyond, 0.5));
	buf_puts(b, ",");
	put_double(b, "p90", quantile_sketch(s, beyond, 0.9));
	buf_puts(b, ",");
	put_double(b, "p99", quantile_sketch(s, beyond, 0.99));
	buf_puts(b, ",");
	put_double(b, "max", s->count ? (double)s->max_us : NAN);
	buf_puts(b, "}");
}

static void put_pace_side(struct buf *b, const char *key, const struct sketch sketches[PACE_FIGURES])
{
	static const char *const names[] = {
#define X(name, meaning, unit) #name,
	        PACE_TABLE(X)
#undef X
	};

	buf_printf(b, ",\"%s\":{", key);
	for (int i = 0; i < PACE_FIGURES; i++) {
		buf_puts(b, i ? "," : "");
		put_quantiles(b, names[i], &sketches[i], 0);
	}
	buf_puts(b, "}");
}

void results_put_pace(struct buf *b, const struct tally *t)
{
	if (!t->live_pace[PACE_chunk_gap].count && !t->other_pace[PACE_chunk_gap].count)
		return;
	buf_puts(b, "\"stream\":{");
	put_integer(b, "pairs", t->paced);
	buf_puts(b, ",");
	put_integer(b, "candidate_first_later", t->first_later);
	put_pace_side(b, "live", t->live_pace);
	put_pace_side(b, "candidate", t->other_pace);
	buf_puts(b, "},");
}

/* Of pairs: candidate less reference, in us. */
static void put_shift(struct buf *b, const struct tally *t, uint64_t timeouts)
{
	static const double q[] = {0.5, 0.9, 0.99};

	buf_puts(b, "\"shift\":{");
	for (int i = 0; i < 3; i++) {
		buf_printf(b, "%s\"p%.0f\":{", i ? "," : "", q[i] * 100);
		put_double(b, "value", quantile_signed(&t->faster, &t->slower, timeouts, q[i]));
		buf_puts(b, ",");
		put_interval(
		        b, "ci",
		        quantile_signed_ci(&t->faster, &t->slower, timeouts, q[i], GATE_ALPHA, GATE_T_OPT));
		buf_puts(b, "}");
	}
	buf_puts(b, "}");
}

void results_put_latency(struct buf *b, const struct results *r, const struct tally *t, uint64_t timeouts)
{
	struct plan_gate gate = {.metric = GATE_LATENCY_P99_RATIO};
	struct gate_input in = {
	        .candidate = &t->other, .reference = results_reference_latency(r, t), .censored = timeouts};
	struct gate_result ratio;

	gate_evaluate(&gate, &in, &ratio);
	buf_puts(b, "\"latency_us\":{");
	put_quantiles(b, "live", &t->live, 0);
	buf_puts(b, ",");
	put_quantiles(b, "candidate", &t->other, timeouts);
	buf_printf(b, ",\"timeouts\":%llu", (unsigned long long)timeouts);
	buf_puts(b, ",");
	put_quantiles(b, "first_byte", &t->first, timeouts);
	if (r->plan->replay) {
		buf_puts(b, ",");
		put_quantiles(b, "response", &t->response, timeouts);
		buf_puts(b, ",");
		put_quantiles(b, "lag", &t->lag, 0);
	}
	buf_puts(b, ",\"ratio\":{\"p99\":{");
	put_double(b, "value", ratio.value);
	buf_puts(b, ",");
	put_interval(b, "ci", ratio.ci);
	buf_puts(b, "}},");
	put_shift(b, t, timeouts);
	buf_puts(b, "},");
}

void results_put_throughput(struct buf *b, const struct results *r, const struct tally *t, uint64_t seen)
{
	double seconds = (double)(t->last_us - t->first_us) / 1e6;
	struct gate_load reference, candidate;

	results_loads(r, t, seen, &reference, &candidate);

	buf_puts(b, "\"throughput\":{");
	put_double(b, "live_rps", seconds > 0 ? (double)seen / seconds : NAN);
	buf_puts(b, ",");
	put_double(b, "candidate_rps", seconds > 0 ? (double)t->pairs / seconds : NAN);
	buf_puts(b, ",");
	put_double(b, "reference_in_flight", reference.rate > 0 ? reference.in_flight : NAN);
	buf_puts(b, ",");
	put_double(b, "candidate_in_flight", candidate.rate > 0 ? candidate.in_flight : NAN);
	if (tally_route(r, t)->slo_ms) {
		buf_puts(b, ",");
		put_integer(b, "slo_ms", tally_route(r, t)->slo_ms);
		buf_puts(b, ",");
		put_double(b, "live_goodput", seconds > 0 ? (double)t->live_good / seconds : NAN);
		buf_puts(b, ",");
		put_double(b, "candidate_goodput", seconds > 0 ? (double)t->other_good / seconds : NAN);
	}
	buf_printf(b, ",\"load_matched\":%s",
	           r->plan->replay || !gate_load_apart(reference, candidate) ? "true" : "false");
	buf_puts(b, "},");
}
