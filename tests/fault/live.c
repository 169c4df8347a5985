/*
 * live.c - the live path in this process, between a client and a live server that this test plays itself,
 * while the n-th allocation or the n-th call of the socket and of the loop fails, for every n, plain and TLS:
 * whatever reaches the client as an answer of live is right to its last byte or is visibly cut, what reaches
 * live is right, and everything is given back. What only interrupts must change nothing.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/h2.h"
#include "proxy/live.h"
#include "proxy/session.h"
#include "tests/fault/fail.h"
#include "tests/lib/certificate.h"

enum {
	REQUESTS = 3,
	REQUEST_BYTES = 9000,
	ANSWER_BYTES = 50000,
	LIVES_MAX = 8,
	QUIET_TURNS = 40,
	QUIET_BYTES = 4000
};

struct end { /* of a connection, held by the test */
	int fd;
	struct tls *tls;
	bool shaken, over;
	struct buf in, out;
	struct h2 *h2; /* of a live server that speaks it */
	struct {
		unsigned number, got;
	} streams[64]; /* by id / 2 */
};

static struct plan plan = {
        .workers = 1,
        .listen_count = 1,
        .limits = {.header_timeout_ms = 1000,
                   .idle_timeout_ms = 1000,
                   .send_timeout_ms = 1000,
                   .line_bytes = 8192,
                   .field_bytes = 16384,
                   .fields_bytes = 65536,
                   .fields = 128},
        .route_count = 1,
        .routes = {{.name = "r",
                    .path_prefix = "/",
                    .mirror = true,
                    .methods = " POST ",
                    .sample_ppm = 1000000,
                    .max_body_bytes = 1 << 20,
                    .candidate_count = 1,
                    .candidates = {{.name = "c", .sample_ppm = 1000000}},
                    .live = {.endpoint_count = 1,
                             .endpoints = {{.host = "localhost", .address = "127.0.0.1"}},
                             .timeout_ms = 1000,
                             .connect_timeout_ms = 1000,
                             .idle_timeout_ms = 1000,
                             .tries = 2}}},
};
static struct role_env env = {.name = "worker", .plan = &plan};
static struct worker w;
static struct tls_context *site, *visitor, *ours;
static struct certificate ca, certificate;
static struct end client, lives[LIVES_MAX];
static unsigned lives_count;
static int listener;
static unsigned quiet_turns = QUIET_TURNS;

static char letter(unsigned which, size_t at)
{
	return (char)('a' + (which * 7 + at * 3 + at / 256) % 26);
}

static void put_body(struct buf *b, unsigned which, size_t n)
{
	char *room = buf_room(b, n);

	assert_non_null(room);
	for (size_t i = 0; i < n; i++)
		room[i] = letter(which, i);
	buf_grown(b, n);
}

static void check_body(struct span body, unsigned which)
{
	for (size_t i = 0; i < body.len; i++)
		if (body.data[i] != letter(which, i))
			fail_msg("message %u differs at byte %zu", which, i);
}

static void end_open(struct end *e, int fd, struct tls_context *context, const char *host)
{
	*e = (struct end){.fd = fd, .shaken = !context};
	fcntl(fd, F_SETFL, O_NONBLOCK);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1},
	                 sizeof(int)); /* nothing is under way unseen */
	buf_init(&e->in, 4 << 20);
	buf_init(&e->out, 4 << 20);
	if (context)
		assert_int_equal(tls_new(context, fd, host, &e->tls), 0);
}

static void end_close(struct end *e)
{
	if (e->fd == -1)
		return;
	if (e->tls)
		tls_close(e->tls);
	tls_free(&e->tls);
	close(e->fd);
	h2_free(&e->h2);
	buf_fini(&e->in);
	buf_fini(&e->out);
	e->fd = -1;
}

static ssize_t end_send(struct end *e)
{
	struct span s = buf_span(&e->out);

	return e->tls ? tls_write(e->tls, s.data, s.len) : send(e->fd, s.data, s.len, MSG_NOSIGNAL);
}

