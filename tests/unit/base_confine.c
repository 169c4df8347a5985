/*
 * base_confine.c - a child puts up walls and tries what lies beyond them: refused, or the end of it; and what
 * lies within still works.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/confine.h"

enum { DONE = 0, OTHER = 99 };

static char folder[] = "/tmp/understudy-confine-XXXXXX", secret[64], inside[64];
static int listener, other, pair[2];
static struct sockaddr_in at, elsewhere;

/* What the child found: 0, an errno, or 1000 + the signal that ended it. */
static int behind(const struct confine_rules *rules, int (*attempt)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct confine_rules own = *rules;

		confine_memory();
		if (confine_privileges(0, 0) || confine(&own))
			_exit(OTHER);
		_exit(attempt());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int said(long result)
{
	return result == -1 ? errno : DONE;
}

static int opens_socket(void)
{
	return said(socket(AF_INET, SOCK_STREAM, 0));
}

static int opens_unix(void)
{
	return said(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int opens_datagram(void)
{
	return said(socket(AF_INET, SOCK_DGRAM, 0));
}

static int pairs(void)
{
	return said(socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0}));
}

static int dials_to(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd == -1 ? errno : said(connect(fd, (const struct sockaddr *)to, sizeof *to));
}

static int dials(void)
{
	return dials_to(&at);
}

static int dials_elsewhere(void)
{
	return dials_to(&elsewhere);
}

static int connects_what_it_has(void)
{
	return said(connect(other, (struct sockaddr *)&at, sizeof at));
}

/* TCP fast open is a connect by another name. */
static int sends_to_an_address(void)
{
	return said(sendto(other, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&at, sizeof at));
}

static int sends(void)
{
	return said(send(pair[0], "x", 1, MSG_NOSIGNAL));
}

static int listens(void)
{
	return said(listen(other, 1));
}

static int binds(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET};

	return said(bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&any, sizeof any));
}

static int accepts(void)
{
	fcntl(listener, F_SETFL, O_NONBLOCK);
	return said(accept4(listener, NULL, NULL, 0)); /* EAGAIN: nobody knocks */
}

static int opens_a_capture(void)
{
	return said(open(secret, O_RDONLY));
}

static int opens_again(void)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", other);
	return said(open(path, O_RDWR));
}

static int writes_beside(void)
{
	return said(open("/tmp/understudy-not-here", O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static int stores(void)
{
	char path[80], new[80];
	int fd;

	snprintf(path, sizeof path, "%s/made", inside);
	snprintf(new, sizeof new, "%s/kept", inside);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd == -1 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) || rename(path, new) || unlink(new))
		return errno;
	return DONE;
}

/* As captures are: made without a name and given one, or with it; written, cut, removed. */
static int records(void)
{
	char path[80], self[32];
	int fd, trial = open(inside, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	snprintf(path, sizeof path, "%s/made", inside);
	snprintf(self, sizeof self, "/proc/self/fd/%d", trial);
	if (trial == -1 || linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) || unlink(path))
		return errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) || fdatasync(fd) || unlink(path))
		return errno;
	return DONE;
}

static int records_over(void)
{
	return said(open(secret, O_WRONLY | O_TRUNC));
}

static int lists(void)
{
	return said(open(inside, O_RDONLY | O_DIRECTORY));
}

static int looks(void)
{
	return said(access(secret, F_OK));
}

static int asks_of_a_path(void)
{
	struct stat st;

	return said(stat(secret, &st));
}

static int kills(void)
{
	return said(kill(getppid(), SIGCONT));
}

static int forks(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(opens_socket());
	return pid == -1 ? errno : DONE;
}

