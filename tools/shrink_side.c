/* An endpoint that is asked again and again, and the request that it is asked. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "capture/head.h"
#include "proto/h1.h"
#include "proxy/config_endpoint.h"
#include "tools/commands.h"
#include "tools/shrink.h"

int shrink_aim(struct shrink_side *s, const char *flag, const char *url, const char *ca_file, int timeout_ms)
{
	const char *why = endpoint_from_url(url, &s->endpoint);
	char text[TLS_WHY_BYTES];

	reach_answer_init(&s->answer);
	s->reach.fd = -1;
	s->timeout_ms = timeout_ms;
	if (!why && s->endpoint.tls)
		why = reach_trust(ca_file, &s->trust, text);
	return why ? command_wrong(&shrink_command, "%s %s: %s", flag, url, why) : -1;
}

void shrink_leave(struct shrink_side *s)
{
	if (!s->timeout_ms) /* never aimed */
		return;
	reach_close(&s->reach);
	reach_answer_fini(&s->answer);
	tls_context_unref(&s->trust);
}

/* --- the request --- */

static struct span field_name(const char *field)
{
	return (struct span){field, strcspn(field, ":")};
}

static struct span field_value(const char *field)
{
	const char *colon = strchr(field, ':');

	return colon ? span_of(colon + 1 + strspn(colon + 1, " ")) : SPAN("");
}

/* The n-th field that is sent: those of the head that are not given anew, then what was given. An answer in a
 * coding would be compared as it is, so none is asked for. */
static bool next_field(struct span head, const char *const *headers, unsigned count, size_t *at,
                       unsigned *given, struct span *name, struct span *value)
{
	while (head_next(head, at, name, value)) {
		bool again = span_eq(*name, SPAN("accept-encoding"));

		for (unsigned i = 0; i < count; i++)
			again |= span_eq_nocase(*name, field_name(headers[i]));
		if (!again)
			return true;
	}
	while (*given < count) {
		*name = field_name(headers[*given]);
		*value = field_value(headers[(*given)++]);
		if (value->len)
			return true;
	}
	return false;
}

static int ask_once(struct shrink_side *s, struct span request, bool is_head)
{
	int rc = s->reach.fd == -1 ? reach_open(&s->reach, &s->endpoint, s->trust, s->timeout_ms) : 0;

	if (!rc)
		rc = reach_ask(&s->reach, request, is_head, &s->answer);
	if (rc || !s->answer.keep_alive)
		reach_close(&s->reach);
	return rc;
}

int shrink_ask(struct shrink_side *s, struct span head, struct span body, const char *const *headers,
               unsigned header_count, struct buf *request)
{
	bool is_head = span_eq(head_method(head), SPAN("HEAD")), used = s->reach.fd != -1;
	struct span name, value;
	unsigned given = 0;
	size_t at = 0;
	int rc;

	buf_reset(request);
	h1_write_request(request, head_method(head), head_target(head), span_of(s->endpoint.authority));
	while (next_field(head, headers, header_count, &at, &given, &name, &value))
		h1_write_field(request, name, value);
	h1_write_end(request, body.len ? HTTP_LENGTH : HTTP_NO_BODY, body.len);
	buf_span_put(request, body);
	if (request->err)
		return request->err;
	rc = ask_once(s, buf_span(request), is_head);
	if (rc && used &&
	    !(rc == ERR_SYS && errno == EINTR)) /* a used connection may have been closed meanwhile */
		rc = ask_once(s, buf_span(request), is_head);
	return rc;
}

struct answer shrink_answer(const struct shrink_side *s, struct span head)
{
	struct span fields = buf_span(&s->answer.fields), type = SPAN("");

	while (fields.len) {
		const char *end = memchr(fields.data, '\n', fields.len);
		size_t n = end ? (size_t)(end - fields.data) : fields.len;

		if (n > 14 && !memcmp(fields.data, "content-type: ", 14))
			type = (struct span){fields.data + 14, n - 14};
		n += end != NULL;
		fields.data += n;
		fields.len -= n;
	}
	return (struct answer){.status = s->answer.status,
	                       .content_type = type,
	                       .body = buf_span(&s->answer.body),
	                       .target = head_target(head)};
}

/* --- the command line --- */

/* A word for a shell; bytes that could move a terminal are written as printf(1) has them. */
static void put_quoted(struct span s, bool percent)
{
	putchar('\'');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c == '\'')
			fputs("'\\''", stdout);
		else if (percent && (c < 0x20 || c >= 0x7f || c == '\\'))
			printf("\\%03o", c);
		else if (percent && c == '%')
			fputs("%%", stdout);
		else
			putchar(c);
	}
	putchar('\'');
}

static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] < 0x20 || (unsigned char)s.data[i] >= 0x7f)
			return false;
	return true;
}

static void put_header(struct span name, struct span value)
{
	struct buf field;

	buf_init(&field, 2 * H1_HEAD_MAX);
	buf_span_put(&field, name);
	buf_puts(&field, ": ");
	buf_span_put(&field, value);
	fputs(" -H ", stdout);
	put_quoted(buf_span(&field), false);
	buf_fini(&field);
}

void shrink_print_curl(const struct plan_endpoint *e, struct span head, struct span body,
                       const char *const *headers, unsigned header_count)
{
	bool plain = is_plain(body), unix_socket = !strncmp(e->url, "unix:", 5);
	struct span name, value, target = head_target(head);
	unsigned given = 0;
	char url[2 * TEXT_MAX_BYTES + 1024];
	size_t at = 0;

	if (!plain) {
		fputs("printf -- ", stdout);
		put_quoted(body, true);
		fputs(" | ", stdout);
	}
	fputs("curl -gsS -X ", stdout);
	put_quoted(head_method(head), false);
	if (unix_socket) {
		fputs(" --unix-socket ", stdout);
		put_quoted(span_of(e->url + 5), false);
	}
	while (next_field(head, headers, header_count, &at, &given, &name, &value))
		put_header(name, value);
	if (body.len) {
		fputs(plain ? " --data-raw " : " --data-binary ",
		      stdout); /* raw: a body that begins with @ is no file */
		put_quoted(plain ? body : SPAN("@-"), false);
	}
	snprintf(url, sizeof url, "%s%.*s", unix_socket ? "http://localhost" : e->url, (int)target.len,
	         target.data);
	putchar(' ');
	put_quoted(span_of(url), false);
	putchar('\n');
}

int shrink_write(const char *path, struct span body)
{
	FILE *f = fopen(path, "wbe");
	bool written = f && fwrite(body.data, 1, body.len, f) == body.len;

	if (f && fclose(f))
		written = false;
	return written ? 0 : ERR_SYS;
}
