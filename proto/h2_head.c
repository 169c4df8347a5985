/*
 * h2_head.c - a head of HTTP/2 read into an http_message, and judged so that an HTTP/1.1 head can be made of
 * it. The library has refused what RFC 9113 8.2 and 8.3 call malformed before; here is what it lets through.
 */
#include "proto/h2_inside.h"

#include <stdlib.h>

enum { SPARES_MAX = 4, FLOOD_FACTOR = 4, FIELD_OVERHEAD = 32 };

/* Heads that connections hand round, so that they stay in the cache. */
static struct {
	struct h2_head *first;
	unsigned count;
} spares;

static void empty(struct h2_head *head, bool trailers)
{
	struct http_message *m = &head->message;

	m->method = m->target = m->reason = m->host = m->upgrade_protocol = (struct span){NULL, 0};
	m->scheme = HTTP_SCHEME_NONE;
	m->status = 0;
	m->minor = 1;
	m->framing = HTTP_NO_BODY;
	m->content_length = 0;
	m->keep_alive = true;
	m->expect_continue = m->te_trailers = m->upgrade = false;
	m->field_count = 0;
	memset(m->known, 0, sizeof m->known);
	head->scheme = head->authority = (struct span){NULL, 0};
	head->trailers = trailers;
	head->rule = H2_RULE_none;
	head->repeated = 0;
	head->bytes = head->used = 0;
}

bool h2_head_begin(struct h2 *h2, bool trailers)
{
	struct h2_head *head = h2->head ? h2->head : spares.first;

	if (!h2->head && head) {
		spares.first = head->next;
		spares.count--;
	}
	if (!head && !(head = malloc(sizeof *head)))
		return false;
	empty(head, trailers);
	h2->head = head;
	return true;
}

void h2_head_give(struct h2 *h2)
{
	struct h2_head *head = h2->head;

	h2->head = NULL;
	if (!head)
		return;
	if (spares.count == SPARES_MAX) {
		free(head);
		return;
	}
	head->next = spares.first;
	spares.first = head;
	spares.count++;
}

/* Text that stays until the head is given back; limits keep the sum of all below the storage. */
static struct span keep(struct h2_head *head, struct span s)
{
	char *to = head->text + head->used;

	if (s.len > sizeof head->text - head->used) {
		head->rule = H2_RULE_fields_bytes;
		return (struct span){NULL, 0};
	}
	if (s.len)
		memcpy(to, s.data, s.len);
	head->used += s.len;
	return (struct span){to, s.len};
}

static unsigned read_status(struct span s)
{
	return s.len == 3 && all(s, C_DIGIT)
	               ? (unsigned)((s.data[0] - '0') * 100 + (s.data[1] - '0') * 10 + (s.data[2] - '0'))
	               : 0;
}

static void add_pseudo(struct h2_head *head, const struct h1_limits *limits, struct span name,
                       struct span value)
{
	struct http_message *m = &head->message;

	if (span_eq(name, SPAN(":method"))) {
		m->method = keep(head, value);
	} else if (span_eq(name, SPAN(":path"))) {
		if (value.len > limits->line_bytes)
			head->rule = H2_RULE_line_bytes;
		else
			m->target = keep(head, value);
	} else if (span_eq(name, SPAN(":authority"))) {
		head->authority = keep(head, value);
	} else if (span_eq(name, SPAN(":scheme"))) {
		head->scheme = keep(head, value);
	} else if (span_eq(name, SPAN(":status"))) {
		m->status = read_status(value);
	}
}

/* A further crumb of Cookie joins the first (RFC 9113 8.2.3), which moves behind all else when it must. */
static void add_crumb(struct h2_head *head, const struct h1_limits *limits, struct http_field *cookie,
                      struct span crumb)
{
	const char *end = head->text + head->used;

	if (cookie->name.len + cookie->value.len + 2 + crumb.len > limits->field_bytes) {
		head->rule = H2_RULE_field_bytes;
		return;
	}
	if (cookie->value.data + cookie->value.len != end)
		cookie->value = keep(head, cookie->value);
	keep(head, SPAN("; "));
	keep(head, crumb);
	if (!head->rule)
		cookie->value.len += 2 + crumb.len;
}

static void add_field(struct h2_head *head, const struct h1_limits *limits, struct span name,
                      struct span value)
{
	struct http_message *m = &head->message;
	struct http_name_read n = http_read_name(name);

	if (n.id == HTTP_NAME_COOKIE && !n.underscore && m->known[HTTP_NAME_COOKIE]) {
		add_crumb(head, limits, &m->fields[m->known[HTTP_NAME_COOKIE] - 1], value);
		return;
	}
	if (m->field_count == limits->field_count) {
		head->rule = H2_RULE_field_count;
		return;
	}
	struct http_field *f = &m->fields[m->field_count++];
	f->name = keep(head, name);
	f->value = keep(head, value);
	f->id = n.underscore ? HTTP_OTHER : n.id;
	f->hop = head->trailers ? !http_is_trailer_name(&n) : http_belongs_to_hop(&n);
	if (f->id != HTTP_OTHER && m->known[f->id])
		head->repeated |= 1u << f->id;
	else if (f->id != HTTP_OTHER)
		m->known[f->id] = (uint8_t)m->field_count;
}

