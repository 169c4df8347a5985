/*
 * fuzz_h2.c - an HTTP/2 session from bytes, as a server or a client with requests open: whatever comes,
 * what is told keeps its order, nothing is told of a stream after `closed`, heads hold what HTTP/1.1 can say,
 * and the bytes mean the same however they are cut.
 *
 * First byte: 1 a client, 2 answers are sent, 4 nothing is consumed; second: how much is fed at once. A
 * server's input begins with a preface that is not in the file.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENT = 1, ANSWERS = 2, HOARDS = 4, SENT_MAX = 1 << 20 };

struct session {
	struct h2 *h2;
	unsigned how;
	uint64_t hash;
	unsigned open;
	bool gone; /* the peer said GOAWAY: what it says behind it counts only in the same piece */
};

enum { HEADED = 1, ENDED = 2, MINE = 4 };

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void mix(struct session *s, uint64_t n)
{
	if (s->gone)
		return;
	s->hash = (s->hash ^ n) * 0x9e3779b97f4a7c15u;
	s->hash ^= s->hash >> 29;
}

static uintptr_t state(const struct h2_stream *st)
{
	return (uintptr_t)st->user;
}

static void add_state(struct h2_stream *st, uintptr_t bits)
{
	st->user = (void *)(state(st) | bits);
}

static void check_text(struct span s, bool token)
{
	for (size_t i = 0; i < s.len; i++)
		must(s.data[i] != '\r' && s.data[i] != '\n' && s.data[i] != '\0' &&
		     !(token && (s.data[i] == ' ' || s.data[i] == ':')));
}

static void check_fields(struct session *s, const struct http_message *m)
{
	must(m->field_count <= HTTP_FIELDS_MAX);
	for (size_t i = 0; i < m->field_count; i++) {
		must(m->fields[i].name.len > 0);
		check_text(m->fields[i].name, true);
		check_text(m->fields[i].value, false);
		mix(s, m->fields[i].name.len << 8 | m->fields[i].hop);
		mix(s, m->fields[i].value.len);
	}
}

static void on_head(void *owner, struct h2_stream *st, const struct http_message *m)
{
	struct session *s = owner;

	must(!(state(st) & ENDED));
	if (!(s->how & CLIENT)) {
		must(!(state(st) & HEADED) && m->method.len > 0 && m->target.len > 0 && m->host.len > 0);
		must(m->target.data[0] == '/' || m->target.data[0] == '*');
		check_text(m->method, true);
		check_text(m->host, false);
		s->open++;
	} else {
		must(m->status >= 100 && m->status <= 599);
	}
	add_state(st, HEADED);
	check_fields(s, m);
	mix(s, st->id ^ m->status ^ m->framing);
}

static void on_refuse(void *owner, struct h2_stream *st, const struct http_message *m, enum h2_rule rule)
{
	struct session *s = owner;

	(void)m;
	must(h2_rule_status(rule) >= 400 && !(s->how & CLIENT));
	s->open++;
	mix(s, rule);
	h2_respond(st, h2_rule_status(rule), &(struct h2_fields){.count = 0}, true);
}

static void on_data(void *owner, struct h2_stream *st, struct span bytes)
{
	struct session *s = owner;

	must((state(st) & HEADED) && !(state(st) & ENDED));
	for (size_t i = 0; i < bytes.len;
	     i++) /* how much of a body that is too long is told depends on the cut */
		st->user = (void *)(state(st) + ((uintptr_t)(unsigned char)bytes.data[i] << 8) + 256);
	if (!(s->how & HOARDS))
		h2_consumed(st, bytes.len);
}

static void on_trailers(void *owner, struct h2_stream *st, const struct http_message *m)
{
	must((state(st) & HEADED) && !(state(st) & ENDED));
	check_fields(owner, m);
}

static void on_end(void *owner, struct h2_stream *st)
{
	struct session *s = owner;
	struct h2_fields fields = {.count = 0};

	must(!(state(st) & ENDED));
	add_state(st, ENDED);
	mix(s, st->id ^ state(st));
	if (!(s->how & ANSWERS) || s->how & CLIENT)
		return;
	h2_put(&fields, SPAN("A"), SPAN("b"));
	h2_respond(st, 200, &fields, false);
	h2_data(st, SPAN("answer"));
	h2_trailers(st, &fields);
	h2_end(st);
}

static void on_closed(void *owner, struct h2_stream *st, uint32_t code)
{
	struct session *s = owner;

	(void)st, (void)code;
	must(s->open > 0);
	s->open--;
}

static void on_broken(void *owner, enum h2_rule rule)
{
	(void)owner;
	must(rule > H2_RULE_none && rule < H2_RULE_COUNT);
}

static void on_room(void *owner, struct h2_stream *st)
{
	(void)owner;
	must(!h2_full(st));
}

static void on_goaway(void *owner, uint32_t last, uint32_t code)
{
	struct session *s = owner;

	(void)last, (void)code;
	s->gone = true;
}

static const struct h2_ops ops = {on_head,   on_refuse, on_data, on_trailers, on_end,
                                  on_closed, on_broken, on_room, on_goaway};

static void ask(struct session *s)
{
	static const struct h2_fields none = {.count = 0};

	for (unsigned i = 0; i < 3; i++) {
		struct h2_stream *st =
		        h2_request(s->h2,
		                   &(struct h2_request){i ? SPAN("POST") : SPAN("HEAD"), SPAN("http"),
		                                        SPAN("h"), SPAN("/"), &none, 0, i != 1},
		                   (void *)MINE);

		must(st != NULL);
		s->open++;
		if (i == 1)
			h2_data(st, SPAN("half a request"));
	}
}

static int send_out(struct session *s)
{
	struct buf out;
	int err;

	buf_init(&out, 2 * SENT_MAX);
	err = h2_drain(s->h2, &out, SENT_MAX);
	buf_fini(&out);
	return err;
}

static int feed(struct h2 *h2, struct span bytes)
{
	size_t unfed;
	int err;

	do {
		err = h2_feed(h2, bytes, 1);
		bytes.data += bytes.len;
		if (!h2_unfed(h2, &unfed))
			return err;
		must(!err && unfed <= bytes.len);
		bytes = (struct span){bytes.data - unfed, unfed};
	} while (true);
}

static uint64_t play(unsigned how, struct span bytes, size_t step, uint32_t turn)
{
	struct session s = {.how = how};
	int err = 0;

	s.h2 = h2_new(how & CLIENT ? H2_CLIENT : H2_SERVER,
	              &(struct h2_limits){.head.body_bytes = 1 << 16, .turn = turn}, &ops, &s);
	must(s.h2 != NULL);
	if (how & CLIENT)
		ask(&s);
	else
		err = feed(s.h2, h2_preface());
	(void)send_out(&s);
	for (size_t at = 0; at < bytes.len && !err; at += step)
		err = feed(s.h2,
		           (struct span){bytes.data + at, bytes.len - at < step ? bytes.len - at : step});
	(void)send_out(&s);
	must(h2_streams(s.h2) >= s.open || err);
	h2_free(&s.h2);
	return s.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = {(const char *)data + 2, size - 2};

	if (size < 2)
		return 0;
	must(play(data[0], bytes, bytes.len + 1, 0) == play(data[0], bytes, 1u + data[1], 0));
	must(play(data[0], bytes, bytes.len + 1, 0) == play(data[0], bytes, bytes.len + 1, 1));
	return 0;
}
