/*
 * proxy_launcher.c - what the launcher starts is the parent's own child, with the words, descriptors and
 * environment that were asked for and no others; and what a confined parent cannot do, its launcher's
 * children can ask for.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/confine.h"
#include "proxy/launcher.h"

static int self;

/* The child: its last word says what it is to find. The exit status tells which is not so. */
static int child(int argc, char **argv)
{
	const char *pid = getenv("LISTEN_PID"), *set = getenv("LAUNCHED");
	sigset_t blocked;
	char byte = 0;

	sigprocmask(SIG_BLOCK, NULL, &blocked);
	if (sigismember(&blocked, SIGTERM) != !strcmp(argv[argc - 1], "role"))
		return 9;
	if (!strcmp(argv[argc - 1], "role") && pid)
		return 10;
	if (!strcmp(argv[argc - 1], "proxy") &&
	    (!pid || atoi(pid) != (int)getpid() || !set || strcmp(set, "a b")))
		return 11;
	if (getppid() != atoi(argv[argc - 2]))
		return 12;
	if (read(3, &byte, 1) != 1 || byte != 'x' || fcntl(4, F_GETFD) == -1)
		return 13;
	for (int fd = 5; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) != -1 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			return 14;
	if (syscall(SYS_keyctl, 0, -3, 0, 0, 0) != -1 || errno != EPERM)
		return 15;
	return mount("none", "/nowhere", "tmpfs", 0, NULL) == -1 ? 0
	                                                         : 16; /* refused by the kernel, not killed */
}

static int launched(struct launcher *l, bool role)
{
	char parent[16];
	const char *const words[] = {"/proc/self/exe", "--child", parent, role ? "role" : "proxy", NULL},
	                  *const sets[] = {"LAUNCHED=a b", NULL};
	int ends[2], status = -1;
	pid_t pid;

	snprintf(parent, sizeof parent, "%d", (int)getpid());
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	pid = launcher_start(l, &(struct launch){.as = role ? LAUNCH_ROLE : LAUNCH_PROXY,
	                                         .words = words,
	                                         .sets = sets,
	                                         .fds = (int[]){ends[0], ends[1]},
	                                         .fd_count = 2});
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ends[0]);
	close(ends[1]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void starts_our_children(void **state)
{
	struct launcher l;

	(void)state;
	assert_int_equal(launcher_open(&l, self), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(launched(&l, true), 0);
		assert_int_equal(launched(&l, false), 0);
	}
	assert_int_equal(launcher_count(&l), LAUNCHERS);
	launcher_close(&l);
	assert_int_equal(launcher_count(&l), 0);
}

/* As the parent does it. */
static void starts_what_a_confined_parent_cannot(void **state)
{
	struct launcher l;
	int status;

	(void)state;
	if (fork() == 0) {
		if (launcher_open(&l, self))
			_exit(90);
		confine_memory();
		if (confine_parent())
			_exit(91);
		_exit(launched(&l, true));
	}
	assert_true(wait(&status) > 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void end(struct launcher *l, unsigned i)
{
	pid_t pid = l->each[i].pid;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(launcher_hear_death(l, pid));
}

static void says_why_not(void **state)
{
	static char text[LAUNCH_TEXT_BYTES];
	const char *const words[] = {"x", text, NULL};
	struct launcher l;

	(void)state;
	assert_int_equal(launcher_open(&l, self), 0);
	memset(text, 'x', sizeof text - 1);
	assert_int_equal(launcher_start(&l, &(struct launch){.words = words}), ERR_SYS);
	assert_int_equal(errno, E2BIG);
	text[1] = '\0';
	for (unsigned i = 0; i < LAUNCHERS; i++)
		end(&l, i);
	assert_int_equal(launcher_start(&l, &(struct launch){.words = words}), ERR_SYS);
	launcher_mend(&l);
	assert_int_equal(launcher_count(&l), 0);
	launcher_close(&l);
}

static unsigned filters(pid_t pid)
{
	char path[64], line[128];
	unsigned count = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		(void)sscanf(line, "Seccomp_filters: %u", &count);
	if (f)
		fclose(f);
	return count;
}

/* One after the other, many times: orders are obeyed throughout, and no walls are put around walls. */
static void one_that_ends_is_replaced(void **state)
{
	unsigned most = 0;
	struct launcher l;

	(void)state;
	assert_int_equal(launcher_open(&l, self), 0);
	for (unsigned i = 0; i < 8; i++) {
		end(&l, i % LAUNCHERS);
		assert_int_equal(launcher_count(&l), LAUNCHERS - 1);
		assert_int_equal(launched(&l, true), 0);
		launcher_mend(&l);
		assert_int_equal(launcher_count(&l), LAUNCHERS);
		assert_int_equal(launched(&l, false), 0);
	}
	for (unsigned i = 0; i < LAUNCHERS; i++)
		most = filters(l.each[i].pid) > most ? filters(l.each[i].pid) : most;
	assert_true(most <= filters(getpid()) + 1);
	launcher_close(&l);
}

/* Before its end was heard of, another is asked. */
static void one_that_has_just_ended_is_passed_over(void **state)
{
	struct launcher l;

	(void)state;
	assert_int_equal(launcher_open(&l, self), 0);
	kill(l.each[0].pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)l.each[0].pid, NULL, WEXITED | WNOWAIT), 0);
	assert_int_equal(launched(&l, true), 0);
	launcher_close(&l);
}

/* It is killed: what it may have started finds itself alone. */
static void one_that_does_not_answer_is_ended(void **state)
{
	const char *const words[] = {"/proc/self/exe", "--child", "0", "proxy", NULL};
	struct launcher l;
	int status;

	(void)state;
	assert_int_equal(launcher_open(&l, self), 0);
	kill(l.each[0].pid, SIGSTOP);
	assert_int_equal(launcher_start(&l, &(struct launch){.as = LAUNCH_PROXY, .words = words}), ERR_SYS);
	assert_int_equal(waitpid(l.each[0].pid, &status, 0), l.each[0].pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(launcher_hear_death(&l, l.each[0].pid));
	launcher_mend(&l);
	assert_int_equal(launcher_count(&l), LAUNCHERS);
	assert_int_equal(launched(&l, true), 0);
	launcher_close(&l);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(starts_our_children),
	        cmocka_unit_test(starts_what_a_confined_parent_cannot),
	        cmocka_unit_test(says_why_not),
	        cmocka_unit_test(one_that_ends_is_replaced),
	        cmocka_unit_test(one_that_has_just_ended_is_passed_over),
	        cmocka_unit_test(one_that_does_not_answer_is_ended),
	};

	if (argc > 2 && !strcmp(argv[1], "--role") && !strcmp(argv[2], "launcher"))
		return launcher_run(argc - 3, argv + 3);
	if (argc > 2 && !strcmp(argv[1], "--child"))
		return child(argc, argv);
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
