/*
 * base_metric.c - histograms in shared memory, their quantiles, and the exposition format.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/metric.h"

static const struct metric count = {"x_requests_total", METRIC_COUNTER, "", "requests\\ of\nall", {"a", "b"}};
static const struct metric wait = {"x_wait_seconds", METRIC_HISTOGRAM, "seconds", "waits", {NULL}};

static void a_family_is_escaped(void **state)
{
	static const char want[] = "# HELP x_requests_total requests\\\\ of\\nall\n"
	                           "# TYPE x_requests_total counter\n"
	                           "x_requests_total{a=\"q\\\"u\\\\o\\nte\",b=\"\"} 18446744073709551615\n";
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	metric_family(&out, &count);
	metric_uint(&out, &count, (const char *const[]){"q\"u\\o\nte", ""}, UINT64_MAX);
	assert_int_equal(buf_len(&out), sizeof want - 1);
	assert_memory_equal(buf_span(&out).data, want, sizeof want - 1);
	buf_fini(&out);
}

static void reals_have_their_words(void **state)
{
	static const struct metric m = {"x", METRIC_GAUGE, "", "x", {NULL}};
	static const char want[] = "x 0.125\nx NaN\nx +Inf\nx -Inf\n";
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	metric_real(&out, &m, NULL, 0.125);
	metric_real(&out, &m, NULL, NAN);
	metric_real(&out, &m, NULL, INFINITY);
	metric_real(&out, &m, NULL, -INFINITY);
	assert_int_equal(buf_len(&out), sizeof want - 1);
	assert_memory_equal(buf_span(&out).data, want, sizeof want - 1);
	buf_fini(&out);
}

static void buckets_are_cumulative_and_exact_at_their_edges(void **state)
{
	static struct hist h;
	static struct hist_view v;
	struct buf out;
	char *text;

	(void)state;
	memset(&v, 0, sizeof v);
	hist_add(&h, 1023);
	hist_add(&h, 1024);
	hist_add(&h, UINT64_C(40) * 1000000000);
	hist_read(&h, &v);
	buf_init(&out, 1 << 16);
	metric_histogram(&out, &wait, NULL, &v);
	buf_put(&out, "", 1);
	text = (char *)buf_span(&out).data;
	assert_non_null(strstr(text, "x_wait_seconds_bucket{le=\"1.023e-06\"} 1\n"));
	assert_non_null(strstr(text, "x_wait_seconds_bucket{le=\"2.047e-06\"} 2\n"));
	assert_non_null(strstr(text, "x_wait_seconds_bucket{le=\"17.179869183\"} 2\n"));
	assert_non_null(strstr(text, "x_wait_seconds_bucket{le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(text, "x_wait_seconds_sum 40.000002047\nx_wait_seconds_count 3\n"));
	buf_fini(&out);
}

static void each_value_lies_in_its_bucket(void **state)
{
	uint64_t low, high, ns = 0;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		hist_bounds(hist_bucket(ns), &low, &high);
		assert_true(low <= ns && ns < high);
		if (high != UINT64_MAX && low >= 64)
			assert_true((high - low) * 32 <= low);
		ns = ns < 3000 ? ns + 1 : ns + ns / 37;
	}
	assert_int_equal(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
	for (unsigned i = 0; i + 1 < HIST_BUCKETS; i++) {
		uint64_t next_low, next_high;

		hist_bounds(i, &low, &high);
		hist_bounds(i + 1, &next_low, &next_high);
		assert_int_equal(high, next_low);
	}
}

static uint64_t random_ns(uint64_t *seed, uint64_t mean)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint64_t)(-log(((double)(*seed >> 11) + 1) / 9007199254740993.0) * (double)mean);
}

static void fill(struct hist_view *v, uint64_t mean, unsigned n, uint64_t seed)
{
	static struct hist h;

	memset(&h, 0, sizeof h);
	memset(v, 0, sizeof *v);
	for (unsigned i = 0; i < n; i++)
		hist_add(&h, random_ns(&seed, mean));
	hist_read(&h, v);
}

static void quantiles_are_near(void **state)
{
	static struct hist_view v;

	(void)state;
	assert_int_equal(hist_quantile(&v, 0.5), 0);
	fill(&v, 100000, 50000, 1);
	assert_true(fabs((double)hist_quantile(&v, 0.5) - 69315) < 3500);
	assert_true(fabs((double)hist_quantile(&v, 0.99) - 460517) < 30000);
	assert_int_equal(v.count, 50000);
}

/* The interval must hold the true median at every look of nearly every stream, and narrow. */
static void an_interval_may_be_watched(void **state)
{
	static struct hist h;
	static struct hist_view v;
	unsigned missed = 0;

	(void)state;
	for (uint64_t stream = 1; stream <= 60; stream++) {
		uint64_t seed = stream * 7919;
		bool miss = false;

		memset(&h, 0, sizeof h);
		for (unsigned n = 1; n <= 4000; n++) {
			struct hist_range r;

			hist_add(&h, random_ns(&seed, 100000));
			if (n % 50)
				continue;
			memset(&v, 0, sizeof v);
			hist_read(&h, &v);
			r = hist_quantile_range(&v, 0.5, 0.05);
			miss |= r.known && (69314.7 < r.low || 69314.7 > r.high);
		}
		missed += miss;
	}
	assert_true(missed <= 3);
	assert_true(hist_quantile_range(&v, 0.5, 0.05).known);
	memset(&v, 0, sizeof v);
	assert_false(hist_quantile_range(&v, 0.5, 0.05).known);
}

