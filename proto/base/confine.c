#define _GNU_SOURCE
#include "proto/base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	ALWAYS = 1 << 30,
	TRACE = 1 << 29, /* what a sanitizer does */
	FILES = MAY_READ | MAY_STORE | MAY_RESOLVE | TRACE,
	DIAL = MAY_DIAL_TCP | MAY_DIAL_UNIX,
	CALLS_MAX = 512,
	NEW_WORLDS = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
	             CLONE_NEWPID | CLONE_NEWNET
};

/* A call may stand in several groups; it is allowed when one of them is granted. Calls in `guarded` below
 * are allowed with certain arguments only. */
static const struct {
	unsigned may;
	const char *calls;
} groups[] = {
        {ALWAYS, "read readv write writev pread64 pwrite64 lseek close fstat fcntl dup pipe2 eventfd2"},
        {ALWAYS, "munmap mremap madvise brk mincore mlock mlock2 munlock"},
        {ALWAYS, "poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2"},
        {ALWAYS, "clock_gettime clock_getres gettimeofday time nanosleep clock_nanosleep setitimer"},
        {ALWAYS, "timerfd_create timerfd_settime timerfd_gettime"},
        {ALWAYS, "rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack futex sched_yield restart_syscall"},
        {ALWAYS, "getpid getppid gettid getuid geteuid getgid getegid getrandom getrusage sysinfo uname"},
        {ALWAYS, "set_robust_list rseq sched_getaffinity exit exit_group"},
        {MAY_ACCEPT, "accept4 getsockname getpeername"},
        {MAY_TALK, "recvfrom shutdown getsockopt setsockopt"},
        {MAY_TALK | MAY_RESOLVE, "sendto"},
        {DIAL | MAY_RESOLVE, "socket connect"},
        {MAY_PASS | MAY_RESOLVE, "sendmsg"},
        {MAY_RECEIVE | MAY_RESOLVE, "recvmsg"},
        {MAY_LOOK, "faccessat faccessat2"},
        {FILES, "openat open readlink readlinkat access stat lstat getdents64 statfs fstatfs getcwd"},
        {MAY_STORE, "mkdir unlink unlinkat rename renameat renameat2 linkat ftruncate fallocate fsync"},
        {MAY_STORE, "fdatasync fchown fchmod utimensat flock"},
        {MAY_RECORD, "linkat unlink ftruncate fdatasync"},
        {MAY_FORK | TRACE, "clone wait4"},
        {MAY_RESOLVE, "bind sendmmsg recvmmsg recvfrom getsockname getpeername getsockopt setsockopt"},
        {TRACE, "ptrace tkill kill getdents mkdir ftruncate unlink sched_setaffinity set_tid_address vfork"},
};

/* Nobody's. */
static const char deadly[] =
        "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd keyctl add_key "
        "request_key "
        "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register "
        "mount_setattr move_mount open_tree fsopen fsconfig fsmount fspick chroot "
        "kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff "
        "name_to_handle_at open_by_handle_at acct quotactl settimeofday clock_settime clock_adjtime adjtimex "
        "setdomainname syslog iopl ioperm modify_ldt nfsservctl vhangup lookup_dcookie";

/* ... but a launcher's. */
static const char deadly_walls[] = "mount umount2 pivot_root sethostname";

/* Of a role: it is what it is. */
static const char deadly_roles[] =
        "execve execveat setns unshare personality setuid setgid setreuid setregid "
        "setresuid setresgid setgroups setfsuid setfsgid capset";

/* The C library does without them where the kernel is older. */
static const char newer[] = "clone3 statx openat2 fchmodat2";

typedef int on_call(void *arg, int number);

/* Runs it for each call of the list that this machine has, until it gives an error. */
static int each(const char *calls, on_call *act, void *arg)
{
	int err = 0;

	while (*calls && !err) {
		size_t n = strcspn(calls, " ");
		char name[32];
		int number;

		snprintf(name, sizeof name, "%.*s", (int)n, calls);
		number = seccomp_syscall_resolve_name(name);
		if (number >= 0)
			err = act(arg, number);
		calls += n + strspn(calls + n, " ");
	}
	return err;
}

struct filter {
	scmp_filter_ctx ctx;
	bool done[CALLS_MAX]; /* it has its rule */
	uint32_t action;
};

static int add(void *arg, int number)
{
	struct filter *f = arg;

	if (number >= CALLS_MAX || f->done[number])
		return 0;
	f->done[number] = true;
	return seccomp_rule_add(f->ctx, f->action, number, 0);
}

/* Allowed when that argument is so; else it fails. */
static int allow_if(struct filter *f, int number, struct scmp_arg_cmp is)
{
	f->done[number] = true;
	return seccomp_rule_add_array(f->ctx, SCMP_ACT_ALLOW, number, 1, &is);
}

