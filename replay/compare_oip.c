/*
 * compare_oip.c - the outputs of two answers as tensors, each by what it is: classes, values, or what the
 * plan declares (compare_kinds.c).
 */
#include <math.h>
#include <stdlib.h>

#include "replay/compare_inside.h"

enum { TOP = 5 };
static const double LIVE_SUM_ERROR = 1e-6;
/* A candidate row further from 1 is no distribution: a VALUE divergence without measures. Wide enough for
 * FP16. */
static const double CANDIDATE_SUM_ERROR = 1e-2;

static bool rows_sum_to_one(const double *values, size_t count, size_t width)
{
	for (size_t from = 0; from < count; from += width) {
		double sum = 0;

		for (size_t i = from; i < from + width; i++) {
			if (!(values[i] >= 0))
				return false;
			sum += values[i];
		}
		if (!(fabs(sum - 1) <= LIVE_SUM_ERROR))
			return false;
	}
	return true;
}

/* Rank 1 is one row only when no other output tells of a batch. */
static bool batch_of_one(const struct oip_answer *a)
{
	for (unsigned i = 0; i < a->count; i++)
		if (a->tensors[i].rank >= 2 && a->tensors[i].shape[0] != 1)
			return false;
	return true;
}

/* What the plan says that an output of this name is. */
static enum output_kind declared(const struct job *j, const struct oip_answer *live, struct span name)
{
	for (uint32_t i = 0; i < j->route->output_count; i++) {
		struct span plain = span_of(j->route->outputs[i].name);

		if (live->plain ? span_eq(name, plain) : json_string_eq(name, plain))
			return j->route->outputs[i].kind;
	}
	return j->embedding ? OUTPUT_EMBEDDING : OUTPUT_AUTO;
}

/* What it is compared as: what is declared, where it has that form. */
static enum output_kind kind_of(const struct job *j, const struct oip_answer *live,
                                const struct oip_tensor *t)
{
	enum output_kind kind = declared(j, live, t->name);
	size_t width = t->rank ? t->shape[t->rank - 1] : 0;
	bool wide = t->count && width > 1 && (t->rank > 1 || batch_of_one(live));

	if (kind == OUTPUT_AUTO)
		return wide && t->values && rows_sum_to_one(t->values, t->count, width)
		               ? OUTPUT_CLASSIFICATION
		               : OUTPUT_VALUES;
	if (kind == OUTPUT_RANKING) /* a longer one is compared value by value: none of it is passed over */
		return wide && width <= RANKING_MAX && (t->values || t->count <= RANKED_TEXTS_MAX)
		               ? kind
		               : OUTPUT_VALUES;
	if (kind == OUTPUT_CLASSIFICATION || kind == OUTPUT_EMBEDDING)
		return wide && t->values ? kind : OUTPUT_VALUES;
	return t->values ? kind : OUTPUT_VALUES;
}

/* A row is one value of the last axis, or of the first. */
static size_t tensor_rows(const struct oip_tensor *t, enum output_kind kind)
{
	switch (kind) {
	case OUTPUT_DETECTION:
		return 1;
	case OUTPUT_CLASSIFICATION:
	case OUTPUT_EMBEDDING:
	case OUTPUT_RANKING:
		return t->count / t->shape[t->rank - 1];
	default:
		return t->rank ? t->shape[0] : 1;
	}
}

/* "$.outputs[i]" or its data is named by an ignore path. */
static bool tensor_ignored(const struct job *j, size_t index)
{
	const struct path_step steps[] = {{SPAN("outputs"), 0}, {{NULL, 0}, index}, {SPAN("data"), 0}};

	return jsondiff_ignored(j->declared, steps, 1) || jsondiff_ignored(j->declared, steps, 2) ||
	       jsondiff_ignored(j->declared, steps, 3);
}

size_t compare_oip_rows(const struct job *j, const struct oip_answer *live)
{
	size_t most = 0;

	for (unsigned i = 0; i < live->count; i++) {
		const struct oip_tensor *t = &live->tensors[i];
		size_t rows = tensor_ignored(j, i) ? 0 : tensor_rows(t, kind_of(j, live, t));

		most = rows > most ? rows : most;
	}
	return most;
}

/* The first maximum; as in numpy a NaN is one. */
static uint32_t first_maximum(const double *values, size_t count)
{
	size_t best = 0;

	for (size_t i = 1; i < count && !isnan(values[best]); i++)
		if (isnan(values[i]) || values[i] > values[best])
			best = i;
	return (uint32_t)best;
}

