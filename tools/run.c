#include "tools/run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "capture/guard.h"
#include "proto/grpc.h"
#include "replay/gate.h"

enum { TEXT_COLUMNS = 80, TEXT_LIMIT_BYTES = 1 << 20 };

int run_open(const char *name, struct run *run)
{
	char path[1100];
	int rc;

	*run = (struct run){.directory = ""};
	rc = run_find(name, run->directory);
	if (rc)
		return rc;
	snprintf(path, sizeof path, "%s/summary.json", run->directory);
	rc = doc_load(path, &run->summary);
	if (rc) {
		fprintf(stderr, "understudy: %s: %s\n", path, rc == ERR_SYS ? strerror(errno) : err_text(rc));
		return rc;
	}
	snprintf(path, sizeof path, "%s/manifest.json", run->directory);
	if (doc_load(path, &run->manifest))
		run->manifest = NULL;
	return 0;
}

void run_close(struct run *run)
{
	doc_free(&run->summary);
	doc_free(&run->manifest);
}

const char *run_metric_unit(const char *metric)
{
	int m = gate_metric_by_name(span_of(metric));

	return m < 0 ? "" : gate_metric_row((uint32_t)m)->unit;
}

const char *run_metric_bound(const char *metric)
{
	int m = gate_metric_by_name(span_of(metric));

	return m >= 0 && gate_metric_row((uint32_t)m)->direction == GATE_MIN ? "at least" : "at most";
}

const char *run_figure(double value, const char *unit, char out[32])
{
	if (!isfinite(value))
		snprintf(out, 32, "-");
	else if (!strcmp(unit, "ratio"))
		snprintf(out, 32, "%.3f", value);
	else if (!strcmp(unit, "bits"))
		snprintf(out, 32, "%.4g", value);
	else if (!strcmp(unit, "ms"))
		snprintf(out, 32, "%.3f ms", value);
	else
		snprintf(out, 32, "%.2f %%", value * 100);
	return out;
}

const char *run_figures(double low, double high, const char *unit, char out[80])
{
	char a[32], b[32];

	run_figure(low, unit, a);
	run_figure(high, unit, b);
	if (isfinite(low) && isfinite(high) && strstr(a, " %"))
		snprintf(out, 80, "[%.*s, %.*s] %%", (int)strcspn(a, " "), a, (int)strcspn(b, " "), b);
	else
		snprintf(out, 80, "[%s, %s]", a, b);
	return out;
}

double run_sum(const struct node *object)
{
	double sum = 0;

	for (const struct node *n = object ? object->child : NULL; n; n = n->next)
		sum += doc_value(n);
	return sum;
}

static const char *const left_out[][2] = {
        {"not_compared", "not compared"},
        {"excluded", "excluded"},
        {"shed", "shed"},
};
enum { LEFT_OUT = sizeof left_out / sizeof *left_out };

/* "a 2, b 1" between the brackets, or nothing at all. */
static void reasons(const struct node *group, const char *open, const char *close, struct buf *out)
{
	const char *before = open;

	for (const struct node *n = group ? group->child : NULL; n; n = n->next) {
		buf_printf(out, "%s%s %s", before, n->key, n->text ? n->text : "");
		before = ", ";
	}
	if (group && group->child)
		buf_puts(out, close);
}

double run_left_out(const struct node *counts, struct buf *out)
{
	const char *open = "";
	double sum = 0;

	for (int i = 0; i < LEFT_OUT; i++) {
		const struct node *group = doc_get(counts, left_out[i][0]);

		reasons(group, open, "", out);
		sum += run_sum(group);
		open = sum > 0 ? ", " : "";
	}
	return sum;
}

void run_counts_line(const struct node *c, struct buf *out)
{
	buf_printf(out, "%.0f seen = %.0f compared + %.0f sampled out", doc_number(c, "seen"),
	           doc_number(c, "compared"), doc_number(c, "sampled_out"));
	for (int i = 0; i < LEFT_OUT; i++) {
		buf_printf(out, " + %.0f %s", run_sum(doc_get(c, left_out[i][0])), left_out[i][1]);
		reasons(doc_get(c, left_out[i][0]), " (", ")", out);
	}
	buf_printf(out, " + %.0f open", doc_number(c, "open"));
}

