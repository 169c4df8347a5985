/* The client over HTTP/2, against a server that this test is, on the same loop: each path is a script. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/h2.h"
#include "proto/net/client.h"
#include "proto/net/conn.h"

enum { PEERS_MAX = 8, BODY_MAX = 400 * 1024, IN_FLIGHT = 8 };

static struct peer { /* a connection of the server's */
	struct conn conn;
	struct h2 *h2;
	size_t got;
	unsigned trailers;
	struct h2_stream *held; /* "/hold": answered by the next request */
} peers[PEERS_MAX];
static unsigned peers_count, refusals, resets;
static struct h2_limits server_limits;
static struct event_base *base;
static struct event *accepting;
static struct client_target target;
static struct client_budget budget;

struct request {
	struct client *client, **free_in_done;
	unsigned sent, heads, dones, status, trailers;
	size_t body;
	enum client_result result;
	bool cut_in_head, again_in_done;
};

/* --- the server --- */

static void server_send(struct peer *p)
{
	if (p->conn.fd != -1 && h2_drain(p->h2, conn_out(&p->conn), SIZE_MAX) == 0)
		(void)!conn_flush(&p->conn);
}

static void hang_up(struct peer *p)
{
	conn_close(&p->conn);
	h2_free(&p->h2);
}

static void respond(struct h2_stream *s, size_t body, bool trailed)
{
	struct h2_fields fields = {.count = 0}, trailers = {.count = 0};
	static const char bytes[BODY_MAX];

	h2_put(&fields, SPAN("content-type"), SPAN("text/plain"));
	h2_put(&trailers, SPAN("grpc-status"), SPAN("0"));
	h2_respond(s, 200, &fields, !body && !trailed);
	h2_data(s, (struct span){bytes, body});
	if (trailed)
		h2_trailers(s, &trailers);
	h2_end(s);
}

static void on_head(void *owner, struct h2_stream *s, const struct http_message *m)
{
	struct peer *p = owner;
	static char paths[64][32];
	char *path = paths[s->id / 2 % 64];

	snprintf(path, sizeof paths[0], "%.*s", (int)m->target.len, m->target.data);
	s->user = path;
	if (strcmp(path, "/hold") == 0)
		p->held = s;
}

static void on_data(void *owner, struct h2_stream *s, struct span bytes)
{
	struct peer *p = owner;

	p->got += bytes.len;
	h2_consumed(s, bytes.len);
}

static void on_trailers(void *owner, struct h2_stream *s, const struct http_message *m)
{
	(void)s;
	((struct peer *)owner)->trailers++;
	assert_true(span_eq(http_field(m, SPAN("x-last")), SPAN("1")));
}

static void on_end(void *owner, struct h2_stream *s)
{
	struct peer *p = owner;
	const char *path = s->user;

	if (strcmp(path, "/trailers") == 0)
		respond(s, 5, true);
	else if (strcmp(path, "/big") == 0)
		respond(s, 300 * 1024, false);
	else if (strcmp(path, "/refuse") == 0 && refusals && refusals--)
		h2_reset(s, H2_REFUSED_STREAM);
	else if (strcmp(path, "/reset") == 0)
		h2_reset(s, H2_INTERNAL_ERROR);
	else if (strcmp(path, "/leave") == 0)
		h2_shutdown(p->h2, true);
	if (strcmp(path, "/ok") == 0 || strcmp(path, "/refuse") == 0 || strcmp(path, "/leave") == 0)
		respond(s, 2, false);
	if (p->held && s != p->held) {
		respond(p->held, 4, false);
		p->held = NULL;
	}
}

static void on_closed(void *owner, struct h2_stream *s, uint32_t code)
{
	struct peer *p = owner;

	resets += code == H2_CANCEL;
	if (p->held == s)
		p->held = NULL;
}

static void on_refuse(void *owner, struct h2_stream *s, const struct http_message *m, enum h2_rule rule)
{
	(void)owner, (void)s, (void)m;
	fail_msg("the server refuses: %s", h2_rule_text(rule));
}

static void on_broken(void *owner, enum h2_rule rule)
{
	(void)owner;
	if (rule != H2_RULE_stream && rule != H2_RULE_streams)
		fail_msg("the client breaks a rule: %s", h2_rule_text(rule));
}

static void on_room(void *owner, struct h2_stream *s)
{
	(void)owner, (void)s;
}

