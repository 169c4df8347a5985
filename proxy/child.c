#define _GNU_SOURCE
#include "proxy/child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HIGH_FD = 512, READY_MS = 20000 };

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

	snprintf(log, sizeof log, "ring.log.%s.%u", c->row->name, c->index);
	if (!strcmp(log, name))
		return true;
	for (unsigned i = 0; i < ROLE_HOLDS_MAX && c->row->holds[i]; i++)
		if (matches(c->row->holds[i], name, c->index))
			return true;
	return false;
}

/* In the child: descriptors 3, 4, ... in the order of the argument names, no terminal to read from,
 * everything else closed. Signals stay blocked until the role has said which it ignores. */
static void become(const struct child *c, const struct estate *e, int ready, int go, int self_fd)
{
	char index[16], epoch[16];
	char *argv[ROLE_FDS_MAX + 8] = {"understudy", "--role", (char *)c->row->name, index, epoch};
	int fds[ROLE_FDS_MAX], argc = 5, count = 0, nothing = open("/dev/null", O_RDONLY);

	snprintf(index, sizeof index, "%u", c->index);
	snprintf(epoch, sizeof epoch, "%u", c->epoch);
	for (unsigned i = 0; i < e->count && count < ROLE_FDS_MAX - 3; i++) {
		if (!child_holds(c, e->things[i].name))
			continue;
		argv[argc++] = (char *)e->things[i].name;
		fds[count++] = fcntl(e->things[i].fd, F_DUPFD_CLOEXEC, HIGH_FD);
	}
	argv[argc++] = "ready";
	fds[count++] = fcntl(ready, F_DUPFD_CLOEXEC, HIGH_FD);
	argv[argc++] = "go";
	fds[count++] = fcntl(go, F_DUPFD_CLOEXEC, HIGH_FD);
	fds[count] = fcntl(self_fd, F_DUPFD_CLOEXEC, HIGH_FD);
	dup2(nothing, STDIN_FILENO);
	for (int i = 0; i < count; i++)
		dup2(fds[i], 3 + i);
	dup3(fds[count], 3 + count, O_CLOEXEC);
	close_range((unsigned)(4 + count), ~0u, 0);
	fexecve(3 + count, argv, environ);
	_exit(3);
}

int child_start(struct child *c, const struct estate *e, int self_fd, uint64_t now_ns)
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
	c->pid = fork();
	if (c->pid == 0)
		become(c, e, up[1], down[0], self_fd);
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