/* Moves what can be moved; true when something did. */
static bool end_move(struct end *e)
{
	bool moved = false;
	char *room = buf_room(&e->in, 65536);
	ssize_t n;

	if (e->over || e->fd == -1)
		return false;
	if (!e->shaken) {
		int err = tls_handshake(e->tls);

		e->shaken = err == 0;
		e->over = err && err != ERR_AGAIN;
		return e->shaken;
	}
	while (buf_len(&e->out) && (n = end_send(e)) > 0) {
		buf_consume(&e->out, (size_t)n);
		moved = true;
	}
	while ((n = e->tls ? tls_read(e->tls, room, 65536) : recv(e->fd, room, 65536, 0)) > 0) {
		buf_grown(&e->in, (size_t)n);
		room = buf_room(&e->in, 65536);
		moved = true;
	}
	e->over = n == 0 || (n < 0 && (e->tls ? n != ERR_AGAIN : errno != EAGAIN));
	return moved;
}

/* One whole message at the front of `in`: its number, as its head says, or -1. Consumes it. */
static int message(struct end *e, unsigned *status_out, struct span *body_out)
{
	struct span in = buf_span(&e->in);
	char *stop = memmem(in.data, in.len, "\r\n\r\n", 4), *field;
	size_t head = stop ? (size_t)(stop - in.data) + 4 : 0, length;
	int which = -1;

	if (!stop)
		return -1;
	*stop = 0; /* what follows in `in` is not text */
	field = strcasestr(in.data, "content-length: ");
	length = field ? strtoul(field + 16, NULL, 10) : 0;
	field = strcasestr(in.data, "x-number: ");
	sscanf(field ? field + 10 : "99", "%d", &which);
	if (sscanf(in.data, "HTTP/1.1 %u", status_out) != 1)
		*status_out = 0;
	*stop = '\r';
	*body_out = (struct span){in.data + head, in.len - head < length ? in.len - head : length};
	if (body_out->len < length)
		return -2 - which;
	e->in.head += head + length;
	return which;
}

/* Over HTTP/2 the same. */

static void on_head(void *owner, struct h2_stream *s, const struct http_message *m)
{
	struct end *e = owner;
	struct span number = http_field(m, SPAN("x-number"));

	assert_true(s->id < 128 && number.len == 1);
	s->user = &e->streams[s->id / 2];
	e->streams[s->id / 2].number = (unsigned)(number.data[0] - '0');
	e->streams[s->id / 2].got = 0;
}

static void on_data(void *owner, struct h2_stream *s, struct span bytes)
{
	struct end *e = owner;
	unsigned which = e->streams[s->id / 2].number, *got = &e->streams[s->id / 2].got;

	for (size_t i = 0; i < bytes.len; i++)
		assert_int_equal(bytes.data[i], letter(which, *got + i));
	*got += (unsigned)bytes.len;
	h2_consumed(s, bytes.len);
}

static void on_end(void *owner, struct h2_stream *s)
{
	struct end *e = owner;
	unsigned which = e->streams[s->id / 2].number;
	char number[2] = {(char)('0' + which), 0}, length[16];
	struct h2_fields fields = {.count = 0};
	struct buf body;

	assert_int_equal(e->streams[s->id / 2].got, which == 1 ? 0 : REQUEST_BYTES);
	snprintf(length, sizeof length, "%d", ANSWER_BYTES);
	h2_put(&fields, SPAN("x-number"), span_of(number));
	h2_put(&fields, SPAN("content-length"), span_of(length));
	h2_respond(s, 200, &fields, false);
	buf_init(&body, ANSWER_BYTES);
	put_body(&body, 100u + which, ANSWER_BYTES);
	h2_data(s, buf_span(&body));
	h2_end(s);
	buf_fini(&body);
}

static void on_closed(void *owner, struct h2_stream *s, uint32_t code)
{
	(void)owner, (void)s, (void)code;
}

