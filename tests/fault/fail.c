#define _GNU_SOURCE
#include "tests/fault/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

struct fault {
	unsigned left;
	bool armed, for_good, fired, paused;
};

static struct fault memory, io;
static unsigned io_calls;
static int io_error;
static long live;

static bool strikes(struct fault *f)
{
	if (!f->armed || f->paused || (f->fired && !f->for_good))
		return false;
	if (f->left > 0) {
		f->left--;
		return false;
	}
	return f->fired = true;
}

static bool end(struct fault *f)
{
	bool fired = f->fired;

	*f = (struct fault){.paused = f->paused};
	return fired;
}

void fail_alloc(unsigned n, bool for_good)
{
	memory = (struct fault){.left = n, .armed = true, .for_good = for_good, .paused = memory.paused};
}

bool fail_alloc_end(void)
{
	return end(&memory);
}

void fail_alloc_pause(bool pause)
{
	memory.paused = pause;
}

long fail_live_blocks(void)
{
	return live;
}

#ifdef SANITIZED

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
	return strikes(&memory) ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return strikes(&memory) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return strikes(&memory) ? NULL : __real_realloc(p, n);
}

#else

/* glibc's own entry points, for a program that replaces malloc. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static void *counted(void *p)
{
	live += p != NULL;
	return p;
}

static void *refused(void)
{
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t n)
{
	return strikes(&memory) ? refused() : counted(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
	return strikes(&memory) ? refused() : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
	if (strikes(&memory))
		return refused();
	return p ? __libc_realloc(p, n) : counted(__libc_realloc(p, n));
}

void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}

#endif

void fail_io(unsigned calls, unsigned n, int error, bool for_good)
{
	io = (struct fault){.left = n, .armed = true, .for_good = for_good, .paused = io.paused};
	io_calls = calls;
	io_error = error;
}

bool fail_io_end(void)
{
	return end(&io);
}

void fail_io_pause(bool pause)
{
	io.paused = pause;
}

/* 0, or the errno to fail with, or FAIL_SHORT. */
static int io_strikes(enum fail_call call)
{
	return io_calls & call && strikes(&io) ? io_error : 0;
}

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __real_pread(int fd, void *to, size_t n, off_t at);
int __real_ftruncate(int fd, off_t n);
int __real_fdatasync(int fd);
int __real_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at);
int __wrap_ftruncate(int fd, off_t n);
int __wrap_fdatasync(int fd);
int __wrap_open(const char *path, int flags, ...);

/* A full disk takes the first half of what it is given, by a call that tells of it. */
ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
	static bool half_taken;
	struct stat st;
	bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	int error = file ? io_strikes(FAIL_WRITE) : 0;

	if (error == 0)
		return __real_write(fd, bytes, n);
	if (error == FAIL_SHORT)
		return __real_write(fd, bytes, 1);
	if (error != EINTR && !half_taken && n > 1) {
		half_taken = true;
		io.left = 0;
		io.fired = false; /* the next call fails */
		return __real_write(fd, bytes, n / 2);
	}
	half_taken = false;
	errno = error;
	return -1;
}

ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at)
{
	int error = io_strikes(FAIL_PREAD);

	if (error == FAIL_SHORT)
		return __real_pread(fd, to, 1, at);
	if (error == 0)
		return __real_pread(fd, to, n, at);
	errno = error;
	return -1;
}

static int call_fails(enum fail_call call)
{
	int error = io_strikes(call);

	if (error)
		errno = error == FAIL_SHORT ? EIO : error;
	return error;
}

int __wrap_ftruncate(int fd, off_t n)
{
	return call_fails(FAIL_TRUNCATE) ? -1 : __real_ftruncate(fd, n);
}

int __wrap_fdatasync(int fd)
{
	return call_fails(FAIL_SYNC) ? -1 : __real_fdatasync(fd);
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, int) : 0;
	va_end(args);
	return call_fails(FAIL_OPEN) ? -1 : __real_open(path, flags, mode);
}

ssize_t __real_recv(int fd, void *to, size_t n, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t n, int flags);
int __real_socket(int domain, int type, int protocol);
int __real_connect(int fd, const struct sockaddr *to, socklen_t len);
ssize_t __wrap_recv(int fd, void *to, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);

ssize_t __wrap_recv(int fd, void *to, size_t n, int flags)
{
	int error = io_strikes(FAIL_RECV);

	if (error == 0 || error == FAIL_SHORT)
		return __real_recv(fd, to, error ? 1 : n, flags);
	errno = error;
	return -1;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t n, int flags)
{
	int error = io_strikes(FAIL_SEND);

	if (error == 0 || error == FAIL_SHORT)
		return __real_send(fd, bytes, error ? 1 : n, flags);
	errno = error;
	return -1;
}

int __wrap_socket(int domain, int type, int protocol)
{
	return call_fails(FAIL_SOCKET) ? -1 : __real_socket(domain, type, protocol);
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	return call_fails(FAIL_CONNECT) ? -1 : __real_connect(fd, to, len);
}

/* In the place of libc's, for libevent. */
int epoll_ctl(int set, int what, int fd, struct epoll_event *event)
{
	if (what != EPOLL_CTL_DEL && call_fails(FAIL_EPOLL))
		return -1;
	return (int)syscall(SYS_epoll_ctl, set, what, fd, event);
}
