/* Whose turn it is: shares, limits, what is left out and comes back, and where a name leads. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/upstream.h"

static const uint64_t second_ns = 1000000000u;
static struct plan_live plan;
static struct worker_gauges gauges;
static struct upstream u;
static struct names names;
static unsigned hits[LIVE_ENDPOINTS_MAX];

static void endpoint(const char *host, const char *address, uint16_t port)
{
	struct plan_endpoint *e = &plan.endpoints[plan.endpoint_count++];

	memset(e, 0, sizeof(*e));
	strcpy(e->host, host);
	strcpy(e->address, address);
	e->port = port;
}

static int three(void **state)
{
	(void)state;
	memset(&plan, 0, sizeof(plan));
	memset(&gauges, 0, sizeof(gauges));
	memset(&names, 0, sizeof(names));
	memset(hits, 0, sizeof(hits));
	plan.health = (struct plan_health){.max_fails = 3, .fail_timeout_ms = 10000, .rise = 2, .fall = 3};
	for (uint16_t i = 0; i < 3; i++)
		endpoint("127.0.0.1", "127.0.0.1", (uint16_t)(9001 + i));
	return upstream_init(&u, &plan, NULL, &gauges);
}

static int turn(uint64_t now_ns, const struct upstream_endpoint *avoid)
{
	struct upstream_endpoint *e = upstream_pick(&u, avoid, now_ns);

	return e ? (int)(e - u.endpoints) : -1;
}

static void deal(unsigned n, uint64_t now_ns)
{
	memset(hits, 0, sizeof(hits));
	for (unsigned i = 0; i < n; i++)
		hits[turn(now_ns, NULL)]++;
}

static void round_robin_gives_equal_shares(void **state)
{
	(void)state;
	deal(300, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(hits[i], 100);
}

static void the_least_busy_is_next(void **state)
{
	(void)state;
	plan.balance = BALANCE_LEAST_IN_FLIGHT;
	u.endpoints[0].in_flight = 2;
	u.endpoints[1].in_flight = 1;
	u.endpoints[2].in_flight = 3;
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(turn(1, NULL), 1);
	u.endpoints[1].ill = true;
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(turn(1, NULL), 0);
	u.endpoints[0].in_flight = u.endpoints[2].in_flight = 0;
	deal(100, 1);
	assert_int_equal(hits[0] + hits[2], 100);
	assert_true(hits[0] > 20 && hits[2] > 20);
}

static void failures_in_a_row_take_an_endpoint_out_for_a_while(void **state)
{
	struct upstream_endpoint *bad = &u.endpoints[1];

	(void)state;
	upstream_failed(&u, bad, second_ns);
	upstream_failed(&u, bad, second_ns);
	upstream_answered(bad);
	upstream_failed(&u, bad, second_ns);
	upstream_failed(&u, bad, second_ns);
	assert_int_equal(upstream_state(bad, second_ns), ENDPOINT_UP);
	assert_int_equal(atomic_load(&gauges.live_ejections), 0);
	upstream_failed(&u, bad, second_ns);
	upstream_failed(&u, bad, second_ns);
	assert_int_equal(atomic_load(&gauges.live_ejections), 1);
	assert_int_equal(upstream_state(bad, second_ns), ENDPOINT_FAILED);
	deal(300, 10 * second_ns);
	assert_int_equal(hits[1], 0);
	assert_int_equal(hits[0], 150);
	assert_int_equal(hits[2], 150);
	deal(300, 12 * second_ns);
	assert_int_equal(hits[1], 100);
	upstream_failed(&u, bad, 12 * second_ns); /* one more, and it is out again */
	assert_int_equal(upstream_state(bad, 13 * second_ns), ENDPOINT_FAILED);
	upstream_answered(bad);
	assert_int_equal(upstream_state(bad, 13 * second_ns), ENDPOINT_UP);
}

static void without_a_limit_no_failure_counts(void **state)
{
	(void)state;
	plan.health.max_fails = 0;
	for (unsigned i = 0; i < 100; i++)
		upstream_failed(&u, &u.endpoints[0], 1);
	assert_int_equal(upstream_state(&u.endpoints[0], 1), ENDPOINT_UP);
}

static void checks_take_out_and_bring_back(void **state)
{
	struct upstream_endpoint *e = &u.endpoints[2];

	(void)state;
	assert_false(upstream_checked(&u, e, true));
	assert_false(upstream_checked(&u, e, false));
	assert_false(upstream_checked(&u, e, false));
	assert_false(upstream_checked(&u, e, true)); /* not in a row */
	assert_false(upstream_checked(&u, e, false));
	assert_false(upstream_checked(&u, e, false));
	assert_int_equal(upstream_state(e, 1), ENDPOINT_UP);
	assert_true(upstream_checked(&u, e, false));
	assert_int_equal(upstream_state(e, 1), ENDPOINT_ILL);
	assert_int_equal(atomic_load(&gauges.live_ejections), 1);
	deal(300, 1);
	assert_int_equal(hits[2], 0);
	upstream_answered(e); /* a request says less than a check */
	assert_int_equal(upstream_state(e, 1), ENDPOINT_ILL);
	assert_false(upstream_checked(&u, e, false));
	assert_false(upstream_checked(&u, e, true));
	assert_false(upstream_checked(&u, e, false));
	assert_false(upstream_checked(&u, e, true));
	for (unsigned i = 0; i < 3; i++)
		upstream_failed(&u, e, 1);
	assert_true(upstream_checked(&u, e, true));
	assert_int_equal(upstream_state(e, 1), ENDPOINT_UP); /* old failures are forgiven */
	deal(300, 1);
	assert_int_equal(hits[2], 100);
}