static void on_refuse(void *owner, struct h2_stream *s, const struct http_message *m, enum h2_rule rule)
{
	(void)owner, (void)s, (void)m;
	fail_msg("live refuses: %s", h2_rule_text(rule));
}

static void on_broken(void *owner, enum h2_rule rule)
{
	(void)owner, (void)rule; /* a stream that is cancelled while it is answered */
}

static void on_room(void *owner, struct h2_stream *s)
{
	(void)owner, (void)s;
}

static const struct h2_ops live_ops_h2 = {.head = on_head,
                                          .refuse = on_refuse,
                                          .data = on_data,
                                          .trailers = on_head,
                                          .end = on_end,
                                          .closed = on_closed,
                                          .broken = on_broken,
                                          .room = on_room};

static bool live_move_h2(struct end *e)
{
	bool moved = end_move(e);

	if (e->fd == -1)
		return moved;
	if (!e->h2)
		e->h2 = h2_new(H2_SERVER, &(struct h2_limits){0}, &live_ops_h2, e);
	assert_non_null(e->h2);
	if (buf_len(&e->in))
		assert_int_equal(h2_feed(e->h2, buf_span(&e->in), clock_mono_ns()), 0);
	buf_consume(&e->in, buf_len(&e->in));
	assert_int_equal(h2_drain(e->h2, &e->out, SIZE_MAX), 0);
	return end_move(e) || moved;
}

/* Live answers each request by its number; half a request must be the right half. */
static bool live_move(struct end *e)
{
	bool moved = end_move(e);
	struct span body;
	unsigned status;
	int which;

	while ((which = message(e, &status, &body)) >= 0) {
		check_body(body, (unsigned)which);
		buf_printf(&e->out, "HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: %d\r\n\r\n", which,
		           ANSWER_BYTES);
		put_body(&e->out, 100u + (unsigned)which, ANSWER_BYTES);
		moved = true;
	}
	if (which <= -2)
		check_body(body, (unsigned)(-2 - which));
	return end_move(e) || moved;
}

static bool outside_moves(void)
{
	bool moved = end_move(&client);
	int fd;

	while (lives_count < LIVES_MAX && (fd = accept(listener, NULL, NULL)) != -1) {
		end_open(&lives[lives_count++], fd, w.upstreams[0].tls ? site : NULL, NULL);
		moved = true;
	}
	for (unsigned i = 0; i < lives_count; i++)
		moved |= plan.routes[0].live.http == PLAN_HTTP_2 ? live_move_h2(&lives[i])
		                                                 : live_move(&lives[i]);
	return moved;
}

static void tick(uint64_t later_ms)
{
	w.now_ns = clock_mono_ns() + later_ms * 1000000u;
	live_bury(&w);
	for (struct session *s = w.sessions, *next; s; s = next) {
		next = session_next(s);
		session_tick(s);
	}
	live_endpoint_tick(&w.upstreams[0].endpoints[0], w.now_ns);
	live_bury(&w);
}

/* A turn of the loop, faults included, then one of the others, without. */
static bool turn(void)
{
	bool moved;

	fail_io_pause(false);
	fail_alloc_pause(false);
	event_base_loop(w.base, EVLOOP_NONBLOCK);
	fail_alloc_pause(true);
	fail_io_pause(true);
	moved = outside_moves();
	return moved;
}

/* Until nobody has anything to do. */
static void settle(void)
{
	for (unsigned quiet = 0; quiet < quiet_turns; quiet++)
		if (turn())
			quiet = 0;
}

/* Right answers of live; every other byte must be a refusal of ours, or the front of a right answer. */
static unsigned judge(void)
{
	unsigned good = 0, expected = 0, status;
	struct span body;
	int which;

	while ((which = message(&client, &status, &body)) >= 0) {
		if (which == 99) {
			assert_true(status >= 500 || status == 408);
			continue;
		}
		assert_int_equal(status, 200);
		assert_int_equal(which, expected++);
		assert_int_equal(body.len, ANSWER_BYTES);
		check_body(body, 100u + (unsigned)which);
		good++;
	}
	if (which <= -2 && status == 200)
		check_body(body, 100u + (unsigned)(-2 - which));
	if (good < REQUESTS)
		assert_true(client.over); /* nobody is left waiting */
	return good;
}

