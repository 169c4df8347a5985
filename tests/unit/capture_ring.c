#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/plan.h"
#include "capture/ring.h"

enum { PAGE = 4096, EXCHANGED = 200 * 1000 };

struct pair {
	int memfd, eventfd;
	struct ring *writer, *reader;
};

static struct pair pair_new(size_t bytes)
{
	struct pair p;
	assert_int_equal(ring_create("test", bytes, &p.memfd, &p.eventfd), 0);
	assert_int_equal(ring_attach_writer(p.memfd, p.eventfd, &p.writer), 0);
	assert_int_equal(ring_attach_reader(p.memfd, p.eventfd, &p.reader), 0);
	return p;
}

static void pair_free(struct pair *p)
{
	ring_free(&p->writer);
	ring_free(&p->reader);
	close(p->memfd);
	close(p->eventfd);
}

/* The payload of record `id` is a function of the id alone. */
static struct record make(uint64_t id, uint32_t len, char *payload)
{
	for (uint32_t i = 0; i < len; i++)
		payload[i] = (char)(id * 31 + i);
	return (struct record){.id = id, .type = RECORD_CHUNK, .payload_len = len};
}

static int put(struct ring *r, uint64_t id, uint32_t len, size_t reserve)
{
	char payload[RECORD_PAYLOAD_MAX];
	struct record record = make(id, len, payload);
	return ring_put(r, &record, payload, reserve);
}

static bool intact(const struct record *record, uint64_t id, const char *payload)
{
	char want[RECORD_PAYLOAD_MAX];
	make(id, record->payload_len, want);
	return record->id == id && memcmp(payload, want, record->payload_len) == 0;
}

static void expect(struct ring *r, uint64_t id)
{
	struct record record;
	char payload[RECORD_PAYLOAD_MAX];
	assert_int_equal(ring_get(r, &record, payload), 0);
	assert_true(intact(&record, id, payload));
}

static void expect_code(struct ring *r, int code)
{
	struct record record;
	char payload[RECORD_PAYLOAD_MAX];
	assert_int_equal(ring_get(r, &record, payload), code);
}

static char *raw_map(const struct pair *p)
{
	char *map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, p->memfd, 0);
	assert_true(map != MAP_FAILED);
	return map;
}

static void random_sizes_wrap_around(void **state)
{
	(void)state;
	struct pair p = pair_new(64 * 1024);
	uint64_t written = 0, got = 0;
	srandom(7);
	while (got < 20000) {
		for (long n = random() % 8; n > 0; n--) {
			uint32_t len = random() % 3 ? random() % 64 : random() % (RECORD_PAYLOAD_MAX + 1);
			if (put(p.writer, written, len, 0) == 0)
				written++;
		}
		ring_publish(p.writer);
		for (long n = random() % 8; n > 0 && got < written; n--)
			expect(p.reader, got++);
	}
	while (got < written)
		expect(p.reader, got++);
	expect_code(p.reader, ERR_AGAIN);
	assert_int_equal(ring_used_bytes(p.reader), 0);
	pair_free(&p);
}

/* A reader that dies between its claim and its advance leaves the record to the next one. */
static void what_is_peeked_stays(void **state)
{
	struct pair p = pair_new(64 * 1024);
	char payload[RECORD_PAYLOAD_MAX];
	struct record record;

	(void)state;
	for (uint64_t id = 1; id <= 3; id++)
		assert_int_equal(put(p.writer, id, 100 * (uint32_t)id, 0), 0);
	ring_publish(p.writer);
	for (uint64_t id = 1; id <= 3; id++) {
		for (unsigned deaths = 0; deaths < 2; deaths++) {
			assert_int_equal(ring_peek(p.reader, &record, payload), 0);
			assert_true(intact(&record, id, payload));
			ring_free(&p.reader);
			assert_int_equal(ring_attach_reader(p.memfd, p.eventfd, &p.reader), 0);
		}
		ring_advance(p.reader, &record);
	}
	assert_int_equal(ring_peek(p.reader, &record, payload), ERR_AGAIN);
	assert_int_equal(ring_used_bytes(p.reader), 0);
	pair_free(&p);
}

