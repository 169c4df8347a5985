/*
 * replay_dial.c - the shadow's end of the pair, with a dialer that the test plays: sockets arrive, or do not,
 * late, twice, for somebody who has gone, or after the dialer was started again.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replay/dial.h"

enum { MANY = 2000 };

static struct event_base *base;
static struct dial *dial;
static int pair[2];
static struct conn conn;
static unsigned news;

static void on_turn(void *owner, unsigned what)
{
	(void)owner;
	news |= what;
}

static int set_up(void **state)
{
	(void)state;
	base = event_base_new();
	news = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(dial_new(base, pair[0], &dial), 0);
	conn_init(&conn, base, on_turn, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	conn_close(&conn);
	dial_free(&dial);
	event_base_free(base);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static struct dial_ask asked(void)
{
	struct dial_ask ask = {0};

	assert_int_equal(recv(pair[1], &ask, sizeof ask, MSG_DONTWAIT), sizeof ask);
	return ask;
}

static bool nothing_asked(void)
{
	struct dial_ask ask;

	return recv(pair[1], &ask, sizeof ask, MSG_DONTWAIT) == -1;
}

static void answer(uint64_t ticket, int error, int fd)
{
	struct dial_answer a = {ticket, error};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec io = {&a, sizeof a};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	if (fd != -1) {
		m.msg_control = &control;
		m.msg_controllen = sizeof control;
	}
	assert_int_equal(sendmsg(pair[1], &m, 0), sizeof a);
	turn();
}

/* Two ends of a connection; theirs is kept. */
static int give(uint64_t ticket)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	answer(ticket, 0, ends[0]);
	close(ends[0]);
	return ends[1];
}

/* Has the other side closed its end? */
static bool closed(int fd)
{
	char one;

	return recv(fd, &one, 1, MSG_DONTWAIT) == 0;
}

static void ask_for(unsigned route, unsigned candidate)
{
	assert_int_equal(conn_dial(&conn, dial_to(dial, route, candidate), NULL, NULL), 0);
	assert_true(conn_opening(&conn));
}

static void a_socket_arrives(void **state)
{
	char word[8] = "";
	struct dial_ask ask;
	int peer;

	(void)state;
	ask_for(3, 5);
	ask = asked();
	assert_true(ask.route == 3 && ask.candidate == 5 && ask.ticket);
	assert_int_equal(news, 0);
	buf_puts(conn_out(&conn), "hello");
	peer = give(ask.ticket);
	assert_int_equal(news & (CONN_OPENED | CONN_BROKEN), CONN_OPENED);
	assert_false(conn_opening(&conn));
	assert_int_equal(recv(peer, word, sizeof word, MSG_DONTWAIT), 5);
	close(peer);
}

static void none_arrives(void **state)
{
	(void)state;
	ask_for(0, 0);
	answer(asked().ticket, 111, -1);
	assert_int_equal(news, CONN_BROKEN);
	assert_true(conn_opening(&conn)); /* it never was open */
}

static void nobody_waits_any_more(void **state)
{
	uint64_t ticket;
	int peer;

	(void)state;
	ask_for(0, 0);
	ticket = asked().ticket;
	conn_close(&conn);
	peer = give(ticket);
	assert_true(closed(peer));
	assert_int_equal(news, 0);
	close(peer);
}

static void a_ticket_is_good_once(void **state)
{
	uint64_t ticket;
	int first, second;

	(void)state;
	ask_for(0, 0);
	ticket = asked().ticket;
	first = give(ticket);
	second = give(ticket);
	assert_true(!closed(first) && closed(second));
	close(first);
	close(second);
}

static void a_new_dialer_is_asked_anew(void **state)
{
	struct dial_ask before, after;
	int peer;

	(void)state;
	ask_for(1, 2);
	before = asked();
	answer(0, 0, -1);
	after = asked();
	assert_memory_equal(&before, &after, sizeof before);
	peer = give(after.ticket);
	assert_int_equal(news & CONN_OPENED, CONN_OPENED);
	answer(0, 0, -1);
	assert_true(nothing_asked());
	close(peer);
}

/* More than the pair takes at once. */
static void everybody_is_asked_for(void **state)
{
	static struct conn many[MANY];
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		conn_init(&many[i], base, on_turn, NULL);
		assert_int_equal(conn_dial(&many[i], dial_to(dial, 0, 0), NULL, NULL), 0);
	}
	for (unsigned idle = 0; n < MANY && idle < 10; idle++, turn())
		while (!nothing_asked()) {
			n++;
			idle = 0;
		}
	assert_int_equal(n, MANY);
	for (unsigned i = 0; i < MANY; i++)
		conn_close(&many[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_socket_arrives, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(none_arrives, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(nobody_waits_any_more, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_ticket_is_good_once, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_new_dialer_is_asked_anew, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(everybody_is_asked_for, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
