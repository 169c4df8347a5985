/*
 * control.c - answers `understudy ctl` from the control page and the ledger; holds nothing else.
 *
 * One command a connection: a word and LF in, text out, close. The peer's uid is the actor of the
 * log line that a change leaves.
 */
#define _GNU_SOURCE
#include "proxy/control.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "proto/base/buf.h"
#include "proto/base/clock.h"

static void group_line(struct buf *out, const struct ledger_counts *c, enum outcome_group group,
                       const char *name)
{
	uint64_t sum = 0;
	const char *open = " (";

	for (unsigned i = 0; i < OUTCOMES; i++)
		if (outcome_group((uint8_t)(OUTCOME_COMPARED + i)) == group)
			sum += c->exchange[i];
	buf_printf(out, " + %s %llu", name, (unsigned long long)sum);
	for (unsigned i = 0; i < OUTCOMES; i++) {
		uint8_t outcome = (uint8_t)(OUTCOME_COMPARED + i);

		if (outcome_group(outcome) != group || !c->exchange[i] || group == GROUP_SAMPLED_OUT)
			continue;
		buf_printf(out, "%s%s %llu", open, outcome_name(outcome), (unsigned long long)c->exchange[i]);
		open = ", ";
	}
	if (*open == ',')
		buf_puts(out, ")");
}

static void capture_line(struct buf *out, const struct ledger_counts *c)
{
	uint64_t missed = 0;

	for (unsigned i = 1; i < OUTCOMES; i++)
		missed += c->capture[i];
	buf_printf(out, "captured     %llu + not_captured %llu + open %llu\n",
	           (unsigned long long)c->capture[0], (unsigned long long)missed,
	           (unsigned long long)c->open);
}

/* The twelve lines of the start banner and of `ctl status`. */
static void status(const struct role_env *env, struct buf *out)
{
	static struct ledger_counts c;
	uint64_t requests = 0, live_errors = 0, rejected = 0, connections = 0;
	const struct plan *plan = env->plan;

	for (unsigned i = 0; i < plan->workers; i++) {
		requests += atomic_load(&env->page->workers[i].requests);
		live_errors += atomic_load(&env->page->workers[i].live_errors);
		rejected += atomic_load(&env->page->workers[i].rejected);
		connections += atomic_load(&env->page->workers[i].connections);
	}
	ledger_read(env->ledger, &c);
	buf_printf(out, "listen       %s, %u workers\n", plan->listen[0].at.url, plan->workers);
	buf_printf(out, "live         %s%s\n", plan->routes[0].live.endpoints[0].url,
	           plan->route_count > 1 ? " and other routes" : "");
	buf_printf(out, "requests     %llu on %llu open connections\n", (unsigned long long)requests,
	           (unsigned long long)connections);
	buf_printf(out, "errors       by live %llu, rejected %llu\n", (unsigned long long)live_errors,
	           (unsigned long long)rejected);
	buf_printf(out, "shadowing    %s\n", atomic_load(&env->page->paused) ? "paused" : "on");
	buf_printf(out, "candidates   ");
	for (unsigned i = 0; i < plan->routes[0].candidate_count; i++)
		buf_printf(out, "%s%s%s", i ? ", " : "", plan->routes[0].candidates[i].name,
		           plan->routes[0].candidates[i].baseline ? " (baseline)" : "");
	buf_printf(out, "\nseen         %llu\n", (unsigned long long)c.seen);
	buf_printf(out, "             = compared %llu", (unsigned long long)c.exchange[0]);
	group_line(out, &c, GROUP_NOT_COMPARED, "not_compared");
	group_line(out, &c, GROUP_SAMPLED_OUT, "sampled_out");
	group_line(out, &c, GROUP_EXCLUDED, "excluded");
	group_line(out, &c, GROUP_SHED, "shed");
	buf_printf(out, " + open %llu\n", (unsigned long long)c.open);
	capture_line(out, &c);
	buf_printf(out, "run          %s %016llx\n", plan->run_name,
	           (unsigned long long)atomic_load(&env->page->run_id));
	buf_puts(out, "verdict      understudy gate RUN\n");
	buf_puts(out, "stop         understudy ctl pause\n");
}

/* One switch: prints the time to the last candidate byte. */
static void pause_shadowing(const struct role_env *env, struct buf *out)
{
	uint64_t asked = clock_mono_ns(), last;

	atomic_store(&env->page->paused_at_ns, asked);
	atomic_store(&env->page->paused, 1);
	usleep(20000);
	last = atomic_load(&env->page->last_candidate_byte_ns);
	buf_printf(out, "paused; last candidate byte %.3f ms after the switch\n",
	           last > asked ? (double)(last - asked) / 1e6 : 0.0);
}

static void answer(const struct role_env *env, int fd)
{
	char word[64] = "";
	struct ucred who = {0};
	socklen_t len = sizeof who;
	struct buf out;
	ssize_t n;

	buf_init(&out, 64 * 1024);
	n = read(fd, word, sizeof word - 1);
	word[n > 0 ? strcspn(word, "\r\n") : 0] = 0;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
	if (!strcmp(word, "status")) {
		status(env, &out);
	} else if (!strcmp(word, "pause")) {
		pause_shadowing(env, &out);
	} else if (!strcmp(word, "resume")) {
		atomic_store(&env->page->paused, 0);
		buf_puts(&out, "resumed\n");
	} else if (!strcmp(word, "drain")) {
		atomic_store(&env->page->phase, PHASE_WORKERS);
		buf_puts(&out, "draining\n");
	} else {
		buf_puts(&out, "error: unknown command; use status, pause, resume or drain\n");
	}
	if (strcmp(word, "status"))
		fprintf(stderr, "{\"event\":\"control\",\"command\":\"%s\",\"uid\":%d}\n", word,
		        (int)who.uid);
	if (write(fd, buf_span(&out).data, buf_len(&out)) == -1)
		fprintf(stderr, "{\"event\":\"control\",\"error\":\"the answer was not read\"}\n");
	buf_fini(&out);
}

/* Without a parent nobody ends the phases of a drain: control does, half a second each, once clients have
 * gone. */
static void drain_orphaned(const struct role_env *env, pid_t parent)
{
	static uint64_t since_ns;
	uint32_t phase = atomic_load(&env->page->phase);
	uint64_t connections = 0, now = clock_mono_ns(), limit = 500000000u;

	if (phase == PHASE_RUN || getppid() == parent)
		return;
	for (unsigned i = 0; i < env->plan->workers; i++)
		connections += atomic_load(&env->page->workers[i].connections);
	if (phase == PHASE_WORKERS && connections)
		limit = (uint64_t)env->plan->drain_timeout_ms * 1000000u;
	if (!since_ns)
		since_ns = now;
	if (now - since_ns < limit)
		return;
	since_ns = now;
	atomic_store(&env->page->phase, phase + 1);
}

int control_run(struct role_env *env)
{
	pid_t parent = getppid();
	int listener = role_fd(env, "control");
	struct timeval limit = {1, 0};

	role_ready(env);
	while (atomic_load(&env->page->phase) < PHASE_CONTROL) {
		struct pollfd wait = {.fd = listener, .events = POLLIN};
		int fd;

		drain_orphaned(env, parent);
		if (poll(&wait, 1, 50) != 1)
			continue;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd == -1)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
		answer(env, fd);
		close(fd);
	}
	return 0;
}
