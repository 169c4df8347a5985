#define _GNU_SOURCE
#include "replay/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/confine.h"
#include "proto/base/fds.h"

enum {
	ARGS_MAX = 4 * SANDBOX_TEXT_BYTES, /* of three lists of words, each with its flag, and our own */
	SELF_FD = SANDBOX_LISTENER + 1,    /* this program and the filter: bubblewrap takes both */
	FILTER_FD,
	ARGS_FD = SANDBOX_NEWS + 1, /* what others could read in its words, such as the environment */
	FDS,
	NOBODY = 65534,
	LOOK_MS = 50,
	OUTPUT_TURN = 64 << 10,
	CANNOT = 3
};

/* --- what bubblewrap is told --- */

struct args {
	const char *at[ARGS_MAX + 1];
	unsigned count;
};

static void say(struct args *a, const char *first, const char *second, const char *third)
{
	const char *words[] = {first, second, third};

	for (int i = 0; i < 3 && words[i]; i++) {
		if (a->count == ARGS_MAX)
			_exit(CANNOT);
		a->at[a->count++] = words[i];
	}
}

/* Never freed: the process executes another program. */
__attribute__((format(printf, 1, 2))) static char *keep(const char *format, ...)
{
	char *text = NULL;
	va_list words;

	va_start(words, format);
	if (vasprintf(&text, format, words) < 0)
		_exit(CANNOT);
	va_end(words);
	return text;
}

static void say_number(struct args *a, const char *flag, uint64_t value)
{
	say(a, flag, keep("%llu", (unsigned long long)value), NULL);
}

/* A folder of the system, or the link that leads there. */
static void say_system(struct args *a, const char *path)
{
	static char targets[4][64];
	static unsigned used;
	ssize_t n = used < 4 ? readlink(path, targets[used], sizeof targets[0] - 1) : -1;

	if (n > 0) {
		targets[used][n] = '\0';
		say(a, "--symlink", targets[used++], path);
	} else {
		say(a, "--ro-bind-try", path, path);
	}
}

static void say_files(struct args *a, const struct plan_sandbox *spec)
{
	static const char *const system[] = {"/bin", "/sbin", "/lib", "/lib64"},
	                         *const etc[] = {"/etc/ld.so.cache",  "/etc/ld.so.conf", "/etc/ld.so.conf.d",
	                                         "/etc/alternatives", "/etc/localtime",  "/etc/ssl/certs",
	                                         "/etc/mime.types"};

	say(a, "--ro-bind", "/usr", "/usr");
	for (unsigned i = 0; i < sizeof system / sizeof *system; i++)
		say_system(a, system[i]);
	for (unsigned i = 0; i < sizeof etc / sizeof *etc; i++)
		say(a, "--ro-bind-try", etc[i], etc[i]);
	say(a, "--proc", "/proc", NULL);
	say(a, "--dev", "/dev", NULL);
	say_number(a, "--size", spec->tmp_bytes);
	say(a, "--tmpfs", "/dev/shm", NULL);
	say_number(a, "--size", spec->tmp_bytes);
	say(a, "--tmpfs", "/tmp", NULL);
	say_number(a, "--size", 1 << 20);
	say(a, "--tmpfs", "/run", NULL);
	say(a, "--dir", "/run/understudy", NULL);
	for (const char *at = plan_words_next(&spec->ro, NULL); at; at = plan_words_next(&spec->ro, at))
		say(a, "--ro-bind", at, at);
}

/* This program, to relay inside. */
static void say_relay(struct args *a)
{
	say(a, "--perms", "0555", NULL);
	say_number(a, "--ro-bind-data", SELF_FD);
	say(a, "/sandbox", NULL, NULL);
}

static void say_devices(struct args *a)
{
	static const char *const patterns[] = {"/dev/nvidia*", "/dev/dri", "/dev/kfd"},
	                         *const sys[] = {"/sys/dev/char", "/sys/devices", "/sys/class/drm",
	                                         "/sys/bus/pci", "/sys/module/nvidia"};
	static glob_t found;

	for (unsigned i = 0; i < sizeof patterns / sizeof *patterns; i++)
		glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		say(a, "--dev-bind-try", found.gl_pathv[i], found.gl_pathv[i]);
	for (unsigned i = 0; i < sizeof sys / sizeof *sys; i++)
		say(a, "--ro-bind-try", sys[i], sys[i]);
}

