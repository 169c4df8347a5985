/*
 * prove.c - `understudy prove`: what the running roles hold, seen from outside through /proc, and whether
 * that keeps the promises: no way back from a candidate, nothing unmasked beyond the masker, walls around
 * all.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/names.h"
#include "proto/base/confine.h"
#include "tools/commands.h"
#include "tools/control_find.h"
#include "tools/filters.h"
#include "tools/running.h"
#include "tools/sockets.h"

enum { KEYS_MAX = 32, TEXT = 512 };

static struct {
	const char *config, *socket;
} options;

struct held { /* by one role */
	unsigned descriptors, clients, live, candidates, other, listening;
};

static struct {
	const struct plan *plan;
	struct sockets sockets;
	struct key {
		unsigned long inode;
		bool masks; /* held by who masks; else by workers */
	} keys[KEYS_MAX];
	unsigned key_count;
	unsigned broken;
	bool unseen; /* the kernel does not show filters */
} proof;

__attribute__((format(printf, 2, 3))) static void broken(const char *role, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("BROKEN  %s ", role);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	proof.broken++;
}

/* --- what may be where --- */

/* Memory that only some may hold: by the name that the kernel knows it by. */
static const struct {
	const char *memory, *holders;
} secrets[] = {
        {"raw.", " worker masker "},          {"mask-key", " masker answers "},
        {"gazetteer", " masker answers "},    {"sample-key", " worker "},
        {"ticket-key", " worker "},           {"answers", " shadow answers "},
        {"shadow", " masker shadow player "}, {"recorder", " masker recorder "},
};

static bool one_of(const char *role, const char *holders)
{
	char word[40];

	snprintf(word, sizeof word, " %s ", role);
	return strstr(holders, word);
}

/* Keys have no names: of whoever holds one, only the two that mask share it, and workers have others. */
static void judge_key(const char *role, unsigned long inode)
{
	bool masks = one_of(role, " masker answers ");

	if (!masks && !one_of(role, " worker ")) {
		broken(role, "holds a key");
		return;
	}
	for (unsigned i = 0; i < proof.key_count; i++)
		if (proof.keys[i].inode == inode) {
			if (proof.keys[i].masks != masks)
				broken(role, "holds a key that is for %s only",
				       masks ? "workers" : "maskers");
			return;
		}
	if (proof.key_count < KEYS_MAX)
		proof.keys[proof.key_count++] = (struct key){inode, masks};
}

static void judge_memory(const char *role, const char *name)
{
	for (unsigned i = 0; i < sizeof secrets / sizeof *secrets; i++)
		if (!strncmp(name, secrets[i].memory, strlen(secrets[i].memory)) &&
		    !one_of(role, secrets[i].holders))
			broken(role, "holds the memory '%s', which is for%sonly", name, secrets[i].holders);
}

static bool is_among(const struct plan_endpoint *e, const struct socket_end *end)
{
	struct in6_addr at;

	if (e->port != end->port)
		return false;
	return name_needed(e) || (name_numeric(e->address, &at) && !memcmp(&at, &end->address, sizeof at));
}

static void judge_socket(const char *role, unsigned long inode, struct held *h)
{
	const struct socket_row *s = sockets_find(&proof.sockets, inode);
	const struct plan *p = proof.plan;

	h->listening += s && s->listening;
	if (!s || s->listening)
		return;
	for (unsigned i = 0; i < p->listen_count; i++)
		if (s->local.port == p->listen[i].at.port) {
			h->clients++;
			return;
		}
	for (unsigned r = 0; r < p->route_count; r++) {
		for (unsigned i = 0; i < p->routes[r].live.endpoint_count; i++)
			if (is_among(&p->routes[r].live.endpoints[i], &s->remote)) {
				h->live++;
				return;
			}
		for (unsigned i = 0; i < p->routes[r].candidate_count; i++)
			if (is_among(&p->routes[r].candidates[i].endpoint, &s->remote)) {
				h->candidates++;
				return;
			}
	}
	h->other++;
	if (!one_of(role, " control resolver "))
		broken(role, "is connected to somebody who is %s: port %u",
		       one_of(role, " worker ") ? "neither client nor live" : "no candidate", s->remote.port);
}

