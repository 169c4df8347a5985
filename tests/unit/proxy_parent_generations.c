/*
 * proxy_parent_generations.c - reloads and upgrades with made-up roles: this program is their binary and the
 * next one's, and they write what they see to one log.
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/launcher.h"
#include "proxy/parent.h"

enum { LOG_BYTES = 16384, PATH_BYTES = 96 };

static const char *folder; /* of everything here; in the environment, for roles and the next binary */

static const char *path_of(const char *name)
{
	static char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	int fd = open(path_of("log"), O_WRONLY | O_APPEND | O_CREAT, 0600);
	va_list args;

	va_start(args, format);
	vdprintf(fd, format, args);
	va_end(args);
	close(fd);
}

static void read_log(char log[LOG_BYTES])
{
	int fd = open(path_of("log"), O_RDONLY);
	ssize_t n = fd == -1 ? 0 : read(fd, log, LOG_BYTES - 1);

	log[n > 0 ? n : 0] = '\0';
	if (fd != -1)
		close(fd);
}

static void await(const char *words)
{
	static char log[LOG_BYTES];

	for (read_log(log); !strstr(log, words); read_log(log))
		usleep(1000);
}

static void finish(const struct role_env *env)
{
	atomic_store(&env->page->phase, PHASE_WORKERS);
}

static int stay(const struct role_env *env, uint32_t leaves)
{
	while (atomic_load(&env->page->phase) < leaves)
		usleep(1000);
	note("leaves %s of %u\n", env->name, env->plan->generation);
	return 0;
}

/* As control does. */
static void wish_for(const struct role_env *env, enum wish what, const char *name)
{
	struct page_wish *w = &env->page->wish;

	atomic_store(&w->what, what);
	snprintf(w->name, sizeof w->name, "%s", name);
	atomic_fetch_add(&w->asked, 1);
}

static void await_words(const struct role_env *env)
{
	struct page_wish *w = &env->page->wish;

	while (atomic_load(&w->done) != atomic_load(&w->asked))
		usleep(1000);
	note("%s %s", atomic_load(&w->failed) ? "refused:" : "done:", w->words);
}

static bool is_first(const struct role_env *env)
{
	return env->plan->generation == 1;
}

/*
 * What each script asks for is in its name; its worker stays to the end of its generation. A generation that
 * is to be seen before the other's end notes itself before it is ready: then the one before it leaves.
 */

static int refused_run(struct role_env *env)
{
	role_ready(env);
	wish_for(env, WISH_RELOAD, "");
	await_words(env);
	wish_for(env, WISH_RUN_START, "../up");
	await_words(env);
	finish(env);
	return stay(env, PHASE_JUDGE);
}

static int waits_run(struct role_env *env)
{
	note("goes %u\n", env->plan->generation);
	role_ready(env);
	if (env->plan->generation == 3) {
		finish(env);
		return stay(env, PHASE_JUDGE);
	}
	wish_for(env, WISH_RELOAD, "");
	while (!is_first(env) && !atomic_load(&env->page->wish.waiting))
		usleep(1000);
	if (!is_first(env))
		note("waiting\n");
	return stay(env, PHASE_JUDGE);
}

static int slow_run(struct role_env *env)
{
	role_ready(env);
	while (atomic_load(&env->page->phase) < PHASE_WORKERS)
		usleep(1000);
	if (is_first(env))
		await("waiting");
	return stay(env, PHASE_WORKERS);
}

static int weak_run(struct role_env *env)
{
	if (!is_first(env))
		return 7;
	role_ready(env);
	wish_for(env, WISH_RELOAD, "");
	await_words(env);
	finish(env);
	return stay(env, PHASE_JUDGE);
}

/* The generations: a run, none, a run of another name, which goes on from nothing. */
static int closes_run(struct role_env *env)
{
	static const enum wish wishes[] = {WISH_RELOAD, WISH_RUN_STOP, WISH_RELOAD, WISH_RUN_START};
	unsigned g = env->plan->generation;

	role_ready(env);
	note("%u: %s %s continues %d run %d paused %d\n", g, env->plan->run_closed ? "closed" : "open",
	     env->plan->run_name, env->plan->continues != 0, role_fd(env, "run") != -1,
	     atomic_load(&env->page->paused) != 0);
	if (g == 1)
		atomic_store(&env->page->paused, PAUSED_BY_FILE);
	if (g == 5)
		finish(env);
	else
		wish_for(env, wishes[g - 1], wishes[g - 1] == WISH_RUN_START ? "evening" : "");
	return stay(env, PHASE_JUDGE);
}

