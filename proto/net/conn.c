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

static void count(_Atomic uint64_t *counter, size_t bytes)
{
	if (counter)
		atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + bytes,
		                      memory_order_relaxed);
}

/* What this conn holds now is in the gauge. */
static void charge(struct conn *c)
{
	size_t now = c->in.cap + c->out.cap;

	if (now == c->charged)
		return;
	count(c->held_bytes, now - c->charged);
	c->charged = now;
}

/* Whole records: those that came with one read of the socket, while there is room. */
static long receive_tls(struct conn *c, char *room, size_t size)
{
	size_t got = 0;
	ssize_t n;

	do {
		n = tls_read(c->tls, room + got, size - got);
		got += n > 0 ? (size_t)n : 0;
	} while (n > 0 && got < size && tls_pending(c->tls));
	buf_grown(&c->in, got);
	c->ended = n <= 0 && n != ERR_AGAIN;
	return got ? (long)got : n == 0 || n == ERR_AGAIN ? n : ERR_CLOSED;
}

/* Bytes read, 0 at the end of the stream, ERR_AGAIN or ERR_CLOSED. */
static long receive(struct conn *c)
{
	size_t want = CONN_READ_BYTES;
	char *room;
	ssize_t n;

	borrow(&c->in);
	if (c->most)
		want = c->most;
	else if (buf_len(&c->in) < CONN_READ_BYTES / 2)
		want -= buf_len(&c->in);
	room = buf_room(&c->in, want);
	if (!room)
		return ERR_NOMEM;
	if (c->tls)
		return receive_tls(c, room, want);
	do
		n = recv(c->fd, room, want, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_CLOSED;
	buf_grown(&c->in, (size_t)n);
	return n;
}

/* True when the handshake is done; else it goes on later, or the conn broke and the owner knows. */
static bool shake_hands(struct conn *c)
{
	int err = tls_handshake(c->tls);

	if (err == ERR_AGAIN && tls_want(c->tls) == TLS_WANT_WRITE)
		err = event_add(&c->writable, NULL) ? ERR_SYS : ERR_AGAIN;
	if (err == ERR_AGAIN)
		return false;
	c->handshaking = err != 0;
	if (err)
		c->turn(c->owner, CONN_BROKEN);
	return !err;
}

/* TLS reads ahead: what it holds makes no socket readable. */
static void mind_pending(struct conn *c)
{
	if (c->tls && c->reading && !c->handshaking && (c->ended || tls_pending(c->tls)))
		event_active(&c->readable, EV_READ, 0);
}

static void opened(struct conn *c)
{
	mind_pending(c);
	c->turn(c->owner, conn_flush(c) ? CONN_BROKEN : CONN_OPENED);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	long n;

	(void)fd, (void)what;
	if (c->held) {
		c->turn(c->owner, CONN_INPUT);
		return;
	}
	if (c->handshaking) {
		if (shake_hands(c))
			opened(c);
		return;
	}
	if (c->wanted && !c->wanted(c->owner)) {
		conn_read(c, false);
		conn_rest(c);
		return;
	}
	n = receive(c);
	if (n == ERR_AGAIN)
		return;
	if (n > 0) {
		count(c->received, (size_t)n);
		mind_pending(c);
		c->turn(c->owner, CONN_INPUT);
		return;
	}
	conn_read(c, false);
	c->eof = true;
	c->turn(c->owner, n == 0 ? CONN_EOF : CONN_BROKEN);
}

/* The connect's outcome. True when bytes may flow. */
static bool connected(struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof err;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (!err && c->context && tls_new(c->context, c->fd, c->host, &c->tls))
		err = ENOMEM;
	if (err) {
		c->turn(c->owner, CONN_BROKEN);
		return false;
	}
	c->connecting = false;
	c->handshaking = c->tls != NULL;
	conn_read(c, true);
	return !c->tls || shake_hands(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	c->blocked = false;
	if (c->connecting || c->handshaking) {
		if (c->connecting ? connected(c) : shake_hands(c))
			opened(c);
		return;
	}
	c->turn(c->owner, conn_flush(c) ? CONN_BROKEN : CONN_SENT);
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
	c->eof = c->blocked = c->reading = c->handshaking = c->ended = false;
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

void conn_move(struct conn *to, struct conn *from)
{
	struct buf in = from->in, out = from->out;

	event_del(&from->readable);
	event_del(&from->writable);
	adopt(to, from->fd);
	to->tls = from->tls;
	to->eof = from->eof;
	to->ended = from->ended;
	to->in = in;
	to->out = out;
	from->fd = -1;
	from->tls = NULL;
	buf_init(&from->in, in.limit_bytes);
	buf_init(&from->out, out.limit_bytes);
	from->reading = from->blocked = false;
	charge(from);
	charge(to);
	conn_read(to, true);
}

int conn_secure(struct conn *c, struct tls_context *context)
{
	int err = tls_new(context, c->fd, NULL, &c->tls);

	c->handshaking = !err;
	return err;
}

int conn_connect(struct conn *c, const struct sockaddr *to, socklen_t len, struct tls_context *context,
                 const char *host)
{
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return ERR_SYS;
	adopt(c, fd);
	c->connecting = true;
	c->context = context;
	c->host = host;
	if ((connect(fd, to, len) == 0 || errno == EINPROGRESS) && event_add(&c->writable, NULL) == 0) {
		c->blocked = true;
		return 0;
	}
	conn_close(c);
	return ERR_SYS;
}

int conn_dial(struct conn *c, struct conn_dialer *dialer, struct tls_context *context, const char *host)
{
	int err = dialer->ask(dialer, c);

	if (err)
		return err;
	c->dialer = dialer;
	c->context = context;
	c->host = host;
	c->connecting = c->blocked = true;
	return 0;
}

void conn_dialled(struct conn *c, int fd)
{
	c->dialer = NULL;
	if (fd != -1) {
		adopt(c, fd);
		c->blocked = event_add(&c->writable, NULL) == 0;
	}
	if (fd == -1 || !c->blocked)
		c->turn(c->owner, CONN_BROKEN);
}

int conn_shut(struct conn *c)
{
	if (c->tls && tls_close(c->tls) == ERR_AGAIN && event_add(&c->writable, NULL) == 0) {
		c->blocked = true;
		return ERR_AGAIN;
	}
	shutdown(c->fd, SHUT_WR);
	return 0;
}

void conn_cut(struct conn *c)
{
	struct linger now = {1, 0};

	if (c->fd == -1)
		return;
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	tls_free(&c->tls);
}

void conn_close(struct conn *c)
{
	if (c->fd != -1) {
		event_del(&c->readable);
		event_del(&c->writable);
		if (c->tls)
			tls_close(c->tls);
		tls_free(&c->tls);
		close(c->fd);
	}
	if (c->dialer)
		c->dialer->forget(c->dialer, c);
	c->dialer = NULL;
	c->fd = -1;
	c->reading = c->connecting = c->handshaking = c->blocked = false;
	if (c->in.base)
		give_back(&c->in);
	if (c->out.base)
		give_back(&c->out);
	charge(c);
}

/* Many may wait for a connect at once, with a head each: they take no block. */
struct buf *conn_out(struct conn *c)
{
	if (!conn_opening(c))
		borrow(&c->out);
	return &c->out;
}

/* Bytes taken, ERR_AGAIN or ERR_CLOSED. */
static long push(struct conn *c, struct span bytes)
{
	ssize_t n;

	if (c->tls) {
		n = tls_write(c->tls, bytes.data, bytes.len);
		return n > 0 || n == ERR_AGAIN ? n : ERR_CLOSED;
	}
	do
		n = send(c->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_CLOSED;
	return n;
}

static void sent(struct conn *c, size_t n)
{
	buf_consume(&c->out, n);
	count(c->sent, n);
}

int conn_flush(struct conn *c)
{
	charge(c);
	if (c->connecting || c->handshaking || c->held)
		return 0;
	while (buf_len(&c->out) && !c->blocked) {
		long n = push(c, buf_span(&c->out));

		if (n == ERR_CLOSED)
			return ERR_CLOSED;
		if (n == ERR_AGAIN)
			c->blocked = true;
		else
			sent(c, (size_t)n);
	}
	if (c->out.base && !buf_len(&c->out) && !c->out.err) /* who waits for an answer holds no block */
		give_back(&c->out);
	return c->blocked && event_add(&c->writable, NULL) ? ERR_CLOSED : 0;
}

void conn_read(struct conn *c, bool on)
{
	if (on == c->reading || c->fd == -1 || (on && (c->eof || c->connecting)))
		return;
	c->reading = on ? event_add(&c->readable, NULL) == 0 : false;
	if (on)
		mind_pending(c);
	else
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
	charge(c);
}
