/* Heads on their way: what stays byte for byte, what goes, what is added, and one framing where it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/forward.h"
#include "proto/traceparent.h"

static char head[H1_HEAD_MAX];
static struct h1_parser parser;
static struct buf out;
static struct plan_header_edits edits;
static struct forward_request how;

static int start(void **state)
{
	(void)state;
	memset(&edits, 0, sizeof(edits));
	how = (struct forward_request){
	        .edits = &edits, .client_address = "192.0.2.1", .id = 0xabc, .salt = 7};
	buf_init(&out, 1 << 20);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static const struct http_message *parsed(enum h1_kind kind, const char *text)
{
	enum h1_event event;
	struct span body;

	h1_init(&parser, kind, head, sizeof(head));
	assert_true(h1_feed(&parser, span_of(text), &event, &body) > 0);
	assert_int_equal(event, H1_HEAD);
	return &parser.message;
}

static const char *text_of_out(void)
{
	assert_int_equal(out.err, 0);
	buf_put(&out, "", 1);
	return out.base + out.head;
}

/* What goes to live for this request. */
static const char *sent(const char *request)
{
	how.message = parsed(H1_REQUEST, request);
	how.framing = how.message->framing;
	buf_reset(&out);
	forward_request(&out, &how);
	return text_of_out();
}

/* What goes to the client for this answer. */
static const char *answered(const char *response, enum http_framing framing, const char *connection,
                            bool head_request)
{
	const struct http_message *m = parsed(H1_RESPONSE, response);

	buf_reset(&out);
	forward_response(&out, m, &edits, framing, connection, head_request);
	return text_of_out();
}

static void edit(const char *name, const char *value)
{
	struct plan_header_edit *e = &edits.edits[edits.count++];

	strcpy(e->name, name);
	strcpy(e->value, value ? value : "");
	e->remove = !value;
}

static void holds(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in\n%s", part, text);
}

static void lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in\n%s", part, text);
}

#define POST "POST /v2/x?a=%2f HTTP/1.1\r\nHost: a:1\r\n"
#define GET  "GET / HTTP/1.1\r\nHost: a\r\n"

static void a_faithful_head_stays_byte_for_byte(void **state)
{
	static const char whole[] = POST "B: 1\r\na: 2\r\nX-Empty: \r\nCONTENT-length: 3\r\nb: 3\r\n"
	                                 "traceparent: bad\r\nX-Forwarded-For: me\r\n\r\n";

	(void)state;
	assert_string_equal(sent(whole), whole);
	assert_string_equal(sent(GET "\r\n"), GET "\r\n");
	assert_string_equal(sent(POST "transfer-ENCODING: chunked\r\nA: b\r\n\r\n"),
	                    POST "transfer-ENCODING: chunked\r\nA: b\r\n\r\n");
}

/* But that trailers are taken: so are they here. */
static void fields_of_one_hop_go(void **state)
{
	(void)state;
	assert_string_equal(
	        sent(GET "Connection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
	                 "Proxy-Connection: x\r\nUpgrade: websocket\r\nExpect: 100-continue\r\nA: b\r\n\r\n"),
	        GET "A: b\r\nConnection: TE\r\nTE: trailers\r\n\r\n");
	assert_string_equal(sent(GET "Connection: TE\r\nTE: gzip\r\nA: b\r\n\r\n"), GET "A: b\r\n\r\n");
}

static void an_upgrade_is_said_anew(void **state)
{
	(void)state;
	how.upgrade = true;
	assert_string_equal(sent(GET "Connection: upgrade\r\nUpgrade: websocket\r\nA: b\r\n\r\n"),
	                    GET "A: b\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	assert_string_equal(sent(GET "Connection: upgrade\r\nUpgrade: websocket\r\nTE: trailers\r\n\r\n"),
	                    GET "Connection: upgrade, TE\r\nTE: trailers\r\nUpgrade: websocket\r\n\r\n");
}

