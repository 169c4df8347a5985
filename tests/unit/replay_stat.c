#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdbool.h>

#include "replay/stat.h"
#include "tests/lib/draw.h"

static void rate_edges(void **state)
{
	struct interval i = stat_rate(0, 0, 0.05, 300);

	(void)state;
	assert_true(i.low == 0 && i.high == 1);
	i = stat_rate(0, 50, 0.05, 300);
	assert_true(i.low == 0 && i.high > 0 && i.high < 1);
	i = stat_rate(50, 50, 0.05, 300);
	assert_true(i.high == 1 && i.low > 0 && i.low < 1);
	i = stat_rate(0, 1, 0.05, 300);
	assert_true(i.low == 0 && i.high > 0.9);
	i = stat_rate(5, 100, 0.05, 300);
	assert_true(i.low < 0.05 && i.high > 0.05);
}

static void rate_published_table(void **state)
{
	static const struct {
		uint64_t n;
		double limit, t_opt;
	} rows[] = {{389, 0.01, 300}, {780, 0.005, 600}, {3912, 0.001, 3000}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(stat_rate(0, rows[i].n, 0.05, rows[i].t_opt).high <= rows[i].limit);
		assert_true(stat_rate(0, rows[i].n - 1, 0.05, rows[i].t_opt).high > rows[i].limit);
		assert_int_equal(stat_rate_needed(0, 0, rows[i].limit, 0.05, rows[i].t_opt), rows[i].n);
		assert_int_equal(stat_rate_needed(0, 100, rows[i].limit, 0.05, rows[i].t_opt),
		                 rows[i].n - 100);
		assert_int_equal(stat_rate_needed(0, rows[i].n, rows[i].limit, 0.05, rows[i].t_opt), 0);
	}
}

/* test/uniform_boundaries_unittest.cpp of gostevehoward/confseq (values of a reference implementation in R):
 * the two-sided beta-binomial mixture with g = 0.2, h = 0.8, v_opt = 100 at s = 10, v = 100, and where it
 * reaches log 20. There v = p (1 - p) n and s = k - p n. */
static void rate_published_mixture(void **state)
{
	const double p = 0.2, n = 100 / (p * (1 - p));

	(void)state;
	assert_true(fabs(stat_rate_log_e(p * n + 10, n, p, n) - -0.6941012) < 1e-7);
	assert_true(fabs(stat_rate_log_e(p * n + 31.4308, n, p, n) - log(20)) < 1e-4);
}

static void watch_is_the_same(void **state)
{
	(void)state;
	draw_seed(3);
	for (double p = 0.001; p < 1; p += 0.111) {
		struct stat_watch w;
		double k = 0, highest = 0;

		stat_watch_init(&w, p, 700);
		for (unsigned n = 1; n <= 3000; n++) {
			bool hit = draw() < p * 1.05;
			double log_e;

			k += hit;
			stat_watch_add(&w, hit);
			log_e = stat_rate_log_e(k, n, p, 700);
			highest = fmax(highest, log_e);
			assert_true(fabs(w.log_e - log_e) < 1e-8 && fabs(w.highest - highest) < 1e-8);
		}
	}
}

/* The size of a run: its interval leaves the limit at the expected count there, and not one pair before. */
static void rate_plan(void **state)
{
	static const struct {
		double rate, limit;
		uint64_t pairs;
	} rows[] = {{0.005, 0.01, 3387},
	            {0.01, 0.02, 1691},
	            {0.02, 0.03, 2958},
	            {0.02, 0.05, 394},
	            {0.05, 0.06, 6640}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		double rate = rows[i].rate, limit = rows[i].limit, n = (double)rows[i].pairs;
		double t_opt = fmax(100, 3 / limit), got = (double)stat_rate_plan(rate, limit, 0.05, t_opt);

		/* the table has whole counts, the plan the expected one */
		assert_true(stat_rate_log_e(round(rate * n), n, limit, t_opt) >= log(20));
		assert_true(stat_rate_log_e(round(rate * (n - 1)), n - 1, limit, t_opt) < log(20));
		assert_true(fabs(got - n) * rate <= 1);
		assert_true(stat_rate_log_e(rate * got, got, limit, t_opt) >= log(20));
		assert_true(stat_rate_log_e(rate * (got - 1), got - 1, limit, t_opt) < log(20));
	}
	assert_int_equal(stat_rate_plan(0.01, 0.01, 0.05, 300), UINT64_MAX);
	assert_int_equal(stat_rate_plan(0, 0.01, 0.05, 300), 389);
	assert_int_equal(stat_rate_plan(0.5, 1, 0.05, 300), 0);
}

