/*
 * formats_h1_message.c - what an accepted message says, which of its fields are forwarded, limits, and
 * heads written anew.
 */
#include "proto/h1_internal.h"
#include "tests/unit/h1_transcript.h"

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

/* 256 bytes of extension with the CR that ends them */
#define CHUNK_255 "1;" HUNDRED HUNDRED TEN TEN TEN TEN TEN "aaaaa\r\nx\r\n"
#define CHUNK_254 "1;" HUNDRED HUNDRED TEN TEN TEN TEN TEN "aaaa\r\nx\r\n"

static void limits(void **state)
{
	(void)state;
	expect_repeated("GET /", "a", H1_LINE_MAX - 14, " HTTP/1.1\r\nHost: a\r\n\r\n", "H0 D ");
	expect_repeated("GET /", "a", H1_LINE_MAX - 13, " HTTP/1.1\r\nHost: a\r\n\r\n", "!414 line_bytes");
	expect_repeated(GET "X:", "a", H1_FIELD_MAX - 2, "\r\n\r\n", "H0 D ");
	expect_repeated(GET "X:", "a", H1_FIELD_MAX - 1, "\r\n\r\n", "!431 field_bytes");
	expect_repeated(GET, "X: 1\r\n", HTTP_FIELDS_MAX - 1, "\r\n", "H0 D ");
	expect_repeated(GET, "X: 1\r\n", HTTP_FIELDS_MAX, "\r\n", "!431 field_count");
	expect_repeated(GET "X: ", "a", 8000, "\r\n\r\n", "H0 D ");
	expect_repeated(CHUNKED "3;", "a", 256, "\r\nabc\r\n0\r\n\r\n", "H2 !400 chunk_extension_bytes");
	expect_repeated(CHUNKED "3;", "a", 255, "\r\nabc\r\n0\r\n\r\n", "H2 [abc]D ");
	expect_repeated(CHUNKED, CHUNK_255, 16, "0\r\n\r\n", "H2 [xxxxxxxxxxxxxxxx]D ");
	expect_repeated(CHUNKED, CHUNK_255, 17, "", "H2 [xxxxxxxxxxxxxxxx]!400 chunk_extension_bytes");
	expect_repeated(CHUNKED CHUNK_254, CHUNK_255, 15, "1;\r",
	                "H2 [xxxxxxxxxxxxxxxx]!400 chunk_extension");
	expect_repeated(CHUNKED CHUNK_254, CHUNK_255, 15, "1;a\r",
	                "H2 [xxxxxxxxxxxxxxxx]!400 chunk_extension_bytes");
	expect_repeated(GET, "Connection: a\r\n", H1_NOMINATED_MAX, "\r\n", "H0 D ");
	expect_repeated(GET, "Connection: a\r\n", H1_NOMINATED_MAX + 1, "\r\n", "!400 connection_elements");
	expect_repeated(GET, LONG_FIELD, 64, "\r\n", "!431 fields_bytes");
	expect_repeated(CHUNKED "0\r\n", "Host: a\r\n", 129, "\r\n", "H2 !431 field_count");
	expect_repeated(CHUNKED "0\r\n", LONG_FIELD, 64, "\r\n", "H2 !431 fields_bytes");
}

/* The same with limits of one's own, whole and byte by byte. */
static void expect_limited(struct h1_limits limits, int flags, struct span input, const char *want)
{
	struct test t = {input, want, flags};
	struct run r;

	for (size_t step = 1; step <= input.len; step += input.len - 1) {
		run_init(&r, flags);
		h1_limit(&r.parser, &limits);
		for (size_t at = 0; at < input.len; at += step)
			run_feed(&r, (struct span){input.data + at, step});
		run_end(&r, &t);
	}
}