/* Emptied before it is full, a ring of a MiB takes the memory of what lay in it at once; ends that are
 * attached anew find their place. */
static void an_emptied_ring_begins_anew(void **state)
{
	struct pair p = pair_new(1 << 20);
	struct stat taken;

	(void)state;
	for (uint64_t id = 0; id < 4000; id += 4) {
		for (uint64_t i = 0; i < 4; i++)
			assert_int_equal(put(p.writer, id + i, 1000, 0), 0);
		ring_publish(p.writer);
		if (id % 12 == 4) {
			ring_free(&p.writer);
			assert_int_equal(ring_attach_writer(p.memfd, p.eventfd, &p.writer), 0);
		}
		expect(p.reader, id);
		if (id % 12 == 8) {
			ring_free(&p.reader);
			assert_int_equal(ring_attach_reader(p.memfd, p.eventfd, &p.reader), 0);
		}
		for (uint64_t i = 1; i < 4; i++)
			expect(p.reader, id + i);
	}
	assert_int_equal(fstat(p.memfd, &taken), 0);
	assert_true(taken.st_blocks * 512 <= 8 * PAGE);
	pair_free(&p);
}

static void full_ring_sheds_and_reserve_is_kept(void **state)
{
	(void)state;
	struct pair p = pair_new(PAGE);
	assert_int_equal(ring_data_bytes(p.writer), PAGE);
	while (put(p.writer, 1, 0, 200) == 0)
		;
	size_t room = PAGE - ring_used_bytes(p.writer);
	assert_true(room >= 200 && room < 200 + sizeof(struct record));
	assert_int_equal(put(p.writer, 1, 0, 200), ERR_FULL);
	assert_int_equal(put(p.writer, 1, 0, SIZE_MAX), ERR_FULL);
	assert_int_equal(put(p.writer, 1, RECORD_PAYLOAD_MAX, 0), ERR_FULL);
	struct record large = {.payload_len = RECORD_PAYLOAD_MAX + 1};
	assert_int_equal(ring_put(p.writer, &large, "", 0), ERR_LIMIT);
	while (put(p.writer, 1, 0, 0) == 0)
		;
	assert_true(PAGE - ring_used_bytes(p.writer) < sizeof(struct record));
	expect_code(p.reader, ERR_AGAIN); /* nothing is published yet */
	ring_publish(p.writer);
	expect(p.reader, 1);
	assert_int_equal(put(p.writer, 1, 0, 0), 0);
	pair_free(&p);
}

static void corrupt_records_break_the_reader(void **state)
{
	(void)state;
	static const uint32_t lengths[] = {RECORD_PAYLOAD_MAX + 1, 64, UINT32_MAX};
	for (size_t i = 0; i < 3; i++) {
		struct pair p = pair_new(64 * 1024);
		assert_int_equal(put(p.writer, 1, 8, 0), 0);
		ring_publish(p.writer);
		char *map = raw_map(&p);
		memcpy(map + 3 * PAGE + offsetof(struct record, payload_len), &lengths[i], 4);
		expect_code(p.reader, ERR_PROTO);
		munmap(map, 4 * PAGE);
		pair_free(&p);
	}
}

static void hostile_cursors_are_harmless(void **state)
{
	(void)state;
	static const uint64_t cursors[] = {1, 64 * 1024 + 8, -(uint64_t)(64 * 1024 + 8), (uint64_t)1 << 63};
	for (size_t i = 0; i < 4; i++) {
		struct pair p = pair_new(64 * 1024);
		char *map = raw_map(&p);
		memcpy(map + PAGE, &cursors[i], 8);
		expect_code(p.reader, ERR_PROTO);
		memcpy(map + 2 * PAGE, &cursors[i], 8);
		assert_int_equal(put(p.writer, 1, 8, 0), ERR_FULL);
		munmap(map, 4 * PAGE);
		pair_free(&p);
	}
}

