/*
 * h1_transcript.h - feeds a parser in any pieces and writes down what it told, in a form that does not
 * depend on the pieces: "H<framing> ", "[body]", "T(name=value)" for trailers that may be forwarded and
 * "t(...)" for others, "D ", and "!status rule" at a failure.
 */
#ifndef TESTS_UNIT_H1_TRANSCRIPT_H
#define TESTS_UNIT_H1_TRANSCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/h1.h"

enum flags { REQ = 0, RESP = 1, TO_HEAD = 2, CLOSED = 4 };

struct test {
	struct span input;
	const char *want; /* the transcript: events, then "!status rule" */
	int flags;
};

#define GET     "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define OK_     "HTTP/1.1 200 OK\r\n"

/* A transcript that does not depend on how body bytes were cut. */
struct run {
	struct h1_parser parser;
	struct buf log;
	bool in_body, failed;
	int flags;
};

static char head_storage[H1_HEAD_MAX];

static inline void run_init(struct run *r, int flags)
{
	*r = (struct run){.flags = flags};
	buf_init(&r->log, 1 << 20);
	h1_init(&r->parser, flags & RESP ? H1_RESPONSE : H1_REQUEST, head_storage, sizeof(head_storage));
	r->parser.head_request = flags & TO_HEAD;
}

static void log_event(struct run *r, enum h1_event event, struct span body)
{
	const struct http_message *m = &r->parser.message;

	if (r->in_body && event != H1_DATA && event != H1_NEED_MORE) {
		buf_puts(&r->log, "]");
		r->in_body = false;
	}
	if (event == H1_HEAD)
		buf_printf(&r->log, "H%d ", (int)m->framing);
	if (event == H1_DATA && !r->in_body) {
		buf_puts(&r->log, "[");
		r->in_body = true;
	}
	buf_span_put(&r->log, body);
	if (event == H1_TRAILERS)
		for (size_t i = 0; i < m->field_count; i++)
			buf_printf(&r->log, "%c(%.*s=%.*s)", m->fields[i].hop ? 't' : 'T',
			           (int)m->fields[i].name.len, m->fields[i].name.data,
			           (int)m->fields[i].value.len, m->fields[i].value.data);
	if (event == H1_DONE)
		buf_puts(&r->log, "D ");
}

static void log_failure(struct run *r)
{
	log_event(r, H1_HEAD + 100, (struct span){NULL, 0});
	buf_printf(&r->log, "!%u %s", r->parser.reject_status, r->parser.reject_rule);
	r->failed = true;
}

/* One piece in a block of its own, gone afterwards: a look too far or a span kept too long is seen. */
static inline void run_feed(struct run *r, struct span piece)
{
	char *block = malloc(piece.len + 1);
	struct span input = {block, piece.len};

	enum h1_event event = H1_HEAD;
	struct span body;

	memcpy(block, piece.data, piece.len);
	while (!r->failed && event != H1_NEED_MORE) {
		long n = h1_feed(&r->parser, input, &event, &body);
		if (n < 0) {
			log_failure(r);
			break;
		}
		assert_true((size_t)n <= input.len);
		input.data += n;
		input.len -= (size_t)n;
		log_event(r, event, body);
		/* surplus after a bodyless response is the client's business, so the run ends there */
		if (event == H1_DONE && (r->flags & RESP) && r->parser.message.status >= 200)
			r->failed = true;
		else if (event == H1_DONE)
			h1_next(&r->parser);
	}
	assert_true(r->failed || input.len == 0);
	free(block);
}

static inline void run_end(struct run *r, const struct test *t)
{
	enum h1_event event;
	struct span body;

	if (!r->failed && (t->flags & CLOSED)) {
		if (h1_eof(&r->parser) < 0)
			log_failure(r);
		else if (h1_feed(&r->parser, (struct span){NULL, 0}, &event, &body) == 0)
			log_event(r, event, body);
	}
	buf_put(&r->log, "", 1);
	assert_int_equal(r->log.err, 0);
	if (strcmp(r->log.base, t->want) != 0)
		fail_msg("%s\nwant %s\ngot  %s", t->input.data != NULL ? t->input.data : "", t->want,
		         r->log.base);
	buf_fini(&r->log);
}

#endif
