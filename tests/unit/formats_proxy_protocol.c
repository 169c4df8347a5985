/*
 * formats_proxy_protocol.c - headers of both versions at every length: until one is whole the answer is
 * "more", and an error that was given once stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/proxy_protocol.h"

#define SIG  "\r\n\r\n\0\r\nQUIT\n"
#define IP4  "\x7f\x00\x00\x01\x0a\x00\x00\x02\x1f\x90\x00\x50"
#define IP6  "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define P10  "\0\0\0\0\0\0\0\0\0\0"
#define P108 P10 P10 P10 P10 P10 P10 P10 P10 P10 P10 "\0\0\0\0\0\0\0\0"
#define X10  "xxxxxxxxxx"
#define X40  X10 X10 X10 X10

enum { WHOLE = -100, MORE = -101 };

/* `want` is WHOLE (the header is all but the "GET" behind it), MORE or an error. */
static const struct {
	struct span input;
	int want;
	enum proxy_family family;
} table[] = {
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 8080 80\r\nGET"), WHOLE, PROXY_IP4},
        {SPAN("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\nGET"), WHOLE, PROXY_IP4},
        {SPAN("PROXY TCP6 2001:db8::1 ::1 1 0\r\nGET"), WHOLE, PROXY_IP6},
        {SPAN("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
              "65535 65535\r\nGET"),
         WHOLE, PROXY_IP6},
        {SPAN("PROXY UNKNOWN\r\nGET"), WHOLE, PROXY_NONE},
        {SPAN("PROXY UNKNOWN whatever it says\r\nGET"), WHOLE, PROXY_NONE},
        {SPAN("PROXY UNKNOWN " X40 X40 X10 "x\r\nGET"), WHOLE, PROXY_NONE},
        {SPAN("PROXY UNKNOWN " X40 X40 X10 "xx\r\nGET"), ERR_LIMIT, 0},
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 8080 80"), MORE, 0},
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 8080 80\r"), MORE, 0},
        {SPAN("PROX"), MORE, 0},
        {SPAN("PROXY UNKNOWNX\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY \r\n"), ERR_PROTO, 0},
        {SPAN("proxy TCP4 127.0.0.1 10.0.0.2 8080 80\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 8080 80\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 8080 80\rX"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 8080\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 8080 80 \r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 8080 80 1\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4  127.0.0.1 10.0.0.2 8080 80\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.01 10.0.0.2 8080 80\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.1\0 10.0.0.2 8080 80\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.256 10.0.0.2 8080 80\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 ::1 ::1 8080 80\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP6 127.0.0.1 10.0.0.2 8080 80\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY UDP4 127.0.0.1 10.0.0.2 8080 80\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 65536 80\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 080 80\r\n"), ERR_PROTO, 0},
        {SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 +80 80\r\n"), ERR_PROTO, 0},
        {SPAN("GET / HTTP/1.1\r\n"), ERR_PROTO, 0},
        {SPAN("\r\n\r\n\0\r\nQUIT\r"), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x11\x00\x0c" IP4 "GET"), WHOLE, PROXY_IP4},
        {SPAN(SIG "\x21\x21\x00\x24" IP6 IP6 "\x1f\x90\x00\x50GET"), WHOLE, PROXY_IP6},
        {SPAN(SIG "\x21\x31\x00\xd8" P108 P108 "GET"), WHOLE, PROXY_UNIX},
        {SPAN(SIG "\x20\x00\x00\x00GET"), WHOLE, PROXY_NONE},
        {SPAN(SIG "\x20\x11\x00\x03xyzGET"), WHOLE, PROXY_NONE},
        {SPAN(SIG "\x21\x00\x00\x05xyzzyGET"), WHOLE, PROXY_NONE},
        {SPAN(SIG "\x21\x11\x00\x11" IP4 "\x04\x00\x02ooGET"), WHOLE, PROXY_IP4},
        {SPAN(SIG "\x21\x11\x00\x0e" IP4 "\x04\x00"), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x11\x00\x10" IP4 "\x04\x00\x02x"), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x11\x00\x0b" IP4), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x12\x00\x0c"), ERR_UNSUPPORTED, 0},
        {SPAN(SIG "\x11\x11\x00\x0c"), ERR_PROTO, 0},
        {SPAN(SIG "\x22\x11\x00\x0c"), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x41\x00\x0c"), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x13\x00\x0c"), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x11\x0f\xf1"), ERR_LIMIT, 0},
        {SPAN(SIG "\x21\x11\x0f\xf0" IP4), MORE, 0},
        {SPAN(SIG "\x21\x11\x00\x14" IP4 "\x20\x00\x05\x01\0\0\0\0GET"), WHOLE, PROXY_IP4},
        {SPAN(SIG "\x21\x11\x00\x13" IP4 "\x20\x00\x04\x01\0\0\0"), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x11\x00\x16" IP4 "\x20\x00\x07\x01\0\0\0\0\x21\0"), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x11\x00\x93" IP4 "\x05\x00\x81" X40 X40 X40 "xxxxxxxxx" P10), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x11\x00\x13" IP4 "\x03\x00\x04\0\0\0\0"), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x11\x00\x13" IP4 "\x03\x00\x04\x57\x9c\xd0\x75GET"), ERR_PROTO, 0},
        {SPAN(SIG "\x21\x11\x00\x13" IP4 "\x03\x00\x04\x57\x9c\xd0\x74GET"), WHOLE, PROXY_IP4},
};

static void every_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct span whole = table[i].input;
		long answer = 0;
		struct proxy_header h;

		for (size_t len = 0; len <= whole.len; len++) {
			/* a copy of exactly that length, so that a look too far is seen */
			char *copy = malloc(len + 1);
			memcpy(copy, whole.data, len);
			long now = proxy_header_parse((struct span){copy, len}, &h);

			free(copy);
			if (answer != 0 && now != answer)
				fail_msg("case %zu: %ld, then %ld at %zu", i, answer, now, len);
			answer = now;
		}
		int got = answer == 0 ? MORE : answer > 0 ? WHOLE : (int)answer;
		if (got != table[i].want)
			fail_msg("case %zu: %ld", i, answer);
		if (got == WHOLE) {
			assert_int_equal(answer, whole.len - 3);
			assert_int_equal(h.family, table[i].family);
		}
	}
}