const char *run_who(const struct run *run, const struct node *c, char out[160])
{
	const struct node *list = doc_get(run->summary, "candidates");
	const char *name = doc_text(c, "name");

	snprintf(out, 160, "%.64s", name);
	for (const struct node *o = list ? list->child : NULL; o; o = o->next)
		if (o != c && !strcmp(doc_text(o, "name"), name))
			snprintf(out, 160, "%.64s on %.64s", name, doc_text(c, "route"));
	for (char *at = out; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	return out;
}

/* The other candidates with the run's verdict: the sentence names the first. */
static void others(const struct run *run, const char *verdict, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "candidates");
	const char *before = strcmp(verdict, "fail") ? "; undecided too: " : "; fail too: ";
	char who[160];
	unsigned n = 0;

	for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
		if (strcmp(doc_text(c, "verdict"), verdict) || n++ == 0)
			continue;
		buf_printf(out, "%s%s", before, run_who(run, c, who));
		before = ", ";
	}
}

void run_sentence(const struct run *run, struct buf *out)
{
	const char *verdict = doc_text(run->summary, "verdict"), *reason = doc_text(run->summary, "reason");
	const char *state = doc_text(run->summary, "state");

	buf_printf(out, "%s: %s",
	           !strcmp(state, "void")     ? "VOID"
	           : !strcmp(verdict, "pass") ? "PASS"
	           : !strcmp(verdict, "fail") ? "FAIL"
	                                      : "UNDECIDED",
	           *reason ? reason : "no reason was recorded");
	if (strcmp(verdict, "pass") && strcmp(state, "void"))
		others(run, verdict, out);
	if (!strcmp(state, "running"))
		buf_puts(out, " (the run goes on)");
	else if (strcmp(state, "final") && strcmp(state, "void"))
		buf_printf(out, " (the run is %s)", state);
}

const char *run_why(const struct node *candidate)
{
	const char *verdict = doc_text(candidate, "verdict"), *gate = doc_text(candidate, "gate");

	if (doc_get(candidate, "drill"))
		return "a drill";
	if (*gate)
		return gate;
	return !strcmp(verdict, "pass")        ? "every gate holds"
	       : !strcmp(verdict, "undecided") ? "no gate declared"
	                                       : "";
}

/* --- text for terminals: 80 columns --- */

/* Breaks the line between words. */
static void put_wrapped(struct buf *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = 1 + strcspn(text + 1, " ");

		while (!strncmp(text + n, " %", 2)) /* a figure stays with its sign */
			n += 2 + strcspn(text + n + 2, " ");
		if (column && column + n > TEXT_COLUMNS) {
			buf_puts(out, "\n   ");
			column = 3;
		}
		buf_put(out, text, n);
		column += n;
		text += n;
	}
	buf_puts(out, "\n");
}

/* A text of its own, wrapped: `line` is emptied. */
static void put_line(struct buf *out, struct buf *line)
{
	buf_put(line, "", 1);
	put_wrapped(out, line->err ? "(too long)" : buf_span(line).data);
	buf_reset(line);
}

void run_gate_notes(const struct node *g, struct buf *out)
{
	const char *slice = doc_text(g, "slice"), *why = doc_text(g, "why");
	const struct node *critical = doc_get(g, "critical");
	const char *comma = "";

	if (*slice) {
		buf_printf(out, "in %s", slice);
		comma = ", ";
	}
	if (critical && critical->type == JSON_FALSE) {
		buf_printf(out, "%snot critical", comma);
		comma = ", ";
	}
	if (*why)
		buf_printf(out, "%s%s", comma, why);
}

