/*
 * mask_form.c - forms: pairs as a browser encodes them (WHATWG URL 5) and parts of multipart/form-data (RFC
 * 7578).
 *
 * A pair in which nothing is masked leaves as it came. A part's bytes leave as they came but for its value;
 * what is neither text nor JSON is not passed.
 */
#define _GNU_SOURCE /* memmem */
#include "capture/mask_inside.h"
#include "capture/mask_watch.h"
#include "proto/url.h"

struct pair {
	struct span raw, name, value; /* of the body */
	bool has_value;
};

static struct pair cut_pair(struct span raw)
{
	const char *eq = raw.len ? memchr(raw.data, '=', raw.len) : NULL;
	struct pair p = {raw, raw, SPAN(""), eq != NULL};

	if (eq) {
		p.name.len = (size_t)(eq - raw.data);
		p.value = (struct span){eq + 1, raw.len - p.name.len - 1};
	}
	return p;
}

static int masked_pair(struct mask_work *w, const struct pair *p, struct buf *name, struct buf *value)
{
	struct mask_work decoded = *w;
	const struct plan_mask_field *rule;
	struct buf to;
	int err;

	rule = mask_rules_form(w->rules, buf_span(name), &w->input_masked);
	mask_watch_at(w->key, "form",
	              mask_holds(mask_rules_finder(w->rules), buf_span(name)) ? SPAN("") : buf_span(name));
	if (rule && rule->with == MASK_DROP) {
		mask_ruled(w, rule, buf_span(value));
		return 0;
	}
	buf_init(&to, w->out->limit_bytes);
	decoded.out = &to;
	err = mask_either(&decoded, SPAN(""), buf_span(name));
	if (!err && decoded.count == w->count)
		buf_span_put(w->out, p->name);
	else
		url_encode(buf_span(&to), "", w->out);
	if (p->has_value)
		buf_puts(w->out, "=");
	buf_reset(&to);
	w->count = decoded.count;
	if (!err && rule)
		mask_ruled(&decoded, rule, buf_span(value));
	else if (!err)
		err = mask_either(&decoded, buf_span(name), buf_span(value));
	if (!err && decoded.count == w->count)
		buf_span_put(w->out, p->value);
	else
		url_encode(buf_span(&to), "", w->out);
	w->count = decoded.count;
	w->input_masked |= decoded.input_masked;
	if (to.err && !w->out->err)
		w->out->err = to.err;
	buf_fini(&to);
	return err;
}

static int mask_pair(struct mask_work *w, struct span raw)
{
	struct pair p = cut_pair(raw);
	struct buf name, value;
	int err;

	buf_init(&name, raw.len + 1);
	buf_init(&value, raw.len + 1);
	err = url_decode(p.name, true, &name);
	if (!err)
		err = url_decode(p.value, true, &value);
	if (!err)
		err = name.err ? name.err : value.err;
	if (!err)
		err = masked_pair(w, &p, &name, &value);
	buf_fini(&name);
	buf_fini(&value);
	return err;
}

int mask_pairs(struct mask_work *w, struct span body)
{
	bool first = true;

	for (;;) {
		const char *and = body.len ? memchr(body.data, '&', body.len) : NULL;
		struct span raw = {body.data, and? (size_t)(and-body.data) : body.len};
		size_t before = buf_len(w->out), put;
		int err;

		if (!first)
			buf_puts(w->out, "&");
		put = buf_len(w->out);
		err = raw.len ? mask_pair(w, raw) : 0;
		if (err)
			return err;
		/* a pair that is gone takes its separator along */
		if (raw.len && buf_len(w->out) == put && !w->out->err)
			w->out->tail -= put - before;
		else
			first = false;
		if (!and)
			return 0;
		body = (struct span){and+1, body.len - raw.len - 1};
	}
}

struct part {
	struct span lines, name, content;
	struct span type; /* of media, no parameters; data NULL: it says none */
	bool json;
};

/* The next line of a part's head: false at the empty one, or when there is none (`lines` is NULL then). */
static bool next_line(struct span *lines, struct span *line_out)
{
	const char *end = lines->len ? memmem(lines->data, lines->len, "\r\n", 2) : NULL;

	*line_out = SPAN("");
	if (!end) {
		*lines = (struct span){NULL, 0};
		return false;
	}
	*line_out = (struct span){lines->data, (size_t)(end - lines->data)};
	*lines = (struct span){end + 2, lines->len - line_out->len - 2};
	return line_out->len > 0;
}

/* The value of a field of that name; data NULL: it is another. */
static struct span field_value(struct span line, struct span name)
{
	struct span value = {line.data + name.len + 1, line.len - name.len - 1};

	if (line.len <= name.len || line.data[name.len] != ':' ||
	    !span_eq_nocase((struct span){line.data, name.len}, name))
		return (struct span){NULL, 0};
	while (value.len && (value.data[0] == ' ' || value.data[0] == '\t'))
		value = (struct span){value.data + 1, value.len - 1};
	return value;
}

