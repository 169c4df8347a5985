#include "replay/request.h"

#include <stdio.h>
#include <string.h>

#include "capture/head.h"
#include "capture/mask.h"
#include "proto/base/siphash.h"
#include "proto/grpc.h"
#include "proto/h1.h"
#include "proto/json_edit.h"
#include "proto/traceparent.h"

enum { CREDENTIAL_MAX = 8192 };
static const struct span MARK = SPAN("understudy-shadow"), TRACEPARENT = SPAN("traceparent");

static bool can_be_sent(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7f)
			return false;
	return value.len <= CREDENTIAL_MAX;
}

int request_to_init(struct request_to *to, const struct plan_candidate *p, uint64_t run_id,
                    struct span credential)
{
	*to = (struct request_to){.plan = p};
	snprintf(to->mark, sizeof to->mark, "%016llx/%s", (unsigned long long)run_id, p->name);
	to->salt = siphash((const uint8_t[16]){0}, span_of(to->mark));
	buf_init(&to->credential, CREDENTIAL_MAX);
	while (credential.len && strchr("\r\n \t", credential.data[credential.len - 1]))
		credential.len--;
	if (!can_be_sent(credential) || (p->credential_file[0] && !credential.len))
		return ERR_CONFIG;
	buf_span_put(&to->credential, credential);
	return to->credential.err;
}

/* --- the head --- */

/* What `path` begins with, by whole segments. */
static bool leads(struct span path, struct span from)
{
	return span_starts(path, from) && (path.len == from.len || from.data[from.len - 1] == '/' ||
	                                   path.data[from.len] == '/' || path.data[from.len] == '?');
}

static void put_target(struct buf *out, struct span target, const struct plan_rewrite *r)
{
	for (uint32_t i = 0; i < r->path_count; i++) {
		struct span from = span_of(r->paths[i].from);

		if (!leads(target, from))
			continue;
		buf_puts(out, r->paths[i].to);
		buf_put(out, target.data + from.len, target.len - from.len);
		return;
	}
	buf_span_put(out, target);
}

static struct span host_of(struct span head, const struct plan_candidate *p)
{
	struct span kept = p->rewrite.keep_host ? head_field(head, SPAN("host")) : SPAN("");

	if (kept.len)
		return kept;
	return span_of(p->rewrite.host[0] ? p->rewrite.host : p->endpoint.authority);
}

static bool is_ours(struct span name, const struct request_to *to)
{
	const struct plan_header_edits *edits = &to->plan->rewrite.headers;

	if (span_eq(name, MARK) || span_eq(name, SPAN(REQUEST_MOVED)) || span_eq(name, SPAN("host")) ||
	    mask_is_credential(name) ||
	    (buf_len(&to->credential) && span_eq(name, span_of(to->plan->credential_header))))
		return true;
	for (uint32_t i = 0; i < edits->count; i++)
		if (span_eq(name, span_of(edits->edits[i].name)))
			return true;
	return false;
}

static bool is_trace(struct span name)
{
	return span_eq(name, TRACEPARENT) || span_eq(name, SPAN("tracestate"));
}

static void put_ours(struct buf *out, const struct request_to *to)
{
	const struct plan_header_edits *edits = &to->plan->rewrite.headers;

	for (uint32_t i = 0; i < edits->count; i++)
		if (!edits->edits[i].remove)
			h1_write_field(out, span_of(edits->edits[i].name), span_of(edits->edits[i].value));
	if (buf_len(&to->credential))
		h1_write_field(out, span_of(to->plan->credential_header), buf_span(&to->credential));
	h1_write_field(out, MARK, span_of(to->mark));
}

/* The one traceparent of the head, valid, with our span. */
static bool trace_of(struct span head, uint64_t span, char out[TRACEPARENT_BYTES])
{
	struct span name, value, only = {0};
	unsigned count = 0;
	size_t at = 0;

	while (head_next(head, &at, &name, &value))
		if (span_eq(name, TRACEPARENT) && count++ == 0)
			only = value;
	return count == 1 && traceparent_next(only, span, out);
}

static void put_head(struct buf *out, struct span head, uint64_t id, const struct request_to *to)
{
	char trace[TRACEPARENT_BYTES];
	bool traced = trace_of(head, traceparent_span(id, to->salt), trace);
	struct span name, value;
	struct buf target;
	size_t at = 0;

	buf_init(&target, H1_LINE_MAX);
	put_target(&target, head_target(head), &to->plan->rewrite);
	if (target.err)
		out->err = target.err;
	h1_write_request(out, head_method(head), buf_span(&target), host_of(head, to->plan));
	buf_fini(&target);
	while (head_next(head, &at, &name, &value))
		if (!is_ours(name, to) && (traced || !is_trace(name)))
			h1_write_field(out, name,
			               span_eq(name, TRACEPARENT) ? (struct span){trace, sizeof trace}
			                                          : value);
	if (grpc_is(head_field(head, SPAN("content-type")))) /* it belongs to one hop, and gRPC asks for it */
		h1_write_field(out, SPAN("te"), SPAN("trailers"));
	put_ours(out, to);
}

/* Behind the last chunk; lines of "name: value". */
static void put_trailers(struct buf *out, struct span lines)
{
	struct buf text;
	struct span name, value;
	size_t at = 0;

	buf_puts(out, "0\r\n");
	buf_init(&text, lines.len + 1);
	buf_put(&text, "\n", 1); /* as behind the first line of a head */
	buf_span_put(&text, lines);
	while (head_next(buf_span(&text), &at, &name, &value))
		h1_write_field(out, name, value);
	if (text.err)
		out->err = text.err;
	buf_fini(&text);
	buf_puts(out, "\r\n");
}

static void put_body(struct buf *out, struct span body, struct span trailers)
{
	if (!trailers.len) {
		h1_write_end(out, HTTP_LENGTH, body.len);
		buf_span_put(out, body);
		return;
	}
	h1_write_end(out, HTTP_CHUNKED, 0);
	if (body.len)
		h1_write_chunk_head(out, body.len);
	buf_span_put(out, body);
	if (body.len)
		buf_puts(out, "\r\n");
	put_trailers(out, trailers);
}

/* --- the body --- */

static unsigned edits_of(const struct request_to *to, struct json_edit edits[REWRITES_MAX + 1])
{
	const struct plan_rewrite *r = &to->plan->rewrite;
	unsigned n = 0;

	for (; n < r->body_count; n++)
		edits[n] = (struct json_edit){r->body[n].path, span_of(r->body[n].value)};
	if (to->model.len)
		edits[n++] = (struct json_edit){"$.model", to->model};
	return n;
}

/* False: it stays as it is. */
static bool edit_body(struct buf *out, const struct leg *request, const struct request_to *to)
{
	struct json_edit edits[REWRITES_MAX + 1];
	unsigned count = edits_of(to, edits), replaced = 0;

	return count && buf_len(&request->body) &&
	       !head_field(buf_span(&request->head), SPAN("content-encoding")).len &&
	       !json_edit(buf_span(&request->body), edits, count, out, &replaced) && replaced;
}

void request_write(struct buf *out, const struct leg *request, uint64_t id, const struct request_to *to)
{
	struct span body = buf_span(&request->body);
	struct buf edited;

	buf_init(&edited, body.len + (REWRITES_MAX + JSON_EDITS_MAX) * TEXT_MAX_BYTES);
	if (edit_body(&edited, request, to))
		body = buf_span(&edited);
	put_head(out, buf_span(&request->head), id, to);
	put_body(out, body, buf_span(&request->trailers));
	buf_fini(&edited);
}