/* Runs of that size, watched: most are decided by then, and about half at the size for the expected count. */
static void rate_plan_sure(void **state)
{
	static const struct {
		double rate, limit;
	} rows[] = {{0.002, 0.01}, {0.01, 0.02}, {0.04, 0.02}, {0.3, 0.2}};
	enum { RUNS = 400 };

	(void)state;
	draw_seed(90);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t half = stat_rate_plan(rows[i].rate, rows[i].limit, 0.05, 1000),
		         sure = stat_rate_plan_sure(rows[i].rate, rows[i].limit, 0.9, 0.05, 1000);
		unsigned by_half = 0, by_sure = 0;

		assert_true(sure > half);
		for (unsigned run = 0; run < RUNS; run++) {
			struct stat_watch w;
			bool early;

			stat_watch_init(&w, rows[i].limit, 1000);
			for (uint64_t n = 0; n < half; n++)
				stat_watch_add(&w, draw() < rows[i].rate);
			early = w.highest >= log(20);
			for (uint64_t n = half; n < sure; n++)
				stat_watch_add(&w, draw() < rows[i].rate);
			by_half += early;
			by_sure += w.highest >= log(20);
		}
		print_message("%g against %g: of %u runs %u decided by %llu pairs, %u by %llu\n",
		              rows[i].rate, rows[i].limit, RUNS, by_half, (unsigned long long)half, by_sure,
		              (unsigned long long)sure);
		assert_in_range(by_half, RUNS * 40 / 100, RUNS * 75 / 100);
		assert_in_range(by_sure, RUNS * 88 / 100, RUNS * 98 / 100);
	}
	assert_int_equal(stat_rate_plan_sure(0, 0.01, 0.9, 0.05, 300), 389);
	assert_int_equal(stat_rate_plan_sure(0.01, 0.01, 0.9, 0.05, 300), UINT64_MAX);
	assert_int_equal(stat_rate_plan_sure(0.5, 1, 0.9, 0.05, 300), 0);
}

static void rate_monotone(void **state)
{
	struct interval last = stat_rate(0, 200, 0.05, 300);

	(void)state;
	for (uint64_t k = 1; k <= 200; k++) {
		struct interval now = stat_rate(k, 200, 0.05, 300);

		assert_true(now.low >= last.low && now.high >= last.high);
		assert_true(now.low < now.high);
		last = now;
	}
	for (uint64_t n = 2; n < 2000; n++)
		assert_true(stat_rate(0, n, 0.05, 300).high <= stat_rate(0, n - 1, 0.05, 300).high);
	assert_true(stat_rate(3, 400, 0.01, 300).high > stat_rate(3, 400, 0.05, 300).high);
}

static void rate_needed(void **state)
{
	uint64_t more = stat_rate_needed(10, 1000, 0.02, 0.05, 300);

	(void)state;
	assert_in_range(more, 1, 2000); /* 1 % against 2 %: about 1691 in all */
	assert_int_equal(stat_rate_needed(20, 1000, 0.02, 0.05, 300), UINT64_MAX);
	assert_int_equal(stat_rate_needed(200, 1000, 0.02, 0.05, 300), 0);
	assert_int_equal(stat_rate_needed(0, 10, 0, 0.05, 300), UINT64_MAX);
	assert_int_equal(stat_rate_needed(1, 10, 0, 0.05, 300), 0);
	assert_int_equal(stat_rate_needed(1, 10, 1, 0.05, 300), 0);
}

