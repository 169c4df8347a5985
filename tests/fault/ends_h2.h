/*
 * ends_h2.h - an end that speaks HTTP/2: a live server, which answers each request by its number, or a
 * client, which asks REQUESTS of them at once on streams 1, 3, 5. Both know every byte that may come.
 */
#ifndef TESTS_FAULT_ENDS_H2_H
#define TESTS_FAULT_ENDS_H2_H

#include <stdio.h>

#include "proto/base/clock.h"
#include "tests/fault/ends.h"

static size_t request_bytes(unsigned which)
{
	return which == 1 ? 0 : REQUEST_BYTES;
}

static void put_numbered(struct h2_fields *f, const char *number, const char *length)
{
	*f = (struct h2_fields){.count = 0};
	h2_put(f, SPAN("x-number"), span_of(number));
	h2_put(f, SPAN("content-length"), span_of(length));
}

static void h2_body(struct h2_stream *s, unsigned which, size_t n)
{
	struct buf body;

	buf_init(&body, ANSWER_BYTES);
	if (n)
		put_body(&body, which, n);
	h2_data(s, buf_span(&body));
	h2_end(s);
	buf_fini(&body);
}

/* The stream's body goes on as that of this number does. */
static void h2_check(struct end *e, struct h2_stream *s, unsigned which, struct span bytes)
{
	unsigned *got = &e->streams[s->id / 2].got;

	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.data[i] != letter(which, *got + i))
			fail_msg("stream %u: message %u differs at byte %zu", s->id, which, *got + i);
	*got += (unsigned)bytes.len;
	h2_consumed(s, bytes.len);
}

static void on_head(void *owner, struct h2_stream *s, const struct http_message *m)
{
	struct end *e = owner;
	struct span number = http_field(m, SPAN("x-number"));

	assert_true(s->id < 128 && number.len == 1);
	e->streams[s->id / 2].number = (unsigned)(number.data[0] - '0');
	e->streams[s->id / 2].got = 0;
}

static void on_data(void *owner, struct h2_stream *s, struct span bytes)
{
	struct end *e = owner;

	h2_check(e, s, e->streams[s->id / 2].number, bytes);
}

static void on_end(void *owner, struct h2_stream *s)
{
	struct end *e = owner;
	unsigned which = e->streams[s->id / 2].number;
	char number[2] = {(char)('0' + which), 0}, length[16];
	struct h2_fields fields;

	assert_int_equal(e->streams[s->id / 2].got, request_bytes(which));
	snprintf(length, sizeof length, "%d", ANSWER_BYTES);
	put_numbered(&fields, number, length);
	h2_respond(s, 200, &fields, false);
	h2_body(s, ANSWERS + which, ANSWER_BYTES);
}

static void on_closed(void *owner, struct h2_stream *s, uint32_t code)
{
	(void)owner, (void)s, (void)code;
}

static void on_refuse(void *owner, struct h2_stream *s, const struct http_message *m, enum h2_rule rule)
{
	(void)owner, (void)s, (void)m;
	fail_msg("live refuses: %s", h2_rule_text(rule));
}

static void on_broken(void *owner, enum h2_rule rule)
{
	(void)owner, (void)rule; /* a stream that is cancelled while it is answered */
}

static void on_room(void *owner, struct h2_stream *s)
{
	(void)owner, (void)s;
}

static const struct h2_ops live_ops_h2 = {on_head,   on_refuse, on_data, on_head, on_end,
                                          on_closed, on_broken, on_room, NULL};

/* The client. An answer is live's, right and whole, or says itself that it is none of live's. */

static void heard_head(void *owner, struct h2_stream *s, const struct http_message *m)
{
	struct end *e = owner;

	assert_true(s->id / 2 < REQUESTS);
	e->streams[s->id / 2].status = m->status;
	if (m->status != 200) {
		assert_true(m->status >= 500 || m->status == 408);
		return;
	}
	on_head(owner, s, m);
	assert_int_equal(e->streams[s->id / 2].number, s->id / 2);
}

static void heard_data(void *owner, struct h2_stream *s, struct span bytes)
{
	struct end *e = owner;

	if (e->streams[s->id / 2].status == 200)
		h2_check(e, s, ANSWERS + s->id / 2, bytes);
	else
		h2_consumed(s, bytes.len);
}

static void heard_trailers(void *owner, struct h2_stream *s, const struct http_message *m)
{
	(void)owner, (void)m;
	fail_msg("trailers on stream %u", s->id);
}

static void heard_end(void *owner, struct h2_stream *s)
{
	struct end *e = owner;

	e->streams[s->id / 2].whole = true;
	if (e->streams[s->id / 2].status == 200)
		assert_int_equal(e->streams[s->id / 2].got, ANSWER_BYTES);
}

static void heard_closed(void *owner, struct h2_stream *s, uint32_t code)
{
	struct end *e = owner;

	e->streams[s->id / 2].closed = true;
	if (code == H2_NO_ERROR)
		assert_true(e->streams[s->id / 2].whole);
}

static void heard_broken(void *owner, enum h2_rule rule)
{
	(void)owner;
	fail_msg("a client is told what breaks a rule: %s", h2_rule_text(rule));
}

static const struct h2_ops client_ops_h2 = {heard_head,     on_refuse, heard_data,
                                            heard_trailers, heard_end, heard_closed,
                                            heard_broken,   on_room,   NULL};

static void h2_ask(struct end *e)
{
	e->h2 = h2_new(H2_CLIENT, &(struct h2_limits){.window = 20000}, &client_ops_h2, e);
	assert_non_null(e->h2);
	for (unsigned i = 0; i < REQUESTS; i++) {
		char number[2] = {(char)('0' + i), 0}, length[16];
		struct h2_fields fields;
		struct h2_stream *s;

		snprintf(length, sizeof length, "%zu", request_bytes(i));
		put_numbered(&fields, number, length);
		s = h2_request(e->h2,
		               &(struct h2_request){.method = SPAN("POST"),
		                                    .scheme = e->tls ? SPAN("https") : SPAN("http"),
		                                    .authority = SPAN("a"),
		                                    .path = SPAN("/x"),
		                                    .fields = &fields},
		               NULL);
		assert_non_null(s);
		h2_body(s, i, request_bytes(i));
	}
}

/* The right answers that it had; nobody may be left waiting. */
static unsigned h2_judge(const struct end *e)
{
	unsigned good = 0;

	for (unsigned i = 0; i < REQUESTS; i++) {
		good += e->streams[i].whole && e->streams[i].status == 200;
		assert_true(e->streams[i].closed || e->over);
	}
	return good;
}

static bool h2_move(struct end *e)
{
	bool moved = end_move(e);

	if (e->fd == -1)
		return moved;
	if (!e->h2)
		e->h2 = h2_new(H2_SERVER, &(struct h2_limits){0}, &live_ops_h2, e);
	assert_non_null(e->h2);
	if (buf_len(&e->in))
		assert_int_equal(h2_feed(e->h2, buf_span(&e->in), clock_mono_ns()), 0);
	buf_consume(&e->in, buf_len(&e->in));
	assert_int_equal(h2_drain(e->h2, &e->out, SIZE_MAX), 0);
	return end_move(e) || moved;
}

#endif
