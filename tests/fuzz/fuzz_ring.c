/*
 * fuzz_ring.c - both ends of a ring whose other end is hostile: cursors, geometry and records are any
 * bytes. Input: one byte of mode, then head, tail and sleeps (8 bytes each), then data.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/ring.h"

enum { PAGE = 4096, DATA = 4 * PAGE, CURSORS = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int memfd = -1, wake = -1;

static void put(const void *bytes, size_t n, off_t at)
{
	if (pwrite(memfd, bytes, n, at) != (ssize_t)n)
		abort();
}

static void read_all(void)
{
	char payload[RECORD_PAYLOAD_MAX];
	struct record r;
	struct ring *ring;
	unsigned count = 0;
	size_t ready;
	int err;

	if (ring_attach_reader(memfd, wake, &ring))
		return;
	ready = ring_used_bytes(ring);
	while (!(err = ring_get(ring, &r, payload))) {
		if (r.payload_len > RECORD_PAYLOAD_MAX || ring_used_bytes(ring) > ring_data_bytes(ring) ||
		    ++count > DATA / sizeof r)
			abort();
		if (sizeof r + r.payload_len > ready) /* more than was published */
			abort();
		ready -= sizeof r + r.payload_len;
	}
	if (err != ERR_AGAIN && err != ERR_PROTO)
		abort();
	if (err == ERR_PROTO && ring_get(ring, &r, payload) != ERR_PROTO)
		abort();
	if (ring_sleep(ring) && err == ERR_PROTO)
		abort();
	ring_wake(ring);
	ring_free(&ring);
}

static void write_some(const uint8_t *data, size_t size)
{
	struct record r = {.id = 1, .type = RECORD_CHUNK};
	struct ring *ring;
	size_t room;
	int err;

	if (ring_attach_writer(memfd, wake, &ring))
		return;
	room = ring_data_bytes(ring) - ring_used_bytes(ring);
	for (size_t i = 0; i + 1 < size && i < 64; i += 2) {
		r.payload_len = (uint32_t)(data[i] | data[i + 1] << 8);
		if (r.payload_len <= RECORD_PAYLOAD_MAX && r.payload_len > size)
			r.payload_len = (uint32_t)size;
		err = ring_put(ring, &r, data, i);
		if (!err && room < sizeof r + r.payload_len)
			abort();
		if (!err)
			room -= (sizeof r + r.payload_len + 7) / 8 * 8;
		if (err && err != ERR_FULL && err != ERR_LIMIT)
			abort();
	}
	ring_publish(ring);
	ring_free(&ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t geometry[] = {0x31676e6972736475, DATA};
	static char zero[DATA];

	if (size < 1 + CURSORS || size > 1 + CURSORS + DATA)
		return 0;
	if (memfd < 0 && ring_create("fuzz", DATA, &memfd, &wake))
		abort();
	put(geometry, sizeof geometry, 0);
	put(data + 1, 8, PAGE);
	put(data[0] & 8 ? data + 9 : (const uint8_t *)zero, 8, PAGE + 8); /* the origin */
	put(data + 9, 16, 2 * PAGE);
	put(zero, DATA, 3 * PAGE);
	put(data + 1 + CURSORS, size - 1 - CURSORS, 3 * PAGE);
	if (data[0] & 4) /* a geometry that is not this memory's */
		put(data + 1, 16, 0);
	if (data[0] & 1)
		write_some(data + 1 + CURSORS, size - 1 - CURSORS);
	read_all();
	return 0;
}
