/*
 * proxy_control.c - the three texts of the control endpoint over made-up figures, and the metric table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/json.h"
#include "proxy/control_stats.h"

enum { TEXT_LIMIT = 4 << 20 };

static struct plan plan;
static struct stats stats;
static struct buf out;

static int set_up(void **state)
{
	(void)state;
	memset(&plan, 0, sizeof plan);
	memset(&stats, 0, sizeof stats);
	stats.plan = &plan;
	strcpy(plan.run_name, "digits");
	strcpy(plan.listen[0].at.url, "http://127.0.0.1:8080");
	plan.listen_count = plan.route_count = 1;
	plan.workers = 4;
	plan.capture = true;
	strcpy(plan.routes[0].name, "digits");
	strcpy(plan.routes[0].live.endpoints[0].url, "http://127.0.0.1:9001");
	plan.routes[0].live.endpoint_count = 1;
	plan.routes[0].candidate_count = 2;
	strcpy(plan.routes[0].candidates[0].name, "svc");
	strcpy(plan.routes[0].candidates[1].name, "twin");
	plan.routes[0].candidates[1].baseline = true;
	stats.ready = 1;
	stats.uptime_ns = UINT64_C(3720) * 1000000000;
	stats.standings[0][0].sample_ppm = SAMPLE_ALL_PPM;
	stats.standings[0][1].sample_ppm = 125000;
	buf_init(&out, TEXT_LIMIT);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

/* Line `index` of the status, without its LF. */
static const char *line(unsigned index)
{
	static char text[STATUS_COLUMNS + 1];
	const char *at, *end;

	buf_reset(&out);
	stats_status(&stats, &out);
	buf_put(&out, "", 1);
	at = buf_span(&out).data;
	while (index--)
		at = strchr(at, '\n') + 1;
	end = strchr(at, '\n');
	assert_true(end - at <= STATUS_COLUMNS);
	snprintf(text, sizeof text, "%.*s", (int)(end - at), at);
	return text;
}

static unsigned count_lines(void)
{
	unsigned lines = 0;
	struct span s;

	buf_reset(&out);
	stats_status(&stats, &out);
	s = buf_span(&out);
	for (size_t i = 0; i < s.len; i++)
		lines += s.data[i] == '\n';
	return lines;
}

static void twelve_lines_in_their_order(void **state)
{
	static const char *const labels[STATUS_LINES] = {"live",      "requests", "errors", "we add",
	                                                 "shadowing", "seen",     "",       "left out",
	                                                 "captured",  "verdict",  "run",    "stop"};

	(void)state;
	assert_int_equal(count_lines(), STATUS_LINES);
	for (unsigned i = 0; i < STATUS_LINES; i++) {
		assert_memory_equal(line(i), labels[i], strlen(labels[i]));
		assert_true(line(i)[12] == ' ' && line(i)[13] != ' ');
	}
}

static void numbers_are_for_people(void **state)
{
	(void)state;
	stats.requests = 1234567;
	stats.responses[ORIGIN_LIVE][2] = 1234000;
	stats.responses[ORIGIN_OURS][4] = 567;
	assert_string_equal(line(1),
	                    "requests     1,234,567 (answered by live 1,234,000, by us 567) in 1 h 2 min");
	stats.live_errors = 12;
	stats.live_error[LIVE_ERROR_TIMEOUT] = 10;
	stats.live_error[LIVE_ERROR_RESET] = 2;
	stats.rejected = 1000;
	stats.rejected_rule[REJECT_NO_ROUTE] = 1000;
	assert_string_equal(line(2),
	                    "errors       by live 12 (timeout 10, reset 2), by us 1,000 (no_route 1,000)");
	stats.counts.seen = 1000;
	stats.counts.exchange[0] = 990;
	stats.counts.exchange[OUTCOME_CANDIDATE_TIMEOUT - OUTCOME_COMPARED] = 4;
	stats.counts.exchange[OUTCOME_RING_FULL - OUTCOME_COMPARED] = 5;
	stats.counts.open = 1;
	assert_string_equal(line(5), "seen         1,000 = compared 990 + not_compared 4");
	assert_string_equal(line(6), "             + sampled_out 0 + excluded 0 + shed 5 + open 1");
	assert_string_equal(line(7), "left out     ring_full 5, candidate_timeout 4");
	assert_string_equal(line(10),
	                    "run          digits 0000000000000000, svc 100 %, twin (baseline) 12.5 %");
}

