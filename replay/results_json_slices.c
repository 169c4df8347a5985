/*
 * results_json_slices.c - in summary.json, a candidate's figures apart by where pairs differ, by label, by
 * slice.
 */
#include <math.h>

#include "replay/results_inside.h"

void results_put_noise(struct buf *b, const struct tally *t)
{
	double log_e[PATHS_COUNTED], least;
	uint64_t n = t->noise.pairs;

	for (uint32_t i = 0; i < t->path_count; i++)
		log_e[i] = results_path_log_e(&t->paths[i]);
	evidence_bh(log_e, t->path_count, GATE_ALPHA, &least);
	buf_printf(b, "\"noise\":{\"pairs\":%llu,\"candidate_only\":%llu,\"baseline_only\":%llu,",
	           (unsigned long long)n, (unsigned long long)t->noise.candidate_only,
	           (unsigned long long)t->noise.baseline_only);
	put_double(b, "excess",
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

void results_put_labels(struct buf *b, const struct tally *t)
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

void results_put_fairness(struct buf *b, const struct results *r, const struct tally *t)
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

void results_put_slices(struct buf *b, const struct tally *t)
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

void results_put_auto_slices(struct buf *b, const struct auto_slices *s)
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