static void say_environment(struct args *a, const struct plan_sandbox *spec, bool relayed)
{
	say(a, "--clearenv", NULL, NULL);
	say(a, "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin");
	say(a, "--setenv", "HOME", "/tmp");
	say(a, "--setenv", "LOGNAME", "candidate");
	say(a, "--setenv", "LANG", "C.UTF-8");
	if (!relayed)
		say(a, "--setenv", "PYTHONUNBUFFERED", "1"); /* it would hold its answers back */
	else if (spec->port)
		say(a, "--setenv", "PORT", keep("%u", spec->port));
	else
		say(a, "--setenv", "UNDERSTUDY_SOCKET", SANDBOX_SOCKET);
	for (const char *at = plan_words_next(&spec->env, NULL); at; at = plan_words_next(&spec->env, at)) {
		char *name = keep("%s", at), *value = strchr(name, '=');

		if (value)
			*value++ = '\0';
		say(a, "--setenv", name, value ? value : "");
	}
}

static void say_cage(struct args *a, const struct plan_sandbox *spec, bool relayed)
{
	const char *first_ro = plan_words_next(&spec->ro, NULL);

	say(a, "--unshare-all", "--unshare-user", NULL);
	say(a, "--disable-userns", NULL, NULL);
	say(a, "--die-with-parent", "--new-session", NULL);
	say(a, "--uid", "65534", NULL);
	say(a, "--gid", "65534", NULL);
	say(a, "--hostname", "candidate", NULL);
	say(a, "--cap-drop", "ALL", NULL);
	say_files(a, spec);
	if (relayed)
		say_relay(a);
	if (spec->gpu)
		say_devices(a);
	say(a, "--remount-ro", "/dev", NULL); /* bubblewrap's, without a bound */
	say(a, "--remount-ro", "/", NULL);
	say(a, "--chdir", first_ro ? first_ro : "/tmp", NULL);
	say_environment(a, spec, relayed);
	say_number(a, "--seccomp", FILTER_FD);
}

/* As bwrap(1) reads them: each ends with a NUL. */
static int args_file(const struct args *a)
{
	int fd = memfd_create("sandbox", MFD_CLOEXEC);

	for (unsigned i = 0; i < a->count; i++) {
		size_t n = strlen(a->at[i]) + 1;

		if (write(fd, a->at[i], n) != (ssize_t)n)
			_exit(CANNOT);
	}
	if (lseek(fd, 0, SEEK_SET))
		_exit(CANNOT);
	return fd;
}

static void say_command(struct args *a, const struct plan_sandbox *spec, bool relayed)
{
	say(a, "bwrap", NULL, NULL);
	say_number(a, "--args", ARGS_FD);
	say(a, "--", NULL, NULL);
	if (relayed)
		say(a, "/sandbox", "--inside", NULL);
	if (relayed)
		say(a, spec->port ? keep(":%u", spec->port) : SANDBOX_SOCKET, spec->health, NULL);
	for (const char *at = plan_words_next(&spec->command, NULL); at;
	     at = plan_words_next(&spec->command, at))
		say(a, at, NULL, NULL);
}

/* --- outside --- */

struct start {
	int listener, self; /* -1: it is piped */
	int in, out;
	int filter, output[2], news[2], go[2];
	pid_t keeper; /* this process */
};

static _Noreturn void cannot(const char *what)
{
	fprintf(stderr, "understudy: sandbox: %s: %s\n", what, strerror(errno));
	_exit(CANNOT);
}

/* Root stays outside. */
static bool give_up_root(const struct plan_sandbox *spec)
{
	uid_t uid = spec->user ? spec->user : NOBODY;
	gid_t gid = spec->user ? spec->group : NOBODY;

	return geteuid() != 0 ||
	       (!setgroups(0, NULL) && !setresgid(gid, gid, gid) && !setresuid(uid, uid, uid));
}

/* Bubblewrap stays inside, as the first process, and what that was given can be read there. */
static void forget_environment(void)
{
	static char *kept[2];
	const char *path = getenv("PATH");

	kept[0] = path ? keep("PATH=%s", path) : NULL;
	environ = kept;
}

static _Noreturn void become_bubblewrap(const struct sandbox *s, const struct start *how)
{
	static struct args cage, command;
	bool relayed = how->self != -1;
	int nothing = open("/dev/null", O_RDONLY);
	int wanted[FDS] = {
	        relayed ? nothing : how->in,       relayed ? how->output[1] : how->out, how->output[1],
	        relayed ? how->listener : nothing, relayed ? how->self : nothing,       how->filter,
	        relayed ? how->news[1] : nothing};
	sigset_t none;
	char one;

	close(how->go[1]); /* so that it ends when nobody else has it */
	if (relayed)
		lseek(how->self, 0, SEEK_SET); /* bubblewrap reads it to its end */
	say_cage(&cage, s->spec, relayed);
	say_command(&command, s->spec, relayed);
	wanted[ARGS_FD] = args_file(&cage);
	if (read(how->go[0], &one, 1) != 1)
		_exit(CANNOT);
	fds_place(0, wanted, FDS);
	for (int i = SANDBOX_LISTENER; !relayed && i <= SANDBOX_NEWS; i++)
		if (i != FILTER_FD)
			fcntl(i, F_SETFD, FD_CLOEXEC);
	if (sandbox_cage_rlimits(&s->cage) || !give_up_root(s->spec))
		cannot("cannot give up root");
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* bubblewrap asks for the same, later */
	if (getppid() != how->keeper)
		_exit(CANNOT);
	forget_environment();
	execvp(command.at[0], (char *const *)command.at);
	cannot("bubblewrap is needed (apt-get install bubblewrap): bwrap");
}

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (fds[i] != -1)
			close(fds[i]);
}

