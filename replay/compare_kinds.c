/*
 * compare_kinds.c - outputs that the plan declares to be rankings, embeddings, detections or regressions.
 */
#include <math.h>

#include "replay/boxes.h"
#include "replay/compare_inside.h"
#include "replay/ranks.h"

static const double RBO_WEIGHT = 0.9;

static bool type_starts(const struct oip_answer *live, struct span datatype, struct span with)
{
	if (!live->plain && datatype.len)
		datatype = (struct span){datatype.data + 1, datatype.len - 1}; /* its quote */
	return span_starts(datatype, with) || (with.len == 2 && span_starts(datatype, SPAN("BF")));
}

/* --- rankings --- */

/* Are elements x of one and y of the other the same item? Or ERR_NOMEM. */
static int same_item(const struct oip_answer *live, const struct oip_tensor *a, size_t x,
                     const struct oip_tensor *b, size_t y)
{
	return a->values ? a->values[x] == b->values[y] : oip_text_eq(live, a->texts[x], b->texts[y]);
}

/* The first place in live of each of `items`, or one behind all of live's. */
static int number_items(const struct oip_answer *live, const struct oip_tensor *a,
                        const struct oip_tensor *items, size_t from, size_t count, uint32_t *out)
{
	for (size_t i = 0; i < count; i++) {
		int same = 0;
		size_t k;

		for (k = 0; k < count && !same; k++)
			same = same_item(live, a, from + k, items, from + i);
		if (same < 0)
			return same;
		out[i] = (uint32_t)(same ? k - 1 : count + i);
	}
	return 0;
}

/* Places in the candidate of the items that both have, in live's order: tau-b of the two. */
static double tau_of_items(const uint32_t *other, size_t count)
{
	double a[RANKING_MAX], b[RANKING_MAX];
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (other[i] >= count)
			continue;
		a[n] = other[i];
		b[n++] = (double)i;
	}
	return ranks_tau_b(a, b, n);
}

static void measure_ranks(struct row *row, const uint32_t *one, const uint32_t *other, size_t count,
                          double tau)
{
	row->tau_distance = (1 - tau) / 2; /* NaN: not measured */
	row->rbo = ranks_rbo(one, count, other, count, RBO_WEIGHT);
	row->rank_overlap = ranks_overlap(one, count, other, count, RANKS_TOP);
	row->has_ranks = true;
}

/* Floating numbers are scores by place, anything else is the items themselves, the first first. */
int compare_ranking(struct job *j, const struct oip_answer *live, unsigned tensor, size_t at,
                    const struct oip_tensor *b)
{
	const struct oip_tensor *a = &live->tensors[tensor];
	size_t width = a->shape[a->rank - 1], count = width, first = 0;
	bool scores = a->values && type_starts(live, a->datatype, SPAN("FP"));
	uint32_t one[RANKING_MAX], other[RANKING_MAX];
	int err = 0;

	if (scores) {
		ranks_order(a->values + at * width, count, one);
		ranks_order(b->values + at * width, count, other);
		measure_ranks(&j->rows[at], one, other, count,
		              ranks_tau_b(a->values + at * width, b->values + at * width, count));
	} else {
		err = number_items(live, a, a, at * width, count, one);
		if (!err)
			err = number_items(live, a, b, at * width, count, other);
		if (!err)
			measure_ranks(&j->rows[at], one, other, count, tau_of_items(other, count));
	}
	while (!err && first < count && one[first] == other[first])
		first++;
	if (!err && first < count) {
		compare_note(j, "outputs[%u] row %zu: ranks differ from place %zu", tensor, at, first + 1);
		j->rows[at].diverged = true;
		j->out->counts[DIVERGENCE_ORDER]++;
	}
	return err;
}

/* --- embeddings --- */

/* (1 - cosine) / 2: 0 of one direction, 1 of opposite ones; NaN where one is all zeroes. */
void compare_embedding(struct row *row, const double *a, const double *b, size_t count)
{
	double dot = 0, aa = 0, bb = 0;

	for (size_t i = 0; i < count; i++) {
		dot += a[i] * b[i];
		aa += a[i] * a[i];
		bb += b[i] * b[i];
	}
	row->cosine_distance = (1 - fmin(1, fmax(-1, dot / sqrt(aa * bb)))) / 2;
	row->has_embedding = aa > 0 && bb > 0 && isfinite(aa) && isfinite(bb);
}

/* --- detections --- */

static size_t boxes_of(const struct oip_tensor *t)
{
	bool fits = t->values && t->rank && t->shape[t->rank - 1] == BOXES_WIDTH && t->count > 0;

	return fits ? t->count / BOXES_WIDTH : t->values && !t->count ? 0 : SIZE_MAX;
}

int compare_boxes(struct job *j, unsigned tensor, const struct oip_tensor *a, const struct oip_tensor *b)
{
	size_t live = boxes_of(a), candidate = boxes_of(b);
	struct row *row = &j->rows[0];
	struct boxes_match m;

	if (live == SIZE_MAX || candidate == SIZE_MAX) {
		compare_structure_differs(j, tensor, "no boxes of 6 numbers");
		return 0;
	}
	if (candidate > BOXES_MAX && live <= BOXES_MAX) {
		compare_structure_differs(j, tensor, "too many boxes");
		return 0;
	}
	if (boxes_match(a->values, live, b->values, candidate, &m))
		return ERR_LIMIT;
	row->mean_iou = m.mean_iou;
	row->detection_f1 = m.f1;
	row->has_boxes = true;
	if (m.live_alone || m.candidate_alone) {
		compare_note(j, "outputs[%u]: %zu boxes of live and %zu of the candidate have no match",
		             tensor, m.live_alone, m.candidate_alone);
		row->diverged = true;
		j->out->counts[DIVERGENCE_DETECTION]++;
	}
	return 0;
}

/* --- regressions --- */

void compare_regression(struct job *j, const struct oip_answer *live, const struct oip_tensor *a,
                        const struct oip_tensor *b)
{
	static const struct {
		const char *name;
		int bits, least;
	} types[] = {{"FP16", 11, -14}, {"BF16", 8, -126}, {"FP32", 24, -126}, {"FP64", 53, -1022}};
	int bits = 0, least = 0;

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (type_starts(live, a->datatype, span_of(types[i].name))) {
			bits = types[i].bits;
			least = types[i].least;
		}
	for (size_t i = 0; i < a->count; i++)
		agreement_add(&j->out->agreement, a->values[i], b->values[i], bits, least);
}
