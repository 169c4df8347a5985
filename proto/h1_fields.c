/*
 * h1_fields.c - field lines: their names, which of them belong to one hop, and what they mean together.
 *
 * Every name is judged as an origin might read it that takes "_" for "-": such a twin of a framing or
 * security field is dropped on forwarding, and never has that field's meaning here.
 */
#include "proto/h1_internal.h"

enum { NAME_MAX_LEN = 20 };

struct name {
	char folded[NAME_MAX_LEN]; /* the first bytes, in lower case, "_" as "-" */
	size_t len;
	bool underscore;
	uint8_t id;
	unsigned flags;
};

static const struct {
	const char *text;
	uint8_t len, flags;
} known_names[H1_NAME_COUNT] = {
#define X(id, text, flags) [H1_NAME_##id] = {text, sizeof(text) - 1, flags},
        H1_NAMES(X)
#undef X
};

/* The first row whose name has at least that length; H1_NAMES is in the order of lengths. */
static const uint8_t row_of_length[NAME_MAX_LEN + 1] = {
        [0 ... 2] = H1_NAME_TE,
        [3 ... 4] = H1_NAME_HOST,
        [5 ... 6] = H1_NAME_EXPECT,
        [7] = H1_NAME_TRAILER,
        [8 ... 9] = H1_NAME_FORWARDED,
        [10] = H1_NAME_CONNECTION,
        [11 ... 12] = H1_NAME_CONTENT_TYPE,
        [13] = H1_NAME_AUTHORIZATION,
        [14] = H1_NAME_CONTENT_LENGTH,
        [15 ... 16] = H1_NAME_PROXY_CONNECTION,
        [17] = H1_NAME_TRANSFER_ENCODING,
        [18] = H1_NAME_PROXY_AUTHENTICATE,
        [19] = H1_NAME_PROXY_AUTHORIZATION,
        [20] = H1_NAME_COUNT,
};

static bool has_prefix(const struct name *n, struct span prefix)
{
	return n->len >= prefix.len && memcmp(n->folded, prefix.data, prefix.len) == 0;
}

static void classify(struct name *n)
{
	size_t len = n->len < NAME_MAX_LEN ? n->len : NAME_MAX_LEN;

	n->id = H1_OTHER;
	n->flags = 0;
	for (unsigned i = row_of_length[len]; i < H1_NAME_COUNT && known_names[i].len == n->len; i++)
		if (n->folded[0] == known_names[i].text[0] &&
		    memcmp(n->folded, known_names[i].text, n->len) == 0) {
			n->id = (uint8_t)i;
			n->flags = known_names[i].flags;
		}
	if (n->folded[0] == 'x' && has_prefix(n, SPAN("x-forwarded-")))
		n->flags |= H1_GUARD;
	else if (n->folded[0] == 'u' && has_prefix(n, SPAN("understudy-")))
		n->flags |= H1_GUARD;
	else if (n->folded[0] == 'c' && has_prefix(n, SPAN("content-")))
		n->flags |= H1_NO_TRAILER;
}

/* Reads the token that `text` starts with; its length is that of the token. */
static struct name read_name(struct span text)
{
	struct name n = {.len = 0};

	for (; n.len < text.len; n.len++) {
		char c = text.data[n.len], folded = h1_fold[(unsigned char)c];

		if (folded == '\0')
			break;
		if (n.len < NAME_MAX_LEN)
			n.folded[n.len] = folded;
		n.underscore |= c == '_';
	}
	classify(&n);
	return n;
}

static bool belongs_to_hop(const struct name *n)
{
	return n->flags & (n->underscore ? H1_HOP | H1_GUARD | H1_SINGLE : H1_HOP);
}

static bool is_trailer_name(const struct name *n)
{
	return !(n->flags & (H1_HOP | H1_GUARD | H1_NO_TRAILER));
}

bool h1_trailer_forwardable(struct span name)
{
	struct name n = read_name(name);

	return is_trailer_name(&n);
}

