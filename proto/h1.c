/*
 * h1.c - the strict HTTP/1.1 parser and writers. One byte advances one state; a line is judged when
 * it is complete, so the verdict cannot depend on how the input was cut.
 *
 * head storage:   0 ... start line | fields | trailers ... head_len      (CR LF are not stored)
 *                                    line_start = the line being read
 */
#include "proto/h1.h"

enum state {
	S_START,
	S_FIELD,
	S_TRAILER, /* line states: bytes accumulate in head */
	S_SIZE_FIRST,
	S_SIZE,
	S_EXT_START,
	S_EXT_NAME,
	S_EXT_VALUE,
	S_EXT_TOKEN,
	S_EXT_QUOTED,
	S_EXT_ESCAPE,
	S_EXT_CLOSED,
	S_SIZE_LF,
	S_DATA_CR,
	S_DATA_LF,
	S_LENGTH,
	S_CHUNK_DATA,
	S_UNTIL_CLOSE, /* body states */
	S_END,
	S_DONE,
	S_FAILED,
};

enum {
	LEADING_CRLF_MAX = 2,
	CHUNK_DIGITS_MAX = 16,
	CHUNK_EXTENSION_MAX = 256,
	MESSAGE_EXTENSION_MAX = 4096,
};

static int reject(struct h1_parser *p, int code, unsigned status, const char *rule)
{
	p->state = S_FAILED;
	p->failure = code;
	p->reject_status = p->kind == H1_RESPONSE ? 502 : status;
	p->reject_rule = rule;
	return code;
}

