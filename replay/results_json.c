/*
 * results_json.c - summary.json: every exchange counted, every candidate judged, the run's verdict and the
 * sentence that explains it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "replay/results_inside.h"
#include "replay/safeguard.h"

enum { JSON_LIMIT_BYTES = 16 << 20 };

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

void results_put_counts(struct buf *b, uint64_t seen, const uint64_t counts[OUTCOMES], uint64_t open)
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

void results_put_gates(struct buf *b, const struct judgement *j)
{
	buf_puts(b, "\"gates\":[");
	for (unsigned i = 0; i < j->count; i++) {
		if (i)
			buf_puts(b, ",");
		put_gate(b, &j->gates[i], &j->results[i]);
	}
	buf_puts(b, "]");
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
		results_put_candidate(candidates, r, t, all, &j);
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
	results_put_counts(b, all->seen, all->exchange, all->open);
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