static void judge_file(const char *role, const char *path)
{
	if (one_of(role, " judge recorder control player worker shadow launcher keeper recogniser ") ||
	    !strcmp(path, "/dev/null"))
		return;
	broken(role, "has the file %s open", path);
}

static void judge_descriptor(const char *role, int fd, const struct stat *st, const char *link,
                             struct held *h)
{
	unsigned long inode;
	char name[64];

	h->descriptors++;
	if (sscanf(link, "/memfd:%63[^ ]", name) == 1)
		judge_memory(role, name);
	else if (sscanf(link, "socket:[%lu]", &inode) == 1)
		judge_socket(role, inode, h);
	else if (!strncmp(link, "/secretmem", 10))
		judge_key(role, st->st_ino);
	else if (link[0] == '/' && fd > STDERR_FILENO && strncmp(link, "/dev/shm/understudy-", 20))
		judge_file(role, link);
}

static void judge_sockets(const char *role, const struct held *h)
{
	if (h->clients && h->candidates)
		broken(role, "holds clients and candidates: there is a way back");
	if (h->clients && !one_of(role, " worker control "))
		broken(role, "holds %u client sockets", h->clients);
	if (h->candidates && !one_of(role, " shadow dialer "))
		broken(role, "holds %u candidate sockets", h->candidates);
	if (h->listening && !one_of(role, " worker control "))
		broken(role, "listens");
}

/* --- /proc --- */

/* Those who start programs that nobody knows: the launcher as whom the proxy runs, keepers with what it takes
 * to start, end and limit another user's. */
static bool starts_strangers(const char *role)
{
	return one_of(role, " launcher keeper recogniser ");
}

static uint64_t capabilities_of(const char *role)
{
	return !strcmp(role, "launcher") ? UINT64_MAX
	       : starts_strangers(role)
	               ? 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL | 1u << CAP_DAC_OVERRIDE
	               : 0;
}

static void judge_walls(const char *role, const char *status, char uid[16])
{
	static const char *const none[] = {"\nCapEff:\t", "\nCapPrm:\t", "\nCapInh:\t", "\nCapBnd:\t",
	                                   "\nCapAmb:\t"};

	snprintf(uid, 16, "%.*s", (int)strspn(running_value(status, "\nUid:\t"), "0123456789"),
	         running_value(status, "\nUid:\t"));
	if (atoi(running_value(status, "\nSeccomp:\t")) != 2 && confine_has_seccomp())
		broken(role, "has no system call filter");
	if (atoi(running_value(status, "\nNoNewPrivs:\t")) != 1)
		broken(role, "could gain privileges");
	for (unsigned i = 0; i < (unsigned)(sizeof none / sizeof *none); i++)
		if ((strtoull(running_value(status, none[i]), NULL, 16) & ~capabilities_of(role)) &&
		    (i != 3 || !strcmp(uid, "0")))
			broken(role, "has capabilities left");
}

/* Calls by which a role could leave its place, and who may make them. */
static const struct {
	const char *name;
	int number;
	uint64_t args[6];
	const char *callers;
} calls[] = {
        {"socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}, " worker dialer resolver "},
        {"unix", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}, " worker dialer resolver "},
        {"packet", SYS_socket, {AF_PACKET, SOCK_RAW, 0}, " resolver "},
        {"connect", SYS_connect, {0}, " worker dialer resolver "},
        {"bind", SYS_bind, {0}, " resolver "},
        {"listen", SYS_listen, {0}, ""},
        {"accept", SYS_accept4, {0}, " worker control "},
        {"send-to", SYS_sendto, {3, 0, 0, 0, 1}, " resolver "},
        {"open", SYS_openat, {0}, " judge player resolver "},
        {"make", SYS_openat, {0, 0, O_CREAT | O_EXCL}, " judge recorder player resolver "},
        {"fork", SYS_clone, {SIGCHLD}, " recorder "},
        {"exec", SYS_execve, {0}, ""},
        {"kill", SYS_kill, {1, SIGKILL}, ""},
        {"ptrace", SYS_ptrace, {0}, ""},
        {"mount", SYS_mount, {0}, ""},
        {"keyctl", SYS_keyctl, {0}, ""},
        {"bpf", SYS_bpf, {0}, ""},
        {"setuid", SYS_setuid, {0}, ""},
        {"code", SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}, " resolver "},
};

