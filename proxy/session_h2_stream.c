/*
 * session_h2_stream.c - a stream of a client's connection: its memory, and the front of its exchange.
 */
#include <stdlib.h>

#include "proto/grpc.h"
#include "proxy/forward.h"
#include "proxy/session_h2_inside.h"

/* What streams may hold beyond SHARE_BYTES each: the first one half of it, the next one half of the rest. */
enum { SPARES_MAX = 256, GRANT_BYTES = 192 * 1024 };

/* Streams that connections hand round, so that they stay in the cache. */
static struct {
	struct stream *first;
	unsigned count;
} spares;

struct stream *session_stream_new(struct session *s, struct h2_stream *h)
{
	struct stream *st = spares.first;

	if (st) {
		spares.first = st->next;
		spares.count--;
	} else if (!(st = malloc(sizeof *st))) {
		return NULL;
	}
	*st = (struct stream){.session = s, .h2 = h};
	st->sent_ns = st->window_ns = s->worker->now_ns;
	st->granted = (GRANT_BYTES - (uint32_t)s->h2.granted) / 2;
	s->h2.granted += st->granted;
	h->user = st;
	s->h2.running++;
	return st;
}

void session_stream_hear(struct stream *st)
{
	bool hearing = st->exchange.hearing != 0;

	st->session->h2.hearing += (unsigned)hearing - (unsigned)st->hearing;
	st->hearing = hearing;
}

void session_stream_free(struct stream *st)
{
	session_stream_hear(st);
	st->session->h2.running--;
	st->session->h2.granted -= st->granted;
	if (spares.count == SPARES_MAX) {
		free(st);
		return;
	}
	st->next = spares.first;
	spares.first = st;
	spares.count++;
}

void session_stream_touch(struct stream *st)
{
	struct session_h2 *h2 = &st->session->h2;

	if (st->touched)
		return;
	st->touched = true;
	st->touched_ns = st->session->worker->now_ns;
	st->next = h2->touched;
	h2->touched = st;
}

/* The front of an exchange. */

static void front_head(void *front, const struct http_message *m, const struct plan_header_edits *edits)
{
	struct stream *st = front;
	struct h2_fields fields = {.count = 0};
	bool bodiless = m->framing == HTTP_NO_BODY || (m->framing == HTTP_LENGTH && !m->content_length);

	if (!st->h2)
		return;
	forward_response_fields(&fields, m, edits, st->exchange.head_request);
	h2_respond(st->h2, m->status, &fields, m->status / 100 != 1 && bodiless);
}

static void front_data(void *front, struct span bytes)
{
	struct stream *st = front;

	if (st->h2)
		h2_data(st->h2, bytes);
}

static void front_trailers(void *front, const struct http_message *m)
{
	struct stream *st = front;
	struct h2_fields fields = {.count = 0};

	forward_trailer_fields(&fields, m);
	if (st->h2)
		h2_trailers(st->h2, &fields);
}

static void front_end(void *front)
{
	struct stream *st = front;

	if (st->h2)
		h2_end(st->h2);
}

/* gRPC tells of failure in fields (the status codes of its own specification). */
static const char *grpc_code(unsigned status)
{
	switch (status) {
	case 404:
		return "12";
	case 413:
	case 429:
	case 431:
		return "8";
	case 502:
	case 503:
		return "14";
	case 504:
		return "4";
	default:
		return "13";
	}
}

static void refuse_grpc(struct h2_stream *h, unsigned status, const char *why)
{
	struct h2_fields fields = {.count = 0};

	h2_put(&fields, SPAN("content-type"), SPAN("application/grpc"));
	h2_put(&fields, SPAN("grpc-status"), span_of(grpc_code(status)));
	h2_put(&fields, SPAN("grpc-message"), span_of(why));
	h2_respond(h, 200, &fields, true);
}

static void refuse(struct h2_stream *h, bool head_request, unsigned status, const char *why)
{
	struct h2_fields fields = {.count = 0};
	struct buf text;

	buf_init(&text, 4096);
	buf_printf(&text, "%s: %s\n", http_reason(status), why);
	h2_put(&fields, SPAN("content-type"), SPAN("text/plain"));
	if (status == 503)
		h2_put(&fields, SPAN("retry-after"), SPAN("1"));
	h2_respond(h, status, &fields, head_request);
	if (!head_request)
		h2_data(h, buf_span(&text));
	h2_end(h);
	buf_fini(&text);
}

/* A whole answer of ours, in the client's own terms. */
static void front_refuse(void *front, unsigned status, const char *why)
{
	struct stream *st = front;

	if (st->h2 && st->grpc)
		refuse_grpc(st->h2, status, why);
	else if (st->h2)
		refuse(st->h2, st->exchange.head_request, status, why);
}

static void front_cut(void *front)
{
	struct stream *st = front;

	if (st->h2)
		h2_cut(st->h2);
}

/* No upgrade is ever offered (RFC 9113 8.6). */
static void front_tunnel(void *front)
{
	front_cut(front);
}

static bool front_full(const void *front)
{
	const struct stream *st = front;

	return st->h2 && h2_full(st->h2);
}

void session_h2_later(struct session *s)
{
	event_active(&s->h2.later, EV_TIMEOUT, 0);
}

static void front_turn_end(void *front)
{
	struct stream *st = front;

	exchange_flush(&st->exchange);
	session_stream_touch(st);
	session_h2_later(st->session);
}

const struct front_ops session_stream_front = {front_head,   front_data,   front_trailers,
                                               front_end,    front_refuse, front_cut,
                                               front_tunnel, front_full,   front_turn_end};