static void rate_false_alarms(void **state)
{
	const double rate = 0.02, threshold = log(1 / 0.05);
	unsigned alarms = 0;

	(void)state;
	draw_seed(20261123);
	for (unsigned run = 0; run < 300; run++) {
		uint64_t k = 0;

		for (uint64_t n = 1; n <= 2000; n++) {
			k += draw() < rate;
			if (stat_rate_log_e(k, n, rate, 500) >= threshold) {
				alarms++;
				break;
			}
		}
	}
	assert_in_range(alarms, 0, 300 * 7 / 100);
}

/* Batches of 1 to 8 rows that diverge as one, watched after each: rows as units would alarm far more often.
 */
static void clustered_false_alarms(void **state)
{
	const double rate = 0.05;
	unsigned alarms = 0, naive = 0;

	(void)state;
	draw_seed(4711);
	for (unsigned run = 0; run < 200; run++) {
		uint64_t k = 0, rows = 0;
		bool alarm = false, as_rows = false;

		for (unsigned n = 1; n <= 600; n++) {
			uint64_t size = 1 + (uint64_t)(draw() * 8);

			rows += size;
			k += draw() < rate ? size : 0;
			if (n % 10)
				continue;
			alarm |= stat_rate_weighted((double)k / 8, (double)rows / 8, 0.05, 500).low > rate;
			as_rows |= stat_rate(k, rows, 0.05, 500).low > rate;
		}
		alarms += alarm;
		naive += as_rows;
	}
	assert_in_range(alarms, 0, 200 * 7 / 100);
	assert_true(naive > 200 / 10);
}

/* Whole observations of weight 1 are the plain rate; lighter ones say less. */
static void weights(void **state)
{
	struct interval plain = stat_rate(5, 100, 0.05, 300), same = stat_rate_weighted(5, 100, 0.05, 300);
	struct interval half = stat_rate_weighted(2.5, 50, 0.05, 300);

	(void)state;
	assert_memory_equal(&plain, &same, sizeof plain);
	assert_true(half.low < plain.low && half.high > plain.high);
	assert_true(stat_rate_weighted(0, 0, 0.05, 300).high == 1);
}

static void mean_covers_and_narrows(void **state)
{
	struct stat_mean m = {0};
	struct interval early, late;

	(void)state;
	early = stat_mean_ci(&m, 0.05);
	assert_true(early.low == 0 && early.high == 1);
	draw_seed(7);
	for (unsigned i = 0; i < 100; i++)
		stat_mean_add(&m, draw() * 0.2, 0.05);
	early = stat_mean_ci(&m, 0.05);
	for (unsigned i = 0; i < 10000; i++)
		stat_mean_add(&m, draw() * 0.2, 0.05);
	late = stat_mean_ci(&m, 0.05);
	assert_true(early.low <= 0.1 && early.high >= 0.1);
	assert_true(late.low <= 0.1 && late.high >= 0.1);
	assert_true(late.high - late.low < early.high - early.low && late.high - late.low < 0.03);
}

/* The two sides swap when x is replaced by 1 - x. */
static void mean_mirrors(void **state)
{
	struct stat_mean a = {0}, b = {0};
	struct interval one, other;

	(void)state;
	draw_seed(99);
	for (unsigned i = 0; i < 500; i++) {
		double x = draw();

		stat_mean_add(&a, x, 0.05);
		stat_mean_add(&b, 1 - x, 0.05);
	}
	one = stat_mean_ci(&a, 0.05);
	other = stat_mean_ci(&b, 0.05);
	assert_true(fabs(one.low - (1 - other.high)) < 1e-12);
	assert_true(fabs(one.high - (1 - other.low)) < 1e-12);
}

