#include "replay/version.h"

#include <stdio.h>

#include "capture/head.h"
#include "proto/grpc.h"
#include "proto/json_pick.h"
#include "proto/protobuf.h"
#include "proto/sse.h"

enum { DOCUMENTS_READ = 8, MESSAGE_MAX_BYTES = 64 << 20 };

/* What names are made of: nothing else reaches the log. */
static bool is_named(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("._:/@-+", c));
}

/* Behind what is there, `before` between the two. */
static void add(struct version *v, const char *before, struct span value)
{
	size_t at = strlen(v->text);

	for (; at && *before && value.len && at < VERSION_BYTES - 1; before++)
		v->text[at++] = *before;
	for (size_t i = 0; i < value.len && at < VERSION_BYTES - 1; i++)
		v->text[at++] = is_named(value.data[i]) ? value.data[i] : '?';
	v->text[at] = '\0';
}

/* A JSON string without its quotes, a number as it stands; nothing of others. */
static struct span plain(struct span value)
{
	if (value.len >= 2 && value.data[0] == '"')
		return (struct span){value.data + 1, value.len - 2};
	if (value.len && (value.data[0] == '-' || (value.data[0] >= '0' && value.data[0] <= '9')))
		return value;
	return (struct span){NULL, 0};
}

/* --- the URL --- */

/* The segment behind `name` in the path; a verb behind it ("NAME:predict") is cut off. */
static struct span segment_behind(struct span target, struct span name)
{
	const char *query = target.len ? memchr(target.data, '?', target.len) : NULL;

	if (query)
		target.len = (size_t)(query - target.data);
	for (size_t at = 0; at + name.len < target.len; at++) {
		struct span rest = {target.data + at, target.len - at};
		size_t n = 0;

		if (!span_starts(rest, name))
			continue;
		rest = (struct span){rest.data + name.len, rest.len - name.len};
		while (n < rest.len && rest.data[n] != '/' && rest.data[n] != ':')
			n++;
		return (struct span){rest.data, n};
	}
	return (struct span){NULL, 0};
}

static struct span version_of_url(struct span target)
{
	struct span version = segment_behind(target, SPAN("/versions/"));

	return version.len ? version : segment_behind(target, SPAN("/labels/"));
}

/* --- gRPC --- */

struct model_spec {
	struct span name, version, label;
};

/* TensorFlow Serving's ModelSpec: name 1, version 2 (Int64Value), version_label 4. The number as its bytes.
 */
static void read_spec(struct span message, struct model_spec *out, char digits[24])
{
	struct protobuf_field f, value;

	while (protobuf_next(&message, &f) > 0) {
		if (f.number == 1 && f.wire == PROTOBUF_BYTES)
			out->name = f.bytes;
		else if (f.number == 4 && f.wire == PROTOBUF_BYTES)
			out->label = f.bytes;
		else if (f.number == 2 && f.wire == PROTOBUF_BYTES && protobuf_next(&f.bytes, &value) > 0 &&
		         value.number == 1 && value.wire == PROTOBUF_VARINT)
			out->version =
			        (struct span){digits, (size_t)snprintf(digits, 24, "%llu",
			                                               (unsigned long long)value.value)};
	}
}

/* Triton's ModelStreamInferResponse has the answer in its second field. */
static bool is_tensors(struct span target)
{
	struct span service, method;

	return grpc_call(target, &service, &method) &&
	       (span_eq(method, SPAN("ModelInfer")) || span_eq(method, SPAN("ModelStreamInfer")));
}

/* The first field of a message with that number, of bytes; data NULL: there is none. */
static struct span bytes_of(struct span message, uint32_t number)
{
	struct protobuf_field f;

	while (protobuf_next(&message, &f) > 0)
		if (f.number == number && f.wire == PROTOBUF_BYTES)
			return f.bytes;
	return (struct span){NULL, 0};
}

static bool first_message(struct span body, struct span *out)
{
	struct grpc_message m;

	if (grpc_next(body, MESSAGE_MAX_BYTES, &m) <= 0 || m.compressed)
		return false;
	*out = m.bytes;
	return true;
}

static void read_grpc(struct span target, struct span body, struct version *out)
{
	struct model_spec spec = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
	struct span message;
	char digits[24];

	if (!first_message(body, &message))
		return;
	if (is_tensors(target)) {
		struct span inner = bytes_of(message, 2);
		bool wrapped = bytes_of(message, 1).len == 0 && bytes_of(inner, 1).len;

		message = wrapped ? inner : message;
		add(out, "", bytes_of(message, 1));
		add(out, "@", bytes_of(message, 2));
		return;
	}
	read_spec(bytes_of(message, 2), &spec, digits);
	add(out, "", spec.name);
	add(out, "@", spec.version.len ? spec.version : spec.label);
}

