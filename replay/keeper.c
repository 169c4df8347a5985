#include "replay/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/sandbox_gauges.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "replay/sandbox.h"

enum { PAUSE_FIRST_MS = 100, PAUSE_LAST_MS = 30000, LINE_BYTES = 1024 };
static const uint64_t STEADY_NS = 60 * UINT64_C(1000000000); /* it has lasted */

static struct {
	const struct plan_candidate *candidate;
	const char *route;
	struct sandbox_gauges *gauges;
	int listener, self, life;
	struct sandbox sandbox;
	unsigned pause_ms;
	uint64_t started_ns;
} keeper;

/* Nobody holds it any more. */
static bool released(int wait_ms)
{
	struct pollfd life = {.fd = keeper.life, .events = POLLIN};

	return poll(&life, 1, wait_ms) == 1;
}

static void set_state(enum sandbox_state state)
{
	atomic_store(&keeper.gauges->state, state);
}

/* A line of the log for each of its own; longer ones are cut in pieces. */
static void said(void *arg, struct span text)
{
	(void)arg;
	if (keeper.sandbox.ready) {
		atomic_fetch_add(&keeper.gauges->dropped_bytes, text.len);
		return;
	}
	while (text.len) {
		const char *end = memchr(text.data, '\n', text.len);
		size_t n = end ? (size_t)(end - text.data) : text.len,
		       piece = n < LINE_BYTES ? n : LINE_BYTES;

		if (piece)
			LOG(INFO, "candidate_said", log_text("candidate", keeper.candidate->name),
			    log_span("text", (struct span){text.data, piece}));
		n = piece < n ? piece : n + (end != NULL);
		text.data += n;
		text.len -= n;
	}
}

static int start(void)
{
	keeper.started_ns = clock_mono_ns();
	set_state(SANDBOX_STARTING);
	atomic_fetch_add(&keeper.gauges->starts, 1);
	if (sandbox_start(&keeper.sandbox, &keeper.candidate->sandbox, keeper.listener, keeper.self)) {
		LOG(ERROR, "sandbox_failed", log_text("candidate", keeper.candidate->name),
		    log_text("why", strerror(errno)));
		return ERR_SYS;
	}
	sandbox_how_set(keeper.gauges, keeper.sandbox.cage.how);
	LOG(INFO, "sandbox_started", log_text("candidate", keeper.candidate->name),
	    log_text("limits", keeper.sandbox.cage.how));
	return 0;
}

static void tell_ready(void)
{
	if (!keeper.sandbox.ready || atomic_load(&keeper.gauges->state) == SANDBOX_READY)
		return;
	atomic_fetch_add(&keeper.gauges->times_ready, 1);
	set_state(SANDBOX_READY);
	LOG(INFO, "sandbox_ready", log_text("candidate", keeper.candidate->name),
	    log_uint("after_ms", (clock_mono_ns() - keeper.started_ns) / 1000000u));
}

/* Until it ends or is released. */
static void watch(void)
{
	tell_ready();
	while (!released(0) && sandbox_watch(&keeper.sandbox, keeper.life, said, NULL))
		tell_ready();
}

static void bury(void)
{
	bool over = keeper.sandbox.time_over;

	sandbox_stop(&keeper.sandbox);
	atomic_store(&keeper.gauges->status, (uint32_t)keeper.sandbox.status);
	set_state(over ? SANDBOX_OVER : SANDBOX_DOWN);
	atomic_fetch_add(&keeper.gauges->ends, 1);
	if (clock_mono_ns() - keeper.started_ns >= STEADY_NS || !keeper.pause_ms)
		keeper.pause_ms = PAUSE_FIRST_MS;
	else if (keeper.pause_ms < PAUSE_LAST_MS)
		keeper.pause_ms = keeper.pause_ms * 2 < PAUSE_LAST_MS ? keeper.pause_ms * 2 : PAUSE_LAST_MS;
	if (over)
		LOG(WARN, "sandbox_over", log_text("candidate", keeper.candidate->name));
	else
		LOG(WARN, "sandbox_ended", log_text("candidate", keeper.candidate->name),
		    log_int("status", keeper.sandbox.status), log_uint("again_in_ms", keeper.pause_ms));
	(void)released(over ? -1 : (int)keeper.pause_ms);
}

static int begin(const struct role_env *env)
{
	unsigned r, c;

	keeper.candidate = plan_sandboxed(env->plan, env->index, &r, &c);
	keeper.listener = role_fd_nth(env, "sandbox.listen.", 0);
	keeper.life = role_fd_nth(env, "sandbox.life.", 0);
	keeper.self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (!keeper.candidate || keeper.self == -1)
		return ERR_SYS;
	for (int i = 0; i < env->fd_count; i++)
		fcntl(env->fds[i].fd, F_SETFD, FD_CLOEXEC);
	return sandbox_gauges_map(role_fd_nth(env, "sandbox.gauges.", 0), &keeper.gauges);
}

/* A replay begins when it is ready, and does not begin without it. */
static bool started_first(void)
{
	if (start())
		return false;
	while (!keeper.sandbox.ready && !released(0) &&
	       sandbox_watch(&keeper.sandbox, keeper.life, said, NULL))
		tell_ready();
	if (!keeper.sandbox.ready)
		bury();
	return keeper.sandbox.ready;
}

int keeper_run(struct role_env *env)
{
	bool runs = false;

	if (begin(env) || (env->plan->replay && !(runs = started_first())))
		return 3;
	role_ready(env);
	while (!released(0)) {
		if (runs || start() == 0)
			watch();
		runs = false;
		if (released(0))
			break;
		bury();
	}
	sandbox_stop(&keeper.sandbox);
	return 0;
}