static void limits_at_run_time(void **state)
{
	const struct span get = SPAN(GET "X: abcd\r\n\r\n"), post = SPAN(POST "Content-Length: 5\r\n\r\n");

	(void)state;
	expect_limited((struct h1_limits){.line_bytes = 14}, REQ, get, "H0 D ");
	expect_limited((struct h1_limits){.line_bytes = 13}, REQ, get, "!414 line_bytes");
	expect_limited((struct h1_limits){.field_bytes = 7}, REQ, get, "H0 D ");
	expect_limited((struct h1_limits){.field_bytes = 6}, REQ, get, "!431 field_bytes");
	expect_limited((struct h1_limits){.fields_bytes = 16}, REQ, get, "H0 D ");
	expect_limited((struct h1_limits){.fields_bytes = 15}, REQ, get, "!431 fields_bytes");
	expect_limited((struct h1_limits){.fields_bytes = 9}, REQ, get, "!431 fields_bytes");
	expect_limited((struct h1_limits){.field_count = 2}, REQ, get, "H0 D ");
	expect_limited((struct h1_limits){.field_count = 1}, REQ, get, "!431 field_count");
	expect_limited((struct h1_limits){.body_bytes = 5}, REQ, post, "H1 ");
	expect_limited((struct h1_limits){.body_bytes = 4}, REQ, post, "!413 body_bytes");
	expect_limited((struct h1_limits){.body_bytes = 4}, RESP, SPAN(OK_ "Content-Length: 5\r\n\r\n"),
	               "!502 body_bytes");
	expect_limited((struct h1_limits){.body_bytes = 4}, RESP | TO_HEAD,
	               SPAN(OK_ "Content-Length: 5\r\n\r\n"), "H0 D ");
	expect_limited((struct h1_limits){.body_bytes = 5}, REQ,
	               SPAN(CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "H2 [abcde]D ");
	expect_limited((struct h1_limits){.body_bytes = 4}, REQ,
	               SPAN(CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "H2 [abc]!413 body_bytes");
	expect_limited((struct h1_limits){.fields_bytes = 40}, REQ,
	               SPAN(CHUNKED "0\r\nA: 345678\r\nB: 345678\r\nC: 345678\r\nD: 345678\r\n\r\n"),
	               "H2 !431 fields_bytes");
	/* nothing rises above the maxima */
	struct h1_parser p;
	h1_init(&p, H1_REQUEST, head_storage, sizeof(head_storage));
	h1_limit(&p, &(struct h1_limits){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX});
	assert_int_equal(p.limits.line_bytes, H1_LINE_MAX);
	assert_int_equal(p.limits.field_bytes, H1_FIELD_MAX);
	assert_int_equal(p.limits.fields_bytes, H1_FIELDS_BYTES_MAX);
	assert_int_equal(p.limits.field_count, HTTP_FIELDS_MAX);
	assert_true(p.limits.body_bytes == INT64_MAX);
}

/* Storage below the maximum lowers the limit alike for whole and for split heads. */
static void small_storage(void **state)
{
	const struct span get = SPAN(GET "X: abcd\r\n\r\n");
	char small[64];

	(void)state;
	for (size_t cap = 0; cap <= get.len + 5; cap++)
		for (size_t step = 1; step <= get.len; step++) {
			struct test t = {get, cap >= get.len + 4 ? "H0 D " : "!431 head_bytes", REQ};
			struct run r;

			run_init(&r, REQ);
			h1_init(&r.parser, H1_REQUEST, small, cap);
			for (size_t at = 0; at < get.len; at += step)
				run_feed(&r, (struct span){get.data + at,
				                           get.len - at < step ? get.len - at : step});
			run_end(&r, &t);
		}
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
	static struct h1_parser p;
	struct http_message *m = &p.message;

	(void)state;
	feed_head(&p, H1_REQUEST,
	          SPAN("PUT http://b:8080/p?q HTTP/1.1\r\nHost: a\r\nX-A:  v w \t\r\n"
	               "Connection: close\r\nAuthorization: t\r\nExpect: 100-continue\r\n"
	               "Content-Length: 5\r\nTE: trailers, gzip\r\n\r\n"));
	assert_true(span_eq(m->method, SPAN("PUT")));
	assert_true(span_eq(m->target, SPAN("/p?q")));
	assert_true(span_eq(m->host, SPAN("b:8080")));
	assert_int_equal(m->scheme, HTTP_SCHEME_HTTP);
	assert_true(span_eq(http_field(m, SPAN("x-a")), SPAN("v w")));
	assert_null(http_field(m, SPAN("absent")).data);
	assert_true(span_eq(http_known(m, HTTP_NAME_HOST), SPAN("a")));
	assert_null(http_known(m, HTTP_NAME_UPGRADE).data);
	assert_int_equal(m->content_length, 5);
	assert_false(m->keep_alive);
	assert_true(m->expect_continue);
	assert_true(m->te_trailers);
	feed_head(&p, H1_REQUEST, SPAN("GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_int_equal(m->scheme, HTTP_SCHEME_HTTPS);
	assert_true(span_eq(m->target, SPAN("/")));
	feed_head(&p, H1_REQUEST, SPAN("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_true(span_eq(m->target, SPAN("*")));
	feed_head(&p, H1_REQUEST, SPAN("GET / HTTP/1.0\r\nConnection: keep-alive\r\nTE: gzip\r\n\r\n"));
	assert_int_equal(m->scheme, HTTP_SCHEME_NONE);
	assert_true(m->keep_alive);
	assert_false(m->te_trailers);
	assert_int_equal(m->minor, 0);
	feed_head(&p, H1_RESPONSE, SPAN("HTTP/1.1 404 Not here\r\nContent-Length: 0\r\n\r\n"));
	assert_int_equal(m->status, 404);
	assert_true(span_eq(m->reason, SPAN("Not here")));
	assert_true(m->keep_alive);
}

/* Every field named "y..." may be forwarded, every one named otherwise may not. */
static void forwarded_fields(void **state)
{
	static struct h1_parser p;
	const struct http_message *m = &p.message;

	(void)state;
	feed_head(&p, H1_REQUEST,
	          SPAN(POST "Connection: x-a, keep-alive\r\nConnection: X-B\r\nX-A: 1\r\nx-b: 1\r\nX-B: 2\r\n"
	                    "Keep-Alive: 1\r\nProxy-Connection: 1\r\nTE: trailers\r\nTrailer: a\r\n"
	                    "Transfer-Encoding: chunked\r\nUpgrade: h2c\r\nProxy-Authenticate: 1\r\n"
	                    "Proxy-Authorization: 1\r\nTransfer_Encoding: x\r\nCONTENT_length: 1\r\n"
	                    "Content_Type: a\r\nx_forwarded_for: a\r\nUnderstudy_Shadow: a\r\n"
	                    "keep_alive: 1\r\nY-Forwarded-For: 1\r\nY_A: 1\r\ny: 1\r\nYTE: 1\r\n\r\n"));
	for (size_t i = 0; i < m->field_count; i++) {
		bool hop = (m->fields[i].name.data[0] | 0x20) != 'y';

		if (m->fields[i].hop != hop || http_hop_by_hop(m, m->fields[i].name) != hop)
			fail_msg("%.*s", (int)m->fields[i].name.len, m->fields[i].name.data);
	}
	assert_true(http_hop_by_hop(m, SPAN("X-A")));
	assert_true(http_hop_by_hop(m, SPAN("transfer_encoding")));
	assert_true(http_hop_by_hop(m, SPAN("Connection")));
	assert_false(http_hop_by_hop(m, SPAN("Authorization")));
	assert_false(http_hop_by_hop(m, SPAN("X-Forwarded-For")));
	assert_false(http_hop_by_hop(m, SPAN("X-C")));
	feed_head(&p, H1_RESPONSE, SPAN(OK_ "Connection: cookie, a\r\nCookie: 1\r\nA: 1\r\n\r\n"));
	assert_false(m->fields[1].hop); /* not asked for by one who may */
	assert_true(m->fields[2].hop);
	feed_head(&p, H1_REQUEST, SPAN("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"));
	assert_true(m->fields[0].hop);
	assert_false(m->expect_continue);
	assert_true(http_trailer_forwardable(SPAN("grpc-status")));
	assert_true(http_trailer_forwardable(SPAN("Server-Timing")));
	static const char *const never[] = {
	        "Content-Length", "transfer-encoding", "HOST",      "Authorization",
	        "Cookie",         "Connection",        "Trailer",   "Content-Type",
	        "content-x",      "Set-Cookie",        "content_x", "TE",
	        "set_cookie",     "X-Forwarded-Host"};
	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		if (http_trailer_forwardable(span_of(never[i])))
			fail_msg("%s", never[i]);
}

static bool offers(const char *fields, const char *protocol)
{
	static struct h1_parser p;
	char text[512];

	snprintf(text, sizeof(text), GET "%s\r\n", fields);
	feed_head(&p, H1_REQUEST, span_of(text));
	assert_true(p.message.upgrade == (p.message.upgrade_protocol.data != NULL));
	return p.message.upgrade && span_eq(p.message.upgrade_protocol, span_of(protocol));
}

static void upgrades(void **state)
{
	static struct h1_parser p;

	(void)state;
	assert_true(offers("Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"));
	assert_true(offers("Connection: keep-alive, upgrade\r\nUpgrade: a/1.0\r\n", "a/1.0"));
	assert_true(
	        offers("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n", "websocket"));
	assert_false(offers("Upgrade: websocket\r\n", "websocket"));
	assert_false(offers("Connection: upgrade\r\n", ""));
	assert_false(offers("Connection: upgrade\r\nUpgrade: H2C\r\n", "H2C"));
	assert_false(offers("Connection: upgrade\r\nUpgrade: websocket, h2c\r\n", "websocket"));
	assert_false(offers("Connection: upgrade\r\nUpgrade: a/b/c\r\n", "a/b/c"));
	assert_false(offers("Connection: upgrade\r\nUpgrade:\r\n", ""));
	assert_false(
	        offers("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", "websocket"));
	assert_false(offers("Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
	                    "websocket"));
	feed_head(&p, H1_RESPONSE,
	          SPAN("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"));
	assert_true(span_eq(p.message.upgrade_protocol, SPAN("websocket")));
}

static void check_kept(const struct http_message *m)
{
	assert_true(span_eq(m->method, SPAN("GET")));
	assert_true(span_eq(m->target, SPAN("/x")));
	assert_true(span_eq(m->host, SPAN("b")));
	assert_true(span_eq(m->fields[0].name, SPAN("Host")));
	assert_true(span_eq(m->fields[0].value, SPAN("a")));
	assert_true(span_eq(m->fields[1].value, SPAN("chunked")));
}

/* A head points into its input only when that was asked for, and only until it is kept. */
static void kept_heads(void **state)
{
	static const char text[] = "GET http://b/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	                           "1\r\nz\r\n0\r\nT: 1\r\n\r\n";
	static struct h1_parser p;
	const struct http_message *m = &p.message;
	char input[sizeof(text)];

	(void)state;
	for (int keep = 0; keep < 3; keep++) {
		enum h1_event event = H1_NEED_MORE;
		struct span body, rest = {input, sizeof(text) - 1};

		memcpy(input, text, sizeof(text));
		h1_init(&p, H1_REQUEST, head_storage, sizeof(head_storage));
		p.in_place = keep > 0;
		long n = h1_feed(&p, rest, &event, &body);
		assert_int_equal(event, H1_HEAD);
		assert_true((m->method.data == input) == p.in_place);
		for (int i = 0; i < keep; i++)
			h1_keep(&p);
		memset(input, 'z', (size_t)n);
		check_kept(m);
		while (event != H1_TRAILERS) {
			rest.data += n;
			rest.len -= (size_t)n;
			n = h1_feed(&p, rest, &event, &body);
			assert_true(n > 0);
		}
		assert_true((m->fields[0].name.data >= input &&
		             m->fields[0].name.data < input + sizeof(input)) == p.in_place);
		h1_keep(&p);
		memset(input, 'z', sizeof(input));
		assert_true(span_eq(m->fields[0].name, SPAN("T")));
		assert_true(span_eq(m->fields[0].value, SPAN("1")));
		assert_true(span_eq(m->method, SPAN("GET")));
		assert_true(span_eq(m->target, SPAN("/x")));
		assert_true(span_eq(m->host, SPAN("b")));
	}
}

/* What stops a search, said a second time; and nothing behind `end` is looked at. */
static void scans(void **state)
{
	char text[48];

	(void)state;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 40; at++)
			for (size_t len = at; len <= 40; len += 8) {
				bool control = (c < 0x20 && c != '\t') || c == 0x7f;
				bool not_target = c <= 0x20 || c >= 0x7f || c == '#';

				memset(text, 'a', sizeof(text));
				text[at] = (char)c;
				assert_ptr_equal(h1_scan_text(text, text + len),
				                 text + (control && at < len ? at : len));
				assert_ptr_equal(h1_scan_target(text, text + len),
				                 text + (not_target && at < len ? at : len));
			}
}

/* The byte as a name holds it, said a second time; 0 where a name ends. */
static char folded(unsigned c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + 32);
	if (c == '_')
		return '-';
	return c != 0 && c < 0x80 &&
	                       (c >= 'a'
	                                ? c <= 'z' || c == '|' || c == '~' || c == '`'
	                                : (c >= '0' && c <= '9') || c == '^' || strchr("!#$%&'*+-.`", (int)c))
	               ? (char)c
	               : 0;
}

/* Every byte at every place, with and without enough behind it to look at many at once. */
static void names(void **state)
{
	char text[48];

	(void)state;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 30; at++)
			for (size_t len = at + 1; len <= 40; len += 3) {
				char want[HTTP_NAME_MAX_LEN];
				struct http_name_read n;

				memset(text, 'X', sizeof(text));
				memset(want, 'x', sizeof(want));
				text[at] = (char)c;
				n = http_read_name((struct span){text, len});
				assert_int_equal(n.len, folded(c) ? len : at);
				assert_int_equal(n.underscore, c == '_');
				if (at < sizeof(want) && folded(c))
					want[at] = folded(c);
				assert_memory_equal(n.folded, want,
				                    n.len < sizeof(want) ? n.len : sizeof(want));
			}
}

static void expect_written(struct buf *b, struct span want)
{
	assert_int_equal(b->err, 0);
	if (!span_eq(buf_span(b), want))
		fail_msg("%.*s", (int)buf_len(b), buf_span(b).data);
	buf_reset(b);
}

static void writers(void **state)
{
	static struct h1_parser p;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	h1_write_request(&b, SPAN("POST"), SPAN("/x"), SPAN("h"));
	h1_write_field(&b, SPAN("A"), SPAN("b"));
	h1_write_field(&b, SPAN("E"), (struct span){NULL, 0});
	h1_write_end(&b, HTTP_CHUNKED, 0);
	h1_write_chunk_head(&b, 255);
	h1_write_chunk_head(&b, 0);
	h1_write_chunk_head(&b, 0x10203);
	expect_written(&b,
	               SPAN("POST /x HTTP/1.1\r\nHost: h\r\nA: b\r\nE: \r\nTransfer-Encoding: chunked\r\n\r\n"
	                    "ff\r\n0\r\n10203\r\n"));
	h1_write_status(&b, 502);
	h1_write_end(&b, HTTP_LENGTH, 7);
	h1_write_status(&b, 299);
	h1_write_end(&b, HTTP_NO_BODY, 7);
	expect_written(
	        &b,
	        SPAN("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 7\r\n\r\nHTTP/1.1 299 Unknown\r\n\r\n"));
	h1_write_end(&b, HTTP_LENGTH, 0);
	h1_write_end(&b, HTTP_LENGTH, UINT64_MAX);
	expect_written(&b, SPAN("Content-Length: 0\r\n\r\nContent-Length: 18446744073709551615\r\n\r\n"));
	feed_head(&p, H1_REQUEST, SPAN(GET "B:  1\t\r\nTE: x\r\nC:\r\n\r\n"));
	h1_write_forward(&b, &p.message);
	expect_written(&b, SPAN("B: 1\r\nC: \r\n"));
	feed_head(&p, H1_REQUEST, SPAN(GET "\r\n"));
	h1_write_forward(&b, &p.message);
	expect_written(&b, SPAN(""));
	buf_fini(&b);
}

static void refuse_write(struct span method, struct span target, struct span name, struct span value)
{
	struct buf b;

	buf_init(&b, 4096);
	h1_write_request(&b, method, target, SPAN("h"));
	h1_write_field(&b, name, value);
	assert_int_equal(b.err, ERR_PROTO);
	buf_fini(&b);
}

static void writers_refuse(void **state)
{
	const struct span get = SPAN("GET"), root = SPAN("/"), name = SPAN("A"), value = SPAN("b");
	struct buf b;

	(void)state;
	refuse_write(SPAN("G T"), root, name, value);
	refuse_write(SPAN(""), root, name, value);
	refuse_write(get, SPAN(""), name, value);
	refuse_write(get, SPAN("/a b"), name, value);
	refuse_write(get, SPAN("/\r\n"), name, value);
	refuse_write(get, root, SPAN(""), value);
	refuse_write(get, root, SPAN("A:"), value);
	refuse_write(get, root, name, SPAN("b\r\nC: d"));
	refuse_write(get, root, name, SPAN("a long value with a line feed only at its end\n"));
	buf_init(&b, 10);
	h1_write_status(&b, 200);
	assert_int_equal(b.err, ERR_LIMIT);
	buf_reset(&b);
	h1_write_status(&b, 1000);
	assert_int_not_equal(b.err, 0);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	        cmocka_unit_test(limits),
	        cmocka_unit_test(limits_at_run_time),
	        cmocka_unit_test(small_storage),
	        cmocka_unit_test(message_contents),
	        cmocka_unit_test(forwarded_fields),
	        cmocka_unit_test(upgrades),
	        cmocka_unit_test(kept_heads),
	        cmocka_unit_test(scans),
	        cmocka_unit_test(names),
	        cmocka_unit_test(writers),
	        cmocka_unit_test(writers_refuse),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
