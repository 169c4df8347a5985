/*
 * formats_h1.c - the rules of the strict HTTP/1.1 parser, each case whole, cut at every position and
 * byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/h1.h"

enum flags { REQ = 0, RESP = 1, TO_HEAD = 2, CLOSED = 4 };

struct test {
	struct span input;
	const char *want; /* the transcript: events, then "!status rule" */
	int flags;
};

#define GET     "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define OK_     "HTTP/1.1 200 OK\r\n"

static const struct test tests[] = {
        /* accepted */
        {SPAN(GET "\r\n"), "H0 D ", REQ},
        {SPAN("\r\n\r\n" GET "\r\n"), "H0 D ", REQ},
        {SPAN(GET "\r\n" GET "\r\n"), "H0 D H0 D ", REQ},
        {SPAN("GET / HTTP/1.0\r\n\r\n"), "H0 D ", REQ},
        {SPAN("OPTIONS * HTTP/1.1\r\nHost: a:80\r\n\r\n"), "H0 D ", REQ},
        {SPAN("GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n"), "H0 D ", REQ},
        {SPAN("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), "H0 D ", REQ},
        {SPAN("GET /a%2f..//%00 HTTP/1.1\r\nHost: a\r\nX: \x80\t y \r\nE:\r\n\r\n"), "H0 D ", REQ},
        {SPAN(GET "Content-Length: 3\r\n\r\nabc"), "H1 [abc]D ", REQ},
        {SPAN(POST "content-length: 0\r\n\r\n"), "H1 D ", REQ},
        {SPAN(CHUNKED "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), "H2 [abc0123456789]D ", REQ},
        {SPAN(CHUNKED "3;a=b; c=\"q\\\"\";d\r\nabc\r\n0\r\n\r\n"), "H2 [abc]D ", REQ},
        {SPAN(CHUNKED "0\r\nX-T: 1\r\n\r\n"), "H2 T(X-T=1)D ", REQ},
        {SPAN(CHUNKED
              "0\r\nContent-Length: 1\r\nX: 1\r\nSet-Cookie: a\r\nhost: q\r\nContent-Type: b\r\n\r\n"),
         "H2 t(Content-Length=1)T(X=1)t(Set-Cookie=a)t(host=q)t(Content-Type=b)D ", REQ},
        {SPAN(CHUNKED "0\r\nAuthorization: 1\r\n\r\n" GET "\r\n"), "H2 t(Authorization=1)D H0 D ", REQ},
        {SPAN(OK_ "Content-Length: 2\r\n\r\nhi"), "H1 [hi]D ", RESP},
        {SPAN("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), "H1 D ", RESP},
        {SPAN(OK_ "\r\nhi"), "H3 [hi]D ", RESP | CLOSED},
        {SPAN(OK_ "Content-Length: 9\r\n\r\n"), "H0 D ", RESP | TO_HEAD},
        {SPAN("HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n"), "H0 D ", RESP},
        {SPAN("HTTP/1.1 204 \r\nTransfer-Encoding: chunked\r\n\r\n"), "H0 D ", RESP},
        {SPAN("HTTP/1.1 103 x\r\n\r\n" OK_ "Content-Length: 1\r\n\r\nx"), "H0 D H1 [x]D ", RESP},
        {SPAN(GET), "!400 cut_short", CLOSED},
        {SPAN(OK_ "Content-Length: 9\r\n\r\nabc"), "H1 [abc]!502 cut_short", RESP | CLOSED},
        {SPAN(OK_ "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), "H2 [abc]!502 cut_short", RESP | CLOSED},
        /* 1-8: framing */
        {SPAN(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
         "!400 content_length_and_transfer_encoding", REQ},
        {SPAN(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"), "!400 duplicate_content_length", REQ},
        {SPAN(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"), "!400 duplicate_content_length", REQ},
        {SPAN(POST "Content-Length: 3, 3\r\n\r\n"), "!400 content_length_value", REQ},
        {SPAN(POST "Content-Length: +3\r\n\r\n"), "!400 content_length_value", REQ},
        {SPAN(POST "Content-Length: -3\r\n\r\n"), "!400 content_length_value", REQ},
        {SPAN(POST "Content-Length: 0x3\r\n\r\n"), "!400 content_length_value", REQ},
        {SPAN(POST "Content-Length: 1 2\r\n\r\n"), "!400 content_length_value", REQ},
        {SPAN(POST "Content-Length: 1_2\r\n\r\n"), "!400 content_length_value", REQ},
        {SPAN(POST "Content-Length:\r\n\r\n"), "!400 content_length_value", REQ},
        {SPAN(POST "Content-Length: 9223372036854775808\r\n\r\n"), "!413 content_length_range", REQ},
        {SPAN(POST "Content-Length: 9223372036854775807\r\n\r\n"), "H1 ", REQ},
        {SPAN(POST "Transfer-Encoding: identity\r\n\r\n"), "!400 transfer_encoding_value", REQ},
        {SPAN(POST "Transfer-Encoding: chunked, identity\r\n\r\n"), "!400 transfer_encoding_value", REQ},
        {SPAN(POST "Transfer-Encoding: xchunked\r\n\r\n"), "!400 transfer_encoding_value", REQ},
        {SPAN(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), "!400 transfer_encoding_value", REQ},
        {SPAN(POST "Transfer-Encoding: , chunked\r\n\r\n"), "!400 transfer_encoding_value", REQ},
        {SPAN(POST "Transfer-Encoding: gzip\r\n\r\n"), "!400 transfer_encoding_value", REQ},
        {SPAN(POST "Transfer-Encoding: \r\n\r\n"), "!400 transfer_encoding_value", REQ},
        {SPAN(POST "Transfer-Encoding: \x0b"
                   "chunked\r\n\r\n"),
         "!400 field_value", REQ},
        {SPAN(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), "!501 transfer_encoding_coding", REQ},
        {SPAN("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "!400 transfer_encoding_http10", REQ},
        {SPAN(POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"),
         "!400 duplicate_transfer_encoding", REQ},
        /* 9-14: field lines */
        {SPAN(GET "X : 1\r\n\r\n"), "!400 field_name", REQ},
        {SPAN(GET "X: 1\r\n 2\r\n\r\n"), "!400 obs_fold", REQ},
        {SPAN("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), "!400 leading_blank", REQ},
        {SPAN("GET / HTTP/1.1\nHost: a\r\n\r\n"), "!400 bare_lf", REQ},
        {SPAN(GET "X: 1\n\r\n"), "!400 bare_lf", REQ},
        {SPAN(GET "\n"), "!400 bare_lf", REQ},
        {SPAN(GET "X: 1\r2\r\n\r\n"), "!400 bare_cr", REQ},
        {SPAN(GET "X: 1\r\r\n\r\n"), "!400 bare_cr", REQ},
        {SPAN(GET "X: 1\0\r\n\r\n"), "!400 field_value", REQ},
        {SPAN(GET "X: \x7f\r\n\r\n"), "!400 field_value", REQ},
        {SPAN(GET ": 1\r\n\r\n"), "!400 field_name", REQ},
        {SPAN(GET "X(: 1\r\n\r\n"), "!400 field_name", REQ},
        {SPAN(GET "\x80: 1\r\n\r\n"), "!400 field_name", REQ},
        {SPAN(GET "X\r\n\r\n"), "!400 missing_colon", REQ},
        /* 15-19: chunks */
        {SPAN(CHUNKED "\r\n"), "H2 !400 chunk_size", REQ},
        {SPAN(CHUNKED "+3\r\n"), "H2 !400 chunk_size", REQ},
        {SPAN(CHUNKED "-3\r\n"), "H2 !400 chunk_size", REQ},
        {SPAN(CHUNKED "0x3\r\n"), "H2 !400 chunk_size", REQ},
        {SPAN(CHUNKED " 3\r\n"), "H2 !400 chunk_size", REQ},
        {SPAN(CHUNKED "3 \r\n"), "H2 !400 chunk_size", REQ},
        {SPAN(CHUNKED "1_0\r\n"), "H2 !400 chunk_size", REQ},
        {SPAN(CHUNKED "00000000000000003\r\n"), "H2 !400 chunk_size_range", REQ},
        {SPAN(CHUNKED "8000000000000000\r\n"), "H2 !400 chunk_size_range", REQ},
        {SPAN(CHUNKED "3\n"), "H2 !400 chunk_size", REQ},
        {SPAN(CHUNKED "3;a\n"), "H2 !400 chunk_extension", REQ},
        {SPAN(CHUNKED "3;a=\"\n\"\r\n"), "H2 !400 chunk_extension", REQ},
        {SPAN(CHUNKED "3;a=\"b\r\n"), "H2 !400 chunk_extension", REQ},
        {SPAN(CHUNKED "3;\0\r\n"), "H2 !400 chunk_extension", REQ},
        {SPAN(CHUNKED "3;\r\n"), "H2 !400 chunk_extension", REQ},
        {SPAN(CHUNKED "3;a\rb"), "H2 !400 chunk_line_end", REQ},
        {SPAN(CHUNKED "3\r\nabcd\r\n"), "H2 [abc]!400 chunk_data_end", REQ},
        {SPAN(CHUNKED "3\r\nabc\n0\r\n\r\n"), "H2 [abc]!400 chunk_data_end", REQ},
        {SPAN(CHUNKED "3\r\nabc\r0"), "H2 [abc]!400 chunk_data_end", REQ},
        {SPAN(CHUNKED "0\r\nX : 1\r\n\r\n"), "H2 !400 field_name", REQ},
        {SPAN(CHUNKED "0\r\nX: 1\n"), "H2 !400 bare_lf", REQ},
        /* 20-27: the request line and Host */
        {SPAN("GET / HTTP/1.1\r\n\r\n"), "!400 missing_host", REQ},
        {SPAN(GET "Host: a\r\n\r\n"), "!400 duplicate_singleton", REQ},
        {SPAN("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), "!400 host_value", REQ},
        {SPAN("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), "!400 host_value", REQ},
        {SPAN("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "!400 host_value", REQ},
        {SPAN("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"), "!400 host_value", REQ},
        {SPAN("GET / HTTP/1.1\r\nHost: [a\r\n\r\n"), "!400 host_value", REQ},
        {SPAN("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "!400 host_value", REQ},
        {SPAN("GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n"), "!400 target_authority", REQ},
        {SPAN("GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n"), "!400 target_without_path", REQ},
        {SPAN("GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), "!400 target_form", REQ},
        {SPAN("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), "!400 connect", REQ},
        {SPAN("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), "!400 target_form", REQ},
        {SPAN("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), "!400 asterisk_form", REQ},
        {SPAN("GET /\x01 HTTP/1.1\r\n"), "!400 target_byte", REQ},
        {SPAN("GET /\x80 HTTP/1.1\r\n"), "!400 target_byte", REQ},
        {SPAN("GET /#f HTTP/1.1\r\n"), "!400 target_byte", REQ},
        {SPAN("GET /a b HTTP/1.1\r\n"), "!400 version", REQ},
        {SPAN("GET  / HTTP/1.1\r\n"), "!400 version", REQ},
        {SPAN("GET /  HTTP/1.1\r\n"), "!400 version", REQ},
        {SPAN("GET / HTTP/1.1 \r\n"), "!400 version", REQ},
        {SPAN("GET\t/ HTTP/1.1\r\n"), "!400 request_line", REQ},
        {SPAN(" GET / HTTP/1.1\r\n"), "!400 method", REQ},
        {SPAN("GET /\r\n"), "!400 request_line", REQ},
        {SPAN("GET / HTTP/1.10\r\n"), "!400 version", REQ},
        {SPAN("GET / HTTP/1.1.1\r\n"), "!400 version", REQ},
        {SPAN("GET / http/1.1\r\n"), "!400 version", REQ},
        {SPAN("GET / HTTP/2.0\r\n"), "!505 version_unsupported", REQ},
        {SPAN("GET / HTTP/1.2\r\n"), "!505 version_unsupported", REQ},
        {SPAN("G@T / HTTP/1.1\r\n"), "!400 method", REQ},
        {SPAN("GGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGG / HTTP/1.1\r\n"), "!501 method_bytes", REQ},
        {SPAN("\r\n\r\n\r\n"), "!400 leading_crlf", REQ},
        {SPAN("\n"), "!400 bare_lf", REQ},
        /* 33-35: responses; 38: singletons */
        {SPAN("HTTP/1.1 204 \r\n\r\nx"), "H0 D ", RESP},
        {SPAN("\r\n"), "!502 leading_crlf", RESP},
        {SPAN(OK_ "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
         "!502 content_length_and_transfer_encoding", RESP},
        {SPAN(OK_ "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), "!502 duplicate_content_length", RESP},
        {SPAN(OK_ "Transfer-Encoding: gzip, chunked\r\n\r\n"), "!502 transfer_encoding_coding", RESP},
        {SPAN(OK_ "Transfer-Encoding: chunked\r\n\r\nz"), "H2 !502 chunk_size", RESP},
        {SPAN(OK_ "X: 1\r\n 2\r\n\r\n"), "!502 obs_fold", RESP},
        {SPAN("HTTP/1.1 99 x\r\n"), "!502 status_line", RESP},
        {SPAN("HTTP/1.1 600 x\r\n"), "!502 status_range", RESP},
        {SPAN("HTTP/2 200 x\r\n"), "!502 version", RESP},
        {SPAN("garbage\r\n"), "!502 status_line", RESP},
        {SPAN(GET "Content-Type: a\r\nContent-Type: a\r\n\r\n"), "!400 duplicate_singleton", REQ},
        {SPAN(GET "Authorization: a\r\nauthorization: b\r\n\r\n"), "!400 duplicate_singleton", REQ},
};

/* A transcript that does not depend on how body bytes were cut. */
struct run {
	struct h1_parser parser;
	struct buf log;
	bool in_body, failed;
	int flags;
};

static char head_storage[H1_HEAD_MAX];

static void run_init(struct run *r, int flags)
{
	*r = (struct run){.flags = flags};
	buf_init(&r->log, 1 << 20);
	h1_init(&r->parser, flags & RESP ? H1_RESPONSE : H1_REQUEST, head_storage, sizeof(head_storage));
	r->parser.head_request = flags & TO_HEAD;
}

static void log_event(struct run *r, enum h1_event event, struct span body)
{
	const struct h1_message *m = &r->parser.message;

	if (r->in_body && event != H1_DATA && event != H1_NEED_MORE) {
		buf_puts(&r->log, "]");
		r->in_body = false;
	}
	if (event == H1_HEAD)
		buf_printf(&r->log, "H%d ", (int)m->framing);
	if (event == H1_DATA && !r->in_body) {
		buf_puts(&r->log, "[");
		r->in_body = true;
	}
	buf_span_put(&r->log, body);
	if (event == H1_TRAILERS)
		for (size_t i = 0; i < m->field_count; i++)
			buf_printf(&r->log, "%c(%.*s=%.*s)", m->fields[i].hop ? 't' : 'T',
			           (int)m->fields[i].name.len, m->fields[i].name.data,
			           (int)m->fields[i].value.len, m->fields[i].value.data);
	if (event == H1_DONE)
		buf_puts(&r->log, "D ");
}

static void log_failure(struct run *r)
{
	log_event(r, H1_HEAD + 100, (struct span){NULL, 0});
	buf_printf(&r->log, "!%u %s", r->parser.reject_status, r->parser.reject_rule);
	r->failed = true;
}

static void run_feed(struct run *r, struct span input)
{
	enum h1_event event = H1_HEAD;
	struct span body;

	while (!r->failed && event != H1_NEED_MORE) {
		long n = h1_feed(&r->parser, input, &event, &body);
		if (n < 0) {
			log_failure(r);
			return;
		}
		assert_true((size_t)n <= input.len);
		input.data += n;
		input.len -= (size_t)n;
		log_event(r, event, body);
		/* surplus after a bodyless response is the client's business, so the run ends there */
		if (event == H1_DONE && (r->flags & RESP) && r->parser.message.status >= 200)
			r->failed = true;
		else if (event == H1_DONE)
			h1_next(&r->parser);
	}
	assert_true(r->failed || input.len == 0);
}

static void run_end(struct run *r, const struct test *t)
{
	enum h1_event event;
	struct span body;

	if (!r->failed && (t->flags & CLOSED)) {
		if (h1_eof(&r->parser) < 0)
			log_failure(r);
		else if (h1_feed(&r->parser, (struct span){NULL, 0}, &event, &body) == 0)
			log_event(r, event, body);
	}
	buf_put(&r->log, "", 1);
	assert_int_equal(r->log.err, 0);
	assert_string_equal(r->log.base, t->want);
	buf_fini(&r->log);
}

static void every_case_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		const struct test *t = &tests[i];
		struct run r;

		for (size_t at = 0; at <= t->input.len; at++) {
			run_init(&r, t->flags);
			run_feed(&r, (struct span){t->input.data, at});
			run_feed(&r, (struct span){t->input.data + at, t->input.len - at});
			run_end(&r, t);
		}
		run_init(&r, t->flags);
		for (size_t at = 0; at < t->input.len; at++)
			run_feed(&r, (struct span){t->input.data + at, 1});
		run_end(&r, t);
	}
}

/* One message made of `prefix`, `n` times `unit`, and `suffix`. */
static void expect_repeated(const char *prefix, const char *unit, size_t n, const char *suffix,
                            const char *want)
{
	struct test t = {.want = want};
	struct buf b;
	struct run r;

	buf_init(&b, 1 << 20);
	buf_puts(&b, prefix);
	for (size_t i = 0; i < n; i++)
		buf_puts(&b, unit);
	buf_puts(&b, suffix);
	run_init(&r, REQ);
	run_feed(&r, buf_span(&b));
	run_end(&r, &t);
	buf_fini(&b);
}

/* 1032 bytes with its line end */
#define TEN     "aaaaaaaaaa"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG_FIELD                                                                                           \
	"Host: " HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED TEN TEN     \
	"abcd\r\n"

static void limits(void **state)
{
	(void)state;
	expect_repeated("GET /", "a", H1_LINE_MAX - 14, " HTTP/1.1\r\nHost: a\r\n\r\n", "H0 D ");
	expect_repeated("GET /", "a", H1_LINE_MAX - 13, " HTTP/1.1\r\nHost: a\r\n\r\n", "!414 line_bytes");
	expect_repeated(GET "X:", "a", H1_FIELD_MAX - 2, "\r\n\r\n", "H0 D ");
	expect_repeated(GET "X:", "a", H1_FIELD_MAX - 1, "\r\n\r\n", "!431 field_bytes");
	expect_repeated(GET, "X: 1\r\n", H1_FIELDS_MAX - 1, "\r\n", "H0 D ");
	expect_repeated(GET, "X: 1\r\n", H1_FIELDS_MAX, "\r\n", "!431 field_count");
	expect_repeated(GET "X: ", "a", 8000, "\r\n\r\n", "H0 D ");
	expect_repeated(CHUNKED "3;", "a", 256, "\r\nabc\r\n0\r\n\r\n", "H2 !400 chunk_extension_bytes");
	expect_repeated(CHUNKED "3;", "a", 255, "\r\nabc\r\n0\r\n\r\n", "H2 [abc]D ");
	expect_repeated(CHUNKED "0\r\n", "Host: a\r\n", 129, "\r\n", "H2 !431 field_count");
	expect_repeated(CHUNKED "0\r\n", LONG_FIELD, 64, "\r\n", "H2 !431 fields_bytes");
}

static void feed_head(struct h1_parser *p, enum h1_kind kind, struct span input)
{
	enum h1_event event;
	struct span body;

	h1_init(p, kind, head_storage, sizeof(head_storage));
	assert_true(h1_feed(p, input, &event, &body) > 0);
	assert_int_equal(event, H1_HEAD);
}

static void message_contents(void **state)
{
	struct h1_parser p;
	struct h1_message *m = &p.message;

	(void)state;
	feed_head(&p, H1_REQUEST,
	          SPAN("PUT http://b:8080/p?q HTTP/1.1\r\nHost: a\r\nX-A:  v w \t\r\n"
	               "Connection: x-a, close\r\nAuthorization: t\r\nExpect: 100-continue\r\n"
	               "Content-Length: 5\r\n\r\n"));
	assert_true(span_eq(m->method, SPAN("PUT")));
	assert_true(span_eq(m->target, SPAN("/p?q")));
	assert_true(span_eq(m->host, SPAN("b:8080")));
	assert_true(span_eq(h1_field(m, SPAN("x-a")), SPAN("v w")));
	assert_null(h1_field(m, SPAN("absent")).data);
	assert_int_equal(m->content_length, 5);
	assert_false(m->keep_alive);
	assert_true(m->expect_continue);
	assert_true(h1_hop_by_hop(m, SPAN("X-A")));
	assert_true(h1_hop_by_hop(m, SPAN("Transfer_Encoding")));
	assert_false(h1_hop_by_hop(m, SPAN("Authorization")));
	assert_false(h1_hop_by_hop(m, SPAN("X-B")));
	feed_head(&p, H1_REQUEST, SPAN("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
	assert_true(m->keep_alive);
	assert_int_equal(m->minor, 0);
	feed_head(&p, H1_RESPONSE, SPAN("HTTP/1.1 404 Not here\r\nContent-Length: 0\r\n\r\n"));
	assert_int_equal(m->status, 404);
	assert_true(span_eq(m->reason, SPAN("Not here")));
	assert_true(m->keep_alive);
}

static void writers(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	h1_write_request(&b, SPAN("POST"), SPAN("/x"), SPAN("h"));
	h1_write_field(&b, SPAN("A"), SPAN("b"));
	h1_write_end(&b, H1_CHUNKED, 0);
	h1_write_chunk_head(&b, 255);
	assert_true(span_eq(
	        buf_span(&b),
	        SPAN("POST /x HTTP/1.1\r\nHost: h\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n")));
	buf_reset(&b);
	h1_write_status(&b, 502);
	h1_write_end(&b, H1_LENGTH, 7);
	assert_true(span_eq(buf_span(&b), SPAN("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 7\r\n\r\n")));
	h1_write_field(&b, SPAN("A"), SPAN("b\r\nC: d"));
	assert_int_equal(b.err, ERR_PROTO);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	        cmocka_unit_test(every_case_at_every_split),
	        cmocka_unit_test(limits),
	        cmocka_unit_test(message_contents),
	        cmocka_unit_test(writers),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
