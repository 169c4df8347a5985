#define _GNU_SOURCE
#include "capture/har.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "capture/record.h"
#include "proto/base64.h"

enum { FIELD_BYTES_MAX = 16 << 10 };

int har_init(struct har *h, struct span document)
{
	static const char *const log[] = {"log"}, *const entries[] = {"entries"};
	struct span at = {0};
	int err;

	*h = (struct har){0};
	buf_init(&h->request_head, RECORD_PAYLOAD_MAX);
	buf_init(&h->answer_head, RECORD_PAYLOAD_MAX);
	buf_init(&h->request_body, HAR_BODY_MAX);
	buf_init(&h->answer_body, HAR_BODY_MAX);
	err = json_pick(document, 0, log, 1, &at);
	if (!err)
		err = json_pick(at, 0, entries, 1, &at);
	json_elements_init(&h->entries, at, 0);
	return err ? err : at.len && at.data[0] == '[' ? 0 : ERR_PROTO;
}

void har_fini(struct har *h)
{
	buf_fini(&h->request_head);
	buf_fini(&h->request_body);
	buf_fini(&h->answer_head);
	buf_fini(&h->answer_body);
}

/* --- strings --- */

static bool is_string(struct span token)
{
	return token.len >= 2 && token.data[0] == '"';
}

/* A string's text, appended; nothing where there is none. */
static void put(struct span token, struct buf *out)
{
	if (is_string(token))
		json_unescape(token, out);
}

/* "2026-11-23T10:00:00.123Z" or with "+01:00" (RFC 3339), as nanoseconds since the epoch; 0: it is none. */
static uint64_t read_time(struct span token)
{
	struct tm t = {0};
	char text[40] = "", *rest;
	double fraction = 0;
	int hours = 0, minutes = 0, length = 0;
	int64_t seconds;

	if (!is_string(token) || token.len - 2 >= sizeof text)
		return 0;
	memcpy(text, token.data + 1, token.len - 2);
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &t);
	if (!rest)
		return 0;
	if (*rest == '.' && sscanf(rest, "%lf%n", &fraction, &length) == 1)
		rest += length;
	if ((*rest == '+' || *rest == '-') && sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2)
		minutes = (hours * 60 + minutes) * (*rest == '-' ? -1 : 1);
	seconds = timegm(&t) - 60 * minutes;
	return seconds > 0 && seconds < INT32_MAX && fraction >= 0 && fraction < 1
	               ? (uint64_t)seconds * 1000000000u + (uint64_t)(fraction * 1e9)
	               : 0;
}

/* --- heads --- */

/* Of a field's name as HTTP/1.1 has it (RFC 9110 5.1); ":method" of HTTP/2 is none. */
static bool is_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= ' ' || s.data[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", s.data[i]))
			return false;
	return s.len > 0;
}

static bool is_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] < ' ' && s.data[i] != '\t')
			return false;
	return true;
}

/* What frames a message, or says how a body was coded that is told decoded, is not in it. */
static bool is_kept(struct span name)
{
	static const char *const not [] = {
	        "connection", "content-encoding", "content-length",    "expect", "host", "keep-alive",
	        "te",         "trailer",          "transfer-encoding", "upgrade"};

	for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
		if (span_eq(name, span_of(not [i])))
			return false;
	return true;
}

static void put_field(struct span name_token, struct span value_token, struct buf *head)
{
	struct buf name, value;

	buf_init(&name, FIELD_BYTES_MAX);
	buf_init(&value, FIELD_BYTES_MAX);
	put(name_token, &name);
	put(value_token, &value);
	for (size_t i = 0; i < buf_len(&name); i++)
		if (name.base[name.head + i] >= 'A' && name.base[name.head + i] <= 'Z')
			name.base[name.head + i] += 'a' - 'A';
	if (!name.err && !value.err && is_name(buf_span(&name)) && is_value(buf_span(&value)) &&
	    is_kept(buf_span(&name))) {
		buf_puts(head, "\n");
		buf_span_put(head, buf_span(&name));
		buf_puts(head, ": ");
		buf_span_put(head, buf_span(&value));
	}
	buf_fini(&value);
	buf_fini(&name);
}

static void put_fields(struct span headers, struct buf *head)
{
	static const char *const names[] = {"name", "value"};
	struct json_elements all;
	struct span element, field[2];

	json_elements_init(&all, headers, 0);
	while (headers.len && json_elements_next(&all, &element) == 1)
		if (!json_pick(element, 0, names, 2, field))
			put_field(field[0], field[1], head);
}

/* The path and query of an absolute address. */
static struct span target_of(struct span url)
{
	const char *host = memmem(url.data, url.len, "://", 3), *end;
	struct span rest = url;

