#define _GNU_SOURCE
#include "replay/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/recogniser.h"
#include "capture/sandbox_gauges.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "replay/sandbox.h"

enum { PAUSE_FIRST_MS = 100, PAUSE_LAST_MS = 30000, LINE_BYTES = 1024, LOOK_MS = 50, DRAIN_BYTES = 1 << 20 };
static const uint64_t STEADY_NS = 60 * UINT64_C(1000000000), /* it has lasted */
        ASK_AGAIN_NS = UINT64_C(1000000000);

static struct {
	const char *what, *name; /* "candidate" or "recogniser" */
	const struct plan_sandbox *spec;
	struct sandbox_gauges *gauges;
	int listener, self, life; /* of a candidate */
	struct {                  /* of a recogniser */
		const struct page *page;
		int input, output; /* its ends of the pipes */
		int to, from;      /* the masker's, for the first question */
		int kick;
		uint64_t first, asked_ns; /* the id of the first question, and when it was asked last */
		struct buf heard;
	} pipes;
	struct sandbox sandbox;
	unsigned pause_ms;
	uint64_t started_ns;
} keeper;

/* Those that ask a recogniser have left. */
static bool has_left(int wait_ms)
{
	uint64_t until = clock_mono_ns() + (uint64_t)wait_ms * 1000000;
	int left = wait_ms;

	while (atomic_load(&keeper.pipes.page->phase) < PHASE_JUDGE && left > 0) {
		poll(NULL, 0, left < LOOK_MS ? left : LOOK_MS);
		left = until > clock_mono_ns() ? (int)((until - clock_mono_ns()) / 1000000) : 0;
	}
	return atomic_load(&keeper.pipes.page->phase) >= PHASE_JUDGE;
}

/* Nobody holds it any more. */
static bool released(int wait_ms)
{
	struct pollfd life = {.fd = keeper.life, .events = POLLIN};

	return keeper.pipes.page ? has_left(wait_ms) : poll(&life, 1, wait_ms) == 1;
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
			LOG(INFO, keeper.pipes.page ? "recogniser_said" : "candidate_said",
			    log_text(keeper.what, keeper.name),
			    log_span("text", (struct span){text.data, piece}));
		n = piece < n ? piece : n + (end != NULL);
		text.data += n;
		text.len -= n;
	}
}

/* What one that is gone has left, unseen. */
static void drain(int pipe)
{
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	while (nowhere != -1 && splice(pipe, NULL, nowhere, NULL, DRAIN_BYTES, SPLICE_F_NONBLOCK) > 0)
		;
	close(nowhere);
}

/* It is ready once it has answered a first question; one that is about to end may have taken it away. */
static void ask_first(void)
{
	struct buf question;

	buf_init(&question, LINE_BYTES);
	recogniser_question(keeper.pipes.first, SPAN(""), &question);
	(void)!write(keeper.pipes.to, question.base, buf_len(&question));
	buf_fini(&question);
	keeper.pipes.asked_ns = clock_mono_ns();
}

static int start_piped(void)
{
	uint64_t kicks;

	drain(keeper.pipes.input);
	drain(keeper.pipes.from);
	(void)!read(keeper.pipes.kick, &kicks, sizeof kicks);
	buf_reset(&keeper.pipes.heard);
	keeper.pipes.first = keeper.started_ns / 1000 * 2; /* even: nobody else asks so */
	ask_first();
	return sandbox_start_piped(&keeper.sandbox, keeper.spec, keeper.pipes.input, keeper.pipes.output);
}

static int start(void)
{
	keeper.started_ns = clock_mono_ns();
	set_state(SANDBOX_STARTING);
	atomic_fetch_add(&keeper.gauges->starts, 1);
	if (keeper.pipes.page ? start_piped()
	                      : sandbox_start(&keeper.sandbox, keeper.spec, keeper.listener, keeper.self)) {
		LOG(ERROR, "sandbox_failed", log_text(keeper.what, keeper.name),
		    log_text("why", strerror(errno)));
		return ERR_SYS;
	}
	sandbox_how_set(keeper.gauges, keeper.sandbox.cage.how);
	LOG(INFO, "sandbox_started", log_text(keeper.what, keeper.name),
	    log_text("limits", keeper.sandbox.cage.how));
	return 0;
}

