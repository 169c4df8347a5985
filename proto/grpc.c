#include "proto/grpc.h"

#include "proto/coding.h"

bool grpc_is(struct span type)
{
	static const char name[] = "application/grpc";
	size_t n = sizeof name - 1;

	if (type.len < n || strncasecmp(type.data, name, n) != 0)
		return false;
	return type.len == n || strchr("+; \t", type.data[n]);
}

/* What lies behind the last '/' of *path, which is cut before it; data NULL: there is none. */
static struct span last_segment(struct span *path)
{
	for (size_t i = path->len; i-- > 0;) {
		struct span behind = {path->data + i + 1, path->len - i - 1};

		if (path->data[i] != '/')
			continue;
		path->len = i;
		return behind;
	}
	return (struct span){NULL, 0};
}

bool grpc_call(struct span target, struct span *service_out, struct span *method_out)
{
	*method_out = last_segment(&target);
	*service_out = last_segment(&target);
	return service_out->len && method_out->len;
}

long grpc_next(struct span input, size_t limit_bytes, struct grpc_message *out)
{
	const unsigned char *p = (const unsigned char *)input.data;
	size_t len;

	if (input.len && p[0] > 1)
		return ERR_PROTO;
	if (input.len < GRPC_PREFIX_BYTES)
		return 0;
	len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	if (len > limit_bytes)
		return ERR_LIMIT;
	if (input.len - GRPC_PREFIX_BYTES < len)
		return 0;
	*out = (struct grpc_message){p[0], {input.data + GRPC_PREFIX_BYTES, len}};
	return (long)(GRPC_PREFIX_BYTES + len);
}

int grpc_prefix(size_t len, char out[GRPC_PREFIX_BYTES])
{
	if (len > UINT32_MAX)
		return ERR_LIMIT;
	out[0] = 0;
	for (int i = 0; i < 4; i++)
		out[1 + i] = (char)(len >> (24 - 8 * i));
	return 0;
}

int grpc_inflate(struct span bytes, struct span encoding, struct buf *out)
{
	if (!span_eq_nocase(encoding, SPAN("gzip")) && !span_eq_nocase(encoding, SPAN("deflate")))
		return ERR_UNSUPPORTED;
	return coding_decode(encoding, bytes, out);
}

static bool digits(struct span text, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(text.data[i] - '0');
	}
	return text.len > 0;
}

int grpc_timeout(struct span text, uint64_t *ns_out)
{
	static const struct {
		char unit;
		uint64_t ns;
	} units[] = {{'n', 1},           {'u', 1000},         {'m', 1000000},
	             {'S', 1000000000u}, {'M', 60000000000u}, {'H', 3600000000000u}};
	uint64_t value;

	if (text.len < 2 || text.len > 9 || !digits((struct span){text.data, text.len - 1}, &value))
		return ERR_PROTO;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (units[i].unit != text.data[text.len - 1])
			continue;
		*ns_out = value * units[i].ns;
		return 0;
	}
	return ERR_PROTO;
}

int grpc_status(struct span text, unsigned *status_out)
{
	uint64_t value;

	if (text.len > 2 || !digits(text, &value))
		return ERR_PROTO;
	*status_out = (unsigned)value;
	return 0;
}

static const char *const names[] = {
        "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED",
};

const char *grpc_status_name(unsigned status)
{
	return status < sizeof names / sizeof *names ? names[status] : "";
}

unsigned grpc_status_of_http(unsigned http_status)
{
	switch (http_status) {
	case 400:
		return 13; /* INTERNAL */
	case 401:
		return 16; /* UNAUTHENTICATED */
	case 403:
		return 7; /* PERMISSION_DENIED */
	case 404:
		return 12; /* UNIMPLEMENTED */
	case 429:
	case 502:
	case 503:
	case 504:
		return 14; /* UNAVAILABLE */
	default:
		return 2; /* UNKNOWN */
	}
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void grpc_text(struct span value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (c == '%' && value.len - i > 2 && hex(value.data[i + 1]) >= 0 &&
		    hex(value.data[i + 2]) >= 0) {
			c = (char)(hex(value.data[i + 1]) << 4 | hex(value.data[i + 2]));
			i += 2;
		}
		buf_put(out, &c, 1);
	}
}
