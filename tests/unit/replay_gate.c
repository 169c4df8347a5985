/* Gate states: what the figures say, and "not enough data" is never a pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "replay/compare.h"
#include "replay/gate.h"

static void check(uint32_t metric, double limit, struct gate_input in, enum gate_state want)
{
	struct plan_gate gate = {.metric = metric, .limit = limit};
	struct gate_result r;

	gate_evaluate(&gate, &in, &r);
	assert_int_equal(r.state, want);
	if (want != GATE_UNDECIDED) {
		assert_int_equal(r.needed, 0);
		assert_false(isnan(r.value));
	}
}

#define IN(...) ((struct gate_input){__VA_ARGS__})

static void test_states(void **state)
{
	(void)state;
	check(GATE_DIVERGENCE_RATE, 0.02, IN(.pairs = 0), GATE_UNDECIDED);
	check(GATE_DIVERGENCE_RATE, 1.00, IN(.pairs = 0), GATE_UNDECIDED);
	check(GATE_DIVERGENCE_RATE, 0.02, IN(.pairs = 20), GATE_UNDECIDED);
	check(GATE_DIVERGENCE_RATE, 0.02, IN(.pairs = 5000, .diverged = 5), GATE_PASS);
	check(GATE_DIVERGENCE_RATE, 0.02, IN(.pairs = 5000, .diverged = 500), GATE_FAIL);
	check(GATE_DIVERGENCE_RATE, 0.02, IN(.pairs = 5000, .diverged = 100), GATE_UNDECIDED);
	check(GATE_DIVERGENCE_RATE, 0.00, IN(.pairs = 100000), GATE_UNDECIDED);
	check(GATE_ROW_DIVERGENCE_RATE, 0.02,
	      IN(.pairs = 5000, .rows = 5000, .rows_largest = 1, .rows_diverged = 5), GATE_PASS);
	check(GATE_ROW_DIVERGENCE_RATE, 0.02, IN(.pairs = 2, .rows = 5000, .rows_largest = 2500),
	      GATE_UNDECIDED);
	check(GATE_ROW_DIVERGENCE_RATE, 0.02, IN(.pairs = 3, .rows = 5002, .rows_largest = 5000),
	      GATE_UNDECIDED);
	check(GATE_ROW_DIVERGENCE_RATE, 0.02,
	      IN(.pairs = 10000, .rows = 25000, .rows_largest = 4, .rows_diverged = 25), GATE_PASS);
	check(GATE_CANDIDATE_FAILURE_RATE, 0.01, IN(.compared = 5000), GATE_PASS);
	check(GATE_CANDIDATE_FAILURE_RATE, 0.01, IN(.compared = 50, .failed = 50), GATE_FAIL);
	check(GATE_CANDIDATE_FAILURE_RATE, 0.01, IN(.compared = 50), GATE_UNDECIDED);
	check(GATE_COVERAGE, 0.95, IN(.compared = 95, .expected = 100), GATE_PASS);
	check(GATE_COVERAGE, 0.95, IN(.compared = 1, .expected = 100), GATE_UNDECIDED);
	check(GATE_COVERAGE, 0.95, IN(.compared = 0), GATE_UNDECIDED);
}

static void test_latency(void **state)
{
	static struct sketch slow, fast, none;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		sketch_add(&slow, 3000);
		sketch_add(&fast, 1000);
	}
	check(GATE_LATENCY_P99_RATIO, 1.2, IN(.candidate = &slow, .reference = &fast), GATE_FAIL);
	check(GATE_LATENCY_P99_RATIO, 1.2, IN(.candidate = &fast, .reference = &slow), GATE_PASS);
	check(GATE_LATENCY_P99_RATIO, 1.2, IN(.candidate = &slow, .reference = &none), GATE_UNDECIDED);
}

static void test_list(void **state)
{
	struct plan_route route = {.gate_count = 2,
	                           .gates = {{.metric = GATE_DIVERGENCE_RATE, .limit = 0.02},
	                                     {.metric = GATE_COVERAGE, .limit = 0.5}}};
	struct plan_gate gates[GATE_LIST_MAX];

	(void)state;
	assert_int_equal(gate_list(&route, "svc", gates), 3);
	assert_int_equal(gates[0].metric, GATE_CANDIDATE_FAILURE_RATE);
	assert_true(gates[0].limit == 0.01);
	assert_true(gates[1].limit == 0.5);
	assert_int_equal(gates[2].metric, GATE_DIVERGENCE_RATE);
	assert_int_equal(gate_metric_by_name(SPAN("latency_p99_ratio")), GATE_LATENCY_P99_RATIO);
	assert_int_equal(gate_metric_by_name(SPAN("latency")), -1);
}

static void test_verdict(void **state)
{
	static const struct {
		enum gate_state failure, coverage, declared, want;
		unsigned count;
		int by;
	} cases[] = {
	        {GATE_PASS, GATE_PASS, GATE_PASS, GATE_PASS, 3, -1},
	        {GATE_PASS, GATE_PASS, GATE_PASS, GATE_UNDECIDED, 2, -1},
	        {GATE_FAIL, GATE_PASS, GATE_PASS, GATE_FAIL, 2, 0},
	        {GATE_UNDECIDED, GATE_PASS, GATE_FAIL, GATE_FAIL, 3, 2},
	        {GATE_PASS, GATE_UNDECIDED, GATE_PASS, GATE_UNDECIDED, 3, 1},
	};
	const struct plan_gate gates[3] = {{.metric = GATE_CANDIDATE_FAILURE_RATE, .limit = 0.01},
	                                   {.metric = GATE_COVERAGE, .limit = 0.95},
	                                   {.metric = GATE_DIVERGENCE_RATE, .limit = 0.02}};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct gate_result r[3] = {{.state = cases[i].failure},
		                           {.state = cases[i].coverage},
		                           {.state = cases[i].declared}};
		int by;

		assert_int_equal(gate_verdict(gates, r, cases[i].count, &by), cases[i].want);
		assert_int_equal(by, cases[i].by);
	}
}

/* Of those that are undecided the one that will be for longest; a failed one is in the way whatever they
 * need. */
