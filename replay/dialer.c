#define _GNU_SOURCE
#include "replay/dialer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "capture/names.h"
#include "replay/dial.h"

enum { LOOK_MS = 100 };

static struct {
	const struct plan *plan;
	const struct names *names; /* NULL: every address is a number */
	struct name_place places[ROUTES_MAX][CANDIDATES_MAX];
} dialer;

/* Where it is now. 0 or an errno. */
static int locate(unsigned r, unsigned c, struct sockaddr_storage *to, socklen_t *len)
{
	const struct plan_endpoint *e = &dialer.plan->routes[r].candidates[c].endpoint;
	struct name_place *p = &dialer.places[r][c];

	if (dialer.names && e->port)
		name_follow(&dialer.names->candidates[r][c], p);
	if (p->nowhere)
		return EHOSTUNREACH;
	if (p->version)
		*len = name_sockaddr(&p->at, e->port, to);
	else if (plan_address(e, to, len))
		return EINVAL;
	return 0;
}

/* A socket that connects to that candidate, or -1 with the answer's error set. */
static int dial(const struct dial_ask *ask, struct dial_answer *answer)
{
	struct sockaddr_storage to;
	socklen_t len = 0;
	int fd = -1;

	*answer = (struct dial_answer){.ticket = ask->ticket, .error = EINVAL};
	if (ask->route >= dialer.plan->route_count ||
	    ask->candidate >= dialer.plan->routes[ask->route].candidate_count)
		return -1;
	answer->error = locate(ask->route, ask->candidate, &to, &len);
	if (answer->error)
		return -1;
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd != -1 && (connect(fd, (struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS))
		return fd;
	answer->error = errno;
	if (fd != -1)
		close(fd);
	return -1;
}

/* A shadow that reads nothing loses the answer: its request ends with its deadline. */
static void tell(int to, const struct dial_answer *answer, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec io = {(void *)answer, sizeof *answer};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
	struct pollfd room = {.fd = to, .events = POLLOUT};

	if (fd != -1) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
		m.msg_control = &control;
		m.msg_controllen = sizeof control;
	}
	if (sendmsg(to, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 && errno == EAGAIN &&
	    poll(&room, 1, LOOK_MS) == 1)
		(void)!sendmsg(to, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void serve(int line)
{
	struct dial_answer answer;
	struct dial_ask ask;

	while (recv(line, &ask, sizeof ask, MSG_DONTWAIT) == sizeof ask) {
		int fd = dial(&ask, &answer);

		tell(line, &answer, fd);
		if (fd != -1)
			close(fd);
	}
}

static void place_all(void)
{
	for (unsigned r = 0; r < dialer.plan->route_count; r++)
		for (unsigned c = 0; c < dialer.plan->routes[r].candidate_count; c++) {
			const struct plan_endpoint *e = &dialer.plan->routes[r].candidates[c].endpoint;

			if (!e->port || !name_numeric(e->address, &dialer.places[r][c].at))
				memset(&dialer.places[r][c].at, 0, sizeof dialer.places[r][c].at);
		}
}

/* Until the drain, or until nobody is left who could ask: the shadow and, for its next one, the parent. */
int dialer_run(struct role_env *env)
{
	const struct dial_answer hello = {.ticket = 0};
	int line = role_fd(env, "dial.answer"), names = role_fd(env, "names.read");
	struct pollfd news = {.fd = line, .events = POLLIN};

	dialer.plan = env->plan;
	if (line == -1 || (names != -1 && names_watch(names, &dialer.names)))
		return 3;
	place_all();
	role_ready(env);
	tell(line, &hello, -1);
	while (atomic_load(&env->page->phase) < PHASE_ANSWERS && !(news.revents & (POLLHUP | POLLERR))) {
		news.revents = 0;
		if (poll(&news, 1, LOOK_MS) > 0)
			serve(line);
	}
	return 0;
}
