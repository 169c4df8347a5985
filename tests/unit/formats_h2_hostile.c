/*
 * formats_h2_hostile.c - what a server makes of frames that are wrong, too many or just unusual: each case
 * whole and cut at every position.
 *
 * Expected is the transcript, then behind a bar what was sent beside SETTINGS, WINDOW_UPDATE and
 * acknowledgements: H(eaders), D(ata), R(eset) and G(oaway) with their stream and code.
 */
#include "tests/unit/h2_transcript.h"

#define GET  "\x82\x86\x84\x01\x01h" /* GET http / h (RFC 7541 appendix A) */
#define POST "\x83\x86\x84\x01\x01h"
/* A literal field, its name and value below 127 bytes. */
#define F(n, name, v, value) "\x00" n name v value

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION, UNKNOWN = 0x42 };
enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8, ENDS = 5 };

struct frame {
	unsigned type, flags;
	uint32_t id;
	struct span payload;
};

static const struct test {
	struct frame frames[6];
	const char *expected;
	enum h2_rule rule;
} tests[] = {
        /* what is fine */
        {{{HEADERS, ENDS, 1, SPAN(GET)}}, "1:H0(GET / h) 1:E 1:C0 |H1 ", 0},
        {{{HEADERS, END_STREAM, 1, SPAN("\x82\x86")}, {CONTINUATION, END_HEADERS, 1, SPAN("\x84\x01\x01h")}},
         "1:H0(GET / h) 1:E 1:C0 |H1 ",
         0},
        {{{HEADERS, END_HEADERS, 1, SPAN(POST)}, {DATA, PADDED | END_STREAM, 1, SPAN("\x02hi..")}},
         "1:H2(POST / h) 1:[hi] 1:E 1:C0 |H1 ",
         0},
        {{{HEADERS, END_HEADERS, 1, SPAN(POST F("\x0e", "content-length", "\x01", "2"))},
          {DATA, END_STREAM, 1, SPAN("hi")}},
         "1:H1(POST / h -content-length=2) 1:[hi] 1:E 1:C0 |H1 ",
         0},
        {{{HEADERS, END_HEADERS, 1, SPAN(POST)},
          {DATA, 0, 1, SPAN("hi")},
          {HEADERS, ENDS, 1, SPAN(F("\x03", "x-t", "\x01", "1") F("\x04", "host", "\x01", "q"))}},
         "1:H2(POST / h) 1:[hi] 1:T( x-t=1 -host=q) 1:E 1:C0 |H1 ",
         0},
        {{{UNKNOWN, 0xff, 7, SPAN("what")}, {PING, 0, 0, SPAN("12345678")}, {HEADERS, ENDS, 1, SPAN(GET)}},
         "1:H0(GET / h) 1:E 1:C0 |H1 ",
         0},
        {{{HEADERS, ENDS | 0x20, 1, SPAN("\x80\x00\x00\x03\x10" GET)}, {PRIORITY, 0, 9, SPAN("\0\0\0\7\1")}},
         "1:H0(GET / h) 1:E 1:C0 |H1 ",
         0},
        {{{HEADERS, ENDS, 1, SPAN("\x82\x87\x84" F("\x04", "host", "\x01", "h"))}},
         "1:H0(GET / h -host=h) 1:E 1:C0 |H1 ",
         0},
        {{{HEADERS, ENDS, 1,
           SPAN(GET F("\x06", "cookie", "\x03", "a=1") F("\x01", "x", "\x01", "y")
                        F("\x06", "cookie", "\x03", "b=2") F("\x06", "cookie", "\x03", "c=3"))}},
         "1:H0(GET / h cookie=a=1; b=2; c=3 x=y) 1:E 1:C0 |H1 ",
         0},
        {{{HEADERS, END_HEADERS, 1, SPAN(POST)}, {RST, 0, 1, SPAN("\0\0\0\10")}}, "1:H2(POST / h) 1:C8 |", 0},
        /* refused with an answer: the way down to HTTP/1.1 */
        {{{HEADERS, ENDS, 1, SPAN("\x82\x86\x84")}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x04", "host", "\x01", "g"))}},
         "1:!h2_host_differs 1:C0 |H1 ",
         H2_RULE_host_differs},
        {{{HEADERS, ENDS, 1, SPAN("\x82\x86\x84\x01\x03u@h")}},
         "1:!h2_host_value 1:C0 |H1 ",
         H2_RULE_host_value},
        {{{HEADERS, ENDS, 1, SPAN("\x82\x86\x04\x03/#a\x01\x01h")}},
         "1:!h2_path_byte 1:C0 |H1 ",
         H2_RULE_path_byte},
        {{{HEADERS, ENDS, 1, SPAN("\x82\x86\x04\x02/\xc3\x01\x01h")}},
         "1:!h2_path_byte 1:C0 |H1 ",
         H2_RULE_path_byte},
        {{{HEADERS, ENDS, 1, SPAN("\x02\x07OPTIONS\x86\x04\x01*\x01\x01h")}},
         "1:H0(OPTIONS * h) 1:E 1:C0 |H1 ",
         0},
        {{{HEADERS, ENDS, 1,
           SPAN("\x82\x06\x03"
                "ftp\x84\x01\x01h")}},
         "1:!h2_scheme 1:C0 |H1 ",
         H2_RULE_scheme},
        {{{HEADERS, END_HEADERS, 1,
           SPAN("\x02\x07"
                "CONNECT\x01\x03h:1")}},
         "1:!h2_connect 1:C0 |H1 R1=0 ",
         H2_RULE_connect},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x06", "expect", "\x01", "x"))}},
         "1:!h2_expectation 1:C0 |H1 ",
         H2_RULE_expectation},
        {{{HEADERS, ENDS, 1,
           SPAN(GET F("\x0d", "authorization", "\x01", "x") F("\x0d", "authorization", "\x01", "y"))}},
         "1:!h2_duplicate_singleton 1:C0 |H1 ",
         H2_RULE_duplicate_singleton},
        {{{HEADERS, END_HEADERS, 1, SPAN(POST F("\x0e", "content-length", "\x02", "99"))},
          {DATA, 0, 1, SPAN("hi")}},
         "1:!h2_body_bytes 1:C0 |H1 R1=0 ",
         H2_RULE_body_bytes},
        /* malformed: the stream is reset */
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x0a", "connection", "\x01", "x"))}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x11", "transfer-encoding", "\x07", "chunked"))}},
         "|R1=1 ",
         H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x02", "te", "\x04", "gzip"))}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x07", "upgrade", "\x01", "x"))}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x01", "X", "\x01", "x"))}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x02", "a:", "\x01", "x"))}}, "|R1=1 ", H2_RULE_field_name},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x00", "", "\x01", "x"))}}, "|R1=1 ", H2_RULE_field_name},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x01", "a", "\x03", "x\ry"))}}, "|R1=1 ", H2_RULE_field_value},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x01", "a", "\x03", "x\ny"))}}, "|R1=1 ", H2_RULE_field_value},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x01", "a", "\x03", "x\0y"))}}, "|R1=1 ", H2_RULE_field_value},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x01", "a", "\x02", " x"))}}, "|R1=1 ", H2_RULE_field_value},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x01", "a", "\x02", "x "))}}, "|R1=1 ", H2_RULE_field_value},
        {{{HEADERS, ENDS, 1, SPAN("\x82\x86\x04\x02/ \x01\x01h")}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN("\x82\x86\x04\x00\x01\x01h")}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN("\x86\x84\x01\x01h")}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN("\x82" GET)}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN(F("\x01", "a", "\x01", "b") GET)}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN(GET F("\x07", ":status", "\x03", "200"))}}, "|R1=1 ", H2_RULE_malformed},
        {{{HEADERS, ENDS, 1, SPAN(POST F("\x0e", "content-length", "\x01", "1"))}},
         "|R1=1 ",
         H2_RULE_malformed},
        {{{HEADERS, END_HEADERS, 1, SPAN(POST F("\x0e", "content-length", "\x01", "3"))},
          {DATA, END_STREAM, 1, SPAN("hi")}},
         "1:H1(POST / h -content-length=3) 1:[hi] 1:C1 |R1=1 ",
         H2_RULE_malformed},
        {{{HEADERS, END_HEADERS, 1, SPAN(POST F("\x0e", "content-length", "\x01", "0"))},
          {DATA, END_STREAM, 1, SPAN("hi")}},
         "1:H1(POST / h -content-length=0) 1:C1 |R1=1 ",
         H2_RULE_malformed},
        {{{HEADERS, END_HEADERS, 1, SPAN(POST)}, {WINDOW, 0, 1, SPAN("\x7f\xff\xff\xff")}},
         "1:H2(POST / h) 1:C3 |R1=3 ",
         H2_RULE_stream},
        /* errors of the connection */
        {{{HEADERS, ENDS, 2, SPAN(GET)}}, "|G=1 ", H2_RULE_connection},
        {{{HEADERS, ENDS, 0, SPAN(GET)}}, "|G=1 ", H2_RULE_connection},
        {{{HEADERS, END_HEADERS, 1, SPAN(GET "\xbf\xff")}}, "|G=9 ", H2_RULE_connection},
        {{{DATA, 0, 1, SPAN("x")}}, "|G=1 ", H2_RULE_connection},
        {{{RST, 0, 1, SPAN("\0\0\0\0")}}, "|G=1 ", H2_RULE_connection},
        {{{PING, 0, 0, SPAN("1234567")}}, "|G=6 ", H2_RULE_connection},
        {{{PING, 0, 1, SPAN("12345678")}}, "|G=1 ", H2_RULE_connection},
        {{{SETTINGS, 0, 0, SPAN("\0\2\0\0\0\2")}}, "|G=1 ", H2_RULE_connection},
        {{{SETTINGS, 0, 0, SPAN("\0\4\x80\0\0\0")}}, "|G=3 ", H2_RULE_connection},
        {{{WINDOW, 0, 0, SPAN("\0\0\0\0")}}, "|G=1 ", H2_RULE_connection},
        {{{WINDOW, 0, 0, SPAN("\x7f\xff\xff\xff")}}, "|G=3 ", H2_RULE_connection},
        {{{PUSH, END_HEADERS, 1, SPAN("\0\0\0\2" GET)}}, "|G=1 ", H2_RULE_connection},
        {{{CONTINUATION, END_HEADERS, 1, SPAN(GET)}}, "|G=1 ", H2_RULE_connection},
        {{{HEADERS, END_STREAM, 1, SPAN(GET)}, {PING, 0, 0, SPAN("12345678")}}, "|G=1 ", H2_RULE_connection},
        {{{HEADERS, ENDS | 0x20, 1, SPAN("\0\0\0\1\x10" GET)}}, "|G=1 ", H2_RULE_connection},
};