	if (host) {
		rest = (struct span){host + 3, url.len - (size_t)(host + 3 - url.data)};
		end = memchr(rest.data, '/', rest.len);
		if (!end)
			return SPAN("/");
		rest = (struct span){end, rest.len - (size_t)(end - rest.data)};
	}
	end = memchr(rest.data, '#', rest.len);
	return (struct span){rest.data, end ? (size_t)(end - rest.data) : rest.len};
}

static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= ' ' || s.data[i] >= 0x7f)
			return false;
	return s.len > 0;
}

/* --- an entry --- */

static int refuse(struct har *h, int err, const char *why)
{
	h->why = why;
	return err;
}

static int read_request(struct har *h, struct span request)
{
	static const char *const names[] = {"method", "url", "headers", "postData"}, *const text[] = {"text"};
	struct span m[4] = {{0}}, body[1] = {{0}}, target;
	struct buf url;
	int err = json_pick(request, 0, names, 4, m);

	if (err)
		return refuse(h, err, "it has no request");
	buf_init(&url, FIELD_BYTES_MAX);
	put(m[1], &url);
	target = target_of(buf_span(&url));
	put(m[0], &h->request_head);
	if (!is_plain(target) || target.data[0] != '/' || !is_name(buf_span(&h->request_head)))
		err = refuse(h, ERR_PROTO, "its request has no good method or url");
	buf_puts(&h->request_head, " ");
	buf_span_put(&h->request_head, target);
	buf_fini(&url);
	put_fields(m[2], &h->request_head);
	if (m[3].len && !json_pick(m[3], 0, text, 1, body))
		put(body[0], &h->request_body);
	return err;
}

static int read_answer(struct har *h, struct span response)
{
	static const char *const names[] = {"status", "headers", "content"}, *const parts[] = {"text",
	                                                                                       "encoding"};
	struct span m[3] = {{0}}, content[2] = {{0}};
	struct base64_form form;
	struct buf coded;
	double status = 0;
	int err = 0;

	if (!response.len || json_pick(response, 0, names, 3, m) || !m[0].len || json_double(m[0], &status) ||
	    !(status >= 200 && status <= 599))
		return 0; /* cut, or never sent */
	h->answered = true;
	buf_printf(&h->answer_head, "%d", (int)status);
	put_fields(m[1], &h->answer_head);
	if (!m[2].len || json_pick(m[2], 0, parts, 2, content))
		return 0;
	if (!json_string_eq(content[1], SPAN("base64"))) {
		put(content[0], &h->answer_body);
		return 0;
	}
	buf_init(&coded, HAR_BODY_MAX / 3 * 4 + 4);
	put(content[0], &coded);
	err = coded.err ? coded.err : base64_decode(buf_span(&coded), &form, &h->answer_body);
	buf_fini(&coded);
	return err ? refuse(h, err, "its answer's content cannot be read") : 0;
}

static int read_entry(struct har *h, struct span entry)
{
	static const char *const names[] = {"startedDateTime", "time", "request", "response"};
	struct span m[4] = {{0}};
	double ms = 0;
	int err;

	if (json_pick(entry, 0, names, 4, m))
		return refuse(h, ERR_PROTO, "it is no object");
	h->at_ns = read_time(m[0]);
	if (m[1].len && !json_double(m[1], &ms) && ms > 0 && ms < 1e9)
		h->took_ns = (uint64_t)(ms * 1e6);
	err = read_request(h, m[2]);
	if (!err)
		err = read_answer(h, m[3]);
	if (!err && (h->request_head.err || h->request_body.err || h->answer_head.err || h->answer_body.err))
		err = refuse(h, ERR_LIMIT, "it is too long");
	return err ? err : 1;
}

int har_next(struct har *h)
{
	struct span entry;
	int rc;

	h->why = NULL;
	h->answered = false;
	h->at_ns = h->took_ns = 0;
	buf_reset(&h->request_head);
	buf_reset(&h->request_body);
	buf_reset(&h->answer_head);
	buf_reset(&h->answer_body);
	rc = json_elements_next(&h->entries, &entry);
	if (rc != 1)
		return rc;
	h->number++;
	return read_entry(h, entry);
}

bool har_is(struct span begin)
{
	struct json_reader in;
	enum json_token token = JSON_END;

	json_reader_init(&in, begin, 0);
	return !json_next(&in, &token) && token == JSON_OBJECT && !json_next(&in, &token) &&
	       token == JSON_KEY && json_string_eq(in.text, SPAN("log")) && !json_next(&in, &token) &&
	       token == JSON_OBJECT;
}
