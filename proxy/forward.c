#include "proxy/forward.h"

#include "proto/traceparent.h"

static bool is(const struct http_field *f, struct span lower)
{
	return f->name.len == lower.len && span_eq_nocase(f->name, lower);
}

/* The parser has judged it. */
static void put_field(struct buf *out, const struct http_field *f)
{
	char *room = buf_room(out, f->name.len + f->value.len + 4);

	if (!room)
		return;
	memcpy(room, f->name.data, f->name.len);
	room += f->name.len;
	memcpy(room, ": ", 2);
	if (f->value.len)
		memcpy(room + 2, f->value.data, f->value.len);
	memcpy(room + 2 + f->value.len, "\r\n", 2);
	buf_grown(out, f->name.len + f->value.len + 4);
}

static bool is_framing(const struct http_field *f)
{
	return f->id == HTTP_NAME_CONTENT_LENGTH || f->id == HTTP_NAME_TRANSFER_ENCODING;
}

bool forward_edited(const struct plan_header_edits *edits, const struct http_field *f)
{
	for (uint32_t i = 0; i < edits->count; i++)
		if (is(f, span_of(edits->edits[i].name)))
			return true;
	return false;
}

static void put_edits(struct buf *out, const struct plan_header_edits *edits)
{
	for (uint32_t i = 0; i < edits->count; i++)
		if (!edits->edits[i].remove)
			h1_write_field(out, span_of(edits->edits[i].name), span_of(edits->edits[i].value));
}

static void put_number(struct buf *out, uint64_t n)
{
	char digits[20];
	size_t i = sizeof digits;

	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	buf_put(out, digits + i, sizeof digits - i);
}

/* The framing field under the sender's name where it fits, so that a faithful head stays byte for byte. */
static void put_framing(struct buf *out, struct span name, enum http_framing framing, uint64_t length)
{
	if (framing == HTTP_LENGTH) {
		buf_span_put(out, name.len == 14 ? name : SPAN("Content-Length"));
		buf_put(out, ": ", 2);
		put_number(out, length);
		buf_put(out, "\r\n", 2);
	} else if (framing == HTTP_CHUNKED) {
		h1_write_field(out, name.len == 17 ? name : SPAN("Transfer-Encoding"), SPAN("chunked"));
	}
}

static const char hex[] = "0123456789abcdef";

void forward_id_text(uint64_t id, char text_out[17])
{
	for (int i = 15; i >= 0; i--, id >>= 4)
		text_out[i] = hex[id & 15];
	text_out[16] = 0;
}

enum trace { TRACE_UNREAD, TRACE_GOOD, TRACE_BAD };

/* What tells the live side whom it serves; `seen` says which the client had sent. */
struct seen {
	bool proto, host, request_id;
	size_t forwarded_for, forwarded; /* index + 1 of the first */
	enum trace trace;
	char traceparent[TRACEPARENT_BYTES];
};

/* One valid traceparent goes on with our span; anything else restarts the trace. */
static bool trace_good(struct seen *s, const struct forward_request *r)
{
	struct span only = {0};
	unsigned count = 0;

	if (s->trace == TRACE_UNREAD) {
		for (size_t i = 0; i < r->message->field_count; i++)
			if (is(&r->message->fields[i], SPAN("traceparent")) && count++ == 0)
				only = r->message->fields[i].value;
		s->trace =
		        count == 1 && traceparent_next(only, traceparent_span(r->id, r->salt), s->traceparent)
		                ? TRACE_GOOD
		                : TRACE_BAD;
	}
	return s->trace == TRACE_GOOD;
}

/* True when the i-th field is ours to write: now, later or not at all. */
static bool take_over(struct buf *out, struct seen *s, const struct forward_request *r, size_t i)
{
	const struct http_field *f = &r->message->fields[i];
	size_t *list = NULL;

	switch (f->name.len) {
	case 9:
		list = is(f, SPAN("forwarded")) ? &s->forwarded : NULL;
		break;
	case 10:
		return is(f, SPAN("tracestate")) && !trace_good(s, r);
	case 11:
		if (!is(f, SPAN("traceparent")))
			return false;
		if (trace_good(s, r))
			h1_write_field(out, f->name, (struct span){s->traceparent, TRACEPARENT_BYTES});
		return true;
	case 12:
		s->request_id |= is(f, SPAN("x-request-id"));
		break;
	case 15:
		list = is(f, SPAN("x-forwarded-for")) ? &s->forwarded_for : NULL;
		break;
	case 16:
		s->host |= is(f, SPAN("x-forwarded-host"));
		break;
	case 17:
		s->proto |= is(f, SPAN("x-forwarded-proto"));
		break;
	}
	if (list && !*list)
		*list = i + 1;
	return list != NULL;
}

/* All that the client sent of a list, in its order, and one element of ours. */
static void put_list(struct buf *out, struct span name, const struct http_message *m, size_t first,
                     const char *const ours[3])
{
	buf_span_put(out, name);
	buf_put(out, ": ", 2);
	for (size_t i = first ? first - 1 : m->field_count; i < m->field_count; i++)
		if (m->fields[i].value.len && span_eq_nocase(m->fields[i].name, name)) {
			buf_span_put(out, m->fields[i].value);
			buf_put(out, ", ", 2);
		}
	for (unsigned i = 0; i < 3; i++)
		buf_puts(out, ours[i]);
	buf_put(out, "\r\n", 2);
}