void run_beyond_noise(const struct node *c, struct buf *out)
{
	const struct node *noise = doc_get(c, "noise"), *paths = doc_get(noise, "paths");
	double pairs = doc_number(noise, "pairs"), low, high;
	char excess[32], ci[80];
	const char *comma = ": ";

	if (!(pairs > 0) || !strcmp(doc_text(c, "role"), "baseline"))
		return;
	doc_interval(noise, "ci", &low, &high);
	buf_printf(out, "beyond the baseline's noise: %s %s of %.0f pairs",
	           run_figure(doc_number(noise, "excess"), "", excess), run_figures(low, high, "", ci),
	           pairs);
	for (const struct node *p = paths ? paths->child : NULL; p; p = p->next) {
		if (!doc_true(p, "over_noise"))
			continue;
		buf_printf(out, "%s%s", comma, doc_text(p, "path"));
		comma = ", ";
	}
}

void run_control(const struct node *c, struct buf *out)
{
	const struct node *control = doc_get(c, "control");

	if (doc_number(control, "planted") > 0)
		buf_printf(out, "control: planted %.0f, found %.0f", doc_number(control, "planted"),
		           doc_number(control, "found"));
}

void run_fairness(const struct node *c, struct buf *out)
{
	const struct node *fairness = doc_get(c, "fairness"),
	                  *parity = doc_get(fairness, "parity_difference");
	char live[32], candidate[32];

	if (fairness)
		buf_printf(out, "label %.0f by %s, the groups furthest apart: live %s, candidate %s",
		           doc_number(fairness, "label"), doc_text(fairness, "slice"),
		           run_figure(doc_number(parity, "live"), "", live),
		           run_figure(doc_number(parity, "candidate"), "", candidate));
}

/* The side's distance, and the feature that has it. */
static void drift_side(const struct node *side, const char *of, bool first, struct buf *out)
{
	const struct node *features = doc_get(side, "features"), *most = NULL;
	char value[32], ci[80];
	double low, high;

	for (const struct node *f = features ? features->child : NULL; f; f = f->next)
		if (!most || doc_number(f, "distance") > doc_number(most, "distance") ||
		    isnan(doc_number(most, "distance")))
			most = f;
	if (!side)
		return;
	doc_interval(side, "ci", &low, &high);
	buf_printf(out, "%s%s %s", first ? "" : "; ", of, run_figure(doc_number(side, "value"), "", value));
	if (most && isfinite(doc_number(most, "distance")))
		buf_printf(out, " %s at %s (PSI %.3f, without drift %.3f)", run_figures(low, high, "", ci),
		           doc_text(most, "feature"), doc_number(most, "psi"),
		           doc_number(most, "psi_without_drift"));
}

void run_drift(const struct node *c, struct buf *out)
{
	const struct node *drift = doc_get(c, "drift");

	drift_side(doc_get(drift, "inputs"), "drift of requests", true, out);
	drift_side(doc_get(drift, "outputs"), "drift of answers", !doc_get(drift, "inputs"), out);
}

void run_value(const struct node *c, struct buf *out)
{
	const struct node *weight = doc_get(c, "weight");
	char rate[32], ci[80];
	double low, high;

	if (!weight)
		return;
	doc_interval(weight, "ci", &low, &high);
	buf_printf(out, "by value (%s, at most %g): %s %s diverged, %.0f pairs without",
	           doc_text(weight, "path"), doc_number(weight, "cap"),
	           run_figure(doc_number(weight, "rate"), "", rate), run_figures(low, high, "", ci),
	           doc_number(weight, "without"));
}

void run_dependence(const struct node *c, struct buf *out)
{
	const struct node *session = doc_get(c, "session"), *lag = doc_get(c, "autocorrelation");
	const char *before = "";
	char ci[80];
	double low, high;

	if (session) {
		doc_interval(session, "divergence_ci", &low, &high);
		buf_printf(out, "%.0f sessions, the largest of %.0f pairs: %s, design effect %.2f",
		           doc_number(session, "count"), doc_number(session, "largest"),
		           run_figures(low, high, "", ci), doc_number(session, "design_effect"));
		before = "; ";
	}
	if (doc_true(lag, "diverged_alike")) {
		doc_interval(lag, "block_ci", &low, &high);
		buf_printf(out,
		           "%sdivergence of neighbours is alike (lag 1: %.2f): with %.0f pairs as one, %s",
		           before, doc_number(lag, "diverged_lag_1"), doc_number(lag, "block_pairs"),
		           run_figures(low, high, "", ci));
		before = "; ";
	}
	if (doc_true(lag, "latency_alike"))
		buf_printf(out, "%slatency of neighbours is alike (lag 1: %.2f)", before,
		           doc_number(lag, "latency_lag_1"));
}

