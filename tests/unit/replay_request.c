/* The request that a candidate gets: path, host, fields, credential, mark and body, by its rewrite table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "replay/request.h"

static struct plan_candidate *candidate;

static int fresh(void **state)
{
	(void)state;
	free(candidate);
	candidate = calloc(1, sizeof *candidate);
	strcpy(candidate->name, "svc");
	strcpy(candidate->endpoint.authority, "127.0.0.1:9002");
	strcpy(candidate->credential_header, "authorization");
	return 0;
}

/* `out` is to be freed. */
static void write_out(const char *head, const char *body, const char *credential, struct buf *out)
{
	struct request_to to;
	struct leg leg = {0};

	buf_init(&leg.head, 4096);
	buf_init(&leg.body, 4096);
	buf_init(out, 8192);
	buf_puts(&leg.head, head);
	buf_puts(&leg.body, body);
	assert_int_equal(request_to_init(&to, candidate, 0xabc, span_of(credential)), 0);
	request_write(out, &leg, 7, &to);
	buf_fini(&leg.head);
	buf_fini(&leg.body);
	buf_fini(&to.credential);
}

static void check(const char *head, const char *body, const char *credential, const char *want)
{
	struct buf out;
	struct span got;

	write_out(head, body, credential, &out);
	got = buf_span(&out);
	assert_int_equal(out.err, 0);
	if (!span_eq(got, span_of(want)))
		fail_msg("%.*s\nis not\n%s", (int)got.len, got.data, want);
	buf_fini(&out);
}

/* A capture may hold what is no request: that is told apart from a shortage. */
static void test_none(void **state)
{
	static const char *const heads[] = {
	        "", "POST", "POST /\x01", "GE(T /", "POST /\na: \r", "POST /\na b: c", "200", "POST /\n: c"};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		write_out(heads[i], "", "", &out);
		if (out.err != ERR_PROTO)
			fail_msg("%s: %d", heads[i], out.err);
		buf_fini(&out);
	}
}

#define MARK "understudy-shadow: 0000000000000abc/svc\r\n"

#define TRACE  "00-4bf92f3577b34da6a3ce929d0e0e4736-"
#define CLIENT "00f067aa0ba902b7"

static void test_plain(void **state)
{
	(void)state;
	check("POST /a?b=1\ncontent-type: application/json\nx-request-id: r1", "{}", "",
	      "POST /a?b=1 HTTP/1.1\r\nHost: 127.0.0.1:9002\r\ncontent-type: application/json\r\n"
	      "x-request-id: r1\r\n" MARK "Content-Length: 2\r\n\r\n{}");
}

/* The traceparent that candidate `name` gets for exchange `id`; empty: none. */
static void traced(const char *fields, const char *name, uint64_t id, char out[64])
{
	struct request_to to;
	struct leg leg = {0};
	struct buf request;
	const char *at;

	strcpy(candidate->name, name);
	buf_init(&leg.head, 4096);
	buf_init(&request, 8192);
	buf_printf(&leg.head, "POST /\n%s", fields);
	assert_int_equal(request_to_init(&to, candidate, 0xabc, SPAN("")), 0);
	request_write(&request, &leg, id, &to);
	assert_int_equal(request.err, 0);
	buf_put(&request, "", 1);
	at = strstr(buf_span(&request).data, "traceparent: ");
	snprintf(out, 64, "%.55s", at ? at + 13 : "");
	assert_true(!at == !strstr(buf_span(&request).data, "tracestate: a=1"));
	buf_fini(&leg.head);
	buf_fini(&request);
	buf_fini(&to.credential);
}

/* The client's trace, and a span of each copy's own; what is not valid goes. */
static void test_trace(void **state)
{
	static const char good[] = "traceparent: " TRACE CLIENT "-01\ntracestate: a=1";
	static const char *const bad[] = {"traceparent: 00-1-2-3\ntracestate: a=1",
	                                  "traceparent: tok_abc\ntracestate: a=1", "tracestate: a=1",
	                                  "traceparent: " TRACE CLIENT "-01\ntraceparent: " TRACE CLIENT
	                                  "-01\ntracestate: a=1"};
	char one[64], other[64], again[64], next[64];

	(void)state;
	traced(good, "svc", 7, one);
	traced(good, "forest", 7, other);
	traced(good, "svc", 7, again);
	traced(good, "svc", 8, next);
	assert_memory_equal(one, TRACE, sizeof TRACE - 1);
	assert_memory_equal(other, TRACE, sizeof TRACE - 1);
	assert_string_equal(one + 52, "-01");
	assert_string_equal(one, again);
	assert_string_not_equal(one, other);
	assert_string_not_equal(one, next);
	assert_null(strstr(one, CLIENT));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		traced(bad[i], "svc", 7, one);
		assert_string_equal(one, "");
	}
}

/* Whatever stands in the copy, a mask rule that tokenises it included. */
static void test_no_credential_of_a_client(void **state)
{
	static const char *const names[] = {
	        "authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key",
	        "x-auth-token",  "understudy-shadow",   "host"};
	char head[128];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(head, sizeof head, "POST /\n%s: tok_abc\nx: 1", names[i]);
		check(head, "", "",
		      "POST / HTTP/1.1\r\nHost: 127.0.0.1:9002\r\nx: 1\r\n" MARK "Content-Length: 0\r\n\r\n");
	}
}

