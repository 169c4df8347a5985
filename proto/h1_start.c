/*
 * h1_start.c - request lines and status lines (RFC 9112 3 and 4). Exactly one SP between the parts, and
 * no lenient form of anything.
 */
#include "proto/h1_internal.h"

/* Reduces an absolute-form target to origin-form; its authority becomes the host. */
static int absolute_form(struct h1_parser *p, struct span rest)
{
	struct http_message *m = &p->message;
	struct span authority = rest;

	for (size_t i = 0; i < rest.len; i++)
		if (rest.data[i] == '/' || rest.data[i] == '?') {
			authority.len = i;
			break;
		}
	if (!http_is_authority(authority))
		return REJECT(p, target_authority);
	m->host = authority;
	m->target = (struct span){rest.data + authority.len, rest.len - authority.len};
	if (m->target.len == 0)
		m->target = span_eq(m->method, SPAN("OPTIONS")) ? SPAN("*") : SPAN("/");
	return m->target.data[0] == '?' ? REJECT(p, target_without_path) : 0;
}

static int other_form(struct h1_parser *p, struct span t)
{
	static const struct span schemes[] = {
	        [HTTP_SCHEME_HTTP] = {"http://", 7}, [HTTP_SCHEME_HTTPS] = {"https://", 8}};

	if (span_eq(t, SPAN("*")))
		return span_eq(p->message.method, SPAN("OPTIONS")) ? 0 : REJECT(p, asterisk_form);
	for (unsigned i = HTTP_SCHEME_HTTP; i <= HTTP_SCHEME_HTTPS; i++) {
		struct span start = {t.data, schemes[i].len};

		if (t.len > start.len && span_eq_nocase(start, schemes[i])) {
			p->message.scheme = (enum http_scheme)i;
			return absolute_form(p, (struct span){t.data + start.len, t.len - start.len});
		}
	}
	return REJECT(p, target_form);
}

static int check_version(struct h1_parser *p, struct span v)
{
	if (v.len != 8 || memcmp(v.data, "HTTP/", 5) != 0 || !is_class(v.data[5], C_DIGIT) ||
	    v.data[6] != '.' || !is_class(v.data[7], C_DIGIT))
		return REJECT(p, version);
	if (v.data[5] != '1' || v.data[7] > '1')
		return REJECT(p, version_unsupported);
	p->message.minor = (unsigned)(v.data[7] - '0');
	return 0;
}

int h1_request_line(struct h1_parser *p, struct span line)
{
	struct http_message *m = &p->message;
	struct span t;

	if (!http_cut(&line, ' ', &m->method) || !http_cut(&line, ' ', &t))
		return REJECT(p, request_line);
	m->target = t;
	if (!is_token(m->method))
		return REJECT(p, method);
	if (m->method.len > HTTP_METHOD_MAX)
		return REJECT(p, method_bytes);
	int r = check_version(p, line);
	if (r < 0)
		return r;
	if (t.len == 0 || h1_scan_target(t.data, t.data + t.len) != t.data + t.len)
		return REJECT(p, target_byte);
	if (span_eq(m->method, SPAN("CONNECT")))
		return REJECT(p, connect);
	return t.data[0] == '/' ? 0 : other_form(p, t);
}

int h1_status_line(struct h1_parser *p, struct span line)
{
	struct http_message *m = &p->message;
	struct span version;

	if (!http_cut(&line, ' ', &version))
		return REJECT(p, status_line);
	int r = check_version(p, version);
	if (r < 0)
		return r;
	/* the SP before an empty reason is often left out, and means nothing */
	if (line.len < 3 || (line.len > 3 && line.data[3] != ' '))
		return REJECT(p, status_line);
	for (size_t i = 0; i < 3; i++) {
		if (!is_class(line.data[i], C_DIGIT))
			return REJECT(p, status_line);
		m->status = m->status * 10 + (unsigned)(line.data[i] - '0');
	}
	if (m->status < 100 || m->status > 599)
		return REJECT(p, status_range);
	if (line.len > 3)
		m->reason = (struct span){line.data + 4, line.len - 4};
	return p->dirty_line ? REJECT(p, reason_byte) : 0;
}