static void added(enum added kind, uint64_t ns, unsigned n)
{
	static struct hist h;

	memset(&h, 0, sizeof h);
	for (unsigned i = 0; i < n; i++)
		hist_add(&h, ns + i % 100);
	hist_read(&h, &stats.added[kind]);
}

static void what_shadowing_costs(void **state)
{
	(void)state;
	assert_string_equal(line(3), "we add       nothing measured yet");
	added(ADDED_COPIED, 50000, 5000);
	assert_string_equal(line(4),
	                    "shadowing    on; its cost is not known: 5,000 exchanges with it, 0 without");
	added(ADDED_PLAIN, 40000, 5000);
	assert_string_equal(line(3), "we add       p50 40.4 us, p99 49.7 us over 10,000 exchanges");
	assert_string_equal(line(4), "shadowing    on; costs 9.22 us at p50 (95 %: 8.19 us to 10.2 us)");
	stats.paused = PAUSED_BY_OPERATOR;
	assert_non_null(strstr(line(4), "paused (understudy ctl resume)"));
	stats.paused = PAUSED_BY_FILE;
	assert_non_null(strstr(line(4), "the file PAUSE"));
}

static void the_harm_switch(void **state)
{
	(void)state;
	added(ADDED_COPIED, 50000, 5000);
	added(ADDED_PLAIN, 40000, 5000);
	plan.harm.on = true;
	assert_string_equal(line(4),
	                    "shadowing    on; its cost is not known yet: too few exchanges with and without");
	stats.harm_groups = 40;
	stats.harm_cost_ns = 120000;
	stats.harm_low_ns = -30500;
	stats.harm_high_ns = 1234567;
	assert_string_equal(line(4), "shadowing    on; costs 120 us at p50 (95 %: -30.5 us to 1.23 ms)");
	stats.paused = PAUSED_BY_HARM;
	stats.harm_cost_ns = stats.harm_high_ns = INT64_C(239999000000);
	stats.harm_low_ns = INT64_C(100000000000);
	assert_string_equal(line(4),
	                    "shadowing    OFF, it cost 240 s (100 s to 240 s); understudy ctl resume");
}

static void what_a_candidate_gets(void **state)
{
	struct stats_standing *at = &stats.standings[0][0];

	(void)state;
	plan.routes[0].candidates[0].ramp.stage_count = 4;
	at->sample_ppm = 100000;
	at->stage = 1;
	assert_non_null(strstr(line(10), ", svc 10 % (2/4), twin"));
	at->stopped = 3;
	assert_non_null(strstr(line(10), ", svc 10 % (enough), twin"));
	at->paused = true;
	assert_non_null(strstr(line(10), ", svc 10 % (paused), twin"));
}

static void verdicts_with_pairs_had_and_needed(void **state)
{
	struct stats_standing *at = &stats.standings[0][0];

	(void)state;
	at->state = STANDING_UNDECIDED;
	at->pairs = 812;
	at->needed = 1900;
	strcpy(at->gate, "divergence_rate");
	assert_string_equal(line(9),
	                    "verdict      svc undecided, 812 pairs, about 1,900 more for divergence_rate");
	at->needed = UINT64_MAX;
	assert_string_equal(line(9),
	                    "verdict      svc undecided, 812 pairs, more needed for divergence_rate");
	at->state = STANDING_PASS;
	assert_string_equal(line(9), "verdict      svc pass, 812 pairs");
	at->state = STANDING_FAIL;
	assert_string_equal(line(9), "verdict      svc fail, 812 pairs (divergence_rate)");
	plan.routes[0].candidate_count = 0;
	assert_string_equal(line(9), "verdict      no candidate");
}

