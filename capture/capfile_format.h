/*
 * capfile_format.h - numbers of capture/FORMAT.md, for capfile's writer and reader only.
 */
#ifndef CAPTURE_CAPFILE_FORMAT_H
#define CAPTURE_CAPFILE_FORMAT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define CAPFILE_MAGIC   "UNDRSTDY"
#define CAPFILE_END     "YDTSRDNU"
#define CAPFILE_SEGMENT "USEG"
#define CAPFILE_INDEX   "UIDX"

enum {
	CAPFILE_VERSION = 1,
	CAPFILE_HEADER_FIXED = 16,  /* magic, version, length */
	CAPFILE_SEGMENT_FIXED = 20, /* magic, length, sequence, flags */
	CAPFILE_INDEX_FIXED = 8,    /* magic, length */
	CAPFILE_TAG = 16,
	CAPFILE_CRC = 4,
	CAPFILE_FOOTER_END = 16, /* length of the footer, end magic */
	CAPFILE_SEGMENT_OVERHEAD = CAPFILE_SEGMENT_FIXED + CAPFILE_TAG + CAPFILE_CRC,
	CAPFILE_FOOTER_OVERHEAD = CAPFILE_INDEX_FIXED + CAPFILE_CRC + CAPFILE_FOOTER_END,
	CAPFILE_HEADER_MAX = 1 << 20,
	CAPFILE_PENDING_MAX = 64 << 10,
	CAPFILE_DATA_MAX = CAPFILE_PENDING_MAX + 1024,
	CAPFILE_RAW_MAX = 1 << 20,
	CAPFILE_INDEX_MAX = 64 << 20,
	CAPFILE_SEGMENTS_FULL = 64 << 10, /* a writer turns to another file */
};

static inline void put32(uint8_t *to, uint32_t v)
{
	v = htole32(v);
	memcpy(to, &v, sizeof v);
}

static inline void put64(uint8_t *to, uint64_t v)
{
	v = htole64(v);
	memcpy(to, &v, sizeof v);
}

static inline uint32_t get32(const uint8_t *from)
{
	uint32_t v;

	memcpy(&v, from, sizeof v);
	return le32toh(v);
}

static inline uint64_t get64(const uint8_t *from)
{
	uint64_t v;

	memcpy(&v, from, sizeof v);
	return le64toh(v);
}

#endif
