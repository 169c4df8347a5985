/* What of this machine the program builds on is in force: asked of the kernel, not of its version. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/sealed.h"
#include "capture/secret.h"
#include "proto/base/clock.h"
#include "proto/base/confine.h"
#include "tools/doctor.h"

enum { FILES_WANTED = 65536, BACKLOG_WANTED = 4096, WORKER_OOM = -500, CLOCK_READS = 1000, NOBODY = 65534 };

/* The first line of a small file, without its end; false: it cannot be read. */
static bool line_of(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	bool read = f && fgets(out, (int)size, f);

	if (f)
		fclose(f);
	if (read)
		out[strcspn(out, "\n")] = '\0';
	return read;
}

static void kernel(struct doctor *d)
{
	struct utsname u;

	if (uname(&u) == 0)
		doctor_note(d, FINDING_OK, "kernel", NULL, "%s %s on %s", u.sysname, u.release, u.machine);
}

static void memfd(struct doctor *d)
{
	int fd = -1;
	size_t bytes = 0;
	bool sealed = !sealed_create("doctor", 4096, SPAN("x"), 0, &fd) && !sealed_size(fd, &bytes) &&
	              ftruncate(fd, 1) == -1;

	doctor_note(d, sealed ? FINDING_OK : FINDING_FAIL, "memfd",
	            "memory between roles cannot be sealed: a kernel with memfd_create(2) is needed", "%s",
	            sealed ? "sealed memory keeps its size" : strerror(errno));
	if (fd != -1)
		close(fd);
}

static bool swaps(void)
{
	char line[256];
	FILE *f = fopen("/proc/swaps", "re");
	bool any = f && fgets(line, sizeof line, f) && fgets(line, sizeof line, f);

	if (f)
		fclose(f);
	return any;
}

static void keys(struct doctor *d)
{
	bool offered = secret_is_offered(), swap = swaps();

	doctor_note(d, offered && !swap ? FINDING_OK : FINDING_WARN, "keys",
	            swap ? "what libraries derive of keys could be swapped out: encrypt swap, or "
	                   "MemorySwapMax=0"
	                 : "secretmem.enable=1 and a RLIMIT_MEMLOCK of 64 KiB hide them from the kernel, too",
	            "in no dump; %s; %s",
	            offered ? "in secret memory (memfd_secret)" : "locked in memory (mlock)",
	            swap ? "there is swap" : "no swap");
}

static void close_ranges(struct doctor *d)
{
	bool there = syscall(SYS_close_range, ~0u, ~0u, 0) == 0;

	doctor_note(d, there ? FINDING_OK : FINDING_FAIL, "close_range",
	            "a role could inherit what it must not hold: Linux 5.9 or a newer seccomp profile", "%s",
	            there ? "roles hold their own descriptors only" : strerror(errno));
}

static void landlock(struct doctor *d)
{
	int abi = confine_landlock_abi();

	if (abi >= 4)
		doctor_note(d, FINDING_OK, "landlock", NULL,
		            "ABI %d: roles are held to their files and TCP ports%s", abi,
		            abi >= 6 ? ", and send no signals" : "");
	else if (abi)
		doctor_note(d, FINDING_WARN, "landlock",
		            "the worker could reach a candidate's port: Linux 6.7 holds it to live ones",
		            "ABI %d: roles are held to their files, not to ports", abi);
	else
		doctor_note(
		        d, FINDING_WARN, "landlock",
		        "judge and recorder are not kept to the run directory, nor workers to live ports: "
		        "boot with landlock in lsm=",
		        "%s", strerror(errno));
}

static void seccomp(struct doctor *d)
{
	bool there = confine_has_seccomp();

	doctor_note(d, there ? FINDING_OK : FINDING_WARN, "seccomp",
	            "roles are not kept from system calls: CONFIG_SECCOMP_FILTER is needed", "%s",
	            there ? "each role has the system calls of its own, no others" : strerror(errno));
}

static void cgroup(struct doctor *d)
{
	bool second = access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0;

	doctor_note(d, second ? FINDING_OK : FINDING_WARN, "cgroup",
	            "memory limits count the rings to whoever touches them first: use version 2",
	            second ? "version 2" : "no version 2 at /sys/fs/cgroup");
}

/* The parent raises the soft limit to the hard one. */
static void descriptors(struct doctor *d)
{
	struct rlimit r = {0};

	getrlimit(RLIMIT_NOFILE, &r);
	doctor_note(d, r.rlim_max >= FILES_WANTED ? FINDING_OK : FINDING_WARN, "descriptors",
	            "raise LimitNOFILE= or ulimit -Hn; a connection takes one, and one to live",
	            "at most %llu a process", (unsigned long long)r.rlim_max);
}

