/*
 * capture_secret.c - a key in memory: whoever inherits it reads it by mapping, nobody else, by nothing else;
 * and where the kernel hides none, or little may be locked, it is sealed.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/secret.h"

static const char text[] = "0123456789abcdef";

static bool is_flagged(const void *at, const char *flag)
{
	char line[512], wanted[32];
	bool here = false, found = false;
	FILE *f = fopen("/proc/self/smaps", "re");

	snprintf(wanted, sizeof wanted, "%lx-", (unsigned long)at);
	while (f && fgets(line, sizeof line, f)) {
		if (!strncmp(line, wanted, strlen(wanted)))
			here = true;
		if (here && !strncmp(line, "VmFlags:", 8)) {
			found = strstr(line, flag);
			break;
		}
	}
	if (f)
		fclose(f);
	return found;
}

static void is_read_by_mapping(void **state)
{
	const uint8_t *key;
	char room[sizeof text];
	int fd, status;

	(void)state;
	assert_int_equal(secret_create("key", span_of(text), &fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(secret_map(fd, sizeof text - 1, &key), 0);
	assert_memory_equal(key, text, sizeof text - 1);
	assert_true(is_flagged(key, " dd")); /* not dumped */
	assert_true(is_flagged(key, " lo")); /* locked */
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(ftruncate(fd, 1 << 20), -1);
	assert_int_equal(secret_map(fd, sizeof text, &key), ERR_PROTO);
	assert_int_equal(secret_map(-1, 16, &key), ERR_SYS);
	if (!secret_is_offered()) {
		print_message("secret memory: not on this kernel\n");
	} else {
		struct iovec ours = {room, 16}, theirs = {(void *)key, 16};

		assert_int_equal(read(fd, room, 1), -1);
		assert_int_equal(process_vm_readv(getpid(), &ours, 1, &theirs, 1, 0), -1);
	}
	if (fork() == 0)
		_exit(secret_map(fd, sizeof text - 1, &key) || memcmp(key, text, sizeof text - 1));
	wait(&status);
	assert_int_equal(status, 0);
	close(fd);
}

/* Where nothing may be locked it is sealed, and can be read all the same. */
static int without_locked_memory(void)
{
	struct rlimit none = {0, 0};
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
	const uint8_t *key;
	int fd;

	if (setrlimit(RLIMIT_MEMLOCK, &none) || (geteuid() == 0 && setresuid(65534, 65534, 65534)))
		return 1;
	if (secret_is_offered() || secret_create("key", span_of(text), &fd))
		return 2;
	if ((fcntl(fd, F_GET_SEALS) & seals) != seals || write(fd, "x", 1) != -1)
		return 3;
	if (secret_map(fd, sizeof text - 1, &key) || memcmp(key, text, sizeof text - 1))
		return 4;
	return is_flagged(key, " dd") ? 0 : 5;
}

static void is_sealed_elsewhere(void **state)
{
	int status;

	(void)state;
	if (fork() == 0)
		_exit(without_locked_memory());
	wait(&status);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(is_read_by_mapping),
	        cmocka_unit_test(is_sealed_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