static int bad(struct h1_parser *p, const char *rule)
{
	return reject(p, ERR_PROTO, 400, rule);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 9110 5.6.2 */
static bool is_tchar(char c)
{
	return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A byte allowed in a field value or a quoted string: HTAB, SP, VCHAR, obs-text. */
static bool is_text(char c)
{
	unsigned char u = (unsigned char)c;

	return c == '\t' || (u >= 0x20 && u != 0x7f);
}

static bool all(struct span s, bool (*allowed)(char))
{
	for (size_t i = 0; i < s.len; i++)
		if (!allowed(s.data[i]))
			return false;
	return true;
}

static bool is_token(struct span s)
{
	return s.len > 0 && all(s, is_tchar);
}

static struct span trim(struct span s)
{
	while (s.len > 0 && is_blank(s.data[0])) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

/* Cut `rest` at the first `byte`: returns what came before it. False when `byte` is absent. */
static bool cut(struct span *rest, char byte, struct span *before_out)
{
	const char *at = rest->len > 0 ? memchr(rest->data, byte, rest->len) : NULL;

	if (at == NULL)
		return false;
	*before_out = (struct span){rest->data, (size_t)(at - rest->data)};
	rest->len -= before_out->len + 1;
	rest->data = at + 1;
	return true;
}

/* The next comma-separated element, trimmed; false at the end. `rest->data` NULL means the end. */
static bool list_next(struct span *rest, struct span *element_out)
{
	if (rest->data == NULL)
		return false;
	if (!cut(rest, ',', element_out)) {
		*element_out = *rest;
		*rest = (struct span){NULL, 0};
	}
	*element_out = trim(*element_out);
	return true;
}

static bool one_of(struct span name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (span_eq_nocase(name, span_of(*list)))
			return true;
	return false;
}

/* "_" counts as "-": an origin that folds the two must not see framing that we did not. */
static bool named(struct span name, const char *want)
{
	size_t i = 0;

	for (; i < name.len && want[i] != '\0'; i++) {
		char c = name.data[i] == '_' ? '-' : name.data[i];
		if (strncasecmp(&c, &want[i], 1) != 0)
			return false;
	}
	return i == name.len && want[i] == '\0';
}

static bool is_hop_name(struct span name)
{
	static const char *const hop[] = {"connection",
	                                  "keep-alive",
	                                  "proxy-connection",
	                                  "proxy-authenticate",
	                                  "proxy-authorization",
	                                  "te",
	                                  "trailer",
	                                  "transfer-encoding",
	                                  "upgrade",
	                                  "content-length",
	                                  "host",
	                                  NULL};

	for (size_t i = 0; hop[i] != NULL; i++)
		if (named(name, hop[i]))
			return true;
	return false;
}

/* A client must not be able to make us drop what an origin relies on for access control. */
static bool may_be_nominated(struct span name)
{
	static const char *const keep[] = {"authorization", "cookie", "forwarded", NULL};
	struct span prefix = {name.data, 12};

	return !one_of(name, keep) && !(name.len >= 12 && span_eq_nocase(prefix, SPAN("x-forwarded-")));
}

static bool connection_has(const struct h1_message *m, struct span token)
{
	for (size_t i = 0; i < m->field_count; i++) {
		struct span rest = m->fields[i].value, element;

		if (!span_eq_nocase(m->fields[i].name, SPAN("connection")))
			continue;
		while (list_next(&rest, &element))
			if (span_eq_nocase(element, token))
				return true;
	}
	return false;
}

bool h1_hop_by_hop(const struct h1_message *m, struct span name)
{
	return is_hop_name(name) || (may_be_nominated(name) && connection_has(m, name));
}

static size_t count_fields(const struct h1_message *m, struct span name)
{
	size_t n = 0;

	for (size_t i = 0; i < m->field_count; i++)
		n += span_eq_nocase(m->fields[i].name, name);
	return n;
}

struct span h1_field(const struct h1_message *m, struct span name)
{
	for (size_t i = 0; i < m->field_count; i++)
		if (span_eq_nocase(m->fields[i].name, name))
			return m->fields[i].value;
	return (struct span){NULL, 0};
}

static bool is_host_byte(char c)
{
	return is_alnum(c) || (c != '\0' && strchr("-._~", c) != NULL);
}

static bool is_ip6_byte(char c)
{
	return is_digit(c) || c == ':' || c == '.' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* host [":" port] without userinfo, lists or percent-encoding (RFC 9112 3.2, narrowed). */
static bool is_authority(struct span s)
{
	struct span host;

	if (s.len > 0 && s.data[0] == '[') {
		if (!cut(&s, ']', &host) || host.len < 3)
			return false;
		host.data++;
		host.len--;
		if (!all(host, is_ip6_byte))
			return false;
		if (s.len == 0)
			return true;
		if (s.data[0] != ':')
			return false;
		s.data++;
		s.len--;
	} else if (cut(&s, ':', &host)) {
		if (host.len == 0 || !all(host, is_host_byte))
			return false;
	} else {
		return s.len > 0 && all(s, is_host_byte);
	}
	return s.len > 0 && s.len <= 5 && all(s, is_digit);
}

static bool is_target_byte(char c)
{
	return c > 0x20 && c < 0x7f && c != '#';
}

/* Reduces an absolute-form target to origin-form; its authority becomes the host. */
static int absolute_form(struct h1_parser *p, struct span rest)
{
	struct h1_message *m = &p->message;
	struct span authority = rest;

	for (size_t i = 0; i < rest.len; i++)
		if (rest.data[i] == '/' || rest.data[i] == '?') {
			authority.len = i;
			break;
		}
	if (!is_authority(authority))
		return bad(p, "target_authority");
	m->host = authority;
	m->target = (struct span){rest.data + authority.len, rest.len - authority.len};
	if (m->target.len == 0)
		m->target = span_eq(m->method, SPAN("OPTIONS")) ? SPAN("*") : SPAN("/");
	return m->target.data[0] == '?' ? bad(p, "target_without_path") : 0;
}

static int check_target(struct h1_parser *p)
{
	struct span t = p->message.target;
	static const char *const schemes[] = {"http://", "https://", NULL};

	if (t.len == 0 || !all(t, is_target_byte))
		return bad(p, "target_byte");
	if (span_eq(p->message.method, SPAN("CONNECT")))
		return bad(p, "connect");
	if (t.data[0] == '/')
		return 0;
	if (span_eq(t, SPAN("*")))
		return span_eq(p->message.method, SPAN("OPTIONS")) ? 0 : bad(p, "asterisk_form");
	for (size_t i = 0; schemes[i] != NULL; i++) {
		struct span scheme = span_of(schemes[i]);
		struct span start = {t.data, scheme.len};

		if (t.len > scheme.len && span_eq_nocase(start, scheme))
			return absolute_form(p, (struct span){t.data + scheme.len, t.len - scheme.len});
	}
	return bad(p, "target_form");
}

static int check_version(struct h1_parser *p, struct span v)
{
	if (v.len != 8 || !span_starts(v, SPAN("HTTP/")) || !is_digit(v.data[5]) || v.data[6] != '.' ||
	    !is_digit(v.data[7]))
		return bad(p, "version");
	if (v.data[5] != '1' || v.data[7] > '1')
		return reject(p, ERR_UNSUPPORTED, 505, "version_unsupported");
	p->message.minor = (unsigned)(v.data[7] - '0');
	return 0;
}

static int request_line(struct h1_parser *p, struct span line)
{
	struct h1_message *m = &p->message;

	if (!cut(&line, ' ', &m->method) || !cut(&line, ' ', &m->target))
		return bad(p, "request_line");
	if (!is_token(m->method))
		return bad(p, "method");
	if (m->method.len > H1_METHOD_MAX)
		return reject(p, ERR_LIMIT, 501, "method_length");
	int r = check_version(p, line);
	return r < 0 ? r : check_target(p);
}

static int status_line(struct h1_parser *p, struct span line)
{
	struct h1_message *m = &p->message;
	struct span version;

	if (!cut(&line, ' ', &version))
		return bad(p, "status_line");
	int r = check_version(p, version);
	if (r < 0)
		return r;
	/* the SP before an empty reason is often left out, and means nothing */
	if (line.len < 3 || (line.len > 3 && line.data[3] != ' '))
		return bad(p, "status_line");
	for (size_t i = 0; i < 3; i++) {
		if (!is_digit(line.data[i]))
			return bad(p, "status_line");
		m->status = m->status * 10 + (unsigned)(line.data[i] - '0');
	}
	if (m->status < 100 || m->status > 599)
		return bad(p, "status_range");
	if (line.len > 3)
		m->reason = (struct span){line.data + 4, line.len - 4};
	return all(m->reason, is_text) ? 0 : bad(p, "reason_byte");
}

static int add_field(struct h1_parser *p, struct span line)
{
	struct h1_message *m = &p->message;
	struct span name;

	if (is_blank(line.data[0]))
		return bad(p, m->field_count == 0 ? "leading_blank" : "obs_fold");
	if (!cut(&line, ':', &name))
		return bad(p, "missing_colon");
	if (!is_token(name))
		return bad(p, "field_name");
	if (!all(line, is_text))
		return bad(p, "field_value");
	if (m->field_count == H1_FIELDS_MAX)
		return reject(p, ERR_LIMIT, 431, "field_count");
	m->fields[m->field_count++] = (struct h1_field){name, trim(line)};
	return 0;
}

/* Trailers that would change the meaning of the message are parsed, then forgotten. */
static bool trailer_forbidden(struct span name)
{
	struct span prefix = {name.data, 8};

	return is_hop_name(name) || named(name, "authorization") || named(name, "cookie") ||
	       named(name, "set-cookie") || (name.len >= 8 && named(prefix, "content-"));
}

static int add_trailer(struct h1_parser *p, struct span line)
{
	struct h1_message *m = &p->message;

	if (!p->has_trailers)
		m->field_count = 0;
	p->has_trailers = true;
	int r = add_field(p, line);
	if (r < 0 || !trailer_forbidden(m->fields[m->field_count - 1].name))
		return r;
	m->field_count--;
	p->head_len = p->line_start;
	return 0;
}

static int parse_length(struct h1_parser *p, struct span v, uint64_t *out)
{
	uint64_t n = 0;

	if (v.len == 0 || !all(v, is_digit))
		return bad(p, "content_length");
	for (size_t i = 0; i < v.len; i++) {
		unsigned digit = (unsigned)(v.data[i] - '0');

		if (n > ((uint64_t)INT64_MAX - digit) / 10)
			return reject(p, ERR_LIMIT, 413, "content_length_range");
		n = n * 10 + digit;
	}
	*out = n;
	return 0;
}

/* Only exactly "chunked" is decoded; a proper list of known codings before it is a 501. */
static int check_coding(struct h1_parser *p, struct span rest)
{
	static const char *const known[] = {"gzip", "x-gzip", "deflate", "compress", "x-compress", NULL};
	struct span element;

	if (span_eq_nocase(rest, SPAN("chunked")))
		return 0;
	while (list_next(&rest, &element)) {
		if (rest.data == NULL && span_eq_nocase(element, SPAN("chunked")))
			return reject(p, ERR_UNSUPPORTED, 501, "te_coding");
		if (!one_of(element, known))
			break;
	}
	return bad(p, "te_value");
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
	size_t lengths = count_fields(m, SPAN("content-length"));
	size_t codings = count_fields(m, SPAN("transfer-encoding"));
	int r = 0;

	if (lengths > 0 && codings > 0)
		return bad(p, "te_and_cl");
	if (lengths > 1)
		return bad(p, "duplicate_cl");
	if (codings > 1)
		return bad(p, "duplicate_te");
	if (codings > 0 && m->minor == 0)
		return bad(p, "te_in_http10");
	if (lengths > 0)
		r = parse_length(p, h1_field(m, SPAN("content-length")), &m->content_length);
	else if (codings > 0)
		r = check_coding(p, h1_field(m, SPAN("transfer-encoding")));
	if (r < 0)
		return r;
	if (without_body(p))
		m->framing = H1_NO_BODY;
	else if (codings > 0)
		m->framing = H1_CHUNKED;
	else if (lengths > 0)
		m->framing = H1_LENGTH;
	else
		m->framing = p->kind == H1_RESPONSE ? H1_UNTIL_CLOSE : H1_NO_BODY;
	return 0;
}

static int check_request_fields(struct h1_parser *p)
{
	static const char *const singletons[] = {"host", "content-type", "authorization", NULL};
	struct h1_message *m = &p->message;
	struct span host = h1_field(m, SPAN("host"));

	for (size_t i = 0; singletons[i] != NULL; i++)
		if (count_fields(m, span_of(singletons[i])) > 1)
			return bad(p, "duplicate_singleton");
	if (host.data == NULL)
		return m->minor == 0 ? 0 : bad(p, "missing_host");
	if (!is_authority(host))
		return bad(p, "host");
	if (m->host.data == NULL)
		m->host = host;
	return 0;
}

static void set_flags(struct h1_parser *p)
{
	struct h1_message *m = &p->message;

	m->keep_alive = !connection_has(m, SPAN("close")) && m->framing != H1_UNTIL_CLOSE &&
	                (m->minor > 0 || connection_has(m, SPAN("keep-alive")));
	m->upgrade =
	        m->minor > 0 && connection_has(m, SPAN("upgrade")) && h1_field(m, SPAN("upgrade")).len > 0;
	m->expect_continue = p->kind == H1_REQUEST && m->minor > 0 &&
	                     span_eq_nocase(h1_field(m, SPAN("expect")), SPAN("100-continue"));
}

static int end_of_head(struct h1_parser *p)
{
	struct h1_message *m = &p->message;
	int r = p->kind == H1_REQUEST ? check_request_fields(p) : 0;

	if (r == 0)
		r = decide_framing(p);
	if (r < 0)
		return r;
	set_flags(p);
	p->left = m->content_length;
	switch (m->framing) {
	case H1_NO_BODY:
		p->state = S_END;
		break;
	case H1_LENGTH:
		p->state = p->left > 0 ? S_LENGTH : S_END;
		break;
	case H1_CHUNKED:
		p->state = S_SIZE_FIRST;
		break;
	case H1_UNTIL_CLOSE:
		p->state = S_UNTIL_CLOSE;
		break;
	}
	return H1_HEAD;
}

static int start_line(struct h1_parser *p, struct span line)
{
	if (line.len == 0) {
		if (p->kind == H1_RESPONSE || ++p->leading_crlf > LEADING_CRLF_MAX)
			return bad(p, "leading_crlf");
		return 0;
	}
	p->state = S_FIELD;
	return p->kind == H1_REQUEST ? request_line(p, line) : status_line(p, line);
}

static int end_of_trailers(struct h1_parser *p)
{
	p->state = S_END;
	return p->has_trailers && p->message.field_count > 0 ? H1_TRAILERS : 0;
}

static int whole_line(struct h1_parser *p)
{
	struct span line = {p->head + p->line_start, p->head_len - p->line_start};
	int r;

	if (p->state == S_START)
		r = start_line(p, line);
	else if (p->state == S_FIELD)
		r = line.len == 0 ? end_of_head(p) : add_field(p, line);
	else
		r = line.len == 0 ? end_of_trailers(p) : add_trailer(p, line);
	p->line_start = p->head_len;
	return r;
}

static int line_byte(struct h1_parser *p, char c)
{
	bool start = p->state == S_START;

	if (p->state == S_TRAILER && ++p->trailer_bytes > H1_HEAD_MAX)
		return reject(p, ERR_LIMIT, 431, "trailer_bytes");
	if (p->after_cr) {
		p->after_cr = false;
		return c == '\n' ? whole_line(p) : bad(p, "bare_cr");
	}
	if (c == '\r') {
		p->after_cr = true;
		return 0;
	}
	if (c == '\n')
		return bad(p, "bare_lf");
	if (p->head_len - p->line_start == (start ? H1_LINE_MAX : H1_FIELD_MAX))
		return reject(p, ERR_LIMIT, start ? 414 : 431, start ? "line_length" : "field_length");
	if (p->head_len == p->head_cap)
		return reject(p, ERR_LIMIT, 431, "head_length");
	p->head[p->head_len++] = c;
	return 0;
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int size_byte(struct h1_parser *p, char c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		if (++p->digits > CHUNK_DIGITS_MAX || p->left > INT64_MAX >> 4)
			return bad(p, "chunk_size_range");
		p->left = p->left << 4 | (uint64_t)digit;
		p->state = S_SIZE;
		return 0;
	}
	if (p->state == S_SIZE_FIRST || (c != ';' && c != '\r'))
		return bad(p, "chunk_size");
	p->state = c == ';' ? S_EXT_START : S_SIZE_LF;
	return 0;
}

/* The state after `c` within *( ";" name [ "=" ( token / quoted ) ] ), or -1. */
static int extension_next(int state, char c)
{
	bool name = state == S_EXT_NAME, end = name || state == S_EXT_TOKEN || state == S_EXT_CLOSED;

	if (state == S_EXT_ESCAPE)
		return is_text(c) ? S_EXT_QUOTED : -1;
	if (state == S_EXT_QUOTED) {
		if (c == '"')
			return S_EXT_CLOSED;
		return c == '\\' ? S_EXT_ESCAPE : is_text(c) ? S_EXT_QUOTED : -1;
	}
	if (end && c == '\r')
		return S_SIZE_LF;
	if (end && c == ';')
		return S_EXT_START;
	if (name && c == '=')
		return S_EXT_VALUE;
	if (state == S_EXT_START && is_blank(c))
		return S_EXT_START;
	if (state == S_EXT_VALUE && c == '"')
		return S_EXT_QUOTED;
	if (state == S_EXT_CLOSED || !is_tchar(c))
		return -1;
	return state == S_EXT_START || name ? S_EXT_NAME : S_EXT_TOKEN;
}

static int extension_byte(struct h1_parser *p, char c)
{
	int next = extension_next(p->state, c);

	if (next < 0)
		return bad(p, "chunk_extension");
	if (++p->chunk_extension_bytes > CHUNK_EXTENSION_MAX || ++p->extension_bytes > MESSAGE_EXTENSION_MAX)
		return reject(p, ERR_LIMIT, 400, "chunk_extension_length");
	p->state = next;
	return 0;
}

static int chunk_byte(struct h1_parser *p, char c)
{
	switch (p->state) {
	case S_SIZE_FIRST:
	case S_SIZE:
		return size_byte(p, c);
	case S_SIZE_LF:
		if (c != '\n')
			return bad(p, "chunk_line_end");
		p->state = p->left > 0 ? S_CHUNK_DATA : S_TRAILER;
		return 0;
	case S_DATA_CR:
		p->state = S_DATA_LF;
		return c == '\r' ? 0 : bad(p, "chunk_data_end");
	case S_DATA_LF:
		p->state = S_SIZE_FIRST;
		p->digits = 0;
		p->chunk_extension_bytes = 0;
		return c == '\n' ? 0 : bad(p, "chunk_data_end");
	default:
		return extension_byte(p, c);
	}
}

void h1_init(struct h1_parser *p, enum h1_kind kind, char *head, size_t head_cap)
{
	*p = (struct h1_parser){
	        .kind = kind, .head = head, .head_cap = head_cap < H1_HEAD_MAX ? head_cap : H1_HEAD_MAX};
	h1_next(p);
}

void h1_next(struct h1_parser *p)
{
	struct h1_message *m = &p->message;

	m->method = m->target = m->reason = m->host = (struct span){NULL, 0};
	m->status = m->minor = 0;
	m->framing = H1_NO_BODY;
	m->content_length = 0;
	m->keep_alive = m->upgrade = m->expect_continue = false;
	m->field_count = 0;
	p->head_request = false;
	p->reject_status = 0;
	p->reject_rule = NULL;
	p->state = S_START;
	p->failure = 0;
	p->head_len = p->line_start = p->trailer_bytes = p->extension_bytes = p->chunk_extension_bytes = 0;
	p->left = 0;
	p->leading_crlf = p->digits = 0;
	p->after_cr = p->has_trailers = false;
}

static size_t take_body(struct h1_parser *p, const char *data, size_t len, struct span *body_out)
{
	if (p->state != S_UNTIL_CLOSE) {
		if (len > p->left)
			len = (size_t)p->left;
		p->left -= len;
		if (p->left == 0)
			p->state = p->state == S_LENGTH ? S_END : S_DATA_CR;
	}
	*body_out = (struct span){data, len};
	return len;
}

long h1_feed(struct h1_parser *p, struct span input, enum h1_event *event_out, struct span *body_out)
{
	size_t used = 0;
	int r = 0;

	*event_out = H1_NEED_MORE;
	*body_out = (struct span){NULL, 0};
	while (r == 0) {
		if (p->state == S_FAILED)
			return p->failure;
		if (p->state == S_END || p->state == S_DONE) {
			p->state = S_DONE;
			*event_out = H1_DONE;
			return (long)used;
		}
		if (used == input.len)
			return (long)used;
		if (p->state == S_LENGTH || p->state == S_CHUNK_DATA || p->state == S_UNTIL_CLOSE) {
			*event_out = H1_DATA;
			return (long)(used + take_body(p, input.data + used, input.len - used, body_out));
		}
		char c = input.data[used++];
		r = p->state <= S_TRAILER ? line_byte(p, c) : chunk_byte(p, c);
	}
	if (r < 0)
		return r;
	*event_out = (enum h1_event)r;
	return (long)used;
}

int h1_eof(struct h1_parser *p)
{
	bool between = p->state == S_START && p->head_len == 0 && !p->after_cr;

	if (p->state == S_FAILED)
		return p->failure;
	if (p->state == S_UNTIL_CLOSE)
		p->state = S_END;
	if (between || p->state == S_END || p->state == S_DONE)
		return 0;
	return bad(p, "cut_short");
}

const char *h1_reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} table[] = {
	        {100, "Continue"},
	        {101, "Switching Protocols"},
	        {103, "Early Hints"},
	        {200, "OK"},
	        {201, "Created"},
	        {202, "Accepted"},
	        {204, "No Content"},
	        {206, "Partial Content"},
	        {301, "Moved Permanently"},
	        {302, "Found"},
	        {303, "See Other"},
	        {304, "Not Modified"},
	        {307, "Temporary Redirect"},
	        {308, "Permanent Redirect"},
	        {400, "Bad Request"},
	        {401, "Unauthorized"},
	        {403, "Forbidden"},
	        {404, "Not Found"},
	        {405, "Method Not Allowed"},
	        {406, "Not Acceptable"},
	        {408, "Request Timeout"},
	        {409, "Conflict"},
	        {410, "Gone"},
	        {411, "Length Required"},
	        {412, "Precondition Failed"},
	        {413, "Content Too Large"},
	        {414, "URI Too Long"},
	        {415, "Unsupported Media Type"},
	        {416, "Range Not Satisfiable"},
	        {417, "Expectation Failed"},
	        {421, "Misdirected Request"},
	        {422, "Unprocessable Content"},
	        {426, "Upgrade Required"},
	        {428, "Precondition Required"},
	        {429, "Too Many Requests"},
	        {431, "Request Header Fields Too Large"},
	        {500, "Internal Server Error"},
	        {501, "Not Implemented"},
	        {502, "Bad Gateway"},
	        {503, "Service Unavailable"},
	        {504, "Gateway Timeout"},
	        {505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].status == status)
			return table[i].text;
	return "Unknown";
}

void h1_write_request(struct buf *b, struct span method, struct span target, struct span host)
{
	if (!is_token(method) || target.len == 0 || !all(target, is_target_byte)) {
		b->err = ERR_PROTO;
		return;
	}
	buf_span_put(b, method);
	buf_puts(b, " ");
	buf_span_put(b, target);
	buf_puts(b, " HTTP/1.1\r\n");
	h1_write_field(b, SPAN("Host"), host);
}

void h1_write_status(struct buf *b, unsigned status)
{
	buf_printf(b, "HTTP/1.1 %03u %s\r\n", status, h1_reason(status));
}

/* The check is for callers that build a value themselves: a line break must never get out. */
void h1_write_field(struct buf *b, struct span name, struct span value)
{
	if (!is_token(name) || !all(value, is_text)) {
		b->err = ERR_PROTO;
		return;
	}
	buf_span_put(b, name);
	buf_puts(b, ": ");
	buf_span_put(b, value);
	buf_puts(b, "\r\n");
}

void h1_write_end(struct buf *b, enum h1_framing framing, uint64_t content_length)
{
	if (framing == H1_LENGTH)
		buf_printf(b, "Content-Length: %llu\r\n", (unsigned long long)content_length);
	else if (framing == H1_CHUNKED)
		buf_puts(b, "Transfer-Encoding: chunked\r\n");
	buf_puts(b, "\r\n");
}

void h1_write_chunk_head(struct buf *b, size_t bytes)
{
	buf_printf(b, "%zx\r\n", bytes);
}
