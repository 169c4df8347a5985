/*
 * net_client.c - the HTTP client against a forked server on a free loopback port, a unix socket and a port
 * with TLS. The path of the request picks what the server does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/net/client.h"
#include "tests/lib/tls_wire.h"

enum after { KEEP, CLOSE, HANG, RESET };

static const struct {
	const char *path, *reply;
	enum after after;
} replies[] = {
        {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", KEEP},
        {"/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
         KEEP},
        {"/interim", "HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", KEEP},
        {"/close", "HTTP/1.1 200 OK\r\n\r\nok", CLOSE},
        {"/stale", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", CLOSE},
        {"/surplus", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", KEEP},
        {"/head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", KEEP},
        {"/hang", "", HANG},
        {"/reset", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", RESET},
        {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", CLOSE},
        {"/interim-only", "HTTP/1.1 103 E\r\n\r\n", CLOSE},
        {"/switch", "HTTP/1.1 101 S\r\n\r\n", HANG},
        {"/garbage", "SSH-2.0-x\r\n", HANG},
        {"/large", "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", HANG},
        {"/growing", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n", HANG},
        {"/nothing", "", CLOSE},
        {"/silent-once", "", CLOSE},
};

static uint16_t port, tls_port;
static char socket_path[64];
static pid_t servers[3];

static int listen_loopback(uint16_t *port_out)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 16) == 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port_out = ntohs(a.sin_port);
	return fd;
}

static int listen_path(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(socket_path, sizeof(socket_path), "/tmp/net_client.%d.sock", (int)getpid());
	memcpy(a.sun_path, socket_path, sizeof(socket_path));
	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 16) == 0);
	return fd;
}

static ssize_t put(int fd, struct tls *tls, const char *text)
{
	size_t len = strlen(text);

	return !len ? 0 : tls ? tls_write(tls, text, len) : send(fd, text, len, MSG_NOSIGNAL);
}

static ssize_t get(int fd, struct tls *tls, char *bytes, size_t size)
{
	return tls ? tls_read(tls, bytes, size) : recv(fd, bytes, size, 0);
}

/* The answer to one request; false when the connection ends. `nth` counts within the connection. */
static bool answer(int fd, struct tls *tls, const char *request, unsigned nth)
{
	char method[16], path[64];
	struct linger abort_on_close = {1, 0};

	if (sscanf(request, "%15s %63s", method, path) != 2)
		return false;
	/* on a fresh connection "/silent-once" succeeds: only the reuse goes unanswered */
	if (nth == 0 && strcmp(path, "/silent-once") == 0)
		memcpy(path, "/ok", 4);
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		if (strcmp(path, replies[i].path) != 0)
			continue;
		if (put(fd, tls, replies[i].reply) < 0)
			return false;
		if (replies[i].after == HANG)
			pause();
		if (replies[i].after == RESET) {
			usleep(50000);
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
		}
		return replies[i].after == KEEP;
	}
	return false;
}

static void converse(int fd, struct tls *tls)
{
	char request[4096];
	ssize_t n;

	alarm(100);
	if (tls && tls_handshake(tls) != 0)
		_exit(1);
	for (unsigned nth = 0; (n = get(fd, tls, request, sizeof(request) - 1)) > 0; nth++) {
		request[n] = '\0';
		if (!answer(fd, tls, request, nth))
			break;
	}
	if (tls)
		tls_close(tls);
	close(fd);
	_exit(0);
}

/* One process a connection, so that a hanging one holds up nobody. */
static void serve(int listener, struct tls_context *context)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		struct tls *tls = NULL;

		if (fd < 0)
			continue;
		if (fork() == 0) {
			if (context && tls_new(context, fd, NULL, &tls))
				_exit(1);
			converse(fd, tls);
		}
		close(fd);
	}
}

