/*
 * transport.h - a connection as a role hands it to code that may not open one: bytes in, bytes out, a
 * wish, a deadline.
 *
 * Nothing blocks. The user reads and writes until ERR_AGAIN, then says with want() what it waits for; the
 * owner calls `ready` once, from its loop and never from inside a call of the user's. A wish is answered
 * once; a new want() replaces the one before. After close() nothing is called any more and the transport
 * is not to be used; the owner frees what is behind it.
 */
#ifndef PROTO_BASE_TRANSPORT_H
#define PROTO_BASE_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include "proto/base/buf.h"

enum transport_want {
	TRANSPORT_READ = 1,
	TRANSPORT_WRITE = 2,
	TRANSPORT_DEADLINE = 4, /* in `ready` only: the deadline passed first */
};

struct transport;

/* `what`: the enum transport_want bits that came true. The user may read, write, want or close in it. */
typedef void transport_ready(void *arg, struct transport *, unsigned what);

struct transport_ops {
	/* Bytes moved (> 0), 0 at the end of the stream (read only), ERR_AGAIN, or ERR_CLOSED: broken. */
	long (*read)(struct transport *, void *to, size_t room);
	long (*write)(struct transport *, const void *from, size_t n);
	/* Wait for `what` (0: for nothing) until deadline_ns of CLOCK_MONOTONIC (0: none). */
	void (*want)(struct transport *, unsigned what, uint64_t deadline_ns);
	void (*close)(struct transport *);
};

struct transport { /* the owner's object begins with it */
	const struct transport_ops *ops;
	transport_ready *ready;
	void *arg;
};

static inline long transport_read(struct transport *t, void *to, size_t room)
{
	return t->ops->read(t, to, room);
}
static inline long transport_write(struct transport *t, const void *from, size_t n)
{
	return t->ops->write(t, from, n);
}
static inline void transport_want(struct transport *t, unsigned what, uint64_t deadline_ns)
{
	t->ops->want(t, what, deadline_ns);
}
static inline void transport_close(struct transport *t)
{
	t->ops->close(t);
}

/* Two ends in memory, for tests: what one writes the other reads, at most `limit_bytes` on the way.
 *
 *   a --writes--> queue[0] --reads--> b
 *   a <--reads--- queue[1] <-writes-- b
 */
struct transport_memory_end {
	struct transport transport; /* first */
	struct transport_memory *pair;
	unsigned wanted;
	uint64_t deadline_ns;
	bool closed;
};

struct transport_memory {
	struct transport_memory_end a, b;
	struct buf queue[2];
	size_t limit_bytes, step_bytes;
};

/* step_bytes: the most that one read or write moves, to break streams at every byte; 0: no such bound. */
void transport_memory_init(struct transport_memory *, size_t limit_bytes, size_t step_bytes);
void transport_memory_fini(struct transport_memory *);
/* Tell each end once what it waits for and is true at `now_ns`; how many were told. */
unsigned transport_memory_turn(struct transport_memory *, uint64_t now_ns);

#endif
