/*
 * net_server.c - the operator's HTTP server, driven in one process: a raw client writes, the loop turns.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/net/server.h"

enum { BODY_MAX = 64, HEAD_MAX = 1024, REPLY_MAX = 1 << 20, CONNECTIONS = 3, PATIENCE_MS = 60000 };

static struct event_base *base;
static struct server *server;
static struct sockaddr_un address;
static int listener;
static char got[2 * REPLY_MAX];
static int64_t uid_seen;

static void serve(void *arg, const struct server_request *q, struct server_reply *r)
{
	char value[8];

	assert_ptr_equal(arg, &server);
	uid_seen = q->uid;
	if (span_eq(q->path, SPAN("/echo"))) {
		buf_printf(&r->body, "%.*s:%.*s", (int)q->query.len, q->query.data, (int)q->body.len,
		           q->body.data);
	} else if (span_eq(q->path, SPAN("/large"))) {
		memset(buf_room(&r->body, REPLY_MAX), 'x', REPLY_MAX);
		buf_grown(&r->body, REPLY_MAX);
	} else if (span_eq(q->path, SPAN("/too-large"))) {
		for (unsigned i = 0; i <= REPLY_MAX; i++)
			buf_puts(&r->body, "x");
	} else if (span_eq(q->path, SPAN("/value"))) {
		buf_printf(&r->body, "%d", server_query(q->query, "v", value, sizeof value));
	} else {
		r->status = 404;
	}
}

static void start(bool changes, unsigned idle_ms, unsigned request_ms)
{
	struct server_limits limits = {CONNECTIONS, idle_ms, request_ms, HEAD_MAX, BODY_MAX, REPLY_MAX};

	address.sun_family = AF_UNIX;
	snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "understudy-net-server-%d",
	         (int)getpid());
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 8), 0);
	base = event_base_new();
	assert_int_equal(server_new(base, limits, serve, &server, &server), 0);
	assert_int_equal(server_listen(server, listener, changes), 0);
}

static int stop(void **state)
{
	(void)state;
	server_free(&server);
	server_free(&server);
	if (base)
		event_base_free(base);
	base = NULL;
	close(listener);
	return 0;
}

static int reach(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn();
}

/* Read until `end` was seen or the stream ended; true when it ended. */
static bool read_until(int fd, const char *end)
{
	size_t len = 0;

	got[0] = '\0';
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		ssize_t n = recv(fd, got + len, sizeof got - 1 - len, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
		if (n > 0)
			len += (size_t)n;
		got[len] = '\0';
		if (end && len >= strlen(end) && !strcmp(got + len - strlen(end), end))
			return false;
		turn();
		if (n < 0)
			usleep(1000);
	}
	fail_msg("neither an end nor '%s' in '%.200s'", end ? end : "", got);
	return false;
}

static void asks(int fd, const char *request, const char *status, const char *end)
{
	put(fd, request);
	read_until(fd, end);
	assert_memory_equal(got, status, strlen(status));
}

