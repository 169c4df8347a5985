#include "proto/base/transport.h"

static struct transport_memory_end *end_of(struct transport *t)
{
	return (struct transport_memory_end *)t;
}

static struct transport_memory_end *other(struct transport_memory_end *e)
{
	return e == &e->pair->a ? &e->pair->b : &e->pair->a;
}

static struct buf *outgoing(struct transport_memory_end *e)
{
	return &e->pair->queue[e == &e->pair->b];
}

static size_t step(const struct transport_memory *m, size_t n)
{
	return m->step_bytes && n > m->step_bytes ? m->step_bytes : n;
}

static size_t room_left(struct transport_memory_end *e)
{
	size_t used = buf_len(outgoing(e));

	return used < e->pair->limit_bytes ? e->pair->limit_bytes - used : 0;
}

static long memory_read(struct transport *t, void *to, size_t room)
{
	struct transport_memory_end *e = end_of(t);
	struct buf *from = outgoing(other(e));
	size_t n = step(e->pair, buf_len(from) < room ? buf_len(from) : room);

	if (e->closed)
		return ERR_CLOSED;
	if (!buf_len(from))
		return other(e)->closed ? 0 : ERR_AGAIN;
	if (!n)
		return ERR_AGAIN;
	memcpy(to, buf_span(from).data, n);
	buf_consume(from, n);
	return (long)n;
}

static long memory_write(struct transport *t, const void *from, size_t n)
{
	struct transport_memory_end *e = end_of(t);

	if (e->closed || other(e)->closed)
		return ERR_CLOSED;
	if (n > room_left(e))
		n = room_left(e);
	n = step(e->pair, n);
	buf_put(outgoing(e), from, n);
	return outgoing(e)->err ? ERR_CLOSED : n ? (long)n : ERR_AGAIN;
}

static void memory_want(struct transport *t, unsigned what, uint64_t deadline_ns)
{
	end_of(t)->wanted = what;
	end_of(t)->deadline_ns = deadline_ns;
}

static void memory_close(struct transport *t)
{
	end_of(t)->closed = true;
	memory_want(t, 0, 0);
}

static const struct transport_ops memory_ops = {memory_read, memory_write, memory_want, memory_close};

void transport_memory_init(struct transport_memory *m, size_t limit_bytes, size_t step_bytes)
{
	*m = (struct transport_memory){.limit_bytes = limit_bytes, .step_bytes = step_bytes};
	m->a = (struct transport_memory_end){.transport.ops = &memory_ops, .pair = m};
	m->b = m->a;
	buf_init(&m->queue[0], limit_bytes);
	buf_init(&m->queue[1], limit_bytes);
}

void transport_memory_fini(struct transport_memory *m)
{
	buf_fini(&m->queue[0]);
	buf_fini(&m->queue[1]);
}

/* The end of a stream is something to read, and a broken one something to write: both are told so. */
static unsigned true_now(struct transport_memory_end *e, uint64_t now_ns)
{
	unsigned what = 0;

	if ((e->wanted & TRANSPORT_READ) && (buf_len(outgoing(other(e))) || other(e)->closed))
		what |= TRANSPORT_READ;
	if ((e->wanted & TRANSPORT_WRITE) && (room_left(e) || other(e)->closed))
		what |= TRANSPORT_WRITE;
	if (!what && e->deadline_ns && now_ns >= e->deadline_ns)
		what = TRANSPORT_DEADLINE;
	return what;
}

unsigned transport_memory_turn(struct transport_memory *m, uint64_t now_ns)
{
	struct transport_memory_end *ends[] = {&m->a, &m->b};
	unsigned told = 0;

	for (unsigned i = 0; i < 2; i++) {
		unsigned what = ends[i]->closed ? 0 : true_now(ends[i], now_ns);

		if (!what || !ends[i]->transport.ready)
			continue;
		memory_want(&ends[i]->transport, 0, 0);
		ends[i]->transport.ready(ends[i]->transport.arg, &ends[i]->transport, what);
		told++;
	}
	return told;
}