static int guard_memory(struct filter *f, unsigned may)
{
	struct scmp_arg_cmp data = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int err;

	if (may & (MAY_RESOLVE | TRACE)) /* the C library loads a library for each kind of name service */
		return each("mmap mprotect", add, f);
	err = allow_if(f, SCMP_SYS(mmap), data);
	return err ? err : allow_if(f, SCMP_SYS(mprotect), data);
}

static int guard_ioctl(struct filter *f)
{
	static const unsigned long wanted[] = {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO};
	int err = 0;

	for (unsigned i = 0; i < sizeof wanted / sizeof *wanted && !err; i++)
		err = allow_if(f, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, wanted[i]));
	return err;
}

static int guard_prctl(struct filter *f, unsigned may)
{
	static const int wanted[] = {PR_SET_TIMERSLACK, PR_SET_NAME, PR_GET_DUMPABLE};
	int err = 0;

	if (may & TRACE)
		return add(f, SCMP_SYS(prctl));
	for (unsigned i = 0; i < sizeof wanted / sizeof *wanted && !err; i++)
		err = allow_if(f, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)wanted[i]));
	return err;
}

/* Nothing that sends without a connection, nothing but TCP. */
static int allow_streams(struct filter *f, int family)
{
	struct scmp_arg_cmp stream[] = {SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family),
	                                SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM),
	                                SCMP_A2(SCMP_CMP_EQ, 0)};

	f->done[SCMP_SYS(socket)] = true;
	return seccomp_rule_add_array(f->ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, stream);
}

static int guard_sockets(struct filter *f, unsigned may)
{
	int err = 0;

	if (may & MAY_RESOLVE)
		return 0;
	if (may & MAY_DIAL_TCP)
		err = allow_streams(f, AF_INET);
	if (!err && (may & MAY_DIAL_TCP))
		err = allow_streams(f, AF_INET6);
	if (!err && (may & MAY_DIAL_UNIX))
		err = allow_streams(f, AF_UNIX);
	/* a first message can open a connection: not without an address */
	if (!err && (may & MAY_TALK))
		err = allow_if(f, SCMP_SYS(sendto), SCMP_A4(SCMP_CMP_EQ, 0));
	return err;
}

/* What is there already can neither be read nor written over. */
static int guard_records(struct filter *f, unsigned may)
{
	static const scmp_datum_t making[] = {O_CREAT | O_EXCL, O_TMPFILE};
	int err = 0;

	for (unsigned i = 0; i < 2 && (may & MAY_RECORD) && !(may & FILES) && !err; i++)
		err = allow_if(f, SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, making[i], making[i]));
	return err;
}

static int guard_rest(struct filter *f, unsigned may)
{
	int err = allow_if(f, SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0));

	/* raise() and abort(); of a thread group id the kernel takes no 0 */
	if (!err)
		err = allow_if(f, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (!err && (may & MAY_FORK) && !(may & TRACE))
		err = allow_if(f, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, NEW_WORLDS, 0));
	if (err || (may & FILES))
		return err ? err : each("newfstatat", add, f);
	return allow_if(f, SCMP_SYS(newfstatat), SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
}

static int fill(struct filter *f, unsigned may)
{
	const unsigned count = sizeof groups / sizeof *groups;
	int err;

	f->action = SCMP_ACT_ALLOW;
	err = guard_memory(f, may);
	if (!err)
		err = guard_ioctl(f);
	if (!err)
		err = guard_prctl(f, may);
	if (!err)
		err = guard_sockets(f, may);
	if (!err)
		err = guard_records(f, may);
	if (!err)
		err = guard_rest(f, may);
	for (unsigned i = 0; i < count && !err; i++)
		if (groups[i].may & (may | ALWAYS))
			err = each(groups[i].calls, add, f);
	f->action = SCMP_ACT_KILL_PROCESS;
	if (!err)
		err = each(deadly, add, f);
	if (!err)
		err = each(deadly_walls, add, f);
	if (!err)
		err = each(deadly_roles, add, f);
	f->action = SCMP_ACT_ERRNO(ENOSYS);
	return err ? err : each(newer, add, f);
}

/* Calls that are allowed whatever their arguments are pass without running the filter (Linux 5.11); a tree
 * keeps the others short. */
static int load(struct filter *f)
{
	seccomp_attr_set(f->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(f->ctx, SCMP_FLTATR_CTL_SSB, 1);
	return seccomp_load(f->ctx);
}

static int confine_calls(unsigned may)
{
	struct filter f = {.ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM))};
	int err = f.ctx ? fill(&f, may | (CONFINE_LOOSE ? TRACE : 0)) : -ENOMEM;

	if (!err)
		err = load(&f);
	seccomp_release(f.ctx);
	errno = -err;
	return err ? ERR_SYS : 0;
}