static void a_difference_is_found_and_none_is_not(void **state)
{
	static struct hist_view slow, fast, few;
	struct hist_range r;

	(void)state;
	fill(&fast, 100000, 40000, 3);
	fill(&slow, 200000, 40000, 4);
	fill(&few, 100000, 5, 5);
	r = hist_difference(&slow, &fast, 0.5, 0.05);
	assert_true(r.known && r.low > 20000 && r.low < 69315 && r.high > 69315 && r.high < 120000);
	fill(&slow, 100000, 40000, 6);
	r = hist_difference(&slow, &fast, 0.5, 0.05);
	assert_true(r.known && r.low < 0 && r.high > 0);
	assert_false(hist_difference(&few, &fast, 0.5, 0.05).known);
}

static void a_table_is_held_to_the_conventions(void **state)
{
	static const struct metric wrong[] = {
	        {"x_total", METRIC_COUNTER, "", "", {NULL}},
	        {"x_total", METRIC_COUNTER, "", NULL, {NULL}},
	        {"x", METRIC_COUNTER, "", "help", {NULL}},
	        {"x_total", METRIC_GAUGE, "", "help", {NULL}},
	        {"X", METRIC_GAUGE, "", "help", {NULL}},
	        {"1x", METRIC_GAUGE, "", "help", {NULL}},
	        {"x_ms", METRIC_GAUGE, "seconds", "help", {NULL}},
	        {"x_total", METRIC_COUNTER, "bytes", "help", {NULL}},
	        {"x", METRIC_GAUGE, NULL, "help", {NULL}},
	        {"x_bytes", METRIC_HISTOGRAM, "bytes", "help", {NULL}},
	        {"x", METRIC_GAUGE, "", "help", {"le"}},
	        {"x", METRIC_GAUGE, "", "help", {"a-b"}},
	        {"x", METRIC_GAUGE, "", "help", {"__a"}},
	};
	const struct metric twice[] = {count, wait, count};
	char why[160] = "";

	(void)state;
	assert_int_equal(metric_check(twice, 2, why), 0);
	assert_int_equal(metric_check(twice, 3, why), ERR_CONFIG);
	assert_string_equal(why, "x_requests_total is there twice");
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(metric_check(&wrong[i], 1, why), ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_family_is_escaped),
	        cmocka_unit_test(reals_have_their_words),
	        cmocka_unit_test(buckets_are_cumulative_and_exact_at_their_edges),
	        cmocka_unit_test(each_value_lies_in_its_bucket),
	        cmocka_unit_test(quantiles_are_near),
	        cmocka_unit_test(an_interval_may_be_watched),
	        cmocka_unit_test(a_difference_is_found_and_none_is_not),
	        cmocka_unit_test(a_table_is_held_to_the_conventions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