static void contents(void **state)
{
	struct proxy_header h;
	const uint8_t home[] = {127, 0, 0, 1}, other[] = {10, 0, 0, 2};

	(void)state;
	assert_true(proxy_header_parse(SPAN("PROXY TCP4 127.0.0.1 10.0.0.2 8080 80\r\n"), &h) > 0);
	assert_memory_equal(h.source, home, 4);
	assert_memory_equal(h.destination, other, 4);
	assert_int_equal(h.source_port, 8080);
	assert_int_equal(h.destination_port, 80);
	assert_int_equal(h.version, 1);
	assert_true(proxy_header_parse(SPAN(SIG "\x21\x11\x00\x22" IP4 "\x01\x00\x02h2\x02\x00\x01"
	                                        "a\x05\x00\x02id\x20\x00\x05\x01\0\0\0\0"),
	                               &h) > 0);
	assert_true(span_eq(h.alpn, SPAN("h2")));
	assert_true(span_eq(h.authority, SPAN("a")));
	assert_true(span_eq(h.unique_id, SPAN("id")));
	assert_true(h.tls);
	assert_memory_equal(h.source, home, 4);
	assert_memory_equal(h.destination, other, 4);
	assert_int_equal(h.source_port, 8080);
	assert_int_equal(h.destination_port, 80);
	assert_int_equal(h.version, 2);
	assert_true(proxy_header_parse(SPAN(SIG "\x20\x11\x00\x0c" IP4), &h) > 0);
	assert_true(h.local);
	assert_int_equal(h.family, PROXY_NONE);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	        cmocka_unit_test(every_length),
	        cmocka_unit_test(contents),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
