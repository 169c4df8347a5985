#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "capture/fault.h"
#include "proto/base/clock.h"
#include "replay/quantile.h"
#include "replay/results_inside.h"
#include "replay/safeguard.h"

enum { JSON_LIMIT_BYTES = 16 << 20 };

/* --- putting --- */

void put_text(struct buf *b, const char *key, const char *text)
{
	buf_printf(b, "\"%s\":", key);
	buf_json_string(b, span_of(text));
}

void put_hex(struct buf *b, const char *key, const uint8_t bytes[32])
{
	buf_printf(b, "\"%s\":\"", key);
	for (int i = 0; i < 32; i++)
		buf_printf(b, "%02x", bytes[i]);
	buf_puts(b, "\"");
}

/* JSON has no NaN and no Infinity. */
static void put_number(struct buf *b, double value)
{
	if (isfinite(value))
		buf_printf(b, "%.12g", value);
	else
		buf_puts(b, "null");
}

void put_double(struct buf *b, const char *key, double value)
{
	buf_printf(b, "\"%s\":", key);
	put_number(b, value);
}

void put_integer(struct buf *b, const char *key, uint64_t value)
{
	buf_printf(b, "\"%s\":%llu", key, (unsigned long long)value);
}

void put_interval(struct buf *b, const char *key, struct interval ci)
{
	buf_printf(b, "\"%s\":[", key);
	put_number(b, ci.low);
	buf_puts(b, ",");
	put_number(b, ci.high);
	buf_puts(b, "]");
}

static double share(uint64_t k, uint64_t n)
{
	return n ? (double)k / (double)n : NAN;
}

/* --- counts --- */

static void put_reasons(struct buf *b, const char *key, const uint64_t counts[OUTCOMES],
                        enum outcome_group group)
{
	const char *comma = "";

	buf_printf(b, "\"%s\":{", key);
	for (int i = 0; i < OUTCOMES; i++) {
		uint8_t outcome = (uint8_t)(OUTCOME_COMPARED + i);

		if (!counts[i] || outcome_group(outcome) != group)
			continue;
		buf_puts(b, comma);
		put_integer(b, outcome_name(outcome), counts[i]);
		comma = ",";
	}
	buf_puts(b, "}");
}

static void put_counts(struct buf *b, uint64_t seen, const uint64_t counts[OUTCOMES], uint64_t open)
{
	buf_puts(b, "\"counts\":{");
	put_integer(b, "seen", seen);
	buf_puts(b, ",");
	put_integer(b, "compared", results_group_sum(counts, GROUP_COMPARED));
	buf_puts(b, ",");
	put_integer(b, "sampled_out", results_group_sum(counts, GROUP_SAMPLED_OUT));
	buf_puts(b, ",");
	put_reasons(b, "not_compared", counts, GROUP_NOT_COMPARED);
	buf_puts(b, ",");
	put_reasons(b, "excluded", counts, GROUP_EXCLUDED);
	buf_puts(b, ",");
	put_reasons(b, "shed", counts, GROUP_SHED);
	buf_puts(b, ",");
	put_integer(b, "open", open);
	buf_puts(b, "}");
}

static void put_capture(struct buf *b, const uint64_t counts[OUTCOMES])
{
	const char *comma = "";

	buf_printf(b, "\"capture\":{\"captured\":%llu,\"not_captured\":{", (unsigned long long)counts[0]);
	for (int i = 1; i < OUTCOMES; i++) {
		if (!counts[i])
			continue;
		buf_puts(b, comma);
		put_integer(b, outcome_name((uint8_t)(OUTCOME_COMPARED + i)), counts[i]);
		comma = ",";
	}
	buf_puts(b, "}}");
}

/* --- what was judged --- */

static void put_gate(struct buf *b, const struct plan_gate *gate, const struct gate_result *result)
{
	buf_puts(b, "{");
	put_text(b, "metric", gate_metric_row(gate->metric)->name);
	buf_puts(b, ",");
	put_double(b, "limit", gate->limit);
	buf_puts(b, ",");
	put_double(b, "value", result->value);
	buf_puts(b, ",");
	put_interval(b, "ci", result->ci);
	buf_puts(b, ",");
	put_text(b, "state", gate_state_name(result->state));
	buf_puts(b, ",");
	put_double(b, "needed", result->needed == UINT64_MAX ? NAN : (double)result->needed);
	buf_puts(b, ",");
	put_text(b, "because", gate->because);
	buf_printf(b, ",\"critical\":%s,", gate->advisory & 1 ? "false" : "true");
	put_integer(b, "min_pairs", gate->min_pairs);
	buf_puts(b, ",");
	put_text(b, "slice", gate->slice);
	buf_puts(b, ",");
	put_double(b, "e", exp(result->log_e));
	buf_puts(b, ",");
	put_text(b, "why", result->why ? result->why : "");
	buf_puts(b, "}");
}

static bool is_share(const struct gate_metric_row *row)
{
	return gate_metric_share((uint32_t)gate_metric_by_name(span_of(row->name)));
}

