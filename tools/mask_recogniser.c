#define _GNU_SOURCE
#include "tools/mask_recogniser.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"

enum { WORDS_MAX = SANDBOX_TEXT_BYTES / 2, START_MS = 60000, LINE_BYTES = 4096 };

static struct {
	const struct plan_sandbox *spec;
	pid_t pid;    /* 0: none */
	bool useless; /* it has never answered */
	struct recogniser_peer peer;
	uint64_t starts;
} process;

static _Noreturn void become(int input, int output)
{
	const struct plan_words *command = &process.spec->command, *env = &process.spec->env;
	const char *words[WORDS_MAX + 1] = {NULL}, *at, *folder = plan_words_next(&process.spec->ro, NULL);
	unsigned n = 0;

	for (at = plan_words_next(command, NULL); at && n < WORDS_MAX; at = plan_words_next(command, at))
		words[n++] = at;
	for (at = plan_words_next(env, NULL); at; at = plan_words_next(env, at))
		putenv((char *)at);
	setenv("PYTHONUNBUFFERED", "1", 1);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!folder || chdir(folder) == 0)
		execvp(words[0], (char *const *)words);
	fprintf(stderr, "understudy: mask: recogniser: cannot start %s: %s\n", words[0], strerror(errno));
	_exit(127);
}

static void end(void *arg)
{
	(void)arg;
	if (!process.pid)
		return;
	kill(process.pid, SIGKILL);
	waitpid(process.pid, NULL, 0);
	close(process.peer.to);
	close(process.peer.from);
	process.pid = 0;
	process.peer.serving = 0;
}

/* It may load a model first. */
static bool answers(void)
{
	uint64_t until = clock_mono_ns() + START_MS * UINT64_C(1000000);
	struct pollfd from = {.fd = process.peer.from, .events = POLLIN};
	char line[LINE_BYTES];
	struct buf text;
	size_t len = 0;
	ssize_t n = 1;
	int err;

	buf_init(&text, LINE_BYTES);
	recogniser_question(0, SPAN(""), &text);
	err = write(process.peer.to, text.base, buf_len(&text)) != (ssize_t)buf_len(&text);
	while (!err && n > 0 && len < sizeof line && (!len || line[len - 1] != '\n') &&
	       clock_mono_ns() < until)
		if (poll(&from, 1, 1000) == 1 &&
		    (n = read(process.peer.from, line + len, sizeof line - len)) > 0)
			len += (size_t)n;
	buf_reset(&text);
	if (!err)
		err = !len || line[len - 1] != '\n' ||
		      recogniser_answer((struct span){line, len - 1}, 0, SPAN(""), &text);
	buf_fini(&text);
	return !err;
}

static void start(void)
{
	int asks[2], says[2];

	if (pipe2(asks, O_CLOEXEC) || pipe2(says, O_CLOEXEC))
		return;
	process.pid = fork();
	if (process.pid == 0)
		become(asks[0], says[1]);
	close(asks[0]);
	close(says[1]);
	process.pid = process.pid < 0 ? 0 : process.pid;
	fcntl(asks[1], F_SETFL, O_NONBLOCK);
	fcntl(says[0], F_SETFL, O_NONBLOCK);
	process.peer = (struct recogniser_peer){asks[1], says[0], 0};
	if (process.pid && answers()) {
		process.peer.serving = ++process.starts;
		return;
	}
	fprintf(stderr, "understudy: mask: the recogniser does not answer a first question\n");
	end(NULL);
	process.useless = true;
}

static void look(void *arg, struct recogniser_peer *peer)
{
	siginfo_t ended = {0};

	(void)arg;
	if (process.pid && !waitid(P_PID, (id_t)process.pid, &ended, WEXITED | WNOHANG | WNOWAIT) &&
	    ended.si_pid)
		end(NULL);
	if (!process.pid && !process.useless)
		start();
	*peer = process.peer;
}

int mask_recogniser_new(const struct plan_recogniser *r, struct recogniser **recogniser_out)
{
	process.spec = &r->sandbox;
	signal(SIGPIPE, SIG_IGN);
	return recogniser_new(&(struct recogniser_keeper){look, end, NULL}, r->deadline_ms, recogniser_out);
}

void mask_recogniser_free(struct recogniser **r)
{
	if (*r)
		end(NULL);
	recogniser_free(r);
}