static void pass(struct sandbox *s, struct span text, sandbox_said *said, void *arg)
{
	uint64_t left = s->spec->output_bytes - s->passed_bytes;

	if (text.len > left)
		text.len = (size_t)left;
	if (text.len)
		said(arg, text);
	s->passed_bytes += text.len;
	if (text.len && text.len == left)
		said(arg, SPAN("\nunderstudy: sandbox: the candidate said enough; the rest is dropped\n"));
}

/* As much as a pipe holds; who prints faster than it is looked at waits. */
static void pass_output(struct sandbox *s, sandbox_said *said, void *arg)
{
	char room[OUTPUT_TURN / 16];
	size_t turn = 0;
	ssize_t n = 1;

	while (turn < OUTPUT_TURN && (n = read(s->output, room, sizeof room)) > 0) {
		pass(s, (struct span){room, (size_t)n}, said, arg);
		turn += (size_t)n;
	}
	s->floods = turn >= OUTPUT_TURN && s->passed_bytes == s->spec->output_bytes;
}

/* In its groups before it executes anything. */
static int let_go(struct sandbox *s, const struct start *how)
{
	if (s->pid < 0 || sandbox_cage_put(&s->cage, s->pid) || write(how->go[1], "1", 1) != 1)
		return ERR_SYS;
	s->output = how->output[0];
	s->news = how->news[0];
	return 0;
}

static int start(struct sandbox *s, const struct plan_sandbox *spec, struct start how)
{
	const struct sandbox_limits limits = {spec->memory_bytes, spec->cpu_percent, spec->pids};
	int err = ERR_SYS, why;

	*s = (struct sandbox){.spec = spec, .output = -1, .news = -1};
	s->end_ns = clock_mono_ns() + spec->time_ms * UINT64_C(1000000);
	if (confine_filter(&how.filter) || pipe2(how.output, O_CLOEXEC) || pipe2(how.news, O_CLOEXEC) ||
	    pipe2(how.go, O_CLOEXEC))
		goto out;
	fcntl(how.output[0], F_SETFL, O_NONBLOCK);
	fcntl(how.news[0], F_SETFL, O_NONBLOCK);
	sandbox_cage_make(&s->cage, &limits);
	s->pid = fork();
	if (s->pid == 0)
		become_bubblewrap(s, &how);
	err = let_go(s, &how);
out:
	why = errno;
	if (err) {
		close_all((int[]){how.output[0], how.news[0]}, 2);
		sandbox_stop(s);
	}
	close_all((int[]){how.filter, how.output[1], how.news[1], how.go[0], how.go[1]}, 5);
	errno = why;
	return err;
}

int sandbox_start(struct sandbox *s, const struct plan_sandbox *spec, int listener, int self)
{
	return start(s, spec,
	             (struct start){listener, self, -1, -1, -1, {-1, -1}, {-1, -1}, {-1, -1}, getpid()});
}

int sandbox_start_piped(struct sandbox *s, const struct plan_sandbox *spec, int input, int output)
{
	return start(s, spec,
	             (struct start){-1, -1, input, output, -1, {-1, -1}, {-1, -1}, {-1, -1}, getpid()});
}

/* It says so once; its end says that it has gone. */
static void hear_news(struct sandbox *s)
{
	char one;
	ssize_t n = s->news == -1 ? -1 : read(s->news, &one, 1);

	if (n < 0)
		return;
	s->ready = n == 1;
	close(s->news);
	s->news = -1;
}

bool sandbox_watch(struct sandbox *s, int wake, sandbox_said *said, void *arg)
{
	struct pollfd fds[] = {{.fd = s->floods ? -1 : s->output, .events = POLLIN},
	                       {.fd = s->news, .events = POLLIN},
	                       {.fd = wake, .events = POLLIN}};
	int status;

	poll(fds, sizeof fds / sizeof *fds, LOOK_MS);
	pass_output(s, said, arg);
	hear_news(s);
	if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
		pass_output(s, said, arg);
		s->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		s->pid = 0;
		return false;
	}
	s->time_over = s->spec->time_ms && clock_mono_ns() >= s->end_ns;
	return !s->time_over;
}

void sandbox_stop(struct sandbox *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL); /* and with it all that is inside */
		waitpid(s->pid, NULL, 0);
	}
	close_all((int[]){s->output, s->news}, 2);
	s->pid = 0;
	s->output = s->news = -1;
	sandbox_cage_remove(&s->cage);
}
