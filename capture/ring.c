#define _GNU_SOURCE
#include "capture/ring.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "capture/sealed.h"

enum { PAGE = 4096, DATA_OFFSET = 3 * PAGE };

static const uint64_t ring_magic = 0x31676e6972736475; /* "udsring1" */

struct geometry {
	uint64_t magic, data_bytes;
};

/* Cursors count bytes ever written; they wrap by the mask, never by themselves. A byte at cursor c lies at
 * (c - origin) & mask. The writer moves the origin to its cursor when all before it was read: a ring that is
 * emptied again and again is used from its first byte on, in few pages that stay in the cache. A reader that
 * has read all uses no origin until a later head, stored behind it, tells of more. */
struct writer_page {
	_Atomic uint64_t head, origin;
};

struct reader_page {
	_Atomic uint64_t tail;
	_Atomic uint64_t sleeps; /* odd while in deep sleep; the writer signals once a value */
};

struct ring {
	char *map, *data;
	struct writer_page *writer;
	struct reader_page *reader;
	uint64_t size, mask;
	uint64_t cursor;    /* our own end: the writer's is ahead of its published head */
	uint64_t signalled; /* writer: the value of `sleeps` last signalled */
	int eventfd;
	bool writes;
};

static_assert(sizeof(struct record) % 8 == 0, "records stay aligned");

static uint64_t frame_bytes(uint32_t payload_len)
{
	return (sizeof(struct record) + payload_len + 7) & ~(uint64_t)7;
}

int ring_create(const char *name, size_t bytes, int *memfd_out, int *eventfd_out)
{
	struct geometry g = {.magic = ring_magic, .data_bytes = PAGE};
	while (g.data_bytes < bytes && g.data_bytes < (uint64_t)1 << 48)
		g.data_bytes <<= 1;
	int memfd = -1;
	struct span contents = {(const char *)&g, sizeof(g)};
	int err = sealed_create(name, DATA_OFFSET + g.data_bytes, contents, 0, &memfd);
	if (err)
		return err;
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0) {
		close(memfd);
		return ERR_SYS;
	}
	*memfd_out = memfd;
	*eventfd_out = event;
	return 0;
}

static int check_geometry(int memfd, struct geometry *g_out)
{
	size_t size = 0;
	int err = sealed_size(memfd, &size);
	if (err)
		return err;
	if (pread(memfd, g_out, sizeof(*g_out), 0) != (ssize_t)sizeof(*g_out) || g_out->magic != ring_magic)
		return ERR_PROTO;
	uint64_t n = g_out->data_bytes;
	if (n < PAGE || (n & (n - 1)) != 0 || n > size || size - n != DATA_OFFSET)
		return ERR_PROTO;
	return 0;
}

/* Leave writable only what this end may write: its cursor's page, and the data for the writer. */
static int protect(const struct ring *r)
{
	char *mine = r->writes ? (char *)r->writer : (char *)r->reader;
	if (mprotect(mine, PAGE, PROT_READ | PROT_WRITE) < 0)
		return ERR_SYS;
	if (r->writes && mprotect(r->data, r->size, PROT_READ | PROT_WRITE) < 0)
		return ERR_SYS;
	return 0;
}

static int attach(int memfd, int event, bool writes, struct ring **ring_out)
{
	struct geometry g;
	int err = check_geometry(memfd, &g);
	if (err)
		return err;
	struct ring *r = calloc(1, sizeof(*r));
	if (!r)
		return ERR_NOMEM;
	*r = (struct ring){
	        .size = g.data_bytes, .mask = g.data_bytes - 1, .eventfd = event, .writes = writes};
	r->map = mmap(NULL, DATA_OFFSET + r->size, PROT_READ, MAP_SHARED, memfd, 0);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		err = ERR_SYS;
		goto out;
	}
	r->writer = (struct writer_page *)(r->map + PAGE);
	r->reader = (struct reader_page *)(r->map + 2 * PAGE);
	r->data = r->map + DATA_OFFSET;
	err = protect(r);
	if (err)
		goto out;
	r->cursor = writes ? atomic_load(&r->writer->head) : atomic_load(&r->reader->tail);
	*ring_out = r;
out:
	if (err)
		ring_free(&r);
	return err;
}

/* The head is stored before `sleeps` is loaded, and the reader stores `sleeps` before it loads the
 * head, all in one total order: at least one of the two sees the other, so no wake-up is lost. */
static void signal_sleeper(struct ring *r)
{
	uint64_t sleeps = atomic_load(&r->reader->sleeps);
	if ((sleeps & 1) == 0 || sleeps == r->signalled || atomic_load(&r->reader->tail) == r->cursor)
		return;
	uint64_t one = 1;
	if (write(r->eventfd, &one, sizeof(one)) == (ssize_t)sizeof(one) || errno == EAGAIN)
		r->signalled = sleeps;
}

