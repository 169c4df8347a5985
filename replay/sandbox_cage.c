/* Memory, cpu and pids of a sandbox: cgroup v2 where it has the controllers, else v1, else rlimits. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "replay/sandbox.h"

#define GROUP "understudy-sandbox-"
enum { CPU_PERIOD_US = 100000, REMOVE_TRIES = 100 };

static int put(const char *folder, const char *file, unsigned long long value)
{
	char path[400], text[32];
	int fd, n = snprintf(text, sizeof text, "%llu", value), err = ERR_SYS;

	snprintf(path, sizeof path, "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd != -1 && write(fd, text, (size_t)n) == n)
		err = 0;
	if (fd != -1)
		close(fd);
	return err;
}

static int put_text(const char *folder, const char *file, const char *text)
{
	char path[400];
	int fd, err = ERR_SYS;

	snprintf(path, sizeof path, "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		err = 0;
	if (fd != -1)
		close(fd);
	return err;
}

/* Groups whose keeper was killed; those that are in use stay. */
static void sweep(const char *folder)
{
	char pattern[300];
	glob_t found = {0};

	snprintf(pattern, sizeof pattern, "%s" GROUP "*", folder);
	glob(pattern, 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (kill(atoi(strrchr(found.gl_pathv[i], '-') + 1), 0) == -1 && errno == ESRCH)
			rmdir(found.gl_pathv[i]);
	globfree(&found);
}

/* A folder of our own below where we are in that tree ("0::" is version 2's), or at its root. */
static int make_group(struct sandbox_cage *c, const char *mounted, const char *tree)
{
	char line[512], *group = c->groups[c->group_count];
	const char *below = "";
	FILE *f = fopen("/proc/self/cgroup", "re");

	while (f && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strstr(line, tree) && strrchr(line, ':')) {
			below = strrchr(line, ':') + 1;
			break;
		}
	}
	if (f)
		fclose(f);
	for (int i = 0; i < 2; i++, below = "") {
		int n = snprintf(group, sizeof c->groups[0], "%s%s%s", mounted, below,
		                 *below && below[strlen(below) - 1] == '/' ? "" : "/");

		if (n >= (int)sizeof c->groups[0])
			continue;
		sweep(group);
		n += snprintf(group + n, sizeof c->groups[0] - (size_t)n, GROUP "%d", (int)getpid());
		if (n < (int)sizeof c->groups[0] && mkdir(group, 0755) == 0)
			return 0;
	}
	return ERR_SYS;
}

static int limit_v2(const struct sandbox_cage *c, const char *group)
{
	const struct sandbox_limits *l = &c->limits;
	char cpu[48];

	snprintf(cpu, sizeof cpu, "%u %u", l->cpu_percent * (CPU_PERIOD_US / 100), CPU_PERIOD_US);
	if ((l->memory_bytes && put(group, "memory.max", l->memory_bytes)) ||
	    (l->cpu_percent && put_text(group, "cpu.max", cpu)) ||
	    (l->pids && put(group, "pids.max", l->pids)))
		return ERR_SYS;
	if (l->memory_bytes)
		(void)!put(group, "memory.swap.max", 0); /* a kernel may have no swap */
	return 0;
}

/* All or nothing. */
static bool cage_v2(struct sandbox_cage *c)
{
	if (access("/sys/fs/cgroup/cgroup.controllers", R_OK) || make_group(c, "/sys/fs/cgroup", "0::"))
		return false;
	if (limit_v2(c, c->groups[0]) == 0) {
		c->group_count = 1;
		c->rest = (struct sandbox_limits){0};
		snprintf(c->how, sizeof c->how, "cgroup v2");
		return true;
	}
	rmdir(c->groups[0]);
	return false;
}

static bool limit_v1(struct sandbox_cage *c, const char *controller, const char *tree, const char *file,
                     unsigned long long value)
{
	char mounted[64];
	const char *group = c->groups[c->group_count];

	snprintf(mounted, sizeof mounted, "/sys/fs/cgroup/%s", controller);
	if (!value || make_group(c, mounted, tree))
		return false;
	if (put(group, file, value)) {
		rmdir(group);
		return false;
	}
	c->group_count++;
	snprintf(c->how + strlen(c->how), sizeof c->how - strlen(c->how), "%s%s",
	         *c->how ? ", " : "cgroup v1 (", controller);
	return true;
}

static void cage_v1(struct sandbox_cage *c)
{
	const struct sandbox_limits *l = &c->limits;

	if (limit_v1(c, "memory", ":memory:", "memory.limit_in_bytes", l->memory_bytes)) {
		/* swap too, where it is counted */
		(void)!put(c->groups[c->group_count - 1], "memory.memsw.limit_in_bytes", l->memory_bytes);
		c->rest.memory_bytes = 0;
	}
	if (limit_v1(c, "cpu", ":cpu", "cpu.cfs_quota_us",
	             (unsigned long long)l->cpu_percent * (CPU_PERIOD_US / 100)))
		c->rest.cpu_percent = 0;
	if (limit_v1(c, "pids", ":pids:", "pids.max", l->pids))
		c->rest.pids = 0;
	if (*c->how)
		strcat(c->how, ")");
}

void sandbox_cage_make(struct sandbox_cage *c, const struct sandbox_limits *limits)
{
	const char *link;

	*c = (struct sandbox_cage){.limits = *limits, .rest = *limits};
	if (!cage_v2(c))
		cage_v1(c);
	link = *c->how ? ", " : "";
	if (c->rest.memory_bytes || c->rest.pids)
		snprintf(c->how + strlen(c->how), sizeof c->how - strlen(c->how), "%srlimits (%s%s%s)", link,
		         c->rest.memory_bytes ? "memory of each process" : "",
		         c->rest.memory_bytes && c->rest.pids ? ", " : "",
		         c->rest.pids ? "processes of its user" : "");
	link = *c->how ? ", " : "";
	if (c->rest.cpu_percent)
		snprintf(c->how + strlen(c->how), sizeof c->how - strlen(c->how), "%scpu not limited", link);
}

int sandbox_cage_put(const struct sandbox_cage *c, pid_t pid)
{
	for (unsigned i = 0; i < c->group_count; i++)
		if (put(c->groups[i], "cgroup.procs", (unsigned long long)pid))
			return ERR_SYS;
	return 0;
}

int sandbox_cage_rlimits(const struct sandbox_cage *c)
{
	struct rlimit memory = {c->rest.memory_bytes, c->rest.memory_bytes},
	              pids = {c->rest.pids, c->rest.pids}, none = {0, 0};

	if ((c->rest.memory_bytes && setrlimit(RLIMIT_AS, &memory)) ||
	    (c->rest.pids && setrlimit(RLIMIT_NPROC, &pids)) || setrlimit(RLIMIT_CORE, &none))
		return ERR_SYS;
	return 0;
}

void sandbox_cage_remove(struct sandbox_cage *c)
{
	const struct timespec nap = {0, 20000000};

	for (unsigned i = 0; i < c->group_count; i++) {
		(void)!put(c->groups[i], "cgroup.kill", 1);
		for (int n = 0; n < REMOVE_TRIES && rmdir(c->groups[i]) == -1 && errno == EBUSY; n++)
			nanosleep(&nap, NULL);
	}
	c->group_count = 0;
}