static const struct h2_ops server_ops = {.head = on_head,
                                         .refuse = on_refuse,
                                         .data = on_data,
                                         .trailers = on_trailers,
                                         .end = on_end,
                                         .closed = on_closed,
                                         .broken = on_broken,
                                         .room = on_room};

static void peer_turn(void *owner, unsigned news)
{
	struct peer *p = owner;
	struct span in = buf_span(&p->conn.in);

	if (news & CONN_INPUT && h2_feed(p->h2, in, clock_mono_ns()) == 0)
		buf_consume(&p->conn.in, in.len);
	server_send(p);
	if (news & (CONN_EOF | CONN_BROKEN) || h2_over(p->h2))
		hang_up(p);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = &peers[peers_count++];

	(void)what, (void)arg;
	assert_true(peers_count <= PEERS_MAX);
	*p = (struct peer){.h2 = h2_new(H2_SERVER, &server_limits, &server_ops, p)};
	conn_init(&p->conn, base, peer_turn, p);
	assert_int_equal(conn_take(&p->conn, accept4(fd, NULL, NULL, SOCK_NONBLOCK)), 0);
}

/* --- the client's owner --- */

static int ask(struct client *, struct request *, const char *path);

static void told_sent(void *arg)
{
	((struct request *)arg)->sent++;
}

static void told_head(void *arg, const struct http_message *m)
{
	struct request *r = arg;

	r->heads++;
	r->status = m->status;
	if (r->cut_in_head)
		client_cut(r->client);
}

static void told_body(void *arg, struct span bytes)
{
	((struct request *)arg)->body += bytes.len;
}

static void told_trailers(void *arg, const struct http_message *m)
{
	((struct request *)arg)->trailers += span_eq(http_field(m, SPAN("grpc-status")), SPAN("0"));
}

static void told_done(void *arg, enum client_result result)
{
	struct request *r = arg;

	r->dones++;
	r->result = result;
	if (r->again_in_done) {
		r->again_in_done = false;
		assert_int_equal(ask(r->client, r, "/ok"), 0);
	}
	if (r->free_in_done)
		client_free(r->free_in_done);
}

static const struct client_events events = {.sent = told_sent,
                                            .head = told_head,
                                            .body = told_body,
                                            .trailers = told_trailers,
                                            .done = told_done};

static int ask_how(struct client *c, struct request *r, const char *path, struct client_how how)
{
	char text[128];
	int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);

	r->client = c;
	return client_send(c, (struct span){text, (size_t)n}, &how, &events, r);
}

static int ask_within(struct client *c, struct request *r, const char *path, unsigned timeout_ms)
{
	return ask_how(c, r, path, (struct client_how){.timeout_ms = timeout_ms});
}

static int ask(struct client *c, struct request *r, const char *path)
{
	return ask_within(c, r, path, 0);
}

static struct client *fresh(unsigned timeout_ms)
{
	struct client_limits limits = {IN_FLIGHT, timeout_ms, BODY_MAX, &budget};
	struct client *c;

	refusals = resets = peers_count = 0;
	server_limits = (struct h2_limits){0};
	budget = (struct client_budget){0, SIZE_MAX};
	assert_int_equal(client_new(base, &target, limits, &c), 0);
	return c;
}

/* The loop runs until it is done so often. */
static void wait_for(struct request *r, unsigned dones)
{
	uint64_t end = clock_mono_ns() + 100000000000u;

	while (r->dones < dones && clock_mono_ns() < end)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(r->dones, dones);
}

