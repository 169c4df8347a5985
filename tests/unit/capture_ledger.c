#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/ledger.h"

enum { WORKERS = 2, SLOTS_EACH = 32, ROUTES = 3, ROUNDS = 300 };

/* Route r has r candidates; the last of two is a baseline. */
static uint32_t baselines_of(unsigned route)
{
	return route == 2 ? 2 : 0;
}

static struct ledger *ledger_new(int *memfd_out)
{
	struct ledger *l = NULL;
	assert_int_equal(ledger_create(WORKERS, SLOTS_EACH, memfd_out), 0);
	assert_int_equal(ledger_attach(*memfd_out, &l), 0);
	return l;
}

static uint64_t sum(const uint64_t *counts)
{
	uint64_t n = 0;
	for (unsigned o = 0; o < OUTCOMES; o++)
		n += counts[o];
	return n;
}

static bool exact(const struct ledger_counts *c)
{
	bool ok = c->seen == sum(c->exchange) + c->open && c->seen == sum(c->capture) + c->open;
	uint64_t routes = 0;
	for (unsigned r = 0; r < ROUTES; r++) {
		routes += c->route_seen[r];
		for (unsigned i = 0; i < r; i++)
			ok = ok && c->route_seen[r] == sum(c->candidate[r][i]) + c->candidate_open[r][i];
	}
	return ok && routes == c->seen;
}

static uint64_t count(const uint64_t *counts, uint8_t outcome)
{
	return counts[outcome - OUTCOME_COMPARED];
}

static struct ledger_counts read_exact(struct ledger *l)
{
	struct ledger_counts c;
	ledger_read(l, &c);
	assert_true(exact(&c));
	return c;
}

static int take(struct ledger *l, unsigned worker, uint64_t id, uint16_t route, uint32_t *slot)
{
	return ledger_take(l, worker, id, route, (1u << route) - 1, route, OUTCOME_SAMPLED_OUT,
	                   baselines_of(route), STAGE_WORKER, slot);
}

static uint8_t random_outcome(void)
{
	return (uint8_t)(OUTCOME_COMPARED + random() % OUTCOMES);
}

static void settle_all(struct ledger *l, uint32_t slot, uint64_t id)
{
	for (unsigned c = 0; c < CELLS; c++) {
		uint8_t at = ledger_cell(l, slot, id, c);
		if (at != STAGE_NONE && at < OUTCOME_COMPARED)
			ledger_move(l, slot, id, c, at, random_outcome());
	}
}

static void names_and_groups(void **state)
{
	(void)state;
	for (unsigned o = OUTCOME_COMPARED; o < OUTCOME_END; o++)
		assert_int_equal(outcome_by_name(span_of(outcome_name((uint8_t)o))), o);
	assert_int_equal(outcome_by_name(SPAN("nonsense")), 0);
	assert_string_equal(outcome_name(3), "unknown");
	assert_int_equal(outcome_group(OUTCOME_MASK_FAILED), GROUP_EXCLUDED);
	assert_int_equal(outcome_group(OUTCOME_RING_FULL), GROUP_SHED);
	assert_int_equal(outcome_group(OUTCOME_DISK), GROUP_NOT_COMPARED);
}

/* One exchange of route 2 with the given ends; returns what it counts as. */
static uint8_t counted_as(uint8_t candidate, uint8_t baseline, uint8_t live)
{
	int fd = -1;
	uint32_t slot = 0;
	struct ledger *l = ledger_new(&fd);
	assert_int_equal(take(l, 0, 7, 2, &slot), 0);
	assert_true(ledger_move(l, slot, 7, 0, STAGE_WORKER, candidate));
	assert_true(ledger_move(l, slot, 7, 1, STAGE_WORKER, baseline));
	assert_int_equal(ledger_harvest(l, NULL, NULL), 0);
	assert_true(ledger_move(l, slot, 7, CELL_LIVE, STAGE_WORKER, live));
	assert_true(ledger_move(l, slot, 7, CELL_CAPTURE, STAGE_WORKER, OUTCOME_CAPTURED));
	assert_int_equal(ledger_harvest(l, NULL, NULL), 1);
	struct ledger_counts c = read_exact(l);
	assert_int_equal(c.open, 0);
	uint8_t as = OUTCOME_COMPARED;
	while (count(c.exchange, as) == 0)
		as++;
	ledger_free(&l);
	close(fd);
	return as;
}

