/*
 * results_json_candidate.c - in summary.json, one candidate: how often it diverges, and how sure that is.
 */
#include <math.h>
#include <string.h>

#include "capture/fault.h"
#include "replay/results_inside.h"

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
		put_rate(b, "rate", k, n);
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
	buf_printf(b, ",\"diverged_alike\":%s,\"latency_alike\":%s,", one > 2 / sqrt(n) ? "true" : "false",
	           two > 2 / sqrt(n) ? "true" : "false");
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
	put_rate(b, "rate", k, n);
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

/* Of the faults planted in clones of pairs that agreed, how many the comparison found. */
static void put_control(struct buf *b, const struct tally *t)
{
	buf_printf(b, "\"control\":{\"planted\":%llu,\"found\":%llu,", (unsigned long long)t->planted,
	           (unsigned long long)t->planted_found);
	put_rate(b, "sensitivity", t->planted_found, t->planted);
	buf_puts(b, "},");
}

static void put_privacy(struct buf *b, const struct tally *t)
{
	buf_puts(b, "\"privacy_new\":{");
	put_integer(b, "pairs", t->looked);
	buf_puts(b, ",");
	put_integer(b, "count", t->privacy_new);
	buf_puts(b, ",");
	put_rate(b, "rate", t->privacy_new, t->looked);
	buf_puts(b, ",");
	put_interval(b, "ci", stat_rate(t->privacy_new, t->looked, GATE_ALPHA, GATE_T_OPT));
	buf_puts(b, "},");
}

static void put_divergence(struct buf *b, const struct results *r, const struct tally *t)
{
	const struct tally *baseline = results_baseline(r, t->route);
	bool noise = baseline && baseline != t;

	put_integer(b, "pairs", t->pairs);
	buf_puts(b, ",");
	put_integer(b, "rows", t->rows);
	buf_puts(b, ",");
	put_integer(b, "diverged", t->diverged);
	buf_puts(b, ",");
	put_rate(b, "divergence_rate", t->diverged, t->pairs);
	buf_puts(b, ",");
	put_interval(b, "divergence_ci", stat_rate(t->diverged, t->pairs, GATE_ALPHA, GATE_T_OPT));
	buf_puts(b, ",");
	put_rate(b, "noise_rate", noise ? baseline->diverged : 0, noise ? baseline->pairs : 0);
	buf_puts(b, ",");
	put_integer(b, "against_baseline", t->against_baseline);
	buf_puts(b, ",");
	put_privacy(b, t);
	put_rate(b, "row_divergence_rate", t->rows_diverged, t->rows);
	buf_puts(b, ",");
	put_interval(b, "row_divergence_ci", gate_row_rate(t->rows_diverged, t->rows, t->rows_largest));
	buf_puts(b, ",");
}

/* Of the exchanges that both sides answered, the share in which both were asked the same question. */
static void put_comparable(struct buf *b, const uint64_t counts[OUTCOMES])
{
	uint64_t compared = counts[0], masked = counts[OUTCOME_MASKED_INPUT - OUTCOME_COMPARED];

	put_rate(b, "comparable_share", compared, compared + masked);
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
		results_put_gates(b, &j);
		buf_puts(b, ",");
		put_versions(b, t);
		buf_puts(b, "}");
	}
	buf_puts(b, "]");
}

void results_put_candidate(struct buf *b, const struct results *r, const struct tally *t,
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
	results_put_counts(b, all->route_seen[t->route], all->candidate[t->route][t->candidate],
	                   all->candidate_open[t->route][t->candidate]);
	buf_puts(b, ",");
	put_comparable(b, all->candidate[t->route][t->candidate]);
	put_divergence(b, r, t);
	put_classes(b, t);
	put_read_as(b, t);
	put_ignored(b, tally_route(r, t));
	put_agreement(b, &t->agreement);
	results_put_pace(b, t);
	buf_puts(b, "\"measures\":{");
	for (int m = 0; m < MEASURES; m++) {
		buf_puts(b, m ? "," : "");
		put_measure(b, measure_name(m), &t->measures[m], t->row_sums[m], t->rows_measured[m]);
	}
	buf_puts(b, "},");
	results_put_latency(b, r, t, results_timeouts(t->settled));
	results_put_throughput(b, r, t, results_seen(r, t, all));
	put_neighbours(b, t);
	put_session(b, r, t);
	put_weight(b, r, t);
	put_moves(b, &r->plan->replay_move, t);
	put_share(b, &t->share);
	put_drill(b, r, t);
	put_control(b, t);
	results_put_noise(b, t);
	results_put_labels(b, t);
	results_put_fairness(b, r, t);
	results_put_drift(b, r, t);
	results_put_gates(b, j);
	put_segments(b, r, t, all);
	results_put_slices(b, t);
	if (tally_route(r, t)->auto_slices)
		results_put_auto_slices(b, &t->auto_slices);
	buf_puts(b, "}");
}