static bool write_score(const char *text)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	bool done = fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd != -1)
		close(fd);
	return done;
}

static void oom(struct doctor *d)
{
	char before[32] = "0", wanted[32];
	bool lowered;

	line_of("/proc/self/oom_score_adj", before, sizeof before);
	snprintf(wanted, sizeof wanted, "%d", WORKER_OOM);
	lowered = strtol(before, NULL, 10) <= WORKER_OOM || write_score(wanted);
	doctor_note(d, lowered ? FINDING_OK : FINDING_WARN, "oom_score_adj",
	            "workers cannot be spared when memory is short: OOMScoreAdjust=-500 or CAP_SYS_RESOURCE",
	            "%s; it is %s here", lowered ? "can be lowered" : "cannot be lowered", before);
}

static void backlog(struct doctor *d)
{
	char text[32] = "0";

	line_of("/proc/sys/net/core/somaxconn", text, sizeof text);
	doctor_note(d, strtol(text, NULL, 10) >= BACKLOG_WANTED ? FINDING_OK : FINDING_WARN, "somaxconn",
	            "a burst of clients is refused earlier: sysctl net.core.somaxconn=4096", "%s", text);
}

static void ipv6(struct doctor *d)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool there = fd != -1 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;

	doctor_note(d, there ? FINDING_OK : FINDING_WARN, "ipv6", "listen on IPv4 addresses only", "%s",
	            there ? "[::1] can be listened on" : strerror(errno));
	if (fd != -1)
		close(fd);
}

/* Each exchange takes a dozen readings of the clock. */
static void time_source(struct doctor *d)
{
	char name[64] = "unknown";
	uint64_t begun = clock_mono_ns(), ns;

	for (int i = 0; i < CLOCK_READS; i++)
		clock_mono_ns();
	ns = (clock_mono_ns() - begun) / CLOCK_READS;
	line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource", name, sizeof name);
	doctor_note(d, ns < 500 ? FINDING_OK : FINDING_WARN, "time source",
	            "times cost much: use tsc, or what the hypervisor offers", "%s, %llu ns a reading", name,
	            (unsigned long long)ns);
}

static void cpus(struct doctor *d)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	char quota[64] = "";

	line_of("/sys/fs/cgroup/cpu.max", quota, sizeof quota);
	doctor_note(d, n > 1 ? FINDING_OK : FINDING_WARN, "cpus",
	            "copies take time from the live path: give it two", "%d%s%s", n,
	            *quota ? ", cpu.max " : "", quota);
}

/* Told because people ask: records are sealed by the workers either way. */
static void ktls(struct doctor *d)
{
	char names[256] = "";

	line_of("/proc/sys/net/ipv4/tcp_available_ulp", names, sizeof names);
	doctor_note(d, FINDING_OK, "ktls", NULL, "%s; TLS is done in the workers",
	            strstr(names, "tls") ? "offered, not used" : "not offered");
}

/* Tried as a sandbox would do it: root gives itself up first. Its exit status; 127: it is not there. */
static int try_bubblewrap(void)
{
	pid_t pid = fork();
	int status = -1, fd;

	if (pid == 0) {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		if (geteuid() == 0 &&
		    (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
			_exit(126);
		execlp("bwrap", "bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--ro-bind",
		       "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
		       "--proc", "/proc", "/usr/bin/true", (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void sandbox(struct doctor *d)
{
	int status = try_bubblewrap();

	doctor_note(d, status == 0 ? FINDING_OK : FINDING_WARN, "sandbox",
	            status == 127 ? "no candidate can be contained: apt-get install bubblewrap"
	                          : "no candidate can be contained: user namespaces are needed "
	                            "(kernel.unprivileged_userns_clone, or the container's seccomp profile)",
	            "%s",
	            status == 0     ? "bubblewrap starts candidates in namespaces of their own"
	            : status == 127 ? "bubblewrap is not there"
	                            : "bubblewrap cannot make namespaces");
}

void doctor_machine(struct doctor *d)
{
	static void (*const checks[])(struct doctor *) = {
	        kernel, memfd,   keys, close_ranges, landlock, seccomp, cgroup,  descriptors,
	        oom,    backlog, ipv6, time_source,  cpus,     ktls,    sandbox,
	};

	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
		checks[i](d);
}
