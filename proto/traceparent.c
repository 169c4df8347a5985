#include "proto/traceparent.h"

/* "VV-" 32 digits "-" 16 digits "-" "FF" */
enum { TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, KNOWN_FLAGS = 3 };

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower-case hexadecimal, and when it is an id not all 0. */
static bool is_hex(const char *at, unsigned len, bool id)
{
	int any = 0;

	for (unsigned i = 0; i < len; i++) {
		int d = digit(at[i]);

		if (d < 0)
			return false;
		any |= d;
	}
	return any || !id;
}

static bool is_valid(struct span v)
{
	const char *p = v.data;
	bool first;

	if (v.len < TRACEPARENT_BYTES || !is_hex(p, 2, false) || (p[0] == 'f' && p[1] == 'f'))
		return false;
	first = p[0] == '0' && p[1] == '0';
	if (v.len > TRACEPARENT_BYTES && (first || p[TRACEPARENT_BYTES] != '-'))
		return false;
	return p[TRACE_AT - 1] == '-' && p[PARENT_AT - 1] == '-' && p[FLAGS_AT - 1] == '-' &&
	       is_hex(p + TRACE_AT, 32, true) && is_hex(p + PARENT_AT, 16, true) &&
	       is_hex(p + FLAGS_AT, 2, false);
}

uint64_t traceparent_span(uint64_t id, uint64_t salt)
{
	uint64_t z = id ^ salt;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return z ? z : 1;
}

bool traceparent_next(struct span value, uint64_t span_id, char out[TRACEPARENT_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	if (!is_valid(value))
		return false;
	memcpy(out, value.data, TRACEPARENT_BYTES);
	out[0] = out[1] = '0';
	for (unsigned i = 0; i < 16; i++)
		out[PARENT_AT + i] = digits[span_id >> (60 - 4 * i) & 15];
	out[FLAGS_AT] = '0';
	out[FLAGS_AT + 1] = digits[digit(out[FLAGS_AT + 1]) & KNOWN_FLAGS];
	return true;
}