static int upgrades_run(struct role_env *env)
{
	note("goes %u continues %d\n", env->plan->generation, env->plan->continues != 0);
	role_ready(env);
	if (is_first(env)) {
		kill(getppid(), SIGUSR2);
	} else {
		await("the old one has left");
		finish(env);
	}
	return stay(env, PHASE_JUDGE);
}

/* A reload that is asked for behind an upgrade waits until that has failed. */
static int stays_run(struct role_env *env)
{
	note("goes %u\n", env->plan->generation);
	role_ready(env);
	if (is_first(env)) {
		kill(getppid(), SIGUSR2);
		await("tried");
		wish_for(env, WISH_RELOAD, "");
	} else {
		finish(env);
	}
	return stay(env, PHASE_JUDGE);
}

/* A safeguard stops all: that is known to whoever starts next. */
static int keeps_run(struct role_env *env)
{
	role_ready(env);
	atomic_store(&env->page->paused, PAUSED_BY_SAFEGUARD);
	for (int i = 0; i < 20000 && access(path_of("morning.paused"), F_OK); i++)
		usleep(1000);
	finish(env);
	return stay(env, PHASE_JUDGE);
}

static int worker_run(struct role_env *env)
{
	role_ready(env);
	return stay(env, PHASE_WORKERS);
}

/* clang-format off */
#define HOLDS {"plan", "ledger", "page", "run"}
#define SCRIPT(name) {#name, IN_MIRROR | IN_FORWARD, name##_run, 0, PHASE_JUDGE, false, HOLDS, {false, 0}, 0, {0, 0}}
#define WORKER(name) {#name, IN_MIRROR | IN_FORWARD, name##_run, 0, PHASE_WORKERS, false, HOLDS, {false, 0}, 0, {0, 0}}
static const struct role_row refused[] = {SCRIPT(refused), WORKER(worker)}, waiting[] = {SCRIPT(waits), WORKER(slow)},
	weak[] = {SCRIPT(weak), WORKER(worker)}, closing[] = {SCRIPT(closes), WORKER(worker)},
	upgrading[] = {SCRIPT(upgrades), WORKER(worker)}, staying[] = {SCRIPT(stays), WORKER(worker)}, keeping[] = {SCRIPT(keeps), WORKER(worker)};
/* clang-format on */
static const struct role_row *const houses[] = {refused, waiting, weak, closing, upgrading, staying, keeping};

static bool marks; /* pauses, beside the runs */

static void fill(struct plan *plan)
{
	memset(plan, 0, sizeof *plan);
	plan->version = plan->generation = 1;
	plan->workers = 1;
	plan->slots_each = 16;
	plan->memory_bytes = 1 << 20;
	plan->drain_timeout_ms = 20000;
	snprintf(plan->run_name, sizeof plan->run_name, "morning");
	if (marks)
		snprintf(plan->run_directory, sizeof plan->run_directory, "%s", path_of(""));
	/* Bound a second time it would be in use. */
	plan->listen_count = 1;
	snprintf(plan->listen[0].at.address, sizeof plan->listen[0].at.address, "%s", path_of("listen"));
}

static int read_again(void *arg, struct plan *plan, FILE *errors)
{
	fill(plan);
	if (arg)
		fprintf(errors, "u.yaml:3:1: error: %s\n", (const char *)arg);
	return arg ? ERR_CONFIG : 0;
}

static int live(const struct role_row *rows, char *error, char **argv)
{
	static struct plan plan;
	static char run[PATH_BYTES];

	fill(&plan);
	snprintf(run, sizeof run, "%s", path_of("run"));
	return parent_run(&(struct parent_job){.plan = &plan,
	                                       .run = run,
	                                       .rows = rows,
	                                       .row_count = 2,
	                                       .again = read_again,
	                                       .arg = error,
	                                       .argv = argv});
}

