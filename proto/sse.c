#include "proto/sse.h"

void sse_init(struct sse_reader *r, struct span stream, size_t limit_bytes)
{
	struct span mark = SPAN("\xef\xbb\xbf");

	if (span_starts(stream, mark))
		stream = (struct span){stream.data + mark.len, stream.len - mark.len};
	r->left = stream;
	buf_init(&r->joined, limit_bytes);
}

void sse_fini(struct sse_reader *r)
{
	buf_fini(&r->joined);
}

/* One line without its end; false: none is left that has an end. */
static bool take_line(struct span *left, struct span *out)
{
	size_t n = 0;

	while (n < left->len && left->data[n] != '\n' && left->data[n] != '\r')
		n++;
	if (n == left->len)
		return false;
	*out = (struct span){left->data, n};
	n += left->data[n] == '\r' && n + 1 < left->len && left->data[n + 1] == '\n' ? 2 : 1;
	*left = (struct span){left->data + n, left->len - n};
	return true;
}

/* "field: value" with at most one blank behind the colon. */
static void split_line(struct span line, struct span *field, struct span *value)
{
	const char *colon = memchr(line.data, ':', line.len);
	size_t at = colon ? (size_t)(colon - line.data) : line.len, skip = colon ? at + 1 : at;

	skip += skip < line.len && line.data[skip] == ' ';
	*field = (struct span){line.data, at};
	*value = (struct span){line.data + skip, line.len - skip};
}

static int add_data(struct sse_reader *r, struct sse_event *e, struct span value, unsigned fields)
{
	if (fields == 0) {
		e->data = value;
		return 0;
	}
	if (fields == 1)
		buf_span_put(&r->joined, e->data);
	buf_puts(&r->joined, "\n");
	buf_span_put(&r->joined, value);
	e->data = buf_span(&r->joined);
	return r->joined.err;
}

int sse_next(struct sse_reader *r, struct sse_event *out)
{
	struct span line, field, value;
	unsigned fields = 0;
	int err = 0;

	*out = (struct sse_event){SPAN(""), SPAN("")};
	buf_reset(&r->joined);
	while (!err && take_line(&r->left, &line)) {
		split_line(line, &field, &value);
		if (!line.len && out->data.len)
			return 1;
		if (!line.len) {
			*out = (struct sse_event){SPAN(""), SPAN("")};
			fields = 0;
		} else if (span_eq(field, SPAN("event"))) {
			out->name = value;
		} else if (span_eq(field, SPAN("data"))) {
			err = add_data(r, out, value, fields++);
		}
	}
	return err;
}
