/*
 * ctl.c - `understudy ctl`: one word to the running proxy's control socket, its answer to stdout.
 */
#include "tools/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char help[] = "usage: understudy ctl [--control SOCKET] status|pause|resume|drain\n"
                           "\n"
                           "  status   who is live, what was seen and what became of it\n"
                           "  pause    stop all shadowing at once; live traffic goes on\n"
                           "  resume   shadow again\n"
                           "  drain    finish what is open, seal the run, stop\n"
                           "\n"
                           "  --control SOCKET   default: run/understudy.sock\n"
                           "\n"
                           "examples:\n"
                           "  understudy ctl status\n"
                           "  understudy ctl --control /run/understudy/understudy.sock pause\n";

static int talk(const char *path, const char *command)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 3;
	char text[4096];
	ssize_t n;

	if (strlen(path) < sizeof a.sun_path)
		strcpy(a.sun_path, path);
	if (fd == -1 || connect(fd, (struct sockaddr *)&a, sizeof a) == -1) {
		fprintf(stderr, "understudy: %s: %s; is the proxy running here?\n", path, strerror(errno));
		goto out;
	}
	if (dprintf(fd, "%s\n", command) < 0)
		goto out;
	while ((n = read(fd, text, sizeof text)) > 0)
		fwrite(text, 1, (size_t)n, stdout);
	status = n == 0 ? 0 : 3;
out:
	if (fd != -1)
		close(fd);
	return status;
}

int ctl_command(int argc, char **argv)
{
	const char *socket_path = "run/understudy.sock", *command = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help")) {
			fputs(help, stdout);
			return 0;
		} else if (!strcmp(argv[i], "--control") && i + 1 < argc) {
			socket_path = argv[++i];
		} else if (!command) {
			command = argv[i];
		} else {
			command = "";
		}
	}
	if (!command || (strcmp(command, "status") && strcmp(command, "pause") && strcmp(command, "resume") &&
	                 strcmp(command, "drain"))) {
		fprintf(stderr, "understudy: ctl takes one of status, pause, resume, drain; see understudy "
		                "ctl --help\n");
		return 2;
	}
	return talk(socket_path, command);
}
