/*
 * sealed.h - a memfd whose size can never change, so that mapping it can never fault (SIGBUS).
 */
#ifndef CAPTURE_SEALED_H
#define CAPTURE_SEALED_H

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "proto/base/span.h"

enum { SEALED_SIZE = F_SEAL_SHRINK | F_SEAL_GROW };

/* A close-on-exec memfd of `bytes` that starts with `contents`; `seals` are added to SEALED_SIZE.
 * 0 or ERR_SYS with errno. */
static inline int sealed_create(const char *name, size_t bytes, struct span contents, int seals, int *fd_out)
{
	int err = ERR_SYS;
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return ERR_SYS;
	if (ftruncate(fd, (off_t)bytes) < 0)
		goto out;
	for (size_t done = 0; done < contents.len;) {
		ssize_t n = pwrite(fd, contents.data + done, contents.len - done, (off_t)done);
		if (n < 0 && errno != EINTR)
			goto out;
		done += n > 0 ? (size_t)n : 0;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALED_SIZE | F_SEAL_SEAL | seals) < 0)
		goto out;
	*fd_out = fd;
	err = 0;
out:
	if (err)
		close(fd);
	return err;
}

/* The size of a sealed memfd. 0, ERR_SYS, or ERR_PROTO when its size could still change. */
static inline int sealed_size(int fd, size_t *bytes_out)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return ERR_SYS;
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALED_SIZE) != SEALED_SIZE)
		return ERR_PROTO;
	*bytes_out = (size_t)st.st_size;
	return 0;
}

#endif