static void exchange_counts_under_its_first_outcome(void **state)
{
	(void)state;
	assert_int_equal(counted_as(OUTCOME_COMPARED, OUTCOME_RATE, OUTCOME_COMPARED), OUTCOME_COMPARED);
	assert_int_equal(counted_as(OUTCOME_RATE, OUTCOME_COMPARED, OUTCOME_COMPARED), OUTCOME_RATE);
	assert_int_equal(counted_as(STAGE_JUDGE, OUTCOME_RATE, OUTCOME_LIVE_FAILED), OUTCOME_LIVE_FAILED);
}

static void other_ways_of_counting(void **state)
{
	(void)state;
	int fd = -1;
	uint32_t slot = 0;
	struct ledger *l = ledger_new(&fd);
	/* Two candidates, neither a baseline: the first reason of the table. */
	assert_int_equal(ledger_take(l, 0, 1, 2, 1, 2, OUTCOME_SAMPLED_OUT, 0, OUTCOME_CAPTURE_OFF, &slot),
	                 0);
	assert_int_equal(ledger_settle_candidates(l, slot, 1, STAGE_WORKER, OUTCOME_DRAIN), 1);
	assert_true(ledger_move(l, slot, 1, CELL_LIVE, STAGE_WORKER, OUTCOME_COMPARED));
	/* Only a baseline. */
	assert_int_equal(ledger_take(l, 1, 2, 1, 1, 1, OUTCOME_SAMPLED_OUT, 1, OUTCOME_CAPTURE_OFF, &slot),
	                 0);
	assert_int_equal(ledger_settle_candidates(l, slot, 2, STAGE_WORKER, OUTCOME_COMPARED), 1);
	assert_true(ledger_move(l, slot, 2, CELL_LIVE, STAGE_WORKER, OUTCOME_COMPARED));
	ledger_direct(l, 1, 2, 2, OUTCOME_METHOD);
	assert_int_equal(ledger_harvest(l, NULL, NULL), 2);
	struct ledger_counts c = read_exact(l);
	assert_int_equal(c.seen, 3);
	assert_int_equal(count(c.exchange, OUTCOME_SAMPLED_OUT), 1);
	assert_int_equal(count(c.exchange, OUTCOME_COMPARED), 1);
	assert_int_equal(count(c.exchange, OUTCOME_METHOD), 1);
	assert_int_equal(count(c.capture, OUTCOME_CAPTURE_OFF), 2);
	assert_int_equal(count(c.candidate[2][0], OUTCOME_DRAIN), 1);
	assert_int_equal(count(c.candidate[2][1], OUTCOME_METHOD), 1);
	ledger_free(&l);
	close(fd);
}

static void stale_ids_move_nothing(void **state)
{
	(void)state;
	int fd = -1;
	uint32_t slot = 0;
	struct ledger *l = ledger_new(&fd);
	assert_int_equal(take(l, 1, 9, 1, &slot), 0);
	assert_false(ledger_move(l, slot, 8, 0, STAGE_WORKER, STAGE_MASKER));
	assert_false(ledger_move(l, slot, 9, 0, STAGE_MASKER, STAGE_SHADOW));
	assert_false(ledger_move(l, slot + 1, 0, 0, STAGE_NONE, STAGE_SHADOW));
	assert_false(ledger_move(l, UINT32_MAX, 9, 0, STAGE_WORKER, STAGE_MASKER));
	assert_int_equal(ledger_cell(l, slot, 8, 0), 0);
	assert_int_equal(ledger_cell(l, slot, 9, 0), STAGE_WORKER);
	assert_int_equal(ledger_role_lost(l, STAGE_WORKER, 0), 0);
	assert_int_equal(ledger_role_lost(l, STAGE_WORKER, 1), 3);
	for (uint64_t id = 10; id < 9 + SLOTS_EACH; id++)
		assert_int_equal(take(l, 1, id, 1, &slot), 0);
	assert_int_equal(take(l, 1, 99, 1, &slot), ERR_FULL);
	uint64_t ids[WORKERS * SLOTS_EACH];
	assert_int_equal(ledger_open_ids(l, ids, WORKERS * SLOTS_EACH), SLOTS_EACH);
	assert_int_equal(ledger_harvest(l, NULL, NULL), 1);
	assert_int_equal(take(l, 1, 99, 1, &slot), 0);
	ledger_free(&l);
	close(fd);
}

