/*
 * live.c - the live path in this process, between a client and a live server that this test plays itself,
 * while the n-th allocation or the n-th call of the socket and of the loop fails, for every n, plain and TLS,
 * HTTP/1.1 and HTTP/2 on either side: whatever reaches the client as an answer of live is right to its last
 * byte or is visibly cut, what reaches live is right, another client's connection is not harmed, every
 * request is in the books once, and everything is given back. What only interrupts must change nothing.
 */
#define _GNU_SOURCE
#include "tests/fault/ends_h2.h"

#include <signal.h>
#include <stdlib.h>

#include "proxy/live.h"
#include "proxy/session.h"
#include "tests/fault/fail.h"
#include "tests/lib/certificate.h"

enum { CLIENTS_MAX = 2, LIVES_MAX = 8, SLOTS = 64, QUIET_TURNS = 40, QUIET_BYTES = 4000 };

/* How a client is connected, and live behind. */
static const struct way {
	bool front_h2, back_h2, tls;
	unsigned clients; /* with a connection each */
} ways[] = {
        {.clients = 1},
        {.tls = true, .clients = 1},
        {.back_h2 = true, .clients = 1},
        {.front_h2 = true, .clients = 2},
        {.front_h2 = true, .back_h2 = true, .tls = true, .clients = 1},
};

static struct plan plan = {
        .workers = 1,
        .listen_count = 1,
        .capture = true,
        .limits = {.header_timeout_ms = 4000,
                   .idle_timeout_ms = 4000,
                   .send_timeout_ms = 4000,
                   .line_bytes = 8192,
                   .field_bytes = 16384,
                   .fields_bytes = 65536,
                   .fields = 128,
                   .http2 = {.streams = H2_STREAMS}},
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
                             .timeout_ms = 4000,
                             .connect_timeout_ms = 4000,
                             .idle_timeout_ms = 4000,
                             .tries = 2}}},
};
static struct role_env env = {.name = "worker", .plan = &plan};
static struct worker w;
static const uint8_t sample_key[16];
static struct tls_context *site, *visitor[2], *ours[2]; /* [1]: of HTTP/2 */
static struct certificate ca, certificate;
static const struct way *way;
static struct end clients[CLIENTS_MAX], lives[LIVES_MAX];
static unsigned lives_count;
static bool harms_one; /* at most one call fails */
static struct ring *copies;
static int listener;
static unsigned quiet_turns = QUIET_TURNS;

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
		put_body(&e->out, ANSWERS + (unsigned)which, ANSWER_BYTES);
		moved = true;
	}
	if (which <= -2)
		check_body(body, (unsigned)(-2 - which));
	return end_move(e) || moved;
}