/* Our frames, but for those that every connection has. */
static void put_frames(struct buf *text, struct span out)
{
	for (size_t at = 0; at + 9 <= out.len;) {
		const unsigned char *f = (const unsigned char *)out.data + at;
		size_t len = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];

		if (f[3] == HEADERS)
			buf_printf(text, "H%u ", f[8]);
		else if (f[3] == DATA)
			buf_printf(text, "D%u ", f[8]);
		else if (f[3] == RST)
			buf_printf(text, "R%u=%u ", f[8], f[12]);
		else if (f[3] == GOAWAY)
			buf_printf(text, "G=%u ", f[16]);
		at += 9 + len;
		assert_true(at <= out.len);
	}
}

static void answer(void *owner, struct h2_stream *s)
{
	end_end(owner, s);
	h2_respond(s, 204, &(struct h2_fields){.count = 0}, true);
}

static struct h2_ops ops;

static void feed(struct end *e, struct span bytes)
{
	(void)!h2_feed(e->h2, bytes, 1);
	(void)!h2_drain(e->h2, &e->out, ALL);
}

/* True when it is as expected. */
static bool run(const struct test *t, struct span input, size_t cut)
{
	const struct h2_limits limits = {.head = {.body_bytes = 64}};
	struct end e;
	bool good;

	end_init(&e, H2_SERVER, &limits);
	h2_free(&e.h2);
	ops = end_ops;
	ops.end = answer;
	e.answers = false;
	e.h2 = h2_new(H2_SERVER, &limits, &ops, &e);
	feed(&e, (struct span){input.data, cut});
	feed(&e, (struct span){input.data + cut, input.len - cut});
	buf_puts(&e.text, "|");
	put_frames(&e.text, buf_span(&e.out));
	good = strcmp(end_text(&e), t->expected) == 0 && e.rule == t->rule && !h2_midway(e.h2);
	if (!good)
		print_error("case %zu cut at %zu: '%s' %s\n      expected: '%s' %s\n", (size_t)(t - tests),
		            cut, end_text(&e), h2_rule_name(e.rule), t->expected, h2_rule_name(t->rule));
	end_fini(&e);
	return good;
}