/* As people say it: a rate in per cent, a ratio as it is. */
static void put_figure(struct buf *b, double value, const struct gate_metric_row *row)
{
	if (!isfinite(value))
		buf_puts(b, "unbounded");
	else if (!strcmp(row->unit, "ms"))
		buf_printf(b, "%.3f ms", value);
	else if (!is_share(row))
		buf_printf(b, "%.3f", value);
	else
		buf_printf(b, "%.2f %%", value * 100);
}

/* " [1.20, 3.40] %" */
static void put_figures(struct buf *b, struct interval ci, const struct gate_metric_row *row)
{
	if (isfinite(ci.low) && isfinite(ci.high) && is_share(row)) {
		buf_printf(b, " [%.2f, %.2f] %%", ci.low * 100, ci.high * 100);
		return;
	}
	buf_puts(b, " [");
	put_figure(b, ci.low, row);
	buf_puts(b, ", ");
	put_figure(b, ci.high, row);
	buf_puts(b, "]");
}

static void put_decided(struct buf *b, const char *candidate, const struct plan_gate *gate,
                        const struct gate_result *result)
{
	const struct gate_metric_row *row = gate_metric_row(gate->metric);

	buf_printf(b, "%s: %s%s%s ", candidate, row->name, gate->slice[0] ? " in " : "", gate->slice);
	if (isnan(result->value)) {
		buf_puts(b, "has no data");
	} else {
		buf_puts(b, "is ");
		put_figure(b, result->value, row);
		put_figures(b, result->ci, row);
	}
	buf_printf(b, ", limit %s ", row->direction == GATE_MAX ? "at most" : "at least");
	put_figure(b, gate->limit, row);
	if (result->why)
		buf_printf(b, ", %s", result->why);
	if (result->state == GATE_UNDECIDED && result->needed && result->needed != UINT64_MAX)
		buf_printf(b, ", about %llu more pairs needed", (unsigned long long)result->needed);
}

/* The sentence that explains a verdict: the gate that decided, or that none is declared. */
static void put_reason(struct buf *b, const struct results *r, const struct tally *t,
                       const struct judgement *j)
{
	const char *name = tally_candidate(r, t)->name;
	char candidate[2 * NAME_MAX_BYTES + 8];
	struct buf text;

	snprintf(candidate, sizeof candidate, "%s", name);
	for (unsigned i = 0; i < r->tally_count; i++)
		if (i != tally_number(r, t->route, t->candidate) &&
		    !strcmp(tally_candidate(r, &r->tallies[i])->name, name))
			snprintf(candidate, sizeof candidate, "%s on %s", name, tally_route(r, t)->name);
	buf_init(&text, 1024);
	if (*results_drilled(r, t))
		buf_printf(&text, "%s: a drill, %s", candidate, results_drilled(r, t));
	else if (j->why)
		buf_printf(&text, "%s: %s", candidate, j->why);
	else if (j->decided_by >= 0)
		put_decided(&text, candidate, &j->gates[j->decided_by], &j->results[j->decided_by]);
	else if (j->verdict == GATE_UNDECIDED)
		buf_printf(&text, "%s: no gate declared", candidate);
	else
		buf_printf(&text, "%s: every gate holds", candidate);
	buf_json_string(b, buf_span(&text));
	buf_fini(&text);
}

/* --- a candidate --- */

static void put_classes(struct buf *b, const struct tally *t)
{
	const char *comma = "";

	buf_puts(b, "\"classes\":[");
	for (int i = 0; i < DIVERGENCES; i++) {
		bool by_pair = !strcmp(divergence_unit(i), "pair");
		uint64_t n = by_pair ? t->pairs : t->rows, k = t->classes[i] < n ? t->classes[i] : n;

		buf_printf(b, "%s{", comma);
		put_text(b, "class", divergence_name(i));
		buf_puts(b, ",");
		put_text(b, "unit", divergence_unit(i));
		buf_puts(b, ",");
		put_integer(b, "count", t->classes[i]);
		buf_puts(b, ",");
		put_double(b, "rate", share(k, n));
		buf_puts(b, ",");
		put_interval(b, "ci",
		             by_pair ? stat_rate(k, n, GATE_ALPHA, GATE_T_OPT)
		                     : gate_row_rate(k, n, t->rows_largest));
		buf_puts(b, "}");
		comma = ",";
	}
	buf_puts(b, "],");
}

/* The unit is the pair: rows of one batch are not independent. Mean and interval are of the pairs' own means
 * over their rows (predictable empirical-Bernstein, stat.h); row_mean weighs every row alike, as a figure. */
static void put_measure(struct buf *b, const char *key, const struct stat_mean *m, double row_sum,
                        uint64_t rows)
{
	buf_printf(b, "\"%s\":{\"unit\":\"pair\",", key);
	put_double(b, "mean", m->n ? m->sum / (double)m->n : NAN);
	buf_puts(b, ",");
	put_interval(b, "ci", m->n ? stat_mean_ci(m, GATE_ALPHA) : (struct interval){0, 1});
	buf_puts(b, ",");
	put_double(b, "row_mean", rows ? row_sum / (double)rows : NAN);
	buf_puts(b, "}");
}