static void settle(void)
{
	for (unsigned i = 0; i < 50; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void end(struct client *c)
{
	client_free(&c);
	settle();
	for (unsigned i = 0; i < peers_count; i++)
		hang_up(&peers[i]);
	assert_int_equal(budget.bytes, 0);
}

/* --- what it does --- */

static void streams_share_a_connection(void **state)
{
	struct client *c = fresh(10000);
	struct request r[IN_FLIGHT + 1] = {0};

	(void)state;
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		assert_int_equal(ask(c, &r[i], "/ok"), 0);
	assert_int_equal(ask(c, &r[IN_FLIGHT], "/ok"), ERR_FULL);
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		wait_for(&r[i], 1);
		assert_true(r[i].result == CLIENT_OK && r[i].status == 200 && r[i].body == 2);
		assert_true(r[i].sent == 1 && r[i].heads == 1 && !r[i].trailers);
	}
	assert_int_equal(peers_count, 1);
	end(c);
}

static void answers_come_in_any_order_with_trailers(void **state)
{
	struct client *c = fresh(10000);
	struct request held = {0}, other = {0};

	(void)state;
	assert_int_equal(ask(c, &held, "/hold"), 0);
	settle();
	assert_int_equal(ask(c, &other, "/trailers"), 0);
	wait_for(&held, 1);
	wait_for(&other, 1);
	assert_true(held.result == CLIENT_OK && held.body == 4 && held.trailers == 0);
	assert_true(other.result == CLIENT_OK && other.body == 5 && other.trailers == 1);
	end(c);
}

/* A body beyond every window, in chunks, with trailers behind it. */
static void long_requests_and_answers(void **state)
{
	struct client *c = fresh(10000);
	struct request r = {.client = c};
	struct buf text;

	(void)state;
	buf_init(&text, BODY_MAX);
	buf_puts(&text, "POST /big HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n30000\r\n");
	memset(buf_room(&text, 0x30000), 'x', 0x30000);
	buf_grown(&text, 0x30000);
	buf_puts(&text, "\r\n0\r\nx-last: 1\r\n\r\n");
	assert_int_equal(client_send(c, buf_span(&text), &(struct client_how){0}, &events, &r), 0);
	wait_for(&r, 1);
	assert_true(r.result == CLIENT_OK && r.body == 300 * 1024 && r.sent == 1);
	assert_true(peers[0].got == 0x30000 && peers[0].trailers == 1);
	buf_fini(&text);
	end(c);
}

static void refused_streams_are_asked_again(void **state)
{
	struct client *c = fresh(10000);
	struct request r = {0};

	(void)state;
	refusals = 2;
	assert_int_equal(ask(c, &r, "/refuse"), 0);
	wait_for(&r, 1);
	assert_int_equal(r.result, CLIENT_OK);
	refusals = 3;
	assert_int_equal(ask(c, &r, "/refuse"), 0);
	wait_for(&r, 2);
	assert_int_equal(r.result, CLIENT_RESET);
	assert_int_equal(ask(c, &r, "/reset"), 0);
	wait_for(&r, 3);
	assert_true(r.result == CLIENT_RESET && peers_count == 1);
	end(c);
}

static void a_server_that_leaves_is_followed(void **state)
{
	struct client *c = fresh(10000);
	struct request r = {0};

	(void)state;
	assert_int_equal(ask(c, &r, "/leave"), 0);
	wait_for(&r, 1);
	assert_int_equal(r.result, CLIENT_OK);
	settle();
	for (unsigned i = 0; i < 2; i++) { /* once on a connection that closes behind our back */
		assert_int_equal(ask(c, &r, "/ok"), 0);
		wait_for(&r, 2 + i);
		assert_int_equal(r.result, CLIENT_OK);
		assert_int_equal(peers_count, 2 + i);
		hang_up(&peers[1]);
	}
	end(c);
}

static void a_peer_that_takes_one_gets_one(void **state)
{
	struct client *c = fresh(10000);
	struct request first = {0}, held = {0}, other = {0};

	(void)state;
	server_limits.streams = 1;
	assert_int_equal(ask(c, &first, "/ok"), 0);
	wait_for(&first, 1);
	assert_int_equal(ask(c, &held, "/hold"), 0);
	assert_int_equal(ask(c, &other, "/ok"), 0);
	wait_for(&other, 1);
	assert_true(other.result == CLIENT_OK && held.dones == 0 && peers_count == 2);
	end(c);
	assert_true(held.dones == 1 && held.result == CLIENT_CUT);
}

/* Those asked for at once share what opens; it takes the place of the one that lay open. */
static void a_fresh_connection_takes_the_place(void **state)
{
	struct client *c = fresh(10000);
	struct request first = {0}, held = {0}, anew[2] = {0}, after = {0};

	(void)state;
	assert_false(client_warm(c));
	assert_int_equal(ask(c, &first, "/ok"), 0);
	wait_for(&first, 1);
	assert_true(client_warm(c));
	assert_int_equal(ask(c, &held, "/hold"), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(ask_how(c, &anew[i], "/ok", (struct client_how){.fresh = true}), 0);
	assert_false(client_warm(c));
	for (unsigned i = 0; i < 2; i++)
		wait_for(&anew[i], 1);
	assert_true(anew[0].result == CLIENT_OK && anew[1].result == CLIENT_OK && peers_count == 2);
	assert_true(client_warm(c) && held.dones == 0);
	assert_int_equal(ask(c, &after, "/ok"), 0);
	wait_for(&after, 1);
	assert_true(after.result == CLIENT_OK && peers_count == 2);
	end(c);
}

static void deadlines_cancel_in_their_order(void **state)
{
	struct client *c = fresh(200);
	struct request late = {0}, soon = {0};

	(void)state;
	assert_int_equal(ask_within(c, &late, "/never", 100000), 0); /* never beyond the client's */
	assert_int_equal(ask_within(c, &soon, "/never", 20), 0);
	wait_for(&soon, 1);
	assert_true(soon.result == CLIENT_TIMEOUT && late.dones == 0);
	wait_for(&late, 1);
	settle();
	assert_true(late.result == CLIENT_TIMEOUT && resets == 2);
	assert_int_equal(ask(c, &soon, "/ok"), 0);
	wait_for(&soon, 2);
	assert_true(soon.result == CLIENT_OK && peers_count == 1);
	end(c);
}

static void callbacks_may_do_anything(void **state)
{
	struct client *c = fresh(10000);
	struct request cut = {.cut_in_head = true}, beside = {0}, again = {.again_in_done = true}, last = {0};

	(void)state;
	assert_int_equal(ask(c, &beside, "/never"), 0);
	assert_int_equal(ask(c, &cut, "/big"), 0);
	wait_for(&cut, 1);
	assert_true(cut.result == CLIENT_CUT && beside.result == CLIENT_CUT && cut.body == 0);
	assert_int_equal(ask(c, &again, "/ok"), 0);
	wait_for(&again, 2);
	assert_int_equal(again.result, CLIENT_OK);
	last.free_in_done = &c;
	beside.dones = 0;
	assert_int_equal(ask(c, &beside, "/never"), 0);
	assert_int_equal(ask(c, &last, "/ok"), 0);
	wait_for(&last, 1);
	assert_true(c == NULL && beside.dones == 1);
	end(c);
}

static void budgets_and_places(void **state)
{
	struct client *c = fresh(10000);
	struct request r = {0};

	(void)state;
	budget.limit_bytes = 20000;
	assert_int_equal(ask(c, &r, "/ok"), 0);
	wait_for(&r, 1);
	assert_int_equal(r.result, CLIENT_CONNECT); /* no room for a connection */
	budget.limit_bytes = SIZE_MAX;
	assert_int_equal(ask(c, &r, "/ok"), 0);
	wait_for(&r, 2);
	client_move(c, (const struct sockaddr *)&target.address, 0);
	assert_int_equal(ask(c, &r, "/ok"), 0);
	wait_for(&r, 3);
	assert_int_equal(r.result, CLIENT_CONNECT);
	client_move(c, (const struct sockaddr *)&target.address, target.address_len);
	assert_int_equal(ask(c, &r, "/ok"), 0);
	wait_for(&r, 4);
	assert_true(r.result == CLIENT_OK && peers_count == 2);
	end(c);
}

static int setup(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)state;
	target = (struct client_target){.address_len = sizeof a, .h2 = true};
	if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)&target.address, &target.address_len))
		return -1;
	base = event_base_new();
	accepting = event_new(base, fd, EV_READ | EV_PERSIST, on_accept, NULL);
	return event_add(accepting, NULL);
}

static int teardown(void **state)
{
	(void)state;
	close(event_get_fd(accepting));
	event_free(accepting);
	event_base_free(base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(streams_share_a_connection),
	        cmocka_unit_test(answers_come_in_any_order_with_trailers),
	        cmocka_unit_test(long_requests_and_answers),
	        cmocka_unit_test(refused_streams_are_asked_again),
	        cmocka_unit_test(a_server_that_leaves_is_followed),
	        cmocka_unit_test(a_peer_that_takes_one_gets_one),
	        cmocka_unit_test(a_fresh_connection_takes_the_place),
	        cmocka_unit_test(deadlines_cancel_in_their_order),
	        cmocka_unit_test(callbacks_may_do_anything),
	        cmocka_unit_test(budgets_and_places),
	};

	return cmocka_run_group_tests_name("client over HTTP/2", tests, setup, teardown);
}
