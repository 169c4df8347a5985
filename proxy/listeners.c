#define _GNU_SOURCE
#include "proxy/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HANDED_FIRST = 3, HANDED_MAX = 64 };

struct handed {    /* sockets from a service manager or a former generation, -1 once taken */
	bool ours; /* of a former generation */
	unsigned count;
	int fds[HANDED_MAX];
};

union address {
	struct sockaddr any;
	struct sockaddr_storage all;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un path;
};

static bool same_address(int fd, const union address *want)
{
	union address have = {0};
	socklen_t len = sizeof have;
	int type = 0;
	socklen_t type_len = sizeof type;

	if (getsockname(fd, &have.any, &len) == -1 || have.any.sa_family != want->any.sa_family ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == -1 || type != SOCK_STREAM)
		return false;
	if (have.any.sa_family == AF_INET)
		return have.v4.sin_port == want->v4.sin_port &&
		       have.v4.sin_addr.s_addr == want->v4.sin_addr.s_addr;
	if (have.any.sa_family == AF_INET6)
		return have.v6.sin6_port == want->v6.sin6_port &&
		       !memcmp(&have.v6.sin6_addr, &want->v6.sin6_addr, sizeof have.v6.sin6_addr);
	return !strncmp(have.path.sun_path, want->path.sun_path, sizeof have.path.sun_path);
}

/* The environment speaks to this process only: roles must not believe that it speaks to them. */
static void take_from_environment(struct handed *h)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	long n = count ? strtol(count, NULL, 10) : 0;

	if (pid && strtol(pid, NULL, 10) == (long)getpid())
		while (h->count < HANDED_MAX && (long)h->count < n) {
			int fd = HANDED_FIRST + (int)h->count;

			fcntl(fd, F_SETFD, FD_CLOEXEC);
			h->fds[h->count++] = fd;
		}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

/* Descriptors of their own for the same sockets: clients that wait in a queue are lost to neither side. */
static int take_from_former(struct handed *h, const int *former, unsigned count)
{
	h->ours = true;
	while (h->count < HANDED_MAX && h->count < count) {
		int fd = fcntl(former[h->count], F_DUPFD_CLOEXEC, HANDED_FIRST);

		if (fd == -1) {
			fprintf(stderr, "understudy: cannot share a listener: %s\n", strerror(errno));
			return ERR_SYS;
		}
		h->fds[h->count++] = fd;
	}
	return 0;
}

static int from_handed(struct handed *h, const union address *want)
{
	for (unsigned i = 0; i < h->count; i++) {
		int fd = h->fds[i];

		if (fd == -1 || !same_address(fd, want))
			continue;
		h->fds[i] = -1;
		if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == -1)
			return -1;
		return fd;
	}
	return -1;
}

/* A unix socket's file outlives its process: it is taken away only when nobody answers behind it. */
static void clear_stale(const union address *a, socklen_t len)
{
	struct stat st;
	int fd;

	if (lstat(a->path.sun_path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, &a->any, len) == -1 && errno == ECONNREFUSED)
		unlink(a->path.sun_path);
	if (fd != -1)
		close(fd);
}

/* What this process bound, by inode: descriptors of one socket share it. */
static struct {
	ino_t inodes[HANDED_MAX];
	unsigned count;
} bound;

static void remember(int fd)
{
	struct stat st;

	if (bound.count < HANDED_MAX && fstat(fd, &st) == 0)
		bound.inodes[bound.count++] = st.st_ino;
}

static bool is_bound_here(int fd)
{
	struct stat st;

	for (unsigned i = 0; fstat(fd, &st) == 0 && i < bound.count; i++)
		if (bound.inodes[i] == st.st_ino)
			return true;
	return false;
}

/* The kernel shows a listener's filter the TCP header. SYN alone goes; the end of a handshake passes. */
static bool drop_syns(int fd)
{
	enum { FLAGS_AT = 13, SYN = 0x02, ACK = 0x10 };
	struct sock_filter code[] = {
	        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),
	        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, 0),
	        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	int type = 0;
	socklen_t len = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &type, &len) == 0 && type == IPPROTO_TCP &&
	       setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

bool listeners_shut(const int *fds, unsigned count)
{
	bool all = true;

	for (unsigned i = 0; i < count; i++)
		all &= is_bound_here(fds[i]);
	for (unsigned i = 0; i < count && all; i++)
		all &= drop_syns(fds[i]);
	return all;
}

static int bind_one(const union address *a, socklen_t len)
{
	int one = 1, fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	if (a->any.sa_family == AF_UNIX)
		clear_stale(a, len);
	else
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (a->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (bind(fd, &a->any, len) == -1) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int listeners_bind_path(const char *path)
{
	union address a = {.path = {.sun_family = AF_UNIX}};

	if (strlen(path) >= sizeof a.path.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(a.path.sun_path, path);
	return bind_one(&a, sizeof a.path);
}

static void close_left(struct handed *h)
{
	for (unsigned i = 0; i < h->count; i++) {
		if (h->fds[i] == -1)
			continue;
		if (!h->ours)
			fprintf(stderr,
			        "understudy: the service manager's socket %d fits no listen address; it is "
			        "closed\n",
			        h->fds[i]);
		close(h->fds[i]);
	}
}

/* Handed over, or bound here; -1 is said on stderr. */
static int listener_of(struct handed *handed, const struct plan_endpoint *at)
{
	union address a;
	socklen_t len = 0;
	int fd = plan_address(at, &a.all, &len) ? -1 : from_handed(handed, &a);

	errno = EAFNOSUPPORT;
	if (len && fd == -1 && (fd = bind_one(&a, len)) != -1)
		remember(fd);
	if (fd == -1)
		fprintf(stderr, "understudy: cannot listen on: %s: %s%s\n", at->url, strerror(errno),
		        errno == EADDRINUSE      ? "; stop what listens there or choose another port"
		        : errno == EADDRNOTAVAIL ? "; this machine has no such address"
		        : errno == EACCES        ? "; ports below 1024 need CAP_NET_BIND_SERVICE"
		                                 : "");
	return fd;
}

int listeners_bind(const struct plan *plan, const int *former, unsigned former_count, int fds[LISTEN_MAX],
                   int *control_out)
{
	struct handed handed = {0};
	int err = 0;

	if (former)
		err = take_from_former(&handed, former, former_count);
	else
		take_from_environment(&handed);
	*control_out = -1;
	for (unsigned i = 0; i < LISTEN_MAX; i++)
		fds[i] = -1;
	for (unsigned i = 0; i < plan->listen_count && !err; i++) {
		fds[i] = listener_of(&handed, &plan->listen[i].at);
		err = fds[i] == -1 ? ERR_SYS : 0;
	}
	if (!err && plan->control_address.address[0]) {
		*control_out = listener_of(&handed, &plan->control_address);
		err = *control_out == -1 ? ERR_SYS : 0;
	}
	close_left(&handed);
	return err;
}
