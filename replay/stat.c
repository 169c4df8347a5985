#include "replay/stat.h"

#include <math.h>
#include <stdlib.h>

enum { ROOT_STEPS = 50 };
static const double OPTIMAL_ALPHA = 0.05;
static const uint64_t NEEDED_MAX = 10000000;
static const double NEGLIGIBLE = 1e-18;

static double ln_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

static double ln_beta(double a, double b)
{
	return ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
}

struct prior {
	double a, b;
};

/* The beta mixture around p, tightest at t_opt. */
static struct prior prior_of(double p, double t_opt)
{
	double variance = p * (1 - p), ell = 2 * log(1 / OPTIMAL_ALPHA);
	double rho = variance * t_opt / (ell + log1p(ell));
	double r = fmax(rho - variance, 0.001 * variance);

	return (struct prior){r / (1 - p), r / p};
}

double stat_rate_log_e(double k, double n, double p, double t_opt)
{
	struct prior prior = prior_of(p, t_opt);

	return ln_beta(prior.a + k, prior.b + n - k) - ln_beta(prior.a, prior.b) - k * log(p) -
	       (n - k) * log1p(-p);
}

void stat_watch_init(struct stat_watch *w, double p, double t_opt)
{
	struct prior prior = prior_of(p, t_opt);

	*w = (struct stat_watch){.p = p, .hits = prior.a, .misses = prior.b};
}

/* B(a + 1, b) / B(a, b) = a / (a + b) */
void stat_watch_add(struct stat_watch *w, bool hit)
{
	double all = w->hits + w->misses;

	w->log_e += hit ? log(w->hits / (all * w->p)) : log(w->misses / (all * (1 - w->p)));
	*(hit ? &w->hits : &w->misses) += 1;
	if (w->log_e > w->highest)
		w->highest = w->log_e;
}

/* The root between `inside` (in the set) and `outside`; the outer end of the last bracket, which is never too
 * tight. */
static double rate_root(double k, double n, double inside, double outside, double threshold, double t_opt)
{
	for (int i = 0; i < ROOT_STEPS; i++) {
		double middle = inside + (outside - inside) / 2;

		if (stat_rate_log_e(k, n, middle, t_opt) < threshold)
			inside = middle;
		else
			outside = middle;
	}
	return outside;
}

struct interval stat_rate(uint64_t k, uint64_t n, double alpha, double t_opt)
{
	return stat_rate_weighted((double)k, (double)n, alpha, t_opt);
}

struct interval stat_rate_weighted(double k, double n, double alpha, double t_opt)
{
	struct interval out = {0, 1};
	double threshold = log(1 / alpha), mean;

	if (!(n > 0))
		return out;
	mean = k / n;
	if (k > 0)
		out.low = rate_root(k, n, mean, 0, threshold, t_opt);
	if (k < n)
		out.high = rate_root(k, n, mean, 1, threshold, t_opt);
	return out;
}

/* The limit is outside the set exactly when one bound has passed it. */
static bool rate_decided(double rate, uint64_t n, double limit, double alpha, double t_opt)
{
	return n > 0 && stat_rate_log_e(rate * (double)n, (double)n, limit, t_opt) >= log(1 / alpha);
}

/* How many more than n, at that rate. */
static uint64_t rate_needed(double rate, uint64_t n, double limit, double alpha, double t_opt)
{
	uint64_t low = 0, high = 1;

	if (limit >= 1 || (limit <= 0 && rate > 0))
		return 0;
	if (limit <= 0)
		return UINT64_MAX;
	if (rate_decided(rate, n, limit, alpha, t_opt))
		return 0;
	while (!rate_decided(rate, n + high, limit, alpha, t_opt)) {
		if (high >= NEEDED_MAX)
			return UINT64_MAX;
		low = high;
		high = high * 2 < NEEDED_MAX ? high * 2 : NEEDED_MAX;
	}
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (rate_decided(rate, n + middle, limit, alpha, t_opt))
			high = middle;
		else
			low = middle;
	}
	return high;
}

uint64_t stat_rate_needed(uint64_t k, uint64_t n, double limit, double alpha, double t_opt)
{
	return rate_needed(n ? (double)k / (double)n : 0, n, limit, alpha, t_opt);
}

uint64_t stat_rate_plan(double rate, double limit, double alpha, double t_opt)
{
	return rate_needed(rate, 0, limit, alpha, t_opt);
}

