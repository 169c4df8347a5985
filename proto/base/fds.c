#define _GNU_SOURCE
#include "proto/base/fds.h"

#include <fcntl.h>
#include <unistd.h>

void fds_place(int first, const int *fds, unsigned count)
{
	int high[FDS_PLACED_MAX];

	for (unsigned i = 0; i < count && i < FDS_PLACED_MAX; i++)
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FDS_PLACED_MAX);
	for (unsigned i = 0; i < count && i < FDS_PLACED_MAX; i++)
		dup2(high[i], first + (int)i);
	close_range((unsigned)first + count, ~0u, 0);
}
