/*
 * base_log.c - lines stay one line, whole JSON and within their bound, whatever is put into them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/log.h"

static char last[LOG_LINE_MAX + 1];
static unsigned lines;

static void keep(void *arg, struct span line)
{
	assert_ptr_equal(arg, &lines);
	assert_true(line.len <= LOG_LINE_MAX);
	memcpy(last, line.data, line.len);
	last[line.len] = '\0';
	lines++;
}

static int set_up(void **state)
{
	(void)state;
	lines = 0;
	last[0] = '\0';
	log_open("judge.0", keep, &lines);
	log_level_from(NULL);
	return 0;
}

static void every_type_has_its_form(void **state)
{
	static const char want[] =
	        "{\"time\":\"2026-11-23T12:00:00.000007Z\",\"level\":\"warn\",\"role\":\"w.1\","
	        "\"event\":\"e\",\"text\":\"a \\\"b\\\\ \\u000a\\u007f \xc3\xa9 \\ufffd\",\"i\":-5,"
	        "\"u\":18446744073709551615,\"id\":\"18446744073709551615\",\"real\":0.25,"
	        "\"nan\":null,\"yes\":true,\"none\":null,\"empty\":\"\"}\n";
	const struct log_pair pairs[] = {
	        log_text("text", "a \"b\\ \n\x7f \xc3\xa9 \xff"),
	        log_int("i", -5),
	        log_uint("u", UINT64_MAX),
	        log_id("id", UINT64_MAX),
	        log_real("real", 0.25),
	        log_real("nan", NAN),
	        log_bool("yes", true),
	        log_text("none", NULL),
	        log_text("empty", ""),
	};
	char line[LOG_LINE_MAX];
	size_t n = log_format(line, sizeof line, UINT64_C(1795435200000007000), LOG_WARN, "w.1", "e", pairs,
	                      sizeof pairs / sizeof *pairs);

	(void)state;
	assert_int_equal(n, sizeof want - 1);
	assert_memory_equal(line, want, n);
}

/* A tiny check of the shape: quotes balance outside escapes, one LF, at the end. */
static void assert_whole(const char *line, size_t n)
{
	bool inside = false;

	assert_true(n > 2 && line[n - 1] == '\n' && line[n - 2] == '}' && line[0] == '{');
	for (size_t i = 0; i + 1 < n; i++) {
		assert_true((unsigned char)line[i] >= 0x20);
		if (inside && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			inside = !inside;
	}
	assert_false(inside);
}

static void a_line_is_cut_at_any_size_and_stays_whole(void **state)
{
	static char long_text[2 * LOG_LINE_MAX];
	const struct log_pair pairs[] = {log_text("name", "route"), log_uint("bytes", 123456789),
	                                 log_span("text", (struct span){long_text, sizeof long_text}),
	                                 log_uint("behind", 1)};
	char line[LOG_LINE_MAX + 1];

	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		static const char *const units[] = {"x", "\"", "\n", "\xf0\x9f\x98\x80"};

		for (size_t i = 0; i < sizeof long_text; i++)
			long_text[i] = units[kind][i % strlen(units[kind])];
		for (size_t size = 256; size <= LOG_LINE_MAX; size += kind ? 97 : 1) {
			size_t n;

			memset(line, '#', sizeof line);
			n = log_format(line, size, 0, LOG_INFO, "r", "e", pairs, 4);
			assert_true(n <= size && line[size] == '#');
			assert_whole(line, n);
			line[n] = '\0';
			assert_non_null(strstr(line, "\"truncated\":true}\n"));
			assert_non_null(strstr(line, "\"bytes\":123456789,"));
			assert_null(strstr(line, "behind"));
			assert_null(strstr(line, "\\ufffd")); /* never cut inside a character */
		}
	}
}

static void numbers_are_left_out_whole(void **state)
{
	struct log_pair pairs[64];
	char line[512];
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		pairs[i] = log_uint("key", 1234567);
	n = log_format(line, sizeof line, 0, LOG_INFO, "r", "e", pairs, 64);
	assert_whole(line, n);
	line[n] = '\0';
	for (const char *at = line; (at = strstr(at, "\"key\":")); at += 6)
		assert_memory_equal(at, "\"key\":1234567,", 14);
}

static void the_level_is_read_at_each_call(void **state)
{
	_Atomic uint32_t level = LOG_WARN;

	(void)state;
	log_level_from(&level);
	LOG(INFO, "quiet", log_uint("n", 1));
	assert_int_equal(lines, 0);
	LOG(WARN, "loud", log_uint("n", 1));
	assert_int_equal(lines, 1);
	level = LOG_DEBUG;
	LOG(DEBUG, "all", log_uint("n", 2));
	assert_int_equal(lines, 2);
	assert_non_null(
	        strstr(last, "\"level\":\"debug\",\"role\":\"judge.0\",\"event\":\"all\",\"n\":2}\n"));
	for (int i = 0; i < LOG_LEVELS; i++)
		assert_int_equal(log_level_by_name(span_of(log_level_name((uint32_t)i))), i);
	assert_int_equal(log_level_by_name(SPAN("loud")), -1);
}

static void the_access_line_is_on_its_own_level(void **state)
{
	const struct log_access a = {.id = 7,
	                             .route = "digits",
	                             .origin = "live",
	                             .method = SPAN("AVERYLONGMETHODTHATGOESON"),
	                             .status = 200,
	                             .bytes_in = 10,
	                             .bytes_out = 20,
	                             .total_us = 5,
	                             .live_us = 4,
	                             .copied = true};
	_Atomic uint32_t level = LOG_INFO;

	(void)state;
	log_level_from(&level);
	log_access(&a);
	assert_int_equal(lines, 0);
	level = LOG_ACCESS;
	log_access(&a);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(
	        last, "\"id\":\"7\",\"route\":\"digits\",\"method\":\"AVERYLONGMETHODT\",\"status\":200"));
	assert_non_null(strstr(last, "\"total_us\":5,\"live_us\":4,\"copied\":true}\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(every_type_has_its_form, set_up),
	        cmocka_unit_test_setup(a_line_is_cut_at_any_size_and_stays_whole, set_up),
	        cmocka_unit_test_setup(numbers_are_left_out_whole, set_up),
	        cmocka_unit_test_setup(the_level_is_read_at_each_call, set_up),
	        cmocka_unit_test_setup(the_access_line_is_on_its_own_level, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
