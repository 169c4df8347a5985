#define _GNU_SOURCE
#include "proxy/control_log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { LINES_A_TURN = 4096 };

void control_log_init(struct control_log *c, const struct role_env *env, int fd)
{
	*c = (struct control_log){.page = env->page, .fd = fd};
	for (int i = 0; i < env->fd_count && c->ring_count < LOG_RINGS_MAX; i++) {
		const char *name = env->fds[i].name;

		if (strncmp(name, "ring.log.", 9) || !strncmp(name, "ring.log.control.", 17))
			continue;
		if (!ring_attach_reader(env->fds[i].fd, -1, &c->rings[c->ring_count]))
			c->ring_count++;
	}
}

/* A pipe that polls writable takes PIPE_BUF bytes without blocking: whole lines of at most that go at once.
 */
static size_t chunk_of(const struct control_log *c)
{
	const char *end;

	if (c->held_len <= PIPE_BUF)
		return c->held_len;
	end = memrchr(c->held, '\n', PIPE_BUF);
	return end ? (size_t)(end + 1 - c->held) : PIPE_BUF;
}

/* False when the descriptor takes no more now. One that is broken swallows everything. */
static bool flush(struct control_log *c)
{
	while (c->held_len) {
		struct pollfd out = {.fd = c->fd, .events = POLLOUT};
		size_t n = chunk_of(c);
		ssize_t done;

		if (poll(&out, 1, 0) != 1)
			return false;
		done = write(c->fd, c->held, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN)
			return false;
		if (done > 0)
			n = (size_t)done;
		c->held_len -= n;
		memmove(c->held, c->held + n, c->held_len);
	}
	return true;
}

static void hold(struct control_log *c, struct span text)
{
	if (text.len > sizeof c->held - c->held_len && (!flush(c) || text.len > sizeof c->held)) {
		atomic_fetch_add(&c->page->log_shed, 1);
		return;
	}
	memcpy(c->held + c->held_len, text.data, text.len);
	c->held_len += text.len;
}

void control_log_put(void *control_log, struct span text)
{
	hold(control_log, text);
	flush(control_log);
}

/* A broken ring is given up: its role goes on, unheard. */
static void drain_ring(struct control_log *c, unsigned index)
{
	struct record r;
	int err = c->rings[index] ? 0 : ERR_AGAIN;

	for (unsigned n = 0; !err && n < LINES_A_TURN; n++) {
		if (sizeof c->held - c->held_len < LOG_LINE_MAX && !flush(c))
			return;
		err = ring_get(c->rings[index], &r, c->line);
		if (!err && log_is_line((struct span){c->line, r.payload_len}))
			hold(c, (struct span){c->line, r.payload_len});
		else if (!err)
			atomic_fetch_add(&c->page->log_shed, 1);
	}
	if (err == ERR_PROTO) {
		LOG(ERROR, "log_ring_broken", log_uint("ring", index));
		ring_free(&c->rings[index]);
	}
}

void control_log_drain(struct control_log *c)
{
	for (unsigned i = 0; i < c->ring_count; i++)
		drain_ring(c, i);
	flush(c);
}
