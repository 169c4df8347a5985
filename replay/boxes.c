#include "replay/boxes.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "replay/ranks.h"

enum { SCORE = 4, CLASS = 5 };

static double side(double a, double b)
{
	return fabs(a - b);
}

/* What two spans of an axis share. */
static double overlap(double a, double b, double c, double d)
{
	return fmax(0, fmin(fmax(a, b), fmax(c, d)) - fmax(fmin(a, b), fmin(c, d)));
}

double boxes_iou(const double *a, const double *b)
{
	double both = overlap(a[0], a[2], b[0], b[2]) * overlap(a[1], a[3], b[1], b[3]);
	double all = side(a[0], a[2]) * side(a[1], a[3]) + side(b[0], b[2]) * side(b[1], b[3]) - both;

	return all > 0 ? both / all : 0;
}

static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

/* A box is itself, also one without an area. */
static double match_of(const double *a, const double *b)
{
	bool all = true;

	for (int i = 0; i < SCORE && all; i++)
		all = same(a[i], b[i]);
	return !same(a[CLASS], b[CLASS]) ? 0 : all ? 1 : boxes_iou(a, b);
}

/* The free box of the same class that overlaps most, or `count`. */
static size_t best(const double *box, const double *others, size_t count, const bool *taken, double *iou_out)
{
	size_t found = count;

	*iou_out = 0;
	for (size_t i = 0; i < count; i++) {
		double iou = taken[i] ? 0 : match_of(box, others + i * BOXES_WIDTH);

		if (!(iou >= BOXES_IOU && iou > *iou_out))
			continue;
		*iou_out = iou;
		found = i;
	}
	return found;
}

int boxes_match(const double *live, size_t live_count, const double *candidate, size_t candidate_count,
                struct boxes_match *out)
{
	double scores[BOXES_MAX] = {0}, iou, sum = 0;
	uint32_t order[BOXES_MAX];
	bool taken[BOXES_MAX] = {false};

	*out = (struct boxes_match){.f1 = 1};
	if (live_count > BOXES_MAX || candidate_count > BOXES_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < live_count; i++)
		scores[i] = live[i * BOXES_WIDTH + SCORE];
	ranks_order(scores, live_count, order);
	for (size_t i = 0; i < live_count; i++) {
		size_t at = best(live + order[i] * BOXES_WIDTH, candidate, candidate_count, taken, &iou);

		if (at == candidate_count)
			continue;
		taken[at] = true;
		out->matched++;
		sum += iou;
	}
	out->live_alone = live_count - out->matched;
	out->candidate_alone = candidate_count - out->matched;
	out->mean_iou = out->matched ? sum / (double)out->matched : 0;
	if (live_count + candidate_count)
		out->f1 = 2 * (double)out->matched / (double)(live_count + candidate_count);
	return 0;
}
