/*
 * proxy_control_log.c - control never waits for whoever reads its lines, and passes on nothing but lines.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/control_log.h"

enum { RING_BYTES = 1 << 20, PIPE_BYTES = 4096, LINES = 3000, RING_DATA_OFFSET = 3 * 4096 };

static struct role_env env;
static struct control_log log_under_test;
static struct ring *writer;
static int out[2];
static char got[2 * RING_BYTES];
static size_t got_len;

static int set_up(void **state)
{
	int page_fd, ring_fd, event;

	(void)state;
	memset(&env, 0, sizeof env);
	got_len = 0;
	assert_int_equal(page_create(&page_fd), 0);
	assert_int_equal(page_map(page_fd, &env.page), 0);
	assert_int_equal(ring_create("log", RING_BYTES, &ring_fd, &event), 0);
	assert_int_equal(ring_attach_writer(ring_fd, -1, &writer), 0);
	env.fd_count = 2;
	env.fds[0].name = "ring.log.judge.0";
	env.fds[0].fd = ring_fd;
	env.fds[1].name = "ring.log.control.0";
	env.fds[1].fd = ring_fd;
	assert_int_equal(pipe(out), 0); /* blocking, as a stderr is */
	assert_true(fcntl(out[1], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES);
	assert_int_equal(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
	control_log_init(&log_under_test, &env, out[1]);
	assert_int_equal(log_under_test.ring_count, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ring_free(&writer);
	ring_free(&log_under_test.rings[0]);
	close(out[0]);
	close(out[1]);
	return 0;
}

static int put(const char *text, size_t n)
{
	struct record r = {.payload_len = (uint32_t)n};
	int err = ring_put(writer, &r, text, 0);

	ring_publish(writer);
	return err;
}

static void read_out(void)
{
	ssize_t n;

	while ((n = read(out[0], got + got_len, sizeof got - 1 - got_len)) > 0)
		got_len += (size_t)n;
	got[got_len] = '\0';
}

static void a_stuck_reader_blocks_nobody_and_loses_nothing(void **state)
{
	const char *at = got;
	char line[200];

	(void)state;
	for (unsigned i = 0; i < LINES; i++) {
		int n = snprintf(line, sizeof line, "{\"n\":%u,\"text\":\"%*s\"}\n", i, (int)(i % 150), "");

		assert_int_equal(put(line, (size_t)n), 0);
	}
	for (unsigned i = 0; i < 5; i++) /* would hang here */
		control_log_drain(&log_under_test);
	for (unsigned i = 0; i < 10000 && got_len < RING_BYTES; i++) {
		size_t before = got_len;

		read_out();
		control_log_drain(&log_under_test);
		if (i > 200 && before == got_len)
			break;
	}
	for (unsigned i = 0; i < LINES; i++) {
		snprintf(line, sizeof line, "{\"n\":%u,", i);
		assert_memory_equal(at, line, strlen(line));
		at = strchr(at, '\n') + 1;
	}
	assert_string_equal(at, "");
	assert_int_equal(env.page->log_shed, 0);
}

static void only_lines_pass(void **state)
{
	static char large[LOG_LINE_MAX + 1];
	static const char *const hostile[] = {
	        "",
	        "{\n",
	        "no json\n",
	        "{\"a\":1}",
	        "{\"a\":1}\n{\"b\":2}\n",
	        "{\x1b[2J}\n",
	        "{\"a\":\"\r\"}\n",
	        "{\"a\":\"\x7f\"}\n",
	        "\n{\"a\":1}\n",
	};

	(void)state;
	memset(large, 'x', sizeof large);
	large[0] = '{';
	memcpy(large + sizeof large - 2, "}\n", 2);
	for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
		assert_int_equal(put(hostile[i], strlen(hostile[i])), 0);
	assert_int_equal(put("{\"a\":\0}\n", 8), 0);
	assert_int_equal(put(large, sizeof large), 0);
	assert_int_equal(put("{\"good\":1}\n", 11), 0);
	control_log_drain(&log_under_test);
	read_out();
	assert_string_equal(got, "{\"good\":1}\n");
	assert_int_equal(env.page->log_shed, sizeof hostile / sizeof *hostile + 2);
}

/* Control's own text goes out at once; without room it is dropped whole and counted. */
static void its_own_text_never_waits(void **state)
{
	char line[101];

	(void)state;
	memset(line, 'x', 99);
	memcpy(line + 99, "\n", 2);
	control_log_put(&log_under_test, span_of(line));
	read_out();
	assert_string_equal(got, line);
	for (unsigned i = 0; i < 2 * LOG_HELD_BYTES / 100; i++)
		control_log_put(&log_under_test, span_of(line));
	assert_true(env.page->log_shed > 100);
	for (unsigned i = 0; i < 100; i++) {
		read_out();
		control_log_drain(&log_under_test);
	}
	assert_int_equal(got_len % 100, 0);
	assert_int_equal(got_len / 100 - 1 + env.page->log_shed, 2 * LOG_HELD_BYTES / 100);
}

static void a_broken_ring_is_given_up(void **state)
{
	char garbage[64];

	(void)state;
	memset(garbage, 0xff, sizeof garbage);
	log_open("control.0", control_log_put, &log_under_test);
	assert_int_equal(put("{\"lost\":1}\n", 11), 0);
	assert_int_equal(pwrite(env.fds[0].fd, garbage, sizeof garbage, RING_DATA_OFFSET), sizeof garbage);
	control_log_drain(&log_under_test);
	read_out();
	assert_non_null(strstr(got, "\"event\":\"log_ring_broken\",\"ring\":0}\n"));
	assert_null(strstr(got, "lost"));
	assert_null(log_under_test.rings[0]);
	control_log_drain(&log_under_test);
	log_open("control.0", NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_stuck_reader_blocks_nobody_and_loses_nothing, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(only_lines_pass, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(its_own_text_never_waits, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_broken_ring_is_given_up, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