static void judge_calls(const char *role, int pid, bool filtered, char may[TEXT])
{
	struct filters filters;
	int err = filters_read(&filters, pid);

	*may = '\0';
	if (err == ERR_UNSUPPORTED && !filtered) {
		err = 0; /* there is none */
	} else if (err == ERR_UNSUPPORTED) {
		proof.unseen = true;
		return;
	}
	if (err)
		return; /* it left meanwhile */
	for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
		if (!filters_allow(&filters, calls[i].number, calls[i].args))
			continue;
		snprintf(may + strlen(may), TEXT - strlen(may), " %s", calls[i].name);
		if (!CONFINE_LOOSE && !one_of(role, calls[i].callers) &&
		    !(starts_strangers(role) && !one_of(calls[i].name, " ptrace keyctl bpf ")))
			broken(role, "may call %s", calls[i].name);
	}
	filters_free(&filters);
}

static void judge_role(int pid, const char *role, const char *index)
{
	static char status[8192];
	struct held h = {0};
	char path[300], link[TEXT], may[TEXT], uid[16] = "", who[48];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	d = opendir(path);
	if (!d || !running_text(pid, "status", status, sizeof status)) {
		if (d)
			closedir(d);
		return; /* it left meanwhile */
	}
	while ((e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);
		struct stat st;

		if (n > 0 && fstatat(dirfd(d), e->d_name, &st, 0) == 0) {
			link[n] = '\0';
			judge_descriptor(role, atoi(e->d_name), &st, link, &h);
		}
	}
	closedir(d);
	judge_walls(role, status, uid);
	judge_sockets(role, &h);
	judge_calls(role, pid, atoi(running_value(status, "\nSeccomp:\t")), may);
	snprintf(who, sizeof who, "%s.%s", role, index);
	printf("%-12s %7d %6s %7d %11u %9u %8u %5u %10u %6u %s\n", who, pid, uid,
	       atoi(running_value(status, "\nSeccomp_filters:\t")), h.descriptors, h.listening, h.clients,
	       h.live, h.candidates, h.other, may);
}

/* --- sandboxes --- */

static int parent_id(int pid)
{
	static char status[8192];

	return running_text(pid, "status", status, sizeof status) ? atoi(running_value(status, "\nPPid:\t"))
	                                                          : 0;
}

/* 0: not below a keeper of that proxy. Chains of processes end. */
static int keeper_above(int pid, int parent)
{
	static const char start[] = "understudy\0--role\0";
	char words[TEXT] = "";

	for (int depth = 0; pid > 1 && depth < 64; depth++) {
		if (parent_id(pid) == parent)
			return running_text(pid, "cmdline", words, sizeof words) &&
			                       !memcmp(words, start, sizeof start - 1) &&
			                       (!strcmp(words + sizeof start - 1, "keeper") ||
			                        !strcmp(words + sizeof start - 1, "recogniser"))
			               ? pid
			               : 0;
		pid = parent_id(pid);
	}
	return 0;
}

/* Of a process inside: its name spaces are not ours, and it is filtered and without privileges. */
static void judge_inside(int pid)
{
	static const char *const spaces[] = {"net", "pid", "mnt", "user", "ipc", "uts"};
	static char status[8192];
	char path[64], theirs[64], ours[64], who[32];

	snprintf(who, sizeof who, "sandboxed %d", pid);
	for (unsigned i = 0; i < sizeof spaces / sizeof *spaces; i++) {
		ssize_t n, m;

		snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, spaces[i]);
		n = readlink(path, theirs, sizeof theirs);
		snprintf(path, sizeof path, "/proc/self/ns/%s", spaces[i]);
		m = readlink(path, ours, sizeof ours);
		if (n > 0 && n == m && !memcmp(theirs, ours, (size_t)n))
			broken(who, "shares the host's %s name space", spaces[i]);
	}
	if (!running_text(pid, "status", status, sizeof status))
		return;
	if (strtoull(running_value(status, "\nCapEff:\t"), NULL, 16) ||
	    atoi(running_value(status, "\nNoNewPrivs:\t")) != 1 ||
	    atoi(running_value(status, "\nSeccomp:\t")) != 2)
		broken(who, "has capabilities, or no filter");
}