/* As what the pairs' bodies were read, which "protocol: auto" has chosen. */
static void put_read_as(struct buf *b, const struct tally *t)
{
	static const char *const names[] = {
#define X(id, name) name,
	        PROTOCOL_TABLE(X)
#undef X
	};
	const char *comma = "";

	buf_puts(b, "\"read_as\":{");
	for (int p = PROTOCOL_AUTO + 1; p < PROTOCOLS_KNOWN; p++) {
		if (!t->read_as[p])
			continue;
		buf_puts(b, comma);
		put_integer(b, names[p], t->read_as[p]);
		comma = ",";
	}
	buf_puts(b, "},");
}

/* JSON paths that were left out. */
static void put_ignored(struct buf *b, const struct plan_route *route)
{
	size_t count;
	const char *const *paths = compare_default_ignores(&count);

	buf_puts(b, "\"ignored\":{\"declared\":[");
	for (uint32_t i = 0; i < route->ignore_count; i++) {
		buf_puts(b, i ? "," : "");
		buf_json_string(b, span_of(route->ignore[i]));
	}
	buf_puts(b, "],\"by_default\":[");
	for (size_t i = 0; !route->ignore_named_only && i < count; i++) {
		buf_puts(b, i ? "," : "");
		buf_json_string(b, span_of(paths[i]));
	}
	buf_puts(b, "]},");
}

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

/* Of streamed answers; times are us. */
static void put_pace(struct buf *b, const struct tally *t)
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