void run_moves(const struct node *c, struct buf *out)
{
	const struct node *m = doc_get(c, "monotonicity"), *live = doc_get(m, "live"),
	                  *candidate = doc_get(m, "candidate");
	char one[32], two[32], first[80], second[80];
	double low, high;

	if (!m)
		return;
	doc_interval(live, "ci", &low, &high);
	run_figures(low, high, "", first);
	doc_interval(candidate, "ci", &low, &high);
	buf_printf(out,
	           "%s by %+g, %s must not %s: broken by live in %s %s, by the candidate in %s %s of %.0f",
	           doc_text(m, "path"), doc_number(m, "step"), doc_text(m, "score"), doc_text(m, "must_not"),
	           run_figure(doc_number(live, "rate"), "", one), first,
	           run_figure(doc_number(candidate, "rate"), "", two), run_figures(low, high, "", second),
	           doc_number(m, "moved"));
}

void run_goodput(const struct node *c, struct buf *out)
{
	const struct node *t = doc_get(c, "throughput"), *times = doc_get(c, "latency_us");
	const char *before = "";

	if (doc_number(times, "timeouts") > 0) {
		buf_printf(out, "%.0f timeouts count as longer than any answer",
		           doc_number(times, "timeouts"));
		before = "; ";
	}
	if (doc_get(t, "slo_ms"))
		buf_printf(out,
		           "%sgoodput within %.0f ms: live %.3g, candidate %.3g of %.3g answers a second",
		           before, doc_number(t, "slo_ms"), doc_number(t, "live_goodput"),
		           doc_number(t, "candidate_goodput"), doc_number(t, "candidate_rps"));
}

static void text_gate(const struct node *g, struct buf *line, struct buf *out)
{
	char value[32], limit[32], ci[80], bound[48];
	const char *metric = doc_text(g, "metric"), *unit = run_metric_unit(metric);
	double low, high, needed = doc_number(g, "needed");

	doc_interval(g, "ci", &low, &high);
	snprintf(bound, sizeof bound, "%s %s", strcmp(run_metric_bound(metric), "at most") ? ">=" : "<=",
	         run_figure(doc_number(g, "limit"), unit, limit));
	buf_printf(out, "  %-22s %-11s %8s %-18s %s", metric, bound,
	           run_figure(doc_number(g, "value"), unit, value), run_figures(low, high, unit, ci),
	           doc_text(g, "state"));
	if (isfinite(needed) && needed > 0)
		buf_printf(out, " +%.0f", needed);
	buf_puts(out, "\n");
	buf_puts(line, "    ");
	run_gate_notes(g, line);
	if (buf_len(line) > 4)
		put_line(out, line);
	buf_reset(line);
}

void run_share(const struct node *candidate, struct buf *out)
{
	const struct node *share = doc_get(candidate, "share");
	const char *stopped = doc_text(share, "stopped");
	double stages = doc_number(share, "stages"), falls = doc_number(share, "falls");

	if (stages > 0)
		buf_printf(out, "ramp at stage %.0f of %.0f", doc_number(share, "stage"), stages);
	if (stages > 0 && falls > 0)
		buf_printf(out, ", went back %.0f time%s", falls, falls > 1 ? "s" : "");
	if (!*stopped)
		return;
	buf_printf(out, "%sseen enough (%s): watched at %.4g %%, about %.0f copies saved",
	           stages > 0 ? "; " : "", stopped, doc_number(share, "sample") * 100,
	           doc_number(share, "saved"));
}

