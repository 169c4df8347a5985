/*
 * proxy_protocol.c - versions 1 (a line of text) and 2 (a binary block with type-length-values).
 */
#include <arpa/inet.h>

#include "proto/proxy_protocol.h"

enum {
	V2_HEAD = 16,
	TLV_HEAD = 3,
	TLV_ALPN = 0x01,
	TLV_AUTHORITY = 0x02,
	TLV_CRC32C = 0x03,
	TLV_UNIQUE_ID = 0x05,
	TLV_SSL = 0x20,
	SSL_HEAD = 5, /* client bits, verify result */
	SSL_CLIENT = 1,
	UNIX_PATHS = 2 * 108,
};

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static unsigned u16_at(const char *at)
{
	return (unsigned)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

static uint32_t u32_at(const char *at)
{
	return (uint32_t)u16_at(at) << 16 | u16_at(at + 2);
}

/* The word up to the next SP, or all of `rest`. False when a SP ends the line. */
static bool next_word(struct span *rest, struct span *word_out)
{
	const char *space = rest->len > 0 ? memchr(rest->data, ' ', rest->len) : NULL;

	*word_out = *rest;
	if (space == NULL) {
		*rest = (struct span){NULL, 0};
		return word_out->len > 0;
	}
	word_out->len = (size_t)(space - rest->data);
	rest->len -= word_out->len + 1;
	rest->data = space + 1;
	return word_out->len > 0 && rest->len > 0;
}

static bool read_address(struct span word, int family, uint8_t out[16])
{
	char text[INET6_ADDRSTRLEN];

	if (word.len >= sizeof(text) || memchr(word.data, '\0', word.len) != NULL)
		return false;
	memcpy(text, word.data, word.len);
	text[word.len] = '\0';
	return inet_pton(family, text, out) == 1;
}

static bool read_port(struct span word, uint16_t *out)
{
	uint32_t n = 0;

	if (word.len > 5 || (word.len > 1 && word.data[0] == '0'))
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(word.data[i] - '0');
	}
	*out = (uint16_t)n;
	return n <= UINT16_MAX;
}

/* What stands between "PROXY " and CR LF. */
static int v1_line(struct span line, struct proxy_header *h)
{
	struct span protocol, source, destination, source_port, destination_port;

	if (span_eq(line, SPAN("UNKNOWN")) || span_starts(line, SPAN("UNKNOWN ")))
		return 0;
	if (!next_word(&line, &protocol) || !next_word(&line, &source) || !next_word(&line, &destination) ||
	    !next_word(&line, &source_port) || !next_word(&line, &destination_port) || line.data != NULL)
		return ERR_PROTO;
	bool ip4 = span_eq(protocol, SPAN("TCP4"));
	int family = ip4 ? AF_INET : AF_INET6;
	if ((!ip4 && !span_eq(protocol, SPAN("TCP6"))) || !read_address(source, family, h->source) ||
	    !read_address(destination, family, h->destination) || !read_port(source_port, &h->source_port) ||
	    !read_port(destination_port, &h->destination_port))
		return ERR_PROTO;
	h->family = ip4 ? PROXY_IP4 : PROXY_IP6;
	return 0;
}

static long parse_v1(struct span in, struct proxy_header *h)
{
	const size_t start = sizeof("PROXY ") - 1, text_max = PROXY_V1_MAX - 2;
	size_t look = in.len < text_max + 1 ? in.len : text_max + 1, len = start;

	while (len < look && in.data[len] != '\r' && in.data[len] != '\n')
		len++;
	if (len > text_max)
		return ERR_LIMIT;
	if (len < look && in.data[len] == '\n')
		return ERR_PROTO;
	if (in.len < len + 2)
		return 0;
	struct span line = {in.data + start, len - start};
	h->version = 1;
	return in.data[len + 1] != '\n' || v1_line(line, h) < 0 ? ERR_PROTO : (long)len + 2;
}