int h1_add_field(struct h1_parser *p, struct span line)
{
	struct h1_message *m = &p->message;

	if (is_blank(line.data[0]))
		return m->field_count == 0 ? REJECT(p, leading_blank) : REJECT(p, obs_fold);
	struct name n = read_name(line);
	if (n.len == 0 || n.len == line.len || line.data[n.len] != ':')
		return memchr(line.data, ':', line.len) ? REJECT(p, field_name) : REJECT(p, missing_colon);
	if (p->dirty_line)
		return REJECT(p, field_value);
	if (m->field_count == p->limits.field_count)
		return REJECT(p, field_count);
	struct h1_field *f = &m->fields[m->field_count++];
	f->name = (struct span){line.data, n.len};
	f->value = trim((struct span){line.data + n.len + 1, line.len - n.len - 1});
	f->id = n.underscore ? H1_OTHER : n.id;
	f->hop = p->state == S_TRAILER ? !is_trailer_name(&n) : belongs_to_hop(&n);
	if (f->id != H1_OTHER && m->known[f->id] != 0)
		p->repeated |= 1u << f->id;
	else if (f->id != H1_OTHER)
		m->known[f->id] = (uint8_t)m->field_count;
	return 0;
}

struct span h1_known(const struct h1_message *m, enum h1_name id)
{
	return m->known[id] ? m->fields[m->known[id] - 1].value : (struct span){NULL, 0};
}

struct span h1_field(const struct h1_message *m, struct span name)
{
	for (size_t i = 0; i < m->field_count; i++)
		if (span_eq_nocase(m->fields[i].name, name))
			return m->fields[i].value;
	return (struct span){NULL, 0};
}

static bool list_has(struct span list, struct span token)
{
	struct span element;

	while (h1_list_next(&list, &element))
		if (span_eq_nocase(element, token))
			return true;
	return false;
}

bool h1_hop_by_hop(const struct h1_message *m, struct span name)
{
	for (size_t i = 0; i < m->field_count; i++)
		if (m->fields[i].name.data == name.data && m->fields[i].name.len == name.len)
			return m->fields[i].hop;
	struct name n = read_name(name);
	if (belongs_to_hop(&n))
		return true;
	for (size_t i = 0; i < m->field_count && !(n.flags & H1_GUARD); i++)
		if (m->fields[i].id == H1_NAME_CONNECTION && list_has(m->fields[i].value, name))
			return true;
	return false;
}

struct connection {
	bool close, keep_alive, upgrade;
	unsigned elements;
};

