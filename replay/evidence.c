#include "replay/evidence.h"

#include <math.h>

enum { VALLEY_STEPS = 40 };

double evidence_p(double log_e)
{
	return fmin(1, exp(-log_e));
}

double evidence_average(const double *log_e, unsigned n)
{
	double most = -INFINITY, sum = 0;

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		most = fmax(most, log_e[i]);
	if (!isfinite(most))
		return most;
	for (unsigned i = 0; i < n; i++)
		sum += exp(log_e[i] - most);
	return most + log(sum / n);
}

/* The largest k with k values of at least n / (alpha k): from above, each count bounds the next. */
unsigned evidence_bh(const double *log_e, unsigned n, double alpha, double *least_out)
{
	unsigned k = n, count = 0;

	for (; k > 0; k = count) {
		*least_out = log((double)n / (alpha * k));
		count = 0;
		for (unsigned i = 0; i < n; i++)
			count += log_e[i] >= *least_out;
		if (count >= k)
			return count;
	}
	*least_out = INFINITY;
	return 0;
}

double evidence_sprt(uint64_t k, uint64_t n, double low, double high)
{
	return (double)k * log(high / low) + (double)(n - k) * (log1p(-high) - log1p(-low));
}

enum evidence_choice evidence_sprt_choice(double log_ratio, double alpha, double beta)
{
	if (log_ratio >= log((1 - beta) / alpha))
		return EVIDENCE_HIGH;
	return log_ratio <= log(beta / (1 - alpha)) ? EVIDENCE_LOW : EVIDENCE_GO_ON;
}

static double both_log_e(double k, double n, double other_k, double other_n, double p, double t_opt)
{
	return stat_rate_log_e(k, n, p, t_opt) + stat_rate_log_e(other_k, other_n, p, t_opt);
}

/* Between the two rates one e-value rises with p and the other falls: their sum has one valley there. */
double evidence_more_often(uint64_t k, uint64_t n, uint64_t other_k, uint64_t other_n, double t_opt)
{
	const double a = (double)k, all = (double)n, b = (double)other_k, rest = (double)other_n;
	double low, high;

	if (!n || !other_n || !(a / all > b / rest))
		return 0;
	low = fmax(b / rest, 1e-9);
	high = fmin(a / all, 1 - 1e-9);
	for (int i = 0; i < VALLEY_STEPS; i++) {
		double left = low + (high - low) / 3, right = high - (high - low) / 3;

		if (both_log_e(a, all, b, rest, left, t_opt) < both_log_e(a, all, b, rest, right, t_opt))
			high = right;
		else
			low = left;
	}
	return both_log_e(a, all, b, rest, low + (high - low) / 2, t_opt);
}

double evidence_mcnemar(uint64_t live_only, uint64_t candidate_only, double t_opt)
{
	return stat_rate_log_e((double)live_only, (double)live_only + (double)candidate_only, 0.5, t_opt);
}

/* Twice the lower tail of a fair coin, summed downwards from its largest term. */
double evidence_mcnemar_once(uint64_t live_only, uint64_t candidate_only)
{
	uint64_t fewer = live_only < candidate_only ? live_only : candidate_only;
	double n = (double)live_only + (double)candidate_only, k = (double)fewer, term = 1, sum = 0;
	int sign;

	for (double i = k; i >= 0 && term > 1e-18 * sum; i--) {
		sum += term;
		term *= i / (n - i + 1);
	}
	return fmin(1, 2 * sum *
	                       exp(lgamma_r(n + 1, &sign) - lgamma_r(k + 1, &sign) -
	                           lgamma_r(n - k + 1, &sign) - n * log(2)));
}

struct interval evidence_mcnemar_change(double live_only, double candidate_only, double pairs, double alpha,
                                        double t_opt)
{
	struct interval lost = stat_rate_weighted(live_only, pairs, alpha / 2, t_opt),
	                won = stat_rate_weighted(candidate_only, pairs, alpha / 2, t_opt);

	return (struct interval){won.low - lost.high, won.high - lost.low};
}
