/*
 * h1_fields.c - field lines, and what they mean together.
 */
#include "proto/h1_internal.h"

int h1_add_field(struct h1_parser *p, struct span line)
{
	struct http_message *m = &p->message;

	if (is_blank(line.data[0]))
		return m->field_count == 0 ? REJECT(p, leading_blank) : REJECT(p, obs_fold);
	struct http_name_read n = http_read_name(line);
	if (n.len == 0 || n.len == line.len || line.data[n.len] != ':')
		return memchr(line.data, ':', line.len) ? REJECT(p, field_name) : REJECT(p, missing_colon);
	if (p->dirty_line)
		return REJECT(p, field_value);
	if (m->field_count == p->limits.field_count)
		return REJECT(p, field_count);
	struct http_field *f = &m->fields[m->field_count++];
	f->name = (struct span){line.data, n.len};
	f->value = trim((struct span){line.data + n.len + 1, line.len - n.len - 1});
	f->id = n.underscore ? HTTP_OTHER : n.id;
	f->hop = p->state == S_TRAILER ? !http_is_trailer_name(&n) : http_belongs_to_hop(&n);
	if (f->id != HTTP_OTHER && m->known[f->id] != 0)
		p->repeated |= 1u << f->id;
	else if (f->id != HTTP_OTHER)
		m->known[f->id] = (uint8_t)m->field_count;
	return 0;
}

struct connection {
	bool close, keep_alive, upgrade;
	unsigned elements;
};

/* A client must not be able to make us drop what an origin relies on for framing or access control. */
static int nominate(struct h1_parser *p, struct span element)
{
	struct http_message *m = &p->message;
	struct http_name_read n = http_read_name(element);

	if (n.len == element.len && n.flags & HTTP_GUARD)
		return p->kind == H1_REQUEST ? REJECT(p, connection_nominates) : 0;
	for (size_t i = 0; i < m->field_count; i++)
		if (span_eq_nocase(m->fields[i].name, element))
			m->fields[i].hop = true;
	return 0;
}

static int read_connection(struct h1_parser *p, struct span list, struct connection *c)
{
	struct span element;
	int r = 0;

	while (r == 0 && http_list_next(&list, &element)) {
		if (element.len == 0)
			continue;
		if (++c->elements > H1_NOMINATED_MAX)
			return REJECT(p, connection_elements);
		if (span_eq_nocase(element, SPAN("keep-alive")))
			c->keep_alive = true;
		else if (span_eq_nocase(element, SPAN("close")))
			c->close = true;
		else if (span_eq_nocase(element, SPAN("upgrade")))
			c->upgrade = true;
		else
			r = nominate(p, element);
	}
	return r;
}

static int check_request_fields(struct h1_parser *p)
{
	struct http_message *m = &p->message;
	struct span host = http_known(m, HTTP_NAME_HOST);

	for (unsigned i = 1; p->repeated != 0 && i < HTTP_NAME_COUNT; i++)
		if (p->repeated & 1u << i && http_name_flags((enum http_name)i) & HTTP_SINGLE)
			return REJECT(p, duplicate_singleton);
	if (host.data == NULL)
		return m->minor == 0 ? 0 : REJECT(p, missing_host);
	if (!http_is_authority(host))
		return REJECT(p, host_value);
	if (m->host.data == NULL)
		m->host = host;
	return 0;
}

static int parse_length(struct h1_parser *p, struct span v)
{
	int r = http_read_length(v, &p->message.content_length);

	if (r == ERR_LIMIT)
		return REJECT(p, content_length_range);
	return r < 0 ? REJECT(p, content_length_value) : 0;
}

/* Only exactly "chunked" is decoded; a proper list of known codings before it is a 501. */
static int check_coding(struct h1_parser *p, struct span rest)
{
	const struct span known = SPAN("gzip,x-gzip,deflate,compress,x-compress");
	struct span element;

	if (span_eq_nocase(rest, SPAN("chunked")))
		return 0;
	while (http_list_next(&rest, &element)) {
		if (rest.data == NULL && span_eq_nocase(element, SPAN("chunked")))
			return REJECT(p, transfer_encoding_coding);
		if (!http_list_has(known, element))
			break;
	}
	return REJECT(p, transfer_encoding_value);
}