static int start_server(void **state)
{
	const int listeners[] = {listen_loopback(&port), listen_path(), listen_loopback(&tls_port)};

	make_certificates(state);
	for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++) {
		servers[i] = fork();
		if (servers[i] == 0) {
			setpgid(0, 0);
			serve(listeners[i], i == 2 ? server_from((struct tls_server_config){0}) : NULL);
		}
		setpgid(servers[i], servers[i]);
		close(listeners[i]);
	}
	return 0;
}

static int stop_server(void **state)
{
	for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++) {
		kill(-servers[i], SIGTERM);
		if (waitpid(servers[i], NULL, 0) != servers[i])
			return -1;
	}
	unlink(socket_path);
	return free_certificates(state);
}

struct exchange {
	struct client *client, **free_in_done;
	unsigned sent, heads, dones, status;
	enum client_result result;
	char body[64];
	size_t body_len;
	bool cut_in_head, again_in_done;
};

static struct event_base *base;
static const struct client_events events;

static int start(struct client *c, struct exchange *x, const char *method, const char *path)
{
	char request[128];
	int n = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", method, path);
	unsigned dones = x->dones;

	x->client = c;
	int r = client_send(c, (struct span){request, (size_t)n},
	                    &(struct client_how){.is_head = strcmp(method, "HEAD") == 0}, &events, x);
	assert_int_equal(x->dones, dones);
	return r;
}

static void on_sent(void *arg)
{
	((struct exchange *)arg)->sent++;
}

static void on_head(void *arg, const struct http_message *m)
{
	struct exchange *x = arg;

	x->heads++;
	x->status = m->status;
	if (x->cut_in_head)
		client_cut(x->client);
}

static void on_body(void *arg, struct span bytes)
{
	struct exchange *x = arg;

	assert_true(x->body_len + bytes.len <= sizeof(x->body));
	memcpy(x->body + x->body_len, bytes.data, bytes.len);
	x->body_len += bytes.len;
}

static void on_done(void *arg, enum client_result result)
{
	struct exchange *x = arg;

	x->dones++;
	x->result = result;
	if (x->again_in_done) {
		x->again_in_done = false;
		x->body_len = 0;
		assert_int_equal(start(x->client, x, "GET", "/ok"), 0);
	}
	if (x->free_in_done != NULL)
		client_free(x->free_in_done);
}

static const struct client_events events = {
        .sent = on_sent, .head = on_head, .body = on_body, .done = on_done};

static struct client_budget budget = {0, SIZE_MAX};

static struct client_target loopback(uint16_t to_port)
{
	struct client_target target = {.address_len = sizeof(struct sockaddr_in)};
	struct sockaddr_in a = {
	        .sin_family = AF_INET, .sin_port = htons(to_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	memcpy(&target.address, &a, sizeof(a));
	return target;
}

static struct client_target unix_path(void)
{
	struct client_target target = {.address_len = sizeof(struct sockaddr_un)};
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	memcpy(a.sun_path, socket_path, sizeof(socket_path));
	memcpy(&target.address, &a, sizeof(a));
	return target;
}

static struct client *make_to(struct client_target target, unsigned in_flight, unsigned timeout_ms)
{
	struct client_limits limits = {in_flight, timeout_ms, 10, &budget};
	struct client *c = NULL;

	base = event_base_new();
	assert_int_equal(client_new(base, &target, limits, &c), 0);
	return c;
}

static struct client *make(uint16_t to_port, unsigned in_flight, unsigned timeout_ms)
{
	return make_to(loopback(to_port), in_flight, timeout_ms);
}

/* Trusts `authority`; the name must be `host`. */
static struct client *make_tls(const struct certificate *authority, const char *host)
{
	struct client_target target = loopback(tls_port);
	struct client *c;

