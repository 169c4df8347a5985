/*
 * io.c - the disk fails at the n-th call, for every n: what was reported as written can be read again, in
 * order and unaltered; a torn tail stays a torn tail; and the recorder calls no exchange captured that is
 * not.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/capfile.h"
#include "capture/recorder.h"
#include "tests/fault/fail.h"

enum { RECORDS = 60, FLUSH_EVERY = 7, EXCHANGES = 40, PAYLOAD = 3000 };

static char directory[] = "/tmp/understudy-io-XXXXXX", path[64];
static struct plan plan = {.capture = true,
                           .route_count = 1,
                           .mask_count = 1,
                           .version = 1,
                           .workers = 1,
                           .slots_each = EXCHANGES};
static char payload[PAYLOAD];

static struct record record_at(uint64_t i)
{
	return (struct record){.id = i, .time_ns = i, .type = RECORD_CHUNK, .payload_len = PAYLOAD};
}

/* Ids in the file, at most max; the end code. */
static int read_ids(const char *file, uint64_t *ids, unsigned max, unsigned *count_out)
{
	struct capfile_reader *reader;
	const void *bytes;
	struct record r;
	int err = capfile_open(file, &reader, NULL);

	*count_out = 0;
	if (err)
		return err;
	while (!(err = capfile_next(reader, &r, &bytes))) {
		assert_true(*count_out < max);
		assert_memory_equal(bytes, payload, r.payload_len);
		ids[(*count_out)++] = r.id;
	}
	capfile_reader_free(&reader);
	return err;
}

struct written {
	uint64_t ids[RECORDS];
	unsigned count, failures;
	int created, closed;
	bool fired;
};

/* A writer that goes on after a failure, as its contract allows; what a flush reported is noted. */
static struct written write_file(unsigned calls, unsigned n, int error, bool for_good)
{
	struct written w = {0};
	struct capfile_writer *to;
	uint64_t pending[RECORDS];
	unsigned count = 0;
	int err;

	unlink(path);
	fail_io(calls, n, error, for_good);
	w.created = capfile_create(path, &plan, 0, &to);
	for (uint64_t i = 0; i < RECORDS && !w.created; i++) {
		struct record r = record_at(i);

		err = capfile_append(to, &r, payload);
		w.failures += err != 0;
		if (err)
			count = 0; /* the pending ones are gone with it */
		else
			pending[count++] = i;
		if (i % FLUSH_EVERY != FLUSH_EVERY - 1)
			continue;
		err = capfile_flush(to);
		w.failures += err != 0;
		for (unsigned k = 0; k < count && !err; k++)
			w.ids[w.count++] = pending[k];
		count = 0;
		assert_int_equal(capfile_written(to), w.count);
	}
	w.closed = w.created ? 0 : capfile_close(&to);
	for (unsigned k = 0; k < count && !w.closed; k++)
		w.ids[w.count++] = pending[k];
	w.fired = fail_io_end();
	return w;
}

static void check_file(const struct written *w)
{
	uint64_t ids[RECORDS];
	unsigned count;
	int end;

	if (w->created) {
		assert_int_equal(w->created, ERR_SYS);
		assert_int_equal(access(path, F_OK), -1);
		return;
	}
	end = read_ids(path, ids, RECORDS, &count);
	assert_int_equal(end, w->closed && end != ERR_AGAIN ? ERR_TORN : ERR_AGAIN);
	assert_true(count >= w->count);
	if (!w->closed)
		assert_int_equal(count, w->count);
	assert_memory_equal(ids, w->ids, w->count * sizeof *ids);
}

static void writer_fails(unsigned calls, int error, bool harmless)
{
	struct written w;

	for (unsigned mode = 0; mode < 2; mode++) {
		for (unsigned n = 0;; n++) {
			if (mode && harmless)
				break; /* it would be interrupted for ever */
			w = write_file(calls, n, error, mode);
			if (!w.fired)
				break;
			if (harmless)
				assert_true(!w.created && !w.failures && !w.closed && w.count == RECORDS);
			else
				assert_true(w.created || w.failures || w.closed);
			check_file(&w);
		}
		assert_true((mode && harmless) || w.count == RECORDS);
	}
}