static void a_connection_serves_many_requests(void **state)
{
	int fd;

	(void)state;
	start(false, 60000, 60000);
	fd = reach();
	asks(fd, "GET /echo?a=1 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\na=1:");
	assert_non_null(strstr(got, "\r\nContent-Length: 4\r\n"));
	assert_int_equal(uid_seen, getuid());
	asks(fd, "HEAD /echo?a=1 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
	assert_non_null(strstr(got, "\r\nContent-Length: 4\r\n"));
	asks(fd, "GET /no HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", "\r\n\r\n");
	put(fd, "GET /echo?a HTTP/1.1\r\nHost: x\r\n\r\nGET /echo?b HTTP/1.1\r\nHost: x\r\nConnection: "
	        "close\r\n\r\n");
	assert_true(read_until(fd, NULL));
	assert_non_null(strstr(got, "\r\n\r\na:HTTP/1.1 200 OK\r\n"));
	assert_string_equal(got + strlen(got) - 2, "b:");
	close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	static const char request[] = "POST /echo?q HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
	int fd;

	(void)state;
	start(true, 60000, 60000);
	fd = reach();
	for (size_t i = 0; i + 1 < sizeof request; i++)
		put(fd, (char[2]){request[i], '\0'});
	read_until(fd, "q:abc");
	asks(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n",
	     "HTTP/1.1 200 OK\r\n", "\r\n\r\n:de");
	close(fd);
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *request, *status;
	} cases[] = {
	        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405 "},
	        {"DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 "},
	        {"GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65\r\n\r\n", "HTTP/1.1 413 "},
	        {"GET /echo HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
	        {"GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	         "HTTP/1.1 400 "},
	        {"\x16\x03\x01 GET /\r\n", "HTTP/1.1 400 "},
	        {"GET /too-large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 500 "},
	};
	char fields[2 * HEAD_MAX];
	int fd;

	(void)state;
	start(false, 60000, 60000);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fd = reach();
		put(fd, cases[i].request);
		assert_true(read_until(fd, NULL));
		assert_memory_equal(got, cases[i].status, strlen(cases[i].status));
		close(fd);
	}
	memset(fields, 'a', sizeof fields);
	snprintf(fields, 40, "GET /echo HTTP/1.1\r\nHost: x\r\nb: ");
	fields[strlen(fields)] = 'a';
	fields[sizeof fields - 1] = '\0';
	fd = reach();
	put(fd, fields);
	assert_true(read_until(fd, NULL));
	assert_memory_equal(got, "HTTP/1.1 431 ", 13);
	close(fd);
}

static void changes_by_token(void **state)
{
	static const struct {
		const char *field, *status;
	} cases[] = {
	        {"X: y", "HTTP/1.1 403 "},
	        {"Authorization: Bearer open sesame", "HTTP/1.1 200 "},
	        {"authorization: bearer open sesame", "HTTP/1.1 200 "},
	        {"Authorization: Bearer open sesam", "HTTP/1.1 403 "},
	        {"Authorization: Bearer open sesame!", "HTTP/1.1 403 "},
	        {"Authorization: Bearer  open sesame", "HTTP/1.1 403 "},
	        {"Authorization: Bearer ", "HTTP/1.1 403 "},
	        {"Authorization: Basic open sesame", "HTTP/1.1 403 "},
	        {"Authorization: open sesame", "HTTP/1.1 403 "},
	};
	char request[256];
	int fd;

	(void)state;
	start(false, 60000, 60000);
	assert_int_equal(server_trust(server, SPAN("open sesame")), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(request, sizeof request,
		         "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n\r\n", cases[i].field);
		fd = reach();
		put(fd, request);
		assert_true(read_until(fd, NULL));
		assert_memory_equal(got, cases[i].status, strlen(cases[i].status));
		close(fd);
	}
	fd = reach();
	asks(fd, "GET /echo?a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\na:");
	asks(fd, "DELETE /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer open sesame\r\n\r\n",
	     "HTTP/1.1 405 ", NULL);
	close(fd);
}

static void a_large_answer_waits_for_its_reader(void **state)
{
	int fd;

	(void)state;
	start(false, 60000, 60000);
	fd = reach();
	put(fd, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
	for (unsigned i = 0; i < 100; i++)
		turn();
	put(fd, "GET /echo?end HTTP/1.1\r\nHost: x\r\n\r\n");
	read_until(fd, "end:");
	assert_true(strlen(got) > REPLY_MAX);
	close(fd);
}

static void too_many_wait_until_one_leaves(void **state)
{
	int fds[CONNECTIONS + 1];

	(void)state;
	start(false, 60000, 60000);
	for (unsigned i = 0; i <= CONNECTIONS; i++)
		fds[i] = reach();
	for (unsigned i = 0; i < 10; i++)
		turn();
	put(fds[CONNECTIONS], "GET /echo?late HTTP/1.1\r\nHost: x\r\n\r\n");
	for (unsigned i = 0; i < 10; i++)
		turn();
	assert_int_equal(recv(fds[CONNECTIONS], got, sizeof got, 0), -1);
	close(fds[0]);
	read_until(fds[CONNECTIONS], "late:");
	for (unsigned i = 1; i <= CONNECTIONS; i++)
		close(fds[i]);
}

/* A byte every 10 ms keeps no connection: the deadline is the request's, not the byte's. */
static void a_trickle_is_cut(void **state)
{
	int fd;
	unsigned sent = 0;

	(void)state;
	start(false, 60000, 100);
	fd = reach();
	put(fd, "GET /echo HTTP/1.1\r\nHost: x\r\na: ");
	while (send(fd, "a", 1, MSG_NOSIGNAL) == 1 && ++sent < HEAD_MAX / 2) {
		usleep(10000);
		turn();
		if (recv(fd, got, sizeof got, 0) == 0)
			break;
	}
	assert_true(sent < HEAD_MAX / 2);
	close(fd);
}

static void an_idle_one_and_one_that_does_not_read_are_cut(void **state)
{
	int idle, deaf;
	char byte;
	ssize_t n;

	(void)state;
	start(false, 50, 50);
	idle = reach();
	deaf = reach();
	put(deaf, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(read_until(idle, NULL));
	assert_string_equal(got, "");
	for (unsigned i = 0; i < 200; i++) {
		usleep(1000);
		turn();
	}
	n = (ssize_t)REPLY_MAX;
	for (ssize_t got_now; (got_now = recv(deaf, &got, sizeof got, 0)) > 0;)
		n -= got_now;
	assert_true(n > 0); /* the rest never came */
	assert_int_equal(recv(deaf, &byte, 1, 0), 0);
	close(idle);
	close(deaf);
}

static void queries(void **state)
{
	char out[6];

	(void)state;
	assert_int_equal(server_query(SPAN("a=1&bb=x%20y&c="), "a", out, sizeof out), 0);
	assert_string_equal(out, "1");
	assert_int_equal(server_query(SPAN("a=1&bb=x%20y"), "bb", out, sizeof out), 0);
	assert_string_equal(out, "x y");
	assert_int_equal(server_query(SPAN("a=1&c="), "c", out, sizeof out), 0);
	assert_string_equal(out, "");
	assert_int_equal(server_query(SPAN("aa=1"), "a", out, sizeof out), ERR_CLOSED);
	assert_int_equal(server_query(SPAN(""), "a", out, sizeof out), ERR_CLOSED);
	assert_int_equal(server_query(SPAN("a=%4"), "a", out, sizeof out), ERR_PROTO);
	assert_int_equal(server_query(SPAN("a=%00"), "a", out, sizeof out), ERR_PROTO);
	assert_int_equal(server_query(SPAN("a=%zz"), "a", out, sizeof out), ERR_PROTO);
	assert_int_equal(server_query(SPAN("a=12345"), "a", out, sizeof out), 0);
	assert_int_equal(server_query(SPAN("a=123456"), "a", out, sizeof out), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_teardown(a_connection_serves_many_requests, stop),
	        cmocka_unit_test_teardown(a_request_may_come_byte_by_byte, stop),
	        cmocka_unit_test_teardown(what_is_refused, stop),
	        cmocka_unit_test_teardown(changes_by_token, stop),
	        cmocka_unit_test_teardown(a_large_answer_waits_for_its_reader, stop),
	        cmocka_unit_test_teardown(too_many_wait_until_one_leaves, stop),
	        cmocka_unit_test_teardown(a_trickle_is_cut, stop),
	        cmocka_unit_test_teardown(an_idle_one_and_one_that_does_not_read_are_cut, stop),
	        cmocka_unit_test(queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
