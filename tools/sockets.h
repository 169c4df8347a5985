/*
 * sockets.h - the TCP sockets of a network namespace as /proc/PID/net/tcp and tcp6 tell them, by inode.
 */
#ifndef TOOLS_SOCKETS_H
#define TOOLS_SOCKETS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

struct socket_end {
	struct in6_addr address; /* an IPv4 address as RFC 4291 2.5.5.2 writes it */
	uint16_t port;
};

struct socket_row {
	unsigned long inode;
	struct socket_end local, remote;
	bool listening;
};

struct sockets {
	struct socket_row *rows;
	size_t count, room;
};

/* Of the namespace that the process is in. 0, ERR_SYS or ERR_NOMEM. */
int sockets_read(struct sockets *, int pid) MUST_CHECK;
/* NULL: it is no TCP socket. */
const struct socket_row *sockets_find(const struct sockets *, unsigned long inode);
void sockets_free(struct sockets *);

#endif