/* The formula of arXiv 2010.09686 straight from the page, over the whole sample. */
static double mean_lower_by_hand(const double *x, unsigned n, double a)
{
	double sum = 0, s2_sum = 0, lam_sum = 0, lam_x = 0, v_psi = 0, s2 = 0.25;

	for (unsigned i = 0; i < n; i++) {
		double t = i + 1, mean = i ? sum / i : 0, mu;
		double lam = fmin(0.5, sqrt(2 * log(1 / a) / (t * log(1 + t) * s2)));

		v_psi += (x[i] - mean) * (x[i] - mean) * (-log(1 - lam) - lam);
		lam_sum += lam;
		lam_x += lam * x[i];
		sum += x[i];
		mu = fmin(1, (0.5 + sum) / (t + 1));
		s2_sum += (x[i] - mu) * (x[i] - mu);
		s2 = (0.25 + s2_sum) / (t + 1);
	}
	return lam_x / lam_sum - (log(1 / a) + v_psi) / lam_sum;
}

static void mean_formula(void **state)
{
	double x[400], mirrored[400];
	struct stat_mean m = {0};
	struct interval got;

	(void)state;
	draw_seed(4);
	for (unsigned i = 0; i < 400; i++) {
		x[i] = draw();
		mirrored[i] = 1 - x[i];
		stat_mean_add(&m, x[i], 0.05);
	}
	got = stat_mean_ci(&m, 0.05);
	assert_true(fabs(got.low - mean_lower_by_hand(x, 400, 0.025)) < 1e-12);
	assert_true(fabs(got.high - (1 - mean_lower_by_hand(mirrored, 400, 0.025))) < 1e-12);
}

/* Box and Jenkins, "Time Series Analysis", 1970: the seventy yields of batches (series F), r1 = -0.39. */
static void lag_published(void **state)
{
	static const double yields[] = {47, 64, 23, 71, 38, 64, 55, 41, 59, 48, 71, 35, 57, 40,
	                                58, 44, 80, 55, 37, 74, 51, 57, 50, 60, 45, 57, 50, 45,
	                                25, 59, 50, 71, 56, 74, 50, 58, 45, 54, 36, 54, 48, 55,
	                                45, 57, 50, 62, 44, 64, 43, 52, 38, 59, 55, 41, 53, 49,
	                                34, 35, 54, 45, 68, 38, 50, 60, 39, 59, 40, 57, 54, 23};
	struct stat_lag l = {0}, far = {0}, flat = {0};

	(void)state;
	assert_true(isnan(stat_lag_one(&l)));
	for (size_t i = 0; i < sizeof yields / sizeof *yields; i++) {
		stat_lag_add(&l, yields[i]);
		stat_lag_add(&far, 1e9 + yields[i]);
		stat_lag_add(&flat, 0.1);
	}
	assert_true(fabs(stat_lag_one(&l) - -0.39) < 0.005);
	assert_true(fabs(stat_lag_one(&far) - stat_lag_one(&l)) < 1e-12);
	assert_true(isnan(stat_lag_one(&flat)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(rate_edges),
	        cmocka_unit_test(rate_published_table),
	        cmocka_unit_test(rate_monotone),
	        cmocka_unit_test(rate_needed),
	        cmocka_unit_test(rate_false_alarms),
	        cmocka_unit_test(mean_covers_and_narrows),
	        cmocka_unit_test(mean_mirrors),
	        cmocka_unit_test(mean_formula),
	        cmocka_unit_test(clustered_false_alarms),
	        cmocka_unit_test(weights),
	        cmocka_unit_test(rate_published_mixture),
	        cmocka_unit_test(watch_is_the_same),
	        cmocka_unit_test(rate_plan),
	        cmocka_unit_test(rate_plan_sure),
	        cmocka_unit_test(lag_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