static void a_broken_ring_is_skipped_to_the_head(void **state)
{
	(void)state;
	struct pair p = pair_new(64 * 1024);
	for (uint64_t id = 0; id < 50; id++)
		assert_int_equal(put(p.writer, id, 100, 0), 0);
	ring_publish(p.writer);
	char *map = raw_map(&p);
	memset(map + 3 * PAGE, 0xee, PAGE - 1);
	expect_code(p.reader, ERR_PROTO);
	ring_skip(p.reader);
	expect_code(p.reader, ERR_AGAIN);
	assert_int_equal(ring_used_bytes(p.writer), 0);
	assert_int_equal(put(p.writer, 51, 100, 0), 0);
	ring_publish(p.writer);
	expect(p.reader, 51);
	memset(map + PAGE, 0xee, 8); /* the writer's cursor: mended by its next publication */
	ring_skip(p.reader);
	ring_publish(p.writer);
	expect_code(p.reader, ERR_PROTO);
	ring_skip(p.reader);
	assert_int_equal(put(p.writer, 52, 100, 0), 0);
	ring_publish(p.writer);
	expect(p.reader, 52);
	munmap(map, 4 * PAGE);
	pair_free(&p);
}

static void what_is_not_a_ring_is_refused(void **state)
{
	(void)state;
	struct ring *ring = NULL;
	int plain = memfd_create("plain", 0);
	assert_int_equal(ftruncate(plain, 4 * PAGE), 0);
	assert_int_equal(ring_attach_reader(plain, -1, &ring), ERR_PROTO);
	assert_int_equal(ring_attach_writer(-1, -1, &ring), ERR_SYS);
	assert_null(ring);
	struct pair p = pair_new(PAGE);
	assert_true(ftruncate(p.memfd, 0) < 0); /* the size is sealed */
	pair_free(&p);
	close(plain);
}

static void each_end_may_write_only_its_page(void **state)
{
	(void)state;
	struct pair p = pair_new(PAGE);
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned writable = 0;
	while (fgets(line, sizeof(line), maps))
		writable += strstr(line, "memfd:test") && strstr(line, " rw-s") ? 1 : 0;
	assert_int_equal(writable, 3); /* writer: cursor and data; reader: cursor */
	fclose(maps);
	pair_free(&p);
}

static void attached_again_continues_at_the_cursors(void **state)
{
	(void)state;
	struct pair p = pair_new(64 * 1024);
	for (uint64_t id = 0; id < 4; id++)
		assert_int_equal(put(p.writer, id, 100, 0), 0);
	ring_publish(p.writer);
	expect(p.reader, 0);
	assert_int_equal(put(p.writer, 99, 100, 0), 0); /* lost: never published */
	ring_free(&p.writer);
	ring_free(&p.reader);
	assert_int_equal(ring_attach_writer(p.memfd, p.eventfd, &p.writer), 0);
	assert_int_equal(ring_attach_reader(p.memfd, p.eventfd, &p.reader), 0);
	assert_int_equal(put(p.writer, 4, 100, 0), 0);
	ring_publish(p.writer);
	for (uint64_t id = 1; id <= 4; id++)
		expect(p.reader, id);
	expect_code(p.reader, ERR_AGAIN);
	pair_free(&p);
}

