/*
 * kill.c - a ring of two processes and a ledger of eight, killed with -9 at random moments: no record is read
 * twice or altered, at most the one in hand is lost, and the count equation holds exactly.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "capture/ledger.h"
#include "capture/ring.h"

enum { KILLS = 500, BATCH = 8, ROLES = 8, WORKERS = 3, SLOTS_EACH = 16, CANDIDATES = 3, ROUTES = 2 };

struct shared {
	_Atomic bool stop;
	_Atomic uint64_t next, published; /* ring: ids given out; the last one made visible */
	_Atomic uint64_t last, processed, broken;
	_Atomic uint64_t took[WORKERS]; /* ledger: what each worker knows it has counted */
};

static struct shared *shared;
static int memfd, wake, ledger_fd;
static struct ledger *ledger;
static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

static void nap(long us)
{
	nanosleep(&(struct timespec){0, us * 1000}, NULL);
}

typedef void role(unsigned index);

static pid_t start(role *run, unsigned index)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	random_state = (random_state + index + (uint64_t)getpid()) | 1;
	alarm(300);
	run(index);
	_exit(0);
}

static void kill_now(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || status == 0);
}

/* --- ring --- */

static uint32_t length_of(uint64_t id)
{
	return (uint32_t)(id * 2654435761u >> 8) % 3000;
}

static void ring_writer(unsigned index)
{
	char payload[3000];
	struct ring *r;

	(void)index;
	if (ring_attach_writer(memfd, wake, &r))
		_exit(1);
	while (!atomic_load(&shared->stop)) {
		uint64_t id = 0;

		for (unsigned i = 0; i < BATCH; i++) {
			id = atomic_fetch_add(&shared->next, 1) + 1;
			struct record record = {.id = id, .type = RECORD_CHUNK, .payload_len = length_of(id)};

			memset(payload, (int)(id & 127), sizeof payload);
			while (ring_put(r, &record, payload, 0)) {
				ring_publish(r);
				nap(50);
			}
		}
		ring_publish(r);
		atomic_store(&shared->published, id);
	}
}

static void ring_reader(unsigned index)
{
	static char payload[RECORD_PAYLOAD_MAX];
	struct record record;
	struct ring *r;
	int err;

	(void)index;
	if (ring_attach_reader(memfd, wake, &r))
		_exit(1);
	for (;;) {
		err = ring_get(r, &record, payload);
		if (err == ERR_AGAIN && atomic_load(&shared->stop) &&
		    atomic_load(&shared->last) >= atomic_load(&shared->published))
			return;
		if (err == ERR_AGAIN) {
			nap(20);
			continue;
		}
		if (err || record.id <= atomic_load(&shared->last) ||
		    record.payload_len != length_of(record.id))
			atomic_fetch_add(&shared->broken, 1);
		for (uint32_t i = 0; i < record.payload_len; i++)
			if (payload[i] != (char)(record.id & 127))
				atomic_fetch_add(&shared->broken, 1);
		atomic_store(&shared->last, record.id);
		atomic_fetch_add(&shared->processed, 1);
	}
}

static void test_ring(void **state)
{
	unsigned kills[2] = {0, 0};
	role *const roles[] = {ring_writer, ring_reader};
	pid_t pids[2];
	uint64_t missing;
	int status;

	(void)state;
	assert_int_equal(ring_create("kill", 1 << 16, &memfd, &wake), 0);
	for (unsigned i = 0; i < 2; i++)
		pids[i] = start(roles[i], i);
	for (unsigned k = 0; k < KILLS; k++) {
		unsigned victim = random_next() & 1;

		nap((long)(random_next() % 8000));
		kill_now(pids[victim]);
		kills[victim]++;
		pids[victim] = start(roles[victim], victim);
	}
	atomic_store(&shared->stop, true);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	missing = shared->next - shared->processed;
	assert_int_equal(shared->broken, 0);
	assert_true(shared->processed > KILLS);
	assert_in_range(missing, 0, kills[0] * BATCH + kills[1]);
	close(memfd);
	close(wake);
}

/* --- ledger --- */

static const uint8_t stage_of[ROLES] = {STAGE_WORKER, STAGE_WORKER,  STAGE_WORKER, STAGE_MASKER,
                                        STAGE_SHADOW, STAGE_ANSWERS, STAGE_JUDGE,  STAGE_RECORDER};

static void take(unsigned worker, uint64_t id)
{
	uint64_t dice = random_next();
	uint16_t route = dice & 1;
	uint8_t capture = dice & 2 ? STAGE_WORKER : OUTCOME_CAPTURE_OFF;
	uint32_t slot;

	if (ledger_take(ledger, worker, id, route, dice >> 8 & 7, CANDIDATES, OUTCOME_SAMPLED_OUT,
	                dice >> 16 & 1, capture, &slot))
		ledger_direct(ledger, worker, route, CANDIDATES, OUTCOME_SLOTS);
	else if ((dice >> 20 & 7) == 0)
		ledger_settle_candidates(ledger, slot, id, STAGE_WORKER, OUTCOME_CLIENT_GONE);
}

