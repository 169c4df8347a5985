/* `understudy sandbox`: a candidate in bubblewrap, reached through one unix socket, in the foreground. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/config.h"
#include "proxy/listeners.h"
#include "replay/sandbox.h"
#include "tools/commands.h"

enum {
	RO_MAX = 16,
	ENV_MAX = 32,
	BACKLOG = 512,
	TIME_OVER = 124 /* as timeout(1) has it */
};

static struct {
	const char *socket, *port, *health, *user, *memory, *cpus, *pids, *time, *output, *tmp;
	const char *ro[RO_MAX], *env[ENV_MAX];
	unsigned ro_count, env_count;
	bool gpu;
} options = {.memory = "4GiB", .pids = "512", .output = "1MiB", .tmp = "256MiB"};

static volatile sig_atomic_t stopped_by;

static void on_signal(int signal)
{
	stopped_by = signal;
}

/* --- the command line --- */

struct unit {
	const char *name;
	double factor;
};

/* A number and its unit; false: it is none. `out` stays without text. */
static bool amount(const char *text, const struct unit *units, double *out)
{
	char *end;
	double n = text ? strtod(text, &end) : 0;

	if (!text)
		return true;
	for (; n >= 0 && end != text && units->name; units++)
		if (!strcmp(end, units->name)) {
			*out = n * units->factor;
			return *out < 1e18;
		}
	return false;
}

static int read_amounts(struct plan_sandbox *s)
{
	static const struct unit sizes[] = {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {0}},
	                         times[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {0}},
	                         plain[] = {{"", 1}, {0}};
	double memory = 0, output = 0, tmp = 0, ms = 0, cpus = 0, pids = 0, port = 1;

	if (!amount(options.memory, sizes, &memory) || !amount(options.output, sizes, &output) ||
	    !amount(options.tmp, sizes, &tmp))
		return command_wrong(&sandbox_command, "a size is a number with KiB, MiB or GiB");
	if (!amount(options.time, times, &ms) || ms > UINT32_MAX)
		return command_wrong(&sandbox_command, "a time is a number with ms, s, m or h");
	if (!amount(options.cpus, plain, &cpus) || cpus > 1024 || !amount(options.pids, plain, &pids) ||
	    pids > 1e6)
		return command_wrong(&sandbox_command, "--cpus and --pids are numbers");
	if (!amount(options.port, plain, &port) || port < 1 || port > 65535)
		return command_wrong(&sandbox_command, "--port is a number from 1 to 65535");
	s->memory_bytes = (uint64_t)memory;
	s->output_bytes = (uint64_t)output;
	s->tmp_bytes = (uint64_t)tmp;
	s->time_ms = (uint32_t)ms;
	s->cpu_percent = (uint32_t)(cpus * 100);
	s->pids = (uint32_t)pids;
	s->port = options.port ? (uint16_t)port : 0;
	s->gpu = options.gpu;
	return 0;
}

static int choose_user(struct plan_sandbox *s)
{
	const struct passwd *user = options.user ? getpwnam(options.user) : NULL;

	if (options.user && (!user || !user->pw_uid))
		return command_wrong(&sandbox_command, "--user %s: an existing user that is not root",
		                     options.user);
	if (user && geteuid() != 0 && user->pw_uid != geteuid())
		return command_wrong(&sandbox_command, "--user is for root");
	s->user = user ? user->pw_uid : 0;
	s->group = user ? user->pw_gid : 0;
	return 0;
}

static int cannot(const char *what)
{
	fprintf(stderr, "understudy: sandbox: %s: %s\n", what, strerror(errno));
	return 3;
}

static int read_words(const struct words *command, struct plan_sandbox *s)
{
	bool room = true;

	if (options.health && options.health[0] != '/')
		return command_wrong(&sandbox_command, "--health is a path, such as /v2/health/ready");
	room &= (size_t)snprintf(s->health, sizeof s->health, "%s", options.health ? options.health : "") <
	        sizeof s->health;
	for (unsigned i = 0; i < options.ro_count; i++) {
		char *path = realpath(options.ro[i], NULL);

		if (!path)
			return cannot(options.ro[i]);
		if (!config_sandbox_can_bind(path))
			return command_wrong(&sandbox_command, "--ro %s would lay the host open",
			                     options.ro[i]);
		room &= plan_words_add(&s->ro, path);
		free(path);
	}
	for (unsigned i = 0; i < options.env_count; i++) {
		const char *value = strchr(options.env[i], '=') ? "" : getenv(options.env[i]);
		char text[SANDBOX_TEXT_BYTES];

		if (!value)
			return command_wrong(&sandbox_command, "--env %s: it is not set here",
			                     options.env[i]);
		room &= (size_t)snprintf(text, sizeof text, "%s%s%s", options.env[i],
		                         strchr(options.env[i], '=') ? "" : "=", value) < sizeof text;
		room &= plan_words_add(&s->env, text);
	}
	for (unsigned i = 0; i < command->count; i++)
		room &= plan_words_add(&s->command, command->at[i]);
	return room ? 0
	            : command_wrong(&sandbox_command, "COMMAND, --ro and --env hold %d bytes each",
	                            SANDBOX_TEXT_BYTES);
}