/* The highest first, equal ones in their order. */
static void top_places(const double *values, size_t count, size_t out[TOP])
{
	size_t have = 0;

	for (size_t i = 0; i < count; i++) {
		size_t at = have < TOP ? have++ : TOP;

		if (at == TOP && !(values[i] > values[out[TOP - 1]]))
			continue;
		for (at -= at == TOP; at > 0 && values[i] > values[out[at - 1]]; at--)
			out[at] = out[at - 1];
		out[at] = i;
	}
}

static bool is_distribution(const double *q, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++) {
		if (!(q[i] >= 0))
			return false;
		sum += q[i];
	}
	return fabs(sum - 1) <= CANDIDATE_SUM_ERROR;
}

/* The first k places of each side, as sets: shared / all (Jaccard). NaN when k is not less than half of them.
 */
static double top_overlap(const double *p, const double *q, size_t count)
{
	size_t a[TOP], b[TOP], shared = 0;

	if (count < 2 * TOP)
		return NAN;
	top_places(p, count, a);
	top_places(q, count, b);
	for (size_t i = 0; i < TOP; i++)
		for (size_t k = 0; k < TOP; k++)
			shared += a[i] == b[k];
	return (double)shared / (double)(2 * TOP - shared);
}

/* Total variation 1/2 sum |p - q|, Jensen-Shannon in bits (Lin 1991), and Hellinger's distance
 * sqrt(1 - sum sqrt(p q)), summed in index order, held in [0,1]. */
static void measure(struct row *row, const double *p, const double *q, size_t count)
{
	double tv = 0, from_p = 0, from_q = 0, affinity = 0;

	for (size_t i = 0; i < count; i++) {
		double middle = 0.5 * (p[i] + q[i]);

		tv += fabs(p[i] - q[i]);
		affinity += sqrt(p[i] * q[i]);
		if (p[i] == q[i])
			continue;
		if (p[i] > 0)
			from_p += p[i] * log2(p[i] / middle);
		if (q[i] > 0)
			from_q += q[i] * log2(q[i] / middle);
	}
	row->tv = fmin(1, 0.5 * tv);
	row->js_bits = fmin(1, fmax(0, 0.5 * from_p + 0.5 * from_q));
	row->hellinger = tv > 0 ? sqrt(fmin(1, fmax(0, 1 - affinity))) : 0;
	row->top_overlap = top_overlap(p, q, count);
	row->has_measures = true;
}

/* For whoever learns later which class was true. */
static int keep_scores(struct job *j, size_t at, const double *p, const double *q, size_t count)
{
	struct comparison *c = j->out;
	float *to;

	if (j->stream || count > COMPARE_SCORES_MAX)
		return 0;
	if (!c->scores) {
		c->scores = malloc(c->row_count * 2 * count * sizeof *c->scores);
		if (!c->scores)
			return ERR_NOMEM;
		c->classes = (uint32_t)count;
	}
	if (c->classes != count)
		return 0;
	to = c->scores + at * 2 * count;
	for (size_t i = 0; i < count; i++) {
		to[i] = (float)p[i];
		to[count + i] = (float)q[i];
	}
	j->rows[at].has_scores = true;
	return 0;
}

/* Of several classifications the first gives the measures, and the first that flips the labels. */
static int compare_classes(struct job *j, unsigned tensor, size_t at, const double *p, const double *q,
                           size_t count)
{
	struct row *row = &j->rows[at];
	uint32_t live = first_maximum(p, count), candidate = first_maximum(q, count);

	if (!row->flipped && (!row->has_measures || live != candidate)) {
		row->live_label = live;
		row->candidate_label = candidate;
	}
	if (live != candidate) {
		compare_note(j, "outputs[%u] row %zu: %u -> %u", tensor, at, live, candidate);
		j->out->counts[DIVERGENCE_LABEL_FLIP] += !row->flipped;
		row->flipped = row->diverged = true;
		row->flip_margin = fmin(1, fmax(0, p[live] - p[candidate]));
		row->has_margin = p[live] >= 0 && p[live] <= 1;
	}
	if (!is_distribution(p, count) && !is_distribution(q, count))
		return 0; /* scores that were declared to be of classes */
	if (!is_distribution(q, count)) {
		compare_note(j, "outputs[%u] row %zu: no distribution", tensor, at);
		compare_value_differs(j, row);
	} else if (!row->has_measures) {
		measure(row, p, q, count);
		return keep_scores(j, at, p, q, count);
	}
	return 0;
}

/* One is NaN or infinite where the other is not, or otherwise. */
static bool nonfinite_differs(double a, double b)
{
	return (!isfinite(a) || !isfinite(b)) && !(isnan(a) && isnan(b)) && a != b;
}