static void edits_replace_remove_and_add(void **state)
{
	(void)state;
	edit("a", "new");
	edit("b", NULL);
	edit("c", "set");
	assert_string_equal(sent(GET "A: old\r\nB: gone\r\nD: stays\r\nb: gone too\r\nx: y\r\n\r\n"),
	                    GET "D: stays\r\nx: y\r\na: new\r\nc: set\r\n\r\n");
	assert_string_equal(answered("HTTP/1.1 200 OK\r\nB: 1\r\nD: 2\r\nContent-Length: 0\r\n\r\n",
	                             HTTP_LENGTH, NULL, false),
	                    "HTTP/1.1 200 OK\r\nD: 2\r\nContent-Length: 0\r\na: new\r\nc: set\r\n\r\n");
}

static void live_is_told_whom_it_serves(void **state)
{
	(void)state;
	how.forwarded = true;
	assert_string_equal(sent(GET "A: b\r\n\r\n"),
	                    GET "A: b\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
	                        "X-Forwarded-Host: a\r\nx-request-id: 0000000000000abc\r\n\r\n");
	how.client_tls = true;
	holds(sent(GET "\r\n"), "X-Forwarded-Proto: https\r\n");
}

static void what_the_client_said_of_itself_is_kept(void **state)
{
	const char *text;

	(void)state;
	how.forwarded = true;
	text = sent(GET "x-forwarded-proto: https\r\nX-Request-ID: mine\r\nX-Forwarded-Host: b\r\n\r\n");
	holds(text, "x-forwarded-proto: https\r\nX-Request-ID: mine\r\nX-Forwarded-Host: b\r\n");
	lacks(text, "X-Forwarded-Proto: ");
	lacks(text, "x-request-id: ");
	lacks(text, "X-Forwarded-Host: a");
}

static void lists_grow_at_their_end(void **state)
{
	const char *text;

	(void)state;
	how.forwarded = true;
	text = sent(
	        GET
	        "X-Forwarded-For: one\r\nA: b\r\nx-forwarded-for: two, three\r\nX-Forwarded-For:\r\n\r\n");
	holds(text, "\r\nX-Forwarded-For: one, two, three, 192.0.2.1\r\n");
	lacks(text, "x-forwarded-for");
	lacks(text, "Forwarded: for");
	text = sent(GET "Forwarded: for=a;proto=http\r\nforwarded: for=b\r\n\r\n");
	holds(text, "\r\nForwarded: for=a;proto=http, for=b, for=192.0.2.1\r\n");
	holds(sent(GET "X-Forwarded-For: \r\n\r\n"), "\r\nX-Forwarded-For: 192.0.2.1\r\n");
}

static void an_ipv6_address_is_quoted_where_it_must_be(void **state)
{
	const char *text;

	(void)state;
	how.forwarded = true;
	how.client_address = "2001:db8::1";
	text = sent(GET "Forwarded: for=a\r\n\r\n");
	holds(text, "\r\nForwarded: for=a, for=\"[2001:db8::1]\"\r\n");
	holds(text, "\r\nX-Forwarded-For: 2001:db8::1\r\n");
}

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN_ "00f067aa0ba902b7"

/* The traceparent that goes on for this one, or NULL. */
static const char *traced(const char *value)
{
	static char line[256];
	char request[512];
	const char *at;

	snprintf(request, sizeof(request),
	         GET "tracestate: a=1\r\nTraceParent: %s\r\ntracestate: b=2\r\n\r\n", value);
	at = strstr(sent(request), "\r\nTraceParent: ");
	if (!at) {
		lacks(out.base + out.head, "tracestate");
		lacks(out.base + out.head, "arent");
		return NULL;
	}
	holds(out.base + out.head, "\r\ntracestate: a=1\r\n");
	holds(out.base + out.head, "\r\ntracestate: b=2\r\n");
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at + 15, "\r"), at + 15);
	return line;
}