/* Beside bubblewrap's own process, which stays outside to wait. */
static unsigned judge_sandboxes(int parent)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned found = 0;

	while (d && (e = readdir(d))) {
		int pid = atoi(e->d_name), keeper = pid > 0 ? keeper_above(pid, parent) : 0;

		if (!keeper || keeper == pid || parent_id(pid) == keeper)
			continue;
		judge_inside(pid);
		found++;
	}
	if (d)
		closedir(d);
	return found;
}

/* The parent starts roles; it looks into none of their memory. */
static void judge_parent(int pid)
{
	static char line[1024];
	char path[64];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		const char *name = strstr(line, "/memfd:");

		if (name && (!strncmp(name + 7, "raw.", 4) || !strncmp(name + 7, "answers", 7)))
			broken("parent", "maps a ring");
	}
	if (f)
		fclose(f);
}

static void judge(void *arg, int pid, const char *role, const char *index)
{
	(void)arg;
	judge_role(pid, role, index);
}

/* --- the running proxy --- */

/* Its plan, out of its descriptors: the newest. */
static int plan_of(int parent)
{
	char path[64], link[TEXT];
	int err = ERR_SYS;

	for (int fd = 0; fd < 1024; fd++) {
		const struct plan *plan;
		ssize_t n;
		int plan_fd;

		snprintf(path, sizeof path, "/proc/%d/fd/%d", parent, fd);
		n = readlink(path, link, sizeof link - 1);
		link[n > 0 ? n : 0] = '\0';
		if (strncmp(link, "/memfd:plan ", 12))
			continue;
		plan_fd = open(path, O_RDONLY | O_CLOEXEC);
		if (plan_fd != -1 && plan_map(plan_fd, &plan) == 0) {
			err = 0;
			if (!proof.plan || plan->generation > proof.plan->generation)
				proof.plan = plan;
		}
		if (plan_fd != -1)
			close(plan_fd);
	}
	return err;
}

static int cannot(const char *what)
{
	fprintf(stderr, "understudy: prove: %s\n", what);
	return 3;
}

static int run(const struct words *words)
{
	char path[PATH_MAX_BYTES];
	int status, parent;
	unsigned inside;

	(void)words;
	if (geteuid() != 0)
		return cannot("only root sees what a role holds");
	status = control_find(&prove_command, options.socket, options.config, path);
	if (status)
		return status;
	parent = running_parent(path);
	if (!parent || plan_of(parent) || sockets_read(&proof.sockets, parent))
		return cannot("no proxy of this version answers there");
	printf("%-12s %7s %6s %7s %11s %9s %8s %5s %10s %6s  %s\n", "role", "pid", "uid", "filters",
	       "descriptors", "listening", "clients", "live", "candidates", "others", "may");
	judge_parent(parent);
	if (!running_each(parent, judge, NULL))
		return cannot("it has no roles");
	inside = judge_sandboxes(parent);
	if (inside)
		printf("sandboxes: %u processes inside\n", inside);
	sockets_free(&proof.sockets);
	if (CONFINE_LOOSE)
		puts("a build for tests: its roles are confined loosely");
	if (proof.unseen)
		puts("what the filters say is not shown by this kernel (CONFIG_CHECKPOINT_RESTORE)");
	if (proof.broken)
		printf("%u findings against the promises\n", proof.broken);
	else
		puts("no way back: no process holds clients and candidates\n"
		     "masked or gone: raw rings and keys are where they belong, and nowhere else\n"
		     "walls: every role is filtered and without privileges");
	return proof.broken ? 1 : 0;
}

static const struct command_flag flags[] = {
        CONTROL_FLAGS(&options.config, &options.socket),
        {0},
};

const struct command prove_command = {
        .name = "prove",
        .does = "look at running roles from outside: what they hold, what keeps them",
        .usage = "[-c FILE | --control SOCKET]",
        .about = "One line a role: its user, how many filters its system calls pass, whom its\n"
                 "sockets lead to, and which of the calls that matter the filters let through.\n"
                 "Then whether the promises hold: who has clients has no candidate, nobody beyond\n"
                 "the masker has unmasked memory or a key, everybody is confined.\n"
                 "Needs root; each role stands still for some tens of microseconds.",
        .flags = flags,
        .status = "0 the promises hold, 1 one is broken, 2 usage, 3 could not tell",
        .examples = "understudy prove\n"
                    "understudy prove --control /run/understudy/understudy.sock",
        .run = run,
};
