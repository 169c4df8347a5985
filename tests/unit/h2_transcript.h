/*
 * h2_transcript.h - an end of an HTTP/2 connection that writes down what it is told, and frames by hand.
 *
 * A transcript: H<framing>(method target host, or status; fields that travel) [data] T(trailers) E(nd)
 * C<code>(losed) R(room) G(oaway) !<rule> when something is refused or broken; each with its stream.
 */
#ifndef TESTS_UNIT_H2_TRANSCRIPT_H
#define TESTS_UNIT_H2_TRANSCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/h2.h"

enum { ALL = 1 << 24 };

struct end {
	struct h2 *h2;
	struct buf text;
	struct buf out;
	struct span body;  /* of every answer */
	bool answers;      /* 200 with `body` and a trailer, when a request ends */
	bool hoards;       /* does not consume */
	enum h2_rule rule; /* the last that was broken */
	unsigned broken;
	uint32_t data_of; /* the last data that was told, and where it ended */
	size_t data_end;
};

static void put_fields(struct buf *b, const struct http_message *m)
{
	for (size_t i = 0; i < m->field_count; i++)
		buf_printf(b, " %s%.*s=%.*s", m->fields[i].hop ? "-" : "", (int)m->fields[i].name.len,
		           m->fields[i].name.data, (int)m->fields[i].value.len, m->fields[i].value.data);
}

static void end_head(void *owner, struct h2_stream *s, const struct http_message *m)
{
	struct end *e = owner;

	buf_printf(&e->text, "%u:H%d(", s->id, m->framing);
	if (m->status)
		buf_printf(&e->text, "%u", m->status);
	else
		buf_printf(&e->text, "%.*s %.*s %.*s", (int)m->method.len, m->method.data, (int)m->target.len,
		           m->target.data, (int)m->host.len, m->host.data);
	put_fields(&e->text, m);
	buf_puts(&e->text, ") ");
}

static void end_refuse(void *owner, struct h2_stream *s, const struct http_message *m, enum h2_rule rule)
{
	struct end *e = owner;
	struct h2_fields none = {.count = 0};

	(void)m;
	e->rule = rule;
	buf_printf(&e->text, "%u:!%s ", s->id, h2_rule_name(rule));
	h2_respond(s, h2_rule_status(rule), &none, true);
}

static void end_data(void *owner, struct h2_stream *s, struct span bytes)
{
	struct end *e = owner;

	if (e->data_of == s->id && e->data_end == e->text.tail)
		e->text.tail -= 2; /* the pieces of a body are one */
	else
		buf_printf(&e->text, "%u:[", s->id);
	buf_span_put(&e->text, bytes);
	buf_puts(&e->text, "] ");
	e->data_of = s->id;
	e->data_end = e->text.tail;
	if (!e->hoards)
		h2_consumed(s, bytes.len);
}

static void end_trailers(void *owner, struct h2_stream *s, const struct http_message *m)
{
	struct end *e = owner;

	buf_printf(&e->text, "%u:T(", s->id);
	put_fields(&e->text, m);
	buf_puts(&e->text, ") ");
}

static void end_end(void *owner, struct h2_stream *s)
{
	struct end *e = owner;
	struct h2_fields fields = {.count = 0}, trailers = {.count = 0};

	buf_printf(&e->text, "%u:E ", s->id);
	if (!e->answers)
		return;
	h2_put(&fields, SPAN("Server"), SPAN("t"));
	h2_put(&trailers, SPAN("x-sum"), SPAN("1"));
	h2_respond(s, 103, &fields, false);
	h2_respond(s, 200, &fields, false);
	h2_data(s, e->body);
	h2_trailers(s, &trailers);
	h2_end(s);
}

static void end_closed(void *owner, struct h2_stream *s, uint32_t code)
{
	struct end *e = owner;

	buf_printf(&e->text, "%u:C%u ", s->id, code);
}

static void end_broken(void *owner, enum h2_rule rule)
{
	struct end *e = owner;

	e->broken++;
	e->rule = rule;
}

static void end_room(void *owner, struct h2_stream *s)
{
	struct end *e = owner;

	buf_printf(&e->text, "%u:R ", s->id);
}

static void end_goaway(void *owner, uint32_t last, uint32_t code)
{
	struct end *e = owner;

	buf_printf(&e->text, "G%u(%u) ", code, last);
}

static const struct h2_ops end_ops = {end_head,   end_refuse, end_data, end_trailers, end_end,
                                      end_closed, end_broken, end_room, end_goaway};

static void end_init(struct end *e, enum h2_side side, const struct h2_limits *limits)
{
	*e = (struct end){.answers = side == H2_SERVER, .body = SPAN("hello")};
	buf_init(&e->text, 16 << 20);
	buf_init(&e->out, 16 << 20);
	e->h2 = h2_new(side, limits, &end_ops, e);
	assert_non_null(e->h2);
}

static void end_fini(struct end *e)
{
	h2_free(&e->h2);
	buf_fini(&e->text);
	buf_fini(&e->out);
}

static inline const char *end_text(struct end *e)
{
	buf_put(&e->text, "", 1);
	e->text.tail--;
	return buf_span(&e->text).data;
}

/* Both talk until neither has anything to say; `step` bytes at a time. */
static inline void converse(struct end *a, struct end *b, size_t step)
{
	struct end *ends[2] = {a, b};

	for (unsigned idle = 0, i = 0; idle < 2; i ^= 1) {
		struct end *from = ends[i], *to = ends[i ^ 1];
		struct span bytes;

		(void)!h2_drain(from->h2, &from->out, ALL);
		bytes = buf_span(&from->out);
		idle = bytes.len ? 0 : idle + 1;
		for (size_t at = 0; at < bytes.len; at += step)
			if (h2_feed(to->h2,
			            (struct span){bytes.data + at,
			                          bytes.len - at < step ? bytes.len - at : step},
			            1))
				break;
		buf_reset(&from->out);
	}
}

/* Frames by hand (RFC 9113 4.1). */
static inline void put_frame_head(struct buf *b, size_t len, unsigned type, unsigned flags, uint32_t id)
{
	const unsigned char head[9] = {
	        (unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len,
	        (unsigned char)type,        (unsigned char)flags,      (unsigned char)(id >> 24),
	        (unsigned char)(id >> 16),  (unsigned char)(id >> 8),  (unsigned char)id};

	buf_put(b, head, sizeof head);
}

static inline void put_frame(struct buf *b, unsigned type, unsigned flags, uint32_t id, struct span payload)
{
	put_frame_head(b, payload.len, type, flags, id);
	buf_span_put(b, payload);
}

/* A literal field without indexing and Huffman code; lengths below 16383 (RFC 7541 6.2.2). */
static inline void put_string(struct buf *b, struct span s)
{
	unsigned char head[3] = {(unsigned char)s.len};

	if (s.len < 127) {
		buf_put(b, head, 1);
	} else {
		head[0] = 127;
		head[1] = (unsigned char)(((s.len - 127) & 127) | 128);
		head[2] = (unsigned char)((s.len - 127) >> 7);
		buf_put(b, head, 3);
	}
	buf_span_put(b, s);
}

static inline void put_literal(struct buf *b, struct span name, struct span value)
{
	buf_put(b, "\0", 1);
	put_string(b, name);
	put_string(b, value);
}

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static inline void put_preface(struct buf *b)
{
	buf_puts(b, PREFACE);
	put_frame(b, 4, 0, 0, SPAN(""));
}

#endif