/* One random step of any role on any slot. */
static void random_step(struct ledger *l, uint64_t *next_id, uint64_t *owner, uint64_t *seen)
{
	uint32_t slot = (uint32_t)random() % (WORKERS * SLOTS_EACH);
	unsigned worker = (unsigned)random() % WORKERS, cell = (unsigned)random() % CELLS;
	uint16_t route = (uint16_t)(random() % ROUTES);
	switch (random() % 8) {
	case 0:
		ledger_direct(l, worker, route, route, random_outcome());
		++*seen;
		break;
	case 1:
		if (take(l, worker, *next_id, route, &slot) == 0) {
			owner[slot] = (*next_id)++;
			++*seen;
		}
		break;
	case 2:
		ledger_move(l, slot, owner[slot], cell, ledger_cell(l, slot, owner[slot], cell) & 0x3f,
		            STAGE_MASKER + (uint8_t)random() % 5);
		break;
	case 3:
		settle_all(l, slot, owner[slot]);
		break;
	case 4:
		ledger_settle_candidates(l, slot, owner[slot], STAGE_SHADOW, random_outcome());
		break;
	case 5:
		if (random() % 16 == 0)
			ledger_role_lost(l, STAGE_WORKER + (uint8_t)random() % 6,
			                 random() % 2 ? -1 : (int)worker);
		break;
	default:
		ledger_harvest(l, NULL, NULL);
	}
}

static void equation_holds_after_random_steps(void **state)
{
	(void)state;
	int fd = -1;
	struct ledger *l = ledger_new(&fd);
	uint64_t next_id = 1, seen = 0, owner[WORKERS * SLOTS_EACH] = {0};
	srandom(11);
	for (unsigned i = 0; i < 20000; i++) {
		random_step(l, &next_id, owner, &seen);
		if (i % 16 == 0)
			assert_int_equal(read_exact(l).seen, seen);
	}
	for (uint8_t stage = STAGE_WORKER; stage <= STAGE_RECORDER; stage++)
		ledger_role_lost(l, stage, -1);
	ledger_harvest(l, NULL, NULL);
	struct ledger_counts c = read_exact(l);
	assert_int_equal(c.open, 0);
	assert_int_equal(c.seen, seen);
	ledger_free(&l);
	close(fd);
}

static void spawn(pid_t *pid, int fd, void (*body)(struct ledger *, unsigned), unsigned arg)
{
	*pid = fork();
	if (*pid != 0)
		return;
	struct ledger *l = NULL;
	if (ledger_attach(fd, &l) != 0)
		_exit(2);
	body(l, arg);
	ledger_free(&l);
	_exit(0);
}

static int reap(pid_t pid)
{
	int status = 0;
	waitpid(pid, &status, 0);
	return status;
}

static void judge_body(struct ledger *l, unsigned arg)
{
	(void)arg;
	ledger_recover(l);
	for (;;)
		ledger_harvest(l, NULL, NULL);
}

/* The judge is killed at a random point, over and over, while this process keeps it busy. */
static void killed_judge_loses_and_doubles_nothing(void **state)
{
	(void)state;
	int fd = -1;
	struct ledger *l = ledger_new(&fd);
	uint64_t id = 0;
	srandom(13);
	for (unsigned round = 0; round < ROUNDS; round++) {
		pid_t pid = -1;
		spawn(&pid, fd, judge_body, 0);
		/* More than the slots: at the end the judge is in the middle of its work. */
		for (long n = WORKERS * SLOTS_EACH + random() % 500; n > 0;) {
			uint32_t slot = 0;
			if (take(l, (unsigned)id % WORKERS, id + 1, (uint16_t)(id % ROUTES), &slot) != 0)
				continue;
			settle_all(l, slot, ++id);
			n--;
		}
		kill(pid, SIGKILL);
		reap(pid);
		if (round % 8 == 0)
			assert_int_equal(read_exact(l).seen, id);
	}
	ledger_recover(l);
	ledger_recover(l);
	assert_int_equal(read_exact(l).seen, id);
	ledger_harvest(l, NULL, NULL);
	struct ledger_counts c = read_exact(l);
	assert_int_equal(c.open, 0);
	assert_int_equal(sum(c.exchange), id);
	assert_int_equal(sum(c.capture), id);
	ledger_free(&l);
	close(fd);
}

static void stepped_body(struct ledger *l, unsigned arg)
{
	(void)arg;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(3);
	raise(SIGSTOP);
	ledger_harvest(l, NULL, NULL);
}

/* `bytes` is what a judge that died at this instruction left behind. If the slot is free already, a
 * worker takes it again before the successor recovers. */