static void when_all_are_out_all_are_tried(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		u.endpoints[i].ill = true;
	u.endpoints[1].out_until_ns = 99;
	deal(300, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(hits[i], 100);
}

static void who_just_failed_is_the_last_choice(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 30; i++)
		assert_int_not_equal(turn(1, &u.endpoints[1]), 1);
	u.endpoints[0].ill = u.endpoints[2].ill = true;
	for (unsigned i = 0; i < 30; i++)
		assert_int_not_equal(turn(1, &u.endpoints[1]), 1);
	u.count = 1;
	assert_int_equal(turn(1, &u.endpoints[0]), 0);
}

static void connections_are_limited_unless_one_idles(void **state)
{
	(void)state;
	plan.max_connections = 2;
	u.endpoints[0].connections = u.endpoints[1].connections = u.endpoints[2].connections = 2;
	assert_int_equal(turn(1, NULL), -1);
	u.endpoints[2].idle = (struct live_h1 *)&u;
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(turn(1, NULL), 2);
	u.endpoints[2].idle = NULL;
	u.endpoints[1].connections = 1;
	u.endpoints[1].ill = true;
	assert_int_equal(turn(1, NULL), 1);
	plan.max_connections = 0;
	assert_int_not_equal(turn(1, NULL), 1);
}

static struct in6_addr numeric(const char *text)
{
	struct in6_addr a;

	assert_true(name_numeric(text, &a));
	return a;
}

static void publish(const char *first, const char *second)
{
	struct name_found f = {0};

	if (first)
		f.addresses[f.count++] = numeric(first);
	if (second)
		f.addresses[f.count++] = numeric(second);
	name_publish(&names.live[0][0], &f);
}

/* Where the named endpoint is now. */
static const char *place(void)
{
	static char text[INET6_ADDRSTRLEN];
	const struct upstream_endpoint *e = &u.endpoints[0];
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&e->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&e->address;
	bool six = e->address.ss_family == AF_INET6;

	assert_int_equal(ntohs(six ? v6->sin6_port : v4->sin_port), 80);
	assert_int_equal(e->address_len, six ? sizeof(*v6) : sizeof(*v4));
	inet_ntop(e->address.ss_family, six ? (const void *)&v6->sin6_addr : &v4->sin_addr, text,
	          sizeof(text));
	return text;
}

static void a_name_is_followed(void **state)
{
	struct upstream_endpoint *e = &u.endpoints[0];

	(void)state;
	plan.endpoint_count = 0;
	endpoint("live.example", "127.0.0.2", 80);
	endpoint("127.0.0.9", "127.0.0.9", 80);
	assert_int_equal(upstream_init(&u, &plan, names.live[0], &gauges), 0);
	assert_null(u.endpoints[1].name);
	upstream_locate(e);
	assert_string_equal(place(), "127.0.0.2");
	publish("127.0.0.3", "127.0.0.2");
	upstream_locate(e);
	assert_string_equal(place(), "127.0.0.2"); /* still one of its addresses */
	assert_int_equal(e->moves, 0);
	publish("127.0.0.3", "::1");
	upstream_locate(e);
	upstream_locate(e);
	assert_string_equal(place(), "127.0.0.3");
	assert_int_equal(e->moves, 1);
	upstream_unreachable(e);
	assert_string_equal(place(), "::1");
	upstream_unreachable(e);
	assert_string_equal(place(), "127.0.0.3");
	assert_int_equal(e->moves, 1);
	publish(NULL, NULL); /* nowhere: the last one stands */
	upstream_locate(e);
	assert_string_equal(place(), "127.0.0.3");
}

static void a_slot_that_is_being_written_is_not_read(void **state)
{
	struct name_slot *slot = &names.live[0][0];
	struct name_found found;
	uint32_t version = 0;

	(void)state;
	assert_false(name_moved(slot, &version, &found));
	publish("127.0.0.3", NULL);
	atomic_store(&slot->version, atomic_load(&slot->version) + 1); /* the writer died here */
	assert_false(name_moved(slot, &version, &found));
	publish("::2", NULL);
	assert_true(name_moved(slot, &version, &found));
	assert_int_equal(found.count, 1);
	assert_memory_equal(&found.addresses[0], &(struct in6_addr){.s6_addr = {[15] = 2}}, 16);
	assert_false(name_moved(slot, &version, &found));
	atomic_store(&slot->version, UINT32_MAX - 1);
	publish("::3", NULL); /* it wraps, and is never "not written" */
	assert_int_not_equal(atomic_load(&slot->version), 0);
	assert_true(name_moved(slot, &version, &found));
}

static void addresses_that_are_none_are_refused(void **state)
{
	(void)state;
	plan.endpoint_count = 0;
	endpoint("live.example", "live.example", 80);
	assert_int_equal(upstream_init(&u, &plan, NULL, &gauges), ERR_CONFIG);
	plan.endpoint_count = 0;
	endpoint("localhost", "/tmp/live.sock", 0);
	assert_int_equal(upstream_init(&u, &plan, names.live[0], &gauges), 0);
	assert_null(u.endpoints[0].name);
	assert_string_equal(((struct sockaddr_un *)&u.endpoints[0].address)->sun_path, "/tmp/live.sock");
}

#define TEST(name) cmocka_unit_test_setup(name, three)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(round_robin_gives_equal_shares),
	        TEST(the_least_busy_is_next),
	        TEST(failures_in_a_row_take_an_endpoint_out_for_a_while),
	        TEST(without_a_limit_no_failure_counts),
	        TEST(checks_take_out_and_bring_back),
	        TEST(when_all_are_out_all_are_tried),
	        TEST(who_just_failed_is_the_last_choice),
	        TEST(connections_are_limited_unless_one_idles),
	        TEST(a_name_is_followed),
	        TEST(a_slot_that_is_being_written_is_not_read),
	        TEST(addresses_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