static void tell_ready(void)
{
	if (!keeper.sandbox.ready || atomic_load(&keeper.gauges->state) == SANDBOX_READY)
		return;
	atomic_fetch_add(&keeper.gauges->times_ready, 1);
	set_state(SANDBOX_READY);
	LOG(INFO, "sandbox_ready", log_text(keeper.what, keeper.name),
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
		LOG(WARN, "sandbox_over", log_text(keeper.what, keeper.name));
	else
		LOG(WARN, "sandbox_ended", log_text(keeper.what, keeper.name),
		    log_int("status", keeper.sandbox.status), log_uint("again_in_ms", keeper.pause_ms));
	(void)released(over ? -1 : (int)keeper.pause_ms);
}

static int begin(const struct role_env *env)
{
	const struct plan_candidate *candidate;
	unsigned r, c;

	candidate = plan_sandboxed(env->plan, env->index, &r, &c);
	keeper.what = "candidate";
	keeper.listener = role_fd_nth(env, "sandbox.listen.", 0);
	keeper.life = role_fd_nth(env, "sandbox.life.", 0);
	keeper.self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (!candidate || keeper.self == -1)
		return ERR_SYS;
	keeper.name = candidate->name;
	keeper.spec = &candidate->sandbox;
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

/* --- a recogniser --- */

/* Byte by byte: what comes behind the answer is for who asks next. False: it says something else. */
static bool hear_first(void)
{
	struct buf *heard = &keeper.pipes.heard, none;
	char one;
	int err;

	while (!keeper.sandbox.ready && read(keeper.pipes.from, &one, 1) == 1) {
		buf_put(heard, &one, 1);
		if (heard->err)
			return false;
		if (one != '\n')
			continue;
		buf_init(&none, LINE_BYTES);
		err = recogniser_answer(buf_span(heard), keeper.pipes.first, SPAN(""), &none);
		buf_fini(&none);
		buf_reset(heard);
		if (err && err != ERR_AGAIN)
			return false;
		keeper.sandbox.ready = !err;
	}
	if (!keeper.sandbox.ready && clock_mono_ns() - keeper.pipes.asked_ns > ASK_AGAIN_NS)
		ask_first();
	return true;
}

static bool is_kicked(void)
{
	uint64_t kicks;

	return read(keeper.pipes.kick, &kicks, sizeof kicks) == sizeof kicks;
}

/* Until it ends or is to be started anew; or until it serves: true. */
static bool watch_piped(bool until_ready)
{
	while (!released(0) && sandbox_watch(&keeper.sandbox, keeper.pipes.kick, said, NULL)) {
		if (!keeper.sandbox.ready && !hear_first()) {
			LOG(WARN, "recogniser_garbled", log_text(keeper.what, keeper.name));
			return false;
		}
		tell_ready();
		if (until_ready && keeper.sandbox.ready)
			return true;
		if (is_kicked())
			return false;
	}
	return false;
}

static int begin_piped(const struct role_env *env)
{
	const struct plan_recogniser *r;
	unsigned mask;
	bool answers;

	r = plan_recogniser(env->plan, env->index, &mask, &answers);
	if (!r)
		return ERR_SYS;
	keeper.what = "recogniser";
	keeper.name = env->plan->masks[mask].name;
	keeper.spec = &r->sandbox;
	keeper.life = keeper.listener = keeper.self = -1;
	keeper.pipes.page = env->page;
	keeper.pipes.input = role_fd_nth(env, "recogniser.input.", 0);
	keeper.pipes.output = role_fd_nth(env, "recogniser.output.", 0);
	keeper.pipes.to = role_fd_nth(env, "recogniser.to.", 0);
	keeper.pipes.from = role_fd_nth(env, "recogniser.from.", 0);
	keeper.pipes.kick = role_fd_nth(env, "recogniser.kick.", 0);
	buf_init(&keeper.pipes.heard, 4 * LINE_BYTES);
	for (int i = 0; i < env->fd_count; i++)
		fcntl(env->fds[i].fd, F_SETFD, FD_CLOEXEC);
	return sandbox_gauges_map(role_fd_nth(env, "recogniser.gauges.", 0), &keeper.gauges);
}

int keeper_recogniser_run(struct role_env *env)
{
	bool runs = env->plan->replay && !env->epoch;

	if (begin_piped(env))
		return 3;
	set_state(SANDBOX_STARTING); /* of an earlier keeper's nothing is left */
	if (runs && (start() || !watch_piped(true)))
		return 3;
	role_ready(env);
	if (env->epoch) /* what an earlier keeper left behind ends now */
		(void)released(PAUSE_FIRST_MS);
	while (!released(0)) {
		if (runs || start() == 0)
			(void)watch_piped(false);
		runs = false;
		if (!released(0))
			bury();
	}
	sandbox_stop(&keeper.sandbox);
	return 0;
}
