#include "replay/quantile.h"

#include <math.h>
#include <stdbool.h>

enum { SEARCH_STEPS = 60 };
static const double BAND_SCALE = 0.85; /* A of Theorem 2, as the paper has it in its figures */
static const double GOLDEN = 0.6180339887498949;

typedef double function(double x, const void *arg);

/* Where a function with one valley is least. */
static double least_at(function *f, const void *arg, double low, double high)
{
	double left = high - GOLDEN * (high - low), right = low + GOLDEN * (high - low);
	double f_left = f(left, arg), f_right = f(right, arg);

	for (int i = 0; i < SEARCH_STEPS; i++) {
		if (f_left < f_right) {
			high = right;
			right = left;
			f_right = f_left;
			left = high - GOLDEN * (high - low);
			f_left = f(left, arg);
		} else {
			low = left;
			left = right;
			f_left = f_right;
			right = low + GOLDEN * (high - low);
			f_right = f(right, arg);
		}
	}
	return low + (high - low) / 2;
}

/* --- one quantile --- */

/* log_e is convex in the count: the last count of the set between the mean count and `outside`, which is not
 * in it. */
static uint64_t count_edge(uint64_t n, double q, double threshold, double t_opt, uint64_t outside)
{
	uint64_t inside = (uint64_t)llround(q * (double)n);

	while (inside + 1 < outside || outside + 1 < inside) {
		uint64_t middle =
		        inside < outside ? inside + (outside - inside) / 2 : outside + (inside - outside) / 2;

		if (stat_rate_log_e((double)middle, (double)n, q, t_opt) < threshold)
			inside = middle;
		else
			outside = middle;
	}
	return inside;
}

struct ranks quantile_ranks(uint64_t n, double q, double alpha, double t_opt)
{
	struct ranks out = {0, n + 1};
	double threshold = log(1 / alpha);

	if (n == 0 || q <= 0 || q >= 1)
		return out;
	if (stat_rate_log_e(0, (double)n, q, t_opt) >= threshold)
		out.low = count_edge(n, q, threshold, t_opt, 0);
	if (stat_rate_log_e((double)n, (double)n, q, t_opt) >= threshold)
		out.high = count_edge(n, q, threshold, t_opt, n) + 1;
	return out;
}

/* --- all of them at once --- */

/* The chance, by the union over epochs that grow by eta, that the band of constant c is ever left. */
static double band_error(double eta, const void *arg)
{
	double c = *(const double *)arg, slack = BAND_SCALE - sqrt(2 * (eta - 1) / c);
	double rate = slack > 0 ? 2 / eta * slack * slack : 0;

	return rate > 1 ? 4 * exp(-rate * c) * (1 + 1 / ((rate - 1) * log(eta))) : INFINITY;
}

