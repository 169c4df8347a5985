/* The run directory: what is committed is there again after a crash, with the same figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay/results.h"

static struct plan plan;
static struct ledger_counts counts;
static char directory[64];

static int setup(void **state)
{
	struct plan_route *route = &plan.routes[0];

	(void)state;
	memset(&plan, 0, sizeof plan);
	memset(&counts, 0, sizeof counts);
	plan.route_count = 1;
	strcpy(plan.run_name, "digits \"svc\"");
	strcpy(route->name, "digits");
	route->candidate_count = 2;
	strcpy(route->candidates[0].name, "svc");
	strcpy(route->candidates[1].name, "twin");
	route->candidates[1].baseline = true;
	route->gate_count = 1;
	route->gates[0] = (struct plan_gate){GATE_DIVERGENCE_RATE, 0.02, "agreed"};
	strcpy(directory, "/tmp/understudy-results-XXXXXX");
	assert_non_null(mkdtemp(directory));
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", directory);
	return system(command);
}

static struct results *open_run(void)
{
	struct results *r;
	char why[256], path[96];

	snprintf(path, sizeof path, "%s/deep/run", directory);
	assert_int_equal(results_open(path, &plan, "run-1", "mirror", &r, why), 0);
	return r;
}

static int add(struct results *r, uint64_t id, uint16_t candidate, bool diverged)
{
	struct row rows[2] = {
	        {.has_measures = true,
	         .js_bits = 0.01 * (double)(id % 7),
	         .tv = 0.02 * (double)(id % 5),
	         .flipped = diverged,
	         .diverged = diverged,
	         .live_label = 5,
	         .candidate_label = diverged ? 8 : 5},
	        {.has_measures = false},
	};
	struct comparison c = {.diverged = diverged,
	                       .row_count = 2,
	                       .rows_diverged = diverged,
	                       .rows = rows,
	                       .where = "outputs[0] row 0: 5 -> 8"};
	struct results_pair p = {.id = id,
	                         .candidate = candidate,
	                         .seen_us = 1700000000000000 + id * 1000,
	                         .live_us = 1000 + id,
	                         .other_us = 2000 + id,
	                         .comparison = &c,
	                         .live = {200, SPAN("a/b"), SPAN("{}")},
	                         .other = {200, SPAN("a/b"), SPAN("[]")},
	                         .request_head = SPAN("POST /"),
	                         .request_body = SPAN("x")};

	c.counts[DIVERGENCE_LABEL_FLIP] = diverged;
	return results_add(r, &p);
}

/* The summary, to be freed. */
static char *summary(struct results *r)
{
	char path[96], *text = calloc(1, 65536);
	FILE *f;

	counts.seen = counts.route_seen[0] = 100;
	counts.exchange[0] = counts.candidate[0][0][0] = counts.candidate[0][1][0] = 100;
	assert_int_equal(results_summary(r, &counts, "running", NULL), 0);
	snprintf(path, sizeof path, "%s/deep/run/summary.json", directory);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

static void add_hundred(struct results *r)
{
	for (uint64_t id = 1; id <= 100; id++) {
		assert_int_equal(add(r, id, 0, id % 10 == 0), 0);
		assert_int_equal(add(r, id, 1, id == 3), 0);
	}
}

static void test_summary(void **state)
{
	struct results *r = open_run();
	char *text;

	(void)state;
	text = summary(r);
	assert_non_null(strstr(text, "\"verdict\":\"undecided\""));
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "inf"));
	free(text);
	add_hundred(r);
	assert_int_equal(results_commit(r), 0);
	text = summary(r);
	assert_non_null(strstr(text, "\"pairs\":100,\"rows\":200,\"diverged\":10,\"divergence_rate\":0.1,"));
	assert_non_null(strstr(text, "\"noise_rate\":0.01,"));
	assert_non_null(
	        strstr(text, "{\"class\":\"label_flip\",\"unit\":\"row\",\"count\":10,\"rate\":0.05,"));
	assert_non_null(strstr(text, "\"role\":\"baseline\",\"verdict\":null"));
	assert_non_null(strstr(text, "\"because\":\"agreed\""));
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "inf"));
	free(text);
	results_close(&r);
}

static void test_added_twice_counts_once(void **state)
{
	struct results *r = open_run();
	char *text;

	(void)state;
	assert_int_equal(add(r, 1, 0, true), 0);
	assert_int_equal(add(r, 1, 0, true), 0);
	text = summary(r);
	assert_non_null(strstr(text, "\"pairs\":1,\"rows\":2,\"diverged\":1,"));
	free(text);
	results_close(&r);
}

/* A child commits, adds one more pair, and dies without closing. */
static void test_killed(void **state)
{
	struct results *r;
	char *before, *after;
	int status;

	(void)state;
	if (!fork()) {
		r = open_run();
		add_hundred(r);
		if (results_commit(r) || add(r, 500, 0, true))
			_exit(1);
		_exit(0);
	}
	assert_true(wait(&status) > 0 && status == 0);
	r = open_run();
	after = summary(r);
	results_close(&r);
	teardown(NULL);
	setup(NULL);
	r = open_run();
	add_hundred(r);
	before = summary(r);
	results_close(&r);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void test_forget(void **state)
{
	struct results *r = open_run();
	char *before, *after;

	(void)state;
	add_hundred(r);
	before = summary(r);
	assert_int_equal(add(r, 900, 0, true), 0);
	assert_int_equal(results_commit(r), 0);
	assert_int_equal(results_forget(r, 900, 0, 0), 0);
	assert_int_equal(results_forget(r, 901, 0, 0), 0);
	assert_int_equal(results_commit(r), 0);
	after = summary(r);
	assert_string_equal(before, after);
	free(before);
	free(after);
	results_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_summary, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_added_twice_counts_once, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