/* The chance of k or fewer hits of n: outwards from the likeliest of them. */
static double binomial_upto(uint64_t k, uint64_t n, double p)
{
	double all = (double)n, top = fmin((double)k, floor((all + 1) * p)), term = 1, sum = 1, first;

	first = ln_gamma(all + 1) - ln_gamma(top + 1) - ln_gamma(all - top + 1) + top * log(p) +
	        (all - top) * log1p(-p);
	for (double i = top; i > 0 && term > NEGLIGIBLE * sum; i--)
		sum += term *= i * (1 - p) / ((all - i + 1) * p);
	term = 1;
	for (double i = top; i < (double)k && term > NEGLIGIBLE * sum; i++)
		sum += term *= (all - i) * p / ((i + 1) * (1 - p));
	return exp(first) * sum;
}

/* Of counts of n between `side` (0 or n) and the limit, the last that leaves the limit; -1: none does. */
static int64_t last_decided(uint64_t n, uint64_t side, double limit, double alpha, double t_opt)
{
	double threshold = log(1 / alpha);
	int64_t decided = (int64_t)side, open = llround(limit * (double)n);

	if (stat_rate_log_e((double)side, (double)n, limit, t_opt) < threshold)
		return -1;
	while (llabs(open - decided) > 1) {
		int64_t middle = decided + (open - decided) / 2;

		if (stat_rate_log_e((double)middle, (double)n, limit, t_opt) >= threshold)
			decided = middle;
		else
			open = middle;
	}
	return decided;
}

static double chance_decided(double rate, uint64_t n, double limit, double alpha, double t_opt)
{
	int64_t k = last_decided(n, rate < limit ? 0 : n, limit, alpha, t_opt);

	if (k < 0)
		return 0;
	if (rate <= 0)
		return 1;
	if (rate < limit)
		return binomial_upto((uint64_t)k, n, rate);
	return k > 0 ? 1 - binomial_upto((uint64_t)k - 1, n, rate) : 1;
}

uint64_t stat_rate_plan_sure(double rate, double limit, double chance, double alpha, double t_opt)
{
	uint64_t low = 0, high = stat_rate_plan(rate, limit, alpha, t_opt);

	if (high == 0 || high == UINT64_MAX)
		return high;
	while (chance_decided(rate, high, limit, alpha, t_opt) < chance) {
		if (high >= NEEDED_MAX)
			return UINT64_MAX;
		low = high;
		high *= 2;
	}
	while (high - low > 1) { /* nearly monotone: whole counts make small steps back */
		uint64_t middle = low + (high - low) / 2;

		if (chance_decided(rate, middle, limit, alpha, t_opt) >= chance)
			high = middle;
		else
			low = middle;
	}
	return high;
}

/* The upper side is the lower side of 1 - x: the same weights, and mu~ mirrors; only xbar_0 = 0 does not. */
void stat_mean_add(struct stat_mean *m, double x, double alpha)
{
	double t = (double)m->n + 1;
	double s2_before = (0.25 + m->s2_sum) / t;
	double lam = fmin(0.5, sqrt(2 * log(2 / alpha) / (t * log1p(t) * s2_before)));
	double psi = -log1p(-lam) - lam;
	double from_low = x - (m->n ? m->sum / (double)m->n : 0);
	double from_high = m->n ? from_low : 1 - x;
	double mu;

	m->n++;
	m->sum += x;
	mu = fmin(1, (0.5 + m->sum) / (t + 1));
	m->s2_sum += (x - mu) * (x - mu);
	m->lam_sum += lam;
	m->lam_x_sum += lam * x;
	m->lam_1x_sum += lam * (1 - x);
	m->v_psi_low += from_low * from_low * psi;
	m->v_psi_high += from_high * from_high * psi;
}

struct interval stat_mean_ci(const struct stat_mean *m, double alpha)
{
	struct interval out = {0, 1};
	double cost = log(2 / alpha);

	if (m->n == 0)
		return out;
	out.low = fmax(0, (m->lam_x_sum - cost - m->v_psi_low) / m->lam_sum);
	out.high = fmin(1, 1 - (m->lam_1x_sum - cost - m->v_psi_high) / m->lam_sum);
	return out;
}

void stat_lag_add(struct stat_lag *l, double x)
{
	if (l->n++ == 0)
		l->first = x;
	x -= l->first;
	l->sum += x;
	l->squares += x * x;
	l->products += l->last * x;
	l->last = x;
}

/* sum (x_i - m)(x_i+1 - m) / sum (x_i - m)^2; the first value is 0 here. */
double stat_lag_one(const struct stat_lag *l)
{
	double n = (double)l->n, mean = l->sum / n, spread = l->squares - n * mean * mean;
	double together = l->products - mean * (2 * l->sum - l->last) + (n - 1) * mean * mean;

	return l->n > 1 && spread > 1e-12 * l->squares ? together / spread : NAN;
}
