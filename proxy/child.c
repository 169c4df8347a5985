#define _GNU_SOURCE
#include "proxy/child.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/fds.h"

enum { FIRST_FD = 3, READY_MS = 20000 };

static bool matches(const char *pattern, const char *name, unsigned index)
{
	char exact[ESTATE_NAME_BYTES];
	const char *mark = strpbrk(pattern, "*%");

	if (!mark)
		return !strcmp(pattern, name);
	if (*mark == '*')
		return !strncmp(pattern, name, (size_t)(mark - pattern));
	snprintf(exact, sizeof exact, "%.*s%u", (int)(mark - pattern), pattern, index);
	return !strcmp(exact, name);
}

bool child_holds(const struct child *c, const char *name)
{
	char log[ESTATE_NAME_BYTES];

	if (c->row->walls.may & MAY_LAUNCH && !strncmp(name, "ring.", 5))
		return false;
	snprintf(log, sizeof log, "ring.log.%s.%u", c->row->name, c->index);
	if (!strcmp(log, name))
		return true;
	for (unsigned i = 0; i < ROLE_HOLDS_MAX && c->row->holds[i]; i++)
		if (matches(c->row->holds[i], name, c->index))
			return true;
	return false;
}

/* Descriptors 3, 4, ... of the role, in the order of the argument names. */
struct holdings {
	char index[16], epoch[16];
	const char *words[ROLE_FDS_MAX + 8];
	int fds[ROLE_FDS_MAX + 1];
	unsigned word_count, fd_count;
};

static void hold(struct holdings *h, const char *name, int fd)
{
	h->words[h->word_count++] = name;
	h->fds[h->fd_count++] = fd;
}

static void list(struct holdings *h, const struct child *c, const struct estate *e, int ready, int go)
{
	*h = (struct holdings){.words = {"understudy", "--role", c->row->name, h->index, h->epoch},
	                       .word_count = 5};
	snprintf(h->index, sizeof h->index, "%u", c->index);
	snprintf(h->epoch, sizeof h->epoch, "%u", c->epoch);
	for (unsigned i = 0; i < e->count && h->fd_count < ROLE_FDS_MAX - 2; i++)
		if (child_holds(c, e->things[i].name))
			hold(h, e->things[i].name, e->things[i].fd);
	hold(h, "ready", ready);
	hold(h, "go", go);
}

/* In the child: no terminal to read from, everything else closed. Signals stay blocked until the role has
 * said which it ignores. */
static _Noreturn void become(struct holdings *h, int self_fd)
{
	int nothing = open("/dev/null", O_RDONLY);

	dup2(nothing, STDIN_FILENO);
	h->fds[h->fd_count] = self_fd;
	fds_place(FIRST_FD, h->fds, h->fd_count + 1);
	fcntl(FIRST_FD + (int)h->fd_count, F_SETFD, FD_CLOEXEC);
	fexecve(FIRST_FD + (int)h->fd_count, (char *const *)h->words, environ);
	_exit(3);
}

static pid_t start(const struct child *c, const struct estate *e, const struct starter *by, int ready, int go)
{
	static struct holdings h;
	pid_t pid;

	list(&h, c, e, ready, go);
	if (c->row->walls.may & MAY_LAUNCH)
		return launcher_start(by->launcher, &(struct launch){.as = LAUNCH_ROLE,
		                                                     .words = h.words,
		                                                     .fds = h.fds,
		                                                     .fd_count = h.fd_count});
	pid = fork();
	if (pid == 0)
		become(&h, by->self_fd);
	return pid;
}

int child_start(struct child *c, const struct estate *e, const struct starter *by, uint64_t now_ns)
{
	uint32_t limit_ms = c->row->ready_ms ? c->row->ready_ms : READY_MS;
	int up[2], down[2];

	if (pipe2(up, O_CLOEXEC) == -1)
		return ERR_SYS;
	if (pipe2(down, O_CLOEXEC) == -1) {
		close(up[0]);
		close(up[1]);
		return ERR_SYS;
	}
	c->pid = start(c, e, by, up[1], down[0]);
	close(up[1]);
	close(down[0]);
	c->from = up[0];
	c->go = down[1];
	if (c->pid < 0) {
		child_clear(c);
		return ERR_SYS;
	}
	fcntl(c->from, F_SETFL, O_NONBLOCK);
	c->state = CHILD_STARTING;
	c->since_ns = now_ns;
	c->deadline_ns = now_ns + limit_ms * (uint64_t)1000000u;
	return 0;
}

bool child_heard(struct child *c, uint64_t now_ns)
{
	char one;

	if (c->state != CHILD_STARTING || read(c->from, &one, 1) != 1)
		return false;
	c->state = CHILD_READY;
	c->since_ns = now_ns;
	return true;
}

void child_let_go(struct child *c)
{
	if (c->go == -1)
		return;
	(void)!write(c->go, "1", 1); /* if it has died, the reaper hears of it */
	close(c->go);
	c->go = -1;
}

bool child_last_words(struct child *c, char ring[ESTATE_NAME_BYTES])
{
	char said[ESTATE_NAME_BYTES], full[ESTATE_NAME_BYTES + 8];
	ssize_t n = c->from == -1 ? -1 : read(c->from, said, sizeof said - 1);
	const char *name = said;

	if (n <= 0)
		return false;
	said[n] = 0;
	if (c->state == CHILD_STARTING && *name == '1')
		name++;
	snprintf(full, sizeof full, "ring.%s", name);
	if (strlen(full) >= ESTATE_NAME_BYTES || !child_holds(c, full))
		return false;
	memcpy(ring, name, strlen(name) + 1);
	return true;
}

void child_clear(struct child *c)
{
	if (c->from != -1)
		close(c->from);
	if (c->go != -1)
		close(c->go);
	c->from = c->go = -1;
	c->pid = 0;
}