static void check_crash(const char *bytes, size_t len)
{
	int fd = -1;
	uint32_t slot = 0;
	struct ledger *l = NULL;
	assert_int_equal(ledger_create(1, 1, &fd), 0);
	assert_int_equal(pwrite(fd, bytes, len, 0), len);
	assert_int_equal(ledger_attach(fd, &l), 0);
	bool taken = take(l, 0, 2, 2, &slot) == 0;
	ledger_recover(l);
	ledger_harvest(l, NULL, NULL);
	struct ledger_counts c = read_exact(l);
	assert_int_equal(c.open, taken);
	assert_int_equal(c.seen, 1 + taken);
	assert_int_equal(sum(c.candidate[2][1]), 1);
	ledger_free(&l);
	close(fd);
}

static void judge_may_die_at_any_instruction(void **state)
{
	(void)state;
	int fd = -1, status = 0;
	uint32_t slot = 0;
	struct ledger *l = NULL;
	struct stat st;
	pid_t pid = -1;
	unsigned states = 0;
	assert_int_equal(ledger_create(1, 1, &fd), 0);
	assert_int_equal(ledger_attach(fd, &l), 0);
	assert_int_equal(take(l, 0, 1, 2, &slot), 0);
	settle_all(l, slot, 1);
	fstat(fd, &st);
	size_t len = (size_t)st.st_size;
	char *last = calloc(1, len), *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	spawn(&pid, fd, stepped_body, 0);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (memcmp(last, map, len) != 0) {
			memcpy(last, map, len);
			check_crash(last, len);
			states++;
		}
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
	}
	munmap(map, len);
	free(last);
	ledger_free(&l);
	close(fd);
	if (WEXITSTATUS(status) == 3)
		skip();
	assert_int_equal(status, 0);
	assert_true(states > 10);
}

static void worker_body(struct ledger *l, unsigned worker)
{
	srandom(worker + 1);
	for (uint64_t n = 1; n <= 20000;) {
		uint64_t id = (uint64_t)worker << 56 | n;
		uint16_t route = (uint16_t)(n % ROUTES);
		uint32_t slot = 0;
		if (n % 5 == 0)
			ledger_direct(l, worker, route, route, random_outcome());
		else if (take(l, worker, id, route, &slot) == 0)
			settle_all(l, slot, id);
		else
			continue;
		n++;
	}
}

static void reader_body(struct ledger *l, unsigned arg)
{
	struct ledger_counts c;
	uint64_t last = 0;
	(void)arg;
	do {
		ledger_read(l, &c);
		if (!exact(&c) || c.seen < last)
			_exit(1);
		last = c.seen;
	} while (last < WORKERS * 20000);
}

static void every_concurrent_copy_is_exact(void **state)
{
	(void)state;
	int fd = -1;
	pid_t worker[WORKERS], reader = -1;
	struct ledger *l = ledger_new(&fd);
	for (unsigned w = 0; w < WORKERS; w++)
		spawn(&worker[w], fd, worker_body, w);
	spawn(&reader, fd, reader_body, 0);
	int status = -1;
	while (waitpid(reader, &status, WNOHANG) == 0) {
		ledger_harvest(l, NULL, NULL);
		usleep(20);
	}
	assert_int_equal(status, 0);
	for (unsigned w = 0; w < WORKERS; w++)
		assert_int_equal(reap(worker[w]), 0);
	ledger_harvest(l, NULL, NULL);
	struct ledger_counts c = read_exact(l);
	assert_int_equal(c.seen, WORKERS * 20000);
	assert_int_equal(c.open, 0);
	ledger_free(&l);
	close(fd);
}

static void what_is_not_a_ledger_is_refused(void **state)
{
	(void)state;
	struct ledger *l = NULL;
	int fd = memfd_create("plain", 0);
	assert_int_equal(ledger_attach(fd, &l), ERR_PROTO);
	assert_int_equal(ledger_attach(-1, &l), ERR_SYS);
	close(fd);
	assert_int_equal(ledger_create(0, 1, &fd), ERR_SYS);
	assert_int_equal(ledger_create(2, UINT32_MAX, &fd), ERR_SYS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(names_and_groups),
	        cmocka_unit_test(exchange_counts_under_its_first_outcome),
	        cmocka_unit_test(other_ways_of_counting),
	        cmocka_unit_test(stale_ids_move_nothing),
	        cmocka_unit_test(equation_holds_after_random_steps),
	        cmocka_unit_test(killed_judge_loses_and_doubles_nothing),
	        cmocka_unit_test(judge_may_die_at_any_instruction),
	        cmocka_unit_test(every_concurrent_copy_is_exact),
	        cmocka_unit_test(what_is_not_a_ledger_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