static bool without_body(const struct h1_parser *p)
{
	unsigned status = p->message.status;

	return p->kind == H1_RESPONSE && (p->head_request || status < 200 || status == 204 || status == 304);
}

/* RFC 9112 6.3, refusing every ambiguous combination. */
static int decide_framing(struct h1_parser *p)
{
	struct http_message *m = &p->message;
	struct span length = http_known(m, HTTP_NAME_CONTENT_LENGTH);
	struct span coding = http_known(m, HTTP_NAME_TRANSFER_ENCODING);
	int r = 0;

	if (length.data != NULL && coding.data != NULL)
		return REJECT(p, content_length_and_transfer_encoding);
	if (p->repeated & 1u << HTTP_NAME_CONTENT_LENGTH)
		return REJECT(p, duplicate_content_length);
	if (p->repeated & 1u << HTTP_NAME_TRANSFER_ENCODING)
		return REJECT(p, duplicate_transfer_encoding);
	if (coding.data != NULL && m->minor == 0)
		return REJECT(p, transfer_encoding_http10);
	if (length.data != NULL)
		r = parse_length(p, length);
	else if (coding.data != NULL)
		r = check_coding(p, coding);
	if (r < 0)
		return r;
	if (without_body(p))
		m->framing = HTTP_NO_BODY;
	else if (coding.data != NULL)
		m->framing = HTTP_CHUNKED;
	else if (length.data != NULL)
		m->framing = HTTP_LENGTH;
	else
		m->framing = p->kind == H1_RESPONSE ? HTTP_UNTIL_CLOSE : HTTP_NO_BODY;
	if (m->framing == HTTP_LENGTH && m->content_length > p->limits.body_bytes)
		return REJECT(p, body_bytes);
	return 0;
}

/* HTTP/1.0 knows no expectations: there they mean nothing, and may not get one by our writing HTTP/1.1
 * (RFC 9110 10.1.1). */
static int check_expectation(struct h1_parser *p)
{
	struct http_message *m = &p->message;
	struct span expect = http_known(m, HTTP_NAME_EXPECT);

	if (expect.data == NULL || p->kind == H1_RESPONSE)
		return 0;
	if (m->minor == 0) {
		for (size_t i = 0; i < m->field_count; i++)
			m->fields[i].hop |= m->fields[i].id == HTTP_NAME_EXPECT;
		return 0;
	}
	if (p->repeated & 1u << HTTP_NAME_EXPECT || !span_eq_nocase(expect, SPAN("100-continue")))
		return REJECT(p, expectation);
	m->expect_continue = true;
	return 0;
}

/* name [ "/" version ], one of it. */
static bool is_protocol(struct span s)
{
	struct span name;

	return http_cut(&s, '/', &name) ? is_token(name) && is_token(s) : is_token(s);
}

/* A list of protocols, h2c, and an offer that comes with a body are not taken up. */
static void set_upgrade(struct http_message *m, enum h1_kind kind)
{
	struct span protocol = http_known(m, HTTP_NAME_UPGRADE);
	bool body = m->framing == HTTP_CHUNKED || (m->framing == HTTP_LENGTH && m->content_length > 0);

	if (!is_protocol(protocol) || span_eq_nocase(protocol, SPAN("h2c")) || (kind == H1_REQUEST && body))
		return;
	m->upgrade = true;
	m->upgrade_protocol = protocol;
}

int h1_finish_head(struct h1_parser *p)
{
	struct http_message *m = &p->message;
	struct connection c = {.elements = 0};
	int r = p->kind == H1_REQUEST ? check_request_fields(p) : 0;

	for (size_t i = 0; r == 0 && m->known[HTTP_NAME_CONNECTION] && i < m->field_count; i++)
		if (m->fields[i].id == HTTP_NAME_CONNECTION)
			r = read_connection(p, m->fields[i].value, &c);
	if (r == 0)
		r = decide_framing(p);
	if (r == 0)
		r = check_expectation(p);
	if (r < 0)
		return r;
	m->keep_alive = !c.close && m->framing != HTTP_UNTIL_CLOSE && (m->minor > 0 || c.keep_alive);
	if (c.upgrade && m->minor > 0 && m->known[HTTP_NAME_UPGRADE])
		set_upgrade(m, p->kind);
	m->te_trailers =
	        m->known[HTTP_NAME_TE] && http_list_has(http_known(m, HTTP_NAME_TE), SPAN("trailers"));
	return 0;
}