/* --- JSON --- */

enum {
	MODEL,
	MODEL_NAME,
	MODEL_VERSION,
	MODELVERSION,
	DIGEST,
	FINGERPRINT,
	SPEC,
	MESSAGE,
	RESPONSE,
	MEMBERS
};
static const char *const members[MEMBERS] = {"model",        "model_name",   "model_version",
                                             "modelVersion", "model_digest", "system_fingerprint",
                                             "model_spec",   "message",      "response"};

static bool is_object(struct span value)
{
	return value.len && value.data[0] == '{';
}

static void read_members(struct span document, bool inner, struct version *out)
{
	static const char *const of_spec[] = {"name", "version", "version_label"};
	struct span m[MEMBERS], s[3];

	if (json_pick(document, JSON_NONFINITE, members, MEMBERS, m))
		return;
	add(out, "", plain(m[MODEL].len ? m[MODEL] : m[MODEL_NAME]));
	add(out, "@", plain(m[MODEL_VERSION].len ? m[MODEL_VERSION] : m[MODELVERSION]));
	add(out, " ", plain(m[FINGERPRINT]));
	add(out, " ", plain(m[DIGEST]));
	if (is_object(m[SPEC]) && !json_pick(m[SPEC], 0, of_spec, 3, s)) {
		add(out, " ", plain(s[0]));
		add(out, "@", plain(s[1].len ? s[1] : s[2]));
	}
	if (!out->text[0] && !inner && is_object(m[MESSAGE]))
		read_members(m[MESSAGE], true, out);
	if (!out->text[0] && !inner && is_object(m[RESPONSE]))
		read_members(m[RESPONSE], true, out);
}

static void read_events(struct span body, struct version *out)
{
	struct sse_reader r;
	struct sse_event e;

	sse_init(&r, body, body.len);
	for (unsigned i = 0; i < DOCUMENTS_READ && !out->text[0] && sse_next(&r, &e) > 0; i++)
		if (is_object(e.data))
			read_members(e.data, false, out);
	sse_fini(&r);
}

static void read_body(const struct answer *a, struct version *out)
{
	struct span left = a->binary_from ? (struct span){a->body.data, a->binary_from} : a->body, document;
	size_t at = 0;

	if (a->binary_from > a->body.len)
		return;
	while (at < left.len && strchr(" \t\r\n", left.data[at]))
		at++;
	if (at == left.len)
		return;
	if (left.data[at] != '{' && left.data[at] != '[') {
		read_events(left, out);
		return;
	}
	if (json_document_next(&left, JSON_NONFINITE, &document) > 0 && is_object(document))
		read_members(document, false, out);
}

/* --- all of it --- */

void version_asked(const struct answer *a, struct span request_body, struct version *out)
{
	static const char *const model[] = {"model"};
	struct span name = segment_behind(a->target, SPAN("/models/")), message;

	out->text[0] = '\0';
	if (a->grpc) {
		if (first_message(request_body, &message) && is_tensors(a->target))
			add(out, "", bytes_of(message, 1));
		else if (request_body.len && first_message(request_body, &message))
			add(out, "", bytes_of(bytes_of(message, 1), 1));
		return;
	}
	if (!name.len && is_object(request_body) && json_pick(request_body, JSON_NONFINITE, model, 1, &name))
		name.len = 0;
	add(out, "", name.len && name.data[0] == '"' ? plain(name) : name);
}

static void read_headers(struct span head, const char *header, struct version *out)
{
	static const char *const known[] = {"x-model-version",
	                                    "model-version",
	                                    "x-model-digest",
	                                    "x-model-sha",
	                                    "x-amzn-invoked-production-variant",
	                                    "azureml-model-deployment",
	                                    "served-model-name"};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i], header))
			add(out, " ", head_field(head, span_of(known[i])));
	if (header[0])
		add(out, " ", head_field(head, span_of(header)));
}

void version_answered(const struct answer *a, struct span response_head, const char *header, bool rewritten,
                      struct version *out)
{
	out->text[0] = '\0';
	if (a->grpc ? a->status != 0 : a->status < 200 || a->status > 299)
		return;
	if (a->grpc)
		read_grpc(a->target, a->body, out);
	else
		read_body(a, out);
	read_headers(response_head, header, out);
	if (!rewritten && !a->grpc && !strchr(out->text, '@'))
		add(out, " ", version_of_url(a->target));
}