static bool is_there(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static char log_text[LOG_BYTES];

static void lived(const struct role_row *rows, char *error, char **argv)
{
	unlink(path_of("log"));
	assert_int_equal(live(rows, error, argv), 0);
	read_log(log_text);
}

static void alone(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static bool in_order(const char *first, const char *second)
{
	const char *a = strstr(log_text, first), *b = strstr(log_text, second);

	return a && b && a < b;
}

static void an_error_keeps_the_old(void **state)
{
	(void)state;
	lived(refused, "no such key", NULL);
	assert_true(in_order("refused: u.yaml:3:1: error: no such key\n", "refused: a run's name is"));
	assert_true(in_order("a run's name is", "leaves worker of 1"));
	assert_null(strstr(log_text, "of 2"));
	assert_false(is_there("run-2"));
	alone();
}

static void a_second_reload_waits(void **state)
{
	(void)state;
	lived(waiting, NULL, NULL);
	assert_true(in_order("goes 2\n", "waiting\n"));
	assert_true(in_order("waiting\n", "leaves waits of 1\n"));
	assert_true(in_order("leaves waits of 1\n", "goes 3\n"));
	assert_true(in_order("goes 3\n", "leaves slow of 2\n"));
	assert_true(is_there("run-2/capture") && is_there("run-3/capture"));
	alone();
}

static void a_role_that_fails_takes_the_new_set_with_it(void **state)
{
	(void)state;
	lived(weak, NULL, NULL);
	assert_true(
	        in_order("refused: a role of the new generation did not get ready", "leaves worker of 1"));
	assert_null(strstr(log_text, "of 2"));
	assert_false(is_there("run-2"));
	alone();
}

static void runs_close_and_open(void **state)
{
	(void)state;
	lived(closing, NULL, NULL);
	assert_true(in_order("1: open morning continues 0 run 1 paused 0\n",
	                     "2: open morning continues 1 run 1 paused 1\n"));
	assert_non_null(strstr(log_text, "3: closed morning continues 1 run 0 paused 1\n"));
	assert_non_null(strstr(log_text, "4: closed morning continues 0 run 0 paused 1\n"));
	assert_non_null(strstr(log_text, "5: open evening continues 0 run 1 paused 1\n"));
	alone();
}

static void a_safeguard_outlives_the_proxy(void **state)
{
	(void)state;
	marks = true;
	lived(keeping, NULL, NULL);
	marks = false;
	assert_true(is_there("morning.paused"));
	unlink(path_of("morning.paused"));
	alone();
}

static void an_upgrade_takes_the_listeners_along(void **state)
{
	char *argv[] = {"/proc/self/exe", NULL};
	int status;

	(void)state;
	lived(upgrading, NULL, argv);
	note("the old one has left\n");
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	read_log(log_text);
	assert_true(in_order("goes 1 continues 0\n", "goes 2 continues 1\n"));
	assert_true(in_order("goes 2 continues 1\n", "leaves worker of 1\n"));
	assert_true(in_order("the old one has left\n", "leaves worker of 2\n"));
	alone();
}

static void an_upgrade_that_fails_changes_nothing(void **state)
{
	char script[PATH_BYTES], *argv[] = {script, NULL};
	FILE *f;

	(void)state;
	snprintf(script, sizeof script, "%s", path_of("broken"));
	f = fopen(script, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\necho tried $LISTEN_FDS >>%s\nexit 1\n", path_of("log"));
	fclose(f);
	chmod(script, 0700);
	lived(staying, NULL, argv);
	assert_true(in_order("tried 1\n", "goes 2\n"));
	alone();
}

/* Also the listening socket, whose address the next test binds anew. */
static int clean(void **state)
{
	char command[PATH_BYTES + 32];

	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'/*", folder);
	return system(command);
}

static int role(int argc, char **argv)
{
	for (size_t h = 0; h < sizeof houses / sizeof *houses; h++)
		for (unsigned i = 0; i < 2; i++)
			if (!strcmp(houses[h][i].name, argv[0]))
				return role_enter(argc, argv, houses[h][i].rank, NULL, houses[h][i].run);
	return 2;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_teardown(an_error_keeps_the_old, clean),
	        cmocka_unit_test_teardown(a_second_reload_waits, clean),
	        cmocka_unit_test_teardown(a_role_that_fails_takes_the_new_set_with_it, clean),
	        cmocka_unit_test_teardown(runs_close_and_open, clean),
	        cmocka_unit_test_teardown(a_safeguard_outlives_the_proxy, clean),
	        cmocka_unit_test_teardown(an_upgrade_takes_the_listeners_along, clean),
	        cmocka_unit_test_teardown(an_upgrade_that_fails_changes_nothing, clean),
	};
	char made[] = "/tmp/understudy-generations-XXXXXX";
	int failed;

	folder = getenv("GENERATIONS_FOLDER");
	if (argc > 4 && !strcmp(argv[1], "--role") && !strcmp(argv[2], "launcher"))
		return launcher_run(argc - 3, argv + 3);
	if (folder && argc > 4 && !strcmp(argv[1], "--role"))
		return role(argc - 2, argv + 2);
	if (folder && getenv("UNDERSTUDY_FORMER"))
		return live(upgrading, NULL, NULL);
	if (!mkdtemp(made))
		return 1;
	setenv("GENERATIONS_FOLDER", made, 1);
	folder = made;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(made);
	return failed;
}
