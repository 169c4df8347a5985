/* `understudy sandbox`: a candidate in bubblewrap, reached through one unix socket. */
#define _GNU_SOURCE
#include "tools/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/confine.h"
#include "proxy/listeners.h"
#include "tools/commands.h"

enum {
	RO_MAX = 16,
	ENV_MAX = 32,
	ARGS_MAX = 512,
	FIRST_FD = 3, /* the listener, this program, the filter */
	HIGH_FD = 100,
	NOBODY = 65534,
	LOOK_MS = 50,
	TIME_OVER = 124 /* as timeout(1) has it */
};

static struct {
	const char *socket, *port, *user, *memory, *cpus, *pids, *time, *output, *tmp;
	const char *ro[RO_MAX], *env[ENV_MAX];
	unsigned ro_count, env_count;
	bool gpu;
} options = {.memory = "4GiB", .pids = "512", .output = "1MiB", .tmp = "256MiB"};

struct run {
	struct sandbox_limits limits;
	uint64_t time_ms, output_bytes, tmp_bytes;
	uid_t uid; /* 0: as we are */
	gid_t gid;
	int listener, self, filter, output[2], go[2];
	struct sandbox_cage cage;
	uint64_t passed;
	pid_t keeper; /* this process */
};

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

static int read_amounts(struct run *r)
{
	static const struct unit sizes[] = {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {0}},
	                         times[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {0}},
	                         plain[] = {{"", 1}, {0}};
	double memory = 0, output = 0, tmp = 0, ms = 0, cpus = 0, pids = 0, port = 1;

	if (!amount(options.memory, sizes, &memory) || !amount(options.output, sizes, &output) ||
	    !amount(options.tmp, sizes, &tmp))
		return command_wrong(&sandbox_command, "a size is a number with KiB, MiB or GiB");
	if (!amount(options.time, times, &ms))
		return command_wrong(&sandbox_command, "a time is a number with ms, s, m or h");
	if (!amount(options.cpus, plain, &cpus) || cpus > 1024 || !amount(options.pids, plain, &pids) ||
	    pids > 1e6)
		return command_wrong(&sandbox_command, "--cpus and --pids are numbers");
	if (!amount(options.port, plain, &port) || port < 1 || port > 65535)
		return command_wrong(&sandbox_command, "--port is a number from 1 to 65535");
	r->limits = (struct sandbox_limits){(uint64_t)memory, (uint32_t)(cpus * 100), (uint32_t)pids};
	r->output_bytes = (uint64_t)output;
	r->tmp_bytes = (uint64_t)tmp;
	r->time_ms = (uint64_t)ms;
	return 0;
}

/* Root stays outside. */
static int choose_user(struct run *r)
{
	const struct passwd *user = options.user ? getpwnam(options.user) : NULL;

	if (options.user && (!user || !user->pw_uid))
		return command_wrong(&sandbox_command, "--user %s: an existing user that is not root",
		                     options.user);
	if (options.user && geteuid() != 0 && user->pw_uid != geteuid())
		return command_wrong(&sandbox_command, "--user is for root");
	if (geteuid() == 0) {
		r->uid = user ? user->pw_uid : NOBODY;
		r->gid = user ? user->pw_gid : NOBODY;
	}
	return 0;
}

/* --- what bubblewrap is told --- */

struct args {
	const char *at[ARGS_MAX + 1];
	unsigned count;
};

static void say(struct args *a, const char *first, const char *second, const char *third)
{
	const char *words[] = {first, second, third};

	for (int i = 0; i < 3 && words[i]; i++)
		if (a->count < ARGS_MAX)
			a->at[a->count++] = words[i];
}