static void ask(void)
{
	for (int i = 0; i < REQUESTS; i++) {
		size_t n = i == 1 ? 0 : REQUEST_BYTES;

		buf_printf(&client.out,
		           "POST /x HTTP/1.1\r\nHost: a\r\nX-Number: %d\r\nContent-Length: %zu\r\n\r\n", i,
		           n);
		put_body(&client.out, (unsigned)i, n);
	}
}

/* One client from its connection to its end, and everything given back: the right answers it had. */
static unsigned one_client(void)
{
	unsigned good;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	end_open(&client, pair[1], w.listeners[0].tls ? visitor : NULL, "localhost");
	lives_count = 0;
	ask();
	fail_alloc_pause(false);
	fail_io_pause(false);
	if (session_new(&w.listeners[0], pair[0], "192.0.2.1"))
		client.over = false; /* it is closed; the client will see that */
	tick(0);
	settle();
	for (unsigned i = 0; i < 4 && w.sessions; i++) { /* what hangs runs into its limits */
		fail_alloc_pause(false);
		fail_io_pause(false);
		tick(5000 * (i + 1));
		settle();
	}
	fail_alloc_pause(true);
	fail_io_pause(true);
	good = judge();
	end_close(&client);
	settle();
	tick(60000);
	settle();
	tick(120000);
	for (unsigned i = 0; i < lives_count; i++)
		end_close(&lives[i]);
	for (unsigned i = REJECT_H1; i < RULES_MAX; i++) /* nobody sent what is not HTTP, in clear or not */
		assert_int_equal(w.gauges->rejected_rule[i], 0);
	assert_null(w.sessions);
	assert_int_equal(w.session_count, 0);
	assert_int_equal(w.in_flight, 0);
	assert_int_equal(w.upstreams[0].endpoints[0].connections, 0);
	assert_int_equal(w.upstreams[0].endpoints[0].in_flight, 0);
	return good;
}

enum kind { PLAIN, TLS, H2 };

static void mode(enum kind kind)
{
	bool tls = kind == TLS;

	plan.routes[0].live.http = kind == H2 ? PLAN_HTTP_2 : PLAN_HTTP_AUTO;
	plan.listen[0].tls = plan.routes[0].live.endpoints[0].tls = tls;
	w.listeners[0] = (struct listener){&w, &plan.listen[0], NULL, tls ? site : NULL};
	w.upstreams[0].tls = tls ? ours : NULL;
	fail_alloc_pause(true);
	fail_io_pause(true);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(one_client(), REQUESTS);
}

static unsigned next(unsigned n)
{
	return n + 1 + n / 40;
}

static void calls_fail(enum kind kind)
{
	static const int errors[] = {EINTR, EAGAIN, FAIL_SHORT, ENOMEM, ECONNRESET};
	static const unsigned calls[] = {FAIL_RECV, FAIL_SEND, FAIL_SOCKET, FAIL_CONNECT, FAIL_EPOLL};
	unsigned good, cut = 0, n;
	long before;

	mode(kind);
	before = fail_live_blocks();
	for (unsigned e = 0; e < sizeof errors / sizeof *errors; e++)
		for (unsigned c = 0; c < sizeof calls / sizeof *calls; c++) {
			bool harmless = c < 2 && errors[e] != ENOMEM && errors[e] != ECONNRESET;

			if (c >= 2 && errors[e] != ENOMEM)
				continue;
			for (n = 0;; n = next(n)) {
				fail_io(calls[c], n, errors[e], false);
				good = one_client();
				if (!fail_io_end())
					break;
				if (harmless && good != REQUESTS)
					fail_msg("error %d of call %u, number %u: %u answers", errors[e], c,
					         n, good);
				cut += good != REQUESTS;
			}
			assert_true(n > 0);
		}
	assert_true(cut > 0);
	quiet_turns = QUIET_BYTES; /* a record takes many turns */
	fail_io(FAIL_RECV | FAIL_SEND, 0, FAIL_SHORT, true);
	assert_int_equal(one_client(), REQUESTS); /* every call moves one byte */
	quiet_turns = QUIET_TURNS;
	assert_true(fail_io_end());
	assert_true(fail_live_blocks() < before + 200);
	assert_int_equal(one_client(), REQUESTS);
}

