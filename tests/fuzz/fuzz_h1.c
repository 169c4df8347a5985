/*
 * fuzz_h1.c - any bytes: whole and byte by byte must end alike. The first byte picks the kind.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/h1.h"

struct outcome {
	uint64_t events, body_hash;
	const char *rule;
	int eof;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char head[H1_HEAD_MAX];

static void feed(struct h1_parser *p, struct span in, struct outcome *o)
{
	enum h1_event event = H1_HEAD;
	struct span body;

	while (o->rule == NULL && event != H1_NEED_MORE) {
		long n = h1_feed(p, in, &event, &body);
		if (n < 0) {
			o->rule = p->reject_rule;
			return;
		}
		if ((size_t)n > in.len)
			abort();
		in.data += n;
		in.len -= (size_t)n;
		for (size_t i = 0; i < body.len; i++)
			o->body_hash = o->body_hash * 31 + (unsigned char)body.data[i] + 1;
		if (event != H1_DATA && event != H1_NEED_MORE)
			o->events = o->events * 7 + (uint64_t)event;
		if (event == H1_DONE)
			h1_next(p);
	}
}

static struct outcome run(struct span in, enum h1_kind kind, size_t step)
{
	struct h1_parser p;
	struct outcome o = {0};

	h1_init(&p, kind, head, sizeof(head));
	for (size_t at = 0; at < in.len; at += step)
		feed(&p, (struct span){in.data + at, in.len - at < step ? in.len - at : step}, &o);
	o.eof = h1_eof(&p);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct span in = {(const char *)data + 1, size - 1};
	enum h1_kind kind = data[0] == 'R' ? H1_RESPONSE : H1_REQUEST;
	struct outcome whole = run(in, kind, in.len), bytes = run(in, kind, 1);

	if (whole.events != bytes.events || whole.body_hash != bytes.body_hash || whole.rule != bytes.rule ||
	    whole.eof != bytes.eof)
		abort();
	return 0;
}
