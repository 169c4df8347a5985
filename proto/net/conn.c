#define _GNU_SOURCE
#include "proto/net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPARES_MAX = 16 };

/* Buffers of one size that a busy loop hands round, so that they stay in the cache. */
static struct {
	char *blocks[SPARES_MAX];
	unsigned count;
} spares;

static void borrow(struct buf *b)
{
	if (b->base)
		return;
	b->base = spares.count ? spares.blocks[--spares.count] : malloc(CONN_READ_BYTES);
	b->cap = b->base ? CONN_READ_BYTES : 0;
}

static void give_back(struct buf *b)
{
	if (b->cap == CONN_READ_BYTES && spares.count < SPARES_MAX)
		spares.blocks[spares.count++] = b->base;
	else
		free(b->base);
	buf_init(b, b->limit_bytes);
}

/* Bytes read, 0 at the end of the stream, ERR_AGAIN or ERR_CLOSED. */
static long receive(struct conn *c)
{
	size_t want = CONN_READ_BYTES;
	char *room;
	ssize_t n;

	borrow(&c->in);
	if (buf_len(&c->in) < CONN_READ_BYTES / 2)
		want -= buf_len(&c->in);
	room = buf_room(&c->in, want);
	if (!room)
		return ERR_NOMEM;
	do
		n = recv(c->fd, room, want, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_CLOSED;
	buf_grown(&c->in, (size_t)n);
	return n;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	long n = receive(c);

	(void)fd, (void)what;
	if (n == ERR_AGAIN)
		return;
	if (n > 0) {
		c->turn(c->owner, CONN_INPUT);
		return;
	}
	conn_read(c, false);
	c->eof = true;
	c->turn(c->owner, n == 0 ? CONN_EOF : CONN_BROKEN);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	bool opened = c->connecting;
	int err = 0;
	socklen_t len = sizeof err;

	(void)what;
	c->blocked = false;
	if (opened) {
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
		c->connecting = err != 0;
		if (!err)
			conn_read(c, true);
	}
	if (err || conn_flush(c))
		c->turn(c->owner, CONN_BROKEN);
	else if (opened)
		c->turn(c->owner, CONN_OPENED);
	else
		c->turn(c->owner, CONN_SENT);
}

void conn_init(struct conn *c, struct event_base *base, conn_turn *turn, void *owner)
{
	*c = (struct conn){.fd = -1, .base = base, .turn = turn, .owner = owner};
	buf_init(&c->in, CONN_OUT_LIMIT);
	buf_init(&c->out, CONN_OUT_LIMIT);
}

static int adopt(struct conn *c, int fd)
{
	int one = 1;

	c->fd = fd;
	c->eof = c->blocked = c->reading = false;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* not a TCP socket: no harm */
	event_assign(&c->readable, c->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, c->base, fd, EV_WRITE, on_writable, c);
	return 0;
}

int conn_take(struct conn *c, int fd)
{
	c->connecting = false;
	adopt(c, fd);
	conn_read(c, true);
	if (c->reading)
		return 0;
	conn_close(c);
	return ERR_SYS;
}

int conn_connect(struct conn *c, const struct sockaddr *to, socklen_t len)
{
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return ERR_SYS;
	adopt(c, fd);
	c->connecting = true;
	if ((connect(fd, to, len) == 0 || errno == EINPROGRESS) && event_add(&c->writable, NULL) == 0) {
		c->blocked = true;
		return 0;
	}
	conn_close(c);
	return ERR_SYS;
}

void conn_close(struct conn *c)
{
	if (c->fd != -1) {
		event_del(&c->readable);
		event_del(&c->writable);
		close(c->fd);
	}
	c->fd = -1;
	c->reading = c->connecting = c->blocked = false;
	if (c->in.base)
		give_back(&c->in);
	if (c->out.base)
		give_back(&c->out);
}

struct buf *conn_out(struct conn *c)
{
	borrow(&c->out);
	return &c->out;
}

int conn_flush(struct conn *c)
{
	while (buf_len(&c->out) && !c->blocked) {
		struct span left = buf_span(&c->out);
		ssize_t n = send(c->fd, left.data, left.len, MSG_NOSIGNAL);

		if (n > 0)
			buf_consume(&c->out, (size_t)n);
		else if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			c->blocked = true;
		else if (n != -1 || errno != EINTR)
			return ERR_CLOSED;
	}
	if (c->blocked && !c->connecting && event_add(&c->writable, NULL))
		return ERR_CLOSED;
	return 0;
}

void conn_read(struct conn *c, bool on)
{
	if (on == c->reading || c->fd == -1 || (on && (c->eof || c->connecting)))
		return;
	c->reading = on ? event_add(&c->readable, NULL) == 0 : false;
	if (!on)
		event_del(&c->readable);
}

bool conn_has_news(const struct conn *c)
{
	return c->fd != -1 && (c->readable.ev_evcallback.evcb_flags & EVLIST_ACTIVE);
}

void conn_rest(struct conn *c)
{
	if (c->in.base && !buf_len(&c->in))
		give_back(&c->in);
	if (c->out.base && !buf_len(&c->out))
		give_back(&c->out);
}
