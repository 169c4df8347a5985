/* Entries of a HAR as exchanges: heads, bodies, times; what is refused; every cut of it is refused whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "capture/har.h"

#define REQUEST(url) "\"request\":{\"method\":\"POST\",\"url\":\"" url "\""
static const char file[] =
        "{\"log\": {\"version\": \"1.2\", \"entries\": ["
        "{\"startedDateTime\":\"2026-11-23T10:00:00.250+01:00\",\"time\":12.5," REQUEST(
                "https://h:1/a?b=c#d") ","
                                       "\"headers\":[{\"name\":\":method\",\"value\":\"POST\"},{\"name\":\"X-"
                                       "A\",\"value\":\"1\"},"
                                       "{\"name\":\"Host\",\"value\":\"h\"},{\"name\":\"X-B\",\"value\":"
                                       "\"a\\nb\"}],"
                                       "\"postData\":{\"text\":\"{\\\"n\\\":1}\"}},"
                                       "\"response\":{\"status\":200,\"headers\":[{\"name\":\"content-"
                                       "encoding\",\"value\":\"gzip\"}],"
                                       "\"content\":{\"text\":\"aGk=\",\"encoding\":\"base64\"}}},"
                                       "{" REQUEST(
                                               "http://h") "},\"response\":{\"status\":0}},"
                                                           "{" REQUEST(
                                                                   "http://h/a b") "}},7,"
                                                                                   "{\"request\":{\"method\":"
                                                                                   "\"GET\",\"url\":\"/"
                                                                                   "x\"},\"response\":{"
                                                                                   "\"status\":404,"
                                                                                   "\"content\":{\"text\":"
                                                                                   "\"no\"}}}"
                                                                                   "]}}";
static const char want[] = "1: POST /a?b=c\nx-a: 1|{\"n\":1} -> 200|hi at 1795424400250000000 took 12500000\n"
                           "2: POST /| -> none\n"
                           "3: its request has no good method or url\n"
                           "4: it is no object\n"
                           "5: GET /x| -> 404|no at 0 took 0\n";

static void put(struct buf *b, const struct buf *head, const struct buf *body)
{
	buf_span_put(b, buf_span(head));
	buf_puts(b, "|");
	buf_span_put(b, buf_span(body));
}

static void tell(struct buf *b, const struct har *h)
{
	buf_printf(b, "%llu: ", (unsigned long long)h->number);
	if (h->why) {
		buf_printf(b, "%s\n", h->why);
		return;
	}
	put(b, &h->request_head, &h->request_body);
	buf_puts(b, " -> ");
	if (!h->answered) {
		buf_puts(b, "none\n");
		return;
	}
	put(b, &h->answer_head, &h->answer_body);
	buf_printf(b, " at %llu took %llu\n", (unsigned long long)h->at_ns, (unsigned long long)h->took_ns);
}

static void test_entries(void **state)
{
	struct har h;
	struct buf b;
	int rc;

	(void)state;
	buf_init(&b, 1 << 16);
	assert_true(har_is(((struct span){file, sizeof file - 1})));
	assert_int_equal(har_init(&h, ((struct span){file, sizeof file - 1})), 0);
	while ((rc = har_next(&h)) != 0)
		tell(&b, &h);
	har_fini(&h);
	buf_put(&b, "", 1);
	assert_string_equal(b.base, want);
	buf_fini(&b);
}

static void test_every_cut(void **state)
{
	struct har h;

	(void)state;
	for (size_t n = 0; n < sizeof file - 1; n++) {
		assert_true(har_init(&h, (struct span){file, n}) < 0);
		har_fini(&h);
	}
	assert_int_equal(har_init(&h, SPAN("{\"log\":{\"entries\":{}}}")), ERR_PROTO);
	har_fini(&h);
	assert_false(har_is(SPAN("{\"log\": \"a line\"}")));
	assert_false(har_is(SPAN("{\"messages\": {\"log\": {}}}")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_entries), cmocka_unit_test(test_every_cut)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
