/*
 * crc32c.h - the Castagnoli checksum (reflected polynomial 0x82f63b78, RFC 3720 appendix B.4).
 */
#ifndef CAPTURE_CRC32C_H
#define CAPTURE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Start with crc = 0; feed the result back to go on: crc32c(crc32c(0, a), b) is that of a then b. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

#endif