static void sleeping_reader_is_signalled_once(void **state)
{
	(void)state;
	struct pair p = pair_new(PAGE);
	uint64_t signals;
	assert_int_equal(put(p.writer, 1, 0, 0), 0);
	ring_publish(p.writer);
	assert_false(ring_sleep(p.reader));
	expect(p.reader, 1);
	assert_true(ring_sleep(p.reader));
	ring_publish(p.writer); /* nothing new */
	assert_true(read(p.eventfd, &signals, 8) < 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(put(p.writer, 2, 0, 0), 0);
		ring_publish(p.writer);
	}
	assert_int_equal(read(p.eventfd, &signals, 8), 8);
	assert_int_equal(signals, 1);
	ring_wake(p.reader);
	expect(p.reader, 2);
	pair_free(&p);
}

static void write_all(struct pair *p)
{
	struct ring *ring = NULL;
	if (ring_attach_writer(p->memfd, p->eventfd, &ring) != 0)
		_exit(2);
	srandom(3);
	for (uint64_t id = 0; id < EXCHANGED;) {
		if (put(ring, id, random() % 300, 0) == 0)
			id++;
		else
			usleep(10);
		if (random() % 4 == 0)
			ring_publish(ring);
		if (random() % 1000 == 0)
			usleep(50);
	}
	ring_publish(ring);
	ring_free(&ring);
	_exit(0);
}

/* The reader has no timer: a lost wake-up makes poll() run into its timeout. */
static void two_processes_lose_no_wake_up(void **state)
{
	(void)state;
	struct pair p = pair_new(64 * 1024);
	struct record record;
	char payload[RECORD_PAYLOAD_MAX];
	unsigned slept = 0;
	pid_t pid = fork();
	if (pid == 0)
		write_all(&p);
	for (uint64_t id = 0; id < EXCHANGED;) {
		int err = ring_get(p.reader, &record, payload);
		if (err == 0) {
			assert_true(intact(&record, id++, payload));
			continue;
		}
		assert_int_equal(err, ERR_AGAIN);
		if (!ring_sleep(p.reader))
			continue;
		struct pollfd wait = {.fd = p.eventfd, .events = POLLIN};
		assert_int_equal(poll(&wait, 1, 10000), 1);
		ring_wake(p.reader);
		slept++;
	}
	int status = 0;
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_true(slept > 0);
	pair_free(&p);
}

static void plan_is_copied_and_checked(void **state)
{
	(void)state;
	struct plan *plan = calloc(1, sizeof(*plan));
	const struct plan *mapped = NULL;
	int fd = -1;
	plan->version = 1;
	plan->masks[MASKS_MAX - 1].hash[31] = 9;
	assert_int_equal(plan_publish(plan, &fd), 0);
	assert_int_equal(plan_map(fd, &mapped), 0);
	assert_memory_equal(plan, mapped, sizeof(*plan));
	assert_true(pwrite(fd, "x", 1, 0) < 0);
	close(fd);
	plan->version = 2;
	assert_int_equal(plan_publish(plan, &fd), 0);
	assert_int_equal(plan_map(fd, &mapped), ERR_PROTO);
	close(fd);
	int event = -1;
	assert_int_equal(ring_create("other", PAGE, &fd, &event), 0);
	assert_int_equal(plan_map(fd, &mapped), ERR_PROTO);
	close(fd);
	close(event);
	free(plan);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(random_sizes_wrap_around),
	        cmocka_unit_test(what_is_peeked_stays),
	        cmocka_unit_test(an_emptied_ring_begins_anew),
	        cmocka_unit_test(full_ring_sheds_and_reserve_is_kept),
	        cmocka_unit_test(corrupt_records_break_the_reader),
	        cmocka_unit_test(hostile_cursors_are_harmless),
	        cmocka_unit_test(a_broken_ring_is_skipped_to_the_head),
	        cmocka_unit_test(what_is_not_a_ring_is_refused),
	        cmocka_unit_test(each_end_may_write_only_its_page),
	        cmocka_unit_test(attached_again_continues_at_the_cursors),
	        cmocka_unit_test(sleeping_reader_is_signalled_once),
	        cmocka_unit_test(two_processes_lose_no_wake_up),
	        cmocka_unit_test(plan_is_copied_and_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