bool h2_head_add(struct h2 *h2, struct span name, struct span value)
{
	struct h2_head *head = h2->head;
	const struct h1_limits *limits = &h2->limits.head;

	head->bytes += name.len + value.len + FIELD_OVERHEAD;
	if (head->bytes > (size_t)FLOOD_FACTOR * limits->fields_bytes)
		return false;
	if (head->rule)
		return true;
	if (head->bytes > limits->fields_bytes)
		head->rule = H2_RULE_fields_bytes;
	else if (name.data[0] == ':')
		add_pseudo(head, limits, name, value);
	else if (name.len + value.len > limits->field_bytes)
		head->rule = H2_RULE_field_bytes;
	else
		add_field(head, limits, name, value);
	return true;
}

static enum h2_rule judge_path(const struct http_message *m)
{
	if (m->target.len == 0 || !all(m->target, C_TARGET))
		return m->target.len == 0 ? H2_RULE_path : H2_RULE_path_byte;
	if (m->target.data[0] == '/')
		return H2_RULE_none;
	return span_eq(m->target, SPAN("*")) && span_eq(m->method, SPAN("OPTIONS")) ? H2_RULE_none
	                                                                            : H2_RULE_path;
}

/* :authority wins, and Host may only repeat it (RFC 9113 8.3.1). The scheme says nothing of this hop: a
 * balancer in front may have ended TLS. */
static enum h2_rule judge_origin(struct h2_head *head)
{
	struct http_message *m = &head->message;
	struct span host = http_known(m, HTTP_NAME_HOST);

	if (!span_eq_nocase(head->scheme, SPAN("https")) && !span_eq_nocase(head->scheme, SPAN("http")))
		return H2_RULE_scheme;
	m->host = head->authority.len ? head->authority : host;
	if (host.data && !span_eq_nocase(host, m->host))
		return H2_RULE_host_differs;
	return http_is_authority(m->host) ? H2_RULE_none : H2_RULE_host_value;
}

static enum h2_rule judge_fields(struct h2_head *head)
{
	struct http_message *m = &head->message;
	struct span expect = http_known(m, HTTP_NAME_EXPECT);

	for (unsigned i = 1; head->repeated && i < HTTP_NAME_COUNT; i++)
		if (head->repeated & 1u << i && http_name_flags((enum http_name)i) & HTTP_SINGLE)
			return H2_RULE_duplicate_singleton;
	m->expect_continue = expect.data != NULL;
	if (expect.data &&
	    (head->repeated & 1u << HTTP_NAME_EXPECT || !span_eq_nocase(expect, SPAN("100-continue"))))
		return H2_RULE_expectation;
	return H2_RULE_none;
}

static enum h2_rule judge_request(struct h2_head *head)
{
	struct http_message *m = &head->message;
	enum h2_rule rule;

	if (span_eq(m->method, SPAN("CONNECT")))
		return H2_RULE_connect;
	if (!is_token(m->method))
		return H2_RULE_method;
	if (m->method.len > HTTP_METHOD_MAX)
		return H2_RULE_method_bytes;
	rule = judge_path(m);
	if (!rule)
		rule = judge_origin(head);
	return rule ? rule : judge_fields(head);
}

/* The library compares the length with the DATA that comes. */
static enum h2_rule decide_framing(struct http_message *m, bool bodiless, bool end)
{
	struct span length = http_known(m, HTTP_NAME_CONTENT_LENGTH);

	if (length.data && http_read_length(length, &m->content_length))
		return H2_RULE_content_length_value;
	if (bodiless)
		m->framing = HTTP_NO_BODY;
	else if (length.data)
		m->framing = HTTP_LENGTH;
	else
		m->framing = end ? HTTP_NO_BODY : HTTP_CHUNKED;
	return H2_RULE_none;
}

void h2_head_finish(struct h2_head *head, enum h2_side side, const struct h2_stream *s, bool end)
{
	struct http_message *m = &head->message;
	bool bodiless = side == H2_CLIENT &&
	                (s->head_request || m->status / 100 == 1 || m->status == 204 || m->status == 304);

	if (head->rule || head->trailers)
		return;
	if (side == H2_SERVER)
		head->rule = judge_request(head);
	else if (m->status < 100 || m->status > 599)
		head->rule = H2_RULE_malformed;
	if (!head->rule)
		head->rule = decide_framing(m, bodiless, end);
	if (!head->rule && m->framing == HTTP_LENGTH && m->content_length > s->h2->limits.head.body_bytes)
		head->rule = H2_RULE_body_bytes;
	m->te_trailers = m->known[HTTP_NAME_TE] != 0; /* any other value is malformed */
}