static void test_credential(void **state)
{
	(void)state;
	check("POST /\nauthorization: Bearer client", "", "Bearer ours\n",
	      "POST / HTTP/1.1\r\nHost: 127.0.0.1:9002\r\nauthorization: Bearer ours\r\n" MARK
	      "Content-Length: 0\r\n\r\n");
	strcpy(candidate->credential_header, "x-key");
	check("POST /\nauthorization: Bearer client\nx-key: client", "", "ours",
	      "POST / HTTP/1.1\r\nHost: 127.0.0.1:9002\r\nx-key: ours\r\n" MARK "Content-Length: 0\r\n\r\n");
}

static void test_credential_refused(void **state)
{
	struct request_to to;

	(void)state;
	assert_int_equal(request_to_init(&to, candidate, 1, SPAN("a\r\nx: y")), ERR_CONFIG);
	strcpy(candidate->credential_file, "f");
	assert_int_equal(request_to_init(&to, candidate, 1, SPAN(" \n")), ERR_CONFIG);
}

static void path_rule(const char *from, const char *to)
{
	struct plan_path *p = &candidate->rewrite.paths[candidate->rewrite.path_count++];

	strcpy(p->from, from);
	strcpy(p->to, to);
}

static void check_target(const char *target, const char *want)
{
	char head[128], all[256];

	snprintf(head, sizeof head, "GET %s", target);
	snprintf(all, sizeof all,
	         "GET %s HTTP/1.1\r\nHost: 127.0.0.1:9002\r\n" MARK "Content-Length: 0\r\n\r\n", want);
	check(head, "", "", all);
}

static void test_path(void **state)
{
	(void)state;
	path_rule("/v2/models/a", "/v2/models/b");
	path_rule("/v2/", "/x/");
	check_target("/v2/models/a", "/v2/models/b");
	check_target("/v2/models/a/infer?k=1", "/v2/models/b/infer?k=1");
	check_target("/v2/models/a?k=1", "/v2/models/b?k=1");
	check_target("/v2/models/ab", "/x/models/ab");
	check_target("/v2", "/v2");
	check_target("/", "/");
}

static void test_host(void **state)
{
	(void)state;
	strcpy(candidate->rewrite.host, "models.test");
	check("GET /\nhost: client.test", "", "",
	      "GET / HTTP/1.1\r\nHost: models.test\r\n" MARK "Content-Length: 0\r\n\r\n");
	candidate->rewrite.host[0] = '\0';
	candidate->rewrite.keep_host = true;
	check("GET /\nhost: client.test", "", "",
	      "GET / HTTP/1.1\r\nHost: client.test\r\n" MARK "Content-Length: 0\r\n\r\n");
	check("GET /", "", "", "GET / HTTP/1.1\r\nHost: 127.0.0.1:9002\r\n" MARK "Content-Length: 0\r\n\r\n");
}

static void test_headers(void **state)
{
	struct plan_header_edits *e = &candidate->rewrite.headers;

	(void)state;
	e->count = 2;
	e->edits[0] = (struct plan_header_edit){.name = "x-a", .value = "new"};
	e->edits[1] = (struct plan_header_edit){.name = "x-b", .remove = true};
	check("GET /\nx-a: old\nx-b: 1\nx-c: 2", "", "",
	      "GET / HTTP/1.1\r\nHost: 127.0.0.1:9002\r\nx-c: 2\r\nx-a: new\r\n" MARK
	      "Content-Length: 0\r\n\r\n");
}

static void test_body(void **state)
{
	static const char head[] = "POST /\nx: 1", gz[] = "POST /\ncontent-encoding: gzip";
#define BEGIN "POST / HTTP/1.1\r\nHost: 127.0.0.1:9002\r\n"

	(void)state;
	candidate->rewrite.body_count = 1;
	strcpy(candidate->rewrite.body[0].path, "$.model");
	strcpy(candidate->rewrite.body[0].value, "\"larger\"");
	check(head, "{\"model\":\"m\",\"n\":1.50}", "",
	      BEGIN "x: 1\r\n" MARK "Content-Length: 27\r\n\r\n{\"model\":\"larger\",\"n\":1.50}");
	check(head, "{\"n\":1}", "", BEGIN "x: 1\r\n" MARK "Content-Length: 7\r\n\r\n{\"n\":1}");
	check(head, "{\"model\":\"m\"", "",
	      BEGIN "x: 1\r\n" MARK "Content-Length: 12\r\n\r\n{\"model\":\"m\"");
	check(gz, "{\"model\":\"m\"}", "",
	      BEGIN "content-encoding: gzip\r\n" MARK "Content-Length: 13\r\n\r\n{\"model\":\"m\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_plain, fresh),
	        cmocka_unit_test_setup(test_trace, fresh),
	        cmocka_unit_test_setup(test_none, fresh),
	        cmocka_unit_test_setup(test_no_credential_of_a_client, fresh),
	        cmocka_unit_test_setup(test_credential, fresh),
	        cmocka_unit_test_setup(test_credential_refused, fresh),
	        cmocka_unit_test_setup(test_path, fresh),
	        cmocka_unit_test_setup(test_host, fresh),
	        cmocka_unit_test_setup(test_headers, fresh),
	        cmocka_unit_test_setup(test_body, fresh),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(candidate);
	return failed;
}