const char *run_time(double us, char out[24])
{
	double size = fabs(us);

	if (!isfinite(us))
		snprintf(out, 24, "unknown");
	else if (size < 1e3)
		snprintf(out, 24, "%.3g us", us);
	else if (size < 1e6)
		snprintf(out, 24, "%.3g ms", us / 1e3);
	else
		snprintf(out, 24, "%.3g s", us / 1e6);
	return out;
}

const struct node *run_in_manifest(const struct run *run, const struct node *candidate)
{
	const struct node *routes = doc_get(run->manifest, "routes");

	for (const struct node *r = routes ? routes->child : NULL; r; r = r->next) {
		const struct node *list = doc_get(r, "candidates");

		for (const struct node *c = list ? list->child : NULL; c; c = c->next)
			if (!strcmp(doc_text(r, "name"), doc_text(candidate, "route")) &&
			    !strcmp(doc_text(c, "name"), doc_text(candidate, "name")))
				return c;
	}
	return NULL;
}

void run_containment(const struct node *candidate, struct buf *out)
{
	const struct node *sandbox = doc_get(candidate, "sandbox");
	bool contained = !strcmp(doc_text(candidate, "containment"), "contained");

	if (!doc_get(candidate, "containment"))
		return;
	if (!contained || !sandbox)
		buf_puts(out, "remote, not contained by us");
	else
		buf_printf(out, "contained, its program sha256 %.64s, what it read sha256 %.64s",
		           doc_text(candidate, "digest"), doc_text(sandbox, "content_digest"));
}

void run_cost(const struct run *run, struct buf *out)
{
	const struct node *s = doc_get(run->summary, "shadowing");
	double cost = doc_number(s, "cost_us"), limit = doc_number(s, "limit_us"), low, high;
	char value[24], from[24], to[24];

	if (!s)
		return;
	doc_interval(s, "ci", &low, &high);
	if (isfinite(cost))
		buf_printf(out, "shadowing cost the live path %s at the median (95 %%: %s to %s)",
		           run_time(cost, value), run_time(low, from), run_time(high, to));
	else
		buf_puts(out, "what shadowing cost the live path is not known: too few exchanges");
	if (limit > 0)
		buf_printf(out, ", limit %s%s", run_time(limit, value),
		           doc_true(s, "switched_off") ? ": it has been switched off" : "");
}

/* "divergence_rate of svc over 10 % (pause): 2 times, acting" */
static void put_guard(const struct node *g, struct buf *out)
{
	const struct guard_unit_row *unit = guard_unit_named(doc_text(g, "unit"));
	const char *candidate = doc_text(g, "candidate");
	double trips = doc_number(g, "trips");

	buf_printf(out, "%s%s%s over %.4g%s (%s)", doc_text(g, "metric"), *candidate ? " of " : "", candidate,
	           doc_number(g, "max") * unit->scale, unit->sign, doc_text(g, "action"));
	if (trips > 0)
		buf_printf(out, ": %.0f time%s%s", trips, trips > 1 ? "s" : "",
		           doc_true(g, "tripped") ? ", acting" : "");
	else
		buf_puts(out, ": never");
}

void run_masked_paths(const struct run *run, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "masked_paths");
	const char *before = "not compared, since masked where it was recorded: ";

	for (const struct node *p = list ? list->child : NULL; p; p = p->next) {
		if (!(doc_number(p, "left_out") > 0))
			continue;
		buf_printf(out, "%s%s on %s (%.0f values)", before, doc_text(p, "path"), doc_text(p, "route"),
		           doc_number(p, "left_out"));
		before = ", ";
	}
}

void run_guards(const struct run *run, struct buf *out)
{
	const struct node *list = doc_get(run->summary, "safeguards"),
	                  *frozen = doc_get(run->summary, "incidents");
	const char *before = "safeguards: ";

	for (const struct node *g = list ? list->child : NULL; g; g = g->next) {
		buf_puts(out, before);
		put_guard(g, out);
		before = "; ";
	}
	before = buf_len(out) ? "; see RUN/incidents: " : "see RUN/incidents: ";
	for (const struct node *i = frozen ? frozen->child : NULL; i; i = i->next) {
		buf_printf(out, "%s%.64s", before, i->text ? i->text : "");
		before = ", ";
	}
}

