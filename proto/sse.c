#include "proto/sse.h"

void sse_init(struct sse_reader *r, struct span stream, size_t limit_bytes)
{
	if (span_starts(stream, SSE_MARK))
		stream = (struct span){stream.data + SSE_MARK.len, stream.len - SSE_MARK.len};
	r->left = stream;
	buf_init(&r->joined, limit_bytes);
}

void sse_fini(struct sse_reader *r)
{
	buf_fini(&r->joined);
}

bool sse_line(struct span *left, struct sse_line *out)
{
	size_t n = 0, end = 0, colon = 0, value;

	if (!left->len)
		return false;
	while (n < left->len && left->data[n] != '\n' && left->data[n] != '\r')
		n++;
	if (n < left->len)
		end = left->data[n] == '\r' && n + 1 < left->len && left->data[n + 1] == '\n' ? 2 : 1;
	while (colon < n && left->data[colon] != ':')
		colon++;
	value = colon < n ? colon + 1 : n;
	*out = (struct sse_line){.text = {left->data, n},
	                         .end = {left->data + n, end},
	                         .name = {left->data, colon},
	                         .blank = value < n && left->data[value] == ' '};
	value += out->blank;
	out->value = (struct span){left->data + value, n - value};
	*left = (struct span){left->data + n + end, left->len - n - end};
	return true;
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
	struct sse_line line;
	unsigned fields = 0;
	int err = 0;

	*out = (struct sse_event){SPAN(""), SPAN("")};
	buf_reset(&r->joined);
	while (!err && sse_line(&r->left, &line) && line.end.len) {
		if (!line.text.len && out->data.len)
			return 1;
		if (!line.text.len) {
			*out = (struct sse_event){SPAN(""), SPAN("")};
			fields = 0;
		} else if (span_eq(line.name, SPAN("event"))) {
			out->name = line.value;
		} else if (span_eq(line.name, SPAN("data"))) {
			err = add_data(r, out, line.value, fields++);
		}
	}
	return err;
}