static int makes_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? OTHER : said(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int raises_limit(void)
{
	struct rlimit core = {1 << 20, RLIM_INFINITY};

	return said(setrlimit(RLIMIT_CORE, &core));
}

static int becomes_dumpable(void)
{
	return said(syscall(SYS_prctl, 4 /* PR_SET_DUMPABLE */, 1, 0, 0, 0));
}

static int traces(void)
{
	return said(ptrace(PTRACE_ATTACH, getppid(), 0, 0));
}

static int reads_neighbour(void)
{
	return said(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int executes(void)
{
	return said(execl("/bin/true", "true", (char *)NULL));
}

static int mounts(void)
{
	return said(syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
}

static int asks_keyring(void)
{
	return said(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int loads_program(void)
{
	return said(syscall(SYS_bpf, 0, NULL, 0));
}

static int leaves(void)
{
	return said(syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */));
}

static int is_unknown(void)
{
	return said(syscall(5000));
}

static int aborts(void)
{
	abort();
}

static int lives(void)
{
	struct timespec nap = {0, 1000};
	char *room = malloc(1 << 20);
	struct stat st;

	if (!room || nanosleep(&nap, NULL) || fstat(other, &st) || write(pair[0], "x", 1) != 1)
		return OTHER;
	memset(room, 1, 1 << 20);
	free(room);
	return getrandom(&st, sizeof st, 0) == (ssize_t)sizeof st ? DONE : OTHER;
}

static const struct confine_rules bare;

static void refused(const struct confine_rules *rules, int (*attempt)(void))
{
	int got = behind(rules, attempt);

	if (got != EPERM && got != EACCES)
		fail_msg("not refused: %d", got);
}

static void ends(int (*attempt)(void))
{
	assert_int_equal(behind(&bare, attempt), 1000 + SIGSYS);
}

static void a_bare_role_has_no_socket(void **state)
{
	(void)state;
	assert_int_equal(behind(&bare, lives), DONE);
	refused(&bare, opens_socket);
	refused(&bare, opens_unix);
	refused(&bare, pairs);
	refused(&bare, connects_what_it_has);
	refused(&bare, sends_to_an_address);
	refused(&bare, sends);
	refused(&bare, listens);
	refused(&bare, accepts);
	refused(&bare, is_unknown);
	assert_int_equal(behind(&bare, aborts), 1000 + SIGABRT);
}

static void nobody_undoes_the_walls(void **state)
{
	(void)state;
	ends(reads_neighbour);
	ends(executes);
	ends(mounts);
	ends(asks_keyring);
	ends(loads_program);
	ends(leaves);
	refused(&bare, raises_limit);
	if (CONFINE_LOOSE)
		return;
	ends(traces);
	refused(&bare, kills);
	refused(&bare, makes_code);
	refused(&bare, becomes_dumpable);
	refused(&bare, forks);
}

static void a_bare_role_has_no_file(void **state)
{
	(void)state;
	if (CONFINE_LOOSE)
		skip();
	refused(&bare, opens_a_capture);
	refused(&bare, opens_again);
	refused(&bare, stores);
	refused(&bare, looks);
	refused(&bare, asks_of_a_path);
}

static void who_talks_does_not_dial(void **state)
{
	const struct confine_rules talks = {.may = MAY_TALK}, serves = {.may = MAY_TALK | MAY_ACCEPT};

	(void)state;
	assert_int_equal(behind(&talks, sends), DONE);
	refused(&talks, opens_socket);
	refused(&talks, connects_what_it_has);
	refused(&talks, sends_to_an_address);
	refused(&talks, listens);
	refused(&talks, accepts);
	assert_int_equal(behind(&serves, accepts), EAGAIN);
	refused(&serves, listens);
}

static void who_dials_dials_its_ports(void **state)
{
	const struct confine_rules dialer = {
	        .may = MAY_DIAL_TCP, .port_count = 1, .ports = {ntohs(at.sin_port)}};
	const struct confine_rules local = {.may = MAY_DIAL_UNIX};

	(void)state;
	assert_int_equal(behind(&dialer, dials), DONE);
	refused(&dialer, opens_unix);
	refused(&dialer, opens_datagram);
	refused(&dialer, binds);
	refused(&local, opens_socket);
	assert_int_equal(behind(&local, opens_unix), DONE);
	if (confine_landlock_abi() < 4)
		print_message("ports: not held to on this kernel\n");
	else
		refused(&dialer, dials_elsewhere);
}

static void who_stores_stores_in_its_folder(void **state)
{
	struct confine_rules keeper = {.may = MAY_STORE, .place_count = 1};
	struct confine_rules reader = {.may = MAY_READ, .place_count = 1};

	(void)state;
	keeper.places[0] = reader.places[0] = open(inside, O_RDONLY | O_DIRECTORY);
	assert_int_equal(behind(&keeper, stores), DONE);
	refused(&keeper, opens_socket);
	if (!CONFINE_LOOSE)
		refused(&keeper, forks);
	if (!CONFINE_LOOSE && confine_landlock_abi()) {
		refused(&keeper, opens_a_capture);
		refused(&keeper, writes_beside);
		refused(&reader, stores);
	}
	close(keeper.places[0]);
}

/* `secret` is a capture that is there: in its own folder. */
static void who_records_touches_nothing_old(void **state)
{
	struct confine_rules recorder = {.may = MAY_RECORD, .place_count = 1};

	(void)state;
	recorder.places[0] = open(folder, O_RDONLY | O_DIRECTORY);
	assert_int_equal(behind(&recorder, records), DONE);
	refused(&recorder, opens_socket);
	if (!CONFINE_LOOSE) {
		refused(&recorder, opens_a_capture);
		refused(&recorder, records_over);
		refused(&recorder, lists);
		refused(&recorder, stores);
		refused(&recorder, looks);
	}
	close(recorder.places[0]);
	recorder.places[0] = open(inside, O_RDONLY | O_DIRECTORY);
	if (!CONFINE_LOOSE && confine_landlock_abi())
		refused(&recorder, writes_beside);
	close(recorder.places[0]);
}

static void children_are_as_confined(void **state)
{
	const struct confine_rules forker = {.may = MAY_FORK};
	int status = OTHER;

	(void)state;
	if (fork() == 0) {
		pid_t pid;

		confine_memory();
		if (confine(&forker))
			_exit(OTHER);
		pid = fork();
		if (pid == 0)
			_exit(opens_socket());
		waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	wait(&status);
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

static void privileges_are_gone(void **state)
{
	char line[128];
	int status;

	(void)state;
	if (fork() == 0) {
		FILE *f = fopen("/proc/self/status", "re");
		unsigned good = 0;

		confine_memory();
		if (confine_privileges(0, 0))
			_exit(OTHER);
		while (fgets(line, sizeof line, f))
			good += !strcmp(line, "CapEff:\t0000000000000000\n") ||
			        !strcmp(line, "CapPrm:\t0000000000000000\n") ||
			        !strcmp(line, "CapBnd:\t0000000000000000\n") ||
			        !strcmp(line, "NoNewPrivs:\t1\n");
		_exit((int)good);
	}
	wait(&status);
	if (geteuid() == 0)
		assert_int_equal(WEXITSTATUS(status), 4);
	else
		assert_true(WEXITSTATUS(status) >= 3); /* who is not root cannot shrink the bounding set */
}

static void root_is_given_up(void **state)
{
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	if (fork() == 0)
		_exit(confine_privileges(65534, 65534) || geteuid() != 65534 || getegid() != 65534 ||
		      setuid(0) == 0 || open(secret, O_RDONLY) != -1);
	wait(&status);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_parent_still_starts_others(void **state)
{
	int status;

	(void)state;
	if (fork() == 0) {
		confine_memory();
		if (confine_parent() == 0)
			execl("/bin/true", "true", (char *)NULL);
		_exit(OTHER);
	}
	wait(&status);
	assert_int_equal(WEXITSTATUS(status), 0);
	if (fork() == 0) {
		confine_memory();
		if (confine_parent() == 0)
			_exit(asks_keyring());
		_exit(OTHER);
	}
	wait(&status);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static int a_listener(struct sockaddr_in *where)
{
	socklen_t len = sizeof *where;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	if (fd == -1 || bind(fd, (struct sockaddr *)where, sizeof *where) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)where, &len))
		exit(1);
	return fd;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_bare_role_has_no_socket),
	        cmocka_unit_test(nobody_undoes_the_walls),
	        cmocka_unit_test(a_bare_role_has_no_file),
	        cmocka_unit_test(who_talks_does_not_dial),
	        cmocka_unit_test(who_dials_dials_its_ports),
	        cmocka_unit_test(who_stores_stores_in_its_folder),
	        cmocka_unit_test(who_records_touches_nothing_old),
	        cmocka_unit_test(children_are_as_confined),
	        cmocka_unit_test(privileges_are_gone),
	        cmocka_unit_test(root_is_given_up),
	        cmocka_unit_test(a_parent_still_starts_others),
	};
	int failed, away;

	if (!confine_has_seccomp()) {
		printf("skipped: the kernel has no seccomp\n");
		return 0;
	}
	if (!mkdtemp(folder) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return 1;
	snprintf(secret, sizeof secret, "%s/secret", folder);
	snprintf(inside, sizeof inside, "%s/run", folder);
	close(open(secret, O_WRONLY | O_CREAT, 0600));
	mkdir(inside, 0700);
	listener = a_listener(&at);
	away = a_listener(&elsewhere);
	other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	close(away);
	unlink(secret);
	rmdir(inside);
	rmdir(folder);
	return failed;
}
