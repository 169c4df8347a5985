/*
 * formats_h1.c - the rules of the strict HTTP/1.1 parser: each case whole, cut at every position (short
 * ones at every pair of positions), and byte by byte.
 */
#include "tests/unit/h1_transcript.h"

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
        {SPAN("GET / HTTP/1.1\r\nHost: a:\r\n\r\n"), "!400 host_value", REQ},
        {SPAN("GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n"), "!400 host_value", REQ},
        {SPAN("GET / HTTP/1.1\r\nHost: [::1]80\r\n\r\n"), "!400 host_value", REQ},
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
        /* more of 4, 5, 13, 15, 24, 25 */
        {SPAN(POST "Content-Length: 3,\r\n\r\n"), "!400 content_length_value", REQ},
        {SPAN(POST "Content-Length: 3\t\r\n\r\nabc"), "H1 [abc]D ", REQ},
        {SPAN(POST "Transfer-Encoding: chunked\x0c\r\n\r\n"), "!400 field_value", REQ},
        {SPAN(POST "Transfer-Encoding: foo, chunked\r\n\r\n"), "!400 transfer_encoding_value", REQ},
        {SPAN(POST "Transfer-Encoding: chunked,\r\n\r\n"), "!400 transfer_encoding_value", REQ},
        {SPAN(POST "Transfer-Encoding: chunked;q=1\r\n\r\n"), "!400 transfer_encoding_value", REQ},
        {SPAN(POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n"), "H2 D ", REQ},
        {SPAN(POST "Transfer_Encoding: chunked\r\n\r\n"), "H0 D ", REQ},
        {SPAN(POST "Content_Length: 3\r\n\r\n"), "H0 D ", REQ},
        {SPAN(GET "X: \x01\r\n\r\n"), "!400 field_value", REQ},
        {SPAN(GET "X: a\x1b[0m\r\n\r\n"), "!400 field_value", REQ},
        {SPAN(GET "X\0Y: 1\r\n\r\n"), "!400 field_name", REQ},
        {SPAN(GET "X\0Y\r\n\r\n"), "!400 missing_colon", REQ},
        {SPAN(CHUNKED "0000000000000003\r\nabc\r\n00\r\n\r\n"), "H2 [abc]D ", REQ},
        {SPAN("GET\x0b/ HTTP/1.1\r\n"), "!400 request_line", REQ},
        {SPAN("GET /\x0c HTTP/1.1\r\n"), "!400 target_byte", REQ},
        {SPAN("GET /\r HTTP/1.1\r\n"), "!400 bare_cr", REQ},
        {SPAN("GET / HTTP/0.9\r\n"), "!505 version_unsupported", REQ},
        {SPAN("GET / HTTP/1.\r\n"), "!400 version", REQ},
        {SPAN("GET / HTTP/11\r\n"), "!400 version", REQ},
        {SPAN("GET / HTTP/9.9\r\n"), "!505 version_unsupported", REQ},
        {SPAN("\r\n" GET "\r\n"), "H0 D ", REQ},
        {SPAN(GET "\r\n\r\n\r\n" GET "\r\n"), "H0 D H0 D ", REQ},
        {SPAN(GET "\r\n\r\n\r\n\r\n"), "H0 D !400 leading_crlf", REQ},
        {SPAN("\r"), "!400 cut_short", REQ | CLOSED},
        {SPAN("\r\n"), "", REQ | CLOSED},
        /* 21: the target wins over Host, which must still be one and well formed */
        {SPAN("GET HTTPS://b:1 HTTP/1.1\r\nHost: a\r\n\r\n"), "H0 D ", REQ},
        {SPAN("GET http://b/x HTTP/1.1\r\n\r\n"), "!400 missing_host", REQ},
        {SPAN("GET http://b/x HTTP/1.1\r\nHost: a b\r\n\r\n"), "!400 host_value", REQ},
        {SPAN("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"), "!400 target_authority", REQ},
        /* 28: nomination */
        {SPAN(GET "Connection: x, , close\r\nX: 1\r\n\r\n"), "H0 D ", REQ},
        {SPAN(GET "Connection: Content-Length\r\n\r\n"), "!400 connection_nominates", REQ},
        {SPAN(GET "Connection: transfer-encoding\r\n\r\n"), "!400 connection_nominates", REQ},
        {SPAN(GET "Connection: host\r\n\r\n"), "!400 connection_nominates", REQ},
        {SPAN(GET "Connection: close, Authorization\r\n\r\n"), "!400 connection_nominates", REQ},
        {SPAN(GET "Connection: close\r\nconnection: cookie\r\n\r\n"), "!400 connection_nominates", REQ},
        {SPAN(GET "Connection: forwarded\r\n\r\n"), "!400 connection_nominates", REQ},
        {SPAN(GET "Connection: X-Forwarded-For\r\n\r\n"), "!400 connection_nominates", REQ},
        {SPAN(GET "Connection: x_forwarded_for\r\n\r\n"), "!400 connection_nominates", REQ},
        {SPAN(GET "Connection: understudy-shadow\r\n\r\n"), "!400 connection_nominates", REQ},
        {SPAN(OK_ "Connection: transfer-encoding\r\nContent-Length: 0\r\n\r\n"), "H1 D ", RESP},
        /* 31: expectations */
        {SPAN(GET "Expect: 100-Continue\r\n\r\n"), "H0 D ", REQ},
        {SPAN(GET "Expect: 100-continue, x\r\n\r\n"), "!417 expectation", REQ},
        {SPAN(GET "Expect:\r\n\r\n"), "!417 expectation", REQ},
        {SPAN(GET "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"), "!417 expectation", REQ},
        {SPAN("GET / HTTP/1.0\r\nExpect: x\r\n\r\n"), "H0 D ", REQ},
        {SPAN(OK_ "Expect: x\r\nContent-Length: 0\r\n\r\n"), "H1 D ", RESP},
        /* 32: several interim responses; 36: nothing is read behind the end */
        {SPAN("HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 x\r\nLink: a\r\n\r\nHTTP/1.1 204 \r\n\r\n"),
         "H0 D H0 D H0 D ", RESP},
        {SPAN("HTTP/1.1 101 x\r\nContent-Length: 5\r\n\r\n"), "H0 D ", RESP},
        {SPAN("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "!502 transfer_encoding_http10",
         RESP},
        {SPAN("HTTP/1.1 200 a\0b\r\n"), "!502 reason_byte", RESP},
        {SPAN("HTTP/1.1 200 a\tb\x80\r\nContent-Length: 0\r\n\r\n"), "H1 D ", RESP},
        {SPAN("HTTP/1.1  200 OK\r\n"), "!502 status_line", RESP},
        {SPAN("HTTP/1.1 2000\r\n"), "!502 status_line", RESP},
        /* 38: singletons, and their twins that are none */
        {SPAN(GET "Proxy-Authorization: a\r\nProxy-Authorization: a\r\n\r\n"), "!400 duplicate_singleton",
         REQ},
        {SPAN(GET "Content-Type: a\r\nContent_Type: b\r\n\r\n"), "H0 D ", REQ},
        {SPAN(GET "Cookie: a\r\nCookie: b\r\n\r\n"), "H0 D ", REQ},
        {SPAN(OK_ "Content-Type: a\r\nContent-Type: b\r\nContent-Length: 0\r\n\r\n"), "H1 D ", RESP},
        /* 40: a bad second request leaves the first as it was; 41: bodies with any method */
        {SPAN(POST "Content-Length: 1\r\n\r\nx" GET "X\r\n"), "H1 [x]D !400 missing_colon", REQ},
        {SPAN("DELETE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
         "H2 [x]D ", REQ},
};

static void whole_in_two_and_in_three(const struct test *t)
{
	struct span in = t->input;
	struct run r;

	for (size_t at = 0; at <= in.len; at++) {
		/* pairs of cuts where they are few enough */
		for (size_t second = in.len <= 64 ? at : in.len; second <= in.len; second++) {
			run_init(&r, t->flags);
			run_feed(&r, (struct span){in.data, at});
			run_feed(&r, (struct span){in.data + at, second - at});
			run_feed(&r, (struct span){in.data + second, in.len - second});
			run_end(&r, t);
		}
	}
}

static void every_case_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		const struct test *t = &tests[i];
		struct run r;

		whole_in_two_and_in_three(t);
		run_init(&r, t->flags);
		for (size_t at = 0; at < t->input.len; at++)
			run_feed(&r, (struct span){t->input.data + at, 1});
		run_end(&r, t);
	}
}

/* Every rule but those that take a long input (formats_h1_message.c) was broken above. */
static void every_rule_is_tried(void **state)
{
	static const char elsewhere[] = "body_bytes chunk_extension_bytes connection_elements line_bytes "
	                                "field_bytes fields_bytes field_count head_bytes ";

	(void)state;
	for (unsigned rule = 1; rule < H1_RULE_COUNT; rule++) {
		const char *name = h1_rule_name(rule);
		bool tried = strstr(elsewhere, name) != NULL;

		for (size_t i = 0; !tried && i < sizeof(tests) / sizeof(*tests); i++) {
			const char *at = strchr(tests[i].want, '!');
			tried = at != NULL && strcmp(at + 5, name) == 0;
		}
		if (!tried)
			fail_msg("%s is never broken", name);
		assert_true(strlen(h1_rule_text(rule)) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest all[] = {
	        cmocka_unit_test(every_case_at_every_split),
	        cmocka_unit_test(every_rule_is_tried),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