static void test_decided_by(void **state)
{
	const struct plan_gate gates[3] = {{.metric = GATE_CANDIDATE_FAILURE_RATE, .limit = 0.01},
	                                   {.metric = GATE_DIVERGENCE_RATE, .limit = 0.02},
	                                   {.metric = GATE_LATENCY_P99_RATIO, .limit = 1.2}};
	struct gate_result r[3] = {{.needed = 40}, {.needed = 500}, {.needed = 300}};
	int by;

	(void)state;
	assert_int_equal(gate_verdict(gates, r, 3, &by), GATE_UNDECIDED);
	assert_int_equal(by, 1);
	r[2].needed = UINT64_MAX;
	assert_int_equal(gate_verdict(gates, r, 3, &by), GATE_UNDECIDED);
	assert_int_equal(by, 2);
	r[1].state = GATE_FAIL;
	assert_int_equal(gate_verdict(gates, r, 3, &by), GATE_FAIL);
	assert_int_equal(by, 1);
}

/* Every metric has a side on which it passes and one on which it fails. */
static void test_metrics(void **state)
{
	static uint64_t few[DIVERGENCES], many[DIVERGENCES];
	static struct stat_mean low[MEASURES], high[MEASURES];
	static struct sketch small, large, none;

	(void)state;
	for (int d = 0; d < DIVERGENCES; d++) {
		few[d] = 5;
		many[d] = 500;
	}
	for (int i = 0; i < 5000; i++) {
		for (int m = 0; m < MEASURES; m++) {
			stat_mean_add(&low[m], 0.01, GATE_ALPHA);
			stat_mean_add(&high[m], 0.9, GATE_ALPHA);
		}
		sketch_add(&small, 100);
		sketch_add(&large, 9000);
	}
	for (uint32_t m = GATE_STATUS_RATE; m <= GATE_TOOL_CALLS_RATE; m++) {
		check(m, 0.02, IN(.pairs = 5000, .rows = 5000, .classes = few), GATE_PASS);
		check(m, 0.02, IN(.pairs = 5000, .rows = 5000, .classes = many), GATE_FAIL);
		check(m, 0.02, IN(.pairs = 0), GATE_UNDECIDED);
	}
	for (uint32_t m = GATE_JS_MEAN; m <= GATE_TOKEN_F1_MEAN; m++) {
		bool least = gate_metric_row(m)->direction == GATE_MIN;

		check(m, 0.5, IN(.pairs = 5000, .measures = least ? high : low), GATE_PASS);
		check(m, 0.5, IN(.pairs = 5000, .measures = least ? low : high), GATE_FAIL);
		check(m, 0.5, IN(.pairs = 0), GATE_UNDECIDED);
	}
	for (uint32_t m = GATE_LATENCY_P99_SHIFT; m <= GATE_LATENCY_P50_SHIFT; m++) {
		check(m, 1, IN(.slower = &small, .faster = &none), GATE_PASS);
		check(m, -1, IN(.slower = &none, .faster = &large), GATE_PASS);
		check(m, 1, IN(.slower = &large, .faster = &none), GATE_FAIL);
		check(m, 1, IN(.slower = &none, .faster = &none), GATE_UNDECIDED);
	}
	check(GATE_PARITY_CHANGE, 0.1, IN(.parity_value = 0.02, .parity = {-0.01, 0.05}), GATE_PASS);
	check(GATE_PARITY_CHANGE, 0.1, IN(.parity_value = 0.3, .parity = {0.2, 0.4}), GATE_FAIL);
	check(GATE_PARITY_CHANGE, 0.1, IN(.parity_value = NAN, .parity = {-1, 1}), GATE_UNDECIDED);
}