static void allocations_fail(enum kind kind)
{
	unsigned n, cut = 0, good;
	long before;

	mode(kind);
	before = fail_live_blocks();
	for (unsigned for_good = 0; for_good < 2; for_good++) {
		for (n = 0;; n = next(n)) {
			fail_alloc(n, for_good);
			good = one_client();
			if (!fail_alloc_end())
				break;
			cut += good != REQUESTS;
		}
		assert_true(n > 0);
	}
	assert_true(cut > 0);
	assert_true(fail_live_blocks() < before + 200);
	assert_int_equal(one_client(), REQUESTS);
}

#define EACH(what)                                                                                           \
	static void test_##what##_plain(void **state)                                                        \
	{                                                                                                    \
		(void)state;                                                                                 \
		what(PLAIN);                                                                                 \
	}                                                                                                    \
	static void test_##what##_tls(void **state)                                                          \
	{                                                                                                    \
		(void)state;                                                                                 \
		what(TLS);                                                                                   \
	}                                                                                                    \
	static void test_##what##_h2(void **state)                                                           \
	{                                                                                                    \
		(void)state;                                                                                 \
		what(H2);                                                                                    \
	}
EACH(calls_fail)
EACH(allocations_fail)

static int open_listener(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof at;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&at, &len))
		return -1;
	plan.routes[0].live.endpoints[0].port = ntohs(at.sin_port);
	return 0;
}

static int open_shared(void)
{
	int fd, wake;

	if (ledger_create(1, 64, &fd) || ledger_attach(fd, &env.ledger) || page_create(&fd) ||
	    page_map(fd, &env.page) || ring_create("raw", 1 << 20, &fd, &wake))
		return -1;
	return ring_attach_writer(fd, wake, &w.ring);
}

static int open_contexts(void)
{
	struct tls_pair pair;
	int err;

	ca = certificate_make("authority", NULL, NULL, -60, CERTIFICATE_DAY);
	certificate = certificate_make("site", "DNS:localhost", &ca, -60, CERTIFICATE_DAY);
	pair = (struct tls_pair){span_of(certificate.pem), span_of(certificate.key_pem)};
	err = tls_server_context(&(struct tls_server_config){.pairs = &pair, .pairs_count = 1}, NULL, 0,
	                         &site);
	for (unsigned i = 0; i < 2 && !err; i++)
		err = tls_client_context(&(struct tls_client_config){.ca_pem = span_of(ca.pem)}, NULL, 0,
		                         i ? &ours : &visitor);
	return err;
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	fail_alloc_pause(true);
	fail_io_pause(true);
	if (open_listener() || open_shared() || open_contexts())
		return -1;
	w.env = &env;
	w.plan = &plan;
	w.gauges = &env.page->workers[0];
	w.memory_max = UINT64_MAX;
	w.base = event_base_new();
	w.limits = (struct h1_limits){
	        .line_bytes = 8192, .field_bytes = 16384, .fields_bytes = 65536, .field_count = 128};
	event_base_priority_init(w.base, 2);
	route_table_init(&w.routes, &plan);
	return upstream_init(&w.upstreams[0], &plan.routes[0].live, NULL, w.gauges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_calls_fail_plain), cmocka_unit_test(test_allocations_fail_plain),
	        cmocka_unit_test(test_calls_fail_tls),   cmocka_unit_test(test_allocations_fail_tls),
	        cmocka_unit_test(test_calls_fail_h2),    cmocka_unit_test(test_allocations_fail_h2),
	};

	return cmocka_run_group_tests_name("live", tests, setup, NULL);
}