static int read_options(const struct words *command, struct plan_sandbox *s)
{
	int status = read_amounts(s);

	if (!status && !options.socket)
		status = command_wrong(&sandbox_command, "--socket PATH is expected");
	if (!status)
		status = choose_user(s);
	return status ? status : read_words(command, s);
}

/* --- the run --- */

static void say(void *arg, struct span text)
{
	(void)arg;
	(void)!write(STDERR_FILENO, text.data, text.len);
}

/* Until it ends, its time is over, or somebody stops us. The exit status. */
static int watch(struct sandbox *s)
{
	bool told = false;

	while (sandbox_watch(s, -1, say, NULL) && !stopped_by) {
		if (s->ready && !told)
			fprintf(stderr, "understudy: sandbox: the candidate is ready\n");
		told = s->ready;
	}
	if (stopped_by)
		return stopped_by == SIGINT ? 130 : 0;
	if (!s->time_over)
		return s->status;
	fprintf(stderr, "understudy: sandbox: its time is over\n");
	return TIME_OVER;
}

static int keep(const struct plan_sandbox *spec, int listener, int self)
{
	struct sandbox s;
	int status;

	if (sandbox_start(&s, spec, listener, self))
		return cannot("cannot begin");
	fprintf(stderr, "understudy: sandbox: %s; limits by %s\n", options.socket,
	        *s.cage.how ? s.cage.how : "nothing");
	status = watch(&s);
	sandbox_stop(&s);
	return status;
}

static int run(const struct words *words)
{
	static struct plan_sandbox spec;
	struct sigaction stop = {.sa_handler = on_signal};
	int status = read_options(words, &spec), self, listener;

	if (status)
		return status;
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self == -1)
		return cannot("cannot begin");
	listener = listeners_bind_path(options.socket);
	if (listener == -1 || listen(listener, BACKLOG))
		return cannot(options.socket);
	status = keep(&spec, listener, self);
	unlink(options.socket);
	return status;
}

static const struct command_flag flags[] = {
        {.name = "--socket",
         .argument = "PATH",
         .sentence = "where it is reached: endpoints: [unix:PATH]",
         .to = &options.socket},
        {.name = "--port",
         .argument = "N",
         .sentence = "it listens on 127.0.0.1:N; left out: on the unix socket $UNDERSTUDY_SOCKET",
         .to = &options.port},
        {.name = "--health",
         .argument = "PATH",
         .sentence = "it is ready when GET of that is answered with 2xx; left out:\nwhen it takes "
                     "connections",
         .to = &options.health},
        {.name = "--ro",
         .argument = "DIR",
         .sentence = "let it read that folder, such as one of weights; may be given again, the first is "
                     "where it starts",
         .to = options.ro,
         .most = RO_MAX,
         .count = &options.ro_count},
        {.name = "--env",
         .argument = "NAME=VALUE",
         .sentence = "in its environment, which is empty else; NAME alone: as it is here",
         .to = options.env,
         .most = ENV_MAX,
         .count = &options.env_count},
        {.name = "--gpu", .sentence = "let it use graphics devices", .set = &options.gpu},
        {.name = "--user",
         .argument = "NAME",
         .sentence = "as whom it runs when root starts it",
         .value = "nobody",
         .to = &options.user},
        {.name = "--memory",
         .argument = "SIZE",
         .sentence = "of all its processes",
         .value = "4GiB",
         .to = &options.memory},
        {.name = "--cpus", .argument = "N", .sentence = "cores it may use, such as 1.5", .to = &options.cpus},
        {.name = "--pids",
         .argument = "N",
         .sentence = "processes and threads",
         .value = "512",
         .to = &options.pids},
        {.name = "--time", .argument = "D", .sentence = "it is ended then, such as 10m", .to = &options.time},
        {.name = "--output",
         .argument = "SIZE",
         .sentence = "of what it prints is passed on",
         .value = "1MiB",
         .to = &options.output},
        {.name = "--tmp",
         .argument = "SIZE",
         .sentence = "of /tmp, and of /dev/shm",
         .value = "256MiB",
         .to = &options.tmp},
        {0},
};

const struct command sandbox_command = {
        .name = "sandbox",
        .does = "start a candidate without network, behind one unix socket",
        .usage = "--socket PATH [limits] -- COMMAND...",
        .about = "In bubblewrap: namespaces of its own, /usr to read, a private /tmp, nothing inherited,\n"
                 "no other socket. Says by what it is limited: cgroup v2, v1, or rlimits.",
        .flags = flags,
        .words = "COMMAND...",
        .status = "the candidate's own; 124 its time was over, 2 usage, 3 could not run, 130 interrupted",
        .examples = "understudy sandbox --socket run/new.sock --port 9000 --ro models/ \\\n      -- python3 "
                    "serve.py\n"
                    "understudy sandbox --socket run/new.sock --memory 2GiB -- /usr/bin/server",
        .run = run,
};