int ring_attach_writer(int memfd, int eventfd, struct ring **ring_out)
{
	int err = attach(memfd, eventfd, true, ring_out);
	if (!err)
		signal_sleeper(*ring_out); /* the last writer may have died before it could */
	return err;
}

int ring_attach_reader(int memfd, int eventfd, struct ring **ring_out)
{
	int err = attach(memfd, eventfd, false, ring_out);
	if (!err)
		ring_wake(*ring_out);
	return err;
}

void ring_free(struct ring **ring)
{
	struct ring *r = *ring;
	if (!r)
		return;
	if (r->map)
		munmap(r->map, DATA_OFFSET + r->size);
	free(r);
	*ring = NULL;
}

static size_t offset_of(const struct ring *r, uint64_t at)
{
	return (at - atomic_load_explicit(&r->writer->origin, memory_order_relaxed)) & r->mask;
}

static void copy_in(struct ring *r, uint64_t at, const void *bytes, size_t n)
{
	size_t offset = offset_of(r, at);
	size_t first = n < r->size - offset ? n : r->size - offset;
	memcpy(r->data + offset, bytes, first);
	memcpy(r->data, (const char *)bytes + first, n - first);
}

static void copy_out(const struct ring *r, uint64_t at, void *bytes, size_t n)
{
	size_t offset = offset_of(r, at);
	size_t first = n < r->size - offset ? n : r->size - offset;
	memcpy(bytes, r->data + offset, first);
	memcpy((char *)bytes + first, r->data, n - first);
}

int ring_put(struct ring *r, const struct record *record, const void *payload, size_t reserve)
{
	if (record->payload_len > RECORD_PAYLOAD_MAX)
		return ERR_LIMIT;
	uint64_t used = r->cursor - atomic_load_explicit(&r->reader->tail, memory_order_acquire);
	if (used > r->size) /* the reader's cursor is nonsense: never write over its records */
		return ERR_FULL;
	uint64_t room = r->size - used, need = frame_bytes(record->payload_len);
	if (room < need || room - need < reserve)
		return ERR_FULL;
	if (!used)
		atomic_store_explicit(&r->writer->origin, r->cursor, memory_order_relaxed);
	copy_in(r, r->cursor, record, sizeof(*record));
	if (record->payload_len)
		copy_in(r, r->cursor + sizeof(*record), payload, record->payload_len);
	r->cursor += need;
	return 0;
}

void ring_publish(struct ring *r)
{
	atomic_store(&r->writer->head, r->cursor);
	signal_sleeper(r);
}

int ring_peek(const struct ring *r, struct record *record_out, char *payload)
{
	uint64_t ready = atomic_load_explicit(&r->writer->head, memory_order_acquire) - r->cursor;
	if (ready == 0)
		return ERR_AGAIN;
	if (ready > r->size || ready < sizeof(*record_out))
		return ERR_PROTO;
	struct record record;
	copy_out(r, r->cursor, &record, sizeof(record));
	if (record.payload_len > RECORD_PAYLOAD_MAX || frame_bytes(record.payload_len) > ready)
		return ERR_PROTO;
	copy_out(r, r->cursor + sizeof(record), payload, record.payload_len);
	*record_out = record;
	return 0;
}

void ring_advance(struct ring *r, const struct record *peeked)
{
	r->cursor += frame_bytes(peeked->payload_len);
	atomic_store_explicit(&r->reader->tail, r->cursor, memory_order_release);
}

int ring_get(struct ring *r, struct record *record_out, char *payload)
{
	int err = ring_peek(r, record_out, payload);
	if (!err)
		ring_advance(r, record_out);
	return err;
}

void ring_skip(struct ring *r)
{
	r->cursor = atomic_load(&r->writer->head);
	atomic_store(&r->reader->tail, r->cursor);
}

bool ring_sleep(struct ring *r)
{
	uint64_t sleeps = atomic_load(&r->reader->sleeps) | 1;
	atomic_store(&r->reader->sleeps, sleeps);
	if (atomic_load(&r->writer->head) == r->cursor)
		return true;
	atomic_store(&r->reader->sleeps, sleeps + 1);
	return false;
}

void ring_wake(struct ring *r)
{
	uint64_t sleeps = atomic_load(&r->reader->sleeps);
	if (sleeps & 1)
		atomic_store(&r->reader->sleeps, sleeps + 1);
	/* Not blocking: when no signal is pending there is nothing to drain. */
	uint64_t signals;
	if (read(r->eventfd, &signals, sizeof(signals)) < 0)
		return;
}

size_t ring_used_bytes(const struct ring *r)
{
	uint64_t used = r->writes ? r->cursor - atomic_load(&r->reader->tail)
	                          : atomic_load(&r->writer->head) - r->cursor;
	return used < r->size ? used : r->size;
}

size_t ring_data_bytes(const struct ring *r)
{
	return r->size;
}
