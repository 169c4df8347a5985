/* Items of GoReplay: what is taken, what is refused, that no cut matters; messages as a capture has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "capture/gor.h"

#define END "\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n"

static const char file[] =
        "1 a1 1700000000000000000\nPOST /x HTTP/1.1\r\nHost: h\r\n\r\n" END
        "2 a1 1700000000100000000 100000000\nHTTP/1.1 200 OK\r\n\r\nbody\nof\xf0\x9f\x90\xb5\n" END
        "nonsense" END "4 a1 1\nx" END "1 a1 17x\nx" END "1  1\nx" END "3 a1 1 1\n" END END
        "1 b2 2\nGET / HTTP/1.1\r\n";
static const char want[] = "1: 1 a1 1700000000000000000 POST /x HTTP/1.1\r\nHost: h\r\n\r\n|\n"
                           "2: 2 a1 1700000000100000000 HTTP/1.1 200 OK\r\n\r\nbody\nof\xf0\x9f\x90\xb5\n|\n"
                           "3: its first line is none of GoReplay's\n"
                           "4: its first line is none of GoReplay's\n"
                           "5: its first line is none of GoReplay's\n"
                           "6: its first line is none of GoReplay's\n"
                           "7: 3 a1 1 |\n"
                           "8: its first line is none of GoReplay's\n"
                           "9: the file ends within it\n";

static void tell(struct buf *b, int rc, const struct gor_item *g)
{
	if (rc == 1)
		buf_printf(b, "%llu: %d %.*s %llu %.*s|\n", (unsigned long long)g->number, (int)g->kind,
		           (int)g->id.len, g->id.data, (unsigned long long)g->at_ns, (int)g->raw.len,
		           g->raw.data);
	else if (rc)
		buf_printf(b, "%llu: %s\n", (unsigned long long)g->number, g->why);
}

static void feed(struct gor *g, struct span part, struct buf *b)
{
	struct gor_item item = {0};

	while (part.len) {
		int rc = gor_next(g, &part, &item);

		tell(b, rc, &item);
	}
}

static void test_every_split(void **state)
{
	struct gor_item item;
	struct gor g;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	for (size_t at = 0; at < sizeof file; at++) {
		buf_reset(&b);
		gor_init(&g);
		feed(&g, (struct span){file, at}, &b);
		feed(&g, (struct span){file + at, sizeof file - 1 - at}, &b);
		tell(&b, gor_end(&g, &item), &item);
		assert_int_equal(gor_end(&g, &item), 0);
		buf_put(&b, "", 1);
		assert_string_equal(b.base, want);
		assert_int_equal(g.refused, 6);
		gor_fini(&g);
	}
	buf_fini(&b);
}

/* An item past the limit is refused by its number, with memory for the limit only; the next one is read. */
static void test_too_long(void **state)
{
	static char part[1 << 20];
	struct gor g;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	gor_init(&g);
	feed(&g, SPAN("1 a 1\n"), &b);
	for (int n = 0; n < 40; n++)
		feed(&g, (struct span){part, sizeof part}, &b);
	assert_true(g.item.cap <= 2 * (size_t)GOR_BYTES_MAX);
	feed(&g, SPAN(END "1 b 2\nx" END), &b);
	buf_put(&b, "", 1);
	assert_string_equal(b.base, "1: it is longer than 16 MiB\n2: 1 b 2 x|\n");
	gor_fini(&g);
	buf_fini(&b);
}

static void read_as(const char *raw, enum h1_kind kind, int want_rc, const char *want_head,
                    const char *want_body)
{
	struct buf head, body;

	buf_init(&head, 4096);
	buf_init(&body, 4096);
	assert_int_equal(gor_message(span_of(raw), kind, &head, &body), want_rc);
	if (!want_rc) {
		assert_true(span_eq(buf_span(&head), span_of(want_head)));
		assert_true(span_eq(buf_span(&body), span_of(want_body)));
	}
	buf_fini(&head);
	buf_fini(&body);
}

static void test_messages(void **state)
{
	(void)state;
	read_as("POST /a?b HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi", H1_REQUEST, 0,
	        "POST /a?b\nx-a: 1", "hi");
	read_as("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", H1_RESPONSE, 0,
	        "200", "hi");
	read_as("HTTP/1.1 200 OK\r\n\r\nuntil the end", H1_RESPONSE, 0, "200", "until the end");
	read_as("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nhi", H1_REQUEST, ERR_PROTO, "", "");
	read_as("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\n", H1_REQUEST, ERR_PROTO, "", "");
	read_as("", H1_REQUEST, ERR_PROTO, "", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_split),
	                                   cmocka_unit_test(test_too_long), cmocka_unit_test(test_messages)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