static void test_cases(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (const struct test *t = tests; t < tests + sizeof tests / sizeof *tests; t++) {
		struct buf input;
		bool good = true;

		buf_init(&input, 1 << 16);
		put_preface(&input);
		for (unsigned i = 0; i < 6 && t->frames[i].payload.data; i++)
			put_frame(&input, t->frames[i].type, t->frames[i].flags, t->frames[i].id,
			          t->frames[i].payload);
		for (size_t cut = 0; good && cut <= buf_len(&input); cut++)
			good = run(t, buf_span(&input), cut);
		wrong += !good;
		buf_fini(&input);
	}
	assert_int_equal(wrong, 0);
}

static void test_preface(void **state)
{
	struct end e;

	(void)state;
	end_init(&e, H2_SERVER, &(struct h2_limits){0});
	feed(&e, SPAN("GET / HTTP/1.1\r\n\r\n12345678"));
	assert_int_equal(e.rule, H2_RULE_preface);
	end_fini(&e);
	end_init(&e, H2_SERVER, &(struct h2_limits){0});
	feed(&e, SPAN(PREFACE "\0\0\x08\6\0\0\0\0\0"
	                      "12345678"));
	assert_int_equal(e.rule, H2_RULE_connection);
	end_fini(&e);
}

/* Crumbs are short, the field that they join to is not. */
static void test_crumbs(void **state)
{
	static const char crumb[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct buf head, input;
	struct end e;

	(void)state;
	buf_init(&head, 1 << 16);
	buf_init(&input, 1 << 16);
	end_init(&e, H2_SERVER, &(struct h2_limits){.head.field_bytes = 64});
	put_preface(&input);
	for (uint32_t n = 1; n <= 2; n++) {
		buf_reset(&head);
		buf_puts(&head, GET);
		for (uint32_t i = 0; i < n; i++)
			put_literal(&head, SPAN("cookie"), span_of(crumb + n - 1));
		put_frame(&input, HEADERS, ENDS, 2 * n - 1, buf_span(&head));
	}
	feed(&e, buf_span(&input));
	assert_string_equal(end_text(&e), "1:H0(GET / h cookie=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa) 1:E "
	                                  "3:!h2_field_bytes 3:C0 1:C0 ");
	buf_fini(&head);
	buf_fini(&input);
	end_fini(&e);
}

int main(void)
{
	const struct CMUnitTest all[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_preface),
	                                 cmocka_unit_test(test_crumbs)};

	return cmocka_run_group_tests(all, NULL, NULL);
}