static void compare_nonfinite(struct job *j, struct row *row)
{
	j->out->counts[DIVERGENCE_NONFINITE] += !row->nonfinite;
	row->nonfinite = true;
}

static int compare_values(struct job *j, const struct oip_answer *live, unsigned tensor, size_t at,
                          const struct oip_tensor *b, size_t width)
{
	const struct oip_tensor *a = &live->tensors[tensor];

	for (size_t i = at * width; i < (at + 1) * width; i++) {
		int equal = a->values ? tolerance_equal(j->tolerance, a->values[i], b->values[i])
		                      : oip_text_eq(live, a->texts[i], b->texts[i]);

		if (equal < 0)
			return equal;
		if (equal)
			continue;
		if (a->values && nonfinite_differs(a->values[i], b->values[i]))
			compare_nonfinite(j, &j->rows[at]);
		if (a->values)
			compare_note(j, "outputs[%u] row %zu: element %zu: %.9g -> %.9g", tensor, at,
			             i - at * width, a->values[i], b->values[i]);
		else
			compare_note(j, "outputs[%u] row %zu: element %zu differs", tensor, at,
			             i - at * width);
		compare_value_differs(j, &j->rows[at]);
		return 0;
	}
	return 0;
}

void compare_structure_differs(struct job *j, unsigned tensor, const char *what)
{
	compare_note(j, "outputs[%u]: %s", tensor, what);
	j->out->counts[DIVERGENCE_STRUCTURE] = 1;
}

static bool same_shape(const struct oip_tensor *a, const struct oip_tensor *b)
{
	return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof(a->shape[0])) == 0;
}

static int compare_row(struct job *j, const struct oip_answer *live, unsigned tensor, size_t at,
                       const struct oip_tensor *b, enum output_kind kind, size_t width)
{
	const struct oip_tensor *a = &live->tensors[tensor];

	switch (kind) {
	case OUTPUT_CLASSIFICATION:
		return compare_classes(j, tensor, at, a->values + at * width, b->values + at * width, width);
	case OUTPUT_RANKING:
		return compare_ranking(j, live, tensor, at, b);
	case OUTPUT_EMBEDDING:
		compare_embedding(&j->rows[at], a->values + at * width, b->values + at * width, width);
		return compare_values(j, live, tensor, at, b, width);
	default:
		return compare_values(j, live, tensor, at, b, width);
	}
}

static int compare_tensor(struct job *j, const struct oip_answer *live, unsigned tensor,
                          const struct oip_tensor *b)
{
	const struct oip_tensor *a = &live->tensors[tensor];
	enum output_kind kind = kind_of(j, live, a);
	size_t rows = tensor_rows(a, kind);
	int err = oip_text_eq(live, a->datatype, b->datatype);

	if (err < 0)
		return err;
	if (err && kind == OUTPUT_DETECTION)
		return compare_boxes(j, tensor, a, b);
	if (!err || !same_shape(a, b)) {
		compare_structure_differs(j, tensor, err ? "shape differs" : "datatype differs");
		return 0;
	}
	if (kind == OUTPUT_REGRESSION)
		compare_regression(j, live, a, b);
	err = 0;
	for (size_t at = 0; at < rows && !err; at++)
		err = compare_row(j, live, tensor, at, b, kind, a->count / rows);
	return err;
}

/* The tensor of that name: its index, -1, or ERR_NOMEM (below -1). */
static int find_tensor(const struct oip_answer *a, struct span name)
{
	for (unsigned i = 0; i < a->count; i++) {
		int same = oip_text_eq(a, a->tensors[i].name, name);

		if (same)
			return same < 0 ? same : (int)i;
	}
	return -1;
}

int compare_oip_outputs(struct job *j, const struct oip_answer *live, const struct oip_answer *candidate)
{
	int err = 0;

	for (unsigned i = 0; i < live->count && !err; i++) {
		int at = tensor_ignored(j, i) ? -1 : find_tensor(candidate, live->tensors[i].name);

		if (at >= 0)
			err = compare_tensor(j, live, i, &candidate->tensors[at]);
		else if (at != -1)
			err = at;
		else if (!tensor_ignored(j, i))
			compare_structure_differs(j, i, "missing");
	}
	for (unsigned i = 0; i < candidate->count && !err; i++) {
		int at = tensor_ignored(j, i) ? 0 : find_tensor(live, candidate->tensors[i].name);

		if (at == -1)
			compare_structure_differs(j, i, "extra");
		else if (at < 0)
			err = at;
	}
	return err;
}
