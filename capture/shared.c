#include "capture/shared.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

int shared_create(const char *what, size_t bytes, int *writable_out, int *readable_out)
{
	uint64_t random = 0;
	char name[64];
	int rw, ro = -1;

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return ERR_SYS;
	snprintf(name, sizeof name, "/understudy-%s-%016llx", what, (unsigned long long)random);
	rw = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (rw != -1) {
		ro = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
		shm_unlink(name);
	}
	if (ro == -1 || ftruncate(rw, (off_t)bytes) || fchmod(rw, 0400)) {
		if (rw != -1)
			close(rw);
		if (ro != -1)
			close(ro);
		return ERR_SYS;
	}
	*writable_out = rw;
	*readable_out = ro;
	return 0;
}
