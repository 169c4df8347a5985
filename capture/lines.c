#include "capture/lines.h"

#include <stdio.h>

#include "proto/json.h"

static const char CHAT[] = "/v1/chat/completions", COMPLETIONS[] = "/v1/completions",
                  EMBEDDINGS[] = "/v1/embeddings";

void lines_init(struct lines *l)
{
	*l = (struct lines){.number = 1};
	buf_init(&l->line, LINES_BYTES_MAX);
}

void lines_fini(struct lines *l)
{
	buf_fini(&l->line);
}

/* --- one line --- */

struct members { /* the raw tokens of a line's top level */
	struct span custom_id, method, url, body, messages, prompt, input;
};

static struct span *member_of(struct members *m, struct span key)
{
	const struct {
		const char *name;
		struct span *to;
	} known[] = {{"custom_id", &m->custom_id}, {"method", &m->method},     {"url", &m->url},
	             {"body", &m->body},           {"messages", &m->messages}, {"prompt", &m->prompt},
	             {"input", &m->input}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (json_string_eq(key, span_of(known[i].name)))
			return known[i].to;
	return NULL;
}

/* ERR_PROTO, ERR_LIMIT: it is not JSON. */
static int read_members(struct span line, struct members *m)
{
	struct json_reader in;
	enum json_token token;
	int err;

	json_reader_init(&in, line, 0);
	err = json_next(&in, &token);
	if (err || token != JSON_OBJECT)
		return ERR_PROTO;
	while (!(err = json_next(&in, &token)) && token == JSON_KEY) {
		struct span *to = member_of(m, in.text);
		size_t begin;

		err = json_next(&in, &token);
		if (err)
			return err;
		begin = in.scanner.start;
		err = json_skip(&in, token);
		if (err)
			return err;
		if (to)
			*to = (struct span){line.data + begin, in.scanner.end - begin};
	}
	if (!err && token == JSON_OBJECT_END)
		err = json_next(&in, &token);
	return err ? err : token == JSON_END ? 0 : ERR_PROTO;
}

/* A string token as visible ASCII that fits, else false: it goes into a request's first line. */
static bool plain(struct span token, char *out, size_t size)
{
	if (token.len < 3 || token.data[0] != '"' || token.len - 2 >= size)
		return false;
	for (size_t i = 1; i + 1 < token.len; i++)
		if (token.data[i] <= 0x20 || token.data[i] >= 0x7f || token.data[i] == '\\')
			return false;
	snprintf(out, size, "%.*s", (int)token.len - 2, token.data + 1);
	return true;
}

static bool is_method(const char *text)
{
	return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static int refuse(struct lines *l, struct lines_request *out, int err, const char *why)
{
	l->refused++;
	out->why = why;
	return err;
}

static int take_batch(struct lines *l, const struct members *m, struct lines_request *out)
{
	if (!plain(m->method, l->method, sizeof l->method) || !is_method(l->method))
		return refuse(l, out, ERR_PROTO, "a batch line's method is not one");
	if (!plain(m->url, l->target, sizeof l->target) || l->target[0] != '/')
		return refuse(l, out, ERR_PROTO, "a batch line's url is not a path");
	if (m->body.len && m->body.data[0] != '{')
		return refuse(l, out, ERR_PROTO, "a batch line's body is not an object");
	out->method = l->method;
	out->target = l->target;
	out->body = m->body;
	out->id = m->custom_id;
	return 1;
}

static struct span without_blanks(struct span s)
{
	while (s.len && strchr(" \t\r", s.data[s.len - 1]))
		s.len--;
	while (s.len && strchr(" \t\r", s.data[0])) {
		s.data++;
		s.len--;
	}
	return s;
}

static int take_line(struct lines *l, struct lines_request *out)
{
	struct span line = without_blanks(buf_span(&l->line));
	struct members m = {0};
	int err;

	if (!line.len)
		return 0;
	err = read_members(line, &m);
	if (err)
		return refuse(l, out, err, "it is not a JSON object");
	if (m.custom_id.len && m.method.len && m.url.len) {
		err = take_batch(l, &m, out);
	} else {
		out->method = "POST";
		out->target = m.messages.len ? CHAT
		              : m.prompt.len ? COMPLETIONS
		              : m.input.len  ? EMBEDDINGS
		                             : "";
		out->body = line;
		err = 1;
	}
	l->taken += err == 1;
	return err;
}

/* --- lines --- */

/* Keep what belongs to the line; past the limit none of it. */
static int keep(struct lines *l, struct span part)
{
	if (l->too_long || buf_len(&l->line) + part.len > LINES_BYTES_MAX)
		l->too_long = true;
	else
		buf_span_put(&l->line, part);
	return l->line.err;
}

static int finish_line(struct lines *l, struct lines_request *out)
{
	*out = (struct lines_request){.number = l->number++, .method = "", .target = "", .body = SPAN("")};
	if (!l->too_long)
		return take_line(l, out);
	l->too_long = false;
	return refuse(l, out, ERR_LIMIT, "it is longer than 4 MiB");
}

/* The line that was given out before goes when the next one begins. */
int lines_next(struct lines *l, struct span *input, struct lines_request *out)
{
	int rc = 0;

	while (!rc && input->len) {
		const char *end = memchr(input->data, '\n', input->len);
		size_t n = end ? (size_t)(end - input->data) : input->len;

		if (l->given)
			buf_reset(&l->line);
		l->given = false;
		rc = keep(l, (struct span){input->data, n});
		if (rc)
			return rc;
		input->data += n + (end != NULL);
		input->len -= n + (end != NULL);
		if (end) {
			rc = finish_line(l, out);
			l->given = true;
		}
	}
	return rc;
}

int lines_end(struct lines *l, struct lines_request *out)
{
	if (l->given || (!buf_len(&l->line) && !l->too_long))
		return 0;
	l->given = true;
	return finish_line(l, out);
}