static void test_writer(void **state)
{
	(void)state;
	writer_fails(FAIL_WRITE, EINTR, true);
	writer_fails(FAIL_WRITE, FAIL_SHORT, true);
	writer_fails(FAIL_WRITE, ENOSPC, false);
	writer_fails(FAIL_WRITE, EIO, false);
	writer_fails(FAIL_SYNC, EIO, false);
	writer_fails(FAIL_OPEN, EMFILE, false);
}

/* The disk is full and the torn segment cannot be cut off either. */
static void test_writer_cannot_cut(void **state)
{
	struct written w = {.fired = true};

	(void)state;
	for (unsigned n = 0; w.fired; n++) {
		w = write_file(FAIL_WRITE | FAIL_TRUNCATE, n, ENOSPC, true);
		check_file(&w);
	}
}

static void test_reader(void **state)
{
	static const int errors[] = {EINTR, FAIL_SHORT, EIO};
	uint64_t ids[RECORDS];
	unsigned count;

	(void)state;
	write_file(0, 0, 0, false);
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned n = 0;; n++) {
			fail_io(FAIL_PREAD, n, errors[i], false);
			int end = read_ids(path, ids, RECORDS, &count);
			bool fired = fail_io_end();

			assert_int_equal(end, fired && errors[i] == EIO ? ERR_SYS : ERR_AGAIN);
			assert_true(end == ERR_SYS || count == RECORDS);
			if (!fired)
				break;
		}
	}
}

/* What the recorder inherits; its ring holds EXCHANGES exchanges, and the proxy is draining. */
struct house {
	struct role_env env;
	int captures, ring, wake, page, ledger, ready[2];
};

static void put(struct ring *to, const struct record *of, uint8_t leg, uint8_t type)
{
	struct record r = *of;

	r.leg = leg;
	r.type = type;
	r.payload_len = type == RECORD_END ? 0 : PAYLOAD;
	assert_int_equal(ring_put(to, &r, payload, 0), 0);
}

/* Of every tenth exchange the beginning is missing, of every third the end of the request. */
static bool is_headless(uint64_t id)
{
	return id % 10 == 0;
}

static bool is_whole(uint64_t id)
{
	return !is_headless(id) && id % 3;
}

static void put_exchange(struct ring *to, const struct record *r)
{
	if (!is_headless(r->id))
		put(to, r, LEG_CLIENT, RECORD_HEAD);
	if (r->id % 3)
		put(to, r, LEG_CLIENT, RECORD_END);
	for (uint8_t type = RECORD_HEAD; type <= RECORD_CHUNK; type++)
		put(to, r, LEG_LIVE, type);
	put(to, r, LEG_LIVE, RECORD_END);
}

static void build(struct house *h, uint32_t *slots)
{
	struct ring *to;

	*h = (struct house){.env = {.name = "recorder", .plan = &plan}};
	h->captures = open(directory, O_RDONLY | O_DIRECTORY);
	assert_true(h->captures >= 0 && pipe(h->ready) == 0);
	assert_int_equal(ring_create("recorder", 1 << 20, &h->ring, &h->wake), 0);
	assert_int_equal(page_create(&h->page), 0);
	assert_int_equal(page_map(h->page, &h->env.page), 0);
	assert_int_equal(ledger_create(1, EXCHANGES, &h->ledger), 0);
	assert_int_equal(ledger_attach(h->ledger, &h->env.ledger), 0);
	atomic_store(&h->env.page->phase, PHASE_SHADOW);
	assert_int_equal(ring_attach_writer(h->ring, h->wake, &to), 0);
	for (uint64_t id = 1; id <= EXCHANGES; id++) {
		struct record r = {.id = id};

		assert_int_equal(ledger_take(h->env.ledger, 0, id, 0, 0, 0, OUTCOME_SAMPLED_OUT, 0,
		                             STAGE_WORKER, &slots[id - 1]),
		                 0);
		ledger_move(h->env.ledger, slots[id - 1], id, CELL_CAPTURE, STAGE_WORKER, STAGE_MASKER);
		r.slot = slots[id - 1];
		put_exchange(to, &r);
	}
	ring_publish(to);
	ring_free(&to);
	h->env.fd_count = 5;
	h->env.fds[0].name = "captures";
	h->env.fds[0].fd = h->captures;
	h->env.fds[1].name = "ring.recorder";
	h->env.fds[1].fd = h->ring;
	h->env.fds[2].name = "wake.recorder";
	h->env.fds[2].fd = h->wake;
	h->env.fds[3].name = "ready";
	h->env.fds[3].fd = h->ready[1];
	h->env.fds[4].name = "go"; /* it hears its own word that it is ready */
	h->env.fds[4].fd = h->ready[0];
}

