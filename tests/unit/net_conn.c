/* A conn against the other end of real sockets: refusal, partial writes, both kinds of end, memory given
 * back. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/net/conn.h"

enum { BULK = 4 << 20 };

struct seen {
	struct conn conn;
	struct event_base *base;
	int peer;
	unsigned news; /* all that was told so far */
	unsigned turns;
	bool close_in_turn, full;
};

static bool wanted(void *owner)
{
	return !((struct seen *)owner)->full;
}

static void turn(void *owner, unsigned news)
{
	struct seen *s = owner;

	s->news |= news;
	s->turns++;
	if (s->close_in_turn)
		conn_close(&s->conn);
}

static int setup(void **state)
{
	struct seen *s = calloc(1, sizeof *s);
	int pair[2];

	assert_non_null(s);
	s->base = event_base_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	s->peer = pair[1];
	conn_init(&s->conn, s->base, turn, s);
	assert_int_equal(conn_take(&s->conn, pair[0]), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct seen *s = *state;

	conn_close(&s->conn);
	if (s->peer != -1)
		close(s->peer);
	event_base_free(s->base);
	free(s);
	return 0;
}

static void until(struct seen *s, unsigned news)
{
	for (unsigned i = 0; i < 1000 && !(s->news & news); i++) {
		event_base_loop(s->base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
	assert_true(s->news & news);
}

static void connect_to(struct seen *s, bool listening)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	if (listening)
		assert_int_equal(listen(fd, 1), 0);
	conn_close(&s->conn);
	assert_int_equal(conn_connect(&s->conn, (struct sockaddr *)&at, sizeof at, NULL, NULL), 0);
	assert_true(conn_opening(&s->conn));
	buf_puts(conn_out(&s->conn), "early");
	assert_int_equal(conn_flush(&s->conn), 0);
	assert_int_equal(buf_len(&s->conn.out), 5);
	until(s, CONN_OPENED | CONN_BROKEN);
	close(fd);
}

static void test_connect(void **state)
{
	struct seen *s = *state;

	connect_to(s, true);
	assert_int_equal(s->news, CONN_OPENED);
	assert_false(conn_opening(&s->conn));
	assert_int_equal(buf_len(&s->conn.out), 0);
}

static void test_connect_refused(void **state)
{
	struct seen *s = *state;

	connect_to(s, false);
	assert_int_equal(s->news, CONN_BROKEN);
	assert_true(conn_opening(&s->conn)); /* tells a refusal from a later end */
	assert_int_equal(buf_len(&s->conn.out), 5);
}

static void test_input_and_end(void **state)
{
	struct seen *s = *state;

	assert_int_equal(write(s->peer, "hello", 5), 5);
	until(s, CONN_INPUT);
	assert_memory_equal(buf_span(&s->conn.in).data, "hello", 5);
	assert_int_equal(shutdown(s->peer, SHUT_WR), 0);
	until(s, CONN_EOF);
	assert_true(s->conn.eof);
	assert_false(s->conn.reading);
	conn_read(&s->conn, true); /* nothing comes behind an end */
	assert_false(s->conn.reading);
	assert_int_equal(buf_len(&s->conn.in), 5);
	buf_puts(conn_out(&s->conn), "answer");
	assert_int_equal(conn_flush(&s->conn), 0);
	char got[8];
	assert_int_equal(read(s->peer, got, sizeof got), 6);
}

static void test_partial_writes(void **state)
{
	struct seen *s = *state;
	char *got = malloc(BULK), byte = 0;
	size_t n = 0;
	ssize_t r;

	for (size_t i = 0; i < BULK; i++, byte = (char)(i * 7 % 251))
		buf_put(conn_out(&s->conn), &byte, 1);
	assert_int_equal(conn_flush(&s->conn), 0);
	assert_true(s->conn.blocked);
	assert_true(buf_len(&s->conn.out) > 0 && buf_len(&s->conn.out) < BULK);
	for (unsigned idle = 0; n < BULK && idle < 1000; idle++) {
		while ((r = read(s->peer, got + n, BULK - n)) > 0) {
			n += (size_t)r;
			idle = 0;
		}
		event_base_loop(s->base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(n, BULK);
	for (size_t i = 1; i < BULK; i++)
		assert_int_equal(got[i], (char)(i * 7 % 251));
	assert_true(s->news & CONN_SENT);
	assert_false(s->conn.blocked);
	free(got);
}

static void test_broken_by_write(void **state)
{
	struct seen *s = *state;

	close(s->peer);
	s->peer = -1;
	buf_puts(conn_out(&s->conn), "nobody");
	assert_int_equal(conn_flush(&s->conn), ERR_CLOSED);
}

static void test_stopped_reading(void **state)
{
	struct seen *s = *state;

	conn_read(&s->conn, false);
	assert_int_equal(write(s->peer, "wait", 4), 4);
	for (unsigned i = 0; i < 20; i++)
		event_base_loop(s->base, EVLOOP_NONBLOCK);
	assert_int_equal(s->turns, 0);
	conn_read(&s->conn, true);
	until(s, CONN_INPUT);
	assert_int_equal(buf_len(&s->conn.in), 4);
}

/* Asked before it reads: what is not wanted stays with the peer, and nothing is held for it. */
static void test_unwanted(void **state)
{
	struct seen *s = *state;

	s->conn.wanted = wanted;
	s->full = true;
	assert_int_equal(send(s->peer, "abc", 3, 0), 3);
	for (unsigned i = 0; i < 5; i++)
		event_base_loop(s->base, EVLOOP_NONBLOCK);
	assert_int_equal(s->turns, 0);
	assert_false(s->conn.reading);
	assert_null(s->conn.in.base);
	s->full = false;
	conn_read(&s->conn, true);
	until(s, CONN_INPUT);
	assert_int_equal(buf_len(&s->conn.in), 3);
}

static void test_memory_given_back(void **state)
{
	struct seen *s = *state;

	assert_int_equal(write(s->peer, "x", 1), 1);
	until(s, CONN_INPUT);
	conn_rest(&s->conn);
	assert_non_null(s->conn.in.base); /* a byte is left */
	buf_consume(&s->conn.in, 1);
	conn_out(&s->conn);
	assert_non_null(s->conn.out.base);
	conn_rest(&s->conn);
	assert_null(s->conn.in.base);
	assert_null(s->conn.out.base);
	assert_int_equal(write(s->peer, "yz", 2), 2);
	s->news = 0;
	until(s, CONN_INPUT);
	assert_int_equal(buf_len(&s->conn.in), 2);
}

static void test_closed_in_its_turn(void **state)
{
	struct seen *s = *state;

	s->close_in_turn = true;
	assert_int_equal(write(s->peer, "x", 1), 1);
	until(s, CONN_INPUT);
	conn_close(&s->conn);
	for (unsigned i = 0; i < 20; i++)
		event_base_loop(s->base, EVLOOP_NONBLOCK);
	assert_int_equal(s->turns, 1);
	assert_int_equal(s->conn.fd, -1);
	assert_null(s->conn.in.base);
}

/* Both are ready in one turn of the loop: the first to be told sees that the other will be. */
static bool other_has_news;

static void turn_looks(void *owner, unsigned news)
{
	(void)news;
	other_has_news |= conn_has_news(&((struct seen *)owner)->conn);
}

static void test_has_news(void **state)
{
	struct seen *s = *state;
	struct conn first;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	conn_init(&first, s->base, turn_looks, s);
	assert_int_equal(conn_take(&first, pair[0]), 0);
	assert_false(conn_has_news(&s->conn));
	assert_int_equal(write(pair[1], "a", 1), 1); /* ready first, told first */
	assert_int_equal(write(s->peer, "b", 1), 1);
	until(s, CONN_INPUT);
	assert_true(other_has_news);
	assert_false(conn_has_news(&s->conn));
	conn_close(&first);
	assert_false(conn_has_news(&first));
	close(pair[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_connect),        TEST(test_connect_refused),   TEST(test_input_and_end),
	        TEST(test_partial_writes), TEST(test_broken_by_write),   TEST(test_stopped_reading),
	        TEST(test_unwanted),       TEST(test_memory_given_back), TEST(test_closed_in_its_turn),
	        TEST(test_has_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
