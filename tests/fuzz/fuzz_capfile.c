/*
 * fuzz_capfile.c - the reader of capture files on hostile bytes. The first byte picks what they are:
 *   0  the file itself            2  a good file, cut short: always torn, every record before is good
 *   1  edits of a good file       3  the messages inside whole blocks with right checksums
 * An altered file is never clean and never hands out a record that was not written.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "capture/capfile.h"
#include "capture/capfile_format.h"
#include "capture/crc32c.h"

enum { RECORDS = 12, GOOD_MAX = 1 << 16, FILE_MAX = 1 << 17 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t good[GOOD_MAX], file[FILE_MAX];
static size_t good_len, header_len, footer_at, last_at; /* last_at: the last segment */
static int memfd = -1;
static char path[32];

static struct record record_at(unsigned i)
{
	return (struct record){.id = i / 3 + 1,
	                       .time_ns = 5 + i,
	                       .type = i % 3 + 1,
	                       .payload_len = i * 7,
	                       .flags = 1,
	                       .policy = 1};
}

static void make_good(void)
{
	static struct plan plan = {.route_count = 1, .mask_count = 1};
	char name[] = "/tmp/fuzz-capfile-XXXXXX", payload[RECORDS * 7] = "payload", at[64];
	struct capfile_writer *w;
	int fd;

	if (!mkdtemp(name))
		abort();
	snprintf(at, sizeof at, "%s/a", name);
	if (capfile_create(at, &plan, 0, &w))
		abort();
	for (unsigned i = 0; i < RECORDS; i++) {
		struct record r = record_at(i);

		if (capfile_append(w, &r, payload) || (i % 3 == 2 && capfile_flush(w)))
			abort();
	}
	if (capfile_close(&w) || (fd = open(at, O_RDONLY)) < 0)
		abort();
	good_len = (size_t)read(fd, good, sizeof good);
	close(fd);
	if (unlink(at) || rmdir(name) || good_len >= sizeof good)
		abort();
	header_len = CAPFILE_HEADER_FIXED + get32(good + 12) + CAPFILE_CRC;
	for (size_t at = header_len; memcmp(good + at, CAPFILE_SEGMENT, 4) == 0; at = footer_at) {
		last_at = at;
		footer_at = at + CAPFILE_SEGMENT_OVERHEAD + get32(good + at + 4);
	}
	memfd = memfd_create("fuzz", MFD_CLOEXEC);
	snprintf(path, sizeof path, "/proc/self/fd/%d", memfd);
}

/* The end code, or what capfile_open said. *count_out: records read. */
static int read_file(size_t n, bool written_by_us, unsigned *count_out)
{
	struct capfile_reader *reader;
	const void *payload;
	struct record r, want;
	const char *why;
	uint64_t sum = 0;
	int err;

	*count_out = 0;
	if (ftruncate(memfd, 0) || pwrite(memfd, file, n, 0) != (ssize_t)n)
		abort();
	err = capfile_open(path, &reader, &why);
	if (err)
		return err;
	while (!(err = capfile_next(reader, &r, &payload))) {
		for (uint32_t i = 0; i < r.payload_len; i++)
			sum += ((const uint8_t *)payload)[i];
		if (r.route >= capfile_facts(reader)->route_count || r.payload_len > RECORD_PAYLOAD_MAX)
			abort();
		want = record_at(*count_out);
		if (written_by_us && (*count_out >= RECORDS || memcmp(&r, &want, sizeof r)))
			abort();
		++*count_out;
	}
	if (capfile_next(reader, &r, &payload) != err || capfile_lost_bytes(reader) > n ||
	    (err != ERR_AGAIN && !capfile_why(reader)) || sum > (uint64_t)n << 20)
		abort();
	capfile_reader_free(&reader);
	return err;
}

/* One altered byte of a segment is damage while a footer or another segment stands behind it, and else torn.
 */
static void tamper(size_t at, uint8_t with)
{
	size_t place = header_len + at % (footer_at - header_len);
	unsigned count;

	memcpy(file, good, good_len);
	file[place] ^= with ? with : 1;
	if (read_file(good_len, true, &count) != ERR_PROTO)
		abort();
	if (read_file(footer_at, true, &count) != (place < last_at ? ERR_PROTO : ERR_TORN))
		abort();
}

static void edit(const uint8_t *data, size_t size)
{
	unsigned count;
	int err;

	memcpy(file, good, good_len);
	for (size_t i = 0; i + 2 < size; i += 3)
		file[(size_t)(data[i] | data[i + 1] << 8) % good_len] ^= data[i + 2];
	err = read_file(good_len, true, &count);
	if ((err == ERR_AGAIN) != (memcmp(file, good, good_len) == 0))
		abort();
}

static void cut(size_t at)
{
	unsigned count;
	int err;

	memcpy(file, good, good_len);
	err = read_file(at % good_len, true, &count);
	if (at % good_len >= header_len ? err != ERR_TORN : err != ERR_PROTO)
		abort();
}

static size_t put_segment(uint8_t *to, uint64_t sequence, const uint8_t *raw, size_t n)
{
	size_t length = ZSTD_compress(to + CAPFILE_SEGMENT_FIXED, CAPFILE_DATA_MAX, raw, n, 1), end;

	memcpy(to, CAPFILE_SEGMENT, 4);
	put32(to + 4, (uint32_t)length);
	put64(to + 8, sequence);
	put32(to + 16, 0);
	end = CAPFILE_SEGMENT_FIXED + length;
	memset(to + end, 0, CAPFILE_TAG);
	end += CAPFILE_TAG;
	put32(to + end, crc32c(0, to, end));
	return end + CAPFILE_CRC;
}

/* The first byte of the messages: bit 0 a header of its own, bit 1 a footer of its own. */
static void messages(const uint8_t *data, size_t size)
{
	size_t third = (size - 1) / 3, n = header_len, length;
	unsigned count;

	memcpy(file, good, header_len);
	if (data[0] & 1) {
		put32(file + 12, (uint32_t)third);
		memcpy(file + CAPFILE_HEADER_FIXED, data + 1, third);
		n = CAPFILE_HEADER_FIXED + third;
		put32(file + n, crc32c(0, file, n));
		n += CAPFILE_CRC;
	}
	n += put_segment(file + n, 0, data + 1 + third, third);
	if (data[0] & 2) {
		length = third + CAPFILE_FOOTER_OVERHEAD;
		memcpy(file + n, CAPFILE_INDEX, 4);
		put32(file + n + 4, (uint32_t)third);
		memcpy(file + n + 8, data + 1 + 2 * third, third);
		put32(file + n + 8 + third, crc32c(0, file + n, 8 + third));
		put64(file + n + 12 + third, length);
		memcpy(file + n + 20 + third, CAPFILE_END, 8);
		n += length;
	} else {
		n += put_segment(file + n, 1, data + 1 + 2 * third, third);
	}
	read_file(n, false, &count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned count;

	if (size < 4 || size > 1 << 14)
		return 0;
	if (memfd < 0)
		make_good();
	switch (data[0] % 4) {
	case 0:
		memcpy(file, data + 1, size - 1);
		read_file(size - 1, false, &count);
		break;
	case 1:
		edit(data + 1, size - 1);
		tamper((size_t)(data[1] | data[2] << 8), data[3]);
		break;
	case 2:
		cut((size_t)(data[1] | data[2] << 8));
		break;
	default:
		messages(data + 1, size - 1);
	}
	return 0;
}