	target.tls = client_from((struct tls_client_config){.ca_pem = span_of(authority->pem)});
	target.host = host;
	c = make_to(target, 2, 10000);
	tls_context_unref(&target.tls);
	return c;
}

static void drop(struct client **c)
{
	client_free(c);
	assert_null(*c);
	assert_int_equal(budget.bytes, 0);
	event_base_free(base);
}

static void run_until(const struct exchange *x, unsigned dones)
{
	while (x->dones < dones)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void turn_loop(unsigned ms)
{
	struct timeval tv = {0, ms * 1000};

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
}

struct result {
	const char *method, *path;
	enum client_result want;
	size_t body;
};

static void check_result(struct client *c, const struct result *r)
{
	struct exchange x = {0};

	assert_int_equal(start(c, &x, r->method, r->path), 0);
	assert_int_equal(client_in_flight(c), 1);
	run_until(&x, 1);
	turn_loop(5);
	assert_int_equal(x.dones, 1);
	assert_int_equal(x.result, r->want);
	assert_int_equal(x.body_len, r->body);
	assert_int_equal(x.sent, 1);
	assert_int_equal(client_in_flight(c), 0);
}

/* Whole answers and broken ones over each kind of connection, alone and on one that is kept. */
static const struct result cases[] = {
        {"GET", "/ok", CLIENT_OK, 2},
        {"GET", "/chunked", CLIENT_OK, 2},
        {"GET", "/interim", CLIENT_OK, 2},
        {"GET", "/close", CLIENT_OK, 2},
        {"GET", "/surplus", CLIENT_OK, 2},
        {"HEAD", "/head", CLIENT_OK, 0},
        {"GET", "/reset", CLIENT_RESET, 2},
        {"GET", "/short", CLIENT_RESET, 2},
        {"GET", "/interim-only", CLIENT_RESET, 0},
        {"GET", "/nothing", CLIENT_RESET, 0},
        {"GET", "/switch", CLIENT_PROTOCOL, 0},
        {"GET", "/garbage", CLIENT_PROTOCOL, 0},
        {"GET", "/large", CLIENT_TOO_LARGE, 0},
        {"GET", "/growing", CLIENT_TOO_LARGE, 0},
};

static void check_results(struct client *(*connect_new)(void))
{
	struct client *c;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		c = connect_new();
		check_result(c, &cases[i]);
		drop(&c);
	}
	c = connect_new();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check_result(c, &cases[0]);
		check_result(c, &cases[i]);
	}
	drop(&c);
}

static struct client *plain(void)
{
	return make(port, 2, 10000);
}

static struct client *by_path(void)
{
	return make_to(unix_path(), 2, 10000);
}

static struct client *secure(void)
{
	return make_tls(&ca, "a.test");
}

static void results(void **state)
{
	(void)state;
	check_results(plain);
}

static void results_unix(void **state)
{
	(void)state;
	check_results(by_path);
}

static void results_tls(void **state)
{
	(void)state;
	check_results(secure);
}

/* A server that is not believed gets no byte of the request. */
static void not_believed(void **state)
{
	const struct {
		const struct certificate *authority;
		const char *host;
	} wrong[] = {{&other_ca, "a.test"}, {&ca, "stray.test"}};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct client *c = make_tls(wrong[i].authority, wrong[i].host);
		struct exchange x = {0};

		assert_int_equal(start(c, &x, "GET", "/ok"), 0);
		run_until(&x, 1);
		assert_int_equal(x.result, CLIENT_CONNECT);
		assert_int_equal(x.sent, 0);
		drop(&c);
	}
}