/* All is allowed but for what is deadly, and the lists of `more`. */
static int confine_others(uint32_t action, const char *more)
{
	struct filter f = {.action = action};
	int err;

	if (!confine_has_seccomp())
		return 0;
	f.ctx = seccomp_init(SCMP_ACT_ALLOW);
	f.done[SCMP_SYS(ptrace)] = CONFINE_LOOSE;
	err = f.ctx ? each(deadly, add, &f) : -ENOMEM;
	if (!err)
		err = each(more, add, &f);
	if (!err)
		err = load(&f);
	seccomp_release(f.ctx);
	errno = -err;
	return err ? ERR_SYS : 0;
}

int confine_parent(void)
{
	return confine_others(SCMP_ACT_KILL_PROCESS, deadly_walls);
}

/* Nothing is killed: what it starts may ask, as strangers do, and is told no. */
int confine_launcher(void)
{
	return confine_others(SCMP_ACT_ERRNO(EPERM), "");
}

static bool known_family(int family)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
}

static int deny_sockets(struct filter *f)
{
	static const int internet[] = {AF_INET, AF_INET6};
	int err = seccomp_rule_add(f->ctx, f->action, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GE, AF_MAX));

	for (int family = 0; family < AF_MAX && !err; family++)
		if (!known_family(family))
			err = seccomp_rule_add(f->ctx, f->action, SCMP_SYS(socket), 1,
			                       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	for (int i = 0; i < 2 && !err; i++)
		err = seccomp_rule_add(f->ctx, f->action, SCMP_SYS(socket), 2,
		                       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)internet[i]),
		                       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW));
	return err;
}

/* It may run others and change its user, to which its namespaces set bounds; it makes no further ones. */
static int fill_for_stranger(struct filter *f)
{
	int err = each(deadly, add, f);

	if (!err)
		err = each(deadly_walls, add, f);
	if (!err)
		err = each("setns unshare personality", add, f);
	for (scmp_datum_t flag = 1; flag <= NEW_WORLDS && !err; flag <<= 1)
		if (flag & NEW_WORLDS)
			err = seccomp_rule_add(f->ctx, f->action, SCMP_SYS(clone), 1,
			                       SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
	if (!err)
		err = deny_sockets(f);
	if (!err) /* words in the mouth of whoever sits at a terminal; the kernel looks at 32 bits */
		err = seccomp_rule_add(f->ctx, f->action, SCMP_SYS(ioctl), 1,
		                       SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI));
	f->action = SCMP_ACT_ERRNO(ENOSYS);
	return err ? err : each("clone3", add, f);
}

int confine_filter(int *fd_out)
{
	struct filter f = {.ctx = seccomp_init(SCMP_ACT_ALLOW), .action = SCMP_ACT_ERRNO(EPERM)};
	int fd = memfd_create("filter", MFD_CLOEXEC), err;

	f.done[SCMP_SYS(ptrace)] = CONFINE_LOOSE;
	err = fd == -1 ? -errno : f.ctx ? fill_for_stranger(&f) : -ENOMEM;
	if (!err)
		err = seccomp_export_bpf(f.ctx, fd);
	if (!err && lseek(fd, 0, SEEK_SET) == -1)
		err = -errno;
	seccomp_release(f.ctx);
	if (err && fd != -1)
		close(fd);
	errno = -err;
	*fd_out = err ? -1 : fd;
	return err ? ERR_SYS : 0;
}

bool confine_has_seccomp(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

void confine_memory(void)
{
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
	struct rlimit none = {0, 0};

	if (fd != -1) { /* whoever dumps it all the same finds no memory in the dump */
		(void)!write(fd, "0", 1);
		close(fd);
	}
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Capabilities are bits here. Without CAP_SETPCAP there is nothing to bound. */
static void bound_capabilities(uint32_t kept)
{
	for (unsigned c = 0; prctl(PR_CAPBSET_READ, c) >= 0; c++)
		if (c > 31 || !(kept >> c & 1))
			(void)prctl(PR_CAPBSET_DROP, c);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int keep_capabilities(uint32_t kept)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &header, data))
		return ERR_SYS;
	data[0] = (struct __user_cap_data_struct){data[0].effective & kept, data[0].permitted & kept, 0};
	data[1] = (struct __user_cap_data_struct){0};
	return syscall(SYS_capset, &header, data) ? ERR_SYS : 0;
}

int confine_to_launch(void)
{
	/* the last is for control groups, whose folders nobody may write */
	const uint32_t kept = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL | 1u << CAP_DAC_OVERRIDE;

	bound_capabilities(kept);
	return keep_capabilities(kept);
}

int confine_privileges(uid_t uid, gid_t gid)
{
	bound_capabilities(0);
	if (uid && geteuid() == 0 &&
	    (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)))
		return ERR_SYS;
	if (keep_capabilities(0))
		return ERR_SYS;
	prctl(PR_SET_DUMPABLE, 0); /* another user's process is as it was executed */
	return 0;
}

int confine(const struct confine_rules *rules)
{
	int err = confine_landlock(rules);

	return err || !confine_has_seccomp() ? err : confine_calls(rules->may);
}
