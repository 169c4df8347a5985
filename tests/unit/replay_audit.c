/*
 * replay_audit.c - audit.log holds every change that control told, in order, chained; what lies in it is a
 * link whatever it is, and nothing of it is written again.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "replay/audit.h"

enum { RING_BYTES = 1 << 16 };

static char folder[64], text[1 << 16];
static struct role_env env;
static struct audit audit;
static struct ring *control;
static unsigned lines;

static int set_up(void **state)
{
	int ring, wake, directory;

	(void)state;
	strcpy(folder, "/tmp/understudy-audit-XXXXXX");
	assert_non_null(mkdtemp(folder));
	directory = open(folder, O_RDONLY | O_DIRECTORY);
	assert_int_equal(ring_create("log", RING_BYTES, &ring, &wake), 0);
	assert_int_equal(ring_attach_writer(ring, -1, &control), 0);
	env = (struct role_env){.fd_count = 2, .fds = {{"run", directory}, {"ring.log.control.0", ring}}};
	close(wake);
	lines = 0;
	return 0;
}

static int tear_down(void **state)
{
	char path[96];

	(void)state;
	audit_close(&audit);
	ring_free(&control);
	close(env.fds[0].fd);
	close(env.fds[1].fd);
	snprintf(path, sizeof path, "%s/audit.log", folder);
	unlink(path);
	return rmdir(folder);
}

static void tell(const char *line)
{
	struct record r = {.payload_len = (uint32_t)strlen(line)};

	assert_int_equal(ring_put(control, &r, line, 0), 0);
	ring_publish(control);
}

static void tell_change(const char *value)
{
	struct log_pair pairs[] = {log_text("change", value)};
	char line[LOG_LINE_MAX + 1];

	line[log_format(line, LOG_LINE_MAX, 0, LOG_INFO, "control.0", "audit", pairs, 1)] = '\0';
	tell(line);
	lines++;
}

static int file(int flags)
{
	return openat(env.fds[0].fd, "audit.log", flags, 0600);
}

static void digest_hex(const char *line, size_t n, char hex[65])
{
	uint8_t hash[32];

	assert_int_equal(EVP_Digest(line, n, hash, NULL, EVP_sha256(), NULL), 1);
	for (int i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", hash[i]);
}

/* Reads the file: each line that is a change names the one before it; how many lines there are. */
static unsigned chained(void)
{
	char want[65];
	unsigned count = 0;
	int fd = file(O_RDONLY);
	ssize_t n = read(fd, text, sizeof text - 1);

	close(fd);
	assert_true(n > 0 && text[n - 1] == '\n');
	text[n] = '\0';
	memset(want, '0', 64);
	want[64] = '\0';
	for (char *at = text, *end; *at; at = end + 1, count++) {
		end = strchr(at, '\n');
		if (*at == '{' && end[-1] == '}') {
			assert_memory_equal(end - 75, ",\"prev\":\"", 9);
			assert_memory_equal(end - 66, want, 64);
		}
		digest_hex(at, (size_t)(end - at), want);
	}
	return count;
}

static void again(void)
{
	audit_close(&audit);
	assert_int_equal(audit_open(&audit, &env), 0);
}

static void what_is_told_is_kept(void **state)
{
	char longest[LOG_LINE_MAX];

	(void)state;
	assert_int_equal(audit_open(&audit, &env), 0);
	audit_take(&audit);
	assert_int_equal(file(O_RDONLY), -1); /* nothing was changed */
	memset(longest, 'x', sizeof longest - 200);
	longest[sizeof longest - 200] = '\0';
	tell_change("pause");
	tell_change("resume");
	audit_take(&audit);
	assert_int_equal(chained(), 2);
	again();
	tell_change(longest);
	tell_change("\n\"}");
	audit_take(&audit);
	again();
	tell_change("drain");
	audit_take(&audit);
	assert_int_equal(chained(), lines);
	assert_non_null(strstr(text, "\"change\":\"pause\",\"prev\":\"0000"));
}

static void what_is_no_change_is_not(void **state)
{
	(void)state;
	assert_int_equal(audit_open(&audit, &env), 0);
	tell("{\"role\":\"control.0\",\"event\":\"started\",\"epoch\":0}\n");
	tell("{\"role\":\"control.0\",\"event\":\"x\",\"a\":\"\\\",\\\"event\\\":\\\"audit\\\",\"}\n");
	tell("{\"role\":\"c\",\"event\":\"audit\",\"a\":1}"); /* no end */
	tell("{\"role\":\"c\",\"event\":\"audit\",\"a\":1}\n{}\n");
	tell("{\"role\":\"c\",\"event\":\"audit\",\"a\":\"\x01\"}\n");
	tell("\n");
	tell_change("pause");
	audit_take(&audit);
	assert_int_equal(chained(), 1);
}

static void a_torn_line_is_a_link(void **state)
{
	static const char torn[] = "{\"time\":\"2026", noise[] = "\0\xff\n";
	int fd = file(O_WRONLY | O_CREAT);

	(void)state;
	assert_int_equal(write(fd, torn, sizeof torn - 1), sizeof torn - 1);
	assert_int_equal(audit_open(&audit, &env), 0);
	tell_change("pause");
	audit_take(&audit);
	assert_int_equal(chained(), 2);
	assert_memory_equal(text, torn, sizeof torn - 1);
	lseek(fd, 0, SEEK_END);
	assert_int_equal(write(fd, noise, sizeof noise - 1), sizeof noise - 1);
	again();
	audit_close(&audit);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(write(fd, "\n", 1), 1);
	again();
	tell_change("resume");
	audit_take(&audit);
	assert_int_equal(chained(), 2);
	close(fd);
}

static void a_full_file_takes_no_more(void **state)
{
	int fd = file(O_WRONLY | O_CREAT);

	(void)state;
	assert_int_equal(ftruncate(fd, AUDIT_MAX_BYTES), 0);
	assert_int_equal(audit_open(&audit, &env), 0);
	log_open("test", NULL, NULL);
	tell_change("pause");
	tell_change("resume");
	audit_take(&audit);
	assert_true(audit.full);
	assert_int_equal(lseek(fd, 0, SEEK_END), AUDIT_MAX_BYTES + 1); /* the line's end */
	close(fd);
}

static void without_control(void **state)
{
	(void)state;
	env.fd_count = 1;
	assert_int_equal(audit_open(&audit, &env), 0);
	audit_take(&audit);
	assert_int_equal(file(O_RDONLY), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(what_is_told_is_kept, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(what_is_no_change_is_not, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_torn_line_is_a_link, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_full_file_takes_no_more, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(without_control, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
