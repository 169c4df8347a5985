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
	char byte = 0;

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

static int launched(const struct launcher *l, bool role)
{
	char parent[16];
	const char *const words[] = {"/proc/self/exe", "--child", parent, role ? "role" : "proxy", NULL},
	                  *const sets[] = {"LAUNCHED=a b", NULL};
	int ends[2], status = -1;
	pid_t pid;

	snprintf(parent, sizeof parent, "%d", (int)getpid());
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	pid = launcher_start(l, &(struct launch){.role = role,
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
	launcher_close(&l);
	assert_int_equal(l.fd, -1);
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
	kill(l.pid, SIGKILL);
	waitpid(l.pid, NULL, 0);
	l.pid = 0;
	text[1] = '\0';
	assert_int_equal(launcher_start(&l, &(struct launch){.words = words}), ERR_SYS);
	launcher_close(&l);
}

/* Later it is heard of, and is neither taken for another's nor left alone. */
static void a_late_answer_is_nobodys(void **state)
{
	char parent[16];
	const char *const words[] = {"/proc/self/exe", "--late", parent, "proxy", NULL};
	struct launcher l;
	int status;

	(void)state;
	snprintf(parent, sizeof parent, "%d", (int)getpid());
	assert_int_equal(launcher_open(&l, self), 0);
	kill(l.pid, SIGSTOP);
	assert_int_equal(launcher_start(&l, &(struct launch){.words = words}), ERR_SYS);
	kill(l.pid, SIGCONT);
	assert_int_equal(launched(&l, true), 0);
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_true(WIFSIGNALED(status));
	launcher_close(&l);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(starts_our_children),
	        cmocka_unit_test(starts_what_a_confined_parent_cannot),
	        cmocka_unit_test(says_why_not),
	        cmocka_unit_test(a_late_answer_is_nobodys),
	};

	if (argc > 2 && !strcmp(argv[1], "--role") && !strcmp(argv[2], "launcher"))
		return launcher_run();
	if (argc > 2 && !strcmp(argv[1], "--child"))
		return child(argc, argv);
	if (argc > 2 && !strcmp(argv[1], "--late"))
		return (int)sleep(20);
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