static void a_trace_goes_on_with_our_span(void **state)
{
	static const struct {
		const char *value, *flags;
	} good[] = {
	        {"00-" TRACE "-" SPAN_ "-01", "01"}, {"00-" TRACE "-" SPAN_ "-00", "00"},
	        {"00-" TRACE "-" SPAN_ "-03", "03"}, {"00-" TRACE "-" SPAN_ "-ff", "03"},
	        {"cc-" TRACE "-" SPAN_ "-01", "01"}, {"01-" TRACE "-" SPAN_ "-01-what-ever", "01"},
	};
	char first[64];

	(void)state;
	how.forwarded = true;
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const char *next = traced(good[i].value);

		assert_non_null(next);
		assert_int_equal(strlen(next), TRACEPARENT_BYTES);
		assert_memory_equal(next, "00-" TRACE "-", 36);
		assert_memory_not_equal(next + 36, SPAN_, 16);
		assert_int_equal(strspn(next + 36, "0123456789abcdef"), 16);
		assert_string_equal(next + 53, good[i].flags);
	}
	strcpy(first, traced(good[0].value));
	assert_string_equal(traced(good[0].value), first);
	how.id++;
	assert_string_not_equal(traced(good[0].value), first);
	how.id--;
	how.salt++;
	assert_string_not_equal(traced(good[0].value), first);
	how.id = how.salt; /* never all 0 */
	assert_memory_equal(traced(good[0].value) + 36, "0000000000000001", 16);
}

static void a_trace_that_is_not_valid_ends_here(void **state)
{
	static const char *const bad[] = {
	        "",
	        "00",
	        "00-" TRACE "-" SPAN_ "-0",
	        "00-" TRACE "-" SPAN_ "-011",
	        "00-" TRACE "-" SPAN_ "-01-x",
	        "01-" TRACE "-" SPAN_ "-01x",
	        "ff-" TRACE "-" SPAN_ "-01",
	        "0g-" TRACE "-" SPAN_ "-01",
	        "00-" TRACE "-" SPAN_ "-0G",
	        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN_ "-01",
	        "00-00000000000000000000000000000000-" SPAN_ "-01",
	        "00-" TRACE "-0000000000000000-01",
	        "00_" TRACE "-" SPAN_ "-01",
	        "00-" TRACE "_" SPAN_ "-01",
	        "00-" TRACE "-" SPAN_ "_01",
	};
	const char *twice = GET "traceparent: 00-" TRACE "-" SPAN_ "-01\r\ntraceparent: 00-" TRACE "-" SPAN_
	                        "-01\r\ntracestate: a=1\r\n\r\n";

	(void)state;
	how.forwarded = true;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (traced(bad[i]))
			fail_msg("'%s' goes on", bad[i]);
	lacks(sent(twice), "trace");
	lacks(sent(GET "tracestate: a=1\r\n\r\n"), "trace");
	lacks(sent(GET "\r\n"), "trace");
}

static void an_edit_outranks_what_we_would_write(void **state)
{
	(void)state;
	how.forwarded = true;
	edit("traceparent", NULL);
	lacks(sent(GET "traceparent: 00-" TRACE "-" SPAN_ "-01\r\n\r\n"), "traceparent");
}