/* A client must not be able to make us drop what an origin relies on for framing or access control. */
static int nominate(struct h1_parser *p, struct span element)
{
	struct h1_message *m = &p->message;
	struct name n = read_name(element);

	if (n.len == element.len && n.flags & H1_GUARD)
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

	while (r == 0 && h1_list_next(&list, &element)) {
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
	struct h1_message *m = &p->message;
	struct span host = h1_known(m, H1_NAME_HOST);

	for (unsigned i = 1; p->repeated != 0 && i < H1_NAME_COUNT; i++)
		if (p->repeated & 1u << i && known_names[i].flags & H1_SINGLE)
			return REJECT(p, duplicate_singleton);
	if (host.data == NULL)
		return m->minor == 0 ? 0 : REJECT(p, missing_host);
	if (!h1_is_authority(host))
		return REJECT(p, host_value);
	if (m->host.data == NULL)
		m->host = host;
	return 0;
}

static int parse_length(struct h1_parser *p, struct span v)
{
	uint64_t n = 0;

	if (v.len == 0 || !all(v, C_DIGIT))
		return REJECT(p, content_length_value);
	for (size_t i = 0; i < v.len; i++) {
		unsigned digit = (unsigned)(v.data[i] - '0');

		if (n > ((uint64_t)INT64_MAX - digit) / 10)
			return REJECT(p, content_length_range);
		n = n * 10 + digit;
	}
	p->message.content_length = n;
	return 0;
}

/* Only exactly "chunked" is decoded; a proper list of known codings before it is a 501. */
static int check_coding(struct h1_parser *p, struct span rest)
{
	const struct span known = SPAN("gzip,x-gzip,deflate,compress,x-compress");
	struct span element;

	if (span_eq_nocase(rest, SPAN("chunked")))
		return 0;
	while (h1_list_next(&rest, &element)) {
		if (rest.data == NULL && span_eq_nocase(element, SPAN("chunked")))
			return REJECT(p, transfer_encoding_coding);
		if (!list_has(known, element))
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
	struct h1_message *m = &p->message;
	struct span length = h1_known(m, H1_NAME_CONTENT_LENGTH);
	struct span coding = h1_known(m, H1_NAME_TRANSFER_ENCODING);
	int r = 0;

	if (length.data != NULL && coding.data != NULL)
		return REJECT(p, content_length_and_transfer_encoding);
	if (p->repeated & 1u << H1_NAME_CONTENT_LENGTH)
		return REJECT(p, duplicate_content_length);
	if (p->repeated & 1u << H1_NAME_TRANSFER_ENCODING)
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
		m->framing = H1_NO_BODY;
	else if (coding.data != NULL)
		m->framing = H1_CHUNKED;
	else if (length.data != NULL)
		m->framing = H1_LENGTH;
	else
		m->framing = p->kind == H1_RESPONSE ? H1_UNTIL_CLOSE : H1_NO_BODY;
	if (m->framing == H1_LENGTH && m->content_length > p->limits.body_bytes)
		return REJECT(p, body_bytes);
	return 0;
}

/* HTTP/1.0 knows no expectations: there they mean nothing, and may not get one by our writing HTTP/1.1
 * (RFC 9110 10.1.1). */
static int check_expectation(struct h1_parser *p)
{
	struct h1_message *m = &p->message;
	struct span expect = h1_known(m, H1_NAME_EXPECT);

	if (expect.data == NULL || p->kind == H1_RESPONSE)
		return 0;
	if (m->minor == 0) {
		for (size_t i = 0; i < m->field_count; i++)
			m->fields[i].hop |= m->fields[i].id == H1_NAME_EXPECT;
		return 0;
	}
	if (p->repeated & 1u << H1_NAME_EXPECT || !span_eq_nocase(expect, SPAN("100-continue")))
		return REJECT(p, expectation);
	m->expect_continue = true;
	return 0;
}

/* name [ "/" version ], one of it. */
static bool is_protocol(struct span s)
{
	struct span name;

	return h1_cut(&s, '/', &name) ? is_token(name) && is_token(s) : is_token(s);
}

/* A list of protocols, h2c, and an offer that comes with a body are not taken up. */
static void set_upgrade(struct h1_message *m, enum h1_kind kind)
{
	struct span protocol = h1_known(m, H1_NAME_UPGRADE);
	bool body = m->framing == H1_CHUNKED || (m->framing == H1_LENGTH && m->content_length > 0);

	if (!is_protocol(protocol) || span_eq_nocase(protocol, SPAN("h2c")) || (kind == H1_REQUEST && body))
		return;
	m->upgrade = true;
	m->upgrade_protocol = protocol;
}

int h1_finish_head(struct h1_parser *p)
{
	struct h1_message *m = &p->message;
	struct connection c = {.elements = 0};
	int r = p->kind == H1_REQUEST ? check_request_fields(p) : 0;

	for (size_t i = 0; r == 0 && m->known[H1_NAME_CONNECTION] && i < m->field_count; i++)
		if (m->fields[i].id == H1_NAME_CONNECTION)
			r = read_connection(p, m->fields[i].value, &c);
	if (r == 0)
		r = decide_framing(p);
	if (r == 0)
		r = check_expectation(p);
	if (r < 0)
		return r;
	m->keep_alive = !c.close && m->framing != H1_UNTIL_CLOSE && (m->minor > 0 || c.keep_alive);
	if (c.upgrade && m->minor > 0 && m->known[H1_NAME_UPGRADE])
		set_upgrade(m, p->kind);
	m->te_trailers = m->known[H1_NAME_TE] && list_has(h1_known(m, H1_NAME_TE), SPAN("trailers"));
	return 0;
}
