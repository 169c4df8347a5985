/*
 * base_transport.c - the in-memory transport: an echo over a link that breaks the stream at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/transport.h"

struct talker {
	const char *left; /* still to send */
	char got[256];
	size_t got_len;
	unsigned last;
	bool ended;
};

/* Send what is left, read what came, wait for more of both. */
static void talk(void *arg, struct transport *t, unsigned what)
{
	struct talker *k = arg;
	long n;

	k->last = what;
	while (*k->left && (n = transport_write(t, k->left, strlen(k->left))) > 0)
		k->left += n;
	while ((n = transport_read(t, k->got + k->got_len, sizeof k->got - k->got_len)) > 0)
		k->got_len += (size_t)n;
	k->ended |= n == 0;
	if (!k->ended)
		transport_want(t, TRANSPORT_READ | (*k->left ? TRANSPORT_WRITE : 0), 0);
}

static void start(struct transport_memory *m, struct talker *a, struct talker *b)
{
	m->a.transport.ready = m->b.transport.ready = talk;
	m->a.transport.arg = a;
	m->b.transport.arg = b;
	transport_want(&m->a.transport, TRANSPORT_WRITE, 0);
	transport_want(&m->b.transport, TRANSPORT_READ, 0);
}

static void streams_arrive_whole_at_any_step(void **state)
{
	static const char question[] = "a question that is longer than the link is wide";
	static const char reply[] = "and its answer, longer still, which has to wait for room as well";

	(void)state;
	for (size_t limit = 1; limit <= 16; limit++)
		for (size_t step = 0; step <= 3; step++) {
			struct talker a = {.left = question}, b = {.left = reply};
			struct transport_memory m;

			transport_memory_init(&m, limit, step);
			start(&m, &a, &b);
			while (transport_memory_turn(&m, 0))
				;
			assert_int_equal(a.got_len, sizeof reply - 1);
			assert_memory_equal(a.got, reply, sizeof reply - 1);
			assert_int_equal(b.got_len, sizeof question - 1);
			assert_memory_equal(b.got, question, sizeof question - 1);
			transport_memory_fini(&m);
		}
}

static void what_was_written_before_a_close_is_still_read(void **state)
{
	struct talker a = {.left = ""}, b = {.left = ""};
	struct transport_memory m;

	(void)state;
	transport_memory_init(&m, 64, 0);
	start(&m, &a, &b);
	assert_int_equal(transport_write(&m.a.transport, "bye", 3), 3);
	transport_close(&m.a.transport);
	assert_int_equal(transport_memory_turn(&m, 0), 1);
	assert_memory_equal(b.got, "bye", 3);
	assert_true(b.ended);
	assert_int_equal(transport_write(&m.b.transport, "?", 1), ERR_CLOSED);
	assert_int_equal(transport_read(&m.a.transport, b.got, 1), ERR_CLOSED);
	assert_int_equal(a.last, 0); /* nothing is called after close */
	transport_memory_fini(&m);
}

static void a_full_link_says_again(void **state)
{
	struct transport_memory m;

	(void)state;
	transport_memory_init(&m, 4, 0);
	assert_int_equal(transport_write(&m.a.transport, "12345", 5), 4);
	assert_int_equal(transport_write(&m.a.transport, "5", 1), ERR_AGAIN);
	assert_int_equal(transport_read(&m.a.transport, (char[1]){0}, 1), ERR_AGAIN);
	transport_memory_fini(&m);
}

static void a_deadline_fires_once_and_not_before(void **state)
{
	struct talker a = {.left = ""}, b = {.left = ""};
	struct transport_memory m;

	(void)state;
	transport_memory_init(&m, 4, 0);
	start(&m, &a, &b);
	transport_want(&m.a.transport, 0, 0);
	transport_want(&m.b.transport, TRANSPORT_READ, 1000);
	assert_int_equal(transport_memory_turn(&m, 999), 0);
	assert_int_equal(transport_memory_turn(&m, 1000), 1);
	assert_int_equal(b.last, TRANSPORT_DEADLINE);
	assert_int_equal(transport_memory_turn(&m, 2000), 0);
	transport_memory_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(streams_arrive_whole_at_any_step),
	        cmocka_unit_test(what_was_written_before_a_close_is_still_read),
	        cmocka_unit_test(a_full_link_says_again),
	        cmocka_unit_test(a_deadline_fires_once_and_not_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