/* Each request has its own deadline, none ends before it, and the next is watched when one has passed. */
static void deadlines(void **state)
{
	enum { MS = 1000000, TIMEOUT_MS = 600 };
	struct client *c = make(port, 3, TIMEOUT_MS);
	struct exchange x[3] = {{0}};
	uint64_t began[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		began[i] = clock_mono_ns();
		assert_int_equal(start(c, &x[i], "GET", i == 0 ? "/ok" : "/hang"), 0);
		if (i == 0)
			run_until(&x[0], 1);
		turn_loop(40);
	}
	assert_int_equal(x[0].result, CLIENT_OK);
	for (unsigned i = 1; i < 3; i++) {
		run_until(&x[i], 1);
		assert_int_equal(x[i].result, CLIENT_TIMEOUT);
		assert_true(clock_mono_ns() - began[i] >= (uint64_t)TIMEOUT_MS * MS);
		if (i == 1 && clock_mono_ns() - began[2] < (uint64_t)TIMEOUT_MS * MS)
			assert_int_equal(x[2].dones, 0);
	}
	assert_int_equal(start(c, &x[0], "GET", "/hang"), 0);
	run_until(&x[0], 2);
	assert_int_equal(x[0].result, CLIENT_TIMEOUT);
	drop(&c);
}

/* What does not fit is refused before it is sent, or cut when its answer comes; nothing stays charged. */
static void budget_is_kept(void **state)
{
	struct exchange first = {0}, second = {0}, third = {0};
	struct client *c = make(port, 2, 1000);
	size_t waiting;

	(void)state;
	assert_int_equal(start(c, &first, "GET", "/ok"), 0);
	waiting = budget.bytes;
	assert_true(waiting > 0 && waiting < H1_HEAD_MAX);
	budget.limit_bytes = waiting + waiting / 2;
	assert_int_equal(start(c, &second, "GET", "/ok"), ERR_NOMEM);
	assert_int_equal(budget.bytes, waiting);
	run_until(&first, 1);
	assert_int_equal(first.result, CLIENT_MEMORY);
	assert_int_equal(first.heads, 0);
	budget.limit_bytes = waiting + 2 * H1_HEAD_MAX;
	assert_int_equal(start(c, &third, "GET", "/ok"), 0);
	run_until(&third, 1);
	assert_int_equal(third.result, CLIENT_OK);
	assert_true(budget.bytes < waiting);
	drop(&c);
	budget.limit_bytes = SIZE_MAX;
}

static void refused(void **state)
{
	uint16_t closed_port;
	int listener = listen_loopback(&closed_port);
	struct exchange x = {0};

	(void)state;
	close(listener);
	struct client *c = make(closed_port, 1, 1000);
	assert_int_equal(start(c, &x, "GET", "/ok"), 0);
	run_until(&x, 1);
	assert_int_equal(x.result, CLIENT_CONNECT);
	assert_int_equal(x.sent, 0);
	drop(&c);
}

/* An address that connect() refuses at once must still report after client_send() returned. */
static void refused_at_once(void **state)
{
	struct client_limits limits = {1, 1000, 10, NULL};
	struct client_target target = loopback(1);
	struct client *c = NULL;
	struct exchange x = {0};

	(void)state;
	((struct sockaddr_in *)&target.address)->sin_addr.s_addr = htonl(INADDR_BROADCAST);
	base = event_base_new();
	assert_int_equal(client_new(base, &target, limits, &c), 0);
	assert_int_equal(start(c, &x, "GET", "/ok"), 0);
	run_until(&x, 1);
	assert_int_equal(x.result, CLIENT_CONNECT);
	drop(&c);
}

/* What is in flight ends where it began; what idles is not used again. */
static void moved(void **state)
{
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct client *c = make(port, 1, 1000);
	struct exchange x = {0};

	(void)state;
	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(start(c, &x, "GET", "/ok"), 0);
		if (i > 0) /* an idle connection goes on, and ends with its request */
			client_move(c, (const struct sockaddr *)&there, 0);
		run_until(&x, i + 1);
		assert_int_equal(x.result, CLIENT_OK);
	}
	assert_int_equal(start(c, &x, "GET", "/ok"), 0);
	run_until(&x, 3);
	assert_int_equal(x.result, CLIENT_CONNECT);
	client_move(c, (const struct sockaddr *)&there, sizeof(there));
	assert_int_equal(start(c, &x, "GET", "/ok"), 0);
	run_until(&x, 4);
	assert_int_equal(x.result, CLIENT_OK);
	client_move(c, (const struct sockaddr *)&there, 0);
	assert_int_equal(start(c, &x, "GET", "/ok"), 0);
	run_until(&x, 5);
	assert_int_equal(x.result, CLIENT_CONNECT);
	drop(&c);
}

