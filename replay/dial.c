#define _GNU_SOURCE
#include "replay/dial.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "proto/base/clock.h"

struct wait { /* a conn that waits for its socket */
	TAILQ_ENTRY(wait) link;
	struct conn *conn;
	struct dial_ask ask;
	bool asked;
};

struct line { /* to one candidate */
	struct conn_dialer dialer;
	struct dial *dial;
	uint32_t route, candidate;
};

struct dial {
	int fd;
	struct event readable, writable;
	uint64_t ticket;
	TAILQ_HEAD(, wait) waiting; /* as many as clients have connections */
	struct line lines[ROUTES_MAX][CANDIDATES_MAX];
};

/* Ask for all who wait; the rest when the dialer has read some. */
static void ask_all(struct dial *d)
{
	struct wait *w;

	TAILQ_FOREACH(w, &d->waiting, link)
	{
		if (w->asked)
			continue;
		w->asked = send(d->fd, &w->ask, sizeof w->ask, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
		if (!w->asked) {
			event_add(&d->writable, NULL);
			return;
		}
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	ask_all(arg);
}

static int ask(struct conn_dialer *dialer, struct conn *c)
{
	struct line *line = (struct line *)dialer;
	struct dial *d = line->dial;
	struct wait *w = calloc(1, sizeof *w);

	if (!w)
		return ERR_NOMEM;
	w->conn = c;
	w->ask = (struct dial_ask){.ticket = ++d->ticket, .route = line->route, .candidate = line->candidate};
	TAILQ_INSERT_TAIL(&d->waiting, w, link);
	ask_all(d);
	return 0;
}

static void drop(struct dial *d, struct wait *w)
{
	TAILQ_REMOVE(&d->waiting, w, link);
	free(w);
}

static void forget(struct conn_dialer *dialer, struct conn *c)
{
	struct dial *d = ((struct line *)dialer)->dial;
	struct wait *w;

	TAILQ_FOREACH(w, &d->waiting, link)
	if (w->conn == c) {
		drop(d, w);
		return;
	}
}

static struct wait *find(struct dial *d, uint64_t ticket)
{
	struct wait *w;

	TAILQ_FOREACH(w, &d->waiting, link)
	if (w->ask.ticket == ticket)
		return w;
	return NULL;
}

/* The socket is taken, or closed: nobody waits for it any more. */
static void answered(struct dial *d, const struct dial_answer *a, int fd)
{
	struct wait *w = find(d, a->ticket);
	struct conn *c = w ? w->conn : NULL;

	if (c) {
		drop(d, w);
		conn_dialled(c, fd);
	} else if (fd != -1) {
		close(fd);
	}
}

static void ask_anew(struct dial *d)
{
	struct wait *w;

	TAILQ_FOREACH(w, &d->waiting, link)
	w->asked = false;
	ask_all(d);
}

/* One answer and its socket, or -1. False: there is none. */
static bool receive(int from, struct dial_answer *a, int *fd_out)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec io = {a, sizeof *a};
	struct msghdr m = {
	        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct cmsghdr *c;

	*fd_out = -1;
	if (recvmsg(from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof *a)
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd_out, CMSG_DATA(c), sizeof(int));
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	struct dial_answer a;
	int got;

	(void)what;
	while (receive(fd, &a, &got))
		if (a.ticket)
			answered(d, &a, got);
		else
			ask_anew(d);
}

struct conn_dialer *dial_to(struct dial *d, unsigned route, unsigned candidate)
{
	struct line *line = &d->lines[route][candidate];

	*line = (struct line){{ask, forget}, d, route, candidate};
	return &line->dialer;
}

int dial_new(struct event_base *base, int fd, struct dial **out)
{
	struct dial *d = calloc(1, sizeof *d);

	if (!d)
		return ERR_NOMEM;
	d->fd = fd;
	d->ticket = clock_mono_ns(); /* beyond those of any shadow before */
	TAILQ_INIT(&d->waiting);
	event_assign(&d->readable, base, fd, EV_READ | EV_PERSIST, on_readable, d);
	event_assign(&d->writable, base, fd, EV_WRITE, on_writable, d);
	if (event_add(&d->readable, NULL)) {
		free(d);
		return ERR_NOMEM;
	}
	*out = d;
	return 0;
}

void dial_free(struct dial **dial)
{
	if (!*dial)
		return;
	event_del(&(*dial)->readable);
	event_del(&(*dial)->writable);
	free(*dial);
	*dial = NULL;
}
