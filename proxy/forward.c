#include "proxy/forward.h"

static bool is(const struct h1_field *f, struct span lower)
{
	return f->name.len == lower.len && span_eq_nocase(f->name, lower);
}

/* The parser has judged it. */
static void put_field(struct buf *out, const struct h1_field *f)
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

static bool is_framing(const struct h1_field *f)
{
	return f->id == H1_NAME_CONTENT_LENGTH || f->id == H1_NAME_TRANSFER_ENCODING;
}

static bool edited(const struct plan_header_edits *edits, const struct h1_field *f)
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
static void put_framing(struct buf *out, struct span name, enum h1_framing framing, uint64_t length)
{
	if (framing == H1_LENGTH) {
		buf_span_put(out, name.len == 14 ? name : SPAN("Content-Length"));
		buf_put(out, ": ", 2);
		put_number(out, length);
		buf_put(out, "\r\n", 2);
	} else if (framing == H1_CHUNKED) {
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

/* What tells the live side whom it serves; `seen` says which the client had sent. */
struct seen {
	bool proto, host, request_id;
	struct span forwarded_for, forwarded;
};

/* True when the field is one of ours to write. */
static bool collect(struct seen *s, const struct h1_field *f)
{
	if (is(f, SPAN("x-forwarded-for")) && !s->forwarded_for.data)
		s->forwarded_for = f->value;
	else if (is(f, SPAN("forwarded")) && !s->forwarded.data)
		s->forwarded = f->value;
	else {
		s->proto |= is(f, SPAN("x-forwarded-proto"));
		s->host |= is(f, SPAN("x-forwarded-host"));
		s->request_id |= is(f, SPAN("x-request-id"));
		return false;
	}
	return true;
}

static void put_list(struct buf *out, struct span name, struct span before, const char *head,
                     const char *value, const char *tail)
{
	buf_span_put(out, name);
	buf_put(out, ": ", 2);
	if (before.len) {
		buf_span_put(out, before);
		buf_put(out, ", ", 2);
	}
	buf_puts(out, head);
	buf_puts(out, value);
	buf_puts(out, tail);
	buf_put(out, "\r\n", 2);
}

static void put_forwarded(struct buf *out, const struct forward_request *r, const struct seen *s)
{
	const char *proto = r->client_tls ? "https" : "http";
	bool v6 = strchr(r->client_address, ':') != NULL;
	char id[17];

	put_list(out, SPAN("X-Forwarded-For"), s->forwarded_for, "", r->client_address, "");
	if (!s->proto)
		h1_write_field(out, SPAN("X-Forwarded-Proto"), span_of(proto));
	if (!s->host && r->message->host.len)
		h1_write_field(out, SPAN("X-Forwarded-Host"), r->message->host);
	if (s->forwarded.data) /* only who speaks it hears it (RFC 7239) */
		put_list(out, SPAN("Forwarded"), s->forwarded, v6 ? "for=\"[" : "for=", r->client_address,
		         v6 ? "]\"" : "");
	if (!s->request_id) {
		forward_id_text(r->id, id);
		h1_write_field(out, SPAN("x-request-id"), (struct span){id, 16});
	}
}

void forward_request(struct buf *out, const struct forward_request *r)
{
	const struct h1_message *m = r->message;
	bool framed = false;
	struct seen seen = {0};

	h1_write_request(out, m->method, m->target, m->host);
	for (size_t i = 0; i < m->field_count; i++) {
		const struct h1_field *f = &m->fields[i];

		if (is_framing(f) && !framed) {
			put_framing(out, f->name, r->framing, m->content_length);
			framed = true;
		} else if (!f->hop && f->id != H1_NAME_EXPECT && !(r->edits->count && edited(r->edits, f)) &&
		           !(r->forwarded && collect(&seen, f))) {
			put_field(out, f);
		}
	}
	if (!framed)
		put_framing(out, SPAN(""), r->framing, m->content_length);
	if (r->upgrade) {
		h1_write_field(out, SPAN("Connection"), SPAN("upgrade"));
		h1_write_field(out, SPAN("Upgrade"), m->upgrade_protocol);
	}
	if (r->forwarded)
		put_forwarded(out, r, &seen);
	put_edits(out, r->edits);
	buf_put(out, "\r\n", 2);
}

static void put_status(struct buf *out, const struct h1_message *m)
{
	char line[] = "HTTP/1.1 000 ";

	line[9] = (char)('0' + m->status / 100 % 10);
	line[10] = (char)('0' + m->status / 10 % 10);
	line[11] = (char)('0' + m->status % 10);
	buf_put(out, line, sizeof line - 1);
	buf_span_put(out, m->reason);
	buf_put(out, "\r\n", 2);
}

void forward_response(struct buf *out, const struct h1_message *m, const struct plan_header_edits *edits,
                      enum h1_framing framing, const char *connection, bool head_request)
{
	bool framed = false, describes = head_request || m->status == 304;

	put_status(out, m);
	for (size_t i = 0; i < m->field_count; i++) {
		const struct h1_field *f = &m->fields[i];

		if (is_framing(f)) {
			if (!framed && describes && f->id == H1_NAME_CONTENT_LENGTH)
				put_field(out, f);
			else if (!framed)
				put_framing(out, f->name, framing, m->content_length);
			framed = true;
		} else if ((!f->hop || (m->status == 101 && f->id == H1_NAME_UPGRADE)) &&
		           !(edits->count && edited(edits, f))) {
			put_field(out, f);
		}
	}
	if (!framed)
		put_framing(out, SPAN(""), framing, m->content_length);
	put_edits(out, edits);
	if (m->status == 101)
		h1_write_field(out, SPAN("Connection"), SPAN("upgrade"));
	else if (connection)
		h1_write_field(out, SPAN("Connection"), span_of(connection));
	buf_put(out, "\r\n", 2);
}

void forward_trailers(struct buf *out, const struct h1_message *m)
{
	buf_put(out, "0\r\n", 3);
	for (size_t i = 0; i < m->field_count; i++)
		if (!m->fields[i].hop)
			put_field(out, &m->fields[i]);
}