static void put_forwarded(struct buf *out, const struct forward_request *r, const struct seen *s)
{
	const struct http_message *m = r->message;
	const char *proto = r->client_tls ? "https" : "http";
	bool v6 = strchr(r->client_address, ':') != NULL;
	char id[17];

	put_list(out, SPAN("X-Forwarded-For"), m, s->forwarded_for,
	         (const char *const[3]){"", r->client_address, ""});
	if (!s->proto)
		h1_write_field(out, SPAN("X-Forwarded-Proto"), span_of(proto));
	if (!s->host && m->host.len)
		h1_write_field(out, SPAN("X-Forwarded-Host"), m->host);
	if (s->forwarded) /* only who speaks it hears it (RFC 7239) */
		put_list(out, SPAN("Forwarded"), m, s->forwarded,
		         (const char *const[3]){v6 ? "for=\"[" : "for=", r->client_address, v6 ? "]\"" : ""});
	if (!s->request_id) {
		forward_id_text(r->id, id);
		h1_write_field(out, SPAN("x-request-id"), (struct span){id, 16});
	}
}

/* What is asked of the next hop alone: those of the client's wishes that we can grant (RFC 9110 7.6.1). */
static void put_hop(struct buf *out, const struct forward_request *r)
{
	bool te = r->message->te_trailers;

	h1_write_field(out, SPAN("Connection"),
	               r->upgrade && te ? SPAN("upgrade, TE")
	               : te             ? SPAN("TE")
	                                : SPAN("upgrade"));
	if (te)
		h1_write_field(out, SPAN("TE"), SPAN("trailers"));
	if (r->upgrade)
		h1_write_field(out, SPAN("Upgrade"), r->message->upgrade_protocol);
}

void forward_request(struct buf *out, const struct forward_request *r)
{
	const struct http_message *m = r->message;
	bool framed = false;
	struct seen seen = {0};

	h1_write_request(out, m->method, m->target, m->host);
	for (size_t i = 0; i < m->field_count; i++) {
		const struct http_field *f = &m->fields[i];

		if (is_framing(f) && !framed) {
			put_framing(out, f->name, r->framing, m->content_length);
			framed = true;
		} else if (!f->hop && f->id != HTTP_NAME_EXPECT &&
		           !(r->edits->count && forward_edited(r->edits, f)) &&
		           !(r->forwarded && take_over(out, &seen, r, i))) {
			put_field(out, f);
		}
	}
	if (!framed)
		put_framing(out, SPAN(""), r->framing, m->content_length);
	if (r->te && m->te_trailers)
		h1_write_field(out, SPAN("TE"), SPAN("trailers"));
	else if (r->upgrade || m->te_trailers)
		put_hop(out, r);
	if (r->forwarded)
		put_forwarded(out, r, &seen);
	put_edits(out, r->edits);
	buf_put(out, "\r\n", 2);
}

static void put_status(struct buf *out, const struct http_message *m)
{
	char line[] = "HTTP/1.1 000 ";

	line[9] = (char)('0' + m->status / 100 % 10);
	line[10] = (char)('0' + m->status / 10 % 10);
	line[11] = (char)('0' + m->status % 10);
	buf_put(out, line, sizeof line - 1);
	buf_span_put(out, m->reason);
	buf_put(out, "\r\n", 2);
}

bool forward_describes(const struct http_message *m, bool head_request)
{
	return m->status == 304 || (head_request && m->status >= 200 && m->status != 204);
}

void forward_response(struct buf *out, const struct http_message *m, const struct plan_header_edits *edits,
                      enum http_framing framing, const char *connection, bool head_request)
{
	bool framed = false, describes = forward_describes(m, head_request);

	put_status(out, m);
	for (size_t i = 0; i < m->field_count; i++) {
		const struct http_field *f = &m->fields[i];

		if (is_framing(f)) {
			if (!framed && describes && f->id == HTTP_NAME_CONTENT_LENGTH)
				put_field(out, f);
			else if (!framed)
				put_framing(out, f->name, framing, m->content_length);
			framed = true;
		} else if ((!f->hop || (m->status == 101 && f->id == HTTP_NAME_UPGRADE)) &&
		           !(edits->count && forward_edited(edits, f))) {
			put_field(out, f);
		}
	}
	/* over HTTP/2 a head may say that it is all; here a length must */
	if (!framed && framing == HTTP_NO_BODY && m->status >= 200 && m->status != 204 && !describes)
		put_framing(out, SPAN(""), HTTP_LENGTH, 0);
	else if (!framed)
		put_framing(out, SPAN(""), framing, m->content_length);
	put_edits(out, edits);
	if (m->status == 101)
		h1_write_field(out, SPAN("Connection"), SPAN("upgrade"));
	else if (connection)
		h1_write_field(out, SPAN("Connection"), span_of(connection));
	buf_put(out, "\r\n", 2);
}

void forward_trailers(struct buf *out, const struct http_message *m)
{
	buf_put(out, "0\r\n", 3);
	for (size_t i = 0; i < m->field_count; i++)
		if (!m->fields[i].hop)
			put_field(out, &m->fields[i]);
}
