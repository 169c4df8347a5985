/* A capture in the order of its requests, through a window that stays small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "replay/window.h"

enum { MS = 1000000, BODY = 16 * 1024 };

static char path[64];
static struct capfile_writer *writer;
static struct plan plan;

static int setup(void **state)
{
	char directory[] = "/tmp/understudy-window-XXXXXX";

	(void)state;
	memset(&plan, 0, sizeof plan);
	plan.route_count = 1;
	plan.mask_count = 1;
	strcpy(plan.routes[0].name, "digits");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/a.cap", directory);
	assert_int_equal(capfile_create(path, &plan, 0, &writer), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	*strrchr(path, '/') = '\0';
	return rmdir(path);
}

static void put(uint64_t id, uint8_t leg, uint8_t type, uint64_t ms, struct span payload)
{
	struct record r = {.id = id, .time_ns = (1000 + ms) * MS, .leg = leg, .type = type};

	r.payload_len = (uint32_t)payload.len;
	assert_int_equal(capfile_append(writer, &r, payload.data), 0);
}

static void request(uint64_t id, uint64_t ms, struct span body)
{
	put(id, LEG_CLIENT, RECORD_HEAD, ms, SPAN("POST /"));
	put(id, LEG_CLIENT, RECORD_CHUNK, ms, body);
	put(id, LEG_CLIENT, RECORD_END, ms, SPAN(""));
}

static void answer(uint64_t id, uint64_t ms)
{
	put(id, LEG_LIVE, RECORD_HEAD, ms, SPAN("200"));
	put(id, LEG_LIVE, RECORD_END, ms, SPAN(""));
}

static struct window *open_window(size_t limit_bytes)
{
	struct capfile_reader *reader;
	struct window *w;

	assert_int_equal(capfile_close(&writer), 0);
	assert_int_equal(capfile_open(path, &reader, NULL), 0);
	w = window_new(reader, 1, limit_bytes);
	assert_non_null(w);
	return w;
}

/* Every third answer is slow, every fifth request is recorded late, every seventh exchange broke. */
static void test_order(void **state)
{
	const struct exchange *x;
	struct window *w;
	uint64_t last = 0, count = 0;

	(void)state;
	for (uint64_t n = 1; n <= 700; n++) {
		uint64_t ms = n * 10;

		request(n, n % 5 ? ms : ms - 45, SPAN("{}"));
		if (n > 60 && (n - 60) % 3 == 0 && (n - 60) % 7)
			answer(n - 60, ms);
		if (n % 7 == 0)
			put(n, LEG_LIVE, RECORD_ERROR, ms + 1, SPAN("live_failed"));
		else if (n % 3)
			answer(n, ms + 1);
	}
	w = open_window(8 << 20);
	while (!window_next(w, &x)) {
		assert_true(x->legs[LEG_CLIENT]->end_ns >= last);
		assert_true(x->id % 7);
		last = x->legs[LEG_CLIENT]->end_ns;
		count++;
		if (count % 10 == 0)
			window_ahead(w);
	}
	/* a third of the last sixty was never answered */
	assert_int_equal(count + window_left_out(w), 700);
	assert_in_range(count, 580, 600);
	assert_int_equal(window_end(w), ERR_AGAIN);
	assert_true(window_share(w) == 1);
	window_free(&w);
}

/* An exchange that never ends does not make the window hold the rest of the file. */
static void test_bounded(void **state)
{
	static char body[BODY];
	const struct exchange *x;
	struct window *w;
	uint64_t count = 0;

	(void)state;
	memset(body, 'x', sizeof body);
	request(1, 1, SPAN("{}"));
	for (uint64_t n = 2; n <= 3001; n++) {
		request(n, n, (struct span){body, sizeof body});
		answer(n, n);
	}
	w = open_window(4 << 20);
	while (!window_next(w, &x)) {
		assert_int_equal(x->id, count + 2);
		assert_int_equal(buf_len(&x->legs[LEG_CLIENT]->body), BODY);
		count++;
		while (window_ahead(w))
			;
	}
	assert_int_equal(count, 3000);
	assert_int_equal(window_left_out(w), 1);
	window_free(&w);
}

/* Nothing but halves: a request without an answer, an answer without a request. */
static void test_halves(void **state)
{
	const struct exchange *x;
	struct window *w;

	(void)state;
	request(1, 1, SPAN("{}"));
	put(2, LEG_LIVE, RECORD_HEAD, 2, SPAN("200"));
	w = open_window(1 << 20);
	assert_int_equal(window_next(w, &x), ERR_AGAIN);
	assert_int_equal(window_left_out(w), 1);
	window_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_halves, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