static void demolish(struct house *h)
{
	ledger_free(&h->env.ledger);
	munmap(h->env.page, sizeof *h->env.page);
	close(h->captures);
	close(h->ring);
	close(h->wake);
	close(h->page);
	close(h->ledger);
	close(h->ready[0]);
	close(h->ready[1]);
}

/* How many of an exchange's five records are in the file. */
static void count_records(unsigned found[EXCHANGES])
{
	uint64_t ids[EXCHANGES * 5];
	char command[128], name[96] = "";
	unsigned count = 0;
	FILE *list;

	memset(found, 0, EXCHANGES * sizeof *found);
	snprintf(command, sizeof command, "ls %s/*.cap 2>/dev/null", directory);
	list = popen(command, "r");
	assert_non_null(list);
	while (fgets(name, sizeof name, list)) {
		name[strcspn(name, "\n")] = '\0';
		read_ids(name, ids, EXCHANGES * 5, &count);
		unlink(name);
		for (unsigned i = 0; i < count; i++)
			found[ids[i] - 1]++;
	}
	pclose(list);
}

static void recorder_fails(unsigned calls, unsigned n, int error, bool *fired_out)
{
	unsigned found[EXCHANGES], captured = 0, whole = 0;
	uint32_t slots[EXCHANGES];
	struct house h;
	int status;

	build(&h, slots);
	if (fork() == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(9);
		fail_io(calls, n, error, true);
		status = recorder_run(&h.env);
		_exit(fail_io_end() | (status ? 2 : 0));
	}
	assert_true(wait(&status) > 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 3);
	*fired_out = WEXITSTATUS(status) & 1;
	count_records(found);
	for (uint64_t id = 1; id <= EXCHANGES; id++) {
		uint8_t cell = ledger_cell(h.env.ledger, slots[id - 1], id, CELL_CAPTURE);

		assert_true(cell == (is_whole(id) ? OUTCOME_CAPTURED : OUTCOME_ROLE_LOST) ||
		            (cell == OUTCOME_DISK && *fired_out && !is_headless(id)));
		if (cell == OUTCOME_CAPTURED)
			assert_int_equal(found[id - 1], 5);
		captured += cell == OUTCOME_CAPTURED;
		whole += is_whole(id);
	}
	assert_true(*fired_out || captured == whole);
	demolish(&h);
}

static void test_recorder(void **state)
{
	static const int errors[] = {ENOSPC, EIO};
	bool fired;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fired = true;
		for (unsigned n = 0; fired; n++)
			recorder_fails(FAIL_WRITE, n, errors[i], &fired);
	}
	recorder_fails(FAIL_WRITE | FAIL_TRUNCATE, 3, ENOSPC, &fired);
	recorder_fails(FAIL_OPEN, 0, EMFILE, &fired);
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PAYLOAD; i++)
		payload[i] = (char)((i * 2654435761u) >> 9);
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof path, "%s/a.capture", directory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_writer),
	        cmocka_unit_test(test_writer_cannot_cut),
	        cmocka_unit_test(test_reader),
	        cmocka_unit_test(test_recorder),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