/* Six candidates: the long form does not fit, nobody is left out for that. */
static void many_candidates_stand_in_groups(void **state)
{
	static const uint32_t standings[] = {STANDING_UNDECIDED, STANDING_FAIL, STANDING_PASS, STANDING_FAIL};
	struct plan_route *route = &plan.routes[0];

	(void)state;
	route->candidate_count = 5;
	for (unsigned c = 0; c < 5; c++) {
		route->candidates[c].baseline = c == 4;
		snprintf(route->candidates[c].name, NAME_MAX_BYTES, c == 4 ? "twin" : "c-%u", c);
		stats.standings[0][c].sample_ppm = c ? 1000000 : 100000;
		stats.standings[0][c].pairs = 1000 * c;
		stats.standings[0][c].state = c == 4 ? STANDING_NONE : standings[c];
	}
	assert_string_equal(
	        line(9), "verdict      fail: c-1 1,000 pairs, c-3 3,000; pass: c-2 2,000; undecided: c-0 0");
	assert_string_equal(line(10), "run          digits 0000000000000000, 4 candidates at 10 % to 100 %");
}

/* An exchange counts as compared when one candidate was: what the others missed is said beside it. */
static void what_one_candidate_missed_is_said(void **state)
{
	uint64_t *dead = stats.counts.candidate[0][0];

	(void)state;
	assert_string_equal(line(7), "left out     no exchange");
	dead[OUTCOME_CANDIDATE_CONNECT - OUTCOME_COMPARED] = 800;
	dead[OUTCOME_IN_FLIGHT - OUTCOME_COMPARED] = 40;
	dead[OUTCOME_METHOD - OUTCOME_COMPARED] = 7;
	assert_string_equal(line(7), "left out     no exchange; pairs: candidate_connect 800, in_flight 40");
	stats.counts.exchange[OUTCOME_METHOD - OUTCOME_COMPARED] = 7;
	stats.counts.exchange[OUTCOME_IN_FLIGHT - OUTCOME_COMPARED] = 40;
	assert_string_equal(line(7), "left out     in_flight 40, method 7; pairs: candidate_connect 800");
}

/* Sixteen candidates with the longest names and hostile bytes: still twelve lines within the columns. */
static void nothing_breaks_the_lines(void **state)
{
	(void)state;
	plan.routes[0].candidate_count = CANDIDATES_MAX;
	for (unsigned c = 0; c < CANDIDATES_MAX; c++)
		memset(plan.routes[0].candidates[c].name, c % 2 ? '\n' : 'n', NAME_MAX_BYTES - 1);
	memset(plan.listen[0].at.url, 'u', TEXT_MAX_BYTES - 1);
	for (unsigned i = 0; i < OUTCOMES; i++)
		stats.counts.exchange[i] = stats.counts.capture[i] = UINT64_MAX / OUTCOMES;
	for (unsigned i = 0; i < RULES_MAX; i++)
		stats.rejected_rule[i] = UINT64_MAX;
	assert_int_equal(count_lines(), STATUS_LINES);
	for (unsigned i = 0; i < STATUS_LINES; i++)
		assert_true(strlen(line(i)) <= STATUS_COLUMNS);
	assert_string_equal(line(0) + STATUS_COLUMNS - 3, "...");
}

static void assert_json(struct span text)
{
	struct json_reader r;
	enum json_token token = JSON_MORE;

	json_reader_init(&r, text, 0);
	while (token != JSON_END)
		assert_int_equal(json_next(&r, &token), 0);
}

static void the_figures_are_json(void **state)
{
	(void)state;
	memset(plan.routes[0].candidates[0].name, '"', 5);
	stats.counts.exchange[OUTCOME_RING_FULL - OUTCOME_COMPARED] = 5;
	stats.standings[0][0].needed = UINT64_MAX;
	added(ADDED_PLAIN, 40000, 5000);
	stats_json(&stats, &out);
	assert_int_equal(out.err, 0);
	assert_json(buf_span(&out));
	buf_put(&out, "", 1);
	assert_non_null(strstr(buf_span(&out).data, "\"shed\":{\"ring_full\":5}"));
	assert_non_null(strstr(buf_span(&out).data, "\"needed\":null"));
	assert_non_null(strstr(buf_span(&out).data, "\"not_compared\":{}"));
	buf_reset(&out);
	stats_config(&plan, &out);
	assert_json(buf_span(&out));
}