static void an_answer_is_framed_as_it_is_sent(void **state)
{
	static const char whole[] = "HTTP/1.1 404 Not Here\r\nA: 1\r\ncontent-LENGTH: 2\r\na: 2\r\n\r\n";

	(void)state;
	assert_string_equal(answered(whole, HTTP_LENGTH, NULL, false), whole);
	assert_string_equal(answered("HTTP/1.0 200 OK\r\nA: 1\r\n\r\n", HTTP_CHUNKED, NULL, false),
	                    "HTTP/1.1 200 OK\r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
	assert_string_equal(answered("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nA: 1\r\n\r\n",
	                             HTTP_UNTIL_CLOSE, "close", false),
	                    "HTTP/1.1 200 OK\r\nA: 1\r\nConnection: close\r\n\r\n");
	assert_string_equal(answered("HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	                             HTTP_LENGTH, "keep-alive", false),
	                    "HTTP/1.1 200 \r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
}

static void a_length_without_a_body_describes_one(void **state)
{
	static const char head_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nA: 1\r\n\r\n";
	static const char unchanged[] = "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n";

	(void)state;
	/* over HTTP/2 a head may end the answer: the client must hear that there is no more */
	assert_string_equal(answered("HTTP/1.1 200 OK\r\ngrpc-status: 5\r\n\r\n", HTTP_NO_BODY, NULL, false),
	                    "HTTP/1.1 200 OK\r\ngrpc-status: 5\r\nContent-Length: 0\r\n\r\n");
	assert_string_equal(answered("HTTP/1.1 100 Continue\r\n\r\n", HTTP_NO_BODY, NULL, false),
	                    "HTTP/1.1 100 Continue\r\n\r\n");
	for (int head = 0; head < 2; head++) {
		assert_string_equal(
		        answered("HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n", HTTP_NO_BODY, NULL, head),
		        "HTTP/1.1 204 No\r\n\r\n");
		assert_string_equal(
		        answered("HTTP/1.1 103 Hint\r\nContent-Length: 9\r\n\r\n", HTTP_NO_BODY, NULL, head),
		        "HTTP/1.1 103 Hint\r\n\r\n");
	}
	assert_string_equal(answered("HTTP/1.1 204 No\r\n\r\n", HTTP_NO_BODY, NULL, false),
	                    "HTTP/1.1 204 No\r\n\r\n");
	assert_string_equal(answered(head_answer, HTTP_NO_BODY, NULL, true), head_answer);
	assert_string_equal(answered(unchanged, HTTP_NO_BODY, NULL, false), unchanged);
	assert_string_equal(
	        answered("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", HTTP_NO_BODY, NULL, false),
	        "HTTP/1.1 204 No Content\r\n\r\n");
}

static void a_switch_of_protocols_is_passed_on(void **state)
{
	(void)state;
	assert_string_equal(answered("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
	                             "upgrade\r\nA: 1\r\n\r\n",
	                             HTTP_NO_BODY, NULL, false),
	                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nA: 1\r\nConnection: "
	                    "upgrade\r\n\r\n");
}

static void trailers_travel_when_they_may(void **state)
{
	enum h1_event event = H1_NEED_MORE;
	struct span in =
	        SPAN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 7\r\nSet-Cookie: "
	             "a\r\nContent-Length: 3\r\ngrpc-status: 0\r\n\r\n");
	struct span body;

	(void)state;
	h1_init(&parser, H1_RESPONSE, head, sizeof(head));
	while (event != H1_TRAILERS) {
		long n = h1_feed(&parser, in, &event, &body);

		assert_true(n >= 0 && event != H1_DONE);
		in = (struct span){in.data + n, in.len - (size_t)n};
	}
	forward_trailers(&out, &parser.message);
	assert_string_equal(text_of_out(), "0\r\nX-Sum: 7\r\ngrpc-status: 0\r\n");
}

static void an_id_is_sixteen_digits(void **state)
{
	char text[17];

	(void)state;
	forward_id_text(0, text);
	assert_string_equal(text, "0000000000000000");
	forward_id_text(0x0123456789abcdefu, text);
	assert_string_equal(text, "0123456789abcdef");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_faithful_head_stays_byte_for_byte),
	        TEST(fields_of_one_hop_go),
	        TEST(an_upgrade_is_said_anew),
	        TEST(edits_replace_remove_and_add),
	        TEST(live_is_told_whom_it_serves),
	        TEST(what_the_client_said_of_itself_is_kept),
	        TEST(lists_grow_at_their_end),
	        TEST(an_ipv6_address_is_quoted_where_it_must_be),
	        TEST(a_trace_goes_on_with_our_span),
	        TEST(a_trace_that_is_not_valid_ends_here),
	        TEST(an_edit_outranks_what_we_would_write),
	        TEST(an_answer_is_framed_as_it_is_sent),
	        TEST(a_length_without_a_body_describes_one),
	        TEST(a_switch_of_protocols_is_passed_on),
	        TEST(trailers_travel_when_they_may),
	        TEST(an_id_is_sixteen_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
