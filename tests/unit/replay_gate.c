/* Gate states: what the figures say, and "not enough data" is never a pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_states),     cmocka_unit_test(test_latency),
	        cmocka_unit_test(test_list),       cmocka_unit_test(test_verdict),
	        cmocka_unit_test(test_decided_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
