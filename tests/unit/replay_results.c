/* The run directory: what is committed is there again after a crash, with the same figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/version.h"
#include "replay/results.h"

static struct plan plan;
static struct versions versions; /* of each pair that is added */
static struct ledger_counts counts;
static char directory[64];

static int setup(void **state)
{
	struct plan_route *route = &plan.routes[0];

	(void)state;
	memset(&plan, 0, sizeof plan);
	memset(&versions, 0, sizeof versions);
	memset(&counts, 0, sizeof counts);
	plan.route_count = 1;
	strcpy(plan.run_name, "digits \"svc\"");
	strcpy(route->name, "digits");
	route->candidate_count = 2;
	strcpy(route->candidates[0].name, "svc");
	strcpy(route->candidates[1].name, "twin");
	route->candidates[1].baseline = true;
	route->gate_count = 1;
	route->gates[0] =
	        (struct plan_gate){.metric = GATE_DIVERGENCE_RATE, .limit = 0.02, .because = "agreed"};
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

static int64_t ask(const char *sql)
{
	char path[96];
	sqlite3 *db;
	sqlite3_stmt *s;
	int64_t value;

	snprintf(path, sizeof path, "%s/deep/run/results.db", directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return value;
}

static enum results_control control; /* of each pair that is added */

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
	                         .control = control,
	                         .versions = &versions,
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
	assert_int_equal(results_summary(r, &counts, "running", NULL, NULL, NULL, SPAN("")), 0);
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

/* A comparison that misses what was planted decides nothing, but a failure: it sees too little, not too much.
 */
static void test_blind(void **state)
{
	struct results *r;
	char *text;

	(void)state;
	control = CONTROL_MISSED;
	for (unsigned fails = 0; fails < 2; fails++) {
		plan.routes[0].gates[0].limit = fails ? 0.001 : 0.9;
		r = open_run();
		for (uint64_t id = 1; id <= 100; id++)
			assert_int_equal(add(r, id + 1000 * fails, 0, id % 3 == 0), 0);
		assert_int_equal(results_commit(r), 0);
		text = summary(r);
		assert_non_null(strstr(text, fails ? "\"verdict\":\"fail\"" : "\"verdict\":\"undecided\""));
		free(text);
		results_close(&r);
	}
	control = CONTROL_NONE;
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

/* A batch that the disk did not take, before the first that it took and after it; then all goes on. */
static void test_abandon(void **state)
{
	struct results *r = open_run();
	char *before, *after;

	(void)state;
	for (unsigned turn = 0; turn < 2; turn++) {
		before = summary(r);
		for (uint64_t id = 300; id <= 420; id++)
			assert_int_equal(add(r, id, id % 2, id % 3 == 0), 0);
		assert_int_equal(results_abandon(r), 0);
		assert_int_equal(results_try(r), 0);
		after = summary(r);
		assert_string_equal(before, after);
		free(before);
		free(after);
		if (!turn)
			add_hundred(r);
		assert_int_equal(results_commit(r), 0);
	}
	assert_int_equal(add(r, 230, 0, true), 0);
	after = summary(r);
	results_close(&r);
	assert_int_equal(ask("SELECT COUNT(*) FROM pair"), 201);
	assert_int_equal(ask("SELECT COUNT(*) FROM pair WHERE id >= '000000000000012c'"), 0);
	assert_int_equal(ask("SELECT COUNT(*) FROM meta WHERE key = 'room'"), 0);
	teardown(NULL);
	setup(NULL);
	r = open_run();
	add_hundred(r);
	assert_int_equal(add(r, 230, 0, true), 0);
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

/* A child commits two batches and dies before the cells of the last were settled: half of it is forgotten. */
static void test_killed_between(void **state)
{
	struct results *r;
	char *before, *after;
	int status;

	(void)state;
	if (!fork()) {
		r = open_run();
		add_hundred(r);
		if (results_commit(r))
			_exit(1);
		for (uint64_t id = 201; id <= 220; id++)
			if (add(r, id, 0, id % 3 == 0))
				_exit(1);
		_exit(results_commit(r) ? 1 : 0);
	}
	assert_true(wait(&status) > 0 && status == 0);
	r = open_run();
	for (uint64_t id = 211; id <= 220; id++)
		assert_int_equal(results_forget(r, id, 0, 0), 0);
	assert_int_equal(results_forget(r, 5, 0, 0), 0); /* settled long ago: stays */
	assert_int_equal(results_commit(r), 0);
	results_close(&r);
	r = open_run();
	assert_int_equal(add(r, 230, 0, true), 0);
	after = summary(r);
	results_close(&r);
	teardown(NULL);
	setup(NULL);
	r = open_run();
	add_hundred(r);
	for (uint64_t id = 201; id <= 210; id++)
		assert_int_equal(add(r, id, 0, id % 3 == 0), 0);
	assert_int_equal(add(r, 230, 0, true), 0);
	before = summary(r);
	results_close(&r);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

/* Another run in the same directory begins at nothing; the first one's results stay beside it. */
static void test_two_runs(void **state)
{
	struct results *r = open_run();
	char why[256], path[96], *text;

	(void)state;
	add_hundred(r);
	results_close(&r);
	snprintf(path, sizeof path, "%s/deep/run", directory);
	assert_int_equal(results_open(path, &plan, "run-2", "mirror", &r, why), 0);
	assert_int_equal(add(r, 1, 0, true), 0);
	text = summary(r);
	assert_non_null(strstr(text, "\"pairs\":1,\"rows\":2,\"diverged\":1,"));
	free(text);
	results_close(&r);
	snprintf(path, sizeof path, "%s/deep/run/results-run-1.db", directory);
	assert_int_equal(access(path, R_OK), 0);
}

/* Past the bound agreed pairs go first; the counters stay exact; the sample does not depend on the order. */
static void test_bound(void **state)
{
	struct results *r;
	int64_t kept, sum;
	char *text;

	(void)state;
	plan.run_max_bytes = 1 << 20;
	for (int reversed = 0; reversed < 2; reversed++) {
		r = open_run();
		for (uint64_t i = 1; i <= 20000; i++) {
			uint64_t id = reversed ? 20001 - i : i;

			assert_int_equal(add(r, id, 0, id % 32 == 0), 0);
			if (i % 500 == 0)
				assert_int_equal(results_commit(r), 0);
		}
		text = summary(r);
		assert_non_null(strstr(text, "\"pairs\":20000,\"rows\":40000,\"diverged\":625,"));
		free(text);
		results_close(&r);
		assert_true(ask("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size") <=
		            (int64_t)plan.run_max_bytes);
		assert_int_equal(ask("SELECT COUNT(*) FROM pair WHERE diverged"), 625);
		assert_int_equal(ask("SELECT COUNT(*) FROM \"row\" WHERE pair NOT IN (SELECT n FROM pair)"),
		                 0);
		assert_int_equal(ask("SELECT COUNT(*) FROM divergences WHERE class = 'label_flip'"), 625);
		assert_int_equal(ask("SELECT SUM(flipped) FROM predictions"), 625);
		assert_int_equal(ask("SELECT COUNT(*) FROM least_kept WHERE band > 0"), 1);
		assert_int_equal(ask("SELECT COUNT(*) FROM stored_pair JOIN least_kept ON stratum = n >> 47"
		                     " WHERE n >> 40 & 127 < band"),
		                 0);
		kept = ask("SELECT COUNT(*) FROM pair WHERE NOT diverged");
		sum = ask("SELECT COUNT(*) FROM pair WHERE NOT diverged AND id < '0000000000002710'");
		assert_true(kept > 40 && kept < 15000);
		assert_true(sum > kept / 4 && sum < kept * 3 / 4);
		teardown(NULL);
		setup(NULL);
		plan.run_max_bytes = 1 << 20;
	}
}

/* Rows of one batch are one observation: the interval follows the pairs, not the rows. */
static void test_slices_and_clusters(void **state)
{
	struct results *r;
	struct row rows[100] = {{0}};
	struct comparison c = {.row_count = 100, .rows = rows};
	struct results_pair p = {
	        .comparison = &c, .live = {200, SPAN(""), SPAN("")}, .other = {200, SPAN(""), SPAN("")}};
	char *text;

	(void)state;
	plan.routes[0].slice_count = 1;
	strcpy(plan.routes[0].slices[0].name, "tenant");
	strcpy(plan.routes[0].slices[0].header, "x-tenant");
	for (int i = 0; i < 100; i++)
		rows[i] = (struct row){.has_measures = true, .js_bits = 0.5, .tv = 0.25};
	r = open_run();
	for (uint64_t id = 1; id <= 3; id++) {
		p.id = id;
		p.against_baseline = id == 3;
		p.request_head = id == 3 ? SPAN("POST /\nx-tenant: b<\x01") : SPAN("POST /\nx-tenant: a");
		assert_int_equal(results_add(r, &p), 0);
	}
	text = summary(r);
	assert_non_null(
	        strstr(text, "\"js_bits\":{\"unit\":\"pair\",\"mean\":0.5,\"ci\":[0,1],\"row_mean\":0.5}"));
	assert_non_null(strstr(text, "{\"slice\":\"tenant=a\",\"pairs\":2,\"diverged\":0,"));
	assert_non_null(strstr(text, "{\"slice\":\"tenant=b<?\",\"pairs\":1,"));
	assert_non_null(strstr(text, "{\"slice\":\"route=digits\",\"pairs\":3,"));
	assert_non_null(strstr(text, "\"against_baseline\":1,"));
	free(text);
	results_close(&r);
}

static void test_manifest(void **state)
{
	char path[96], text[8192] = "", first[8192];
	struct results *r = open_run();
	FILE *f;

	(void)state;
	snprintf(path, sizeof path, "%s/deep/run/manifest.json", directory);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(first, 1, sizeof first - 1, f) > 0);
	fclose(f);
	results_close(&r);
	snprintf(text, sizeof text, "%s/deep/run/capture", directory);
	assert_int_equal(mkdir(text, 0700), 0);
	snprintf(text, sizeof text, "%s/deep/run/capture/a.cap", directory);
	f = fopen(text, "w");
	assert_non_null(f);
	fputs("abc", f);
	fclose(f);
	r = open_run();
	assert_int_equal(results_seal(r, "final"), 0);
	results_close(&r);
	memset(text, 0, sizeof text);
	f = fopen(path, "r");
	assert_true(fread(text, 1, sizeof text - 1, f) > 0);
	fclose(f);
	assert_non_null(strstr(first, "\"state\":\"running\",\"ended\":null"));
	assert_non_null(strstr(text, "\"state\":\"final\",\"ended\":\"20"));
	assert_non_null(strstr(text, "\"versions\":{\"understudy\":\"" VERSION "\""));
	assert_non_null(strstr(text,
	                       "{\"file\":\"a.cap\",\"bytes\":3,\"sha256\":"
	                       "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}"));
	assert_memory_equal(strstr(first, "\"started\""), strstr(text, "\"started\""), 38);
}

/* --- segments --- */

static void answered_by(const char *live, const char *candidate)
{
	snprintf(versions.sides[VERSION_LIVE].text, VERSION_BYTES, "%s", live);
	snprintf(versions.sides[VERSION_CANDIDATE].text, VERSION_BYTES, "%s", candidate);
}

static void has(struct results *r, const char *text)
{
	char *all;

	memset(&counts, 0, sizeof counts);
	all = summary(r);
	if (!strstr(all, text))
		fail_msg("no %s in %s", text, all);
	free(all);
}

/* What one version did is in no figure of another, in whatever order they come; the newest decides. */
static void a_version_has_figures_of_its_own(void **state)
{
	struct results *r = open_run();

	(void)state;
	answered_by("d@1", "d@7");
	for (uint64_t id = 1; id <= 100; id++)
		assert_int_equal(add(r, id, 0, id <= 30), 0);
	assert_null(results_changed(r));
	answered_by("d@2", "d@7");
	assert_int_equal(add(r, 101, 0, false), 0);
	assert_string_equal(results_changed(r), "svc on digits: live d@1 -> d@2");
	assert_null(results_changed(r));
	for (uint64_t id = 102; id <= 120; id++) { /* a rolling update */
		answered_by(id & 1 ? "d@1" : "d@2", "d@7");
		assert_int_equal(add(r, id, 0, id & 1), 0);
	}
	answered_by("", ""); /* an error tells nothing: as it was */
	assert_int_equal(add(r, 121, 0, true), 0);
	assert_int_equal(results_commit(r), 0);
	has(r, "\"pairs\":12,\"rows\":24,\"diverged\":1,");
	has(r, "\"segment\":1,\"current\":false,");
	has(r, "\"pairs\":109,\"rows\":218,\"diverged\":39,");
	has(r, "\"versions\":[{\"asked\":\"\",\"live\":\"d@2\",\"candidate\":\"d@7\",\"baseline\":\"\"}]");
	assert_int_equal(ask("SELECT COUNT(*) FROM pair WHERE segment = 1"), 109);
	assert_int_equal(ask("SELECT COUNT(*) FROM pairs WHERE segment = 2 AND diverged"), 1);
	results_close(&r);
	r = open_run();
	has(r, "\"pairs\":12,\"rows\":24,\"diverged\":1,"); /* it is there again */
	answered_by("d@1", "d@7");
	for (uint64_t id = 200; id < 232; id++) /* rolled back for good */
		assert_int_equal(add(r, id, 0, false), 0);
	has(r, "\"pairs\":141,\"rows\":282,\"diverged\":39,");
	has(r, "\"segment\":1,\"current\":true,");
	results_close(&r);
}

/* What is asked of each model is told apart: two models of one route are no change of version. */
static void models_have_versions_of_their_own(void **state)
{
	struct results *r = open_run();

	(void)state;
	for (uint64_t id = 1; id <= 40; id++) {
		strcpy(versions.asked.text, id & 1 ? "a" : "b");
		answered_by(id & 1 ? "a@1" : "b@1", "c");
		assert_int_equal(add(r, id, 0, false), 0);
	}
	assert_null(results_changed(r));
	strcpy(versions.asked.text, "b");
	answered_by("b@1", "c@2");
	assert_int_equal(add(r, 41, 0, false), 0);
	assert_string_equal(results_changed(r), "svc on digits: candidate c -> c@2");
	strcpy(versions.asked.text, "a"); /* whose version is what it was: with the others of now */
	answered_by("a@1", "c");
	assert_int_equal(add(r, 42, 0, false), 0);
	has(r, "\"pairs\":2,\"rows\":4,");
	results_close(&r);
}

static void too_many_versions_decide_nothing(void **state)
{
	struct results *r = open_run();

	(void)state;
	for (uint64_t id = 1; id <= 2000; id++) {
		char name[16];

		snprintf(name, sizeof name, "v%d", (int)(id % 9));
		answered_by(name, "c");
		assert_int_equal(add(r, id, 0, false), 0);
	}
	has(r, "\"versions_left_out\":222,");
	has(r, "svc: more versions answered than are kept apart");
	results_close(&r);
}

/* A segment that a killed judge began in its last batch begins again, with the pairs that were settled. */
static void a_segment_survives_a_kill(void **state)
{
	struct results *r = open_run();

	(void)state;
	answered_by("1", "c");
	for (uint64_t id = 1; id <= 10; id++)
		assert_int_equal(add(r, id, 0, false), 0);
	assert_int_equal(results_commit(r), 0);
	answered_by("2", "c");
	for (uint64_t id = 11; id <= 15; id++)
		assert_int_equal(add(r, id, 0, true), 0);
	assert_int_equal(results_commit(r), 0);
	results_close(&r);
	r = open_run();
	assert_int_equal(results_forget(r, 11, 0, 0), 0);
	assert_int_equal(results_forget(r, 15, 0, 0), 0);
	assert_int_equal(results_commit(r), 0);
	has(r, "\"pairs\":3,\"rows\":6,\"diverged\":3,");
	has(r, "\"pairs\":10,\"rows\":20,\"diverged\":0,");
	results_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_summary, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_blind, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_abandon, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_killed_between, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_two_runs, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_slices_and_clusters, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_manifest, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_version_has_figures_of_its_own, setup, teardown),
	        cmocka_unit_test_setup_teardown(models_have_versions_of_their_own, setup, teardown),
	        cmocka_unit_test_setup_teardown(too_many_versions_decide_nothing, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_segment_survives_a_kill, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
