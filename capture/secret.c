#define _GNU_SOURCE
#include "capture/secret.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/sealed.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

enum { LOCKED_BYTES = 16 * 4096 }; /* of a process that maps some; who may lock less shall not fail for it */

static int open_secret(void)
{
	struct rlimit locked = {0};

	getrlimit(RLIMIT_MEMLOCK, &locked);
	return locked.rlim_cur < LOCKED_BYTES ? -1 : (int)syscall(SYS_memfd_secret, O_CLOEXEC);
}

/* -1: the kernel has none, or we may not lock so much. */
static int from_kernel(struct span secret)
{
	int fd = open_secret();
	void *at = MAP_FAILED;

	if (fd != -1 && ftruncate(fd, (off_t)secret.len) == 0)
		at = mmap(NULL, secret.len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		if (fd != -1)
			close(fd);
		return -1;
	}
	memcpy(at, secret.data, secret.len);
	munmap(at, secret.len);
	return fd;
}

int secret_create(const char *name, struct span secret, int *fd_out)
{
	*fd_out = from_kernel(secret);
	return *fd_out != -1 ? 0 : sealed_create(name, secret.len, secret, F_SEAL_WRITE, fd_out);
}

int secret_map(int fd, size_t bytes, const uint8_t **out)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st))
		return ERR_SYS;
	if (st.st_size != (off_t)bytes)
		return ERR_PROTO;
	at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return ERR_SYS;
	(void)mlock(at, bytes); /* as far as the process may */
	(void)madvise(at, bytes, MADV_DONTDUMP);
	*out = at;
	return 0;
}

bool secret_is_offered(void)
{
	int fd = open_secret();

	if (fd != -1)
		close(fd);
	return fd != -1;
}