/* Noise takes away from what the candidate does: 5 % that the baseline has too are none of it. */
static void test_excess(void **state)
{
	struct plan_gate gate = {.metric = GATE_EXCESS_DIVERGENCE, .limit = 0.02};
	struct gate_result r;

	(void)state;
	check(GATE_EXCESS_DIVERGENCE, 0.02,
	      IN(.pairs = 20000, .baseline = true, .noise = {20000, 1000, 1000}), GATE_PASS);
	check(GATE_EXCESS_DIVERGENCE, 0.02, IN(.pairs = 20000, .baseline = true, .noise = {20000, 2000, 500}),
	      GATE_FAIL);
	gate_evaluate(&gate, &IN(.pairs = 20000), &r);
	assert_int_equal(r.state, GATE_UNDECIDED);
	assert_string_equal(r.why, "no baseline");
}

/* What a gate is decided at is where its e-value passes 1 / alpha. */
static void test_e_value(void **state)
{
	struct plan_gate gate = {.metric = GATE_DIVERGENCE_RATE, .limit = 0.02};

	(void)state;
	for (uint64_t n = 10; n < 4000; n += 10) {
		struct gate_result r;

		gate_evaluate(&gate, &IN(.pairs = n, .diverged = n / 200), &r);
		assert_int_equal(r.log_e >= log(1 / GATE_ALPHA), r.state != GATE_UNDECIDED);
	}
}

/* Arrivals far apart, and what is in flight with them: no verdict on latency. A slow candidate under the same
 * arrivals is slow, and one that has nothing in flight has no queue. */
static void test_load(void **state)
{
	static struct sketch fast, slow;
	struct plan_gate gate = {.metric = GATE_LATENCY_P99_RATIO, .limit = 1.2};
	struct gate_result r;

	(void)state;
	assert_true(gate_load_apart((struct gate_load){1000, 10}, (struct gate_load){100, 1}));
	assert_true(gate_load_apart((struct gate_load){100, 1}, (struct gate_load){1000, 10}));
	assert_true(gate_load_apart((struct gate_load){1000, 10}, (struct gate_load){600, 6}));
	assert_false(gate_load_apart((struct gate_load){1000, 10}, (struct gate_load){700, 7}));
	assert_false(gate_load_apart((struct gate_load){1000, 10}, (struct gate_load){1000, 70}));
	assert_false(gate_load_apart((struct gate_load){1000, 10}, (struct gate_load){100, 10}));
	assert_false(gate_load_apart((struct gate_load){100, 0.5}, (struct gate_load){1, 0.001}));
	assert_false(gate_load_apart((struct gate_load){0, 0}, (struct gate_load){0, 0}));
	for (int i = 0; i < 3000; i++) {
		sketch_add(&fast, 100);
		sketch_add(&slow, 400);
	}
	gate_evaluate(&gate, &IN(.pairs = 3000, .candidate = &slow, .reference = &fast, .load_apart = true),
	              &r);
	assert_int_equal(r.state, GATE_UNDECIDED);
	assert_string_equal(r.why, "load not matched");
	assert_true(r.value > 3.9 && r.ci.low > 3.8);
}

static void test_min_pairs(void **state)
{
	struct plan_gate gate = {.metric = GATE_DIVERGENCE_RATE, .limit = 0.02, .min_pairs = 6000};
	struct gate_result r;

	(void)state;
	gate_evaluate(&gate, &IN(.pairs = 5000, .diverged = 5), &r);
	assert_true(r.state == GATE_UNDECIDED && r.needed == 1000);
	gate_evaluate(&gate, &IN(.pairs = 6000, .diverged = 5), &r);
	assert_true(r.state == GATE_PASS && !r.why);
}

static void test_advisory(void **state)
{
	struct plan_gate gates[2] = {{.metric = GATE_DIVERGENCE_RATE},
	                             {.metric = GATE_VALUE_RATE, .advisory = 1}};
	struct gate_result r[2] = {{.state = GATE_PASS}, {.state = GATE_FAIL}};
	int by;

	(void)state;
	assert_int_equal(gate_verdict(gates, r, 2, &by), GATE_PASS);
	gates[0].advisory = 3;
	assert_int_equal(gate_verdict(gates, r, 2, &by),
	                 GATE_UNDECIDED); /* none is declared that could decide */
}

static void test_of_candidates(void **state)
{
	struct plan_route route = {.gate_count = 3,
	                           .gates = {{.metric = GATE_COVERAGE, .limit = 0.5, .candidate = "svc"},
	                                     {.metric = GATE_COVERAGE, .limit = 0.6},
	                                     {.metric = GATE_VALUE_RATE, .candidate = "other"}}};
	struct plan_gate gates[GATE_LIST_MAX];

	(void)state;
	assert_int_equal(gate_list(&route, "svc", gates), 2);
	assert_true(gates[1].limit == 0.5);
	assert_int_equal(gate_list(&route, "other", gates), 3);
	assert_true(gates[1].limit == 0.6 && gates[2].metric == GATE_VALUE_RATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_metrics),       cmocka_unit_test(test_excess),
	        cmocka_unit_test(test_e_value),       cmocka_unit_test(test_load),
	        cmocka_unit_test(test_min_pairs),     cmocka_unit_test(test_advisory),
	        cmocka_unit_test(test_of_candidates), cmocka_unit_test(test_states),
	        cmocka_unit_test(test_latency),       cmocka_unit_test(test_list),
	        cmocka_unit_test(test_verdict),       cmocka_unit_test(test_decided_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
