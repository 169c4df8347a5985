/*
 * proxy_parent.c - the parent with made-up roles: this program is their binary, and they write what they see
 * to a log in the run directory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proxy/launcher.h"
#include "proxy/parent.h"

static char run[] = "/tmp/understudy-parent-XXXXXX";

static void note(const struct role_env *env, const char *what)
{
	int fd = openat(role_fd(env, "run"), "log", O_WRONLY | O_APPEND | O_CREAT, 0600);

	dprintf(fd, "%s %s.%u.%u\n", what, env->name, env->index, env->epoch);
	close(fd);
}

static bool noted(const struct role_env *env, const char *line)
{
	char log[8192] = "";
	int fd = openat(role_fd(env, "run"), "log", O_RDONLY);
	ssize_t n = read(fd, log, sizeof log - 1);

	close(fd);
	return n > 0 && strstr(log, line);
}

static void await(const struct role_env *env, const char *line)
{
	while (!noted(env, line) && atomic_load(&env->page->phase) == PHASE_RUN)
		usleep(1000);
}

static int stay(const struct role_env *env, uint32_t leaves)
{
	while (atomic_load(&env->page->phase) < leaves)
		usleep(1000);
	usleep(200000 * (unsigned)(env->name[0] == 'j')); /* it seals */
	note(env, "leaves");
	return 0;
}

static void finish(const struct role_env *env)
{
	atomic_store(&env->page->phase, PHASE_WORKERS);
}

static int steady_run(struct role_env *env)
{
	usleep(50000 * (unsigned)(env->name[0] == 'j')); /* one of them takes its time */
	note(env, "ready");
	role_ready(env);
	note(env, "goes");
	return stay(env, PHASE_JUDGE);
}

static int mute_run(struct role_env *env)
{
	note(env, "mute");
	pause();
	return 0;
}

static int worker_run(struct role_env *env)
{
	note(env, "ready");
	role_ready(env);
	note(env, "goes");
	if (env->index == 1)
		finish(env);
	return stay(env, PHASE_WORKERS);
}

static int ends_run(struct role_env *env)
{
	return env->epoch ? 0 : 7;
}

static int hangs_run(struct role_env *env)
{
	if (env->epoch) {
		note(env, "hangs");
		pause();
	}
	role_ready(env);
	return 7;
}

static int fickle_run(struct role_env *env)
{
	if (env->epoch)
		await(env, "hangs");
	note(env, "ready");
	role_ready(env);
	if (env->epoch < 3)
		return 7;
	finish(env);
	return stay(env, PHASE_SHADOW);
}

static int put_one(struct ring *ring)
{
	struct record r = {.id = 1, .payload_len = 3};
	int err = ring_put(ring, &r, "abc", 0);

	ring_publish(ring);
	return err;
}

static int writer_run(struct role_env *env)
{
	struct ring *ring;

	if (role_ring_writer(env, "judge", &ring))
		return 3;
	role_ready(env);
	if (env->epoch == 0 && put_one(ring) == 0)
		note(env, "wrote");
	else
		note(env, "anew");
	return stay(env, PHASE_MASKER);
}

static int reader_run(struct role_env *env)
{
	char payload[RECORD_PAYLOAD_MAX];
	struct record r;
	struct ring *ring;

	if (role_ring_reader(env, "judge", &ring))
		return 3;
	role_ready(env);
	if (env->epoch == 0) {
		await(env, "wrote");
		role_ring_broken(env, ring);
	}
	await(env, "anew writer.0.1");
	note(env, ring_get(ring, &r, payload) == ERR_AGAIN ? "empty" : "filled");
	finish(env);
	return stay(env, PHASE_JUDGE);
}

/* Its ring is in order again when the reader is back. */
static int tap_run(struct role_env *env)
{
	_Atomic uint32_t *state = &env->page->raw_state[env->index];
	struct ring *ring;
	char name[16];

	snprintf(name, sizeof name, "raw.%u", env->index);
	if (role_ring_writer(env, name, &ring))
		return 3;
	role_ready(env);
	if (env->index == 0 && put_one(ring) == 0) {
		note(env, "wrote");
		await(env, "back mask.0.1");
		note(env, atomic_load(state) == RAW_OK && put_one(ring) == 0 ? "again" : "full");
	}
	return stay(env, PHASE_WORKERS);
}