static void say_number(struct args *a, const char *flag, uint64_t value)
{
	char *text = NULL;

	if (asprintf(&text, "%llu", (unsigned long long)value) > 0)
		say(a, flag, text, NULL);
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

static void say_files(struct args *a, const struct run *r)
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
	say_number(a, "--size", r->tmp_bytes);
	say(a, "--tmpfs", "/dev/shm", NULL);
	say_number(a, "--size", r->tmp_bytes);
	say(a, "--tmpfs", "/tmp", NULL);
	say_number(a, "--size", 1 << 20);
	say(a, "--tmpfs", "/run", NULL);
	say(a, "--dir", "/run/understudy", NULL);
	for (unsigned i = 0; i < options.ro_count; i++)
		say(a, "--ro-bind", options.ro[i], options.ro[i]);
	say(a, "--perms", "0555", NULL);
	say_number(a, "--ro-bind-data", FIRST_FD + 1);
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

static void say_environment(struct args *a)
{
	say(a, "--clearenv", NULL, NULL);
	say(a, "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin");
	say(a, "--setenv", "HOME", "/tmp");
	say(a, "--setenv", "LOGNAME", "candidate");
	say(a, "--setenv", "LANG", "C.UTF-8");
	if (options.port)
		say(a, "--setenv", "PORT", options.port);
	else
		say(a, "--setenv", "UNDERSTUDY_SOCKET", SANDBOX_SOCKET);
	for (unsigned i = 0; i < options.env_count; i++) {
		char *name = strdup(options.env[i]), *value = name ? strchr(name, '=') : NULL;

		if (value)
			*value++ = '\0';
		say(a, "--setenv", name ? name : "", value ? value : "");
	}
}

static void say_all(struct args *a, const struct run *r, const struct words *command)
{
	static char where[16];

	say(a, "bwrap", "--unshare-all", "--unshare-user");
	say(a, "--disable-userns", NULL, NULL);
	say(a, "--die-with-parent", "--new-session", NULL);
	say(a, "--uid", "65534", NULL);
	say(a, "--gid", "65534", NULL);
	say(a, "--hostname", "candidate", NULL);
	say(a, "--cap-drop", "ALL", NULL);
	say_files(a, r);
	if (options.gpu)
		say_devices(a);
	say(a, "--remount-ro", "/", NULL);
	say(a, "--chdir", options.ro_count ? options.ro[0] : "/tmp", NULL);
	say_environment(a);
	say_number(a, "--seccomp", FIRST_FD + 2);
	snprintf(where, sizeof where, ":%s", options.port ? options.port : "");
	say(a, "--", "/sandbox", "--inside");
	say(a, options.port ? where : SANDBOX_SOCKET, NULL, NULL);
	for (unsigned i = 0; i < command->count; i++)
		say(a, command->at[i], NULL, NULL);
}

/* --- outside --- */

static int cannot(const char *what)
{
	fprintf(stderr, "understudy: sandbox: %s: %s\n", what, strerror(errno));
	return 3;
}

static _Noreturn void become_bubblewrap(const struct run *r, const struct args *a)
{
	const int wanted[] = {
	        open("/dev/null", O_RDONLY), r->output[1], r->output[1], r->listener, r->self, r->filter};
	int high[6];
	char one;

	for (int i = 0; i < 6; i++)
		high[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, HIGH_FD);
	if (read(r->go[0], &one, 1) != 1)
		_exit(3);
	for (int i = 0; i < 6; i++)
		dup2(high[i], i);
	close_range(6, ~0u, 0);
	if (sandbox_cage_rlimits(&r->cage) ||
	    (r->uid &&
	     (setgroups(0, NULL) || setresgid(r->gid, r->gid, r->gid) || setresuid(r->uid, r->uid, r->uid))))
		_exit(cannot("cannot give up root"));
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* bubblewrap asks for the same, later */
	if (getppid() != r->keeper)
		_exit(3);
	execvp(a->at[0], (char *const *)a->at);
	fprintf(stderr, "understudy: sandbox: %s: %s; bubblewrap is needed: apt-get install bubblewrap\n",
	        a->at[0], strerror(errno));
	_exit(3);
}

/* What the candidate says, up to the bound; the rest is read and dropped, so that it need not wait. */
static void pass_output(struct run *r)
{
	char room[4096];
	ssize_t n;

	while ((n = read(r->output[0], room, sizeof room)) > 0) {
		uint64_t left = r->output_bytes - r->passed;
		size_t pass = (uint64_t)n < left ? (size_t)n : (size_t)left;

		if (pass)
			(void)!write(STDERR_FILENO, room, pass);
		r->passed += pass;
		if (pass && r->passed == r->output_bytes)
			fprintf(stderr,
			        "\nunderstudy: sandbox: the candidate said enough; the rest is dropped\n");
	}
}

/* Until it ends, its time is over, or somebody stops us. The exit status. */
static int watch(struct run *r, pid_t pid)
{
	uint64_t end_ns = clock_mono_ns() + r->time_ms * 1000000u;
	struct pollfd news = {.fd = r->output[0], .events = POLLIN};
	int status;

	for (;;) {
		poll(&news, 1, LOOK_MS);
		pass_output(r);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		if (!stopped_by && (!r->time_ms || clock_mono_ns() < end_ns))
			continue;
		kill(pid, SIGKILL); /* and with it all that is inside */
		waitpid(pid, &status, 0);
		if (!stopped_by)
			fprintf(stderr, "understudy: sandbox: its time is over\n");
		return !stopped_by ? TIME_OVER : stopped_by == SIGINT ? 130 : 0;
	}
}

static int start(struct run *r, const struct args *a)
{
	int status = 3;
	pid_t pid;

	r->keeper = getpid();
	sandbox_cage_make(&r->cage, &r->limits);
	fprintf(stderr, "understudy: sandbox: %s; limits by %s\n", options.socket,
	        *r->cage.how ? r->cage.how : "nothing");
	pid = fork();
	if (pid == 0)
		become_bubblewrap(r, a);
	close(r->output[1]);
	if (pid < 0 || sandbox_cage_put(&r->cage, pid))
		cannot("cannot put it into its group");
	else if (write(r->go[1], "1", 1) == 1)
		status = watch(r, pid);
	if (pid > 0 && status == 3) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	pass_output(r);
	sandbox_cage_remove(&r->cage);
	return status;
}

static int run(const struct words *words)
{
	static struct run r;
	static struct args args;
	struct sigaction stop = {.sa_handler = on_signal};
	int status = read_amounts(&r);

	if (!status && !options.socket)
		status = command_wrong(&sandbox_command, "--socket PATH is expected");
	if (!status)
		status = choose_user(&r);
	if (status)
		return status;
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	r.self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (r.self == -1 || confine_filter(&r.filter) || pipe2(r.output, O_CLOEXEC) || pipe2(r.go, O_CLOEXEC))
		return cannot("cannot begin");
	fcntl(r.output[0], F_SETFL, O_NONBLOCK);
	r.listener = listeners_bind_path(options.socket);
	if (r.listener == -1 || listen(r.listener, 512))
		return cannot(options.socket);
	say_all(&args, &r, words);
	status = start(&r, &args);
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
        {.name = "--ro",
         .argument = "DIR",
         .sentence = "let it read that folder, such as one of weights; may be given again, the first is "
                     "where it starts",
         .to = options.ro,
         .most = RO_MAX,
         .count = &options.ro_count},
        {.name = "--env",
         .argument = "NAME=VALUE",
         .sentence = "in its environment, which is empty else",
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