/* Each sample line belongs to the family above it, and no series is there twice. */
static void the_scrape_is_well_formed(void **state)
{
	static char *lines[20000];
	char family[128] = "", *text, *save = NULL;
	unsigned n = 0, families = 0;

	(void)state;
	stats_metrics(&stats, &out);
	assert_int_equal(out.err, 0);
	assert_true(buf_span(&out).data[buf_len(&out) - 1] == '\n');
	buf_put(&out, "", 1);
	text = strdup(buf_span(&out).data);
	for (char *at = strtok_r(text, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
		if (sscanf(at, "# TYPE %127s", family) == 1)
			families++;
		if (at[0] == '#')
			continue;
		assert_memory_equal(at, family, strlen(family));
		assert_non_null(strrchr(at, ' '));
		*strrchr(at, ' ') = '\0';
		for (unsigned i = 0; i < n; i++)
			assert_string_not_equal(lines[i], at);
		lines[n++] = at;
	}
	for (unsigned i = 0; i < families; i++)
		assert_non_null(stats_metric(i));
	assert_null(stats_metric(families));
	free(text);
}

static void the_table_keeps_the_conventions(void **state)
{
	static struct metric rows[256];
	const struct metric *row;
	unsigned count = 0;
	char why[160] = "";

	(void)state;
	while (count < 256 && (row = stats_metric(count)) != NULL)
		rows[count++] = *row;
	assert_true(count > 20);
	if (metric_check(rows, count, why))
		fail_msg("%s", why);
	for (unsigned i = 0; i < count; i++)
		assert_memory_equal(rows[i].name, "understudy_", 11);
}

static void gauges_meet_their_names(void **state)
{
	static struct worker_gauges g;
	struct standing s = {.pairs = 0};
	char name[STANDING_GATE_BYTES + 1];
	uint64_t rules = 0;

	(void)state;
	gauges_reject(&g, REJECT_NO_ROUTE);
	gauges_reject(&g, RULES_MAX); /* counted all the same */
	for (unsigned i = 0; i < RULES_MAX; i++)
		rules += g.rejected_rule[i];
	gauges_response(&g, ORIGIN_OURS, 404);
	gauges_response(&g, ORIGIN_LIVE, 999);
	gauges_live_error(&g, LIVE_ERROR_RESET);
	assert_true(g.rejected == 2 && rules == 2);
	assert_int_equal(g.rejected_rule[REJECT_NO_ROUTE], 1);
	assert_string_equal(reject_name(REJECT_NO_ROUTE), "no_route");
	assert_int_equal(g.responses[ORIGIN_OURS][4], 1);
	assert_int_equal(g.responses[ORIGIN_LIVE][0], 1);
	assert_int_equal(g.live_errors, 1);
	standing_gate_set(&s, "candidate_failure_rate");
	standing_gate(&s, name);
	assert_string_equal(name, "candidate_failure_rate");
}

static void the_operator_lowers_and_never_raises(void **state)
{
	struct page *page;
	int fd;

	(void)state;
	assert_int_equal(page_create(&fd), 0);
	assert_int_equal(page_map(fd, &page), 0);
	assert_int_equal(page_sample_ppm(page, 3, 2, 100000), 100000);
	page->sample_ppm[3][2] = 50000;
	assert_int_equal(page_sample_ppm(page, 3, 2, 100000), 50000);
	assert_int_equal(page_sample_ppm(page, 3, 2, 20000), 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(twelve_lines_in_their_order, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(numbers_are_for_people, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(what_shadowing_costs, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(the_harm_switch, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(what_a_candidate_gets, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(verdicts_with_pairs_had_and_needed, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(many_candidates_stand_in_groups, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(what_one_candidate_missed_is_said, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(nothing_breaks_the_lines, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(the_figures_are_json, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(the_scrape_is_well_formed, set_up, tear_down),
	        cmocka_unit_test(the_table_keeps_the_conventions),
	        cmocka_unit_test(gauges_meet_their_names),
	        cmocka_unit_test(the_operator_lowers_and_never_raises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
