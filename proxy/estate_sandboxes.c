/* Sandboxes of an estate: each is a socket, gauges with two ends, and a pipe: its keeper has the readable end
 * and ends once nobody has the other. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/sandbox_gauges.h"
#include "proxy/estate_inside.h"

enum { SANDBOX_BACKLOG = 512 };

static const char *const sandbox_things[] = {"listen", "gauges", "look", "life", "hold"};

/* Where it is reached, in this generation and the next ones that have it too. */
static void sandbox_address(const struct plan *plan, unsigned n, struct plan_endpoint *at)
{
	snprintf(at->address, sizeof at->address, "%.*s.%u.%u", ADDRESS_MAX_BYTES - 24, plan->control_socket,
	         plan->generation, n);
	snprintf(at->url, sizeof at->url, "unix:%s", at->address);
}

static bool same_sandbox(const struct estate *e, unsigned route, const struct plan_candidate *k,
                         const struct estate *former, unsigned n)
{
	unsigned r, c;
	const struct plan_candidate *theirs = plan_sandboxed(former->plan, n, &r, &c);

	return theirs && !strcmp(theirs->name, k->name) &&
	       !strcmp(former->plan->routes[r].name, e->plan->routes[route].name) &&
	       !memcmp(&theirs->sandbox, &k->sandbox, sizeof k->sandbox);
}

static int share_sandbox(struct estate *e, unsigned n, const struct estate *former, unsigned theirs)
{
	char name[ESTATE_NAME_BYTES + 8];
	int err = 0;

	for (unsigned i = 0; i < sizeof sandbox_things / sizeof *sandbox_things && !err; i++) {
		int fd;

		snprintf(name, sizeof name, "sandbox.%s.%u", sandbox_things[i], theirs);
		fd = fcntl(estate_fd(former, name), F_DUPFD_CLOEXEC, 0);
		err = fd == -1 ? estate_complain("cannot share a sandbox", name)
		               : estate_own(e, fd, "sandbox.%s.%u", sandbox_things[i], n);
	}
	return err;
}

/* For the dialer, which may be another user, and for nobody else. */
static int sandbox_listener(const struct estate *e, const char *path)
{
	int fd = estate_bind_path(e->plan, path);

	if (fd != -1 && listen(fd, SANDBOX_BACKLOG)) {
		close(fd);
		fd = -1;
	}
	if (fd != -1 && e->plan->user_id && geteuid() == 0)
		(void)!lchown(path, e->plan->user_id, e->plan->group_id);
	return fd;
}

static int make_sandbox(struct estate *e, unsigned n, const char *path)
{
	int fds[5] = {sandbox_listener(e, path), -1, -1, -1, -1}, err = 0;

	if (fds[0] == -1)
		return estate_complain("cannot make the socket of a sandbox", path);
	e->sandboxes[n].ours = true;
	if (sandbox_gauges_create(&fds[1], &fds[2]) || pipe2(fds + 3, O_CLOEXEC))
		err = estate_complain("cannot make a sandbox", path);
	for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (fds[i] != -1 && estate_own(e, fds[i], "sandbox.%s.%u", sandbox_things[i], n))
			err = ERR_LIMIT;
	}
	return err;
}

int estate_make_sandboxes(struct estate *e, const struct estate *former)
{
	struct plan_candidate *k;
	unsigned r, c;
	int err = 0;

	for (unsigned n = 0; !e->plan->run_closed && !err && (k = plan_sandboxed(e->plan, n, &r, &c)); n++) {
		int theirs = -1;

		for (unsigned m = 0; former && m < former->sandbox_count && theirs == -1; m++)
			if (same_sandbox(e, r, k, former, m))
				theirs = (int)m;
		e->sandboxes[n].former = theirs;
		e->sandbox_count++;
		if (theirs == -1) {
			sandbox_address(e->plan, n, &k->endpoint);
			err = make_sandbox(e, n, k->endpoint.address);
		} else {
			unsigned fr, fc;

			k->endpoint = plan_sandboxed(former->plan, (unsigned)theirs, &fr, &fc)->endpoint;
			err = share_sandbox(e, n, former, (unsigned)theirs);
		}
	}
	return err;
}

void estate_leave_sandboxes(struct estate *e)
{
	for (unsigned i = e->count; i-- > 0;)
		if (!strncmp(e->things[i].name, "sandbox.hold.", 13)) {
			close(e->things[i].fd);
			memmove(&e->things[i], &e->things[i + 1], (--e->count - i) * sizeof *e->things);
		}
}

void estate_take_sandbox(struct estate *e, unsigned n, struct estate *former)
{
	bool *theirs = &former->sandboxes[e->sandboxes[n].former].ours;

	e->sandboxes[n].ours = *theirs;
	e->sandboxes[n].former = -1;
	*theirs = false;
}

void estate_remove_sandboxes(const struct estate *e)
{
	unsigned r, c;

	for (unsigned n = 0; n < e->sandbox_count; n++)
		if (e->sandboxes[n].ours)
			unlink(plan_sandboxed(e->plan, n, &r, &c)->endpoint.address);
}