static void worker(unsigned index)
{
	uint64_t id = (uint64_t)(index + 1) << 56 | ((uint64_t)getpid() & 0xffff) << 40;

	while (!atomic_load(&shared->stop)) {
		take(index, ++id);
		atomic_fetch_add(&shared->took[index], 1);
		if ((id & 15) == 0)
			nap(100);
	}
}

/* Pull what the stage before holds; later, perhaps, settle it. The last stage must, and what it pulled is
 * known to this process alone: when that dies only ledger_role_lost() can settle it. */
static void pass_on(uint32_t slot, uint64_t id, unsigned cell, uint8_t before, uint8_t own, uint8_t good)
{
	static uint64_t held[WORKERS * SLOTS_EACH][CELLS];
	bool last = own == STAGE_JUDGE || own == STAGE_RECORDER;

	if (ledger_move(ledger, slot, id, cell, before, own))
		held[slot][cell] = id;
	else if (held[slot][cell] == id && random_next() % (last ? 3 : 16) == 0)
		ledger_move(ledger, slot, id, cell, own,
		            random_next() % 4 ? good : (uint8_t)OUTCOME_CANDIDATE_TIMEOUT);
}

static void stage(unsigned index)
{
	uint8_t own = stage_of[index];

	if (own == STAGE_JUDGE)
		ledger_recover(ledger);
	for (;;) {
		for (uint32_t slot = 0; slot < WORKERS * SLOTS_EACH; slot++) {
			uint64_t id = ledger_slot_id(ledger, slot);

			if (!id)
				continue;
			for (unsigned c = 0; c < CANDIDATES && own != STAGE_RECORDER; c++)
				pass_on(slot, id, c, own - 1, own, OUTCOME_COMPARED);
			if (own == STAGE_MASKER)
				pass_on(slot, id, CELL_LIVE, STAGE_WORKER, own, OUTCOME_LIVE_FAILED);
			if (own == STAGE_JUDGE)
				pass_on(slot, id, CELL_LIVE, STAGE_MASKER, own, OUTCOME_COMPARED);
			if (own == STAGE_MASKER)
				pass_on(slot, id, CELL_CAPTURE, STAGE_WORKER, own, OUTCOME_DISK);
			if (own == STAGE_RECORDER)
				pass_on(slot, id, CELL_CAPTURE, STAGE_MASKER, own, OUTCOME_CAPTURED);
		}
		if (own == STAGE_JUDGE)
			ledger_harvest(ledger, NULL, NULL);
		nap(100);
	}
}

static void check_counts(const struct ledger_counts *c, uint64_t *seen_out)
{
	uint64_t exchanges = c->open, captures = c->open, routes = 0;

	for (unsigned i = 0; i < OUTCOMES; i++) {
		exchanges += c->exchange[i];
		captures += c->capture[i];
	}
	for (unsigned r = 0; r < ROUTES_MAX; r++) {
		routes += c->route_seen[r];
		for (unsigned k = 0; k < CANDIDATES && r < ROUTES; k++) {
			uint64_t sum = c->candidate_open[r][k];

			for (unsigned i = 0; i < OUTCOMES; i++)
				sum += c->candidate[r][k][i];
			assert_int_equal(sum, c->route_seen[r]);
		}
	}
	assert_int_equal(exchanges, c->seen);
	assert_int_equal(captures, c->seen);
	assert_int_equal(routes, c->seen);
	*seen_out = c->seen;
}

static void test_ledger(void **state)
{
	static struct ledger_counts counts;
	unsigned worker_kills = 0;
	uint64_t took = 0, seen, last = 0;
	pid_t pids[ROLES];

	(void)state;
	assert_int_equal(ledger_create(WORKERS, SLOTS_EACH, &ledger_fd), 0);
	assert_int_equal(ledger_attach(ledger_fd, &ledger), 0);
	for (unsigned i = 0; i < ROLES; i++)
		pids[i] = start(i < WORKERS ? worker : stage, i);
	for (unsigned k = 0; k < KILLS; k++) {
		unsigned victim = random_next() % ROLES;

		nap((long)(random_next() % 6000));
		kill_now(pids[victim]);
		worker_kills += victim < WORKERS;
		ledger_role_lost(ledger, stage_of[victim], victim < WORKERS ? (int)victim : -1);
		pids[victim] = start(victim < WORKERS ? worker : stage, victim);
		ledger_read(ledger, &counts);
		check_counts(&counts, &seen);
		assert_true(seen >= last);
		last = seen;
	}
	atomic_store(&shared->stop, true);
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		ledger_role_lost(ledger, STAGE_WORKER, (int)i);
		took += shared->took[i];
	}
	for (unsigned i = 0; i < 20000 && (i == 0 || counts.open); i++) {
		nap(1000);
		ledger_read(ledger, &counts);
	}
	for (unsigned i = WORKERS; i < ROLES; i++)
		kill_now(pids[i]);
	assert_int_equal(counts.open, 0);
	check_counts(&counts, &seen);
	assert_in_range(seen, took, took + worker_kills);
	assert_true(took > KILLS && counts.exchange[0] > 0 && counts.capture[0] > 0);
	ledger_free(&ledger);
	close(ledger_fd);
}

static int reset(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_ring, reset),
	        cmocka_unit_test_setup(test_ledger, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
