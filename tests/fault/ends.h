/*
 * ends.h - the other end of a connection, held by a test of the live path: it moves bytes when it is told to,
 * and knows what every body must be. A body is named by a number; no two of them are alike.
 */
#ifndef TESTS_FAULT_ENDS_H
#define TESTS_FAULT_ENDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/h2.h"
#include "proto/net/tls.h"

enum {
	REQUESTS = 3,
	REQUEST_BYTES = 9000,
	ANSWER_BYTES = 50000,
	ANSWERS = 100, /* from this number on */
};

struct end {
	int fd;
	struct tls *tls;
	bool shaken, over;
	struct buf in, out;
	struct h2 *h2; /* NULL: it does not speak that, or not yet */
	struct {
		unsigned number, status, got;
		bool whole, closed;
	} streams[64]; /* by id / 2 */
};

static char letter(unsigned which, size_t at)
{
	return (char)('a' + (which * 7 + at * 3 + at / 256) % 26);
}

static void put_body(struct buf *b, unsigned which, size_t n)
{
	char *room = buf_room(b, n);

	assert_non_null(room);
	for (size_t i = 0; i < n; i++)
		room[i] = letter(which, i);
	buf_grown(b, n);
}

static void check_body(struct span body, unsigned which)
{
	for (size_t i = 0; i < body.len; i++)
		if (body.data[i] != letter(which, i))
			fail_msg("message %u differs at byte %zu", which, i);
}

static void end_open(struct end *e, int fd, struct tls_context *context, const char *host)
{
	*e = (struct end){.fd = fd, .shaken = !context};
	fcntl(fd, F_SETFL, O_NONBLOCK);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1},
	                 sizeof(int)); /* nothing is under way unseen */
	buf_init(&e->in, 4 << 20);
	buf_init(&e->out, 4 << 20);
	if (context)
		assert_int_equal(tls_new(context, fd, host, &e->tls), 0);
}

/* Nothing happens to one that was closed. */
static void end_close(struct end *e)
{
	if (e->fd == -1)
		return;
	if (e->tls)
		tls_close(e->tls);
	tls_free(&e->tls);
	close(e->fd);
	h2_free(&e->h2);
	buf_fini(&e->in);
	buf_fini(&e->out);
	e->fd = -1;
}

static ssize_t end_send(struct end *e)
{
	struct span s = buf_span(&e->out);

	return e->tls ? tls_write(e->tls, s.data, s.len) : send(e->fd, s.data, s.len, MSG_NOSIGNAL);
}

/* Moves what can be moved; true when something did. */
static bool end_move(struct end *e)
{
	bool moved = false;
	char *room = buf_room(&e->in, 65536);
	ssize_t n;

	if (e->over || e->fd == -1)
		return false;
	if (!e->shaken) {
		int err = tls_handshake(e->tls);

		e->shaken = err == 0;
		e->over = err && err != ERR_AGAIN;
		return e->shaken;
	}
	while (buf_len(&e->out) && (n = end_send(e)) > 0) {
		buf_consume(&e->out, (size_t)n);
		moved = true;
	}
	while ((n = e->tls ? tls_read(e->tls, room, 65536) : recv(e->fd, room, 65536, 0)) > 0) {
		buf_grown(&e->in, (size_t)n);
		room = buf_room(&e->in, 65536);
		moved = true;
	}
	e->over = n == 0 || (n < 0 && (e->tls ? n != ERR_AGAIN : errno != EAGAIN));
	return moved;
}

#endif
