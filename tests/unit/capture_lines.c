/* JSON lines and OpenAI batch lines: what is a request, what is refused, and that no cut matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "capture/lines.h"

static const char file[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\n"
        "\n"
        "  {\"prompt\": \"a\\nb\"}\r\n"
        "nonsense\n"
        "{\"custom_id\":\"1\",\"method\":\"POST\",\"url\":\"/v1/x?a=b\",\"body\":{\"n\": [1]}}\n"
        "{\"custom_id\":\"2\",\"method\":\"GET\",\"url\":\"/v1/models\"}\n"
        "{\"custom_id\":\"3\",\"method\":\"GET /\",\"url\":\"/\",\"body\":{}}\n"
        "{\"custom_id\":\"4\",\"method\":\"POST\",\"url\":\"http://x/\",\"body\":{}}\n"
        "{\"custom_id\":\"5\",\"method\":\"POST\",\"url\":\"/a\\r\\nb: c\",\"body\":{}}\n"
        "{\"custom_id\":\"6\",\"method\":\"POST\",\"url\":\"/\",\"body\":7}\n"
        "{\"n\": 1} {\"n\": 2}\n"
        "[1]\n"
        "{\"n\": 3}";
static const char want[] =
        "1 POST /v1/chat/completions {\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\n"
        "3 POST /v1/completions {\"prompt\": \"a\\nb\"}\n"
        "4: it is not a JSON object\n"
        "5 POST /v1/x?a=b {\"n\": [1]}\n"
        "6 GET /v1/models \n"
        "7: a batch line's method is not one\n"
        "8: a batch line's url is not a path\n"
        "9: a batch line's url is not a path\n"
        "10: a batch line's body is not an object\n"
        "11: it is not a JSON object\n"
        "12: it is not a JSON object\n"
        "13 POST  {\"n\": 3}\n";

static void tell(struct buf *b, int rc, const struct lines_request *q)
{
	if (rc == 1)
		buf_printf(b, "%llu %s %s %.*s\n", (unsigned long long)q->number, q->method, q->target,
		           (int)q->body.len, q->body.data);
	else if (rc)
		buf_printf(b, "%llu: %s\n", (unsigned long long)q->number, q->why);
}

static void feed(struct lines *l, struct span part, struct buf *b)
{
	struct lines_request q;

	while (part.len)
		tell(b, lines_next(l, &part, &q), &q);
}

static void read_cut(struct span text, size_t at, struct buf *b, struct lines *l)
{
	struct lines_request q;

	lines_init(l);
	buf_reset(b);
	feed(l, (struct span){text.data, at}, b);
	feed(l, (struct span){text.data + at, text.len - at}, b);
	tell(b, lines_end(l, &q), &q);
	assert_int_equal(lines_end(l, &q), 0);
	buf_put(b, "", 1);
}

static void test_every_split(void **state)
{
	struct lines l;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	for (size_t at = 0; at < sizeof file; at++) {
		read_cut((struct span){file, sizeof file - 1}, at, &b, &l);
		assert_string_equal(b.base, want);
		assert_int_equal(l.taken, 5);
		assert_int_equal(l.refused, 7);
		lines_fini(&l);
	}
	buf_fini(&b);
}

/* A line past the limit is refused by its number, with memory for the limit only; the next one is read. */
static void test_too_long(void **state)
{
	enum { PART = 64 << 10 };
	static char part[PART];
	struct lines l;
	struct buf b;

	(void)state;
	memset(part, ' ', sizeof part);
	buf_init(&b, 4096);
	lines_init(&l);
	feed(&l, SPAN("{\"n\":0}\n{\"n\":"), &b);
	for (int n = 0; n < 1000; n++)
		feed(&l, (struct span){part, sizeof part}, &b);
	assert_true(l.line.cap <= 2 * (size_t)LINES_BYTES_MAX);
	feed(&l, SPAN("1}\n{\"n\":2}\n"), &b);
	buf_put(&b, "", 1);
	assert_string_equal(b.base, "1 POST  {\"n\":0}\n2: it is longer than 4 MiB\n3 POST  {\"n\":2}\n");
	lines_fini(&l);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_split),
	                                   cmocka_unit_test(test_too_long)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