/* CRC-32C (Castagnoli) of the block, its own four bytes at `zero` taken as 0. */
static uint32_t checksum(struct span block, size_t zero)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < block.len; i++) {
		crc ^= i - zero < 4 ? 0 : (unsigned char)block.data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* The next type-length-value of `rest`; 1, 0 at the end, or ERR_PROTO. */
static int next_tlv(struct span *rest, unsigned *type_out, struct span *value_out)
{
	if (rest->len == 0)
		return 0;
	if (rest->len < TLV_HEAD)
		return ERR_PROTO;
	*type_out = (unsigned char)rest->data[0];
	*value_out = (struct span){rest->data + TLV_HEAD, u16_at(rest->data + 1)};
	if (value_out->len > rest->len - TLV_HEAD)
		return ERR_PROTO;
	rest->data += TLV_HEAD + value_out->len;
	rest->len -= TLV_HEAD + value_out->len;
	return 1;
}

static int read_ssl(struct span value, struct proxy_header *h)
{
	struct span ignored;
	unsigned type;
	int r;

	if (value.len < SSL_HEAD)
		return ERR_PROTO;
	h->tls = value.data[0] & SSL_CLIENT;
	value = (struct span){value.data + SSL_HEAD, value.len - SSL_HEAD};
	while ((r = next_tlv(&value, &type, &ignored)) > 0)
		;
	return r;
}

static int read_tlv(unsigned type, struct span value, struct span block, struct proxy_header *h)
{
	switch (type) {
	case TLV_ALPN:
		h->alpn = value;
		return 0;
	case TLV_AUTHORITY:
		h->authority = value;
		return 0;
	case TLV_UNIQUE_ID:
		h->unique_id = value;
		return value.len > PROXY_ID_MAX ? ERR_PROTO : 0;
	case TLV_SSL:
		return read_ssl(value, h);
	case TLV_CRC32C:
		return value.len == 4 && checksum(block, (size_t)(value.data - block.data)) ==
		                                 u32_at(value.data)
		               ? 0
		               : ERR_PROTO;
	default:
		return 0;
	}
}

static void read_addresses(const char *at, size_t len, struct proxy_header *h)
{
	memcpy(h->source, at, len);
	memcpy(h->destination, at + len, len);
	h->source_port = (uint16_t)u16_at(at + 2 * len);
	h->destination_port = (uint16_t)u16_at(at + 2 * len + 2);
}

/* A complete block of a PROXY command with a known family. */
static int v2_body(struct span block, struct proxy_header *h)
{
	static const size_t sizes[] = {[PROXY_IP4] = 12, [PROXY_IP6] = 36, [PROXY_UNIX] = UNIX_PATHS};
	struct span rest = {block.data + V2_HEAD, block.len - V2_HEAD}, value;
	unsigned type;
	int r;

	if (rest.len < sizes[h->family])
		return ERR_PROTO;
	if (h->family != PROXY_UNIX)
		read_addresses(rest.data, h->family == PROXY_IP4 ? 4 : 16, h);
	rest.data += sizes[h->family];
	rest.len -= sizes[h->family];
	while ((r = next_tlv(&rest, &type, &value)) > 0) {
		r = read_tlv(type, value, block, h);
		if (r < 0)
			return r;
	}
	return r;
}

static int v2_head(const char *at, struct proxy_header *h)
{
	unsigned command = (unsigned char)at[12], family = (unsigned char)at[13];

	if (command >> 4 != 2 || (command & 15) > 1 || family >> 4 > PROXY_UNIX || (family & 15) > 2)
		return ERR_PROTO;
	h->version = 2;
	h->local = (command & 15) == 0;
	if (h->local || family >> 4 == 0 || (family & 15) == 0)
		return 0;
	if ((family & 15) == 2)
		return ERR_UNSUPPORTED;
	h->family = (enum proxy_family)(family >> 4);
	return 0;
}

static long parse_v2(struct span in, struct proxy_header *h)
{
	if (in.len < V2_HEAD)
		return 0;
	int r = v2_head(in.data, h);
	if (r < 0)
		return r;
	struct span block = {in.data, V2_HEAD + u16_at(in.data + 14)};
	if (block.len > PROXY_V2_MAX)
		return ERR_LIMIT;
	if (in.len < block.len)
		return 0;
	if (h->family != PROXY_NONE)
		r = v2_body(block, h);
	return r < 0 ? r : (long)block.len;
}

static bool agrees(struct span in, struct span start)
{
	return memcmp(in.data, start.data, in.len < start.len ? in.len : start.len) == 0;
}

long proxy_header_parse(struct span input, struct proxy_header *header_out)
{
	const struct span v1 = SPAN("PROXY "), v2 = {v2_signature, sizeof(v2_signature)};

	*header_out = (struct proxy_header){.family = PROXY_NONE};
	if (input.len == 0)
		return 0;
	if (agrees(input, v1))
		return input.len < v1.len ? 0 : parse_v1(input, header_out);
	return agrees(input, v2) ? parse_v2(input, header_out) : ERR_PROTO;
}