/* A name that two readers may read in two ways is refused, and so is a transfer encoding (RFC 7578 4.7). */
static int read_part(struct span part, struct part *out)
{
	struct span rest = part, line, value;
	unsigned names = 0;

	*out = (struct part){.lines = part};
	while (next_line(&rest, &line)) {
		if (field_value(line, SPAN("content-transfer-encoding")).data || line.data[0] == ' ' ||
		    line.data[0] == '\t')
			return ERR_PROTO;
		value = field_value(line, SPAN("content-type"));
		if (value.data) {
			const char *end = memchr(value.data, ';', value.len);

			out->type = (struct span){value.data, end ? (size_t)(end - value.data) : value.len};
			out->json = value.len >= 16 &&
			            span_eq_nocase((struct span){value.data, 16}, SPAN("application/json"));
		}
		value = field_value(line, SPAN("content-disposition"));
		if (!value.data)
			continue;
		out->name = mask_parameter(value, SPAN("name"));
		if (++names > 1 || memchr(value.data, '\\', value.len) ||
		    memmem(value.data, value.len, "*=", 2))
			return ERR_PROTO;
	}
	if (!rest.data || !names || !out->name.data)
		return ERR_PROTO;
	out->lines.len = (size_t)(rest.data - part.data);
	out->content = rest;
	return 0;
}

/* What says how the part is read, and no more: names of files are values. */
static int put_bare_lines(struct mask_work *w, const struct part *part)
{
	int err = part->name.len && memchr(part->name.data, '"', part->name.len) ? ERR_PROTO : 0;

	buf_puts(w->out, "Content-Disposition: form-data; name=\"");
	if (!err)
		err = mask_either(w, SPAN(""), part->name);
	buf_puts(w->out, "\"\r\n");
	if (!err && part->type.data) {
		buf_puts(w->out, "Content-Type: ");
		err = mask_either(w, SPAN(""), part->type);
		buf_puts(w->out, "\r\n");
	}
	buf_puts(w->out, "\r\n");
	return err;
}

static int put_lines(struct mask_work *w, const struct part *part)
{
	struct span line, lines = part->lines;

	if (mask_rules_allow(w->rules))
		return put_bare_lines(w, part);
	while (next_line(&lines, &line)) {
		int err = mask_either(w, SPAN(""), line);

		if (err)
			return err;
		buf_puts(w->out, "\r\n");
	}
	buf_puts(w->out, "\r\n");
	return 0;
}

static int mask_part(struct mask_work *w, struct span boundary, struct span bytes)
{
	const struct plan_mask_field *rule;
	struct part part;
	int err = read_part(bytes, &part);

	if (err)
		return err;
	rule = mask_rules_form(w->rules, part.name, &w->input_masked);
	mask_watch_at(w->key, "form",
	              mask_holds(mask_rules_finder(w->rules), part.name) ? SPAN("") : part.name);
	if (rule && rule->with == MASK_DROP) {
		mask_ruled(w, rule, part.content);
		return 0;
	}
	buf_puts(w->out, "--");
	buf_span_put(w->out, boundary);
	buf_puts(w->out, "\r\n");
	err = put_lines(w, &part);
	if (!err && rule)
		mask_ruled(w, rule, part.content);
	else if (!err && part.json)
		err = mask_json_within(w, part.name, part.content);
	else if (!err)
		err = mask_either(w, part.name, part.content);
	buf_puts(w->out, "\r\n");
	return err;
}

/* The delimiter's place: at the start of a line; NULL: there is none. `stop_out`: behind its line. */
static const char *delimiter(struct span body, struct span boundary, bool at_start, struct span *rest_out,
                             bool *last_out)
{
	for (size_t at = 0; at + boundary.len + 4 <= body.len + 2 * at_start; at++) {
		size_t skip = at_start && at == 0 && body.data[0] == '-' ? 0 : 2, end = at + skip + 2;

		if ((skip && memcmp(body.data + at, "\r\n", 2) != 0) || end + boundary.len > body.len ||
		    memcmp(body.data + at + skip, "--", 2) != 0 ||
		    memcmp(body.data + end, boundary.data, boundary.len) != 0)
			continue;
		end += boundary.len;
		*last_out = body.len - end >= 2 && memcmp(body.data + end, "--", 2) == 0;
		while (!*last_out && end < body.len && (body.data[end] == ' ' || body.data[end] == '\t'))
			end++;
		if (!*last_out && (body.len - end < 2 || memcmp(body.data + end, "\r\n", 2) != 0))
			continue;
		*rest_out = (struct span){body.data + end + 2, body.len - end - 2};
		return body.data + at;
	}
	return NULL;
}

/* What stands before the first part and behind the last is for nobody to read, and goes. */
int mask_parts(struct mask_work *w, struct span boundary, struct span body)
{
	struct span rest, after;
	bool last = false;
	int err = 0;

	if (!delimiter(body, boundary, true, &rest, &last))
		return ERR_PROTO;
	while (!err && !last) {
		const char *end = delimiter(rest, boundary, false, &after, &last);

		if (!end)
			return ERR_PROTO;
		err = mask_part(w, boundary, (struct span){rest.data, (size_t)(end - rest.data)});
		rest = after;
	}
	buf_puts(w->out, "--");
	buf_span_put(w->out, boundary);
	buf_puts(w->out, "--\r\n");
	return err;
}
