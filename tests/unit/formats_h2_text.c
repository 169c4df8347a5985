/* What h1_write_*() wrote, read back as a request of HTTP/2; cut anywhere it is a beginning of the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "proto/h1.h"
#include "proto/h2_text.h"

static void put(struct buf *b, enum http_framing framing, uint64_t length)
{
	buf_init(b, 4096);
	h1_write_request(b, SPAN("POST"), SPAN("/a?b"), SPAN("host:1"));
	h1_write_field(b, SPAN("X-Mixed"), SPAN("v w"));
	h1_write_field(b, SPAN("te"), SPAN("trailers"));
	h1_write_field(b, SPAN("x-empty"), SPAN(""));
	h1_write_field(b, SPAN("Connection"), SPAN("close"));
	h1_write_end(b, framing, length);
	assert_int_equal(b->err, 0);
}

static bool has(const struct h2_fields *f, struct span name, struct span value)
{
	unsigned n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += span_eq(f->list[i].name, name) && span_eq(f->list[i].value, value);
	return n == 1;
}

static void opens(struct h2_text *t, struct buf *b, struct h2_request *r, struct h2_fields *f)
{
	assert_true(h2_text_open(t, buf_span(b), r, f));
	assert_true(span_eq(r->method, SPAN("POST")) && span_eq(r->path, SPAN("/a?b")));
	assert_true(span_eq(r->authority, SPAN("host:1")) && r->fields == f);
	assert_true(has(f, SPAN("X-Mixed"), SPAN("v w")) && has(f, SPAN("te"), SPAN("trailers")));
	assert_true(has(f, SPAN("x-empty"), SPAN("")) && !f->overflow);
}

static void bodies_of_known_length(void **state)
{
	struct h2_fields f;
	struct h2_request r;
	struct h2_text t;
	struct buf b;

	(void)state;
	put(&b, HTTP_NO_BODY, 0);
	opens(&t, &b, &r, &f);
	assert_true(r.end && f.count == 3 && h2_text_data(&t).len == 0);
	buf_fini(&b);
	put(&b, HTTP_LENGTH, 0);
	opens(&t, &b, &r, &f);
	assert_true(r.end && has(&f, SPAN("Content-Length"), SPAN("0")));
	buf_fini(&b);
	put(&b, HTTP_LENGTH, 9);
	buf_puts(&b, "5\r\nxyz");
	opens(&t, &b, &r, &f);
	assert_true(!r.end && f.count == 4 && span_eq(h2_text_data(&t), SPAN("5\r\nxyz")));
	assert_int_equal(h2_text_data(&t).len, 0);
	h2_text_trailers(&t, &f);
	assert_int_equal(f.count, 0);
	buf_fini(&b);
}

static void put_chunked(struct buf *b)
{
	put(b, HTTP_CHUNKED, 0);
	h1_write_chunk_head(b, 3);
	buf_puts(b, "a\r\n\r\n");
	h1_write_chunk_head(b, 26);
	buf_puts(b, "abcdefghijklmnopqrstuvwxyz\r\n0\r\nx-end: 1\r\ny: 2\r\n\r\n");
}

static void chunks_and_trailers(void **state)
{
	struct h2_fields f;
	struct h2_request r;
	struct h2_text t;
	struct buf b;

	(void)state;
	put_chunked(&b);
	opens(&t, &b, &r, &f);
	assert_true(!r.end && f.count == 3);
	assert_true(span_eq(h2_text_data(&t), SPAN("a\r\n")));
	assert_true(span_eq(h2_text_data(&t), SPAN("abcdefghijklmnopqrstuvwxyz")));
	assert_int_equal(h2_text_data(&t).len, 0);
	h2_text_trailers(&t, &f);
	assert_true(f.count == 2 && has(&f, SPAN("x-end"), SPAN("1")) && has(&f, SPAN("y"), SPAN("2")));
	buf_fini(&b);
}

/* Whatever is missing, nothing beyond the text is touched (a sanitizer sees it), and what is told is a part
 * of what was written. */
static void cut_anywhere(void **state)
{
	struct h2_fields f;
	struct h2_request r;
	struct h2_text t;
	struct span piece;
	struct buf b;

	(void)state;
	put_chunked(&b);
	for (size_t n = 0; n < buf_len(&b); n++) {
		char *part = malloc(n + 1);
		size_t told = 0;

		memcpy(part, buf_span(&b).data, n);
		part = realloc(part, n ? n : 1);
		if (h2_text_open(&t, (struct span){part, n}, &r, &f)) {
			while ((piece = h2_text_data(&t)).len)
				told += piece.len;
			h2_text_trailers(&t, &f);
			assert_true(f.count <= 2);
		}
		assert_true(told <= n && (told == 0 || told == 3 || told == 29 || !t.chunked));
		free(part);
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bodies_of_known_length),
	        cmocka_unit_test(chunks_and_trailers),
	        cmocka_unit_test(cut_anywhere),
	};

	return cmocka_run_group_tests_name("requests read back", tests, NULL, NULL);
}