static bool outside_moves(void)
{
	bool moved = false;
	int fd;

	for (unsigned i = 0; i < way->clients; i++)
		moved |= way->front_h2 ? h2_move(&clients[i]) : end_move(&clients[i]);
	while (lives_count < LIVES_MAX && (fd = accept(listener, NULL, NULL)) != -1) {
		end_open(&lives[lives_count++], fd, w.upstreams[0].tls ? site : NULL, NULL);
		moved = true;
	}
	for (unsigned i = 0; i < lives_count; i++)
		moved |= way->back_h2 ? h2_move(&lives[i]) : live_move(&lives[i]);
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
static unsigned judge(struct end *client)
{
	unsigned good = 0, expected = 0, status;
	struct span body;
	int which;

	while ((which = message(client, &status, &body)) >= 0) {
		if (which == 99) {
			assert_true(status >= 500 || status == 408);
			continue;
		}
		assert_int_equal(status, 200);
		assert_int_equal(which, expected++);
		assert_int_equal(body.len, ANSWER_BYTES);
		check_body(body, ANSWERS + (unsigned)which);
		good++;
	}
	if (which <= -2 && status == 200)
		check_body(body, ANSWERS + (unsigned)(-2 - which));
	if (good < REQUESTS)
		assert_true(client->over); /* nobody is left waiting */
	return good;
}

static void ask(struct end *client)
{
	for (int i = 0; i < REQUESTS; i++) {
		size_t n = request_bytes((unsigned)i);

		buf_printf(&client->out,
		           "POST /x HTTP/1.1\r\nHost: a\r\nX-Number: %d\r\nContent-Length: %zu\r\n\r\n", i,
		           n);
		put_body(&client->out, (unsigned)i, n);
	}
}

/* What was copied, as a masker would take it. */
static void take_copies(void)
{
	static char payload[RECORD_PAYLOAD_MAX];
	struct record r;

	while (ring_get(copies, &r, payload) == 0) {
		if (r.leg != LEG_LIVE || (r.type != RECORD_END && r.type != RECORD_ERROR))
			continue;
		ledger_settle_candidates(env.ledger, r.slot, r.id, STAGE_WORKER, OUTCOME_COMPARED);
		ledger_move(env.ledger, r.slot, r.id, CELL_LIVE, STAGE_WORKER, OUTCOME_COMPARED);
		ledger_move(env.ledger, r.slot, r.id, CELL_CAPTURE, STAGE_WORKER, OUTCOME_CAPTURED);
	}
}

/* Every request was counted once, and none is open. */
static void audit(void)
{
	struct ledger_counts counts;
	uint64_t exchanges = 0, captures = 0;

	take_copies();
	ledger_harvest(env.ledger, NULL, NULL);
	ledger_read(env.ledger, &counts);
	for (unsigned i = 0; i < OUTCOMES; i++) {
		exchanges += counts.exchange[i];
		captures += counts.capture[i];
	}
	assert_int_equal(counts.open, 0);
	assert_int_equal(counts.seen, w.gauges->requests);
	assert_int_equal(counts.seen, exchanges);
	assert_int_equal(counts.seen, captures);
}

/* Nothing is left of anybody. */
static void nothing_held(void)
{
	for (unsigned i = REJECT_H1; i < RULES_MAX; i++) /* nobody sent what is not HTTP, in clear or not */
		if (w.gauges->rejected_rule[i])
			fail_msg("rejected: %s", reject_name(i));
	assert_null(w.sessions);
	assert_int_equal(w.session_count, 0);
	assert_int_equal(w.in_flight, 0);
	assert_int_equal(w.gauges->buffered, 0);
	assert_int_equal(w.upstreams[0].endpoints[0].connections, 0);
	assert_int_equal(w.upstreams[0].endpoints[0].in_flight, 0);
	audit();
}

static void client_open(struct end *client)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	end_open(client, pair[1], w.listeners[0].tls ? visitor[way->front_h2] : NULL, "localhost");
	if (way->front_h2)
		h2_ask(client);
	else
		ask(client);
	fail_alloc_pause(false);
	fail_io_pause(false);
	if (session_new(&w.listeners[0], pair[0], "192.0.2.1"))
		client->over = false; /* it is closed; the client will see that */
	fail_alloc_pause(true);
	fail_io_pause(true);
}

/* Time passes for who is still there: what hangs runs into its limits. */
static void wait_for_all(void)
{
	for (unsigned i = 0; i < 4 && w.sessions; i++) {
		fail_alloc_pause(false);
		fail_io_pause(false);
		tick(5000 * (i + 1));
		settle();
	}
	fail_alloc_pause(true);
	fail_io_pause(true);
}

/* The right answers of the client that had the fewest. */
static unsigned judge_all(void)
{
	unsigned least = REQUESTS, most = 0;

	for (unsigned i = 0; i < way->clients; i++) {
		unsigned good = way->front_h2 ? h2_judge(&clients[i]) : judge(&clients[i]);

		least = good < least ? good : least;
		most = good > most ? good : most;
	}
	if (harms_one && way->clients > 1)
		assert_int_equal(most, REQUESTS);
	return least;
}

/* Clients from their connection to their end, and everything given back: the right answers they had. */
static unsigned one_round(void)
{
	unsigned good;

	lives_count = 0;
	for (unsigned i = 0; i < way->clients; i++)
		client_open(&clients[i]);
	fail_alloc_pause(false);
	fail_io_pause(false);
	tick(0);
	settle();
	wait_for_all();
	good = judge_all();
	for (unsigned i = 0; i < way->clients; i++)
		end_close(&clients[i]);
	settle();
	tick(60000);
	settle();
	tick(120000);
	for (unsigned i = 0; i < lives_count; i++)
		end_close(&lives[i]);
	nothing_held();
	return good;
}

static void choose(const struct way *wanted)
{
	bool tls = wanted->tls;

	way = wanted;
	plan.routes[0].live.http = way->back_h2 ? PLAN_HTTP_2 : PLAN_HTTP_AUTO;
	plan.listen[0].tls = plan.routes[0].live.endpoints[0].tls = tls;
	w.listeners[0] = (struct listener){&w, &plan.listen[0], NULL, tls ? site : NULL};
	w.upstreams[0].tls = tls ? ours[0] : NULL;
	w.upstreams[0].tls_h2 = tls && way->back_h2 ? ours[1] : NULL;
	fail_alloc_pause(true);
	fail_io_pause(true);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(one_round(), REQUESTS);
}