static void text_about(const struct node *c, void tell(const struct node *, struct buf *), struct buf *line,
                       struct buf *out)
{
	buf_puts(line, "  ");
	tell(c, line);
	if (buf_len(line) > 2)
		put_line(out, line);
	buf_reset(line);
}

static void text_candidate(const struct run *run, const struct node *c, struct buf *line, struct buf *out)
{
	const struct node *gates = doc_get(c, "gates");
	char rate[32], who[160];

	buf_puts(out, "\n");
	buf_printf(line, "%s (%s): ", run_who(run, c, who), doc_text(c, "role"));
	if (*doc_text(c, "verdict"))
		buf_printf(line, "%s (%s), ", doc_text(c, "verdict"), run_why(c));
	buf_printf(line, "%.0f pairs, %.0f diverged (%s)", doc_number(c, "pairs"), doc_number(c, "diverged"),
	           run_figure(doc_number(c, "divergence_rate"), "pair", rate));
	put_line(out, line);
	buf_puts(line, "  ");
	run_containment(run_in_manifest(run, c), line);
	if (buf_len(line) > 2)
		put_line(out, line);
	buf_reset(line);
	buf_puts(line, "  left out: ");
	if (run_left_out(doc_get(c, "counts"), line) > 0)
		put_line(out, line);
	buf_reset(line);
	buf_puts(line, "  ");
	run_share(c, line);
	if (buf_len(line) > 2)
		put_line(out, line);
	buf_reset(line);
	text_about(c, run_versions, line, out);
	text_about(c, run_ignored, line, out);
	text_about(c, run_beyond_noise, line, out);
	text_about(c, run_control, line, out);
	text_about(c, run_fairness, line, out);
	text_about(c, run_drift, line, out);
	text_about(c, run_value, line, out);
	text_about(c, run_dependence, line, out);
	text_about(c, run_moves, line, out);
	text_about(c, run_goodput, line, out);
	if (gates && gates->child)
		buf_printf(out, "  %-22s %-11s %8s %-18s %s\n", "gate", "limit", "value", "interval (95 %)",
		           "state +needed");
	for (const struct node *g = gates ? gates->child : NULL; g; g = g->next)
		text_gate(g, line, out);
}

/* Names of a capture's routes, and a run directory from elsewhere, may hold anything: what reaches a terminal
 * is printable ASCII. */
static void make_plain(struct buf *out, size_t from)
{
	char *text = (char *)out->base + out->head;

	for (size_t i = from, n = buf_len(out); i < n; i++)
		if (text[i] != '\n' && (text[i] < 0x20 || text[i] > 0x7e))
			text[i] = '?';
}

void run_text(const struct run *run, struct buf *out)
{
	size_t from = buf_len(out);
	const struct node *list = doc_get(run->summary, "candidates");
	struct buf line;

	buf_init(&line, TEXT_LIMIT_BYTES);
	run_sentence(run, &line);
	put_line(out, &line);
	buf_printf(&line, "run %s: ", doc_text(run->summary, "run"));
	run_counts_line(doc_get(run->summary, "counts"), &line);
	put_line(out, &line);
	run_cost(run, &line);
	if (buf_len(&line))
		put_line(out, &line);
	run_guards(run, &line);
	if (buf_len(&line))
		put_line(out, &line);
	run_masked_paths(run, &line);
	if (buf_len(&line))
		put_line(out, &line);
	for (const struct node *c = list ? list->child : NULL; c; c = c->next)
		text_candidate(run, c, &line, out);
	buf_fini(&line);
	make_plain(out, from);
}

void run_status_text(int status, char out[48])
{
	if (status >= 100 || status < 0)
		snprintf(out, 48, "status %d", status);
	else
		snprintf(out, 48, "grpc-status %d %s", status, grpc_status_name((unsigned)status));
}
