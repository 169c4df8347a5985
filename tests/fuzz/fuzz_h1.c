/*
 * fuzz_h1.c - any bytes: whole, byte by byte and in pieces must tell the same message; a head that was
 * accepted and written anew must be the same message again. The first byte picks the kind.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/h1.h"

struct outcome {
	uint64_t hash;
	const char *rule;
	int eof;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char head[H1_HEAD_MAX], head_again[H1_HEAD_MAX];
static struct buf written;

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void mix(struct outcome *o, uint64_t n)
{
	o->hash = (o->hash ^ n) * 0x9e3779b97f4a7c15u;
	o->hash ^= o->hash >> 29;
}

static void mix_bytes(struct outcome *o, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		mix(o, (unsigned char)s.data[i]);
}

static void mix_span(struct outcome *o, struct span s)
{
	mix(o, s.data == NULL ? UINT64_MAX : s.len);
	mix_bytes(o, s);
}

static void mix_fields(struct outcome *o, const struct http_message *m)
{
	mix(o, m->field_count);
	for (size_t i = 0; i < m->field_count; i++) {
		const struct http_field *f = &m->fields[i];

		mix_span(o, f->name);
		mix_span(o, f->value);
		mix(o, (uint64_t)f->id << 1 | f->hop);
		must(http_hop_by_hop(m, f->name) == f->hop);
	}
	for (unsigned i = 0; i < HTTP_NAME_COUNT; i++)
		mix(o, m->known[i]);
}

static void mix_head(struct outcome *o, const struct http_message *m)
{
	mix_span(o, m->method);
	mix_span(o, m->target);
	mix_span(o, m->host);
	mix_span(o, m->reason);
	mix_span(o, m->upgrade_protocol);
	mix(o, (uint64_t)m->status << 32 | (uint64_t)m->minor << 16 | (uint64_t)m->framing << 8 | m->scheme);
	mix(o, m->content_length);
	mix(o, (uint64_t)m->keep_alive << 3 | m->upgrade << 2 | m->expect_continue << 1 | m->te_trailers);
	mix_fields(o, m);
}

static size_t next_forwarded(const struct http_message *m, size_t i)
{
	while (i < m->field_count && m->fields[i].hop)
		i++;
	return i;
}

static void same_fields(const struct http_message *a, const struct http_message *b)
{
	size_t i = next_forwarded(a, 0), j = next_forwarded(b, 0);

	for (; i < a->field_count && j < b->field_count;
	     i = next_forwarded(a, i + 1), j = next_forwarded(b, j + 1))
		must(span_eq(a->fields[i].name, b->fields[j].name) &&
		     span_eq(a->fields[i].value, b->fields[j].value));
	must(i == a->field_count && j == b->field_count);
}

static void write_and_parse_again(const struct http_message *m, enum h1_kind kind)
{
	static struct h1_parser again;
	enum h1_event event;
	struct span body;

	if (kind == H1_REQUEST && m->host.data == NULL)
		return;
	buf_reset(&written);
	written.limit_bytes = 1 << 20;
	if (kind == H1_REQUEST)
		h1_write_request(&written, m->method, m->target, m->host);
	else
		h1_write_status(&written, m->status);
	h1_write_forward(&written, m);
	h1_write_end(&written, m->framing, m->content_length);
	must(written.err == 0);
	h1_init(&again, kind, head_again, sizeof(head_again));
	/* what we write is longer than what we read by a field at most */
	long n = h1_feed(&again, buf_span(&written), &event, &body);
	if (n == ERR_LIMIT)
		return;
	must((size_t)n == buf_len(&written) && event == H1_HEAD);
	must(span_eq(again.message.method, m->method) && span_eq(again.message.target, m->target) &&
	     span_eq(again.message.host, m->host));
	must(again.message.status == m->status && again.message.framing == m->framing &&
	     (m->framing != HTTP_LENGTH || again.message.content_length == m->content_length));
	same_fields(m, &again.message);
}

static void take_event(struct h1_parser *p, enum h1_event event, struct outcome *o, bool whole)
{
	if (event != H1_DATA && event != H1_NEED_MORE)
		mix(o, 1000 + (uint64_t)event);
	if (event == H1_HEAD) {
		mix_head(o, &p->message);
		if (whole)
			write_and_parse_again(&p->message, p->kind);
		if (p->in_place)
			h1_keep(p);
	} else if (event == H1_TRAILERS) {
		mix_fields(o, &p->message);
		if (p->in_place)
			h1_keep(p);
	} else if (event == H1_DONE) {
		mix_head(o, &p->message);
		h1_next(p);
	}
}

static void feed(struct h1_parser *p, struct span in, struct outcome *o, bool whole)
{
	enum h1_event event = H1_HEAD;
	struct span body;

	while (o->rule == NULL && event != H1_NEED_MORE) {
		long n = h1_feed(p, in, &event, &body);
		if (n < 0) {
			o->rule = p->reject_rule;
			must(p->reject != H1_RULE_none && p->reject_status >= 400);
			return;
		}
		must((size_t)n <= in.len);
		in.data += n;
		in.len -= (size_t)n;
		mix_bytes(o, body);
		take_event(p, event, o, whole);
	}
	must(o->rule != NULL || in.len == 0);
}

/* Each piece lives in its own block only while it is fed: a span kept too long is seen. */
static struct outcome run(struct span in, enum h1_kind kind, size_t step)
{
	static struct h1_parser p;
	struct outcome o = {.hash = 1};

	h1_init(&p, kind, head, sizeof(head));
	p.in_place = step % 2;
	for (size_t at = 0; at < in.len; at += step) {
		size_t len = in.len - at < step ? in.len - at : step;
		char *piece = malloc(len);

		if (piece == NULL)
			abort();
		memcpy(piece, in.data + at, len);
		feed(&p, (struct span){piece, len}, &o, step == in.len);
		free(piece);
	}
	o.eof = h1_eof(&p);
	return o;
}

static void same(struct outcome a, struct outcome b)
{
	must(a.hash == b.hash && a.rule == b.rule && a.eof == b.eof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct span in = {(const char *)data + 1, size - 1};
	enum h1_kind kind = data[0] == 'R' ? H1_RESPONSE : H1_REQUEST;
	struct outcome whole = run(in, kind, in.len);

	same(whole, run(in, kind, 1));
	same(whole, run(in, kind, 2 + size % 31));
	return 0;
}
