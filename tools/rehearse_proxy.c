/* The proxy of a rehearsal: this program's own roles under a plan of its own, gone with the command. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/config_endpoint.h"
#include "tools/commands.h"
#include "tools/reach.h"
#include "tools/rehearse.h"

enum { READY_TRIES = 1200, STOP_TRIES = 1200, NAP_US = 25000, REMOVE_FDS = 16 };
enum { TMPDIR_MAX = 60 }; /* a socket of the proxy lies below it */

/* One that nobody has now. 0: none. */
static uint16_t free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool bound = fd != -1 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
	             getsockname(fd, (struct sockaddr *)&a, &len) == 0;

	if (fd != -1)
		close(fd);
	return bound ? ntohs(a.sin_port) : 0;
}

static void copy_nothing(struct plan *plan)
{
	for (uint32_t i = 0; i < plan->route_count; i++) {
		plan->routes[i].mirror = false;
		plan->routes[i].candidate_count = plan->routes[i].gate_count = 0;
	}
}

int rehearse_prepare(struct plan *plan, bool copies, struct rehearse_proxy *p)
{
	const char *under = getenv("TMPDIR");
	char address[32];
	uint16_t port = free_port();

	*p = (struct rehearse_proxy){.pid = -1};
	snprintf(p->folder, sizeof p->folder, "%s/understudy-rehearse-XXXXXX",
	         under && strlen(under) <= TMPDIR_MAX ? under : "/tmp");
	snprintf(address, sizeof address, "127.0.0.1:%u", port);
	if (!port || endpoint_read_address(address, true, &p->at) || !mkdtemp(p->folder))
		return ERR_SYS;
	memset(plan->listen, 0, sizeof plan->listen);
	plan->listen_count = 1;
	plan->listen[0].at = p->at;
	memset(&plan->control_address, 0, sizeof plan->control_address);
	plan->control_token_file[0] = 0;
	snprintf(plan->control_socket, sizeof plan->control_socket, "%s/control.sock", p->folder);
	snprintf(plan->run_directory, sizeof plan->run_directory, "%s", p->folder);
	plan->capture = false;
	if (!copies)
		copy_nothing(plan);
	for (uint32_t i = 0; i < plan->route_count; i++)
		plan->routes[i].match_port = plan->routes[i].match_port ? port : 0;
	return 0;
}

/* The roles' parent; its words go to a file. Does not return. */
_Noreturn static void become_proxy(const struct plan *plan, const struct rehearse_proxy *p)
{
	char path[192];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setpgid(0, 0);
	snprintf(path, sizeof path, "%s/log", p->folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || dup2(fd, STDOUT_FILENO) == -1 || dup2(fd, STDERR_FILENO) == -1)
		_exit(3);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_PID");
	snprintf(path, sizeof path, "%s/run", p->folder);
	_exit(start_roles(plan, path, NULL, NULL));
}

/* What it said last, for the one line of our own. */
static void last_line(const struct rehearse_proxy *p, char out[512])
{
	char path[192], line[512];
	FILE *f;

	snprintf(path, sizeof path, "%s/log", p->folder);
	snprintf(out, 512, "it said nothing");
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			snprintf(out, 512, "%s", line);
	}
	if (f)
		fclose(f);
}

static bool is_gone(struct rehearse_proxy *p)
{
	if (p->pid > 0 && waitpid(p->pid, NULL, WNOHANG) == p->pid)
		p->pid = -1;
	return p->pid == -1;
}

int rehearse_start(const struct plan *plan, struct rehearse_proxy *p)
{
	char said[512];
	struct reach r;

	p->pid = fork();
	if (p->pid == 0)
		become_proxy(plan, p);
	for (int i = 0; i < READY_TRIES && !is_gone(p); i++) {
		if (!reach_open(&r, &p->at, NULL, 1000)) {
			reach_close(&r);
			return 0;
		}
		usleep(NAP_US);
	}
	last_line(p, said);
	fprintf(stderr, "understudy: rehearse: the proxy did not start: %s\n", said);
	return ERR_SYS;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path) == -1 && errno != ENOENT;
}

void rehearse_stop(struct rehearse_proxy *p)
{
	if (p->pid > 0)
		kill(p->pid, SIGTERM);
	for (int i = 0; i < STOP_TRIES && !is_gone(p); i++) {
		if (i == STOP_TRIES / 2)
			kill(p->pid, SIGTERM);
		usleep(NAP_US);
	}
	if (p->pid > 0) {
		kill(-p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	p->pid = -1;
	nftw(p->folder, remove_one, REMOVE_FDS, FTW_DEPTH | FTW_PHYS);
}
