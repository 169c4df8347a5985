/*
 * capture_role.c - a role's lines go to its log ring, and are shed and counted when nobody reads it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/role.h"
#include "proto/base/log.h"

enum { RING_BYTES = 64 * 1024, LINES = 2000, HIGH_FD = 200 };

static struct plan plan = {.version = 1, .workers = 1, .slots_each = 16};
static struct page *page;
static int plan_fd, ledger_fd, page_fd, ring_fd;

static int set_up(void **state)
{
	int event;

	(void)state;
	assert_int_equal(plan_publish(&plan, &plan_fd), 0);
	assert_int_equal(ledger_create(1, 16, &ledger_fd), 0);
	assert_int_equal(page_create(&page_fd), 0);
	assert_int_equal(page_map(page_fd, &page), 0);
	assert_int_equal(ring_create("log", RING_BYTES, &ring_fd, &event), 0);
	close(event);
	return 0;
}

static int chatter(struct role_env *env)
{
	(void)env;
	for (unsigned i = 0; i < LINES; i++)
		LOG(WARN, "chatter", log_uint("n", i), log_text("text", "some words that take room"));
	return 7;
}

static int one_line_a_level(struct role_env *env)
{
	LOG(DEBUG, "quiet", log_uint("n", 1));
	atomic_store(&env->page->log_level, LOG_DEBUG);
	LOG(DEBUG, "heard", log_uint("n", 2));
	return 7;
}

/* Run a role in a child that inherits what the parent would give it. */
static void run_role(role_run *run)
{
	char *argv[] = {"judge", "0", "0", "plan", "ledger", "page", "ring.log.judge.0"};
	int from[] = {plan_fd, ledger_fd, page_fd, ring_fd}, status;
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < 4; i++)
			from[i] = fcntl(from[i], F_DUPFD, HIGH_FD);
		for (int i = 0; i < 4; i++)
			dup2(from[i], 3 + i);
		_exit(role_enter(7, argv, (struct role_rank){0, 0}, NULL, run));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void a_full_ring_sheds_and_counts(void **state)
{
	static char payload[RECORD_PAYLOAD_MAX];
	struct ring *ring;
	struct record r;
	unsigned lines = 0;

	(void)state;
	run_role(chatter);
	assert_int_equal(ring_attach_reader(ring_fd, -1, &ring), 0);
	while (ring_get(ring, &r, payload) == 0) {
		char want[80];

		payload[r.payload_len] = '\0';
		snprintf(want, sizeof want, "\"role\":\"judge.0\",\"event\":\"chatter\",\"n\":%u,", lines++);
		assert_non_null(strstr(payload, want));
		assert_true(payload[r.payload_len - 1] == '\n');
	}
	assert_true(lines > 100 && lines < LINES);
	assert_int_equal(lines + atomic_load(&page->log_shed), LINES);
	ring_free(&ring);
}

static void the_level_is_the_pages(void **state)
{
	static char payload[RECORD_PAYLOAD_MAX];
	struct ring *ring;
	struct record r;

	(void)state;
	run_role(one_line_a_level);
	assert_int_equal(ring_attach_reader(ring_fd, -1, &ring), 0);
	assert_int_equal(ring_get(ring, &r, payload), 0);
	payload[r.payload_len] = '\0';
	assert_non_null(strstr(payload, "\"level\":\"debug\",\"role\":\"judge.0\",\"event\":\"heard\""));
	assert_int_equal(ring_get(ring, &r, payload), ERR_AGAIN);
	ring_free(&ring);
}

/* The pause after so many turns in which the ring stayed as it is. */
static unsigned nap_after(unsigned turns, struct role_pace *pace, struct ring *ring)
{
	struct role_env env = {.plan = &plan, .page = page};

	role_busy(pace);
	while (turns--)
		role_rested(pace, &ring, 1);
	return role_nap_ms(pace, &env);
}

/* Pauses grow while a large ring stays nearly empty; a ring that fills and a small one are looked at
 * each millisecond. */
static void pauses_follow_the_ring(void **state)
{
	static char payload[RECORD_PAYLOAD_MAX];
	struct record r = {.type = RECORD_CHUNK, .payload_len = sizeof payload};
	struct role_pace pace = {.most_ms = 5};
	struct ring *reader, *writer;
	int fd, event;

	(void)state;
	assert_int_equal(ring_create("large", 32 << 20, &fd, &event), 0);
	assert_int_equal(ring_attach_reader(fd, event, &reader), 0);
	assert_int_equal(ring_attach_writer(fd, event, &writer), 0);
	assert_int_equal(nap_after(0, &pace, reader), 1);
	assert_int_equal(nap_after(3, &pace, reader), 3);
	assert_int_equal(nap_after(30, &pace, reader), 5);
	for (int i = 0; i < (2 << 20) / (int)sizeof payload; i++)
		assert_int_equal(ring_put(writer, &r, payload, 0), 0);
	ring_publish(writer);
	assert_int_equal(nap_after(1, &pace, reader), 1);
	while (!ring_get(reader, &r, payload))
		;
	assert_int_equal(nap_after(2, &pace, reader), 3);
	ring_free(&reader);
	ring_free(&writer);
	assert_int_equal(ring_attach_reader(ring_fd, -1, &reader), 0);
	assert_int_equal(nap_after(9, &pace, reader), 1);
	ring_free(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(a_full_ring_sheds_and_counts, set_up),
	        cmocka_unit_test_setup(the_level_is_the_pages, set_up),
	        cmocka_unit_test_setup(pauses_follow_the_ring, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