/* Of declared regressions: bias and limits of agreement (agreement.h), extremes. */
static void put_agreement(struct buf *b, const struct agreement *a)
{
	double reach = 1.96 * agreement_sd(a);

	if (!a->n && !a->not_finite)
		return;
	buf_puts(b, "\"agreement\":{");
	put_integer(b, "elements", a->n);
	buf_puts(b, ",");
	put_integer(b, "not_finite", a->not_finite);
	buf_puts(b, ",");
	put_double(b, "bias", a->n ? a->mean : NAN);
	buf_puts(b, ",");
	put_double(b, "sd", agreement_sd(a));
	buf_puts(b, ",");
	put_interval(b, "limits", (struct interval){a->mean - reach, a->mean + reach});
	buf_puts(b, ",");
	put_double(b, "abs_max", a->abs_max);
	buf_puts(b, ",");
	put_double(b, "rel_max", a->rel_max);
	buf_puts(b, ",");
	put_double(b, "ulp_max", a->ulp_max);
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

static void put_latency(struct buf *b, const struct results *r, const struct tally *t, uint64_t timeouts)
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

/* Requests of the route, and pairs, a second between the first and the last pair; goodput: of pairs, those
 * that the side answered without an error and within the slo. */
static void put_throughput(struct buf *b, const struct results *r, const struct tally *t, uint64_t seen)
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

/* How like their predecessors pairs are. Neighbours that are alike are fewer observations than they seem: the
 * interval of blocks takes BLOCK_PAIRS of them for one (batch means; Law and Kelton 1979), which weighted
 * observations give: each pair a share of its block's. */
static void put_neighbours(struct buf *b, const struct tally *t)
{
	double n = (double)t->pairs, one = stat_lag_one(&t->lag_diverged),
	       two = stat_lag_one(&t->lag_latency);

	buf_puts(b, "\"autocorrelation\":{");
	put_double(b, "diverged_lag_1", one);
	buf_puts(b, ",");
	put_double(b, "latency_lag_1", two);
	buf_printf(b, ",\"over_chance\":%s,", fmax(one, two) > 2 / sqrt(n) ? "true" : "false");
	buf_printf(b, "\"block_pairs\":%d,\"blocks\":%llu,", BLOCK_PAIRS,
	           (unsigned long long)(t->pairs / BLOCK_PAIRS));
	put_interval(b, "block_ci",
	             stat_rate_weighted((double)t->diverged / BLOCK_PAIRS, n / BLOCK_PAIRS, GATE_ALPHA,
	                                GATE_T_OPT));
	buf_puts(b, "},");
}

/* Only with a `session`: the variance of its rate beside that of independent pairs (Kish 1965) is told, the
 * interval asks nothing of it. */
static void put_session(struct buf *b, const struct results *r, const struct tally *t)
{
	double largest = t->session_pairs ? (double)t->session_pairs : 1, n = (double)t->pairs,
	       p = n > 0 ? (double)t->diverged / n : 0;
	uint64_t places = 0;

	if (!tally_route(r, t)->session.header[0])
		return;
	for (int i = 0; i < SESSIONS_COUNTED; i++)
		places += t->sessions[i].pairs > 0;
	buf_printf(b, "\"session\":{\"count\":%llu,\"largest\":%llu,", (unsigned long long)places,
	           (unsigned long long)t->session_pairs);
	put_interval(b, "divergence_ci",
	             stat_rate_weighted((double)t->diverged / largest, n / largest, GATE_ALPHA, GATE_T_OPT));
	buf_puts(b, ",");
	put_double(b, "design_effect", results_design_effect(t, p));
	buf_puts(b, "},");
}

/* Only with a `weight`. */
static void put_weight(struct buf *b, const struct results *r, const struct tally *t)
{
	const struct plan_weight *w = &tally_route(r, t)->weight;

	if (!w->path[0])
		return;
	buf_puts(b, "\"weight\":{");
	put_text(b, "path", w->path);
	buf_puts(b, ",");
	put_double(b, "cap", w->cap);
	buf_printf(b, ",\"pairs\":%llu,\"without\":%llu,", (unsigned long long)t->weighed,
	           (unsigned long long)(t->pairs - t->weighed));
	put_double(b, "value", t->weight);
	buf_puts(b, ",");
	put_double(b, "diverged", t->weight_diverged);
	buf_puts(b, ",");
	put_double(b, "rate", t->weight > 0 ? t->weight_diverged / t->weight : NAN);
	buf_puts(b, ",");
	put_interval(
	        b, "ci",
	        stat_rate_weighted(t->weight_diverged / w->cap, t->weight / w->cap, GATE_ALPHA, GATE_T_OPT));
	buf_puts(b, "},");
}

static void put_violations(struct buf *b, const char *key, uint64_t k, uint64_t n)
{
	buf_printf(b, "\"%s\":{\"violations\":%llu,", key, (unsigned long long)k);
	put_double(b, "rate", share(k, n));
	buf_puts(b, ",");
	put_interval(b, "ci", stat_rate(k, n, GATE_ALPHA, GATE_T_OPT));
	buf_puts(b, "}");
}

/* Only of a replay that moves a number of each request. */
static void put_moves(struct buf *b, const struct plan_move *m, const struct tally *t)
{
	if (!m->path[0])
		return;
	buf_puts(b, "\"monotonicity\":{");
	put_text(b, "path", m->path);
	buf_puts(b, ",");
	put_double(b, "step", m->step);
	buf_puts(b, ",");
	put_text(b, "score", m->score);
	buf_printf(b, ",\"must_not\":\"%s\",\"moved\":%llu,", m->falls ? "rise" : "fall",
	           (unsigned long long)t->moved);
	put_violations(b, "live", t->live_violations, t->moved);
	buf_puts(b, ",");
	put_violations(b, "candidate", t->other_violations, t->moved);
	buf_puts(b, "},");
}

/* Of a mirror: what the candidate gets, and what its stop has saved. */
static void put_share(struct buf *b, const struct results_share *s)
{
	if (!s->stopped)
		return;
	buf_puts(b, "\"share\":{");
	put_double(b, "sample", s->sample_ppm / 1e6);
	if (s->stages)
		buf_printf(b, ",\"stage\":%u,\"stages\":%u,\"falls\":%u", s->stage + 1, s->stages, s->falls);
	buf_puts(b, ",");
	put_text(b, "stopped", s->stopped);
	buf_puts(b, ",");
	put_integer(b, "saved", s->saved);
	buf_puts(b, "},");
}

/* Only of a drill: what it was, and how many copies met which fault. */
static void put_drill(struct buf *b, const struct results *r, const struct tally *t)
{
	if (!*results_drilled(r, t))
		return;
	buf_puts(b, "\"drill\":{");
	put_text(b, "faults", results_drilled(r, t));
	for (uint32_t i = 0; i < FAULT_KINDS; i++) {
		buf_puts(b, ",");
		put_integer(b, fault_name(i), t->drilled[i]);
	}
	buf_puts(b, "},");
}

static void put_gates(struct buf *b, const struct judgement *j)
{
	buf_puts(b, "\"gates\":[");
	for (unsigned i = 0; i < j->count; i++) {
		if (i)
			buf_puts(b, ",");
		put_gate(b, &j->gates[i], &j->results[i]);
	}
	buf_puts(b, "]");
}

/* Of the faults planted in clones of pairs that agreed, how many the comparison found. */
static void put_control(struct buf *b, const struct tally *t)
{
	buf_printf(b, "\"control\":{\"planted\":%llu,\"found\":%llu,", (unsigned long long)t->planted,
	           (unsigned long long)t->planted_found);
	put_double(b, "sensitivity", share(t->planted_found, t->planted));
	buf_puts(b, "},");
}

/* Beyond what live's own twin does: of the whole pair, and of each place at which pairs differ. */
static void put_noise(struct buf *b, const struct tally *t)
{
	double log_e[PATHS_COUNTED], least;
	uint64_t n = t->noise.pairs;

	for (uint32_t i = 0; i < t->path_count; i++)
		log_e[i] = results_path_log_e(&t->paths[i]);
	evidence_bh(log_e, t->path_count, GATE_ALPHA, &least);
	buf_printf(b, "\"noise\":{\"pairs\":%llu,\"candidate_only\":%llu,\"baseline_only\":%llu,\"excess\":",
	           (unsigned long long)n, (unsigned long long)t->noise.candidate_only,
	           (unsigned long long)t->noise.baseline_only);
	put_number(b,
	           n ? ((double)t->noise.candidate_only - (double)t->noise.baseline_only) / (double)n : NAN);
	buf_puts(b, ",");
	put_interval(b, "ci", n ? gate_excess(t->noise) : (struct interval){-1, 1});
	buf_puts(b, ",\"paths\":[");
	for (uint32_t i = 0; i < t->path_count; i++) {
		const struct path *p = &t->paths[i];

		buf_puts(b, i ? ",{" : "{");
		put_text(b, "path", p->name);
		buf_printf(b, ",\"diverged\":%llu,\"candidate_only\":%llu,\"baseline_only\":%llu,",
		           (unsigned long long)p->diverged, (unsigned long long)p->candidate_only,
		           (unsigned long long)p->baseline_only);
		put_double(b, "e", exp(log_e[i]));
		buf_printf(b, ",\"over_noise\":%s}", log_e[i] >= least ? "true" : "false");
	}
	buf_puts(b, "]},");
}

/* Flips by the label that live gave, the last one with all that are above it. */
static void put_labels(struct buf *b, const struct tally *t)
{
	const char *comma = "";

	buf_puts(b, "\"by_label\":[");
	for (int i = 0; i < LABELS_COUNTED; i++) {
		if (!t->label_rows[i])
			continue;
		buf_printf(b, "%s{\"label\":%d,\"rows\":%llu,\"flips\":%llu,", comma, i,
		           (unsigned long long)t->label_rows[i], (unsigned long long)t->label_flips[i]);
		put_interval(b, "ci", gate_row_rate(t->label_flips[i], t->label_rows[i], t->rows_largest));
		buf_puts(b, "}");
		comma = ",";
	}
	buf_puts(b, "],");
}

/* Groups that are too small are not told. */
static void put_fairness(struct buf *b, const struct results *r, const struct tally *t)
{
	const struct plan_fairness *f = &tally_route(r, t)->fairness;
	struct parity p;
	bool known = results_parity(r, t, &p);

	if (!f->on)
		return;
	buf_puts(b, "\"fairness\":{");
	put_text(b, "slice", f->slice);
	buf_printf(b, ",\"label\":%u,\"min_rows\":%u,\"groups\":%u,\"parity_difference\":{", f->label,
	           f->min_rows, p.groups);
	put_double(b, "live", known ? p.live : NAN);
	buf_puts(b, ",");
	put_interval(b, "live_ci", known ? p.live_ci : (struct interval){0, 1});
	buf_puts(b, ",");
	put_double(b, "candidate", known ? p.other : NAN);
	buf_puts(b, ",");
	put_interval(b, "candidate_ci", known ? p.other_ci : (struct interval){0, 1});
	buf_puts(b, ",");
	put_double(b, "change", known ? p.other - p.live : NAN);
	buf_puts(b, "}},");
}

/* The e-value that a slice diverges more often than the rest of the pairs. */
static double slice_log_e(const struct slice *s, const struct tally *t)
{
	return evidence_more_often(s->diverged, s->pairs, t->diverged - s->diverged, t->pairs - s->pairs,
	                           GATE_T_OPT);
}

/* Each interval at the run's alpha; of many slices some stand out by chance, and `stands_out` is corrected
 * for that (e-BH). */
static void put_slices(struct buf *b, const struct tally *t)
{
	double log_e[SLICES_COUNTED], least;

	for (uint32_t i = 0; i < t->slice_count; i++)
		log_e[i] = slice_log_e(&t->slices[i], t);
	evidence_bh(log_e, t->slice_count, GATE_ALPHA, &least);
	buf_puts(b, ",\"slices\":[");
	for (uint32_t i = 0; i < t->slice_count; i++) {
		const struct slice *s = &t->slices[i];

		buf_puts(b, i ? ",{" : "{");
		put_text(b, "slice", s->name);
		buf_puts(b, ",");
		put_integer(b, "pairs", s->pairs);
		buf_puts(b, ",");
		put_integer(b, "diverged", s->diverged);
		buf_puts(b, ",");
		put_interval(b, "ci", stat_rate(s->diverged, s->pairs, GATE_ALPHA, GATE_T_OPT));
		buf_printf(b, ",\"stands_out\":%s}", log_e[i] >= least ? "true" : "false");
	}
	buf_puts(b, "]");
}

static void put_privacy(struct buf *b, const struct tally *t)
{
	buf_puts(b, "\"privacy_new\":{");
	put_integer(b, "pairs", t->looked);
	buf_puts(b, ",");
	put_integer(b, "count", t->privacy_new);
	buf_puts(b, ",");
	put_double(b, "rate", share(t->privacy_new, t->looked));
	buf_puts(b, ",");
	put_interval(b, "ci", stat_rate(t->privacy_new, t->looked, GATE_ALPHA, GATE_T_OPT));
	buf_puts(b, "},");
}

/* What the proposing half of the pairs proposed, with the figures of the other half. */
static void put_auto_slices(struct buf *b, const struct auto_slices *s)
{
	unsigned proposed[AUTO_PROPOSED], n = auto_proposed(s, proposed);
	double log_e[AUTO_PROPOSED], least;

	for (unsigned i = 0; i < n; i++)
		log_e[i] = auto_log_e(s, proposed[i], AUTO_TESTS);
	evidence_bh(log_e, n, GATE_ALPHA, &least);
	buf_printf(b, ",\"auto_slices\":{\"left_out\":%llu,\"pairs\":%llu,\"diverged\":%llu,\"proposed\":[",
	           (unsigned long long)s->left_out, (unsigned long long)s->pairs[AUTO_TESTS],
	           (unsigned long long)s->diverged[AUTO_TESTS]);
	for (unsigned i = 0; i < n; i++) {
		const struct auto_predicate *p = &s->at[proposed[i]];
		uint64_t pairs = p->pairs[AUTO_TESTS], diverged = p->diverged[AUTO_TESTS];

		buf_puts(b, i ? ",{" : "{");
		put_text(b, "slice", p->name);
		buf_printf(b, ",\"pairs\":%llu,\"diverged\":%llu,", (unsigned long long)pairs,
		           (unsigned long long)diverged);
		put_interval(b, "ci", stat_rate(diverged, pairs, GATE_ALPHA, GATE_T_OPT));
		buf_puts(b, ",");
		put_double(b, "e", exp(log_e[i]));
		buf_printf(b, ",\"stands_out\":%s}", log_e[i] >= least ? "true" : "false");
	}
	buf_puts(b, "]}");
}

static void put_divergence(struct buf *b, const struct results *r, const struct tally *t)
{
	const struct tally *baseline = results_baseline(r, t->route);

	put_integer(b, "pairs", t->pairs);
	buf_puts(b, ",");
	put_integer(b, "rows", t->rows);
	buf_puts(b, ",");
	put_integer(b, "diverged", t->diverged);
	buf_puts(b, ",");
	put_double(b, "divergence_rate", share(t->diverged, t->pairs));
	buf_puts(b, ",");
	put_interval(b, "divergence_ci", stat_rate(t->diverged, t->pairs, GATE_ALPHA, GATE_T_OPT));
	buf_puts(b, ",");
	put_double(b, "noise_rate",
	           baseline && baseline != t ? share(baseline->diverged, baseline->pairs) : NAN);
	buf_puts(b, ",");
	put_integer(b, "against_baseline", t->against_baseline);
	buf_puts(b, ",");
	put_privacy(b, t);
	put_double(b, "row_divergence_rate", share(t->rows_diverged, t->rows));
	buf_puts(b, ",");
	put_interval(b, "row_divergence_ci", gate_row_rate(t->rows_diverged, t->rows, t->rows_largest));
	buf_puts(b, ",");
}

/* Of the exchanges that both sides answered, the share in which both were asked the same question. */
static void put_comparable(struct buf *b, const uint64_t counts[OUTCOMES])
{
	uint64_t compared = counts[0], masked = counts[OUTCOME_MASKED_INPUT - OUTCOME_COMPARED];

	put_double(b, "comparable_share", share(compared, compared + masked));
	buf_puts(b, ",");
}

/* Who answered, by the model that was asked for. */
static void put_versions(struct buf *b, const struct tally *t)
{
	static const char *const sides[] = {"live", "candidate", "baseline"};

	buf_puts(b, "\"versions\":[");
	for (uint32_t i = 0; i < t->combination_count; i++) {
		buf_puts(b, i ? ",{" : "{");
		put_text(b, "asked", t->combinations[i].asked.text);
		for (int side = 0; side < VERSION_SIDES; side++) {
			buf_puts(b, ",");
			put_text(b, sides[side], t->combinations[i].sides[side].text);
		}
		buf_puts(b, "}");
	}
	buf_puts(b, "]");
}

/* The figures beside it are those of the current segment; these are each one's own, when there are several.
 */
static void put_segments(struct buf *b, const struct results *r, const struct tally *current,
                         const struct ledger_counts *all)
{
	unsigned number = tally_number(r, current->route, current->candidate),
	         n = results_segments(r, number);

	buf_puts(b, ",");
	put_versions(b, current);
	buf_printf(b, ",\"versions_left_out\":%llu,\"segments\":[",
	           (unsigned long long)tally_segment(r, number, 0)->left_out);
	for (unsigned s = 0; n > 1 && s < n; s++) {
		const struct tally *t = tally_segment(r, number, s);
		struct judgement j = {.count = 0};

		if (!tally_candidate(r, t)->baseline)
			results_judge(r, t, all, &j);
		buf_printf(b,
		           "%s{\"segment\":%u,\"current\":%s,\"verdict\":\"%s\",\"first_us\":%llu,\"last_"
		           "us\":%llu,",
		           s ? "," : "", s + 1, t == current ? "true" : "false", gate_state_name(j.verdict),
		           (unsigned long long)t->first_us, (unsigned long long)t->last_us);
		put_divergence(b, r, t);
		put_gates(b, &j);
		buf_puts(b, ",");
		put_versions(b, t);
		buf_puts(b, "}");
	}
	buf_puts(b, "]");
}

static void put_candidate(struct buf *b, const struct results *r, const struct tally *t,
                          const struct ledger_counts *all, const struct judgement *j)
{
	const struct plan_candidate *candidate = tally_candidate(r, t);

	buf_puts(b, "{");
	put_text(b, "name", candidate->name);
	buf_puts(b, ",");
	put_text(b, "route", tally_route(r, t)->name);
	buf_printf(b, ",\"role\":\"%s\",\"verdict\":", candidate->baseline ? "baseline" : "candidate");
	if (candidate->baseline)
		buf_puts(b, "null,");
	else
		buf_printf(b, "\"%s\",", gate_state_name(j->verdict));
	buf_puts(b, "\"gate\":");
	buf_json_string(b, span_of(t->standing.gate));
	buf_puts(b, ",");
	put_counts(b, all->route_seen[t->route], all->candidate[t->route][t->candidate],
	           all->candidate_open[t->route][t->candidate]);
	buf_puts(b, ",");
	put_comparable(b, all->candidate[t->route][t->candidate]);
	put_divergence(b, r, t);
	put_classes(b, t);
	put_read_as(b, t);
	put_ignored(b, tally_route(r, t));
	put_agreement(b, &t->agreement);
	put_pace(b, t);
	buf_puts(b, "\"measures\":{");
	for (int m = 0; m < MEASURES; m++) {
		buf_puts(b, m ? "," : "");
		put_measure(b, measure_name(m), &t->measures[m], t->row_sums[m], t->rows_measured[m]);
	}
	buf_puts(b, "},");
	put_latency(b, r, t, results_timeouts(t->settled));
	put_throughput(b, r, t, results_seen(r, t, all));
	put_neighbours(b, t);
	put_session(b, r, t);
	put_weight(b, r, t);
	put_moves(b, &r->plan->replay_move, t);
	put_share(b, &t->share);
	put_drill(b, r, t);
	put_control(b, t);
	put_noise(b, t);
	put_labels(b, t);
	put_fairness(b, r, t);
	results_put_drift(b, r, t);
	put_gates(b, j);
	put_segments(b, r, t, all);
	put_slices(b, t);
	if (tally_route(r, t)->auto_slices)
		put_auto_slices(b, &t->auto_slices);
	buf_puts(b, "}");
}

/* --- the files --- */

/* Every candidate into `candidates`; the run's verdict and the sentence for it. 0, or why a table was not
 * written: the texts are whole. */
static int judge_all(struct results *r, const struct ledger_counts *all, struct buf *candidates,
                     struct buf *why, enum gate_state *verdict_out)
{
	enum gate_state verdict = GATE_PASS;
	unsigned judged = 0;
	int rc = 0;

	for (unsigned i = 0; i < r->tally_count; i++) {
		struct tally *t = tally_current(r, i);
		struct judgement j = {.count = 0};

		results_settled(r, t, all, t->settled);

		t->standing = (struct results_standing){
		        .pairs = t->pairs, .diverged = t->diverged, .state = STANDING_NONE, .gate = ""};
		if (!tally_candidate(r, t)->baseline) {
			results_judge(r, t, all, &j);
			t->standing = results_standing_of(t, &j);
			if (!judged++ || gate_worse(verdict, j.verdict) != verdict) {
				buf_reset(why);
				put_reason(why, r, t, &j);
			}
			verdict = gate_worse(verdict, j.verdict);
		}
		if (i)
			buf_puts(candidates, ",");
		put_candidate(candidates, r, t, all, &j);
		if (!rc)
			rc = results_store_gates(r, t, &j);
	}
	if (!judged)
		buf_puts(why, "\"no candidate\"");
	*verdict_out = judged ? verdict : GATE_UNDECIDED;
	return rc;
}

/* The same, and the tables that follow the figures, in one transaction. */
static int judge_stored(struct results *r, const struct ledger_counts *all, struct buf *candidates,
                        struct buf *why, enum gate_state *verdict_out)
{
	bool own = !r->in_transaction;
	int begun = own ? results_execute(r, "BEGIN IMMEDIATE") : 0;
	int rc = judge_all(r, all, candidates, why, verdict_out);

	if (!rc)
		rc = begun;
	if (own && !rc)
		rc = results_execute(r, "COMMIT");
	if (own && rc)
		results_roll_back(r);
	return rc;
}

/* What shadowing cost the live path, at the median. */
static void put_cost(struct buf *b, const struct safeguard_cost *c)
{
	buf_puts(b, ",\"shadowing\":{");
	put_text(b, "method", c->method);
	buf_puts(b, ",");
	put_double(b, "cost_us", c->known ? c->ns / 1e3 : NAN);
	buf_puts(b, ",");
	put_interval(b, "ci",
	             c->known ? (struct interval){c->low_ns / 1e3, c->high_ns / 1e3}
	                      : (struct interval){NAN, NAN});
	if (c->limit_ns) {
		buf_puts(b, ",");
		put_double(b, "limit_us", (double)c->limit_ns / 1e3);
		buf_puts(b, ",");
		put_integer(b, "groups", c->groups);
		buf_printf(b, ",\"switched_off\":%s", c->switched_off ? "true" : "false");
	}
	buf_puts(b, "}");
}

/* How true a replay was to its times. */
static void put_lag(struct buf *b, const struct results_lag *lag)
{
	static const char *const names[LATE_BY] = {[LATE_SOURCE] = "source",
	                                           [LATE_CLIENT] = "client",
	                                           [LATE_TARGET] = "target",
	                                           [LATE_CONNECTION] = "connection"};

	buf_printf(b, ",\"lag_us\":{\"count\":%llu,\"p50\":%llu,\"p99\":%llu,\"max\":%llu},\"late\":{",
	           (unsigned long long)lag->count, (unsigned long long)lag->p50_us,
	           (unsigned long long)lag->p99_us, (unsigned long long)lag->max_us);
	for (int i = 0; i < LATE_BY; i++) {
		buf_puts(b, i ? "," : "");
		put_integer(b, names[i], lag->late[i]);
	}
	buf_puts(b, "},");
	put_double(b, "time_error",
	           lag->planned_ns ? (double)lag->actual_ns / (double)lag->planned_ns - 1 : NAN);
}

static void put_summary(struct buf *b, const struct results *r, const struct ledger_counts *all,
                        const char *state, enum gate_state verdict, struct span reason,
                        struct span candidates, const struct results_lag *lag,
                        const struct safeguard_cost *cost, struct span more)
{
	buf_puts(b, "{\"schema\":1,");
	put_text(b, "run", r->run_id);
	buf_puts(b, ",");
	put_text(b, "state", state);
	buf_puts(b, ",\"reason\":");
	buf_span_put(b, reason);
	buf_printf(b, ",\"verdict\":\"%s\",\"alpha\":%g,\"t_opt\":%g,", gate_state_name(verdict), GATE_ALPHA,
	           GATE_T_OPT);
	put_counts(b, all->seen, all->exchange, all->open);
	buf_puts(b, ",");
	put_capture(b, all->capture);
	if (lag)
		put_lag(b, lag);
	if (cost)
		put_cost(b, cost);
	if (more.len) {
		buf_puts(b, ",");
		buf_span_put(b, more);
	}
	buf_puts(b, ",\"candidates\":[");
	buf_span_put(b, candidates);
	buf_puts(b, "]}\n");
}

int results_summary(struct results *r, const struct ledger_counts *all, const char *state, const char *reason,
                    const struct results_lag *lag, const struct safeguard_cost *cost, struct span more)
{
	struct buf text, candidates, why;
	enum gate_state verdict;
	int tables, rc = results_refresh(r);

	buf_init(&text, JSON_LIMIT_BYTES);
	buf_init(&candidates, JSON_LIMIT_BYTES);
	buf_init(&why, JSON_LIMIT_BYTES);
	if (rc)
		goto out;
	tables = judge_stored(r, all, &candidates, &why, &verdict);
	if (reason && *reason) {
		buf_reset(&why);
		buf_json_string(&why, span_of(reason));
	}
	if (!strcmp(state, "void"))
		verdict = GATE_UNDECIDED;
	put_summary(&text, r, all, state, verdict, buf_span(&why), buf_span(&candidates), lag, cost, more);
	rc = text.err ? text.err : candidates.err ? candidates.err : why.err;
	if (!rc)
		rc = results_write_file(r->directory, "summary.json", buf_span(&text));
	if (!rc)
		rc = tables;
out:
	buf_fini(&text);
	buf_fini(&candidates);
	buf_fini(&why);
	return rc;
}

static int write_all(int fd, struct span text)
{
	while (text.len) {
		ssize_t n = write(fd, text.data, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_SYS;
		text.data += n;
		text.len -= (size_t)n;
	}
	return 0;
}

int results_file(const struct results *r, const char *name, struct span text)
{
	return results_write_file(r->directory, name, text);
}

int results_write_file(const char *directory, const char *name, struct span text)
{
	char path[PATH_MAX_BYTES + 32], fresh[PATH_MAX_BYTES + 40];
	int fd, rc;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	snprintf(fresh, sizeof fresh, "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return ERR_SYS;
	rc = write_all(fd, text);
	if (close(fd) < 0 || rc)
		return ERR_SYS;
	return rename(fresh, path) < 0 ? ERR_SYS : 0;
}
