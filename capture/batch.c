#include "capture/batch.h"

#include "proto/json_edit.h"

static bool is_string(struct span token)
{
	return token.len >= 2 && token.data[0] == '"';
}

/* Three digits from 100 on, else 0. */
static unsigned status_of(struct span token)
{
	unsigned status = 0;

	if (token.len != 3)
		return 0;
	for (size_t i = 0; i < 3; i++) {
		if (token.data[i] < '0' || token.data[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(token.data[i] - '0');
	}
	return status >= 100 ? status : 0;
}

int batch_answer(struct span line, struct batch_answer *out)
{
	struct span response = json_at(line, "$.response"), error = json_at(line, "$.error");

	*out = (struct batch_answer){.id = json_at(line, "$.custom_id"), .body = SPAN("")};
	if (!is_string(out->id) || (!response.len && !error.len))
		return ERR_PROTO;
	out->status = status_of(json_at(line, "$.response.status_code"));
	if (out->status)
		out->body = json_at(line, "$.response.body");
	return 0;
}

static bool is_object(struct span body)
{
	struct json_reader in;
	enum json_token token;

	json_reader_init(&in, body, 0);
	if (json_next(&in, &token) || token != JSON_OBJECT)
		return false;
	while (token != JSON_END)
		if (json_next(&in, &token))
			return false;
	return true;
}

/* Between tokens only a document has line ends. */
static void put_on_one_line(struct buf *b, struct span body)
{
	for (size_t at = 0, end; at < body.len; at = end + 1) {
		for (end = at; end < body.len && body.data[end] != '\n' && body.data[end] != '\r';)
			end++;
		buf_put(b, body.data + at, end - at);
		buf_puts(b, end < body.len ? " " : "");
	}
}

int batch_request(struct span id, struct span method, struct span target, struct span body, struct buf *out)
{
	if (!method.len || !target.len || target.data[0] != '/' || !is_object(body))
		return ERR_PROTO;
	buf_puts(out, "{\"custom_id\":");
	buf_json_string(out, id);
	buf_puts(out, ",\"method\":");
	buf_json_string(out, method);
	buf_puts(out, ",\"url\":");
	buf_json_string(out, target);
	buf_puts(out, ",\"body\":");
	put_on_one_line(out, body);
	buf_puts(out, "}\n");
	return out->err;
}
