#include "capture/head.h"

#include "proto/grpc.h"

static void put_field(struct buf *out, const struct http_field *f)
{
	char *to = buf_room(out, f->name.len + f->value.len + 3);

	if (!to)
		return;
	*to++ = '\n';
	for (size_t i = 0; i < f->name.len; i++) {
		char c = f->name.data[i];

		*to++ = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	*to++ = ':';
	*to++ = ' ';
	if (f->value.len)
		memcpy(to, f->value.data, f->value.len);
	buf_grown(out, f->name.len + f->value.len + 3);
}

void head_put_fields(struct buf *out, const struct http_message *m)
{
	for (size_t i = 0; i < m->field_count; i++)
		if (!m->fields[i].hop)
			put_field(out, &m->fields[i]);
}

void head_put(struct buf *out, const struct http_message *m, enum h1_kind kind)
{
	char digits[3] = {(char)('0' + m->status / 100 % 10), (char)('0' + m->status / 10 % 10),
	                  (char)('0' + m->status % 10)};

	if (kind == H1_REQUEST) {
		buf_span_put(out, m->method);
		buf_put(out, " ", 1);
		buf_span_put(out, m->target);
	} else {
		buf_put(out, digits, sizeof digits);
	}
	head_put_fields(out, m);
}

/* The line at *at without its LF; moves *at past it. */
static struct span next_line(struct span text, size_t *at)
{
	const char *start = text.data + *at, *lf = memchr(start, '\n', text.len - *at);
	struct span line = {start, lf ? (size_t)(lf - start) : text.len - *at};

	*at += line.len + (lf ? 1 : 0);
	return line;
}

static struct span first_line(struct span head)
{
	size_t at = 0;

	return head.len ? next_line(head, &at) : head;
}

struct span head_method(struct span head)
{
	struct span line = first_line(head);
	const char *blank = line.len ? memchr(line.data, ' ', line.len) : NULL;

	return blank ? (struct span){line.data, (size_t)(blank - line.data)} : SPAN("");
}

struct span head_target(struct span head)
{
	struct span line = first_line(head);
	size_t skip = head_method(head).len + 1;

	return skip > 1 && skip <= line.len ? (struct span){line.data + skip, line.len - skip} : SPAN("");
}

unsigned head_status(struct span head)
{
	struct span line = first_line(head);
	unsigned status = 0;

	if (line.len != 3)
		return 0;
	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] < '0' || line.data[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(line.data[i] - '0');
	}
	return status;
}

static bool next_field(struct span text, size_t *at, struct span *name_out, struct span *value_out)
{
	struct span line;
	const char *colon;
	size_t name;

	if (*at >= text.len)
		return false;
	line = next_line(text, at);
	colon = memchr(line.data, ':', line.len);
	name = colon ? (size_t)(colon - line.data) : line.len;
	*name_out = (struct span){line.data, name};
	name += name < line.len ? 1 : 0;
	name += name < line.len && line.data[name] == ' ' ? 1 : 0;
	*value_out = (struct span){line.data + name, line.len - name};
	return true;
}

bool head_next(struct span head, size_t *at, struct span *name_out, struct span *value_out)
{
	if (*at == 0 && head.len)
		next_line(head, at);
	return next_field(head, at, name_out, value_out);
}

struct span head_field(struct span head, struct span lower_name)
{
	struct span name, value;
	size_t at = 0;

	while (head_next(head, &at, &name, &value)) {
		if (span_eq(name, lower_name))
			return value;
	}
	return SPAN("");
}

struct span head_trailer(struct span trailers, struct span lower_name)
{
	struct span name, value;
	size_t at = 0;

	while (next_field(trailers, &at, &name, &value)) {
		if (span_eq(name, lower_name))
			return value;
	}
	return SPAN("");
}

unsigned head_grpc_status(struct span head, struct span trailers)
{
	unsigned status;

	if (!grpc_status(head_trailer(trailers, SPAN("grpc-status")), &status) ||
	    !grpc_status(head_field(head, SPAN("grpc-status")), &status))
		return status;
	return grpc_status_of_http(head_status(head));
}