static int mask_run(struct role_env *env)
{
	char payload[RECORD_PAYLOAD_MAX];
	struct ring *ring[2];
	struct record r;
	int records = 0;

	if (role_ring_reader(env, "raw.0", &ring[0]) || role_ring_reader(env, "raw.1", &ring[1]))
		return 3;
	role_ready(env);
	if (env->epoch == 0) {
		await(env, "wrote");
		role_ring_broken(env, ring[0]);
	}
	note(env, "back");
	await(env, "again");
	while (ring_get(ring[0], &r, payload) == 0)
		records++;
	note(env, records == 1 ? "one" : "not-one");
	finish(env);
	return stay(env, PHASE_MASKER);
}

/* After the fifth break its ring is out for as long as this worker lives. */
static int retired_run(struct role_env *env)
{
	_Atomic uint32_t *state = &env->page->raw_state[env->index];
	struct ring *ring;
	char name[16];

	snprintf(name, sizeof name, "raw.%u", env->index);
	if (role_ring_writer(env, name, &ring))
		return 3;
	role_ready(env);
	if (env->index == 0 && env->epoch == 0) {
		await(env, "reads breaks.0.5");
		note(env, atomic_load(state) == RAW_RETIRED ? "out" : "in");
		return 7;
	}
	if (env->index == 0)
		note(env, atomic_load(state) == RAW_OK && put_one(ring) == 0 ? "again" : "full");
	return stay(env, PHASE_WORKERS);
}

static int breaks_run(struct role_env *env)
{
	char payload[RECORD_PAYLOAD_MAX];
	struct ring *ring[2];
	struct record r;

	if (role_ring_reader(env, "raw.0", &ring[0]) || role_ring_reader(env, "raw.1", &ring[1]))
		return 3;
	role_ready(env);
	if (env->epoch < 5)
		role_ring_broken(env, ring[0]);
	note(env, "reads");
	await(env, "again retired.0.1");
	note(env, ring_get(ring[0], &r, payload) == 0 ? "one" : "none");
	finish(env);
	return stay(env, PHASE_MASKER);
}

static int signals_run(struct role_env *env)
{
	role_ready(env);
	note(env, "goes");
	kill(getppid(), SIGTERM);
	while (atomic_load(&env->page->phase) < PHASE_WORKERS)
		usleep(1000);
	if (env->plan->drain_timeout_ms > 1000)
		kill(getppid(), SIGTERM);
	while (atomic_load(&env->page->phase) <= PHASE_CONTROL) /* it does not leave */
		pause();
	return 0;
}

static int rank_run(struct role_env *env)
{
	char said[64], oom[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDONLY);
	struct rlimit core;

	role_ready(env);
	getrlimit(RLIMIT_CORE, &core);
	if (read(fd, oom, sizeof oom - 1) < 1)
		return 3;
	snprintf(said, sizeof said, "policy %d oom %d core %d", sched_getscheduler(0), atoi(oom),
	         (int)core.rlim_cur);
	note(env, said);
	finish(env);
	return 0;
}