/* Above this eta the error is no longer finite. */
static double eta_end(double c)
{
	double low = 1, high = 2 * BAND_SCALE * BAND_SCALE;

	for (int i = 0; i < SEARCH_STEPS; i++) {
		double middle = low + (high - low) / 2;

		if (sqrt(middle / 2) + sqrt(2 * (middle - 1) / c) < BAND_SCALE)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The least constant whose error is alpha. */
static double band_constant(double alpha)
{
	static struct {
		double alpha, constant;
	} last;                      /* the search is long, and asked for the same again and again */
	double low = 1, high = 1000; /* errors far above 1 and far below the least double */

	if (last.alpha == alpha)
		return last.constant;
	for (int i = 0; i < SEARCH_STEPS; i++) {
		double c = low + (high - low) / 2, eta = least_at(band_error, &c, 1, eta_end(c));

		if (band_error(eta, &c) > alpha)
			low = c;
		else
			high = c;
	}
	last.alpha = alpha;
	last.constant = high;
	return high;
}

double quantile_band(uint64_t n, double alpha, double n_min)
{
	if ((double)n < n_min)
		return INFINITY;
	return BAND_SCALE * sqrt((log1p(log((double)n / n_min)) + band_constant(alpha)) / (double)n);
}

struct ranks quantile_band_ranks(uint64_t n, double q, double alpha, double n_min)
{
	struct ranks out = {0, n + 1};
	double half = quantile_band(n, alpha, n_min), low = ceil((q - half) * (double)n),
	       high = floor((q + half) * (double)n) + 1;

	if (low >= 1)
		out.low = (uint64_t)low;
	if (high <= (double)n)
		out.high = (uint64_t)high;
	return out;
}

/* --- values --- */

double quantile_value(struct sample s, double q)
{
	return s.n ? s.at[(uint64_t)(fmin(1, fmax(0, q)) * (double)(s.n - 1))] : NAN;
}

struct interval quantile_interval(struct sample s, struct ranks ranks)
{
	return (struct interval){ranks.low ? s.at[ranks.low - 1] : -INFINITY,
	                         ranks.high <= s.n ? s.at[ranks.high - 1] : INFINITY};
}

struct interval quantile_ci(struct sample s, double q, double alpha, double t_opt)
{
	return quantile_interval(s, quantile_ranks(s.n, q, alpha, t_opt));
}

struct interval quantile_sketch_ci(const struct sketch *s, uint64_t beyond, double q, double alpha,
                                   double t_opt)
{
	struct ranks ranks = quantile_ranks(s->count + beyond, q, alpha, t_opt);
	struct interval out = {0, INFINITY};
	double edge;

	if (ranks.low)
		sketch_rank(s, ranks.low < s->count ? ranks.low : s->count, &out.low, &edge);
	if (ranks.high <= s->count)
		sketch_rank(s, ranks.high, &edge, &out.high);
	return out;
}

static uint64_t rank_of(uint64_t n, double q)
{
	return 1 + (uint64_t)(fmin(1, fmax(0, q)) * (double)(n - 1));
}

double quantile_sketch(const struct sketch *s, uint64_t beyond, double q)
{
	double rank;

	if (!s->count && !beyond)
		return NAN;
	if (!beyond)
		return (double)sketch_quantile(s, q);
	rank = (double)rank_of(s->count + beyond, q);
	if (rank > (double)s->count)
		return INFINITY;
	return (double)sketch_quantile(s, (rank - 0.5) / fmax(1, (double)s->count - 1));
}

/* --- differences --- */

/* Bounds of the rank-th smallest difference, rank from 1. */
static struct interval signed_rank(const struct sketch *below, const struct sketch *rest, uint64_t rank)
{
	double low, high;

	if (rank > below->count) {
		sketch_rank(rest, rank - below->count, &low, &high);
		return (struct interval){low, high};
	}
	sketch_rank(below, below->count + 1 - rank, &low, &high);
	return (struct interval){-high, -low};
}

double quantile_signed(const struct sketch *below, const struct sketch *rest, uint64_t beyond, double q)
{
	uint64_t n = below->count + rest->count;
	struct interval at;

	if (!n)
		return NAN;
	if (rank_of(n + beyond, q) > n)
		return INFINITY;
	at = signed_rank(below, rest, rank_of(n + beyond, q));
	return (at.low + at.high) / 2;
}

struct interval quantile_signed_ci(const struct sketch *below, const struct sketch *rest, uint64_t beyond,
                                   double q, double alpha, double t_opt)
{
	uint64_t n = below->count + rest->count;
	struct ranks ranks = quantile_ranks(n + beyond, q, alpha, t_opt);
	struct interval out = {-INFINITY, INFINITY};

	if (ranks.low && n)
		out.low = signed_rank(below, rest, ranks.low < n ? ranks.low : n).low;
	if (ranks.high <= n)
		out.high = signed_rank(below, rest, ranks.high).high;
	return out;
}

/* --- two arms --- */

struct interval quantile_shift(struct sample live, struct sample candidate, double q, double alpha,
                               double t_opt)
{
	struct interval from = quantile_ci(live, q, alpha / 2, t_opt),
	                to = quantile_ci(candidate, q, alpha / 2, t_opt);

	return (struct interval){to.low - from.high, to.high - from.low};
}

struct arm {
	struct sample s;
	double q, t_opt, best; /* the count that speaks least against any value, about q n */
	uint64_t below, upto;  /* values < x, values <= x */
};

static double arm_log_e(double count, const void *arg)
{
	const struct arm *arm = arg;

	return stat_rate_log_e(count, (double)arm->s.n, arm->q, arm->t_opt);
}

static struct arm arm_of(struct sample s, double q, double t_opt)
{
	struct arm arm = {.s = s, .q = q, .t_opt = t_opt};

	arm.best = least_at(arm_log_e, &arm, 0, (double)s.n);
	return arm;
}

static void arm_pass(struct arm *arm, double x)
{
	arm->below = arm->upto;
	while (arm->upto < arm->s.n && arm->s.at[arm->upto] == x)
		arm->upto++;
}

/* A value of ties may count in any part as below: the part that speaks least. */
static double arm_least(const struct arm *arm)
{
	return arm_log_e(fmin((double)arm->upto, fmax((double)arm->below, arm->best)), arm);
}

double quantile_equal_log_e(struct sample one, struct sample other, double q, double t_opt)
{
	struct arm a, b;
	double least = INFINITY;

	if (!one.n || !other.n)
		return 0;
	a = arm_of(one, q, t_opt);
	b = arm_of(other, q, t_opt);
	/* between two values both counts are among those that the values beside them may have */
	while (a.upto < one.n || b.upto < other.n) {
		bool from_a = b.upto == other.n || (a.upto < one.n && one.at[a.upto] < other.at[b.upto]);
		double x = from_a ? one.at[a.upto] : other.at[b.upto];

		arm_pass(&a, x);
		arm_pass(&b, x);
		least = fmin(least, arm_least(&a) + arm_least(&b));
	}
	return least;
}