/* "/silent-once" answers the first request of a connection and closes on any later one, so it only
 * succeeds after a reuse when the connection was replaced. */
static void reuse_and_replacement(void **state)
{
	struct client *c = make(port, 1, 1000);
	struct exchange x = {0};

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(start(c, &x, "GET", "/ok"), 0);
		run_until(&x, i);
		assert_int_equal(x.result, CLIENT_OK);
	}
	assert_int_equal(start(c, &x, "GET", "/silent-once"), 0);
	run_until(&x, 4);
	assert_int_equal(x.result, CLIENT_OK);
	assert_int_equal(x.sent, 4);
	assert_int_equal(start(c, &x, "GET", "/nothing"), 0);
	run_until(&x, 5);
	assert_int_equal(x.result, CLIENT_RESET);
	assert_int_equal(start(c, &x, "GET", "/stale"), 0);
	run_until(&x, 6);
	usleep(20000);
	assert_int_equal(start(c, &x, "GET", "/ok"), 0);
	run_until(&x, 7);
	assert_int_equal(x.result, CLIENT_OK);
	drop(&c);
}

static void bound_and_cut(void **state)
{
	struct client *c = make(port, 2, 5000);
	struct exchange x = {0}, y = {.again_in_done = true}, z = {0};

	(void)state;
	assert_int_equal(start(c, &x, "GET", "/hang"), 0);
	assert_int_equal(start(c, &y, "GET", "/hang"), 0);
	assert_int_equal(start(c, &z, "GET", "/ok"), ERR_FULL);
	turn_loop(20);
	client_cut(c);
	assert_int_equal(x.result, CLIENT_CUT);
	assert_int_equal(y.result, CLIENT_CUT);
	assert_int_equal(client_in_flight(c), 1);
	run_until(&y, 2);
	assert_int_equal(y.result, CLIENT_OK);
	assert_int_equal(start(c, &x, "GET", "/hang"), 0);
	client_free(&c);
	assert_int_equal(x.dones, 2);
	assert_int_equal(x.result, CLIENT_CUT);
	drop(&c);
}

static void reentrancy(void **state)
{
	struct client *c = make(port, 2, 1000);
	struct exchange x = {.cut_in_head = true, .again_in_done = true}, y = {0};

	(void)state;
	assert_int_equal(start(c, &x, "GET", "/ok"), 0);
	while (x.dones < 1)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(x.result, CLIENT_CUT);
	x.cut_in_head = false;
	run_until(&x, 2);
	assert_int_equal(x.result, CLIENT_OK);
	y.free_in_done = &c;
	x.dones = 0;
	assert_int_equal(start(c, &x, "GET", "/hang"), 0);
	assert_int_equal(start(c, &y, "GET", "/ok"), 0);
	run_until(&y, 1);
	assert_int_equal(x.dones, 1);
	assert_int_equal(x.result, CLIENT_CUT);
	assert_null(c);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	        cmocka_unit_test(results),         cmocka_unit_test(refused),
	        cmocka_unit_test(refused_at_once), cmocka_unit_test(reuse_and_replacement),
	        cmocka_unit_test(bound_and_cut),   cmocka_unit_test(reentrancy),
	        cmocka_unit_test(results_unix),    cmocka_unit_test(results_tls),
	        cmocka_unit_test(not_believed),    cmocka_unit_test(deadlines),
	        cmocka_unit_test(budget_is_kept),  cmocka_unit_test(moved),
	};

	return cmocka_run_group_tests(all, start_server, stop_server);
}