/* clang-format off */
static const struct role_row calm[] = {
	{"judge", IN_MIRROR, steady_run, 0, PHASE_JUDGE, false, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
	{"other", IN_MIRROR, steady_run, 0, PHASE_JUDGE, false, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
	{"worker", IN_MIRROR, worker_run, 0, PHASE_WORKERS, true, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
};
static const struct role_row muted[] = {
	{"judge", IN_MIRROR, steady_run, 0, PHASE_JUDGE, false, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
	{"mute", IN_MIRROR, mute_run, 0, PHASE_SHADOW, false, {"plan", "ledger", "page", "run"}, {0, 0}, 1500, {0, 0}},
	{"worker", IN_MIRROR, worker_run, 0, PHASE_WORKERS, true, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
};
static const struct role_row ending[] = {
	{"judge", IN_MIRROR, steady_run, 0, PHASE_JUDGE, false, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
	{"ends", IN_MIRROR, ends_run, 0, PHASE_SHADOW, false, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
};
static const struct role_row hanging[] = {
	{"hangs", IN_MIRROR, hangs_run, STAGE_JUDGE, PHASE_JUDGE, false, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
	{"fickle", IN_MIRROR, fickle_run, STAGE_SHADOW, PHASE_SHADOW, false, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
};
static const struct role_row breaking[] = {
	{"reader", IN_MIRROR, reader_run, STAGE_JUDGE, PHASE_JUDGE, false,
	 {"plan", "ledger", "page", "run", "ring.judge", "wake.judge"}, {false, 0}, 0, {0, 0}},
	{"writer", IN_MIRROR, writer_run, STAGE_MASKER, PHASE_MASKER, false,
	 {"plan", "ledger", "page", "run", "ring.judge", "wake.judge"}, {false, 0}, 0, {0, 0}},
};
static const struct role_row sparing[] = {
	{"mask", IN_MIRROR, mask_run, STAGE_MASKER, PHASE_MASKER, false,
	 {"plan", "ledger", "page", "run", "ring.raw.*", "wake.raw.*"}, {false, 0}, 0, {0, 0}},
	{"tap", IN_MIRROR, tap_run, STAGE_WORKER, PHASE_WORKERS, true,
	 {"plan", "ledger", "page", "run", "ring.raw.%", "wake.raw.%"}, {false, 0}, 0, {0, 0}},
};
static const struct role_row retiring[] = {
	{"breaks", IN_MIRROR, breaks_run, STAGE_MASKER, PHASE_MASKER, false,
	 {"plan", "ledger", "page", "run", "ring.raw.*", "wake.raw.*"}, {false, 0}, 0, {0, 0}},
	{"retired", IN_MIRROR, retired_run, STAGE_WORKER, PHASE_WORKERS, true,
	 {"plan", "ledger", "page", "run", "ring.raw.%", "wake.raw.%"}, {false, 0}, 0, {0, 0}},
};
static const struct role_row signalling[] = {
	{"judge", IN_MIRROR, steady_run, 0, PHASE_JUDGE, false, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
	{"signals", IN_MIRROR, signals_run, 0, PHASE_MASKER, false, {"plan", "ledger", "page", "run"}, {false, 0}, 0, {0, 0}},
};
static const struct role_row ranked[] = {
	{"rank", IN_MIRROR, rank_run, 0, PHASE_WORKERS, false, {"plan", "ledger", "page", "run"}, {true, 700}, 0, {0, 0}},
};
/* clang-format on */

static const struct {
	const struct role_row *rows;
	unsigned count;
} houses[] = {{calm, 3},    {muted, 3},    {ending, 2},     {hanging, 2}, {breaking, 2},
              {sparing, 2}, {retiring, 2}, {signalling, 2}, {ranked, 1}};

/* The log of a house that was run to its end; the caller frees it. */
static char *log_of(const struct role_row *rows, unsigned count, uint32_t drain_ms, int want_status)
{
	struct plan *plan = calloc(1, sizeof *plan);
	char path[64], *log = calloc(1, 8192);
	int fd, status;

	plan->version = 1;
	plan->workers = 2;
	plan->slots_each = 16;
	plan->memory_bytes = 1 << 20;
	plan->drain_timeout_ms = drain_ms;
	snprintf(path, sizeof path, "%s/log", run);
	unlink(path);
	status = parent_run(&(struct parent_job){.plan = plan, .run = run, .rows = rows, .row_count = count});
	free(plan);
	assert_int_equal(status, want_status);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	fd = open(path, O_RDONLY);
	if (fd != -1) {
		assert_true(read(fd, log, 8191) >= 0);
		close(fd);
	}
	return log;
}

static void everyone_is_ready_before_anyone_goes(void **state)
{
	char *log = log_of(calm, 3, 5000, 0), *goes = strstr(log, "goes ");

	(void)state;
	assert_non_null(goes);
	assert_null(strstr(goes, "ready "));
	assert_true(strstr(log, "ready judge.0.0") <
	            strstr(log, "ready worker.0.0")); /* sources start last */
	assert_non_null(strstr(log, "leaves judge.0.0"));
	free(log);
}

static void a_mute_role_ends_the_first_start(void **state)
{
	char *log = log_of(muted, 3, 5000, 3);

	(void)state;
	assert_non_null(strstr(log, "mute mute.0.0"));
	assert_null(strstr(log, "worker"));
	assert_null(strstr(log, "goes"));
	free(log);
}

static void a_role_that_ends_early_ends_the_first_start(void **state)
{
	char *log = log_of(ending, 2, 5000, 3);

	(void)state;
	assert_null(strstr(log, "goes"));
	free(log);
}

static void a_hanging_restart_holds_up_nobody(void **state)
{
	uint64_t began = clock_mono_ns();
	char *log = log_of(hanging, 2, 300, 0);

	(void)state;
	assert_non_null(strstr(log, "hangs hangs.0.1"));
	assert_non_null(strstr(log, "ready fickle.0.3"));
	assert_null(strstr(log, "hangs hangs.0.2"));
	/* restarts: at once, after 100 ms, after 200 ms */
	assert_true(clock_mono_ns() - began >= 300u * 1000000u);
	free(log);
}

static void both_ends_of_a_broken_ring_meet_at_an_empty_one(void **state)
{
	char *log = log_of(breaking, 2, 5000, 0);

	(void)state;
	assert_non_null(strstr(log, "wrote writer.0.0"));
	assert_non_null(strstr(log, "anew writer.0.1"));
	assert_non_null(strstr(log, "empty reader.0.1"));
	free(log);
}

static void a_worker_is_spared_when_its_ring_breaks(void **state)
{
	char *log = log_of(sparing, 2, 5000, 0);

	(void)state;
	assert_non_null(strstr(log, "again tap.0.0"));
	assert_non_null(strstr(log, "one mask.0.1"));
	assert_null(strstr(log, "not-one"));
	assert_null(strstr(log, "tap.0.1"));
	free(log);
}

static void a_ring_that_keeps_breaking_waits_for_its_worker(void **state)
{
	char *log = log_of(retiring, 2, 5000, 0);

	(void)state;
	assert_non_null(strstr(log, "out retired.0.0"));
	assert_non_null(strstr(log, "again retired.0.1"));
	assert_non_null(strstr(log, "one breaks.0.5"));
	free(log);
}

static void a_drain_ends_who_does_not_leave(void **state)
{
	char *log = log_of(signalling, 2, 1000, 0);

	(void)state;
	assert_non_null(strstr(log, "leaves judge.0.0"));
	assert_null(strstr(log, "signals.0.1"));
	free(log);
}

static void a_second_signal_stops_now(void **state)
{
	uint64_t began = clock_mono_ns();
	char *log = log_of(signalling, 2, 600000, 0);

	(void)state;
	assert_non_null(strstr(log, "leaves judge.0.0")); /* the run is sealed all the same */
	assert_true(clock_mono_ns() - began < 100u * (uint64_t)1000000000u); /* of 600 */
	free(log);
}

static void a_role_takes_its_rank(void **state)
{
	char *log = log_of(ranked, 1, 5000, 0);

	(void)state;
	assert_non_null(strstr(log, "policy 5 oom 700 core 0 rank" /* SCHED_IDLE */));
	free(log);
}

static int role(int argc, char **argv)
{
	for (size_t h = 0; h < sizeof houses / sizeof *houses; h++)
		for (unsigned i = 0; i < houses[h].count; i++)
			if (!strcmp(houses[h].rows[i].name, argv[0]))
				return role_enter(argc, argv, houses[h].rows[i].rank, NULL,
				                  houses[h].rows[i].run);
	return 2;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(everyone_is_ready_before_anyone_goes),
	        cmocka_unit_test(a_mute_role_ends_the_first_start),
	        cmocka_unit_test(a_role_that_ends_early_ends_the_first_start),
	        cmocka_unit_test(a_hanging_restart_holds_up_nobody),
	        cmocka_unit_test(both_ends_of_a_broken_ring_meet_at_an_empty_one),
	        cmocka_unit_test(a_worker_is_spared_when_its_ring_breaks),
	        cmocka_unit_test(a_ring_that_keeps_breaking_waits_for_its_worker),
	        cmocka_unit_test(a_drain_ends_who_does_not_leave),
	        cmocka_unit_test(a_second_signal_stops_now),
	        cmocka_unit_test(a_role_takes_its_rank),
	};
	char path[64];
	int failed;

	if (argc > 4 && !strcmp(argv[1], "--role") && !strcmp(argv[2], "launcher"))
		return launcher_run(argc - 3, argv + 3);
	if (argc > 4 && !strcmp(argv[1], "--role"))
		return role(argc - 2, argv + 2);
	if (!mkdtemp(run))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(path, sizeof path, "%s/log", run);
	unlink(path);
	snprintf(path, sizeof path, "%s/capture", run);
	rmdir(path);
	rmdir(run);
	return failed;
}