static unsigned next(unsigned n)
{
	return n + 1 + n / 40;
}

static void calls_fail(const struct way *wanted)
{
	static const int errors[] = {EINTR, EAGAIN, FAIL_SHORT, ENOMEM, ECONNRESET};
	static const unsigned calls[] = {FAIL_RECV, FAIL_SEND, FAIL_SOCKET, FAIL_CONNECT, FAIL_EPOLL};
	unsigned good, cut = 0, n;
	long before;

	choose(wanted);
	before = fail_live_blocks();
	for (unsigned e = 0; e < sizeof errors / sizeof *errors; e++)
		for (unsigned c = 0; c < sizeof calls / sizeof *calls; c++) {
			bool harmless = c < 2 && errors[e] != ENOMEM && errors[e] != ECONNRESET;

			if (c >= 2 && errors[e] != ENOMEM)
				continue;
			for (n = 0;; n = next(n)) {
				harms_one = true;
				fail_io(calls[c], n, errors[e], false);
				good = one_round();
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
	assert_int_equal(one_round(), REQUESTS); /* every call moves one byte */
	quiet_turns = QUIET_TURNS;
	assert_true(fail_io_end());
	assert_true(fail_live_blocks() < before + 200);
	assert_int_equal(one_round(), REQUESTS);
}

static void allocations_fail(const struct way *wanted)
{
	unsigned n, cut = 0, good;
	long before;

	choose(wanted);
	before = fail_live_blocks();
	for (unsigned for_good = 0; for_good < 2; for_good++) {
		for (n = 0;; n = next(n)) {
			harms_one = !for_good;
			fail_alloc(n, for_good);
			good = one_round();
			if (!fail_alloc_end())
				break;
			cut += good != REQUESTS;
		}
		assert_true(n > 0);
	}
	assert_true(cut > 0);
	assert_true(fail_live_blocks() < before + 200);
	assert_int_equal(one_round(), REQUESTS);
}

static void test_calls(void **state)
{
	calls_fail(*state);
}

static void test_allocations(void **state)
{
	allocations_fail(*state);
}

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

	if (ledger_create(1, SLOTS, &fd) || ledger_attach(fd, &env.ledger) || page_create(&fd) ||
	    page_map(fd, &env.page) || ring_create("raw", 1 << 20, &fd, &wake))
		return -1;
	return ring_attach_writer(fd, wake, &w.ring) || ring_attach_reader(fd, wake, &copies);
}

static int open_contexts(void)
{
	static const char *const names[] = {"h2", "http/1.1"};
	struct tls_pair pair;
	int err;

	ca = certificate_make("authority", NULL, NULL, -60, CERTIFICATE_DAY);
	certificate = certificate_make("site", "DNS:localhost", &ca, -60, CERTIFICATE_DAY);
	pair = (struct tls_pair){span_of(certificate.pem), span_of(certificate.key_pem)};
	err = tls_server_context(
	        &(struct tls_server_config){.pairs = &pair, .pairs_count = 1, .alpn = names, .alpn_count = 2},
	        NULL, 0, &site);
	for (unsigned i = 0; i < 4 && !err; i++)
		err = tls_client_context(&(struct tls_client_config){.ca_pem = span_of(ca.pem),
		                                                     .alpn = names,
		                                                     .alpn_count = i & 1},
		                         NULL, 0, i & 2 ? &ours[i & 1] : &visitor[i & 1]);
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
	w.sample_key = sample_key;
	w.gauges = &env.page->workers[0];
	w.memory_max = UINT64_MAX;
	w.base = event_base_new();
	w.limits = (struct h1_limits){
	        .line_bytes = 8192, .field_bytes = 16384, .fields_bytes = 65536, .field_count = 128};
	event_base_priority_init(w.base, 2);
	route_table_init(&w.routes, &plan);
	return upstream_init(&w.upstreams[0], &plan.routes[0].live, NULL, w.gauges);
}

#define EACH_WAY(test)                                                                                       \
	{#test " plain", test, NULL, NULL, (void *)&ways[0]},                                                \
	        {#test " TLS", test, NULL, NULL, (void *)&ways[1]},                                          \
	        {#test " HTTP/2 behind", test, NULL, NULL, (void *)&ways[2]},                                \
	        {#test " HTTP/2 in front", test, NULL, NULL, (void *)&ways[3]},                              \
	{                                                                                                    \
#test " HTTP/2 over TLS", test, NULL, NULL, (void *)&ways[4]                                 \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {EACH_WAY(test_calls), EACH_WAY(test_allocations)};

	return cmocka_run_group_tests_name("live", tests, setup, NULL);
}
