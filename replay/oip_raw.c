#include "replay/oip_raw.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { LENGTH_BYTES = 4 };
static const struct oip_type types[] = {
        {"BOOL", OIP_BOOL, 1},     {"INT8", OIP_INT, 1},    {"INT16", OIP_INT, 2},   {"INT32", OIP_INT, 4},
        {"INT64", OIP_INT64, 8},   {"UINT8", OIP_UINT, 1},  {"UINT16", OIP_UINT, 2}, {"UINT32", OIP_UINT, 4},
        {"UINT64", OIP_UINT64, 8}, {"FP16", OIP_FLOAT, 2},  {"BF16", OIP_FLOAT, 2},  {"FP32", OIP_FLOAT, 4},
        {"FP64", OIP_FLOAT, 8},    {"BYTES", OIP_BYTES, 0},
};

const struct oip_type *oip_type_of(struct span datatype)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (span_eq(datatype, span_of(types[i].name)))
			return &types[i];
	return NULL;
}

/* Little-endian, whatever this machine is. */
uint64_t oip_little(const char *p, unsigned width)
{
	uint64_t value = 0;

	for (unsigned i = width; i-- > 0;)
		value = value << 8 | (unsigned char)p[i];
	return value;
}

static double from_bits32(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof value);
	return (double)value;
}

static double from_bits64(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* IEEE 754 binary16. */
static double from_half(uint32_t bits)
{
	int exponent = bits >> 10 & 31;
	double mantissa = bits & 1023;
	double value = exponent == 31  ? (mantissa > 0 ? (double)NAN : (double)INFINITY)
	               : exponent == 0 ? ldexp(mantissa, -24)
	                               : ldexp(mantissa + 1024, exponent - 25);

	return bits & 0x8000 ? -value : value;
}

double oip_raw_number(const struct oip_type *type, const char *at)
{
	uint64_t bits = oip_little(at, type->width);
	unsigned unused = 64 - 8 * type->width;

	if (type->kind == OIP_INT)
		return (double)((int64_t)(bits << unused) >> unused);
	if (type->kind == OIP_UINT)
		return (double)bits;
	if (type->width == 2)
		return type->name[0] == 'B' ? from_bits32((uint32_t)bits << 16) : from_half((uint32_t)bits);
	return type->width == 4 ? from_bits32((uint32_t)bits) : from_bits64(bits);
}

/* Take the next raw element off the front. */
bool oip_raw_bytes(struct span *raw, struct span *out)
{
	size_t len = raw->len >= LENGTH_BYTES ? oip_little(raw->data, LENGTH_BYTES) : 0;

	if (raw->len < LENGTH_BYTES || raw->len - LENGTH_BYTES < len)
		return false;
	*out = (struct span){raw->data + LENGTH_BYTES, len};
	*raw = (struct span){out->data + len, raw->len - LENGTH_BYTES - len};
	return true;
}

bool oip_raw_fits(const struct oip_type *type, struct span raw, size_t count)
{
	struct span element;
	size_t seen = 0;

	if (type->width)
		return raw.len == count * type->width;
	while (raw.len && oip_raw_bytes(&raw, &element))
		seen++;
	return !raw.len && seen == count;
}

struct span oip_integer_text(const struct oip_type *type, uint64_t bits, char **store)
{
	char text[OIP_INTEGER_BYTES + 1];
	int n;

	if (type->kind == OIP_BOOL)
		return bits ? SPAN("true") : SPAN("false");
	n = type->kind == OIP_INT64 ? snprintf(text, sizeof text, "%" PRId64, (int64_t)bits)
	                            : snprintf(text, sizeof text, "%" PRIu64, bits);
	memcpy(*store, text, (size_t)n);
	*store += n;
	return (struct span){*store - n, (size_t)n};
}
